/*
 * loop/complete.c: a result becomes a callback, exactly once. The loop's thread.
 *
 * All that completes is first put into the policy's queue (OP_DUE). Callbacks run later, one after
 * another, from the turn alone: so a callback may submit, cancel or free anything, itself included,
 * and callbacks never nest.
 */
#include "loop/complete.h"
#include "pool/pool.h"

#include <heald/io.h>

#include <errno.h>

void heald__complete_more(struct heald_loop *loop, struct heald_op *op, int64_t result)
{
    heald__complete_more_inline(loop, op, result);
}

void heald__complete_tidy(struct heald_loop *loop, struct heald_op *op)
{
    if (list_linked(&op->timer))
        heald__timers_remove(loop, op);
    if (!(heald__op_traits[op->kind] & OP_TIDIES))
        return;
    if (op->kind == OP_CHILD) {
        loop->upper[UPPER_CHILDREN]->tidy(loop, op);
    } else if (heald__op_traits[op->kind] & OP_ON_THREAD) {
        loop->upper[UPPER_WORK]->tidy(loop, op);
    } else if (heald__op_traits[op->kind] & OP_GROUP) {
        heald__group_use(op->u.group.group, -1);
        op->buffer = HEALD_NO_BUFFER;
    }
}

void heald_op_background(struct heald_op *op, int on)
{
    enum op_state state = op_load_state(op);
    /* A post is counted when it arrives. */
    bool counts = state != OP_IDLE && state != OP_DONE && op->kind != OP_POST;

    if (counts)
        heald__leave_background(op->loop, op);
    op->op_class = (uint8_t)(op_class_of(op) | (on ? HEALD_BACKGROUND : 0));
    if (counts)
        heald__enter_background(op->loop, op);
}

/* The op has completed for the loop as well. */
static inline void count_out(struct heald_loop *loop)
{
    loop->stats.completed++;
}

void heald__complete(struct heald_loop *loop, struct heald_op *op, int64_t result)
{
    heald__complete_inline(loop, op, result);
}

bool heald__flush_signals(struct heald_loop *loop)
{
    struct heald_owed *owed = &loop->owed;

    if (!owed->signo)
        return false;
    if (loop->sys->signal_queue(owed->signo, owed->value) == -EAGAIN)
        return loop->attention.signals = true;
    owed->signo = 0;
    loop->attention.signals = false;
    count_out(loop);
    return false;
}

/*
 * The handler of the signal finds the op idle and may free it, so the op goes first and the signal
 * is sent without it. The queue of signals may be full: then the loop owes this one, and the other
 * ops stay due until it was sent.
 */
static void tell_signal(struct heald_loop *loop, struct heald_op *op)
{
    if (heald__flush_signals(loop)) {
        heald__due_push(&loop->due, op);
        return;
    }
    loop->owed = (struct heald_owed){.signo = op->notify, .value = op->data};
    op_move(op, OP_IDLE);
    heald__flush_signals(loop);
}

static void tell_thread(struct heald_loop *loop, struct heald_op *op)
{
    struct heald_pool *pool;

    count_out(loop);
    op->aux.prev = NULL;
    if (heald__loop_pool(loop, POOL_FILES, &pool) == 0 && heald__pool_submit(pool, &op->aux) == 0)
        return;
    /* Not one thread can be had: late in the loop is better than never. */
    op_move(op, OP_IDLE);
    op->fn(op);
}

/* The end that was asked for while the callback of a multishot op was due. */
static void end_at_last(struct heald_loop *loop, struct heald_op *op)
{
    op->flags &= (uint8_t)~OP_ENDING;
    if (op->state != OP_CANCELLING)
        heald__op_cancel(loop, op);
    else if (op->stage == STAGE_LOOP)
        heald__result(loop, op, -ECANCELED, false);
    else
        heald__engine_cancel(loop, op); /* had to wait for the callback */
}

/* The next result of a multishot op that a ring has brought already. */
static bool bring_next(struct heald_loop *loop, struct heald_op *op)
{
    if (!(heald__op_traits[op->kind] & OP_KEEPS))
        return false;
    if (loop->backend.ops->next)
        return loop->backend.ops->next(&loop->backend, op);
    return loop->engine.ops->next && loop->engine.ops->next(&loop->engine, op);
}

void heald__multishot_continue(struct heald_loop *loop, struct heald_op *op)
{
    op->flags &= (uint8_t)~HEALD_MORE;
    if (bring_next(loop, op))
        return;
    if (op->flags & OP_ENDING)
        end_at_last(loop, op);
    else if (op->kind == OP_POLL_MULTI && op->state == OP_ARMED && !(op->flags & OP_DETACHED))
        heald__polls_resume(loop, op);
    else if (op_is_queued_on_fd(op) && !(op->flags & OP_DETACHED))
        heald__ready_resume(loop, op);
}

void heald__notify(struct heald_loop *loop, struct heald_op *op)
{
    if (op->notify == OP_NOTIFY_DEFERRED) {
        count_out(loop);
        op_move(op, OP_IDLE);
        op->fn(op);
    } else if (op_notifies_by_signal(op)) {
        tell_signal(loop, op);
    } else {
        tell_thread(loop, op);
    }
}
