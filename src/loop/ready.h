/*
 * loop/ready.h: the parts of ready.c that every message goes through, in line for submit.c and for
 * the events: one attempt at a plain op (recv, send), and what it says of the descriptor.
 */
#ifndef HEALD_SRC_LOOP_READY_H
#define HEALD_SRC_LOOP_READY_H

#include "loop/complete.h"

/* Reported whether or not they were asked for. */
enum { READY_ANYHOW = POLLHUP | POLLERR | POLLNVAL };

/* After a read of n bytes: may there be more? */
static inline void ready_note_read(struct heald_fd *e, const struct heald_op *op, int64_t n)
{
    size_t asked;

    if (op->kind == OP_RECV || op->kind == OP_READ)
        asked = op->u.rw.len;
    else if (op->kind == OP_RECV_MULTI)
        asked = op->u.group.group->size;
    else
        return;
    /* n 0 is the end of the stream, which stays readable; a peek takes nothing out, and MSG_TRUNC
     * counts otherwise. */
    if (n > 0 && (size_t)n < asked && !(e->flags & FDS_STICKY) &&
        !(op->kind == OP_RECV && op->u.rw.off))
        e->flags &= (uint16_t)~FDS_READABLE;
}

/* The one attempt of a plain op, without the rest of heald__perform(). */
static inline int64_t ready_attempt(struct heald_loop *loop, const struct heald_op *op)
{
    const struct heald_sys *sys = loop->sys;

    if (op->kind == OP_RECV)
        return sys->recv_now(op->u.rw.fd, op->u.rw.buf, op->u.rw.len, (int)op->u.rw.off);
    return sys->send_now(op->u.rw.fd, op->u.rw.buf, op->u.rw.len, (int)op->u.rw.off);
}

static inline void ready_note_nothing(struct heald_fd *e, int dir)
{
    e->flags = (uint16_t)(dir == DIR_IN ? e->flags & ~FDS_READABLE : e->flags | FDS_FULL);
}

/*
 * The usual case: a plain op that finds its direction free and ready is done here and now, without
 * ever being queued. False: it is not, and must be.
 */
static inline bool ready_do_at_once(struct heald_loop *loop, struct heald_fd *e,
                                    struct heald_op *op)
{
    int dir = op->kind == OP_RECV ? DIR_IN : DIR_OUT;

    if (dir == DIR_IN ? !(e->flags & FDS_READABLE) : e->flags & FDS_FULL)
        return false;
    int64_t result = ready_attempt(loop, op);
    if (result == -EAGAIN)
        ready_note_nothing(e, dir);
    if (result == -EAGAIN || result == -EINTR)
        return false;
    if (dir == DIR_IN)
        ready_note_read(e, op, result);
    heald__complete_inline(loop, op, result);
    return true;
}

/* Is the descriptor armed for this direction, and nothing to try before it is reported? */
static inline bool ready_will_be_told(const struct heald_fd *e, int dir)
{
    if (dir == DIR_IN)
        return e->armed & POLLIN && !(e->flags & FDS_READABLE);
    return e->armed & POLLOUT && e->flags & FDS_FULL;
}

/*
 * Starts a plain op in the usual case: its descriptor is known and nobody waits there. Either a
 * ring takes it, or it is done at once, or it waits for an event that will come. False:
 * heald__loop_start() must look.
 */
static inline bool ready_start_plain(struct heald_loop *loop, struct heald_op *op)
{
    int dir = op->kind == OP_RECV ? DIR_IN : DIR_OUT;

    if ((unsigned)op->u.rw.fd >= loop->fds.size)
        return false;
    struct heald_fd *e = &loop->fds.v[op->u.rw.fd];
    if (!(e->flags & FDS_PLAIN) || e->queue[dir])
        return false;
    if (loop->backend.ops->submit)
        return heald__ring_start_plain(loop, e, op);
    if (ready_do_at_once(loop, e, op))
        return true;
    if (!ready_will_be_told(e, dir))
        return false;
    fds_push(&e->queue[dir], op);
    op_move(op, OP_ARMED);
    return true;
}

/* The usual event: data for the one receive that waits. False: the event needs a closer look. */
static inline bool ready_receive(struct heald_loop *loop, struct heald_fd *e, unsigned events)
{
    struct heald_op *op = e->queue[DIR_IN];

    if (events != POLLIN || !op || op->kind != OP_RECV || op->link.next != &op->link ||
        e->queue[DIR_OUT] || e->polls)
        return false;
    int64_t result = ready_attempt(loop, op);
    if (result == -EAGAIN || result == -EINTR)
        return false;
    e->queue[DIR_IN] = NULL;
    op->link.next = NULL;
    if (e->flags & FDS_EDGE) {
        e->flags |= FDS_READABLE;
        ready_note_read(e, op, result);
    }
    heald__complete_inline(loop, op, result);
    return true;
}

/* ready.c: has the back end report at least what is waited for now. 0 or -errno. */
int heald__ready_arm(struct heald_loop *loop, struct heald_fd *e, int fd);

/* polls.c: the events that the ops beside the queues wait for, 0: there are none; ends those that
 * an event concerns. */
unsigned heald__polls_want(const struct heald_fd *e);
void heald__polls_tell(struct heald_loop *loop, struct heald_fd *e, unsigned events);

#endif
