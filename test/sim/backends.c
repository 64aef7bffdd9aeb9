/*
 * test/sim/backends.c: one back end that reports readiness, by levels or by edges, and one that
 * takes whole ops and ends them in any order, with too little room. See sim.h.
 */
#include "loop/ready.h"
#include "sim/sim.h"

#include "base/list.h"

#include <errno.h>

static bool chance(unsigned n)
{
    return rng_one_in(&world.rng, n);
}

static bool is_over(struct heald_backend *b)
{
    (void)b;
    return chance(16);
}

/* Readiness. */

struct report {
    int fd;
    uint32_t key;
    unsigned events;
};

static int readiness_open(struct heald_backend *b)
{
    b->priv = &world;
    world.edge = b->ops->edge;
    return 0;
}

static void readiness_close(struct heald_backend *b)
{
    (void)b;
    for (int fd = FD_FIRST; fd < FDS; fd++)
        world.fd[fd].armed = 0;
}

static int readiness_arm(struct heald_backend *b, int fd, uint32_t key, unsigned old,
                         unsigned events)
{
    struct wfd *w = world_fd(fd);

    (void)b;
    if (!w) { /* closed behind the loop's back */
        VERIFY(!events, "descriptor %d is armed and not open", fd);
        return 0;
    }
    VERIFY((w->armed & ~HEALD_EDGE) == old, "descriptor %d was armed for %x, not %x", fd, w->armed,
           old);
    w->armed = events;
    if (w->key != key && !w->has_stale) {
        w->has_stale = w->key != 0;
        w->stale = w->key;
    }
    w->key = key;
    w->pending = events != 0;
    return 0;
}

static unsigned gather(struct heald_backend *b, struct report reports[FDS])
{
    unsigned n = 0, first = rng_below(&world.rng, FDS), limit = b->entries;

    for (unsigned i = 0; i < FDS && n < limit; i++) {
        int fd = (int)((first + i) % FDS);
        struct wfd *w = &world.fd[fd];
        unsigned events = world_ready(w) & (w->armed | POLLERR | POLLHUP | HEALD_END);
        if (!w->open || !w->armed || !events || (w->armed & HEALD_EDGE && !w->pending))
            continue;
        w->pending = false;
        reports[n++] = (struct report){fd, w->key, events};
    }
    return n;
}

static int readiness_wait(struct heald_backend *b, int64_t deadline)
{
    int64_t timeout = heald__time_left(b->loop, deadline);
    struct report reports[FDS];
    unsigned n = gather(b, reports);

    if (!n && timeout && is_over(b))
        return -EINTR;
    if (!n && timeout) {
        world_sleep(timeout);
        n = gather(b, reports);
    }
    for (unsigned i = 0; i < n; i++)
        heald__ready_event(b->loop, reports[i].fd, reports[i].key, reports[i].events);
    /* An event of a descriptor that was closed or forgotten since. */
    int fd = (int)rng_range(&world.rng, FD_FIRST + 1, FDS - 1);
    if (world.fd[fd].has_stale)
        heald__ready_event(b->loop, fd, world.fd[fd].stale, POLLNVAL);
    return 0;
}

static const struct heald_backend_ops levels = {
    .name = "levels",
    .open = readiness_open,
    .close = readiness_close,
    .arm = readiness_arm,
    .wait = readiness_wait,
};

static const struct heald_backend_ops edges = {
    .name = "edges",
    .edge = true,
    .open = readiness_open,
    .close = readiness_close,
    .arm = readiness_arm,
    .wait = readiness_wait,
};

/* Completion. */

enum { KERNEL_OPS = 2 * SLOTS };

struct held {
    struct heald_op *op;
    bool cancel, started;
    int fd;
    unsigned generation;
};

struct kernel {
    struct held held[KERNEL_OPS];
    unsigned count, room;
    struct heald_link backlog;
    unsigned buffers[BUFFERS], buffer_count;
};

static struct kernel kernel;

static int completion_open(struct heald_backend *b)
{
    kernel = (struct kernel){.room = b->entries};
    list_init(&kernel.backlog);
    b->priv = &kernel;
    return 0;
}

static void completion_close(struct heald_backend *b)
{
    (void)b;
    for (struct heald_link *n = kernel.backlog.next; n != &kernel.backlog; n = n->next)
        VERIFY(heald_container_of(n, struct heald_op, aux)->kind == OP_WATCH,
               "something is left in the backlog");
}

static bool has_fd(const struct heald_op *op)
{
    return heald__op_traits[op->kind] & (OP_ON_FD | OP_BESIDE | OP_NAMES_FD);
}

static bool is_queued(const struct heald_op *op)
{
    return op_is_queued_on_fd(op) && world_fd(op_fd(op)) && world_fd(op_fd(op))->type != FD_FILE;
}

