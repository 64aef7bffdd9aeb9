/*
 * loop/ready.c: the one place that turns readiness into completion. The loop's thread.
 *
 * Two ways to be armed. For changes (FDS_EDGE: internet streams and pipes, on epoll and kqueue):
 * the descriptor is armed once, what an event said is remembered in FDS_READABLE, and forgotten
 * when a read came up short, for then the descriptor is empty and any more data will be an event.
 * After a hang-up or urgent data a short read proves nothing (FDS_STICKY), and only -EAGAIN does.
 * For levels (all else): armed with what is waited for, and taken back only when an event comes
 * that nobody waits for: a program that reads again at once needs no call for it.
 *
 * No wake is lost: an op is queued before its descriptor is armed, and arming reports what is so
 * already.
 *
 * Writes are tried at once. A write that found no room sets FDS_FULL, and from then on they wait
 * for POLLOUT.
 */
#include "loop/ready.h"

#include <errno.h>

enum {
    EVENTS_IN = POLLIN | POLLPRI | POLLHUP | POLLERR | POLLNVAL,
    EVENTS_OUT = POLLOUT | POLLHUP | POLLERR | POLLNVAL,
    EVENTS_ANYHOW = POLLHUP | POLLERR | POLLNVAL /* reported whether or not they were asked for */
};

/* What the queues of an entry wait for. */
static unsigned wanted(const struct heald_fd *e)
{
    unsigned events = 0;

    if (e->queue[DIR_IN])
        events |= POLLIN;
    if (e->queue[DIR_OUT] && e->flags & FDS_FULL)
        events |= POLLOUT;
    if (e->polls) {
        const struct heald_link *first = &e->polls->link, *node = first;
        do
            events |= fds_events(fds_op((struct heald_link *)node));
        while ((node = node->next) != first);
    }
    return events;
}

static int arm_entry(struct heald_loop *loop, struct heald_fd *e, int fd, unsigned events)
{
    struct heald_backend *b = &loop->backend;
    unsigned edge = e->flags & FDS_EDGE ? HEALD_EDGE : 0;
    int err = b->ops->arm(b, fd, e->key, e->armed, events ? events | edge : 0);

    if (err == -EPERM) {
        e->flags |= FDS_ALWAYS;
        return 0;
    }
    if (!err && loop->mirror >= 0 && e->armed != events)
        err = loop->sys->mirror_set(loop->mirror, fd, e->armed, events);
    if (!err)
        e->armed = (uint16_t)events;
    return err;
}

/* Has the back end report at least what is waited for now. */
static int arm(struct heald_loop *loop, struct heald_fd *e, int fd)
{
    unsigned events = wanted(e);

    if (!(events & ~(unsigned)e->armed) || e->flags & FDS_ALWAYS)
        return 0;
    if (e->flags & FDS_EDGE && events & POLLIN)
        events |= POLLPRI | heald_poll_rdhup;
    return arm_entry(loop, e, fd, events | e->armed);
}

void heald_ready_unarm(struct heald_loop *loop, struct heald_fd *e, int fd)
{
    arm_entry(loop, e, fd, 0);
}

static void finish(struct heald_loop *loop, struct heald_fd *e, int dir, struct heald_op *op,
                   int64_t result)
{
    bool more =
        (op->kind == OP_ACCEPT_MULTI && result >= 0) ||
        (op->kind == OP_RECV_MULTI && (result > 0 || (result == 0 && e->type == FD_DATAGRAM)));
    if (more) {
        heald_complete_more(loop, op, result);
        return;
    }
    fds_remove(&e->queue[dir], op);
    heald_complete(loop, op, result);
}

/* Tries the first op of a queue: true if it made progress. */
static bool try_first(struct heald_loop *loop, struct heald_fd *e, int dir)
{
    struct heald_op *op = e->queue[dir];
    int fd = op_fd(op);
    int64_t result = heald_perform(loop, e, op);

    /* Accepting may have moved the table. */
    e = &loop->fds.v[fd];
    /* -EAGAIN from a connect that has not begun is an answer: a Unix listener's queue is full. */
    if (result == -EAGAIN && !(op->kind == OP_CONNECT && !(op->flags & OP_STARTED))) {
        ready_note_nothing(e, dir);
        return false;
    }
    if (dir == DIR_IN && e->flags & FDS_EDGE)
        ready_note_read(e, op, result);
    finish(loop, e, dir, op, result);
    return true;
}

static bool may_try(const struct heald_fd *e, int dir)
{
    const struct heald_op *op = e->queue[dir];

    if (!op || op->flags & OP_DUE)
        return false;
    if (e->flags & FDS_ALWAYS)
        return true;
    if (dir == DIR_IN)
        return e->flags & FDS_READABLE;
    /* A shutdown needs no room: what was to be written before it has been, or was given up. */
    return !(e->flags & FDS_FULL) || op->kind == OP_SHUTDOWN;
}

static void run_queue(struct heald_loop *loop, int fd, int dir)
{
    while (may_try(&loop->fds.v[fd], dir) && try_first(loop, &loop->fds.v[fd], dir))
        ;
}

/* The first op of a queue cannot be awaited: it ends with the reason, and so does whatever waits
 * behind it. */
static void fail_queue(struct heald_loop *loop, struct heald_fd *e, int dir, int err)
{
    for (struct heald_op *op; (op = e->queue[dir]) && !(op->flags & OP_DUE);) {
        fds_remove(&e->queue[dir], op);
        heald_complete(loop, op, err);
    }
}

