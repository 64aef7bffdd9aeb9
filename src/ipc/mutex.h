/* ipc/mutex.h: what the condition variable must know of a mutex. */
#ifndef HEALD_SRC_IPC_MUTEX_H
#define HEALD_SRC_IPC_MUTEX_H

#include <heald/mutex.h>

/* Would giving it back once not give it free, or give it up? -EPERM: it is not the caller's;
 * -EINVAL: so it is; 0. */
int heald_mutex_may_wait(const struct heald_mutex *mutex, const struct heald_participant *me);

#endif
