/*
 * loop/perform.c: one attempt at an op on a descriptor, without waiting: its result, or -EAGAIN.
 * The column `attempt` of op/kinds.h, for the kinds that wait on a descriptor. The loop's thread.
 */
#include "loop/loop.h"

#include <heald/io.h>

#include <errno.h>

/* A descriptor that is ours alone does not block; of any other that is to be made sure. */
static int64_t on_device(const struct heald_sys *sys, int fd, bool ours, bool in,
                         const struct iovec *iov, int count)
{
    if (ours)
        return in ? sys->preadv(fd, iov, count, -1) : sys->pwritev(fd, iov, count, -1);
    return in ? sys->readv_now(fd, iov, count) : sys->writev_now(fd, iov, count);
}

static int64_t attempt_none(struct heald_loop *loop, const struct heald_fd *e, struct heald_op *op)
{
    (void)loop;
    (void)e;
    (void)op;
    return -EINVAL;
}

static int64_t attempt_rw(struct heald_loop *loop, const struct heald_fd *e, struct heald_op *op)
{
    const struct heald_sys *sys = loop->sys;
    bool vector = heald__op_traits[op->kind] & OP_VECTOR;
    bool in = op_is_inward(op);
    int fd = op->u.rw.fd;
    struct op_span span = op_span(op);
    struct iovec one = {.iov_base = span.buf, .iov_len = span.len};
    struct iovec *iov = vector ? op->u.rw.buf : &one;
    int count = vector ? (int)op->u.rw.len : 1;

    if (e->type == FD_PIPE || e->type == FD_OTHER)
        return on_device(sys, e->again ? e->again : fd, e->again != 0, in, iov, count);
    /* On sockets as messages, whose flags can prevent waiting and SIGPIPE. */
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = (size_t)count};
    return in ? sys->recvmsg_now(fd, &msg, 0) : sys->sendmsg_now(fd, &msg, 0);
}

static int64_t attempt_recv(struct heald_loop *loop, const struct heald_fd *e, struct heald_op *op)
{
    (void)e;
    return loop->sys->recv_now(op->u.rw.fd, op->u.rw.buf, op->u.rw.len, (int)op->u.rw.off);
}

static int64_t attempt_send(struct heald_loop *loop, const struct heald_fd *e, struct heald_op *op)
{
    (void)e;
    return loop->sys->send_now(op->u.rw.fd, op->u.rw.buf, op->u.rw.len, (int)op->u.rw.off);
}

static int64_t attempt_recv_all(struct heald_loop *loop, const struct heald_fd *e,
                                struct heald_op *op)
{
    struct op_span span = op_span(op);

    (void)e;
    return loop->sys->recv_now(op->u.transfer.fd, span.buf, span.len, op->u.transfer.flags);
}

static int64_t attempt_send_all(struct heald_loop *loop, const struct heald_fd *e,
                                struct heald_op *op)
{
    struct op_span span = op_span(op);

    (void)e;
    return loop->sys->send_now(op->u.transfer.fd, span.buf, span.len, op->u.transfer.flags);
}

static int64_t attempt_recvmsg(struct heald_loop *loop, const struct heald_fd *e,
                               struct heald_op *op)
{
    (void)e;
    return loop->sys->recvmsg_now(op->u.msg.fd, op->u.msg.msg, op->u.msg.flags);
}

static int64_t attempt_sendmsg(struct heald_loop *loop, const struct heald_fd *e,
                               struct heald_op *op)
{
    (void)e;
    return loop->sys->sendmsg_now(op->u.msg.fd, op->u.msg.msg, op->u.msg.flags);
}

/* The buffer that is first in the group is received into, and taken out only if something is in it.
 * So an attempt that finds nothing has nothing to return. */
static void *next_buffer(struct heald_op *op)
{
    const struct heald_buf_group *g = op->u.group.group;

    op->buffer = HEALD_NO_BUFFER;
    return g->first == GROUP_END ? NULL : heald_buf_data(g, g->first);
}

static void take_buffer(struct heald_op *op)
{
    op->buffer = (uint16_t)heald__group_acquire(op->u.group.group);
}

static int64_t attempt_recv_multi(struct heald_loop *loop, const struct heald_fd *e,
                                  struct heald_op *op)
{
    void *buf = next_buffer(op);

    (void)e;
    if (!buf)
        return -ENOBUFS;
    int64_t n =
        loop->sys->recv_now(op->u.group.fd, buf, op->u.group.group->size, op->u.group.flags);
    if (n > 0)
        take_buffer(op);
    return n;
}

static int64_t attempt_read_multi(struct heald_loop *loop, const struct heald_fd *e,
                                  struct heald_op *op)
{
    if (fds_is_socket(e))
        return attempt_recv_multi(loop, e, op);
    struct iovec iov = {.iov_base = next_buffer(op), .iov_len = op->u.group.group->size};
    if (!iov.iov_base)
        return -ENOBUFS;
    int64_t n = on_device(loop->sys, e->again ? e->again : op_fd(op), e->again != 0, true, &iov, 1);
    if (n > 0)
        take_buffer(op);
    return n;
}

enum { RUN_MAX = 64, RUN_FEW = 4 /* buffers that are offered to one receive */ };

/* As many as twice what the last receive took: few while little comes at a time; and no more than
 * its share of a group that many draw from. Where messages are kept apart a run is one buffer, as
 * in a ring. How much was offered is kept in `last`. */
static unsigned offer_run(struct heald_op *op, int type, struct iovec *ret_iov)
{
    const struct heald_buf_group *g = op->u.group.group;
    unsigned last = op->result > 0 ? 2 * group_count_for(g, op->result) : 0;
    unsigned want = last < RUN_FEW ? RUN_FEW : last < RUN_MAX ? last : RUN_MAX;
    unsigned share = fd_type_is_bytes(type) ? heald__group_share(g) : 1;

    return op->u.group.last = heald__group_offer(g, ret_iov, want < share ? want : share);
}

