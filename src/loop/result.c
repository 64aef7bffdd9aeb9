/*
 * loop/result.c: ops that a ring or a thread attempts; and their results. The loop's thread.
 *
 * The kernel promises no order between two ops on one descriptor, so only the first of each
 * direction is handed over; its completion hands over the next.
 */
#include "loop/complete.h"
#include "loop/outcome.h"

#include <errno.h>

/* What a ring must know of an op beside the op itself. With a group it has no result that is kept
 * now, and `last` has room. */
static unsigned hint_for(struct heald_loop *loop, struct heald_op *op)
{
    if (heald__op_traits[op->kind] & OP_GROUP) {
        op->u.group.last = fds_of(&loop->fds, op)->type;
        return op->u.group.group->id;
    }
    return op_is_queued_on_fd(op) ? fds_of(&loop->fds, op)->type : op->buffer;
}

void heald__ring_submit(struct heald_loop *loop, struct heald_op *op)
{
    if (op->state == OP_QUEUED)
        op_move(op, OP_ARMED);
    if (!(op->flags & OP_FILE))
        op->buffer = (uint16_t)hint_for(loop, op);
    if (loop->backend.ops->submit) {
        loop->backend.ops->submit(&loop->backend, op);
    } else {
        loop->attention.flush = true;
        loop->engine.ops->submit(&loop->engine, op);
    }
    if (loop->mirror >= 0 && heald__op_traits[op->kind] & (OP_ON_FD | OP_BESIDE) &&
        !(op->flags & (OP_FILE | OP_DETACHED)))
        heald__guest_show(loop, op_fd(op));
}

/* Out of its list, and complete. */
static void finish(struct heald_loop *loop, struct heald_op *op, int64_t result)
{
    fds_remove(fds_list(fds_of(&loop->fds, op), op), op);
    heald__complete(loop, op, result);
}

/*
 * It found nothing although it was, or was not, polled for. Polled for again. But where it was
 * polled for before, either the descriptor is reported ready and is not: it is given a rest; or the
 * ring's poll ends for what nobody asked for: it waits for readiness.
 */
static void wait_in_ring(struct heald_loop *loop, struct heald_op *op)
{
    struct pollfd now = {.fd = op_fd(op), .events = (short)op_events(op)};
    int dir = op_is_inward(op) ? DIR_IN : DIR_OUT;

    if (op->flags & OP_STARTED && !(op->flags & OP_DETACHED)) {
        bool ready = loop->sys->poll(&now, 1, 0) > 0;
        if (ready && heald__pause(loop, fds_of(&loop->fds, op), dir) == 0)
            return;
        if (!ready && heald__ready_in_ring(loop, op) == 0)
            return;
    }
    op->flags |= OP_STARTED | OP_POLLED;
    heald__ring_submit(loop, op);
}

/* Returns an op to the part that attempted it before. A descriptor that a thread tried is not
 * assumed to be empty: the thread may have been interrupted before it tried, and may have tried
 * before an event that has come since. It is checked. */
static void attempt_again(struct heald_loop *loop, struct heald_op *op, enum outcome next)
{
    struct heald_fd *e = fds_of(&loop->fds, op);
    int dir = op_is_inward(op) ? DIR_IN : DIR_OUT;

    if (next == OUTCOME_PAUSE && heald__pause(loop, e, dir) == 0)
        return;
    bool whole = heald__takes_whole(loop, e, op);
    if (!whole && next == OUTCOME_AGAIN)
        heald__ready_retry(loop, e, dir);
    else if (!whole || next == OUTCOME_PAUSE)
        heald__ready_kick(loop, e, dir);
    else if (next == OUTCOME_WAIT)
        wait_in_ring(loop, op);
    else
        heald__ring_submit(loop, op);
}

static void stream_result(struct heald_loop *loop, struct heald_op *op, int64_t result, bool more)
{
    struct heald_fd *e = fds_of(&loop->fds, op);
    int type = e->type, dir = op_is_inward(op) ? DIR_IN : DIR_OUT, fd = op_fd(op);
    enum outcome next = more ? OUTCOME_MORE : heald__outcome(op, type, &result);

    if (result >= 0 && op_accepts(op)) {
        heald__fds_fresh(loop, (int)result, type);
        e = fds_of(&loop->fds, op);
    }
    if (e->pause && result >= 0)
        heald__pause_success(e);
    e->cancels -= dir == DIR_IN && result > 0 && e->cancels;
    if (next == OUTCOME_MORE) {
        /* Cancelled, and yet it brought something: that result comes first, and the end after it.
         */
        if (op->state == OP_CANCELLING)
            op->flags |= OP_ENDING;
        heald__complete_more(loop, op, result);
    } else if (next == OUTCOME_FINAL) {
        if (op_accepts(op) && outcome_is_lack(result) && !(op->flags & OP_DETACHED))
            heald__pause(loop, e, dir);
        bool detached = op->flags & OP_DETACHED;
        finish(loop, op, result);
        if (detached)
            return;
        if (result == -ECANCELED && dir == DIR_IN)
            heald__idle_cancelled(loop, e);
        heald__ready_kick(loop, e, dir);
        heald__fds_release(loop, &loop->fds.v[fd]);
    } else {
        attempt_again(loop, op, next);
    }
}

