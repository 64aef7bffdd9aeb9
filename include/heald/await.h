/*
 * heald/await.h: locks in shared memory as operations of a loop.
 *
 * An op is submitted to the loop of the thread that is the participant `me`. Cancel and deadline
 * work as for any op, except those of heald_prep_cond_wait(). All but the wait happens on the
 * loop's thread.
 *
 * How the loop waits: an io_uring waits for the words of the locks if the kernel supports it (Linux
 * 6.7). The first op that must wait tests this. Otherwise that op starts a thread of the loop, with
 * all signals blocked, that waits and wakes the loop; it ends with the loop. One thread waits for
 * 127 words: one for each op, one for each participant, and one for each process that holds an
 * object. With 2,000 pending ops the loop has 17 threads. HEALD_AWAIT ("ring", "thread") names one
 * of the two.
 *
 * The cost of a wakeup depends on the number of ops that it concerns, not on the number of pending
 * ops. The loop tries only the ops that wait for the word that changed, in the order of their
 * submission. If a participant of the region dies or detaches, it tries all ops of `me`. A change
 * that no living process reports is found within 50 ms, or within two seconds if more than 64 ops
 * wait.
 *
 * The preps do not block and are called by the thread that uses the op. They set op->deadline_ns to
 * HEALD_FOREVER, as all do (heald/op.h): a caller that wants another one sets it afterwards. They
 * return:
 *
 *   0         prepared
 *   -EBUSY    the op is pending
 *   -EINVAL   the object, the condition variable or me is NULL
 *
 * heald_submit() returns for the first such op of a loop:
 *
 *   -ENOMEM, -EMFILE   no memory or descriptor for the wait
 *   -EAGAIN            no thread can be started
 *   -ENOSYS            the system does not support what HEALD_AWAIT names
 *
 * If HEALD_AWAIT names an unknown waiter, heald_loop_open() fails.
 */
#ifndef HEALD_AWAIT_H
#define HEALD_AWAIT_H

#include <heald/barrier.h>
#include <heald/cond.h>
#include <heald/once.h>
#include <heald/op.h>
#include <heald/queue.h>
#include <heald/rwlock.h>
#include <heald/sem.h>
#include <heald/service.h>
#include <heald/topic.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Locks a mutex. The results are those of heald_mutex_lock(). With 0 and -EOWNERDEAD the
 * participant holds the mutex when the callback begins; with every other result, also -ECANCELED
 * and -ETIMEDOUT, this op did not lock it. An op waits for a lock that its own participant holds,
 * also of a recursive mutex, and does not fail with -EDEADLK: another op may unlock it.
 */
HEALD_API int heald_prep_mutex_lock(struct heald_op *op, struct heald_mutex *mutex,
                                    struct heald_participant *me);

/*
 * Unlocks the mutex in heald_submit(), waits for a signal, and locks the mutex again. If
 * heald_submit() fails, or the result is -EPERM or -EINVAL, nothing was unlocked. The results are
 * those of heald_cond_wait(), and -ECANCELED. The participant holds the mutex after 0, -ETIMEDOUT,
 * -ECANCELED and -EOWNERDEAD.
 *
 * A deadline and a cancel end the wait for the signal, but not the lock that follows: the op
 * completes when it has the mutex, which may be never if the holder is stopped. Until then it is
 * pending, and heald_loop_close() fails with -EBUSY. heald_detach() ends it with -ESTALE.
 */
HEALD_API int heald_prep_cond_wait(struct heald_op *op, struct heald_cond *cond,
                                   struct heald_mutex *mutex, struct heald_participant *me);

/*
 * heald_sem_wait(), heald_rwlock_rdlock(), heald_rwlock_wrlock(), heald_barrier_wait() and
 * heald_once_begin() as ops. The results are those of the functions, except -EDEADLK and -EAGAIN:
 * an op waits instead, because another op of the participant may release the object. A cancelled op
 * has acquired nothing, and does not count as arrived. *ret_round, if not NULL, is written before
 * the callback runs, and stays in place until then.
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

/*
 * heald_queue_send(), heald_queue_recv(), heald_queue_reserve() and heald_queue_peek() as ops. The
 * result is 0, or an error of the function. `message` and `slot` stay in place until the callback
 * runs, and so does the data of the message. A message that was received has its size and priority
 * in *message. *slot has what was reserved or taken; a reserve reads its `priority` first. A
 * cancelled op has sent nothing, and has received nothing. -EINVAL: also if message or slot is
 * NULL.
 */
HEALD_API int heald_prep_queue_send(struct heald_op *op, struct heald_queue *queue,
                                    struct heald_participant *me,
                                    struct heald_queue_message *message);
HEALD_API int heald_prep_queue_recv(struct heald_op *op, struct heald_queue *queue,
                                    struct heald_participant *me,
                                    struct heald_queue_message *message);
HEALD_API int heald_prep_queue_reserve(struct heald_op *op, struct heald_queue *queue,
                                       struct heald_participant *me, struct heald_queue_slot *slot);
HEALD_API int heald_prep_queue_peek(struct heald_op *op, struct heald_queue *queue,
                                    struct heald_participant *me, struct heald_queue_slot *slot);

/*
 * heald_service_call() and heald_service_receive() as ops. `call`, with what it points to, and
 * `request` stay in place until the callback runs. A client may have several calls pending.
 * -EINVAL: also if call or request is NULL.
 */
HEALD_API int heald_prep_service_call(struct heald_op *op, struct heald_service_client *client,
                                      struct heald_call *call);
HEALD_API int heald_prep_service_receive(struct heald_op *op, struct heald_service *service,
                                         struct heald_participant *me,
                                         struct heald_request *request);

/*
 * heald_topic_loan(), heald_topic_publish(), heald_topic_take() and heald_topic_wait() as ops. The
 * result is 0, or an error of the function. `loan`, `sample` and `subscriber` stay in place until
 * the callback runs. A cancelled op has borrowed, published and taken nothing. -EINVAL: also if one
 * of them is NULL, the loan is none, or size is above what a loan can have.
 */
HEALD_API int heald_prep_topic_loan(struct heald_op *op, struct heald_topic *topic,
                                    struct heald_participant *me, struct heald_topic_loan *loan);
HEALD_API int heald_prep_topic_publish(struct heald_op *op, struct heald_topic_loan *loan,
                                       struct heald_participant *me, size_t size);
HEALD_API int heald_prep_topic_take(struct heald_op *op,
                                    const struct heald_topic_subscriber *subscriber,
                                    struct heald_participant *me,
                                    struct heald_topic_sample *sample);
HEALD_API int heald_prep_topic_wait(struct heald_op *op, struct heald_topic *topic,
                                    struct heald_participant *me, enum heald_topic_event event);

#ifdef __cplusplus
}
#endif
#endif
