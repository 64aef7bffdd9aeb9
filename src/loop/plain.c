/*
 * loop/plain.c: the usual case, in line: a receive or a send on a socket that the loop knows, from
 * its submission to the queue of callbacks. The loop's thread.
 *
 * Nothing here decides anything that submit.c and ready.c do not decide as well; it only sees that
 * there is nothing to decide, and leaves all else to them. So a program runs the same without its
 * short cuts.
 *
 * One look at the flags of the entry says what is to be done: FDS_PLAIN: a socket that is not being
 * closed, and does not listen; FDS_WHOLE: a ring does it; FDS_READABLE, FDS_FULL: it may be tried,
 * or not. In a loop that notes when ops are submitted (loop/since.h) `fds.plain` is 0: each
 * submission goes the way of all ops, where that is done.
 */
#include "base/attr.h"
#include "loop/complete.h"
#include "loop/ready.h"

#include <heald/io.h>

#include <errno.h>

/* With a result that is no -ECANCELED, for nobody has asked for its end. It is in no timers: it was
 * not put there yet, or the caller has seen so. */
static inline void complete(struct heald_loop *loop, struct heald_op *op, int64_t result)
{
    op->result = result;
    op_move(op, OP_DONE);
    heald__due_push(&loop->due, op);
}

static inline void complete_silent(struct heald_loop *loop, struct heald_op *op, int64_t result)
{
    op->result = result;
    heald__complete_silent(loop, op);
}

void heald__submit_begin(struct heald_loop *loop, struct heald_op *op, heald_fn *fn)
{
    op->fn = fn;
    op->loop = loop;
    op->flags = 0;
    op_move(op, OP_QUEUED);
    loop->stats.submitted++;
}

static inline bool came_to_nothing(int64_t result)
{
    return result < 0 && (result == -EAGAIN || result == -EINTR);
}

static inline int64_t receive(struct heald_loop *loop, struct heald_op *op)
{
    return loop->sys->recv_now(op->u.rw.fd, op->u.rw.buf, op->u.rw.len, (int)op->u.rw.off);
}

/* What must be looked at more closely, by the way of all other ops. */
HEALD_SEPARATE static int submit_begun(struct heald_loop *loop, struct heald_op *op)
{
    int err = heald__submit_start(loop, op);

    if (!err && op->deadline_ns != HEALD_FOREVER)
        heald__submit_deadline(loop, op);
    return err;
}

/* A ring does it, and nobody waits in that direction. */
HEALD_SEPARATE static int submit_whole(struct heald_loop *loop, struct heald_op *op,
                                       struct heald_fd *e, int dir)
{
    if (e->pause || loop->attention.mirrored)
        return submit_begun(loop, op);
    fds_push_first(&e->queue[dir], op);
    op_move(op, OP_ARMED);
    op->buffer = e->type;
    loop->backend.ops->submit(&loop->backend, op);
    return op->deadline_ns == HEALD_FOREVER ? 0 : heald__submit_deadline(loop, op);
}

/* There may be something: it is tried at once. */
HEALD_SEPARATE static int receive_now(struct heald_loop *loop, struct heald_fd *e,
                                      struct heald_op *op)
{
    int64_t result = receive(loop, op);

    if (came_to_nothing(result))
        return submit_begun(loop, op);
    if (ready_is_empty(e, op, result))
        e->flags &= (uint16_t)~FDS_READABLE;
    if (op->fn)
        complete(loop, op, result);
    else
        complete_silent(loop, op, result);
    return 0;
}

/* One that is done at once may need no notification. */
HEALD_SEPARATE static int send_now(struct heald_loop *loop, struct heald_op *op)
{
    int64_t result =
        loop->sys->send_now(op->u.rw.fd, op->u.rw.buf, op->u.rw.len, (int)op->u.rw.off);
    bool deferred = op->notify == OP_NOTIFY_DEFERRED;

    if (result == op->u.rw.len && deferred) {
        complete_silent(loop, op, result);
        return 1;
    }
    if (came_to_nothing(result))
        return submit_begun(loop, op);
    if (op->fn)
        complete(loop, op, result);
    else
        complete_silent(loop, op, result);
    return 0;
}

static inline int submit_receive(struct heald_loop *loop, struct heald_op *op, heald_fn *fn)
{
    int fd = op->u.rw.fd;

    heald__submit_begin(loop, op, fn);
    if ((unsigned)fd >= loop->fds.plain)
        return submit_begun(loop, op);
    struct heald_fd *e = &loop->fds.v[fd];
    if (e->queue[DIR_IN])
        return submit_begun(loop, op);
    unsigned how = e->flags & (FDS_PLAIN | FDS_WHOLE | FDS_READABLE);
    if (how == FDS_PLAIN && e->armed & POLLIN) {
        /* It waits for an event that will come. */
        op->link.next = op->link.prev = &op->link;
        e->queue[DIR_IN] = op;
        op_move(op, OP_ARMED);
        return op->deadline_ns == HEALD_FOREVER ? 0 : heald__submit_deadline(loop, op);
    }
    if (how == (FDS_PLAIN | FDS_READABLE))
        return receive_now(loop, e, op);
    return how & FDS_WHOLE && how & FDS_PLAIN ? submit_whole(loop, op, e, DIR_IN)
                                              : submit_begun(loop, op);
}

