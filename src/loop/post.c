/*
 * loop/post.c: how other threads reach a loop: a stack of ops that anybody may push to and only the
 * loop takes, whole.
 *
 * Argument. `top` is a stack: a push is one compare-and-swap, taking everything is one exchange, so
 * an op is taken by exactly one drain, and no ABA can arise since nobody pops a single one. The
 * drain turns the stack round: ops of one thread come in order.
 *
 * No wake is lost: the loop stores sleeping = 1 and then loads top; a poster stores top and then
 * loads sleeping. All four are sequentially consistent, so at least one sees the other's store:
 * either the loop finds the op and does not sleep, or the poster finds it asleep and rings the
 * bell. The poster that turns sleeping from 1 to 0 rings; the others need not, for the bell stays
 * readable until the loop drains it, and the loop takes the stack after that. heald_loop_stop()
 * uses `stop` in the place of top.
 */
#include "loop/loop.h"

#include <errno.h>

static void wake(struct heald_loop *loop)
{
    struct heald_mailbox *m = &loop->mailbox;

    /* Pairs with heald_mailbox_sleep(). */
    if (__atomic_load_n(&m->sleeping, __ATOMIC_SEQ_CST) &&
        __atomic_exchange_n(&m->sleeping, 0, __ATOMIC_SEQ_CST)) {
        __atomic_fetch_add(&m->rings, 1, __ATOMIC_RELAXED);
        loop->sys->bell_ring(m->bell[1]);
    }
}

static void push(struct heald_loop *loop, struct heald_op *op)
{
    struct heald_mailbox *m = &loop->mailbox;
    struct heald_link *top = __atomic_load_n(&m->top, __ATOMIC_RELAXED);

    /* Release by way of seq_cst: pairs with the exchange in heald_mailbox_drain(). */
    do
        op->link.next = top;
    while (!__atomic_compare_exchange_n(&m->top, &top, &op->link, true, __ATOMIC_SEQ_CST,
                                        __ATOMIC_RELAXED));
}

int heald_loop_post(struct heald_loop *loop, struct heald_op *op, heald_fn *fn)
{
    if (!fn || op->notify == OP_NOTIFY_SIGNAL)
        return -EINVAL;
    int err = op_prepare(op);
    if (err)
        return err;
    op->kind = OP_POST;
    op->fn = fn;
    op->loop = loop;
    op_move(op, OP_QUEUED);
    push(loop, op);
    wake(loop);
    return 0;
}

void heald_mailbox_remote(struct heald_sink *sink, struct heald_op *op, int64_t result)
{
    struct heald_loop *loop = loop_of_sink(sink);

    op->result = result;
    push(loop, op);
    wake(loop);
}

void heald_loop_stop(struct heald_loop *loop)
{
    __atomic_store_n(&loop->mailbox.stop, 1, __ATOMIC_SEQ_CST);
    wake(loop);
}

void heald_mailbox_drain(struct heald_loop *loop)
{
    struct heald_link *node, *next, *first = NULL;

    /* Relaxed: an op that is not seen here is seen by the next drain, or keeps the loop from
     * sleeping. */
    if (!__atomic_load_n(&loop->mailbox.top, __ATOMIC_RELAXED))
        return;
    /* Acquire: pairs with push(). */
    node = __atomic_exchange_n(&loop->mailbox.top, NULL, __ATOMIC_ACQUIRE);
    for (; node; node = next) {
        next = node->next;
        node->next = first;
        first = node;
    }
    for (node = first; node; node = next) {
        struct heald_op *op = fds_op(node);
        next = node->next;
        node->next = NULL;
        if (op->kind == OP_POST) {
            loop->stats.live++;
            loop->stats.posts++;
            heald_complete(loop, op, 0);
        } else {
            heald_engine_done(loop, op, op->result);
        }
    }
}

bool heald_mailbox_sleep(struct heald_loop *loop)
{
    struct heald_mailbox *m = &loop->mailbox;

    /* Pairs with wake(), see the argument above. */
    __atomic_store_n(&m->sleeping, 1, __ATOMIC_SEQ_CST);
    return !__atomic_load_n(&m->top, __ATOMIC_SEQ_CST) &&
           !__atomic_load_n(&m->stop, __ATOMIC_SEQ_CST);
}

void heald_mailbox_awake(struct heald_loop *loop)
{
    /* Relaxed: a poster that still sees 1 rings once too often, which is harmless. */
    __atomic_store_n(&loop->mailbox.sleeping, 0, __ATOMIC_RELAXED);
}

static void bell_rang(struct heald_op *watch)
{
    watch->loop->sys->bell_drain(watch->loop->mailbox.bell[0]);
}

static void counter_rang(struct heald_op *watch)
{
    (void)watch; /* Each ring is a change, or was read by the ring: nothing is left to drain. */
}

int heald_mailbox_open(struct heald_loop *loop)
{
    struct heald_mailbox *m = &loop->mailbox;
    int err = loop->sys->bell_open(m->bell);

    if (err) {
        m->bell[0] = m->bell[1] = -1;
        return err;
    }
    /* A bell of one descriptor is a counter; a pipe fills up, and must be drained. */
    bool counts =
        m->bell[0] == m->bell[1] && (loop->backend.ops->edge || loop->backend.ops->submit);
    return heald_loop_watch(loop, &m->watch, m->bell[0], counts ? counter_rang : bell_rang,
                            counts ? &m->counter : NULL);
}

void heald_mailbox_close(struct heald_loop *loop)
{
    struct heald_mailbox *m = &loop->mailbox;

    if (m->bell[1] >= 0 && m->bell[1] != m->bell[0])
        loop->sys->close(m->bell[1]);
    if (m->bell[0] >= 0)
        loop->sys->close(m->bell[0]);
}
