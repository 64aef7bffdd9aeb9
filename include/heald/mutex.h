/*
 * heald/mutex.h: a mutex in a region, shared by the participants of all processes.
 *
 * A mutex survives the death of its holder at any instruction: the next participant gets the mutex,
 * with -EOWNERDEAD. It may be embedded anywhere in the data of a region. Zeroed memory is an
 * unlocked mutex. Tools see its holder, where it was locked and who held it last (heald/inspect.h).
 *
 * `me` is the participant of the calling thread in the region of the mutex (heald/region.h). The
 * library does not detect a participant of another region. No function is async-signal-safe. Each
 * function with `me` returns, besides the errors below:
 *
 *   -ESTALE    `me` is detached, or belongs to the parent of this process
 */
#ifndef HEALD_MUTEX_H
#define HEALD_MUTEX_H

#include <heald/region.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Flags of heald_mutex_init(). */
enum {
    HEALD_MUTEX_RECURSIVE = 1, /* the holder may lock it again; each lock needs one unlock */
    HEALD_MUTEX_FAIR = 2 /* waiters get it in the order of their tickets, which the region numbers;
                            no clock is involved. While the first waiter wakes up, other
                            participants may lock it. When that waiter is awake, or after 512
                            unlocks, the mutex is handed over to it. A stopped waiter can therefore
                            stop those behind it. If the holder dies, the first to try gets it. The
                            waits of one participant for one mutex have one place in the queue. A
                            participant that waits for more than four objects at once is queued for
                            four of them, and behind all queued waiters for the others. */
};

enum { HEALD_MUTEX_LAST = 4 };

/* All members are private. */
struct heald_mutex {
    uint64_t word;  /* atomic: the holder, and flags */
    uint8_t flags;  /* of heald_mutex_init(); constant */
    uint8_t turn;   /* atomic: the latest entry of `last` */
    uint16_t depth; /* of the holder: additional locks of a recursive mutex */
    /* For tools; each is atomic: */
    uint32_t order; /* its number in the recorded order of locks; 0: none */
    uint64_t site;  /* address in the program of the holder: where it locked, or the callback of the
                       op; 0: not known */
    int64_t since;  /* the time of the lock: heald_holder_info */
    uint64_t last[HEALD_MUTEX_LAST]; /* the last holders: pid << 32 | thread */
};

/*
 * Initializes a mutex. It is unlocked. Only flags need this call. The caller ensures that no other
 * participant uses the mutex yet. Does not block.
 *
 *   0         done
 *   -EINVAL   a flag is unknown
 */
HEALD_API int heald_mutex_init(struct heald_mutex *mutex, unsigned flags);

/*
 * Locks a mutex. Blocks until `deadline_ns` (absolute, monotonic; HEALD_FOREVER). Signals do not
 * end the wait. The caller holds the mutex only after 0 and -EOWNERDEAD.
 *
 *   0                  locked
 *   -EOWNERDEAD        locked; the last holder died, and the guarded data may be inconsistent.
 *                      Repair it and call heald_mutex_consistent(), or unlock to give it up
 *   -ENOTRECOVERABLE   the mutex was given up; this is permanent
 *   -ETIMEDOUT         the deadline has passed
 *   -EDEADLK           the caller holds it, and it is not recursive
 *   -EAGAIN            the caller holds it 65,536 times
 *   -EBADMSG           the mutex is corrupt
 */
HEALD_API int heald_mutex_lock(struct heald_mutex *mutex, struct heald_participant *me,
                               int64_t deadline_ns);

/* As heald_mutex_lock(), but does not block. -EBUSY: another participant holds it. */
HEALD_API int heald_mutex_trylock(struct heald_mutex *mutex, struct heald_participant *me);

/*
 * Unlocks a mutex. Does not block. After -EOWNERDEAD without heald_mutex_consistent() it gives the
 * mutex up: every later lock fails with -ENOTRECOVERABLE.
 *
 *   0        unlocked
 *   -EPERM   the caller does not hold it
 */
HEALD_API int heald_mutex_unlock(struct heald_mutex *mutex, struct heald_participant *me);

/*
 * Marks the guarded data consistent, after -EOWNERDEAD. Does not block.
 *
 *   0         done
 *   -EPERM    the caller does not hold the mutex
 *   -EINVAL   the data was consistent
 */
HEALD_API int heald_mutex_consistent(struct heald_mutex *mutex, struct heald_participant *me);

#ifdef __cplusplus
}
#endif
#endif
