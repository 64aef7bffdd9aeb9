/*
 * test/crash/take.c: the ways to wait, and each object waited for in them.
 *
 * With the waiter `thread` a process has a second thread, which sleeps on the words and rings the
 * loop. It is not stepped: it changes nothing in the region and holds nothing there, so wherever it
 * is when SIGKILL ends both, what others see of it is that it slept or did not. ptrace(2) concerns
 * the thread that requested it alone, and the whole process is waited for by its first thread.
 */
#include "crash/take.h"

#include <errno.h>

#define LONG_NS (60 * HEALD_SEC)

const struct waiter crash_waiters[] = {
    {"blocking", NULL, NULL}, {"uring", "uring", "ring"}, {"epoll", "epoll", "thread"}};

static int64_t soon(void)
{
    return heald_clock_now(HEALD_CLOCK_MONOTONIC) + LONG_NS;
}

static void on_end(struct heald_op *op)
{
    *(bool *)op->data = true;
}

/* Until the op, which was prepared with this result, has completed. */
static int run(struct stage *st, struct heald_op *op, int prepared)
{
    bool over = false;

    if (prepared)
        return prepared;
    op->data = &over;
    op->deadline_ns = soon();
    int err = heald_submit(st->loop, op, on_end);
    while (!err && !over)
        must(heald_loop_turn(st->loop, HEALD_FOREVER) >= 0);
    return err ? err : (int)op->result;
}

/* The waiter is opened by the first op that has to wait. */
static int open_waiter(struct stage *st)
{
    struct heald_op op = {0};
    bool over = false;

    op.data = &over;
    int err = heald_prep_sem_wait(&op, &st->data->never, st->me);
    if (err || (err = heald_submit(st->loop, &op, on_end)))
        return err;
    must(heald_cancel(&op) == 0);
    while (!over)
        must(heald_loop_turn(st->loop, HEALD_FOREVER) >= 0);
    return 0;
}

int crash_open_loop(struct stage *st)
{
    struct heald_loop_options o = {.backend = st->waiter->backend, .engine = "sync"};

    if (!o.backend)
        return 0;
    setenv("HEALD_AWAIT", st->waiter->await, 1);
    int err = heald_loop_open(&st->loop, &o);
    if (err)
        return err;
    if ((err = open_waiter(st)))
        crash_close_loop(st);
    return err;
}

void crash_close_loop(struct stage *st)
{
    if (st->loop)
        must(heald_loop_close(st->loop) == 0);
    st->loop = NULL;
}

int take_mutex(struct stage *st)
{
    struct heald_op op = {0};

    if (!st->loop)
        return heald_mutex_lock(&st->data->mutex, st->me, soon());
    return run(st, &op, heald_prep_mutex_lock(&op, &st->data->mutex, st->me));
}

int take_signal(struct stage *st)
{
    struct scene_data *d = st->data;
    struct heald_op op = {0};

    if (!st->loop)
        return heald_cond_wait(&d->cond, &d->mutex, st->me, soon());
    return run(st, &op, heald_prep_cond_wait(&op, &d->cond, &d->mutex, st->me));
}

int take_ticket(struct stage *st)
{
    struct heald_op op = {0};

    if (!st->loop)
        return heald_sem_wait(&st->data->ticket.sem, st->me, soon());
    return run(st, &op, heald_prep_sem_wait(&op, &st->data->ticket.sem, st->me));
}

int take_reading(struct stage *st)
{
    struct heald_op op = {0};

    if (!st->loop)
        return heald_rwlock_rdlock(&st->data->lock, st->me, soon());
    return run(st, &op, heald_prep_rwlock_rdlock(&op, &st->data->lock, st->me));
}

int take_writing(struct stage *st)
{
    struct heald_op op = {0};

    if (!st->loop)
        return heald_rwlock_wrlock(&st->data->lock, st->me, soon());
    return run(st, &op, heald_prep_rwlock_wrlock(&op, &st->data->lock, st->me));
}

int take_barrier(struct stage *st)
{
    struct heald_op op = {0};

    if (!st->loop)
        return heald_barrier_wait(&st->data->barrier, st->me, soon(), NULL);
    return run(st, &op, heald_prep_barrier_wait(&op, &st->data->barrier, st->me, NULL));
}

int take_once(struct stage *st)
{
    struct heald_op op = {0};

    if (!st->loop)
        return heald_once_begin(&st->data->once, st->me, soon());
    return run(st, &op, heald_prep_once_begin(&op, &st->data->once, st->me));
}

static struct heald_queue *queue_of(struct stage *st)
{
    return (struct heald_queue *)st->data->queue;
}

int take_message(struct stage *st, int *ret_number)
{
    struct heald_queue_message m = {.data = ret_number, .size = sizeof *ret_number};
    struct heald_op op = {0};

    if (st->loop)
        return run(st, &op, heald_prep_queue_recv(&op, queue_of(st), st->me, &m));
    ssize_t n =
        heald_queue_recv(queue_of(st), st->me, ret_number, sizeof *ret_number, NULL, soon());
    return n < 0 ? (int)n : 0;
}

int take_room(struct stage *st, int number, unsigned priority)
{
    struct heald_queue_message m = {.data = &number, .size = sizeof number, .priority = priority};
    struct heald_op op = {0};

    if (st->loop)
        return run(st, &op, heald_prep_queue_send(&op, queue_of(st), st->me, &m));
    return heald_queue_send(queue_of(st), st->me, &number, sizeof number, priority, soon());
}

static struct heald_topic *topic_of(struct stage *st)
{
    return (struct heald_topic *)st->data->topic;
}

int take_loan(struct stage *st, struct heald_topic_loan *loan)
{
    struct heald_op op = {0};

    return st->loop ? run(st, &op, heald_prep_topic_loan(&op, topic_of(st), st->me, loan))
                    : heald_topic_loan(topic_of(st), st->me, loan, soon());
}

int take_publication(struct stage *st, struct heald_topic_loan *loan, size_t size)
{
    struct heald_op op = {0};

    return st->loop ? run(st, &op, heald_prep_topic_publish(&op, loan, st->me, size))
                    : heald_topic_publish(loan, st->me, size, soon());
}

int take_sample(struct stage *st, const struct heald_topic_subscriber *subscriber,
                struct heald_topic_sample *sample)
{
    struct heald_op op = {0};

    return st->loop ? run(st, &op, heald_prep_topic_take(&op, subscriber, st->me, sample))
                    : heald_topic_take(subscriber, st->me, sample, soon());
}

int take_event(struct stage *st, enum heald_topic_event event)
{
    struct heald_op op = {0};

    return st->loop ? run(st, &op, heald_prep_topic_wait(&op, topic_of(st), st->me, event))
                    : heald_topic_wait(topic_of(st), st->me, event, soon());
}

bool scene_mend(struct stage *st, int err)
{
    struct scene_data *d = st->data;

    if (err == -EOWNERDEAD) {
        d->a = d->b;
        d->mended++;
        return heald_mutex_consistent(&d->mutex, st->me) == 0;
    }
    return err == 0 && d->a == d->b;
}

bool scene_lock(struct stage *st)
{
    return scene_mend(st, take_mutex(st));
}

bool scene_section_works(struct stage *st)
{
    return scene_lock(st) && heald_mutex_unlock(&st->data->mutex, st->me) == 0;
}
