/*
 * loop/perform.c: one attempt at an op on a descriptor, without waiting: its result, or -EAGAIN.
 * The loop's thread.
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

static int64_t perform_rw(const struct heald_sys *sys, const struct heald_fd *e,
                          const struct heald_op *op)
{
    bool vector = op->kind == OP_READV || op->kind == OP_WRITEV;
    bool in = op_is_inward(op);
    int fd = op->u.rw.fd;
    struct iovec one = {.iov_base = op->u.rw.buf, .iov_len = op->u.rw.len};
    struct iovec *iov = vector ? op->u.rw.buf : &one;
    int count = vector ? (int)op->u.rw.len : 1;

    if (e->type == FD_PIPE || e->type == FD_OTHER)
        return on_device(sys, e->again ? e->again : fd, e->again != 0, in, iov, count);
    /* On sockets as messages, which can be told not to wait and not to raise SIGPIPE. */
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = (size_t)count};
    return in ? sys->recvmsg_now(fd, &msg, 0) : sys->sendmsg_now(fd, &msg, 0);
}

static int64_t perform_recv_multi(struct heald_loop *loop, const struct heald_op *op,
                                  uint16_t *ret_buffer)
{
    struct heald_buf_group *g = op->u.group.group;
    int index = heald__group_take(g);

    *ret_buffer = HEALD_NO_BUFFER;
    if (index < 0)
        return index;
    int64_t n = loop->sys->recv_now(op->u.group.fd, heald_buf_data(g, (unsigned)index), g->size,
                                    op->u.group.flags);
    /* As a ring does: what takes no room takes no buffer. */
    if (n > 0)
        *ret_buffer = (uint16_t)index;
    else
        heald_buf_return(g, (unsigned)index);
    return n;
}

static int64_t perform_accept(struct heald_loop *loop, const struct heald_fd *e,
                              const struct heald_op *op)
{
    int type = e->type;
    bool multi = op->kind == OP_ACCEPT_MULTI;

    /* A listener that was seen blocking once is never trusted again. */
    if (e->flags & FDS_ELSEWHERE)
        return SYS_ELSEWHERE;
    int fd = loop->sys->accept_now(op->u.accept.fd, multi ? NULL : op->u.accept.addr,
                                   multi ? NULL : op->u.accept.len);
    if (fd >= 0)
        heald__fds_fresh(loop, fd, type);
    return fd;
}

static int64_t perform_connect(const struct heald_sys *sys, struct heald_op *op)
{
    const struct sockaddr *addr = op->u.connect.addr;
    int fd = op->u.connect.fd;

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

static int64_t attempt(struct heald_loop *loop, const struct heald_fd *e, struct heald_op *op)
{
    const struct heald_sys *sys = loop->sys;

    switch ((enum op_kind)op->kind) {
    case OP_RECV:
    case OP_RECV_ASIDE:
        return sys->recv_now(op->u.rw.fd, op->u.rw.buf, op->u.rw.len, (int)op->u.rw.off);
    case OP_SEND: return sys->send_now(op->u.rw.fd, op->u.rw.buf, op->u.rw.len, (int)op->u.rw.off);
    case OP_READ:
    case OP_READV:
    case OP_WRITE:
    case OP_WRITEV: return perform_rw(sys, e, op);
    case OP_RECVMSG:
    case OP_RECVMSG_ASIDE: return sys->recvmsg_now(op->u.msg.fd, op->u.msg.msg, op->u.msg.flags);
    case OP_SENDMSG: return sys->sendmsg_now(op->u.msg.fd, op->u.msg.msg, op->u.msg.flags);
    case OP_RECV_MULTI: return perform_recv_multi(loop, op, &op->buffer);
    case OP_ACCEPT:
    case OP_ACCEPT_MULTI: return perform_accept(loop, e, op);
    case OP_CONNECT: return perform_connect(sys, op);
    case OP_SHUTDOWN: return sys->shutdown(op->u.poll.fd, (int)op->u.poll.events);
    default: return -EINVAL;
    }
}

int64_t heald__perform(struct heald_loop *loop, struct heald_fd *e, struct heald_op *op)
{
    if (heald__op_traits[op->kind] & OP_SOCKET && !fds_is_socket(e))
        return -ENOTSOCK;
    return attempt(loop, e, op);
}
