/*
 * heald/sem.h: a semaphore in a region. Two kinds: one whose permits know their holders, so that
 * those of dead threads are free again; and one that only counts, for signalling. See
 * heald/region.h for participants. Every call takes the calling thread's own. In a signal handler
 * heald_sem_post() is safe, and no other.
 */
#ifndef HEALD_SEM_H
#define HEALD_SEM_H

#include <heald/mutex.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { HEALD_SEM_PERMITS_MAX = 4096 };

/* All private. Behind it lie as many words as it has permits: see HEALD_SEM(). */
struct heald_sem {
    uint32_t permits; /* 0: it only counts */
    uint32_t value;   /* atomic: of one that counts */
    uint32_t event;   /* atomic: changes when there is something to look at */
    uint32_t check;   /* of `permits`: its complement; 0 of 0 */
};

/* A semaphore with room for `n` permits, to embed: `HEALD_SEM(4) tickets;` and then
 * `&tickets.sem`. */
#define HEALD_SEM(n)               \
    struct {                       \
        struct heald_sem sem;      \
        uint64_t heald_permits[n]; \
    }

/* The same in bytes. */
#define HEALD_SEM_SIZE(n) (sizeof(struct heald_sem) + (n) * sizeof(uint64_t))

/* `permits` permits, all free, each of which its holder releases; there must be room for them.
 * Before anybody else can see it. 0, -EINVAL: none, or more than HEALD_SEM_PERMITS_MAX. */
HEALD_API int heald_sem_init(struct heald_sem *sem, unsigned permits);

/* One that counts: anybody may add, and what a dead thread took is gone. 0. */
HEALD_API int heald_sem_init_counting(struct heald_sem *sem, unsigned value);

/*
 * Takes a permit, waiting until the deadline. A participant may have several. 0; -ETIMEDOUT;
 * -EDEADLK: with HEALD_FOREVER: the caller, who has all that there are, would wait for itself;
 * -ESTALE: see heald_mutex_lock(); -EBADMSG: corrupt.
 */
HEALD_API int heald_sem_wait(struct heald_sem *sem, struct heald_participant *me,
                             int64_t deadline_ns);

/* The same without waiting: -EAGAIN: there is none. */
HEALD_API int heald_sem_trywait(struct heald_sem *sem, struct heald_participant *me);

/* Releases a permit: -EPERM: the caller has none. To one that counts it adds one: -EOVERFLOW.
 * -ESTALE, -EBADMSG. */
HEALD_API int heald_sem_post(struct heald_sem *sem, struct heald_participant *me);

enum { HEALD_SEM_COUNTING = 1 << 16 /* beside enum heald_region's flags: it only counts */ };

/* A semaphore with a name, opened by one thread: its parts are for the calls above, and ops. */
struct heald_named_sem {
    struct heald_sem *sem;
    struct heald_participant *me;
    struct heald_region *region;
};

/*
 * Opens the semaphore of a name, "/name" or "file:/path", or with HEALD_REGION_CREATE makes it with
 * so many permits, or if HEALD_SEM_COUNTING is set with that value; flags are those of
 * heald_region_open(). It is a region of its own with the object "sem" in it. Unlike sem_open(3)'s,
 * its permits are free again when their holder dies; with HEALD_REGION_TEMPORARY it is unlinked
 * when the last process closes it. For the calling thread. Blocks for as long as the file system
 * takes.
 *
 * 0; -EPROTOTYPE: there is something else of that name, or one with another number of permits (0:
 * whatever it has); -EINVAL; errors of heald_region_open(), heald_attach() and heald_object_open().
 */
HEALD_API int heald_sem_open(struct heald_named_sem *ret_sem, const char *name, int flags,
                             unsigned permits);

/* Releases the permits that the thread has, and closes it. -EBUSY: an op of it waits in a loop;
 * -EINVAL: it is closed. */
HEALD_API int heald_sem_close(struct heald_named_sem *sem);

/* Unlinks it, as heald_region_unlink(). */
HEALD_API int heald_sem_unlink(const char *name);

/* How many are free: those of dead threads count as free. -ESTALE, -EBADMSG. */
HEALD_API int64_t heald_sem_value(struct heald_sem *sem, struct heald_participant *me);

#ifdef __cplusplus
}
#endif
#endif
