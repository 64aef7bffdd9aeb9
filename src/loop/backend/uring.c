/*
 * loop/backend/uring.c: io_uring(7): whole ops go to the kernel, one enter a turn. See ring/ring.h
 * for the ring.
 *
 * user_data is the op itself, with POLLS in its lowest bit while the ring polls for it. That is
 * enough to tell completions apart: an op's memory is not used again before its last completion was
 * taken, and a cancel always lies in the ring before a new use of the same op, so the kernel sees
 * it first and it can hit nobody else.
 *
 * The kernel's quirks: a file with O_NONBLOCK may answer -EAGAIN instead of waiting (pipes
 * before 6.4): then the ring polls for it and tries again. A multishot op may end by itself (no
 * MORE): the loop submits it again. Completions of an op whose callback is still due stay in the
 * ring, for a multishot op has room for one result.
 */
#include "base/list.h"
#include "loop/backend.h"
#include "loop/buffers.h"
#include "loop/fds.h"
#include "op/op.h"
#include "ring/ring.h"

#include <heald/io.h>

#include <errno.h>
#include <sys/mman.h>

enum { POLLS = 1 };

struct uring {
    struct heald_ring ring;
    struct heald_link
        backlog; /* ops (by aux) that the kernel has had no room for, or whose cancel it had not */
};

static int uring_open(struct heald_backend *b)
{
    struct uring *u = alloc_new(b->alloc, sizeof *u);

    if (!u)
        return -ENOMEM;
    int err = heald_ring_open(&u->ring, b->sys, b->alloc, b->entries);
    if (err) {
        alloc_free(b->alloc, u, sizeof *u);
        return err;
    }
    list_init(&u->backlog);
    b->priv = u;
    return 0;
}

static void uring_close(struct heald_backend *b)
{
    struct uring *u = b->priv;

    heald_ring_close(&u->ring, b->alloc);
    alloc_free(b->alloc, u, sizeof *u);
}

static void fill_vector(struct uring *u, struct io_uring_sqe *sqe, const struct heald_op *op)
{
    struct msghdr *msg = &heald_ring_scratch(&u->ring, sqe)->msg;

    *msg = (struct msghdr){.msg_iov = op->u.rw.buf, .msg_iovlen = op->u.rw.len};
    if (op->kind == OP_READV)
        io_uring_prep_recvmsg(sqe, op->u.rw.fd, msg, 0);
    else
        io_uring_prep_sendmsg(sqe, op->u.rw.fd, msg, MSG_NOSIGNAL);
}

/* read and write on a socket, as messages: without SIGPIPE. */
static void fill_socket_rw(struct uring *u, struct io_uring_sqe *sqe, const struct heald_op *op)
{
    if (op->kind == OP_READ)
        io_uring_prep_recv(sqe, op->u.rw.fd, op->u.rw.buf, op->u.rw.len, 0);
    else if (op->kind == OP_WRITE)
        io_uring_prep_send(sqe, op->u.rw.fd, op->u.rw.buf, op->u.rw.len, MSG_NOSIGNAL);
    else
        fill_vector(u, sqe, op);
}

static void fill_accept(struct io_uring_sqe *sqe, const struct heald_op *op)
{
    int flags = SOCK_CLOEXEC | SOCK_NONBLOCK;

    if (op->kind == OP_ACCEPT)
        io_uring_prep_accept(sqe, op->u.accept.fd, op->u.accept.addr, op->u.accept.len, flags);
    else
        io_uring_prep_multishot_accept(sqe, op->u.accept.fd, NULL, NULL, flags);
}

static void fill_recv_multi(struct io_uring_sqe *sqe, const struct heald_op *op)
{
    io_uring_prep_recv_multishot(sqe, op->u.group.fd, NULL, 0, op->u.group.flags);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = op->u.group.group->id;
}

