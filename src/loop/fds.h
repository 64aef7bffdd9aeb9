/*
 * loop/fds.h: what a loop knows of each descriptor: its entry, and the ops that name it.
 *
 * An op belongs to an entry from its submission on: it lies in one of the entry's lists. When the
 * descriptor is closed all that lies there is taken out: what has completed, what was withdrawn,
 * and what the kernel has still, which then belongs to no descriptor (OP_DETACHED). So whatever
 * lies in the lists of a number names the open file that the number stands for now.
 *
 * kqueue has one filter for a descriptor and direction, epoll one entry for a descriptor, and a
 * ring promises no order at all; so every back end shares these queues: of each direction only the
 * first op is tried or given to the kernel.
 */
#ifndef HEALD_SRC_LOOP_FDS_H
#define HEALD_SRC_LOOP_FDS_H

#include "op/op.h"
#include "platform/sys.h"

/* The queues; and, of a pause, `files`. */
enum { DIR_IN = 0, DIR_OUT = 1, DIR_FILES = 2 };

enum {
    FDS_EDGE = 0x01,         /* armed for changes only: readiness is remembered here */
    FDS_READABLE = 0x02,     /* not tried yet; edge: the last event has not been used up */
    FDS_FULL = 0x04,         /* a write found no room; wait for POLLOUT */
    FDS_STICKY = 0x08,       /* edge: a short read proves nothing, only -EAGAIN does */
    FDS_ALWAYS = 0x10,       /* cannot be waited for: always ready */
    FDS_ELSEWHERE = 0x20,    /* no form of a read or write is known that cannot block */
    FDS_CLOSING = 0x40,      /* the close op at the end of `files` waits for those before it */
    FDS_LINGERS = 0x80,      /* its close(2) blocks, and must be the last to know of it */
    FDS_SPURIOUS_IN = 0x100, /* reported ready, and was not, in this direction */
    FDS_SPURIOUS_OUT = 0x200,
    FDS_LISTENS = 0x400,     /* was accepted from: what else is read cannot be waited for */
    FDS_CLOSE_BEGUN = 0x800, /* the close op is the engine's: the number may be another's already */
    FDS_PLAIN = 0x1000,      /* a socket that is not being closed: recv and send are plain */
    FDS_NESTED_IN = 0x2000,  /* of a ring: the first op of this direction waits for readiness */
    FDS_NESTED_OUT = 0x4000,
    FDS_WHOLE = 0x8000 /* a ring does the ops on it */
};

/* A descriptor that is not asked for a while; see pause.c. */
struct heald_pause {
    struct heald_op op;       /* OP_PAUSE, in the timers while it lasts */
    struct heald_pause *next; /* of the spare ones */
    unsigned next_ms;
    uint8_t dirs; /* bit d: direction d */
};

struct heald_fd {
    struct heald_op *queue[2]; /* the first of a ring of op->link, or NULL */
    struct heald_op *polls;    /* the same: ops that wait beside all others (OP_BESIDE) */
    struct heald_op *files;    /* the same: ops that name the number until their end (OP_FILE) */
    struct heald_pause *pause; /* of a descriptor that is not asked for a while, or NULL */
    uint32_t key;   /* changes when the descriptor is closed: events of the old one are nobody's */
    uint16_t armed; /* what the back end reports */
    uint16_t flags;
    uint8_t type;    /* enum fd_type; FD_UNKNOWN: not in use */
    int again;       /* the same terminal, opened for this loop alone; 0: none */
    uint16_t shown;  /* of a ring: what the mirror of the guest mode shows */
    uint8_t cancels; /* of receives, four for each, less those that brought something; see idle.c */
    bool at_position; /* an op that uses the file position runs */
    char room[4];     /* so that an entry is a cache line */
};

struct heald_fds {
    struct heald_fd *v;
    unsigned size;
    unsigned plain;            /* of these have the short cuts of plain.c: all or none */
    unsigned whole;            /* sockets with FDS_WHOLE */
    bool all_whole;            /* a ring must have them all: readiness is not to be had */
    struct heald_fd detached;  /* `files`: the ops that belong to no descriptor */
    struct heald_pause *spare; /* of descriptors that were closed, for others */
};

static inline struct heald_op *fds_op(struct heald_link *node)
{
    return heald_container_of(node, struct heald_op, link);
}

/* Into an empty queue. */
static inline void fds_push_first(struct heald_op **queue, struct heald_op *op)
{
    op->link.next = op->link.prev = &op->link;
    *queue = op;
}

static inline void fds_push(struct heald_op **queue, struct heald_op *op)
{
    struct heald_op *first = *queue;

    if (!first) {
        fds_push_first(queue, op);
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

/* The entry of a descriptor that is in use already, or NULL. */
static inline struct heald_fd *fds_find(struct heald_fds *t, int fd)
{
    return (unsigned)fd < t->size && t->v[fd].type ? &t->v[fd] : NULL;
}

/* The entry of a pending op. Entries move when the table grows. */
static inline struct heald_fd *fds_of(struct heald_fds *t, const struct heald_op *op)
{
    return op->flags & OP_DETACHED ? &t->detached : &t->v[op_fd(op)];
}

/* The list of its entry in which a pending op lies. */
static inline struct heald_op **fds_list(struct heald_fd *e, const struct heald_op *op)
{
    if (op->flags & (OP_DETACHED | OP_FILE))
        return &e->files;
    if (op_is_queued_on_fd(op))
        return &e->queue[op_is_inward(op) ? DIR_IN : DIR_OUT];
    return &e->polls;
}

static inline bool fds_is_paused(const struct heald_fd *e, int dir)
{
    return e->pause && e->pause->dirs & 1u << dir;
}

static inline bool fds_is_socket(const struct heald_fd *e)
{
    return fd_type_is_socket(e->type);
}

/*
 * The entry of an open descriptor; asks the system what it is when it is new. NULL and *ret_err:
 * -EBADF, also of one that is being closed; -ENOMEM.
 */
struct heald_fd *heald__fds_get(struct heald_loop *loop, int fd, int *ret_err);

/* The same for an op that only names the descriptor: what it is need not be known (FD_HELD). */
struct heald_fd *heald__fds_hold(struct heald_loop *loop, int fd, int *ret_err);

/* An op of it has ended: an entry of which nothing else is known is not kept, and one that is being
 * closed goes on with that. */
void heald__fds_release_slow(struct heald_loop *loop, struct heald_fd *e);

static inline void heald__fds_release(struct heald_loop *loop, struct heald_fd *e)
{
    if (e->flags & FDS_CLOSING || e->type == FD_FILE || e->type == FD_HELD)
        heald__fds_release_slow(loop, e);
}

/* A descriptor has just been made by the system: whatever is known of that number is out of date.
 */
void heald__fds_fresh(struct heald_loop *loop, int fd, int type);

/* Ends all that waits on a descriptor, and what can be ended of `files` if `files_too`. Unless
 * there is a close op in `files`, the entry may be out of use then. */
void heald__fds_end(struct heald_loop *loop, struct heald_fd *e, bool files_too);

/* Takes an entry out of use: what the kernel has still is detached. `files` must be empty. */
void heald__fds_free(struct heald_loop *loop, struct heald_fd *e);

void heald__fds_close(struct heald_loop *loop);

#endif
