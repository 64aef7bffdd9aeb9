/*
 * heald/sem.h: a semaphore in a region.
 *
 * There are two kinds. A semaphore with permits knows their holders; the permits of a dead thread
 * are free again. A counting semaphore has a value only, for signalling; what a dead thread took
 * from it is lost. A semaphore may be embedded anywhere in the data of a region. `me` is as in
 * heald/mutex.h. Of these functions only heald_sem_post() is async-signal-safe. Each function with
 * `me` returns, besides the errors below:
 *
 *   -ESTALE    `me` is detached, or belongs to the parent of this process
 *   -EBADMSG   the semaphore is corrupt
 */
#ifndef HEALD_SEM_H
#define HEALD_SEM_H

#include <heald/mutex.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { HEALD_SEM_PERMITS_MAX = 4096 };

/* All members are private. One word for each permit follows: see HEALD_SEM(). */
struct heald_sem {
    uint32_t permits; /* 0: a counting semaphore */
    uint32_t value;   /* atomic: of a counting semaphore */
    uint32_t event;   /* atomic: changes with every release */
    uint32_t check;   /* complement of `permits`; 0 if that is 0 */
};

/* A semaphore with space for `n` permits, to embed: `HEALD_SEM(4) tickets;` is used as
 * `&tickets.sem`. */
#define HEALD_SEM(n)               \
    struct {                       \
        struct heald_sem sem;      \
        uint64_t heald_permits[n]; \
    }

/* The size of that in bytes. */
#define HEALD_SEM_SIZE(n) (sizeof(struct heald_sem) + (n) * sizeof(uint64_t))

/*
 * Initialize a semaphore: with `permits` free permits, for which the memory has space; or as a
 * counting semaphore with `value`. The caller ensures that no other participant uses it yet. Do not
 * block.
 *
 *   0         done
 *   -EINVAL   (permits) permits is 0 or above HEALD_SEM_PERMITS_MAX
 */
HEALD_API int heald_sem_init(struct heald_sem *sem, unsigned permits);
HEALD_API int heald_sem_init_counting(struct heald_sem *sem, unsigned value);

/*
 * Acquires a permit, or decrements a counting semaphore. Blocks until `deadline_ns` (absolute,
 * monotonic; HEALD_FOREVER). A participant may hold several permits.
 *
 *   0            acquired
 *   -ETIMEDOUT   the deadline has passed
 *   -EDEADLK     deadline_ns is HEALD_FOREVER, and the caller holds all permits
 */
HEALD_API int heald_sem_wait(struct heald_sem *sem, struct heald_participant *me,
                             int64_t deadline_ns);

/* As heald_sem_wait(), but does not block. -EAGAIN: no permit is free. */
HEALD_API int heald_sem_trywait(struct heald_sem *sem, struct heald_participant *me);

/*
 * Releases a permit of the caller. Increments a counting semaphore, for which the caller need not
 * have waited. Does not block. Async-signal-safe.
 *
 *   0            released
 *   -EPERM       the caller holds no permit
 *   -EOVERFLOW   the value of a counting semaphore is at its maximum
 */
HEALD_API int heald_sem_post(struct heald_sem *sem, struct heald_participant *me);

/* A flag of heald_sem_open(): a counting semaphore. */
enum { HEALD_SEM_COUNTING = 1 << 16 };

/* A named semaphore that one thread has open. `sem` and `me` are for the functions above, and for
 * ops. */
struct heald_named_sem {
    struct heald_sem *sem;
    struct heald_participant *me;
    struct heald_region *region;
};

/*
 * Opens the semaphore with a name, "/name" or "file:/path", for the calling thread. With
 * HEALD_REGION_CREATE it creates the semaphore if it does not exist, with `permits` permits, or
 * with HEALD_SEM_COUNTING with the value `permits`. The other flags are those of
 * heald_region_open(). The semaphore is a region of its own that contains the object "sem". Unlike
 * those of sem_open(3), its permits are free again when their holder dies; HEALD_REGION_TEMPORARY
 * unlinks it when the last process closes it. Blocks as long as the file system does.
 *
 *   0             *ret_sem is open; the caller closes it
 *   -EINVAL       permits is above HEALD_SEM_PERMITS_MAX, or is 0 with HEALD_REGION_CREATE
 *   -EPROTOTYPE   the name is that of something else
 *   -EPROTOTYPE   it has another kind or number of permits; a `permits` of 0 accepts any
 *   -errno        an error of heald_region_open(), heald_attach() or heald_object_open()
 */
HEALD_API int heald_sem_open(struct heald_named_sem *ret_sem, const char *name, int flags,
                             unsigned permits);

/*
 * Releases the permits of the thread, and closes the semaphore. The thread that opened it calls it.
 *
 *   0         closed
 *   -EBUSY    an op on it is pending in a loop. The permits are released, and the op completes with
 *             -ESTALE; close it again then
 *   -EINVAL   it is not open
 */
HEALD_API int heald_sem_close(struct heald_named_sem *sem);

/* Unlinks a named semaphore, as heald_region_unlink(). */
HEALD_API int heald_sem_unlink(const char *name);

/* Returns the number of free permits, with those of dead threads, or the value of a counting
 * semaphore. Does not block. */
HEALD_API int64_t heald_sem_value(struct heald_sem *sem, struct heald_participant *me);

#ifdef __cplusplus
}
#endif
#endif