/* A counter of events is read by the ring itself: that wakes, and needs no draining. */
static void fill_watch(struct io_uring_sqe *sqe, const struct heald_op *op)
{
    if (op->u.rw.buf)
        io_uring_prep_read(sqe, op->u.rw.fd, op->u.rw.buf, op->u.rw.len, 0);
    else
        io_uring_prep_poll_add(sqe, op->u.rw.fd, POLLIN);
}

static void fill_rw(struct heald_backend *b, struct io_uring_sqe *sqe, struct heald_op *op)
{
    int type = heald_kernel_type(b->loop, op);
    struct uring *u = b->priv;

    if (type == FD_FILE || type == FD_PIPE || type == FD_OTHER)
        heald_ring_fill_file(&u->ring, sqe, op);
    else
        fill_socket_rw(u, sqe, op);
    if (heald_kernel_may_block(b->loop, op))
        sqe->flags |= IOSQE_ASYNC;
}

/* POLLPRI alone is never woken in a ring (seen on 6.18); sockets wake for POLLRDBAND with it. */
static unsigned poll_events(const struct heald_op *op)
{
    unsigned events = fds_events(op);
    return events & POLLPRI ? events | POLLRDBAND : events;
}

/*
 * A poll's result: what was asked for and what is told anyhow. A ring trusts the mask of a wake-up,
 * and sockets wake for urgent data with any data, so that is looked at again. 0: wait on.
 */
static int poll_result(struct heald_backend *b, const struct heald_op *op, int result)
{
    struct pollfd p = {.fd = op_fd(op), .events = (short)fds_events(op)};

    if (result <= 0)
        return result;
    if (p.events & POLLPRI)
        return b->sys->poll(&p, 1, 0) > 0 ? (unsigned short)p.revents : 0;
    return (int)((unsigned)result & (fds_events(op) | POLLERR | POLLHUP | POLLNVAL));
}

static void fill(struct heald_backend *b, struct io_uring_sqe *sqe, struct heald_op *op)
{
    struct uring *u = b->priv;

    switch ((enum op_kind)op->kind) {
    case OP_RECV:
        io_uring_prep_recv(sqe, op->u.rw.fd, op->u.rw.buf, op->u.rw.len, (int)op->u.rw.off);
        break;
    case OP_SEND:
        io_uring_prep_send(sqe, op->u.rw.fd, op->u.rw.buf, op->u.rw.len,
                           (int)op->u.rw.off | MSG_NOSIGNAL);
        break;
    case OP_RECVMSG:
        io_uring_prep_recvmsg(sqe, op->u.msg.fd, op->u.msg.msg,
                              (unsigned)op->u.msg.flags | MSG_CMSG_CLOEXEC);
        /* An attempt that finds nothing already writes the credentials of nobody into the control
         * buffer (seen on 6.18), and there is no room for those that come. */
        if (op->u.msg.msg->msg_controllen)
            sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
        break;
    case OP_SENDMSG:
        io_uring_prep_sendmsg(sqe, op->u.msg.fd, op->u.msg.msg,
                              (unsigned)op->u.msg.flags | MSG_NOSIGNAL);
        break;
    case OP_RECV_MULTI: fill_recv_multi(sqe, op); break;
    case OP_ACCEPT:
    case OP_ACCEPT_MULTI: fill_accept(sqe, op); break;
    case OP_CONNECT:
        io_uring_prep_connect(sqe, op->u.connect.fd, op->u.connect.addr, op->u.connect.len);
        break;
    case OP_SHUTDOWN: io_uring_prep_shutdown(sqe, op->u.poll.fd, (int)op->u.poll.events); break;
    case OP_WATCH: fill_watch(sqe, op); break;
    case OP_WORDS:
    case OP_TICK: heald_ring_fill_wait(sqe, op); break;
    case OP_POLL:
    case OP_CHILD: io_uring_prep_poll_add(sqe, op_fd(op), poll_events(op)); break;
    case OP_READ:
    case OP_READV:
    case OP_WRITE:
    case OP_WRITEV: fill_rw(b, sqe, op); break;
    default: heald_ring_fill_file(&u->ring, sqe, op);
    }
    io_uring_sqe_set_data(sqe, op);
}

