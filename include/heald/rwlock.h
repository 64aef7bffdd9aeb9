/*
 * heald/rwlock.h: a lock in a region that many readers or one writer hold. Readers that die are
 * forgotten; after the death of a writer the next writer gets -EOWNERDEAD. Zeroed memory
 * is one that nobody holds. See heald/region.h for participants. None of the calls is safe in a
 * signal handler.
 */
#ifndef HEALD_RWLOCK_H
#define HEALD_RWLOCK_H

#include <heald/mutex.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    HEALD_RWLOCK_READERS = 64,     /* at a time; more wait */
    HEALD_RWLOCK_PREFER_WRITER = 1 /* no new reader while a writer waits; else readers go first */
};

/* All private. */
struct heald_rwlock {
    struct heald_monitor monitor;
    uint64_t writer; /* who writes, and flags; 0: nobody */
    uint64_t next;   /* the writer that readers let go first; 0: none */
    uint32_t flags;
    uint32_t lost; /* given up after a writer died */
    uint64_t readers[HEALD_RWLOCK_READERS];
};

/* Nobody holds it. Before anybody else can see it; needed only for flags. 0, -EINVAL. */
HEALD_API int heald_rwlock_init(struct heald_rwlock *lock, unsigned flags);

/*
 * Locks it for reading or writing, waiting until the deadline.
 *
 * A reader may lock it again for reading, and unlocks it as often; it waits for no writer then. 0;
 * -ETIMEDOUT; -EDEADLK: the caller writes, or wants to and reads: there is no upgrade; -EAGAIN: the
 * caller reads HEALD_RWLOCK_READERS times over, so that no other can give it a place; -EOWNERDEAD:
 * the last writer died writing: for a writer, it is the caller's, which repairs what it guards and
 * calls heald_rwlock_consistent(); for a reader, it is *not* the caller's: lock it for writing and
 * repair; -ENOTRECOVERABLE: it was given up; -ESTALE, -EBADMSG: as heald_mutex_lock().
 */
HEALD_API int heald_rwlock_rdlock(struct heald_rwlock *lock, struct heald_participant *me,
                                  int64_t deadline_ns);
HEALD_API int heald_rwlock_wrlock(struct heald_rwlock *lock, struct heald_participant *me,
                                  int64_t deadline_ns);

/* The same without waiting: -EBUSY: others hold it. */
HEALD_API int heald_rwlock_tryrdlock(struct heald_rwlock *lock, struct heald_participant *me);
HEALD_API int heald_rwlock_trywrlock(struct heald_rwlock *lock, struct heald_participant *me);

/* Unlocks it, whichever the caller has. -EPERM: neither. A writer that has not made it consistent
 * gives it up permanently. */
HEALD_API int heald_rwlock_unlock(struct heald_rwlock *lock, struct heald_participant *me);

/* As heald_mutex_consistent(). -EPERM: the caller does not write; -EINVAL: it was in order. */
HEALD_API int heald_rwlock_consistent(struct heald_rwlock *lock, struct heald_participant *me);

#ifdef __cplusplus
}
#endif
#endif
