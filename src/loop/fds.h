/*
 * loop/fds.h: what a loop knows of each descriptor: the ops that wait on it, in order, and how it
 * is armed.
 *
 * kqueue has one filter for a descriptor and direction, epoll one entry for a descriptor, and a
 * ring promises no order at all; so every back end shares these queues: of each direction only the
 * first op is tried or given to the kernel.
 */
#ifndef HEALD_SRC_LOOP_FDS_H
#define HEALD_SRC_LOOP_FDS_H

#include "op/op.h"
#include "platform/sys.h"

enum { DIR_IN = 0, DIR_OUT = 1 };

enum {
    FDS_NONBLOCK = 0x01, /* O_NONBLOCK is set */
    FDS_EDGE = 0x02,     /* armed for changes only: readiness is remembered here */
    FDS_READABLE = 0x04, /* not tried yet; edge: the last event has not been used up */
    FDS_FULL = 0x08,     /* a write found no room; wait for POLLOUT */
    FDS_STICKY =
        0x10, /* edge: hang-up, error or urgent data were seen: a short read proves nothing */
    FDS_ALWAYS = 0x20 /* cannot be waited for: always ready */
};

struct heald_fd {
    struct heald_op *queue[2]; /* the first of a ring of op->link, or NULL */
    struct heald_op *polls;    /* poll, child and watch ops: no order among them */
    uint32_t key;   /* changes when the descriptor is closed: events of the old one are nobody's */
    uint16_t armed; /* what the back end reports */
    uint8_t type;   /* enum fd_type; FD_UNKNOWN: not in use */
    uint8_t flags;
};

struct heald_fds {
    struct heald_fd *v;
    unsigned size;
};

static inline struct heald_op *fds_op(struct heald_link *node)
{
    return heald_container_of(node, struct heald_op, link);
}

/* What an op in `polls` waits for. */
static inline unsigned fds_events(const struct heald_op *op)
{
    return op->kind == OP_POLL ? op->u.poll.events : POLLIN;
}

static inline void fds_push(struct heald_op **queue, struct heald_op *op)
{
    struct heald_op *first = *queue;

    if (!first) {
        op->link.next = op->link.prev = &op->link;
        *queue = op;
        return;
    }
    op->link.next = &first->link;
    op->link.prev = first->link.prev;
    first->link.prev->next = &op->link;
    first->link.prev = &op->link;
}

static inline void fds_remove(struct heald_op **queue, struct heald_op *op)
{
    struct heald_link *next = op->link.next;

    if (next == &op->link) {
        *queue = NULL;
    } else {
        next->prev = op->link.prev;
        op->link.prev->next = next;
        if (*queue == op)
            *queue = fds_op(next);
    }
    op->link.next = NULL;
}

/* The entry of a descriptor that is known already, or NULL. */
static inline struct heald_fd *fds_find(struct heald_fds *t, int fd)
{
    return (unsigned)fd < t->size && t->v[fd].type ? &t->v[fd] : NULL;
}

/*
 * The entry of an open descriptor; asks the system what it is when it is new. NULL and *ret_err: 0
 * for a file, which has no entry; -EBADF; -ENOMEM. Entries move when the table grows.
 */
struct heald_fd *heald_fds_get(struct heald_loop *loop, int fd, int *ret_err);

/* A descriptor has just been made by the system: whatever is known of that number is out of date.
 */
void heald_fds_fresh(struct heald_loop *loop, int fd, int type);

/* Cancels all that waits on a descriptor and forgets it. closing: it is about to be closed. */
void heald_fds_forget(struct heald_loop *loop, int fd, bool closing);

void heald_fds_close(struct heald_loop *loop);

#endif