static void enqueue(struct uring *u, struct heald_op *op)
{
    op->flags |= OP_BACKLOG;
    list_push(&u->backlog, &op->aux);
}

/* One entry for an op: to do it, to poll for it, or to ask for its end. False: the kernel has no
 * room. */
static bool hand_over(struct heald_backend *b, struct heald_op *op)
{
    struct uring *u = b->priv;
    struct io_uring_sqe *sqe = heald_ring_entry(&u->ring);
    uint64_t polls = op->flags & OP_STARTED ? POLLS : 0;

    if (!sqe)
        return false;
    if (op->state == OP_CANCELLING) {
        heald_ring_fill_cancel(sqe, (uint64_t)(uintptr_t)op | polls);
    } else if (polls) {
        io_uring_prep_poll_add(sqe, op_fd(op), op_is_inward(op) ? POLLIN : POLLOUT);
        io_uring_sqe_set_data64(sqe, (uint64_t)(uintptr_t)op | polls);
    } else {
        fill(b, sqe, op);
    }
    return true;
}

static void uring_submit(struct heald_backend *b, struct heald_op *op)
{
    struct uring *u = b->priv;

    if (!list_empty(&u->backlog) || !hand_over(b, op))
        enqueue(u, op);
}

static void uring_cancel(struct heald_backend *b, struct heald_op *op)
{
    struct uring *u = b->priv;

    if (op->flags & OP_BACKLOG) {
        /* The kernel has never heard of it. */
        op->flags &= (uint8_t)~OP_BACKLOG;
        list_remove(&op->aux);
        heald_kernel_done(b->loop, op, -ECANCELED, false, HEALD_NO_BUFFER);
    } else if (!list_empty(&u->backlog) || !hand_over(b, op)) {
        enqueue(u, op);
    }
}

static void work_off(struct heald_backend *b)
{
    struct uring *u = b->priv;

    while (!list_empty(&u->backlog)) {
        struct heald_op *op = heald_container_of(u->backlog.next, struct heald_op, aux);
        if (!hand_over(b, op))
            return;
        list_remove(&op->aux);
        op->flags &= (uint8_t)~OP_BACKLOG;
    }
}

/* Polls for an op that would not wait, then tries it again. True: the op goes on, and nobody need
 * know. */
static bool try_again(struct heald_backend *b, struct heald_op *op, uint64_t data, int result)
{
    bool polled = data & POLLS;

    if (polled)
        op->flags &= (uint8_t)~OP_STARTED;
    if (op->state != OP_ARMED || op->kind == OP_CONNECT || op->kind == OP_WORDS ||
        (polled && result < 0))
        return false;
    if (!polled && result != -EAGAIN && result != -EINTR)
        return false;
    if (!polled && result == -EAGAIN && op_is_queued_on_fd(op))
        op->flags |= OP_STARTED;
    uring_submit(b, op);
    return true;
}

static void done(struct heald_backend *b, struct heald_op *op, const struct io_uring_cqe *cqe)
{
    unsigned buffer = HEALD_NO_BUFFER;
    int result = op->kind == OP_POLL ? poll_result(b, op, cqe->res) : cqe->res;

    /* A worker of the kernel that waits is interrupted by the cancel. */
    if (result == -EINTR && op->state == OP_CANCELLING)
        result = -ECANCELED;
    if (cqe->flags & IORING_CQE_F_BUFFER) {
        buffer = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
        heald_group_out(op->u.group.group, buffer);
        /* Only what takes room takes a buffer out. */
        if (result <= 0) {
            heald_buf_return(op->u.group.group, buffer);
            buffer = HEALD_NO_BUFFER;
        }
    }
    /* Its end was asked for, and the asking still waits for room; aux is needed now. */
    bool more = cqe->flags & IORING_CQE_F_MORE;
    if (op->flags & OP_BACKLOG) {
        op->flags = (uint8_t)((op->flags & ~OP_BACKLOG) | (more ? OP_ENDING : 0));
        list_remove(&op->aux);
    }
    if (op->kind == OP_POLL && !result && op->state == OP_ARMED) {
        uring_submit(b, op);
        return;
    }
    if (op->kind == OP_POLL && !result)
        result = -ECANCELED;
    if (more || !try_again(b, op, cqe->user_data, result))
        heald_kernel_done(b->loop, op, result, more, buffer);
}