static void take(struct heald_op *op)
{
    struct held *h = &kernel.held[kernel.count++];

    VERIFY(kernel.count <= KERNEL_OPS, "the kernel has too many ops");
    *h = (struct held){.op = op, .fd = has_fd(op) ? op_fd(op) : -1};
    h->generation = h->fd >= 0 && h->fd < FDS ? world.fd[h->fd].generation : 0;
    for (struct held *o = kernel.held; o < h; o++) {
        VERIFY(o->op != op, "the kernel is given an op twice");
        VERIFY(!is_queued(op) || !is_queued(o->op) || o->op->flags & OP_DETACHED ||
                   o->fd != h->fd || o->generation != h->generation ||
                   op_is_inward(o->op) != op_is_inward(op),
               "two ops of one direction of descriptor %d are in the kernel", h->fd);
    }
}

static struct held *find(const struct heald_op *op)
{
    for (unsigned i = 0; i < kernel.count; i++)
        if (kernel.held[i].op == op)
            return &kernel.held[i];
    return NULL;
}

static bool has_room(void)
{
    return list_empty(&kernel.backlog) && kernel.room && kernel.room--;
}

static void enqueue(struct heald_op *op)
{
    op_stage_move(op, op->state == OP_CANCELLING ? STAGE_RECALL : STAGE_BACKLOG);
    list_push(&kernel.backlog, &op->aux);
}

static void completion_submit(struct heald_backend *b, struct heald_op *op)
{
    (void)b;
    VERIFY(op->stage == STAGE_LOOP && op->state == OP_ARMED, "%s is submitted while %s",
           heald_op_kind(op), heald_op_state(op));
    if (has_room()) {
        op_stage_move(op, STAGE_RING);
        take(op);
    } else {
        enqueue(op);
    }
}

static void completion_cancel(struct heald_backend *b, struct heald_op *op)
{
    VERIFY(op->state == OP_CANCELLING, "%s is cancelled while %s", heald_op_kind(op),
           heald_op_state(op));
    if (op->stage == STAGE_BACKLOG) {
        list_remove(&op->aux);
        op_stage_move(op, STAGE_LOOP);
        heald__result(b->loop, op, -ECANCELED, false);
    } else if (op->stage != STAGE_RING) {
        return;
    } else if (has_room()) {
        struct held *h = find(op);
        VERIFY(h, "the kernel does not have the %s that is cancelled", heald_op_kind(op));
        op_stage_move(op, STAGE_RECALLED);
        h->cancel = true;
    } else if (!(op->flags & OP_DUE)) {
        enqueue(op);
    }
}

static void work_off(struct heald_backend *b)
{
    kernel.room = rng_below(&world.rng, b->entries + 1);
    while (kernel.room && !list_empty(&kernel.backlog)) {
        struct heald_op *op = heald_container_of(kernel.backlog.next, struct heald_op, aux);
        kernel.room--;
        list_remove(&op->aux);
        if (op->stage == STAGE_RECALL) {
            op_stage_move(op, STAGE_RECALLED);
            find(op)->cancel = true;
        } else {
            op_stage_move(op, STAGE_RING);
            take(op);
        }
    }
}

static int64_t receive_multi(struct heald_op *op, unsigned *ret_buffer)
{
    struct heald_buf_group *g = op->u.group.group;

    if (!kernel.buffer_count)
        return -ENOBUFS;
    unsigned index = kernel.buffers[kernel.buffer_count - 1];
    struct iovec iov = {.iov_base = heald_buf_data(g, index), .iov_len = g->size};
    int64_t n = world_sys.readv_now(op_fd(op), &iov, 1);
    if (n > 0) {
        kernel.buffer_count--;
        heald__group_take(g, index, 1);
        *ret_buffer = index;
    }
    return n;
}

static int64_t poll_for(const struct heald_op *op)
{
    const struct wfd *w = world_fd(op_fd(op));
    unsigned events = w ? world_ready(w) & (op_events(op) | POLLERR | POLLHUP) : POLLNVAL;

    return events ? (int64_t)events : -EAGAIN;
}

static int64_t connect_for(struct held *h)
{
    if (h->started)
        return world_sys.connect_end(h->fd, h->op->u.connect.addr, h->op->u.connect.len);
    int err = world_sys.connect_now(h->fd, h->op->u.connect.addr, h->op->u.connect.len);
    h->started = err == -EINPROGRESS;
    return h->started ? -EAGAIN : err;
}

