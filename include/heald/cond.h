/*
 * heald/cond.h: a condition variable in a region, used with a heald_mutex that guards the
 * condition. Embedded anywhere; zeroed memory is one without waiters. It keeps nothing of its
 * waiters, so a waiter that is killed leaves nothing behind. A participant that is killed between
 * its change and its signal does not signal: signal with the mutex held, and the waiters are
 * notified of such a death, too.
 */
#ifndef HEALD_COND_H
#define HEALD_COND_H

#include <heald/mutex.h>

#ifdef __cplusplus
extern "C" {
#endif

/* All private. */
struct heald_cond {
    uint32_t sequence; /* atomic: changes with every signal */
    uint32_t waiters;  /* atomic: how many may be waiting; too many after a death */
};

/*
 * Unlocks the mutex, waits for a signal, and locks it again, as one step for a caller that signals
 * with the mutex held. May return without a signal: always check the condition again.
 *
 * 0; -EOWNERDEAD: signalled or not, the holder of the mutex has died (see heald_mutex_lock()),
 * and is the caller's; -ETIMEDOUT: the deadline (absolute, monotonic) has passed; the mutex is the
 * caller's in all three. -ENOTRECOVERABLE: it is lost. -EPERM: the caller does not hold it.
 * -EINVAL: the caller holds it more than once, or has not made it consistent; in these two nothing
 * happened.
 */
HEALD_API int heald_cond_wait(struct heald_cond *cond, struct heald_mutex *mutex,
                              struct heald_participant *me, int64_t deadline_ns);

/*
 * Wakes the waiters. Both wake all: a waiter that is being killed may take a wake that was meant
 * for another. No system call when nobody waits. The mutex may be held or not; if what was changed
 * was changed with the mutex held, no waiter misses it. Signal-safe.
 */
HEALD_API void heald_cond_signal(struct heald_cond *cond);
HEALD_API void heald_cond_broadcast(struct heald_cond *cond);

/*
 * Signals and unlocks the mutex, in one step: the waiters are woken when it is free. This is the
 * way to signal what was changed with the mutex held: a signal before the unlock wakes the waiters
 * to find it locked, which takes them two to three times as long, and a death between an unlock and
 * a signal after it is nobody's. Results as heald_mutex_unlock(); of a recursive mutex that is
 * locked more often it stays locked, and the waiters are woken.
 */
HEALD_API int heald_cond_signal_unlock(struct heald_cond *cond, struct heald_mutex *mutex,
                                       struct heald_participant *me);

#ifdef __cplusplus
}
#endif
#endif