/* Tries what can be tried, and sees to it that the rest will be heard of. */
void heald_ready_kick(struct heald_loop *loop, struct heald_fd *e, int dir)
{
    int fd = (int)(e - loop->fds.v);
    struct heald_op *first = e->queue[dir];

    if (!first)
        return;
    if (first->state == OP_QUEUED)
        op_move(first, OP_ARMED);
    if (loop->backend.ops->submit) {
        if (!(first->flags & (OP_KERNEL | OP_DUE)))
            heald_kernel_submit(loop, first);
        return;
    }
    run_queue(loop, fd, dir);
    e = &loop->fds.v[fd];
    if (!e->queue[dir])
        return;
    int err = arm(loop, e, fd);
    if (err)
        fail_queue(loop, e, dir, err);
    else if (e->flags & FDS_ALWAYS)
        run_queue(loop, fd, dir);
}

void heald_ready_submit(struct heald_loop *loop, struct heald_fd *e, struct heald_op *op)
{
    int dir = op_is_inward(op) ? DIR_IN : DIR_OUT;
    bool first = !e->queue[dir];

    fds_push(&e->queue[dir], op);
    if (!first)
        return;
    if (ready_will_be_told(e, dir) && op->kind != OP_SHUTDOWN)
        op_move(op, OP_ARMED);
    else
        heald_ready_kick(loop, e, dir);
}

void heald_ready_resume(struct heald_loop *loop, struct heald_op *op)
{
    struct heald_fd *e = fds_find(&loop->fds, op_fd(op));
    if (e)
        heald_ready_kick(loop, e, op_is_inward(op) ? DIR_IN : DIR_OUT);
}

/* What an event means to a poll op: all that holds, also where events come one by one. */
static unsigned hit_of(struct heald_loop *loop, const struct heald_op *op, unsigned events)
{
    unsigned hit = events & (fds_events(op) | EVENTS_ANYHOW);
    struct pollfd now = {.fd = op_fd(op), .events = (short)fds_events(op)};

    if (hit && op->kind == OP_POLL && loop->backend.ops->one_way && loop->sys->poll(&now, 1, 0) > 0)
        return (unsigned short)now.revents;
    return hit;
}

/* Ends the poll ops that an event concerns; wakes the library's own. */
static void tell_polls(struct heald_loop *loop, struct heald_fd *e, unsigned events)
{
    struct heald_op *last = e->polls ? fds_op(e->polls->link.prev) : NULL, *op, *next;

    for (op = e->polls; op; op = next) {
        unsigned hit = hit_of(loop, op, events);
        next = op == last ? NULL : fds_op(op->link.next);
        if (!hit)
            continue;
        if (op->kind == OP_WATCH) {
            op->fn(op);
        } else if (op->kind == OP_CHILD) {
            heald_await_child_ready(loop, op);
        } else {
            fds_remove(&e->polls, op);
            heald_complete(loop, op, hit & POLLNVAL ? -EBADF : (int64_t)hit);
        }
    }
}

static void note_event(struct heald_fd *e, unsigned events)
{
    if (events & EVENTS_OUT)
        e->flags &= (uint8_t)~FDS_FULL;
    if (!(e->flags & FDS_EDGE))
        return;
    if (events & (EVENTS_IN | heald_poll_rdhup))
        e->flags |= FDS_READABLE;
    if (events & (POLLPRI | EVENTS_ANYHOW | heald_poll_rdhup | HEALD_END))
        e->flags |= FDS_STICKY;
}

static void event_of_level(struct heald_loop *loop, struct heald_fd *e, unsigned events)
{
    const struct heald_op *in = e->queue[DIR_IN];

    /* One op an event: the next might wait in vain, and a level is reported again. */
    if (in && !(in->flags & OP_DUE) && events & EVENTS_IN)
        try_first(loop, e, DIR_IN);
}

/* Is there a part of these events that nobody waits for, and that would be reported for ever? */
static bool is_idle(const struct heald_fd *e, unsigned events)
{
    unsigned want = wanted(e);

    return events & ~want & (POLLIN | POLLPRI | POLLOUT | heald_poll_rdhup) ||
           (!want && events & EVENTS_ANYHOW);
}

void heald_ready_event(struct heald_loop *loop, int fd, uint32_t key, unsigned events)
{
    struct heald_fd *e = fds_find(&loop->fds, fd);

    if (!e || e->key != key || ready_receive(loop, e, events))
        return;
    bool edge = e->flags & FDS_EDGE, idle = !edge && is_idle(e, events);
    note_event(e, events);
    if (edge)
        run_queue(loop, fd, DIR_IN);
    else
        event_of_level(loop, e, events);
    run_queue(loop, fd, DIR_OUT);
    e = &loop->fds.v[fd];
    if (e->polls)
        tell_polls(loop, e, events);
    if (idle)
        arm_entry(loop, e, fd, wanted(e));
}

/*
 * A poll op: armed first, then looked at, so that no change falls between. On levels the back end
 * tells in time.
 */
int heald_ready_poll(struct heald_loop *loop, struct heald_fd *e, struct heald_op *op)
{
    int fd = op_fd(op);
    struct pollfd now = {.fd = fd, .events = (short)fds_events(op)};

    fds_push(&e->polls, op);
    /* What the others wait for is armed already; there may be a great many of them. */
    int err = fds_events(op) & ~(unsigned)e->armed ? arm(loop, e, fd) : 0;
    if (err) {
        fds_remove(&e->polls, op);
        return err;
    }
    op_move(op, OP_ARMED);
    if ((e->flags & (FDS_EDGE | FDS_ALWAYS)) && loop->sys->poll(&now, 1, 0) > 0)
        tell_polls(loop, e, (unsigned short)now.revents);
    return 0;
}