static void harvest(struct heald_backend *b, struct uring *u)
{
    struct io_uring_cqe *next;

    while ((next = heald_ring_peek(&u->ring))) {
        struct io_uring_cqe cqe = *next;
        struct heald_op *op = (struct heald_op *)(uintptr_t)(cqe.user_data & ~(uint64_t)POLLS);
        if (op && op->flags & OP_DUE)
            return;
        heald_ring_seen(&u->ring);
        if (op)
            done(b, op, &cqe);
    }
}

static int uring_wait(struct heald_backend *b, int64_t timeout_ns)
{
    struct uring *u = b->priv;

    work_off(b);
    int err = heald_ring_enter(&u->ring, list_empty(&u->backlog) ? timeout_ns : 0);
    harvest(b, u);
    return err;
}

/* Only asked to let a descriptor go. An entry names it by its number, which may soon be another's:
 * what is still held back goes to the kernel now. */
static int uring_arm(struct heald_backend *b, int fd, uint32_t key, unsigned old, unsigned events)
{
    (void)fd;
    (void)key;
    (void)old;
    (void)events;
    return heald_ring_flush(&((struct uring *)b->priv)->ring);
}

static int uring_fd(struct heald_backend *b)
{
    return heald_ring_bell(&((struct uring *)b->priv)->ring, true);
}

static void give(struct heald_buf_group *g, unsigned index)
{
    struct io_uring_buf_ring *ring = g->ring;
    int mask = io_uring_buf_ring_mask(g->count);

    io_uring_buf_ring_add(ring, heald_buf_data(g, index), (unsigned)g->size, (unsigned short)index,
                          mask, 0);
    io_uring_buf_ring_advance(ring, 1);
}

static size_t ring_size(const struct heald_buf_group *g)
{
    return g->count * sizeof(struct io_uring_buf);
}

static int group_open(struct heald_backend *b, struct heald_buf_group *g)
{
    struct uring *u = b->priv;
    struct io_uring_buf_reg reg = {.ring_entries = g->count, .bgid = g->id};
    void *memory =
        mmap(NULL, ring_size(g), PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);

    if (memory == MAP_FAILED)
        return -ENOMEM;
    reg.ring_addr = (uint64_t)(uintptr_t)memory;
    int err = io_uring_register_buf_ring(&u->ring.ring, &reg, 0);
    if (err < 0) {
        munmap(memory, ring_size(g));
        return err;
    }
    g->ring = memory;
    io_uring_buf_ring_init(memory);
    for (unsigned i = 0; i < g->count; i++)
        give(g, i);
    return 0;
}

static int uring_group(struct heald_backend *b, struct heald_buf_group *g,
                       enum heald_group_call what, unsigned index)
{
    struct uring *u = b->priv;

    switch (what) {
    case HEALD_GROUP_OPEN: return group_open(b, g);
    case HEALD_GROUP_RETURN: give(g, index); return 0;
    case HEALD_GROUP_CLOSE:
        io_uring_unregister_buf_ring(&u->ring.ring, g->id);
        munmap(g->ring, ring_size(g));
        return 0;
    }
    return -EINVAL;
}

const struct heald_backend_ops heald_backend_uring = {
    .name = "uring",
    .about = "io_uring: whole operations, one system call a turn",
    .words = true,
    .open = uring_open,
    .close = uring_close,
    .arm = uring_arm,
    .submit = uring_submit,
    .cancel = uring_cancel,
    .wait = uring_wait,
    .fd = uring_fd,
    .group = uring_group,
};
