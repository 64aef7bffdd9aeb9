/*
 * heald/rwlock.h: a read-write lock in a region, which many readers or one writer hold.
 *
 * A reader that dies no longer holds the lock. After the death of a writer the next writer gets the
 * lock with -EOWNERDEAD. The lock may be embedded anywhere in the data of a region. Zeroed memory
 * is an unlocked lock for HEALD_RWLOCK_READERS readers. `me` is as in heald/mutex.h. No function is
 * async-signal-safe. Each function with `me` returns, besides the errors below:
 *
 *   -ESTALE    `me` is detached, or belongs to the parent of this process
 *   -EBADMSG   the lock is corrupt
 */
#ifndef HEALD_RWLOCK_H
#define HEALD_RWLOCK_H

#include <heald/mutex.h>

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    HEALD_RWLOCK_READERS = 64,       /* readers at a time; further readers wait */
    HEALD_RWLOCK_READERS_MAX = 4096, /* maximum for heald_rwlock_init_sized() */
    HEALD_RWLOCK_PREFER_WRITER = 1   /* flag: a new reader waits while a writer waits; by default
                                        readers go first */
};

/* All members are private. */
struct heald_rwlock {
    uint64_t writer; /* atomic: the writer, and flags; 0: none */
    uint16_t flags;
    uint16_t size;                          /* places for readers; 0: HEALD_RWLOCK_READERS */
    uint32_t order;                         /* atomic: as that of struct heald_mutex */
    uint32_t event;                         /* atomic: changes when a reader unlocks */
    uint32_t check;                         /* complement of `size`; 0 in zeroed memory */
    uint64_t used;                          /* atomic: places that were ever used, modulo 64 */
    uint64_t readers[HEALD_RWLOCK_READERS]; /* atomic; as many as `size` */
};

/* The size in bytes of a lock for `n` readers at a time. */
#define HEALD_RWLOCK_SIZE(n) (offsetof(struct heald_rwlock, readers) + (n) * sizeof(uint64_t))

/*
 * Memory for a lock of `n` readers, to embed: `HEALD_RWLOCK(4) map;`. Initialize it with
 * heald_rwlock_init_sized(heald_rwlock_of(&map), sizeof map, 0). Zeroed memory and
 * heald_rwlock_init() are not valid here: readers would write behind a smaller lock.
 */
#define HEALD_RWLOCK(n)                                                \
    struct {                                                           \
        uint64_t heald_words[HEALD_RWLOCK_SIZE(n) / sizeof(uint64_t)]; \
    }

/* The lock in such memory. */
static inline struct heald_rwlock *heald_rwlock_of(void *memory)
{
    return (struct heald_rwlock *)memory;
}

/*
 * Initialize a lock: of the size of the struct, or in memory of `size` bytes for as many readers as
 * fit, at most HEALD_RWLOCK_READERS_MAX. It is unlocked. The caller ensures that no other
 * participant uses the lock yet. Do not block.
 *
 *   0         done
 *   -EINVAL   a flag is unknown, or size has no place for a reader
 */
HEALD_API int heald_rwlock_init(struct heald_rwlock *lock, unsigned flags);
HEALD_API int heald_rwlock_init_sized(struct heald_rwlock *lock, size_t size, unsigned flags);

/*
 * Lock for reading, and for writing. Block until `deadline_ns` (absolute, monotonic;
 * HEALD_FOREVER). A reader may lock again for reading, and does not wait for a writer then; each
 * lock needs one unlock. There is no upgrade from reading to writing.
 *
 *   0                  locked
 *   -EOWNERDEAD        (wrlock) locked; the last writer died. Repair the guarded data and call
 *                      heald_rwlock_consistent(), or unlock to give the lock up
 *   -EOWNERDEAD        (rdlock) NOT locked; the last writer died. Lock for writing and repair
 *   -ENOTRECOVERABLE   the lock was given up; this is permanent
 *   -ETIMEDOUT         the deadline has passed
 *   -EDEADLK           the caller holds the lock for writing, or wants to write and holds it for
 *                      reading
 *   -EAGAIN            (rdlock) the caller has all places of readers
 */
HEALD_API int heald_rwlock_rdlock(struct heald_rwlock *lock, struct heald_participant *me,
                                  int64_t deadline_ns);
HEALD_API int heald_rwlock_wrlock(struct heald_rwlock *lock, struct heald_participant *me,
                                  int64_t deadline_ns);

/* The same, but do not block. -EBUSY: other participants hold the lock, or try to lock it now. */
HEALD_API int heald_rwlock_tryrdlock(struct heald_rwlock *lock, struct heald_participant *me);
HEALD_API int heald_rwlock_trywrlock(struct heald_rwlock *lock, struct heald_participant *me);

/*
 * Unlocks what the caller holds, for reading or writing. Does not block. A writer that has not
 * marked the data consistent after -EOWNERDEAD gives the lock up.
 *
 *   0        unlocked
 *   -EPERM   the caller does not hold the lock
 */
HEALD_API int heald_rwlock_unlock(struct heald_rwlock *lock, struct heald_participant *me);

/*
 * Marks the guarded data consistent, after -EOWNERDEAD. Does not block.
 *
 *   0         done
 *   -EPERM    the caller does not hold the lock for writing
 *   -EINVAL   the data was consistent
 */
HEALD_API int heald_rwlock_consistent(struct heald_rwlock *lock, struct heald_participant *me);

#ifdef __cplusplus
}
#endif
#endif
