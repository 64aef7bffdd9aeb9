/*
 * heald/cond.h: a condition variable in a region.
 *
 * A heald_mutex guards the condition. A condition variable may be embedded anywhere in the data of
 * a region. Zeroed memory is a condition variable without waiters. It stores nothing of its
 * waiters, so a waiter that is killed leaves nothing behind. If a participant dies between the
 * change and the signal, there is no signal. If it held the mutex, its death wakes the waiters:
 * signal with the mutex held.
 */
#ifndef HEALD_COND_H
#define HEALD_COND_H

#include <heald/mutex.h>

#ifdef __cplusplus
extern "C" {
#endif

/* All members are private. */
struct heald_cond {
    uint32_t sequence; /* atomic: changes with every signal */
    uint32_t waiters;  /* atomic: participants that may wait; too high after a death */
};

/*
 * Unlocks the mutex, waits for a signal, and locks the mutex again. A signal that is sent with the
 * mutex held is not missed. Blocks until `deadline_ns` (absolute, monotonic), and then until the
 * mutex is locked: the deadline does not end the wait for a mutex that another participant holds,
 * which may be stopped. It may return without a signal: test the condition in a loop. Not
 * async-signal-safe. As an op it is heald_prep_cond_wait() (heald/await.h), whose heald_submit()
 * unlocks the mutex. The caller holds the mutex after the first three results:
 *
 *   0                  there was a signal, or a wakeup without one
 *   -ETIMEDOUT         the deadline has passed
 *   -EOWNERDEAD        a holder of the mutex has died, with or without a signal; see
 *                      heald_mutex_lock()
 *   -ENOTRECOVERABLE   the mutex was given up
 *   -EBADMSG           the mutex is corrupt
 *   -EPERM             the caller does not hold the mutex; nothing happened
 *   -EINVAL            the caller holds the mutex more than once, or has not marked it consistent;
 *                      nothing happened
 *   -ESTALE            `me` is detached, or belongs to the parent of this process
 */
HEALD_API int heald_cond_wait(struct heald_cond *cond, struct heald_mutex *mutex,
                              struct heald_participant *me, int64_t deadline_ns);

/*
 * Wake the waiters. Both wake all of them, because a waiter that is being killed could consume a
 * wakeup that another needs. Without waiters they make no system call. The caller need not hold the
 * mutex. If it changes the condition with the mutex held, no waiter misses it. Do not block. Any
 * thread; async-signal-safe.
 */
HEALD_API void heald_cond_signal(struct heald_cond *cond);
HEALD_API void heald_cond_broadcast(struct heald_cond *cond);

/*
 * Signals and unlocks the mutex in one step. Prefer it to a signal before the unlock, which wakes
 * waiters that find the mutex locked and takes two to three times as long, and to a signal after
 * the unlock, which a death in between would prevent. If a recursive mutex is locked more than once
 * it stays locked, and the waiters wake. Does not block. Not async-signal-safe. Returns what
 * heald_mutex_unlock() returns.
 */
HEALD_API int heald_cond_signal_unlock(struct heald_cond *cond, struct heald_mutex *mutex,
                                       struct heald_participant *me);

#ifdef __cplusplus
}
#endif
#endif
