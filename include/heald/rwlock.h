/*
 * heald/rwlock.h: a lock in a region that many readers or one writer hold. Readers that die are
 * forgotten; after the death of a writer the next writer gets -EOWNERDEAD. Zeroed memory
 * is one that nobody holds. See heald/region.h for participants. None of the calls is safe in a
 * signal handler.
 */
#ifndef HEALD_RWLOCK_H
#define HEALD_RWLOCK_H

#include <heald/mutex.h>

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    HEALD_RWLOCK_READERS = 64, /* at a time; more wait. See heald_rwlock_init_sized() */
    HEALD_RWLOCK_READERS_MAX = 4096,
    HEALD_RWLOCK_PREFER_WRITER = 1 /* no new reader while a writer waits; else readers go first */
};

/* All private. */
struct heald_rwlock {
    uint64_t writer; /* atomic: who writes, and flags; 0: nobody */
    uint16_t flags;
    uint16_t size;  /* how many readers there is room for; 0: HEALD_RWLOCK_READERS */
    uint32_t order; /* atomic: as that of struct heald_mutex */
    uint32_t event; /* atomic: changes when a reader has gone */
    uint32_t check; /* of `size`: its complement; of zeroed memory 0 */
    uint64_t used;  /* atomic: which of the places of readers ever were one's, modulo 64 */
    uint64_t readers[HEALD_RWLOCK_READERS]; /* atomic; or as many as `size` says */
};

/* How many bytes one for `n` readers at a time has. */
#define HEALD_RWLOCK_SIZE(n) (offsetof(struct heald_rwlock, readers) + (n) * sizeof(uint64_t))

/* Memory for one, to embed: `HEALD_RWLOCK(4) map;`, made by heald_rwlock_init_sized(
 * heald_rwlock_of(&map), sizeof map, 0), and by nothing else: zeroed memory is one for
 * HEALD_RWLOCK_READERS, and so is what heald_rwlock_init() makes, both of which would have readers
 * write behind a smaller one. */
#define HEALD_RWLOCK(n)                                                \
    struct {                                                           \
        uint64_t heald_words[HEALD_RWLOCK_SIZE(n) / sizeof(uint64_t)]; \
    }

static inline struct heald_rwlock *heald_rwlock_of(void *memory)
{
    return (struct heald_rwlock *)memory;
}

/* Nobody holds it. Before anybody else can see it; needed only for flags. 0, -EINVAL. */
HEALD_API int heald_rwlock_init(struct heald_rwlock *lock, unsigned flags);

/* The same in memory of `size` bytes: for as many readers at a time as have room there, up to
 * HEALD_RWLOCK_READERS_MAX. -EINVAL: not for one. */
HEALD_API int heald_rwlock_init_sized(struct heald_rwlock *lock, size_t size, unsigned flags);

/*
 * Locks it for reading or writing, waiting until the deadline.
 *
 * A reader may lock it again for reading, and unlocks it as often; it waits for no writer then. 0;
 * -ETIMEDOUT; -EDEADLK: the caller writes, or wants to and reads: there is no upgrade; -EAGAIN: the
 * caller reads so many times over that no other can give it a place; -EOWNERDEAD:
 * the last writer died writing: for a writer, it is the caller's, which repairs what it guards and
 * calls heald_rwlock_consistent(); for a reader, it is *not* the caller's: lock it for writing and
 * repair; -ENOTRECOVERABLE: it was given up; -ESTALE, -EBADMSG: as heald_mutex_lock().
 */
HEALD_API int heald_rwlock_rdlock(struct heald_rwlock *lock, struct heald_participant *me,
                                  int64_t deadline_ns);
HEALD_API int heald_rwlock_wrlock(struct heald_rwlock *lock, struct heald_participant *me,
                                  int64_t deadline_ns);

/* The same without waiting: -EBUSY: others hold it, or are trying to at this moment. */
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