static void watch_result(struct heald_loop *loop, struct heald_op *op, int64_t result)
{
    if (result < 0 && result != -EINTR)
        return;
    op->fn(op);
    heald__ring_submit(loop, op);
}

/*
 * What a poll says: what was asked for and what is reported anyhow. A ring trusts the mask of a
 * wake-up, and sockets wake for urgent data with any data, so that is checked again. -EAGAIN:
 * nothing.
 */
static int64_t poll_mask(struct heald_loop *loop, const struct heald_op *op, int64_t result)
{
    struct pollfd p = {.fd = op_fd(op), .events = (short)op_events(op)};

    if (p.events & POLLPRI && !(op->flags & OP_DETACHED))
        return loop->sys->poll(&p, 1, 0) > 0 ? (unsigned short)p.revents : -EAGAIN;
    result &= (int64_t)(op_events(op) | POLLERR | POLLHUP | POLLNVAL);
    return result ? result : -EAGAIN;
}

static void beside_result(struct heald_loop *loop, struct heald_op *op, int64_t result)
{
    struct heald_fd *e = fds_of(&loop->fds, op);

    if (op->kind == OP_WATCH) {
        watch_result(loop, op, result);
        return;
    }
    if (op->kind == OP_CHILD) {
        if (result >= 0)
            loop->upper[UPPER_CHILDREN]->ready(loop, op);
        else
            finish(loop, op, result);
        return;
    }
    if (op_polls(op) && op_is_ending(op) && result >= 0)
        result = -ECANCELED; /* a poll has taken nothing */
    else if (op_polls(op) && (result >= 0 || result == -EINVAL))
        result = result < 0 ? -EAGAIN : poll_mask(loop, op, result);
    else if (result >= 0)
        result = op_is_ending(op) ? -ECANCELED : heald__perform(loop, e, op);
    enum outcome next = heald__outcome(op, e->type, &result);
    if (next == OUTCOME_AGAIN) {
        heald__ring_submit(loop, op);
        return;
    }
    loop->polls--;
    if (next == OUTCOME_MORE) {
        heald__complete_more(loop, op, result);
        return;
    }
    /* A ring's poll is not exact: what it cannot wait for waits for readiness. */
    int err = result == -EAGAIN ? heald__ready_in_ring(loop, op) : 0;
    if (result == -EAGAIN && !err)
        return;
    finish(loop, op, err ? err : result);
    heald__fds_release(loop, e);
}

static void file_result(struct heald_loop *loop, struct heald_op *op, int64_t result)
{
    struct heald_fd *e = fds_of(&loop->fds, op);

    if (heald__outcome(op, e->type, &result) == OUTCOME_AGAIN) {
        heald__engine_do(loop, op);
        return;
    }
    if (heald__close_is_own(op)) {
        fds_remove(&e->files, op);
        heald__close_end_own(loop, op);
    } else {
        bool at_position = heald__uses_position(op);
        finish(loop, op, result);
        if (at_position)
            heald__engine_next_at_position(loop, e);
    }
    heald__fds_release(loop, e);
}

/* Not of an op that waits in the queue of a descriptor. */
static void other_result(struct heald_loop *loop, struct heald_op *op, int64_t result)
{
    if (heald__op_traits[op->kind] & OP_DIRECT) {
        op->result = result;
        op->fn(op);
    } else if (heald__op_traits[op->kind] & OP_ON_THREAD) {
        finish(loop, op, result); /* whatever it says */
    } else if (heald__op_traits[op->kind] & OP_BESIDE) {
        beside_result(loop, op, result);
    } else {
        file_result(loop, op, result);
    }
}

void heald__result_sent(struct heald_loop *loop, struct heald_op *op)
{
    /* A cancelled op completes with it, whatever it is. */
    loop->submitting = op->state == OP_CANCELLING ? NULL : op;
    heald__result(loop, op, op->u.rw.len, false);
    loop->submitting = NULL;
}

void heald__result(struct heald_loop *loop, struct heald_op *op, int64_t result, bool more)
{
    bool waits = heald__op_traits[op->kind] & (OP_ON_FD | OP_BESIDE) && !(op->flags & OP_DETACHED);
    int fd = waits ? op_fd(op) : -1;

    if (op_is_queued_on_fd(op) && !(op->flags & OP_FILE))
        stream_result(loop, op, result, more);
    else
        other_result(loop, op, result);
    if (loop->mirror >= 0 && fd >= 0)
        heald__guest_show(loop, fd);
}
