/*
 * loop/post.c: how other threads reach a loop: a stack of ops that anybody may push to and only the
 * loop takes, whole.
 *
 * Argument. `top` is a stack: a push is one compare-and-swap, taking everything is one exchange, so
 * an op is taken by exactly one fetch, and no ABA can arise since nobody pops a single one. Turned
 * round it goes to the end of the inbox (first, last), which is the loop's alone: ops of one thread
 * come in order. A poster that is held up halfway holds up nobody else, as it would in a queue that
 * is linked after the exchange.
 *
 * No wake is lost: the loop stores `sleeping` and then loads top; a poster stores top and then
 * loads sleeping. All four are sequentially consistent, so at least one sees the other's store:
 * either the loop finds the op and does not sleep, or the poster finds it asleep and rings the
 * bell. The poster that turns `sleeping` to 0 rings; the others need not, for the bell stays
 * readable until the loop drains it, and the loop fetches after that, or does not sleep while
 * something lies in the inbox. heald_loop_stop() uses `stop` in the place of top. A loop that naps
 * (LOOP_NAPS) waits for a bounded time only, so who will push more may leave it asleep.
 *
 * A turn delivers no more than it can call back, so that a flood of posts keeps neither descriptors
 * nor the cache waiting; a share of the turn is theirs even when more is due. Where one op may
 * overtake another (`sorts`), the policy must see them all.
 */
#include "loop/complete.h"

#include <errno.h>
#include <limits.h>

enum { LEAST_SHARE = 8 /* one in so many callbacks of a turn */ };

static void wake(struct heald_loop *loop, bool from_nap)
{
    struct heald_mailbox *m = &loop->mailbox;

    /* Pairs with heald__mailbox_sleep(). */
    int how = __atomic_load_n(&m->sleeping, __ATOMIC_SEQ_CST);
    if (how && (how == LOOP_SLEEPS || from_nap) &&
        __atomic_exchange_n(&m->sleeping, LOOP_AWAKE, __ATOMIC_SEQ_CST)) {
        __atomic_fetch_add(&m->rings, 1, __ATOMIC_RELAXED);
        loop->sys->bell_ring(m->bell[1]);
    }
}

static void push(struct heald_loop *loop, struct heald_op *op)
{
    struct heald_mailbox *m = &loop->mailbox;
    struct heald_link *top = __atomic_load_n(&m->top, __ATOMIC_RELAXED);

    /* Release by way of seq_cst: pairs with the exchange in fetch(). */
    do
        op->aux.next = top;
    while (!__atomic_compare_exchange_n(&m->top, &top, &op->aux, true, __ATOMIC_SEQ_CST,
                                        __ATOMIC_RELAXED));
}

int heald_loop_post(struct heald_loop *loop, struct heald_op *op, heald_fn *fn)
{
    if (!fn || op->notify != OP_NOTIFY_CALLBACK)
        return -EINVAL;
    int err = op_prepare(op);
    if (err)
        return err;
    op->kind = OP_POST;
    op->fn = fn;
    op->loop = loop;
    op_move(op, OP_QUEUED);
    /* Relaxed: the push that follows releases it. */
    if (op_class_of(op) != HEALD_NORMAL)
        __atomic_store_n(&loop->mailbox.sorts, true, __ATOMIC_RELAXED);
    push(loop, op);
    wake(loop, true);
    return 0;
}

void heald__post_here(struct heald_loop *loop, struct heald_op *op, heald_fn *fn)
{
    op_prepare(op);
    op->kind = OP_POST;
    heald__submit_begin(loop, op, fn);
    heald__enter_background(loop, op);
    heald__complete_inline(loop, op, 0);
}

void heald__mailbox_remote(struct heald_sink *sink, struct heald_op *op, int64_t result)
{
    struct heald_loop *loop = loop_of_sink(sink);

    op->result = result;
    push(loop, op);
    wake(loop, true);
}

void heald__mailbox_in_passing(struct heald_sink *sink, struct heald_op *op, int64_t result)
{
    struct heald_loop *loop = loop_of_sink(sink);

    op->result = result;
    push(loop, op);
    wake(loop, false);
}

void heald_loop_stop(struct heald_loop *loop)
{
    __atomic_store_n(&loop->mailbox.stop, 1, __ATOMIC_SEQ_CST);
    wake(loop, true);
}

/* Takes what is in the stack, and turns it round to the end of the inbox. */
static void fetch(struct heald_mailbox *m)
{
    struct heald_link *node, *next, *last, *first = NULL;

    /* Relaxed: an op that is not seen here is seen by the next fetch, or keeps the loop from
     * sleeping. */
    if (!__atomic_load_n(&m->top, __ATOMIC_RELAXED))
        return;
    /* Acquire: pairs with push(). */
    last = node = __atomic_exchange_n(&m->top, NULL, __ATOMIC_ACQUIRE);
    for (; node; node = next) {
        next = node->next;
        node->next = first;
        first = node;
    }
    if (m->first)
        m->last->next = first;
    else
        m->first = first;
    m->last = last;
}

static void deliver(struct heald_loop *loop, struct heald_op *op)
{
    op->aux.next = NULL;
    if (op->kind == OP_POST) {
        loop->stats.posts++;
        heald__enter_background(loop, op);
        heald__complete_inline(loop, op, 0);
    } else {
        if (op->stage == STAGE_THREAD)
            heald__pool_left(loop, op);
        op_stage_move(op, STAGE_LOOP);
        heald__result(loop, op, op->result, false);
    }
}

/* How many to deliver in this turn. */
static unsigned share_of_turn(struct heald_loop *loop)
{
    uint64_t due = heald__due_count(&loop->due);
    unsigned all = loop->turn_callbacks, least = all / LEAST_SHARE + 1;

    /* Relaxed: fetch() has acquired what came with the ops. */
    if (heald__loop_sorts(loop) || __atomic_load_n(&loop->mailbox.sorts, __ATOMIC_RELAXED))
        return UINT_MAX;
    return due + least < all ? all - (unsigned)due : least;
}

static void drain(struct heald_loop *loop, unsigned limit)
{
    struct heald_link *node = loop->mailbox.first;

    for (; node && limit; limit--) {
        struct heald_op *op = heald__due_op(node);
        node = node->next;
        deliver(loop, op);
    }
    loop->mailbox.first = node;
    loop->attention.posts = node != NULL;
}

void heald__mailbox_fetch(struct heald_loop *loop)
{
    fetch(&loop->mailbox);
    drain(loop, share_of_turn(loop));
}

void heald__mailbox_fetch_all(struct heald_loop *loop)
{
    fetch(&loop->mailbox);
    drain(loop, UINT_MAX);
}

static void bell_rang(struct heald_op *watch)
{
    watch->loop->sys->bell_drain(watch->loop->mailbox.bell[0]);
}

static void counter_rang(struct heald_op *watch)
{
    (void)watch; /* Each ring is a change, or was read by the ring: nothing is left to drain. */
}

int heald__mailbox_open(struct heald_loop *loop)
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
    return heald__loop_watch(loop, &m->watch, m->bell[0], counts ? counter_rang : bell_rang,
                             counts ? &m->counter : NULL);
}

void heald__mailbox_close(struct heald_loop *loop)
{
    struct heald_mailbox *m = &loop->mailbox;

    if (m->bell[0] >= 0)
        sys_bell_close(loop->sys, m->bell);
}
