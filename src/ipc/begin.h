/*
 * ipc/begin.h: the first half of each wait: everything but the waiting, which is done by blocking
 * (region_wait()) or in a loop (await/).
 */
#ifndef HEALD_SRC_IPC_BEGIN_H
#define HEALD_SRC_IPC_BEGIN_H

#include <heald/cond.h>

#include "region/region.h"

/*
 * As heald_mutex_trylock(), but where that is -EBUSY, or -EDEADLK, or locks a recursive mutex once
 * more, this is -EBUSY and says what to wait for before the next attempt.
 */
int ipc_mutex_begin(struct heald_mutex *mutex, struct heald_participant *me,
                    struct region_wait *ret_wait);

/* Would giving the mutex back once not give it free, or give it up? -EPERM: it is not the caller's;
 * -EINVAL: so it is; 0; -ESTALE. */
int ipc_mutex_may_wait(const struct heald_mutex *mutex, const struct heald_participant *me);

/* Unlocks the mutex and says what to wait for; then ipc_cond_end(), and the mutex again. Errors as
 * heald_cond_wait(). */
int ipc_cond_begin(struct heald_cond *cond, struct heald_mutex *mutex, struct heald_participant *me,
                   struct region_wait *ret_wait);
void ipc_cond_end(struct heald_cond *cond);

#endif