static int64_t attempt(struct held *h, unsigned *ret_buffer)
{
    struct heald_op *op = h->op;
    struct iovec iov = {.iov_base = op->u.rw.buf, .iov_len = op->u.rw.len};

    if (op->flags & OP_FILE && op->kind != OP_CLOSE)
        return heald__file_attempt(&world_sys, op);
    switch ((enum op_kind)op->kind) {
    case OP_RECV: return world_sys.recv_now(h->fd, op->u.rw.buf, op->u.rw.len, 0);
    case OP_READ: return world_sys.readv_now(h->fd, &iov, 1);
    case OP_RECV_MULTI:
    case OP_RECV_RUN:
    case OP_READ_MULTI: return receive_multi(op, ret_buffer);
    case OP_ACCEPT:
    case OP_ACCEPT_MULTI: return world_sys.accept_now(h->fd, op->u.accept.addr, NULL);
    case OP_SEND: return world_sys.send_now(h->fd, op->u.rw.buf, op->u.rw.len, 0);
    case OP_WRITE: return world_sys.writev_now(h->fd, &iov, 1);
    case OP_CONNECT: return connect_for(h);
    case OP_SHUTDOWN: return world_sys.shutdown(h->fd, 0);
    case OP_POLL:
    case OP_CHILD:
    case OP_WATCH: return poll_for(op);
    case OP_CLOSE: return world_sys.close(h->fd);
    default: ck_abort_msg("the kernel is given a %s", heald_op_kind(op)); return -EINVAL;
    }
}

/* The result of an op that the kernel has; -EAGAIN: none yet. */
static int64_t result_of(struct held *h, unsigned *ret_buffer)
{
    bool gone = h->fd >= 0 && h->fd < FDS && h->generation != world.fd[h->fd].generation;
    int64_t r = -EAGAIN;

    VERIFY(!gone || h->op->state == OP_CANCELLING, "%s goes on after its descriptor %d",
           heald_op_kind(h->op), h->fd);
    if (!gone && (!h->cancel || chance(2)))
        do {
            model.taker = h->op;
            r = attempt(h, ret_buffer);
            model.taker = NULL;
        } while (r == -EINTR || (r == -ECONNABORTED && chance(2)));
    return r == -EAGAIN && h->cancel ? -ECANCELED : r;
}

static bool complete(struct heald_backend *b, struct held *h)
{
    struct heald_op *op = h->op;
    unsigned buffer = HEALD_NO_BUFFER;
    int64_t r;

    /* A multishot op has room for one result. */
    if (op->flags & (OP_DUE | HEALD_MORE) || (r = result_of(h, &buffer)) == -EAGAIN)
        return false;
    bool is_group = heald__op_traits[op->kind] & OP_GROUP;
    bool multi = is_group ? r > 0 : op->kind == OP_ACCEPT_MULTI && r >= 0;
    bool more = multi && !h->cancel && !chance(4);
    if (!more)
        *h = kernel.held[--kernel.count];
    if (op->stage == STAGE_RECALL) {
        list_remove(&op->aux);
        op_stage_move(op, STAGE_RING);
        op->flags |= more ? OP_ENDING : 0;
    }
    if (!more)
        op_stage_move(op, STAGE_LOOP);
    if (is_group)
        op->buffer = (uint16_t)buffer;
    heald__result(b->loop, op, r, more);
    return true;
}

/* Some of what can end does so, in any order; at least one if any can. */
static unsigned harvest(struct heald_backend *b)
{
    unsigned n = 0, tries = kernel.count, at = rng_below(&world.rng, kernel.count + 1);

    for (unsigned i = 0; i < tries && kernel.count; i++) {
        n += complete(b, &kernel.held[(at + i) % kernel.count]);
        if (n && chance(4))
            break;
    }
    return n;
}

static int completion_wait(struct heald_backend *b, int64_t deadline)
{
    int64_t timeout = heald__time_left(b->loop, deadline);

    work_off(b);
    if (!list_empty(&kernel.backlog))
        timeout = 0;
    if (harvest(b) || !timeout)
        return 0;
    if (is_over(b))
        return -EINTR;
    world_sleep(timeout);
    harvest(b);
    return 0;
}

static int completion_group(struct heald_backend *b, struct heald_buf_group *g,
                            enum heald_group_call what, unsigned index)
{
    (void)b;
    if (what == HEALD_GROUP_OPEN)
        while (kernel.buffer_count < g->count) {
            kernel.buffers[kernel.buffer_count] = kernel.buffer_count;
            kernel.buffer_count++;
        }
    else if (what == HEALD_GROUP_RETURN)
        kernel.buffers[kernel.buffer_count++] = index;
    VERIFY(kernel.buffer_count <= BUFFERS, "a buffer was given back twice");
    return 0;
}

#define COMPLETION(variable, title)                    \
    static const struct heald_backend_ops variable = { \
        .name = title,                                 \
        .open = completion_open,                       \
        .close = completion_close,                     \
        .submit = completion_submit,                   \
        .cancel = completion_cancel,                   \
        .wait = completion_wait,                       \
        .group = completion_group,                     \
    }

COMPLETION(kernel_ops, "kernel");
/* With the name of the engine: files go to the back end, too. */
COMPLETION(kernel_files, "sync");

const struct heald_backend_ops *const sim_backends[] = {&levels, &edges, &kernel_ops, &kernel_files,
                                                        NULL};