static inline int submit_send(struct heald_loop *loop, struct heald_op *op, heald_fn *fn)
{
    int fd = op->u.rw.fd;

    heald__submit_begin(loop, op, fn);
    if ((unsigned)fd >= loop->fds.plain)
        return submit_begun(loop, op);
    struct heald_fd *e = &loop->fds.v[fd];
    if (e->queue[DIR_OUT])
        return submit_begun(loop, op);
    unsigned how = e->flags & (FDS_PLAIN | FDS_WHOLE | FDS_FULL);
    if (how == FDS_PLAIN)
        return send_now(loop, op);
    return how & FDS_WHOLE && how & FDS_PLAIN ? submit_whole(loop, op, e, DIR_OUT)
                                              : submit_begun(loop, op);
}

int heald_submit(struct heald_loop *loop, struct heald_op *op, heald_fn *fn)
{
    uint32_t how = op_how(op);

    if (how == OP_HOW_PLAIN(OP_RECV))
        return submit_receive(loop, op, fn);
    if ((how == OP_HOW_DEFERRED(OP_SEND) && fn) || how == OP_HOW_PLAIN(OP_SEND))
        return submit_send(loop, op, fn);
    return heald__submit(loop, op, fn);
}

/* It got nothing or an error, or so much that there may be more; or it had a deadline. */
HEALD_SEPARATE static void received(struct heald_loop *loop, struct heald_op *op, int64_t result)
{
    struct heald_fd *e = &loop->fds.v[op->u.rw.fd];

    if (came_to_nothing(result)) {
        e->queue[DIR_IN] = op;
        heald__ready_event_other(loop, e, POLLIN);
        return;
    }
    op->link.next = NULL;
    if (e->flags & FDS_EDGE && !ready_is_empty(e, op, result))
        e->flags |= FDS_READABLE;
    heald__complete(loop, op, result);
}

void heald__ready_receive(struct heald_loop *loop, struct heald_fd *e, struct heald_op *op)
{
    bool other = e->flags & FDS_STICKY || op->u.rw.off || list_linked(&op->timer) || !op->fn ||
                 op->op_class & HEALD_BACKGROUND;

    e->queue[DIR_IN] = NULL;
    int64_t result = receive(loop, op);
    if (other || result <= 0 || result >= (int64_t)op->u.rw.len) {
        received(loop, op, result);
        return;
    }
    op->link.next = NULL;
    complete(loop, op, result);
}

/* It got nothing, an error, or a full buffer. What takes no room takes no buffer. */
HEALD_SEPARATE static void received_multi(struct heald_loop *loop, struct heald_op *op,
                                          int64_t result)
{
    if (result <= 0) {
        heald_buf_return(op->u.group.group, op->buffer);
        op->buffer = HEALD_NO_BUFFER;
    }
    heald__ready_attempted(loop, op->u.group.fd, op, result);
}

void heald__ready_receive_multi(struct heald_loop *loop, struct heald_fd *e, struct heald_op *op)
{
    struct heald_buf_group *g = op->u.group.group;

    if (op->flags & OP_DUE || e->flags & FDS_STICKY || g->first == GROUP_END) {
        heald__ready_event_other(loop, e, POLLIN);
        return;
    }
    /* Reported readable, so it gets something: the buffer is taken out now and not looked at again
     * after the call. */
    unsigned index = (unsigned)heald__group_acquire(g);
    op->buffer = (uint16_t)index;
    int64_t result = loop->sys->recv_now(op->u.group.fd, g->memory + index * g->size, g->size,
                                         op->u.group.flags);
    if (result > 0 && result < (int64_t)g->size)
        heald__complete_more_inline(loop, op, result);
    else
        received_multi(loop, op, result);
}

/* A ring has done a plain op. False: its descriptor, or the op, needs a closer look. */
static inline bool leave_queue(struct heald_loop *loop, struct heald_op *op)
{
    struct heald_fd *e = &loop->fds.v[op->u.rw.fd];

    if (op->flags & OP_DETACHED || !(e->flags & FDS_PLAIN) || e->pause ||
        loop->attention.mirrored || op->link.next != &op->link || list_linked(&op->timer) ||
        op->op_class & HEALD_BACKGROUND)
        return false;
    bool in = op->kind == OP_RECV;
    e->queue[in ? DIR_IN : DIR_OUT] = NULL;
    op->link.next = NULL;
    e->cancels -= in && e->cancels;
    return true;
}

void heald__plain_done(struct heald_loop *loop, struct heald_op *op, int64_t result)
{
    if (result < 0 || (!op->fn && !op->notify) || !leave_queue(loop, op))
        heald__result(loop, op, result, false);
    else
        complete(loop, op, result);
}

void heald__plain_sent(struct heald_loop *loop, struct heald_op *op)
{
    if (op->state == OP_CANCELLING || !leave_queue(loop, op)) {
        heald__result_sent(loop, op);
        return;
    }
    op_move(op, OP_DONE);
    complete_silent(loop, op, op->u.rw.len);
}
