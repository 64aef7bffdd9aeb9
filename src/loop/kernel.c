/*
 * loop/kernel.c: the way of an op through a back end that takes whole ops (a ring). The loop's
 * thread.
 *
 * The kernel promises no order between two ops on one descriptor, so only the first of each
 * direction is submitted; its completion submits the next.
 */
#include "loop/loop.h"

#include <errno.h>

static bool waits_on_fd(const struct heald_op *op)
{
    return op_is_queued_on_fd(op) || op->kind == OP_POLL || op->kind == OP_CHILD ||
           op->kind == OP_WATCH;
}

void heald_kernel_submit(struct heald_loop *loop, struct heald_op *op)
{
    if (op->state == OP_QUEUED)
        op_move(op, OP_ARMED);
    op->flags |= OP_KERNEL;
    loop->backend.ops->submit(&loop->backend, op);
    if (loop->mirror >= 0 && waits_on_fd(op))
        heald_guest_show(loop, op_fd(op));
}

int heald_kernel_type(struct heald_loop *loop, const struct heald_op *op)
{
    const struct heald_fd *e = op->u.rw.off < 0 ? fds_find(&loop->fds, op_fd(op)) : NULL;
    return e ? e->type : FD_FILE;
}

bool heald_kernel_may_block(struct heald_loop *loop, const struct heald_op *op)
{
    const struct heald_fd *e = op->u.rw.off < 0 ? fds_find(&loop->fds, op_fd(op)) : NULL;
    return e && e->type == FD_OTHER && !(e->flags & FDS_NONBLOCK) && !op_is_inward(op);
}

static void poll_done(struct heald_loop *loop, struct heald_op *op, int64_t result)
{
    struct heald_fd *e = fds_find(&loop->fds, op_fd(op));

    if (op->kind == OP_WATCH) {
        if (result < 0 && result != -EINTR)
            return;
        op->fn(op);
        heald_kernel_submit(loop, op);
        return;
    }
    if (op->kind == OP_CHILD && result >= 0) {
        heald_await_child_ready(loop, op);
        return;
    }
    /* The descriptor may have been forgotten meanwhile, and its entry with it; the queue itself is
     * still there. */
    fds_remove(e ? &e->polls : &loop->fds.v[op_fd(op)].polls, op);
    heald_complete(loop, op, result);
}

/* What a multishot op that the kernel has ended means to its owner. */
static bool goes_on(const struct heald_op *op, const struct heald_fd *e, int64_t result)
{
    if (op->kind == OP_ACCEPT_MULTI)
        return result >= 0;
    if (op->kind == OP_RECV_MULTI)
        return result > 0 || (result == 0 && e->type == FD_DATAGRAM);
    return false;
}

static void stream_done(struct heald_loop *loop, struct heald_op *op, int64_t result)
{
    int fd = op_fd(op), dir = op_is_inward(op) ? DIR_IN : DIR_OUT;
    int type = loop->fds.v[fd].type;

    /* A connection that was reset before it was accepted is nobody's error. */
    if (result == -ECONNABORTED && !(op->flags & OP_KERNEL) &&
        (op->kind == OP_ACCEPT || op->kind == OP_ACCEPT_MULTI)) {
        if (op->state == OP_ARMED) {
            heald_kernel_submit(loop, op);
            return;
        }
        result = -ECANCELED;
    }
    if (result >= 0 && (op->kind == OP_ACCEPT || op->kind == OP_ACCEPT_MULTI))
        heald_fds_fresh(loop, (int)result, type);
    struct heald_fd *e = &loop->fds.v[fd];
    if (op->flags & OP_KERNEL || (goes_on(op, e, result) && op->state == OP_ARMED)) {
        heald_complete_more(loop, op, result);
        return;
    }
    /* Cancelled, and yet it brought something: that is told first, and the end after it. */
    if (goes_on(op, e, result)) {
        op->flags |= OP_ENDING;
        heald_complete_more(loop, op, result);
        return;
    }
    fds_remove(&e->queue[dir], op);
    heald_complete(loop, op, result);
    heald_ready_kick(loop, &loop->fds.v[fd], dir);
}

void heald_kernel_done(struct heald_loop *loop, struct heald_op *op, int64_t result, bool more,
                       unsigned buffer)
{
    op->buffer = (uint16_t)buffer;
    if (!more)
        op->flags &= (uint8_t)~OP_KERNEL;
    if (op->kind == OP_WORDS || op->kind == OP_TICK) {
        op->result = result;
        op->fn(op);
        return;
    }
    bool is_file = op->flags & OP_ENGINE || !waits_on_fd(op);
    int fd = is_file ? -1 : op_fd(op);
    op->flags &= (uint8_t)~OP_ENGINE;
    if (is_file) {
        list_remove(&op->link);
        heald_complete(loop, op, result);
    } else if (op_is_queued_on_fd(op)) {
        stream_done(loop, op, result);
    } else {
        poll_done(loop, op, result);
    }
    if (loop->mirror >= 0 && fd >= 0)
        heald_guest_show(loop, fd);
}
