/*
 * heald/once.h: one-time initialization by one of many participants, in a region.
 *
 * If the participant that initializes dies, another one does it. Zeroed memory is a valid object,
 * not yet initialized. `me` is as in heald/mutex.h. No function is async-signal-safe.
 */
#ifndef HEALD_ONCE_H
#define HEALD_ONCE_H

#include <heald/mutex.h>

#ifdef __cplusplus
extern "C" {
#endif

/* All members are private. */
struct heald_once {
    struct heald_mutex mutex;
    uint32_t done; /* atomic */
    uint32_t pad;
};

/*
 * Waits until the initialization is done, or the caller is to do it. Blocks until `deadline_ns`
 * (absolute, monotonic; HEALD_FOREVER).
 *
 *   0             it is done
 *   1             the caller does it and then calls heald_once_end()
 *   -EOWNERDEAD   as 1, but a participant died while doing it: it may be partly done
 *   -ETIMEDOUT    the deadline has passed
 *   -EDEADLK      the caller is doing it already
 *   -ESTALE       `me` is detached, or belongs to the parent of this process
 *   -EBADMSG      the object is corrupt
 */
HEALD_API int heald_once_begin(struct heald_once *once, struct heald_participant *me,
                               int64_t deadline_ns);

/*
 * Ends the initialization by the caller: it is done (done not 0), or was not done and the next
 * participant tries (done 0). Does not block.
 *
 *   0         done
 *   -EPERM    the caller was not to do it
 *   -ESTALE   `me` is detached, or belongs to the parent of this process
 */
HEALD_API int heald_once_end(struct heald_once *once, struct heald_participant *me, int done);

#ifdef __cplusplus
}
#endif
#endif
