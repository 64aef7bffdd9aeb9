/*
 * heald/mutex.h: a mutex in a region, shared by the participants of all processes. See
 * heald/region.h for who they are.
 *
 * It knows its holder, and survives the death of its holder at any instruction: the next one gets
 * it, with -EOWNERDEAD. It may be embedded anywhere in the data of a region; zeroed memory is a
 * mutex that nobody holds. Every call takes the calling thread's own participant of *that* region;
 * another's is not noticed. None is safe in a signal handler.
 *
 * It also keeps, for the tools (heald/inspect.h), where it was locked and who held it last.
 */
#ifndef HEALD_MUTEX_H
#define HEALD_MUTEX_H

#include <heald/region.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    HEALD_MUTEX_RECURSIVE = 1, /* its holder may lock it again; as many unlocks free it */
    HEALD_MUTEX_FAIR = 2 /* those who wait get it in the order in which they came, by tickets of the
                            region, whatever clocks say. While the first of them wakes up,
                            newcomers may have it; once it is awake, or the mutex was unlocked 512
                            times, it is handed over. So a waiter that is stopped may stop those
                            behind it. A participant that waits for more than four objects at once
                            is queued for four of them; for the others it comes after all that are
                            queued. What a dead holder left is of who comes first. All that one
                            participant does with it is in one place of the line. */
};

enum { HEALD_MUTEX_LAST = 4 };

/* All private. */
struct heald_mutex {
    uint64_t word;  /* atomic: who holds it, and flags */
    uint8_t flags;  /* of heald_mutex_init(); never changes */
    uint8_t turn;   /* atomic: the latest in `last` */
    uint16_t depth; /* the holder's: how many times more than once */
    /* For people; atomic, each by itself: */
    uint32_t order; /* what it is called in the recorded order of locks; 0: nothing yet */
    uint64_t site;  /* where the holder locked it, or the callback of the op that did: an address in
                      its program; 0: not known */
    int64_t since;  /* since when: heald_holder_info */
    uint64_t last[HEALD_MUTEX_LAST]; /* who has locked it: pid << 32 | thread */
};

/* Nobody holds it. Before anybody else can see it; needed only for flags. 0, -EINVAL. */
HEALD_API int heald_mutex_init(struct heald_mutex *mutex, unsigned flags);

/*
 * Locks it, waiting until the deadline (absolute, monotonic; HEALD_FOREVER). Signals do not end the
 * wait.
 *
 * 0: it is the caller's. -EOWNERDEAD: it is the caller's, but its last holder died with it, and
 * what it guards may be half done: repair that and call heald_mutex_consistent(), or give it up by
 * unlocking. All others: not locked. -ENOTRECOVERABLE: it was given up so, permanently. -ETIMEDOUT.
 * -EDEADLK: the caller has it (and it is not recursive). -EAGAIN: it is, and locked 65,536 times.
 * -ESTALE: `me` is of the process that forked this one, or is detached. -EBADMSG: the mutex is
 * corrupt.
 */
HEALD_API int heald_mutex_lock(struct heald_mutex *mutex, struct heald_participant *me,
                               int64_t deadline_ns);

/* The same without waiting. -EBUSY: another holds it. */
HEALD_API int heald_mutex_trylock(struct heald_mutex *mutex, struct heald_participant *me);

/* Unlocks it. -EPERM: the caller does not hold it. After -EOWNERDEAD without
 * heald_mutex_consistent(): nobody will ever get it again. */
HEALD_API int heald_mutex_unlock(struct heald_mutex *mutex, struct heald_participant *me);

/* After -EOWNERDEAD: what the mutex guards is in order again. -EPERM: the caller does not hold it.
 * -EINVAL: it was in order. */
HEALD_API int heald_mutex_consistent(struct heald_mutex *mutex, struct heald_participant *me);

#ifdef __cplusplus
}
#endif
#endif
