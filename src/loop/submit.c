/*
 * loop/submit.c: from the caller to whoever does the work, and the way of a cancel. The loop's
 * thread.
 */
#include "loop/ready.h"

#include <heald/io.h>

#include <errno.h>

/* An op that is over within its submission: an error is a result like any other. */
static int over_already(struct heald_loop *loop, struct heald_op *op, int64_t result)
{
    heald_complete(loop, op, result);
    return 0;
}

static bool is_rw(const struct heald_op *op)
{
    return op_traits[op->kind] & OP_RW;
}

/* On a regular file: the engine's, if it can be meant; the rest fails as the system says. */
static int start_on_file(struct heald_loop *loop, struct heald_op *op)
{
    struct heald_fd file = {.type = FD_FILE};

    if (!is_rw(op))
        return over_already(loop, op,
                            op->kind == OP_RECV_MULTI ? -ENOTSOCK : heald_perform(loop, &file, op));
    heald_engine_submit(loop, op);
    return 0;
}

static int start_on_fd(struct heald_loop *loop, struct heald_op *op)
{
    int err = 0;
    struct heald_fd *e;

    if (is_rw(op) && op->u.rw.off >= 0)
        return start_on_file(loop, op);
    e = fds_find(&loop->fds, op_fd(op));
    if (!e)
        e = heald_fds_get(loop, op_fd(op), &err);
    if (err == -ENOMEM)
        return err;
    if (op->kind == OP_RECV_MULTI)
        heald_group_use(op->u.group.group, 1);
    if (!e)
        return err ? over_already(loop, op, err) : start_on_file(loop, op);
    heald_ready_submit(loop, e, op);
    return 0;
}

static int start_poll(struct heald_loop *loop, struct heald_op *op)
{
    int err = 0;
    struct heald_fd *e = heald_fds_get(loop, op_fd(op), &err);

    if (!e && err == -ENOMEM)
        return err;
    if (!e)
        return over_already(loop, op, err ? err : (int)(op->u.poll.events & (POLLIN | POLLOUT)));
    if (!loop->backend.ops->submit) {
        err = heald_ready_poll(loop, e, op);
        return err ? over_already(loop, op, err) : 0;
    }
    fds_push(&e->polls, op);
    heald_kernel_submit(loop, op);
    return 0;
}

static int start_close(struct heald_loop *loop, struct heald_op *op)
{
    int fd = op_fd(op);
    bool known = fds_find(&loop->fds, fd);

    heald_fds_forget(loop, fd, true);
    /* A socket or pipe closes at once; what may be a file may take its time. */
    if (known)
        return over_already(loop, op, loop->sys->close(fd));
    heald_engine_submit(loop, op);
    return 0;
}

int heald_loop_start(struct heald_loop *loop, struct heald_op *op)
{
    if (op_is_queued_on_fd(op))
        return start_on_fd(loop, op);
    if (op_is_lock(op))
        return heald_await_lock(loop, op);
    switch ((enum op_kind)op->kind) {
    case OP_POLL: return start_poll(loop, op);
    case OP_CLOSE: return start_close(loop, op);
    case OP_TIMER: return heald_timers_submit(loop, op);
    case OP_SIGNAL: return heald_await_signal(loop, op);
    case OP_CHILD: return heald_await_child(loop, op);
    default: heald_engine_submit(loop, op); return 0;
    }
}

static int check(const struct heald_loop *loop, const struct heald_op *op, heald_fn *fn)
{
    if (!(op_traits[op->kind] & OP_PUBLIC))
        return -EINVAL;
    if (op_is_multishot(op) && (!fn || op->notify != OP_NOTIFY_CALLBACK))
        return -EINVAL;
    if (op->notify == OP_NOTIFY_THREAD && !fn)
        return -EINVAL;
    if (op->notify == OP_NOTIFY_SIGNAL && !heald_can_queue_signals)
        return -ENOSYS;
    return op->kind == OP_RECV_MULTI && op->u.group.group->loop != loop ? -EINVAL : 0;
}

/* The way of every op but the plain one in its usual case. */
static int start(struct heald_loop *loop, struct heald_op *op)
{
    int err = heald_loop_start(loop, op);

    if (err) {
        loop->stats.submitted--;
        loop->stats.live--;
        op_move(op, OP_IDLE);
    }
    return err;
}

int heald_submit(struct heald_loop *loop, struct heald_op *op, heald_fn *fn)
{
    bool plain = op_traits[op->kind] & OP_PLAIN && op->notify == OP_NOTIFY_CALLBACK;
    int err;

    if (op_load_state(op) != OP_IDLE)
        return -EBUSY;
    if (!plain && (err = check(loop, op, fn)))
        return err;
    op->fn = fn;
    op->loop = loop;
    op->flags = 0;
    op_move(op, OP_QUEUED);
    loop->classes |= op->op_class;
    loop->stats.live++;
    loop->stats.submitted++;
    if (!(plain && ready_start_plain(loop, op)) && (err = start(loop, op)))
        return err;
    if (op->deadline_ns != HEALD_FOREVER && op->state != OP_DONE && op->state != OP_IDLE &&
        op->kind != OP_TIMER)
        heald_wheel_add(&loop->timers, op);
    return 0;
}

int heald_submit_all(struct heald_loop *loop, struct heald_op *const ops[], unsigned count,
                     heald_fn *fn)
{
    for (unsigned i = 0; i < count; i++) {
        int err = ops[i] ? heald_submit(loop, ops[i], fn) : 0;
        if (err)
            return i ? (int)i : err;
    }
    return (int)count;
}

/* Takes an op that waits in a queue of ours out of it. */
static void take_out(struct heald_loop *loop, struct heald_op *op)
{
    struct heald_fd *e = &loop->fds.v[op_fd(op)];
    bool poll = !op_is_queued_on_fd(op);
    int dir = op_is_inward(op) ? DIR_IN : DIR_OUT;

    bool first = !poll && e->queue[dir] == op;

    fds_remove(poll ? &e->polls : &e->queue[dir], op);
    heald_complete(loop, op, -ECANCELED);
    /* The one behind it may have been held up by this one alone. */
    if (first)
        heald_ready_kick(loop, e, dir);
}

void heald_loop_end(struct heald_loop *loop, struct heald_op *op)
{
    if (op->flags & OP_DUE) {
        op->flags |= OP_ENDING;
    } else if (op->flags & (OP_ENGINE | OP_KERNEL)) {
        op_move(op, OP_CANCELLING);
        if (op->flags & OP_ENGINE)
            heald_engine_cancel(loop, op);
        else
            loop->backend.ops->cancel(&loop->backend, op);
    } else if (op->kind == OP_TIMER) {
        heald_complete(loop, op, -ECANCELED);
    } else if (op->kind == OP_SIGNAL) {
        heald_await_signal_cancel(loop, op);
    } else if (op_is_lock(op)) {
        heald_await_lock_cancel(loop, op);
    } else {
        take_out(loop, op);
    }
}

int heald_cancel(struct heald_op *op)
{
    enum op_state state = op_load_state(op);

    if (state == OP_IDLE || op->kind == OP_POST || op->kind == OP_WATCH)
        return -EINVAL;
    if (state == OP_DONE || state == OP_CANCELLING || op->flags & OP_ENDING)
        return -EALREADY;
    heald_loop_end(op->loop, op);
    return 0;
}

int heald_close(struct heald_loop *loop, int fd)
{
    heald_fds_forget(loop, fd, true);
    return loop->sys->close(fd);
}

void heald_forget(struct heald_loop *loop, int fd)
{
    heald_fds_forget(loop, fd, false);
}
