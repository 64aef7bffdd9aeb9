/*
 * heald/once.h: something that is to be done once by one of many participants, and by another if
 * that one dies over it. Zeroed memory is one that nobody has done. Not safe in a signal handler.
 */
#ifndef HEALD_ONCE_H
#define HEALD_ONCE_H

#include <heald/mutex.h>

#ifdef __cplusplus
extern "C" {
#endif

/* All private. */
struct heald_once {
    struct heald_mutex mutex;
    uint32_t done; /* atomic */
    uint32_t pad;
};

/*
 * Waits until it has been done or is the caller's to do. 0: it has been done. 1: the caller does it
 * and then calls heald_once_end(). -EOWNERDEAD: the same, but somebody died over it, and it may be
 * half done. -ETIMEDOUT, -EDEADLK, -ESTALE, -EBADMSG: as heald_mutex_lock().
 */
HEALD_API int heald_once_begin(struct heald_once *once, struct heald_participant *me,
                               int64_t deadline_ns);

/* It is done (1), or was not and another may try (0). 0; -EPERM: it was not the caller's to do. */
HEALD_API int heald_once_end(struct heald_once *once, struct heald_participant *me, int done);

#ifdef __cplusplus
}
#endif
#endif