static int64_t attempt_recv_run(struct heald_loop *loop, const struct heald_fd *e,
                                struct heald_op *op)
{
    struct heald_buf_group *g = op->u.group.group;
    struct iovec iov[RUN_MAX];
    unsigned offered = offer_run(op, e->type, iov);
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = offered};

    op->buffer = HEALD_NO_BUFFER;
    if (!offered)
        return -ENOBUFS;
    int64_t n = loop->sys->recvmsg_now(op->u.group.fd, &msg, op->u.group.flags);
    if (n > 0) {
        op->buffer = (uint16_t)g->first;
        g->first = heald__group_take(g, g->first, group_count_for(g, n));
    }
    return n;
}

/* In the layout in which a ring receives. */
static int64_t receive_datagram(struct heald_loop *loop, int fd, struct heald_datagram *d,
                                size_t size, int flags)
{
    struct iovec iov = {.iov_base = d + 1, .iov_len = size - sizeof *d};
    struct msghdr msg = {
        .msg_name = &d->addr, .msg_namelen = sizeof d->addr, .msg_iov = &iov, .msg_iovlen = 1};
    int64_t n = loop->sys->recvmsg_now(fd, &msg, flags);

    if (n >= 0) {
        d->addr_len = msg.msg_namelen;
        d->reserved = d->reserved2 = 0;
        d->flags = (uint32_t)msg.msg_flags & MSG_TRUNC;
    }
    return n;
}

static int64_t attempt_recvfrom_multi(struct heald_loop *loop, const struct heald_fd *e,
                                      struct heald_op *op)
{
    struct heald_datagram *d = next_buffer(op);

    if (!d)
        return -ENOBUFS;
    if (e->type != FD_DATAGRAM)
        return -EINVAL;
    int64_t n =
        receive_datagram(loop, op->u.group.fd, d, op->u.group.group->size, op->u.group.flags);
    if (n >= 0)
        take_buffer(op);
    return n;
}

static int64_t accept_from(struct heald_loop *loop, const struct heald_fd *e, int listener,
                           struct sockaddr *ret_addr, socklen_t *ret_len)
{
    int type = e->type;

    /* A listener that was seen blocking once is never trusted again. */
    if (e->flags & FDS_ELSEWHERE)
        return SYS_ELSEWHERE;
    int fd = loop->sys->accept_now(listener, ret_addr, ret_len);
    if (fd >= 0)
        heald__fds_fresh(loop, fd, type);
    return fd;
}

static int64_t attempt_accept(struct heald_loop *loop, const struct heald_fd *e,
                              struct heald_op *op)
{
    return accept_from(loop, e, op->u.accept.fd, op->u.accept.addr, op->u.accept.len);
}

static int64_t attempt_accept_multi(struct heald_loop *loop, const struct heald_fd *e,
                                    struct heald_op *op)
{
    return accept_from(loop, e, op->u.accept.fd, NULL, NULL);
}

static int64_t attempt_connect(struct heald_loop *loop, const struct heald_fd *e,
                               struct heald_op *op)
{
    const struct heald_sys *sys = loop->sys;
    const struct sockaddr *addr = op->u.connect.addr;
    int fd = op->u.connect.fd;

    (void)e;
    if (op->flags & OP_STARTED)
        return sys->connect_end(fd, addr, op->u.connect.len);
    int err = sys->connect_now(fd, addr, op->u.connect.len);
    /* An interrupted connect goes on by itself. */
    if (err == -EINPROGRESS || err == -EINTR) {
        op->flags |= OP_STARTED;
        return -EAGAIN;
    }
    return err;
}

static int64_t attempt_sendfile(struct heald_loop *loop, const struct heald_fd *e,
                                struct heald_op *op)
{
    (void)e;
    return heald__file_send(loop->sys, op, false);
}

static int64_t attempt_mq_send(struct heald_loop *loop, const struct heald_fd *e,
                               struct heald_op *op)
{
    (void)e;
    return loop->sys->mq_send_now(op->u.mq.fd, op->u.mq.buf, op->u.mq.len, op->u.mq.u.priority);
}

static int64_t attempt_mq_receive(struct heald_loop *loop, const struct heald_fd *e,
                                  struct heald_op *op)
{
    (void)e;
    return loop->sys->mq_receive_now(op->u.mq.fd, op->u.mq.buf, op->u.mq.len,
                                     op->u.mq.u.ret_priority);
}

static int64_t attempt_shutdown(struct heald_loop *loop, const struct heald_fd *e,
                                struct heald_op *op)
{
    (void)e;
    return loop->sys->shutdown(op->u.poll.fd, (int)op->u.poll.events);
}

typedef int64_t attempt_fn(struct heald_loop *loop, const struct heald_fd *e, struct heald_op *op);

#define ATTEMPT_ROW(kind, name, events, start, cancel, attempt, ...) \
    [OP_##kind] = attempt_##attempt,

static attempt_fn *const attempts[OP_KINDS] = {HEALD_KINDS_QUEUED(ATTEMPT_ROW)
                                                   HEALD_KINDS_BESIDE(ATTEMPT_ROW)};

int64_t heald__perform(struct heald_loop *loop, struct heald_fd *e, struct heald_op *op)
{
    assert(attempts[op->kind]);
    if (heald__op_traits[op->kind] & OP_SOCKET && !fds_is_socket(e))
        return -ENOTSOCK;
    return attempts[op->kind](loop, e, op);
}
