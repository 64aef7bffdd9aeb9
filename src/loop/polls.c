/*
 * loop/polls.c: ops beside the queues of a descriptor, which wait for it and for no other op:
 * polls, receives of urgent data or of the error queue, children, and the library's own
 * descriptors. The loop's thread.
 */
#include "loop/outcome.h"
#include "loop/ready.h"

#include <errno.h>

/* What the ops beside the queues wait for. POLLERR stands for errors alone, which are always
 * reported.
 */
unsigned heald__polls_want(const struct heald_fd *e)
{
    unsigned events = 0;
    struct heald_op *op = e->polls;

    if (!op)
        return 0;
    do
        if (op->stage == STAGE_LOOP && !(op->flags & OP_DUE))
            events |= op_events(op) ? op_events(op) : POLLERR;
    while ((op = fds_op(op->link.next)) != e->polls);
    return events;
}

/* What an event means to a poll op: all that holds, also where events come one by one. */
static unsigned hit_of(struct heald_loop *loop, const struct heald_op *op, unsigned events)
{
    unsigned hit = events & (op_events(op) | READY_ANYHOW);
    struct pollfd now = {.fd = op_fd(op), .events = (short)op_events(op)};

    if (hit && op_polls(op) && loop->backend.ops->one_way && loop->sys->poll(&now, 1, 0) > 0)
        return (unsigned short)now.revents;
    return hit;
}

/* An op beside the queues, which an event concerns. */
static void tell_poll(struct heald_loop *loop, struct heald_fd *e, struct heald_op *op,
                      unsigned hit)
{
    int64_t result = hit & POLLNVAL ? -EBADF : (int64_t)hit;

    if (op->kind == OP_WATCH) {
        op->fn(op);
        return;
    }
    if (op->kind == OP_CHILD) {
        loop->upper[UPPER_CHILDREN]->ready(loop, op);
        return;
    }
    if (!op_polls(op) && result > 0)
        result = heald__perform(loop, e, op);
    enum outcome next = heald__outcome(op, e->type, &result);
    if (next == OUTCOME_MORE)
        heald__complete_more(loop, op, result);
    if (next != OUTCOME_FINAL)
        return;
    fds_remove(&e->polls, op);
    heald__complete(loop, op, result);
    heald__fds_release(loop, e);
}

/* Ends the ops beside the queues that an event concerns; wakes the library's own. */
void heald__polls_notify(struct heald_loop *loop, struct heald_fd *e, unsigned events)
{
    struct heald_op *last = e->polls ? fds_op(e->polls->link.prev) : NULL, *op, *next;

    for (op = e->polls; op; op = next) {
        bool waits = op->stage == STAGE_LOOP && !(op->flags & OP_DUE);
        unsigned hit = waits ? hit_of(loop, op, events) : 0;
        next = op == last ? NULL : fds_op(op->link.next);
        if (hit)
            tell_poll(loop, e, op, hit);
    }
}

/* What the others wait for is armed already; there may be a great many of them. */
static int arm(struct heald_loop *loop, struct heald_fd *e, const struct heald_op *op)
{
    unsigned events = op_events(op) ? op_events(op) : POLLERR;

    return events & ~(unsigned)e->armed ? heald__ready_arm(loop, e, op_fd(op)) : 0;
}

/* It could not be looked at: poll(2) takes no more descriptors than the process may have, which may
 * be none. So the back end reports once more what holds. */
static void arm_again(struct heald_loop *loop, int fd)
{
    struct heald_fd *e = fds_find(&loop->fds, fd);
    int err = 0;

    if (e && e->flags & FDS_ALWAYS)
        heald__polls_notify(loop, e, POLLIN | POLLOUT);
    else if (e && e->armed && e->flags & FDS_EDGE)
        err = loop->backend.ops->arm(&loop->backend, fd, e->key, 0, e->armed | HEALD_EDGE);
    if (err == -EBADF)
        heald__polls_notify(loop, &loop->fds.v[fd], POLLNVAL);
}

/* What is seen of a number is true of what it stands for now. */
void heald__polls_look(struct heald_loop *loop)
{
    struct heald_looks looks = loop->looks;
    int n;

    if (!looks.count)
        return;
    loop->looks.count = 0;
    loop->attention.more &= (uint8_t)~MORE_LOOKS;
    do
        n = loop->sys->poll(looks.v, looks.count, 0);
    while (n == -EINTR);
    for (unsigned i = 0; i < looks.count && n; i++) {
        const struct pollfd *seen = &looks.v[i];
        struct heald_fd *e = seen->revents ? fds_find(&loop->fds, seen->fd) : NULL;
        if (n < 0)
            arm_again(loop, seen->fd);
        else if (e)
            heald__polls_notify(loop, e, (unsigned short)seen->revents);
    }
}

/*
 * A poll op is armed first and then looked at, so that no change falls between: with levels by the
 * back end, in time. Otherwise all that a turn submits are looked at together, before the next one
 * waits; but at once for who may ask what came of it.
 */
static void look(struct heald_loop *loop, const struct heald_op *op)
{
    struct heald_looks *looks = &loop->looks;
    bool asks = op->notify != OP_NOTIFY_CALLBACK || !op->fn;

    if (!(loop->fds.v[op_fd(op)].flags & (FDS_EDGE | FDS_ALWAYS)))
        return;
    looks->v[looks->count++] = (struct pollfd){.fd = op_fd(op), .events = (short)op_events(op)};
    loop->attention.more |= MORE_LOOKS;
    if (asks || looks->count == LOOKS_MAX)
        heald__polls_look(loop);
}

int heald__polls_submit(struct heald_loop *loop, struct heald_fd *e, struct heald_op *op)
{
    fds_push(&e->polls, op);
    int err = arm(loop, e, op);
    if (err) {
        fds_remove(&loop->fds.v[op_fd(op)].polls, op);
        return err;
    }
    op_move(op, OP_ARMED);
    look(loop, op);
    return 0;
}

void heald__polls_resume(struct heald_loop *loop, struct heald_op *op)
{
    if (!heald__polls_by_readiness(loop)) {
        loop->polls++;
        heald__ring_submit(loop, op);
        return;
    }
    int err = arm(loop, fds_of(&loop->fds, op), op);
    if (!err) {
        look(loop, op);
        return;
    }
    struct heald_fd *e = &loop->fds.v[op_fd(op)];
    fds_remove(&e->polls, op);
    heald__complete(loop, op, err);
    heald__fds_release(loop, e);
}
