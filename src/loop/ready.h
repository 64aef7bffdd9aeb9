/*
 * loop/ready.h: what an attempt says of the descriptor, for ready.c and plain.c.
 */
#ifndef HEALD_SRC_LOOP_READY_H
#define HEALD_SRC_LOOP_READY_H

#include "loop/complete.h"

/* Reported whether or not they were asked for. */
enum { READY_ANYHOW = POLLHUP | POLLERR | POLLNVAL };

/* After a receive of n bytes: is there certainly no more, until the next event? n 0 is the end of
 * the stream, which stays readable; a peek takes nothing out, and MSG_TRUNC counts otherwise. */
static inline bool ready_is_empty(const struct heald_fd *e, const struct heald_op *op, int64_t n)
{
    return n > 0 && n < (int64_t)op->u.rw.len && !op->u.rw.off && !(e->flags & FDS_STICKY);
}

static inline void ready_note_nothing(struct heald_fd *e, int dir)
{
    e->flags = (uint16_t)(dir == DIR_IN ? e->flags & ~FDS_READABLE : e->flags | FDS_FULL);
}

/* Is the descriptor armed for this direction, and nothing to try before it is reported? */
static inline bool ready_will_be_notified(const struct heald_fd *e, int dir)
{
    if (dir == DIR_IN)
        return e->armed & POLLIN && !(e->flags & FDS_READABLE);
    return e->armed & POLLOUT && e->flags & FDS_FULL;
}

/* plain.c: there may be data for the one receive that waits there. */
void heald__ready_receive(struct heald_loop *loop, struct heald_fd *e, struct heald_op *op);
void heald__ready_receive_multi(struct heald_loop *loop, struct heald_fd *e, struct heald_op *op);

/* ready.c: any other event; what an attempt gave of an op that an event concerned. */
void heald__ready_attempted(struct heald_loop *loop, int fd, struct heald_op *op, int64_t result);
void heald__ready_event_other(struct heald_loop *loop, struct heald_fd *e, unsigned events);

/* The time that is left until a deadline, for a wait: 0: none; -1: indefinitely. */
static inline int64_t heald__time_left(struct heald_loop *loop, int64_t deadline_ns)
{
    if (deadline_ns == HEALD_FOREVER)
        return -1;
    return deadline_ns <= 0 ? 0 : heald__time_until(loop, deadline_ns);
}

/* From a back end: an event of an entry that has, or had, that key; of an older one it is nobody's.
 */
static inline void heald__ready_event(struct heald_loop *loop, int fd, uint32_t key,
                                      unsigned events)
{
    struct heald_fd *e = &loop->fds.v[fd];
    struct heald_op *op = e->queue[DIR_IN];

    if (e->key != key)
        return;
    bool plain = events == POLLIN && op && op->link.next == &op->link && !e->polls;
    if (plain && op->kind == OP_RECV)
        heald__ready_receive(loop, e, op);
    else if (plain && op->kind == OP_RECV_MULTI)
        heald__ready_receive_multi(loop, e, op);
    else
        heald__ready_event_other(loop, e, events);
}

/* ready.c: has the back end report at least what is waited for now. 0 or -errno. */
int heald__ready_arm(struct heald_loop *loop, struct heald_fd *e, int fd);

/* polls.c: the events that the ops beside the queues wait for, 0: there are none; ends those that
 * an event concerns. */
unsigned heald__polls_want(const struct heald_fd *e);
void heald__polls_notify(struct heald_loop *loop, struct heald_fd *e, unsigned events);

#endif
