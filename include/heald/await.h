/*
 * heald/await.h: locks in shared memory, awaited in a loop like a socket.
 *
 * The op is submitted to the loop of the thread that is the participant; cancel and deadline are as
 * with any op. The kernel waits for the words in an io_uring where it can (Linux 6.7), which the
 * first op that has to wait finds out; else that op starts a thread of the loop's own, with all
 * signals blocked, that waits and wakes the loop, and ends with it. One thread waits for 127 words,
 * of which an op has one, a participant one, and a process that holds what is waited for one; with
 * 2,000 ops pending the loop has seventeen. HEALD_AWAIT ("ring", "thread") names one of the two.
 * Everything else happens on the loop's thread.
 *
 * A wake costs the loop what was woken, not what waits: the ops that wait for the word that changed
 * are tried again, in the order of their submission, and no other. The death, or the leaving, of a
 * participant of the region has all ops of the own participant tried. What nobody was left to tell
 * of is noticed within 50 ms, and within two seconds where more than 64 ops wait.
 */
#ifndef HEALD_AWAIT_H
#define HEALD_AWAIT_H

#include <heald/barrier.h>
#include <heald/cond.h>
#include <heald/once.h>
#include <heald/op.h>
#include <heald/rwlock.h>
#include <heald/sem.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Locks the mutex; results as heald_mutex_lock(): with 0 and -EOWNERDEAD it is the participant's
 * when the callback begins. Two ops of one participant wait for each other, and for a lock that it
 * has taken otherwise, as for a stranger's: also on a recursive mutex. An op that was cancelled or
 * came too late does not have the lock.
 *
 * The prep returns 0, -EBUSY if the op is pending, -EINVAL for a NULL. At submit: -ENOMEM; -EMFILE;
 * -EAGAIN: no thread can be had; -ENOSYS, -EINVAL: nor what HEALD_AWAIT names.
 */
HEALD_API int heald_prep_mutex_lock(struct heald_op *op, struct heald_mutex *mutex,
                                    struct heald_participant *me);

/*
 * Unlocks the mutex, waits for a signal and locks it again; results as heald_cond_wait(), and
 * -ECANCELED. The deadline and a cancel end the wait for the signal and not the locking that
 * follows: the mutex is the participant's after 0, -ETIMEDOUT, -ECANCELED and -EOWNERDEAD.
 */
HEALD_API int heald_prep_cond_wait(struct heald_op *op, struct heald_cond *cond,
                                   struct heald_mutex *mutex, struct heald_participant *me);

/*
 * A permit; reading or writing; all the others at a barrier; that it was done, or is the owner's to
 * do: results and errors as those of heald_sem_wait(), heald_rwlock_rdlock(),
 * heald_rwlock_wrlock(), heald_barrier_wait() and heald_once_begin(), but that -EDEADLK and -EAGAIN
 * are waited for: another op of the same participant may give it back. An op that was cancelled has
 * neither taken nor come. *ret_round, if not NULL, is written before the callback. Preps as above.
 */
HEALD_API int heald_prep_sem_wait(struct heald_op *op, struct heald_sem *sem,
                                  struct heald_participant *me);
HEALD_API int heald_prep_rwlock_rdlock(struct heald_op *op, struct heald_rwlock *lock,
                                       struct heald_participant *me);
HEALD_API int heald_prep_rwlock_wrlock(struct heald_op *op, struct heald_rwlock *lock,
                                       struct heald_participant *me);
HEALD_API int heald_prep_barrier_wait(struct heald_op *op, struct heald_barrier *barrier,
                                      struct heald_participant *me, uint32_t *ret_round);
HEALD_API int heald_prep_once_begin(struct heald_op *op, struct heald_once *once,
                                    struct heald_participant *me);

#ifdef __cplusplus
}
#endif
#endif
