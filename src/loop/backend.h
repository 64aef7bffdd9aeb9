/*
 * loop/backend.h: how a loop waits: the table of a back end.
 *
 * A back end translates, nothing else. Deadlines, cancelling what has not reached the kernel,
 * order, fairness and callbacks are above it, once. There are two sorts: one reports readiness
 * through heald_ready_event(), the other (with `submit`) takes whole ops and reports results
 * through heald_kernel_done(). All calls are made on the loop's thread.
 */
#ifndef HEALD_SRC_LOOP_BACKEND_H
#define HEALD_SRC_LOOP_BACKEND_H

#include "base/alloc.h"
#include "platform/sys.h"

struct heald_backend_ops;

struct heald_backend {
    const struct heald_backend_ops *ops;
    const struct heald_sys *sys;
    const struct heald_allocator *alloc;
    struct heald_loop *loop;
    unsigned entries; /* events taken at once, or size of the ring */
    void *priv;
};

/* Interest in a descriptor beyond the bits of poll(2): report changes only. epoll's own bit. */
#define HEALD_EDGE 0x80000000u

/* In an event, beside POLLIN: the other end is done. With changes only it is told once, maybe along
 * with data, and many systems have no POLLRDHUP to say it with. */
#define HEALD_END 0x40000000u

/* What is asked of the buffers of a group. */
enum heald_group_call { HEALD_GROUP_OPEN, HEALD_GROUP_CLOSE, HEALD_GROUP_RETURN };

struct heald_backend_ops {
    const char *name;
    const char *about;
    bool edge;         /* arm() knows HEALD_EDGE */
    bool drops_closed; /* a descriptor that is closed need not be disarmed first */
    bool one_way;      /* an event tells of one direction, whatever holds in the other */
    bool words;        /* submit() takes OP_WORDS and OP_TICK, if the kernel does */

    int (*open)(struct heald_backend *b);
    void (*close)(struct heald_backend *b);

    /*
     * Readiness: from now on report `events` (0: nothing, forget it) of a descriptor, which was
     * armed with `old` before. `key` comes back with each event. -EPERM: the descriptor cannot be
     * waited for and counts as ready. Completion, where it is not NULL: asked with events 0 before
     * a descriptor with ops is closed, so that no op reaches the kernel after that.
     */
    int (*arm)(struct heald_backend *b, int fd, uint32_t key, unsigned old, unsigned events);

    /*
     * Completion: takes an op (OP_KERNEL is set by the caller), or asks for the end of one that it
     * has. Both keep the op in a FIFO of their own, by op->aux and with OP_BACKLOG set, while the
     * kernel has no room.
     */
    void (*submit)(struct heald_backend *b, struct heald_op *op);
    void (*cancel)(struct heald_backend *b, struct heald_op *op);

    /* Hands over what was submitted, waits for timeout_ns (0: not; -1: for ever), reports. 0 or
     * -errno. */
    int (*wait)(struct heald_backend *b, int64_t timeout_ns);

    /* A descriptor that is readable when wait() would report something; -ENOSYS: there is none. */
    int (*fd)(struct heald_backend *b);

    /* Completion only: keeps the kernel's idea of a group's buffers. */
    int (*group)(struct heald_backend *b, struct heald_buf_group *g, enum heald_group_call what,
                 unsigned index);
};

extern const struct heald_backend_ops heald_backend_uring, heald_backend_epoll,
    heald_backend_kqueue, heald_backend_poll, heald_backend_select;

/* What a back end calls. */
void heald_ready_event(struct heald_loop *loop, int fd, uint32_t key, unsigned events);
void heald_kernel_done(struct heald_loop *loop, struct heald_op *op, int64_t result, bool more,
                       unsigned buffer);

/* What a read or write is for: an enum fd_type. */
int heald_kernel_type(struct heald_loop *loop, const struct heald_op *op);

/* Is it a write to a blocking device? A ring looks whether a terminal is writable and then blocks
 * its caller for what finds no room, unless it is told to use a worker. */
bool heald_kernel_may_block(struct heald_loop *loop, const struct heald_op *op);

#endif
