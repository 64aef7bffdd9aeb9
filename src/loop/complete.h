/* loop/complete.h: the final completion of an op, in line for the paths that every message takes;
 * see complete.c. */
#ifndef HEALD_SRC_LOOP_COMPLETE_H
#define HEALD_SRC_LOOP_COMPLETE_H

#include "loop/loop.h"

#include <errno.h>

/* An op is pending, and it has completed. */
static inline void heald__enter_background(struct heald_loop *loop, const struct heald_op *op)
{
    loop->stats.background += op_is_background(op);
}

static inline void heald__leave_background(struct heald_loop *loop, const struct heald_op *op)
{
    loop->stats.background -= op_is_background(op);
}

/* One of several results. */
static inline void heald__complete_more_inline(struct heald_loop *loop, struct heald_op *op,
                                               int64_t result)
{
    assert(!(op->flags & OP_DUE));
    op->result = result;
    op->flags |= HEALD_MORE | OP_DUE;
    heald__due_push(&loop->due, op);
}

/* The rarer half: what the op held goes back. */
void heald__complete_tidy(struct heald_loop *loop, struct heald_op *op);

/* What follows a callback that was not the last, as the op is pending still. */
void heald__multishot_continue(struct heald_loop *loop, struct heald_op *op);

/* After a callback with HEALD_MORE: does the op wait on, with nothing to see to? */
static inline bool waits_on(struct heald_loop *loop, const struct heald_op *op)
{
    if (op->kind != OP_RECV_MULTI || op->state != OP_ARMED || op->flags & ~HEALD_MORE)
        return false;
    const struct heald_fd *e = &loop->fds.v[op->u.group.fd];
    if (e->flags & (FDS_WHOLE | FDS_READABLE))
        return e->flags & FDS_WHOLE && op->stage == STAGE_RING && !op->u.group.first &&
               !loop->attention.mirrored;
    return e->armed & POLLIN && !e->pause;
}

/* Runs a callback that is not the last. */
static inline void heald__notify_more(struct heald_loop *loop, struct heald_op *op)
{
    op->flags &= (uint8_t)~OP_DUE;
    op->fn(op);
    if (waits_on(loop, op))
        op->flags = 0;
    else
        heald__multishot_continue(loop, op);
}

/* Notifies of the completion of an op in another way than by a callback in the loop. */
void heald__notify(struct heald_loop *loop, struct heald_op *op);

/* The completion of an op without notification. */
static inline void heald__complete_silent(struct heald_loop *loop, struct heald_op *op)
{
    loop->stats.completed++;
    op_move(op, OP_IDLE);
}

/* Does it complete without notification? */
static inline bool is_silent(const struct heald_loop *loop, const struct heald_op *op)
{
    if (op->notify == OP_NOTIFY_DEFERRED)
        return loop->submitting == op && op_is_whole(op, op->result);
    return !op->fn && !op_notifies_by_signal(op);
}

/* For an assertion. An op that has waited is in the timers while it has a deadline; one that was
 * cancelled before that came has left them. */
static inline bool has_its_deadline(struct heald_loop *loop, const struct heald_op *op)
{
    return op->state == OP_QUEUED || op == loop->submitting ||
           op->flags & (OP_TIMED_OUT | OP_FILE) || op->kind == OP_TIMER ||
           list_linked(&op->timer) || op->deadline_ns == HEALD_FOREVER ||
           (op_is_ending(op) && op->deadline_ns <= heald_now(loop));
}

static inline void heald__complete_inline(struct heald_loop *loop, struct heald_op *op,
                                          int64_t result)
{
    assert(!(op->flags & OP_DUE));
    assert(has_its_deadline(loop, op) && "deadline_ns of a pending op was changed");
    if (list_linked(&op->timer) || heald__op_traits[op->kind] & OP_TIDIES)
        heald__complete_tidy(loop, op);
    /* What a deadline ended says so, by our own knowledge and not by the kernel's codes. */
    if (op->flags & OP_TIMED_OUT && result == -ECANCELED)
        result = -ETIMEDOUT;
    op->result = result;
    heald__leave_background(loop, op);
    op_move(op, OP_DONE);
    if (is_silent(loop, op)) {
        heald__complete_silent(loop, op);
        return;
    }
    heald__due_push(&loop->due, op);
}

#endif
