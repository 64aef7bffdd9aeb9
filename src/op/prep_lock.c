/* op/prep_lock.c: the preps on what lies in shared memory, see prep.c: locks, queues, topics, and
 * the locks and words of others. */
#include "op/op.h"

#include <heald/await.h>
#include <heald/futex.h>

#include <errno.h>

static int prep_lock(struct heald_op *op, enum op_kind kind, void *object,
                     struct heald_participant *me)
{
    int err = op_prepare_kind(op, kind, object && me);

    if (err)
        return err;
    op->u.lock.object = object;
    op->u.lock.me = me;
    op->u.lock.u.cond = NULL;
    return 0;
}

int heald_prep_mutex_lock(struct heald_op *op, struct heald_mutex *mutex,
                          struct heald_participant *me)
{
    return prep_lock(op, OP_MUTEX, mutex, me);
}

int heald_prep_cond_wait(struct heald_op *op, struct heald_cond *cond, struct heald_mutex *mutex,
                         struct heald_participant *me)
{
    int err = prep_lock(op, OP_COND, cond ? mutex : NULL, me);

    if (!err)
        op->u.lock.u.cond = cond;
    return err;
}

int heald_prep_sem_wait(struct heald_op *op, struct heald_sem *sem, struct heald_participant *me)
{
    return prep_lock(op, OP_SEM, sem, me);
}

int heald_prep_rwlock_rdlock(struct heald_op *op, struct heald_rwlock *lock,
                             struct heald_participant *me)
{
    return prep_lock(op, OP_RDLOCK, lock, me);
}

int heald_prep_rwlock_wrlock(struct heald_op *op, struct heald_rwlock *lock,
                             struct heald_participant *me)
{
    return prep_lock(op, OP_WRLOCK, lock, me);
}

int heald_prep_barrier_wait(struct heald_op *op, struct heald_barrier *barrier,
                            struct heald_participant *me, uint32_t *ret_round)
{
    int err = prep_lock(op, OP_BARRIER, barrier, me);

    if (!err)
        op->u.lock.u.ret_round = ret_round;
    return err;
}

int heald_prep_once_begin(struct heald_op *op, struct heald_once *once,
                          struct heald_participant *me)
{
    return prep_lock(op, OP_ONCE, once, me);
}

static int prep_message(struct heald_op *op, enum op_kind kind, void *object,
                        struct heald_participant *me, void *message)
{
    int err = prep_lock(op, kind, message ? object : NULL, me);

    if (!err)
        op->u.lock.u.message = message;
    return err;
}

int heald_prep_queue_send(struct heald_op *op, struct heald_queue *queue,
                          struct heald_participant *me, struct heald_queue_message *message)
{
    return prep_message(op, OP_QUEUE_SEND, queue, me, message);
}

int heald_prep_queue_recv(struct heald_op *op, struct heald_queue *queue,
                          struct heald_participant *me, struct heald_queue_message *message)
{
    return prep_message(op, OP_QUEUE_RECV, queue, me, message);
}

int heald_prep_queue_reserve(struct heald_op *op, struct heald_queue *queue,
                             struct heald_participant *me, struct heald_queue_slot *slot)
{
    return prep_message(op, OP_QUEUE_RESERVE, queue, me, slot);
}

int heald_prep_queue_peek(struct heald_op *op, struct heald_queue *queue,
                          struct heald_participant *me, struct heald_queue_slot *slot)
{
    return prep_message(op, OP_QUEUE_PEEK, queue, me, slot);
}

int heald_prep_topic_loan(struct heald_op *op, struct heald_topic *topic,
                          struct heald_participant *me, struct heald_topic_loan *loan)
{
    return prep_message(op, OP_TOPIC_LOAN, topic, me, loan);
}

int heald_prep_topic_publish(struct heald_op *op, struct heald_topic_loan *loan,
                             struct heald_participant *me, size_t size)
{
    bool is_loan = loan && size <= HEALD_TOPIC_SAMPLE_MAX;
    int err = prep_message(op, OP_TOPIC_PUBLISH, is_loan ? loan->topic : NULL, me, loan);

    if (!err)
        loan->bytes = (uint32_t)size;
    return err;
}

int heald_prep_topic_take(struct heald_op *op, const struct heald_topic_subscriber *subscriber,
                          struct heald_participant *me, struct heald_topic_sample *sample)
{
    int err = prep_message(op, OP_TOPIC_TAKE, subscriber ? subscriber->topic : NULL, me, sample);

    if (!err)
        sample->subscriber = *subscriber;
    return err;
}

int heald_prep_topic_wait(struct heald_op *op, struct heald_topic *topic,
                          struct heald_participant *me, enum heald_topic_event event)
{
    return prep_message(op, OP_TOPIC_EVENT, topic, me, (void *)(uintptr_t)event);
}

/* What call.c begins with. */
int heald_prep_service_call(struct heald_op *op, struct heald_service_client *client,
                            struct heald_call *call)
{
    int err = prep_lock(op, OP_SERVICE_CALL, client && call ? client->service : NULL,
                        client ? client->me : NULL);

    if (err)
        return err;
    call->client = client;
    call->mail = UINT32_MAX;
    call->number = 0;
    call->was_taken = 0;
    op->u.lock.u.message = call;
    return 0;
}

int heald_prep_service_receive(struct heald_op *op, struct heald_service *service,
                               struct heald_participant *me, struct heald_request *request)
{
    int err = prep_lock(op, OP_SERVICE_RECEIVE, request ? service : NULL, me);

    if (!err)
        op->u.lock.u.message = request;
    return err;
}

static int prep_futex(struct heald_op *op, enum op_kind kind, void *object, uint32_t expected)
{
    int err = op_prepare_kind(op, kind, object);

    if (err)
        return err;
    op->u.futex.object = object;
    op->u.futex.expected = expected;
    return 0;
}

int heald_prep_pthread_mutex_lock(struct heald_op *op, pthread_mutex_t *mutex)
{
    return prep_futex(op, OP_PTHREAD_MUTEX, mutex, 0);
}

int heald_prep_sem_t_wait(struct heald_op *op, sem_t *sem)
{
    return prep_futex(op, OP_SEM_T, sem, 0);
}

static bool is_futex(const uint32_t *word)
{
    return word && (uintptr_t)word % sizeof *word == 0;
}

int heald_prep_futex_wait(struct heald_op *op, uint32_t *word, uint32_t expected)
{
    return prep_futex(op, OP_FUTEX, is_futex(word) ? word : NULL, expected);
}

int heald_prep_futex_wait_any(struct heald_op *op, const struct heald_futex words[], unsigned count)
{
    bool valid = words && count && count <= HEALD_FUTEX_MAX;

    for (unsigned i = 0; valid && i < count; i++)
        valid = is_futex(words[i].word);
    return prep_futex(op, OP_FUTEX_ANY, valid ? (void *)words : NULL, count);
}
