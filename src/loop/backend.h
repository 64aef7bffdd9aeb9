/*
 * loop/backend.h: how a loop waits: the table of a back end.
 *
 * A back end translates, nothing else. Deadlines, cancelling what has not reached the kernel,
 * order, fairness and callbacks are above it, once. There are two sorts: one reports readiness
 * through heald__ready_event(), the other (with `submit`) takes whole ops and reports results
 * through heald__result(). All calls are made on the loop's thread.
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
    bool prompt;      /* a caller waits for an op that completes silently: see wait */
    unsigned entries; /* events taken at once, or size of the ring */
    void *priv;
};

/* Interest in a descriptor beyond the bits of poll(2): report changes only. epoll's own bit. */
#define HEALD_EDGE 0x80000000u

/* In an event, beside POLLIN: the other end is done. With changes only it is reported once, maybe
 * along with data, and many systems have no POLLRDHUP to say it with. */
#define HEALD_END 0x40000000u

/* What is asked of the buffers of a group. */
enum heald_group_call { HEALD_GROUP_OPEN, HEALD_GROUP_CLOSE, HEALD_GROUP_RETURN };

struct heald_backend_ops {
    const char *name;
    const char *about;
    bool edge;       /* arm() knows HEALD_EDGE, at no cost */
    bool turns_edge; /* arm() knows HEALD_EDGE for what is armed for levels; may refuse it */
    bool one_way;    /* an event is of one direction, whatever holds in the other */
    bool by_offset;  /* a regular file is ready before its end only, which poll(2) does not say */
    unsigned polls_max;
    bool words; /* submit() takes OP_WORDS and OP_TICK, if the kernel does */

    int (*open)(struct heald_backend *b);
    void (*close)(struct heald_backend *b);

    /*
     * Readiness: from now on report `events` (0: nothing, forget it) of a descriptor, which was
     * armed with `old` before. `key` comes back with each event. POLLERR stands for errors and
     * hang-ups alone, which are reported with whatever else. -EPERM: the descriptor cannot be
     * waited for and counts as ready. -ENOSYS: HEALD_EDGE is not to be had. Completion, where it is
     * not NULL: for what the kernel cannot wait for exactly, and for polls when there are so many
     * (`polls_max`) that it is slow to have them there.
     */
    int (*arm)(struct heald_backend *b, int fd, uint32_t key, unsigned old, unsigned events);

    /*
     * Completion: takes an op (STAGE_LOOP), or cancels one that it has. Both keep the op in a FIFO
     * of their own, by op->aux, while the kernel has no room. next: the callback of a multishot op
     * has run; brings the next completion of it, if there is one already. takes: does the kernel do
     * this op on a file? NULL: all of them.
     */
    bool (*takes)(const struct heald_backend *b, const struct heald_op *op);
    void (*submit)(struct heald_backend *b, struct heald_op *op);
    void (*cancel)(struct heald_backend *b, struct heald_op *op);
    bool (*next)(struct heald_backend *b, struct heald_op *op);
    void (*flush)(struct heald_backend *b); /* hands over what can be handed over now */

    /* Hands over what was submitted, waits until the deadline (monotonic; 0: does not wait;
     * HEALD_FOREVER), reports. 0 or -errno. With `prompt` it does not wait when an op may have
     * completed in silence. */
    int (*wait)(struct heald_backend *b, int64_t deadline_ns);

    /* A descriptor that is readable when wait() would report something; -ENOSYS: there is none. */
    int (*fd)(struct heald_backend *b);

    /* Completion only: keeps the kernel's idea of a group's buffers. */
    int (*group)(struct heald_backend *b, struct heald_buf_group *g, enum heald_group_call what,
                 unsigned index);
};

extern const struct heald_backend_ops heald__backend_uring, heald__backend_epoll,
    heald__backend_kqueue, heald__backend_poll, heald__backend_select;

/* What a back end calls beside heald__ready_event() (loop/ready.h); heald__ready_nested() for what
 * a ring could not wait for itself, and heald__loop_watch() for a descriptor of its own (see
 * loop.h). */
void heald__ready_nested(struct heald_loop *loop, int fd, uint32_t key, unsigned events);
int heald__loop_watch(struct heald_loop *loop, struct heald_op *op, int fd, heald_fn *fn,
                      uint64_t *counter);
void heald__result(struct heald_loop *loop, struct heald_op *op, int64_t result, bool more);
/* The same of a receive or a send: its only result; all was sent by the first attempt. */
void heald__plain_done(struct heald_loop *loop, struct heald_op *op, int64_t result);
void heald__plain_sent(struct heald_loop *loop, struct heald_op *op);

/* The key of a descriptor now. */
uint32_t heald__ready_key(struct heald_loop *loop, int fd);

#endif
