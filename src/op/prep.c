/*
 * op/prep.c: the preps, but for those on files (prep_file.c), on locks and queues (prep_lock.c)
 * and of work (prep_work.c): check the arguments and
 * write them into an idle op. Pure: no loop, no system call, no clock.
 *
 * A prep that refuses leaves the kind at OP_NONE, so that heald_submit() refuses the op as well.
 */
#include "op/op.h"

#include "base/attr.h"
#include "config.h"

#include <heald/io.h>
#include <heald/process.h>
#include <heald/timer.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

enum { IOV_LIMIT = 1024 };

static inline void set_rw(struct heald_op *op, enum op_kind kind, int fd, void *buf, uint32_t len,
                          int64_t off)
{
    op->kind = (uint8_t)kind;
    op->u.rw.fd = fd;
    op->u.rw.len = len;
    op->u.rw.buf = buf;
    op->u.rw.off = off;
}

static int prep_rw(struct heald_op *op, enum op_kind kind, int fd, void *buf, size_t len,
                   int64_t off)
{
    int err = op_prepare(op);
    if (err)
        return err;
    if (!buf && len)
        return -EINVAL;
    set_rw(op, kind, fd, buf, len > HEALD_MAX_LEN ? HEALD_MAX_LEN : (uint32_t)len, off);
    return 0;
}

static int prep_at(struct heald_op *op, enum op_kind kind, int fd, void *buf, size_t len,
                   int64_t off)
{
    if (off >= HEALD_NO_OFFSET)
        return prep_rw(op, kind, fd, buf, len, off);
    int err = op_prepare(op);
    return err ? err : -EINVAL;
}

int heald_prep_read(struct heald_op *op, int fd, void *buf, size_t len, int64_t offset)
{
    return prep_at(op, OP_READ, fd, buf, len, offset);
}

int heald_prep_write(struct heald_op *op, int fd, const void *buf, size_t len, int64_t offset)
{
    return prep_at(op, OP_WRITE, fd, (void *)buf, len, offset);
}

static int prep_iov(struct heald_op *op, enum op_kind kind, int fd, const struct iovec *iov,
                    int iovcnt, int64_t off)
{
    if (iov && iovcnt >= 1 && iovcnt <= IOV_LIMIT)
        return prep_at(op, kind, fd, (void *)iov, (size_t)iovcnt, off);
    int err = op_prepare(op);
    return err ? err : -EINVAL;
}

int heald_prep_readv(struct heald_op *op, int fd, const struct iovec *iov, int iovcnt,
                     int64_t offset)
{
    return prep_iov(op, OP_READV, fd, iov, iovcnt, offset);
}

int heald_prep_writev(struct heald_op *op, int fd, const struct iovec *iov, int iovcnt,
                      int64_t offset)
{
    return prep_iov(op, OP_WRITEV, fd, iov, iovcnt, offset);
}

/* How to wait is the loop's business; every other flag is passed on. */
enum { HOW_TO_WAIT = MSG_DONTWAIT | MSG_WAITALL };

static bool msg_flags_valid(int flags)
{
    return (flags & HOW_TO_WAIT) == 0;
}

/* Urgent data and the error queue are beside the stream: they wait for nothing before them. */
enum { ASIDE = MSG_OOB | HEALD_MSG_ERRQUEUE };

/* Flags that are more than passed on. */
static int check_flags(struct heald_op *op, int flags)
{
    if (!msg_flags_valid(flags)) {
        op->kind = OP_NONE;
        return -EINVAL;
    }
    if (op->kind == OP_RECV)
        op->kind = OP_RECV_ASIDE;
    return 0;
}

/* Apart, so that the usual case keeps nothing for it in registers. */
static HEALD_SEPARATE int prep_special(struct heald_op *op, enum op_kind kind, int fd, void *buf,
                                       size_t len, int flags)
{
    int err = prep_rw(op, kind, fd, buf, len, flags);
    return err || !(flags & (HOW_TO_WAIT | ASIDE)) ? err : check_flags(op, flags);
}

static inline int prep_socket(struct heald_op *op, enum op_kind kind, int fd, void *buf, size_t len,
                              int flags)
{
    /* The usual case, which every message goes through. */
    if (flags & (HOW_TO_WAIT | ASIDE) || len > HEALD_MAX_LEN || !buf)
        return prep_special(op, kind, fd, buf, len, flags);
    int err = op_prepare(op);
    if (!err)
        set_rw(op, kind, fd, buf, (uint32_t)len, flags);
    return err;
}

int heald_prep_recv(struct heald_op *op, int fd, void *buf, size_t len, int flags)
{
    return prep_socket(op, OP_RECV, fd, buf, len, flags);
}

int heald_prep_send(struct heald_op *op, int fd, const void *buf, size_t len, int flags)
{
    return prep_socket(op, OP_SEND, fd, (void *)buf, len, flags);
}

static int prep_transfer(struct heald_op *op, enum op_kind kind, int fd, struct heald_transfer *t,
                         int flags, int64_t off, bool is_valid)
{
    int err = op_prepare_kind(op, kind, is_valid && t && (t->buf || !t->len));

    if (err)
        return err;
    t->done = 0;
    op->u.transfer.fd = fd;
    op->u.transfer.flags = flags;
    op->u.transfer.transfer = t;
    op->u.transfer.off = off;
    return 0;
}

static bool is_offset(int64_t offset, const struct heald_transfer *t)
{
    int64_t room = offset < 0 ? INT64_MAX : INT64_MAX - offset;

    return offset >= HEALD_NO_OFFSET && t && t->len <= (uint64_t)room;
}

int heald_prep_read_all(struct heald_op *op, int fd, struct heald_transfer *transfer,
                        int64_t offset)
{
    return prep_transfer(op, OP_READ_ALL, fd, transfer, 0, offset, is_offset(offset, transfer));
}

int heald_prep_write_all(struct heald_op *op, int fd, struct heald_transfer *transfer,
                         int64_t offset)
{
    return prep_transfer(op, OP_WRITE_ALL, fd, transfer, 0, offset, is_offset(offset, transfer));
}

int heald_prep_recv_all(struct heald_op *op, int fd, struct heald_transfer *transfer, int flags)
{
    return prep_transfer(op, OP_RECV_ALL, fd, transfer, flags, 0,
                         !(flags & (HOW_TO_WAIT | ASIDE | MSG_PEEK | MSG_TRUNC)));
}

int heald_prep_send_all(struct heald_op *op, int fd, struct heald_transfer *transfer, int flags)
{
    return prep_transfer(op, OP_SEND_ALL, fd, transfer, flags, 0, !(flags & (HOW_TO_WAIT | ASIDE)));
}

static int prep_msg(struct heald_op *op, enum op_kind kind, int fd, struct msghdr *msg, int flags)
{
    int err = op_prepare(op);
    if (err)
        return err;
    if (!msg || !msg_flags_valid(flags))
        return -EINVAL;
    op->kind = (uint8_t)kind;
    op->u.msg.fd = fd;
    op->u.msg.flags = flags;
    op->u.msg.msg = msg;
    return 0;
}

int heald_prep_recvmsg(struct heald_op *op, int fd, struct msghdr *msg, int flags)
{
    return prep_msg(op, flags & ASIDE ? OP_RECVMSG_ASIDE : OP_RECVMSG, fd, msg, flags);
}

int heald_prep_sendmsg(struct heald_op *op, int fd, const struct msghdr *msg, int flags)
{
    return prep_msg(op, OP_SENDMSG, fd, (struct msghdr *)msg, flags);
}

static int prep_group(struct heald_op *op, enum op_kind kind, int fd, struct heald_buf_group *group,
                      int flags)
{
    bool is_valid = group && msg_flags_valid(flags) && !(flags & (MSG_PEEK | MSG_TRUNC | ASIDE));
    int err = op_prepare_kind(op, kind, is_valid);

    if (err)
        return err;
    op->u.group.first = op->u.group.last = 0;
    op->u.group.fd = fd;
    op->u.group.flags = flags;
    op->u.group.group = group;
    return 0;
}

int heald_prep_recv_multishot(struct heald_op *op, int fd, struct heald_buf_group *group, int flags)
{
    return prep_group(op, OP_RECV_MULTI, fd, group, flags);
}

int heald_prep_recv_run_multishot(struct heald_op *op, int fd, struct heald_buf_group *group,
                                  int flags)
{
    return prep_group(op, OP_RECV_RUN, fd, group, flags);
}

int heald_prep_read_multishot(struct heald_op *op, int fd, struct heald_buf_group *group)
{
    return prep_group(op, OP_READ_MULTI, fd, group, 0);
}

int heald_prep_recvfrom_multishot(struct heald_op *op, int fd, struct heald_buf_group *group,
                                  int flags)
{
    return prep_group(op, OP_RECVFROM_MULTI, fd, group, flags);
}

static int prep_accept(struct heald_op *op, enum op_kind kind, int fd, struct sockaddr *addr,
                       socklen_t *len)
{
    int err = op_prepare(op);
    if (err)
        return err;
    if (!addr != !len)
        return -EINVAL;
    op->kind = (uint8_t)kind;
    op->u.accept.fd = fd;
    op->u.accept.flags = 0;
    op->u.accept.addr = addr;
    op->u.accept.len = len;
    return 0;
}

int heald_prep_accept(struct heald_op *op, int fd, struct sockaddr *ret_addr, socklen_t *ret_len)
{
    return prep_accept(op, OP_ACCEPT, fd, ret_addr, ret_len);
}

int heald_prep_accept_multishot(struct heald_op *op, int fd)
{
    return prep_accept(op, OP_ACCEPT_MULTI, fd, NULL, NULL);
}

int heald_prep_accept_persistent(struct heald_op *op, int fd)
{
    int err = prep_accept(op, OP_ACCEPT_MULTI, fd, NULL, NULL);
    if (!err)
        op->u.accept.flags = OP_PERSISTENT;
    return err;
}

int heald_prep_connect(struct heald_op *op, int fd, const struct sockaddr *addr, socklen_t len)
{
    int err = op_prepare(op);
    if (err)
        return err;
    if (!addr)
        return -EINVAL;
    op->kind = OP_CONNECT;
    op->u.connect.fd = fd;
    op->u.connect.len = len;
    op->u.connect.addr = addr;
    return 0;
}

static int prep_fd(struct heald_op *op, enum op_kind kind, int fd, unsigned argument)
{
    int err = op_prepare(op);
    if (err)
        return err;
    op->kind = (uint8_t)kind;
    op->u.poll.fd = fd;
    op->u.poll.events = argument;
    return 0;
}

int heald_prep_shutdown(struct heald_op *op, int fd, int how)
{
    if (how == SHUT_RD || how == SHUT_WR || how == SHUT_RDWR)
        return prep_fd(op, OP_SHUTDOWN, fd, (unsigned)how);
    int err = op_prepare(op);
    return err ? err : -EINVAL;
}

int heald_prep_close(struct heald_op *op, int fd)
{
    return prep_fd(op, OP_CLOSE, fd, 0);
}

static int prep_poll(struct heald_op *op, enum op_kind kind, int fd, unsigned events)
{
    const unsigned known = POLLIN | POLLPRI | POLLOUT | POLLERR | POLLHUP | HEALD_POLLRDHUP;
    int err = prep_fd(op, kind, fd, events & ~(unsigned)(POLLERR | POLLHUP));
    if (!err && events & ~known) {
        op->kind = OP_NONE;
        return -EINVAL;
    }
    return err;
}

int heald_prep_poll(struct heald_op *op, int fd, unsigned events)
{
    return prep_poll(op, OP_POLL, fd, events);
}

int heald_prep_poll_multishot(struct heald_op *op, int fd, unsigned events)
{
    return prep_poll(op, OP_POLL_MULTI, fd, events);
}

int heald_prep_timer(struct heald_op *op, int64_t when_ns)
{
    return heald_prep_timer_clock(op, HEALD_CLOCK_MONOTONIC, when_ns, 0);
}

int heald_prep_timer_clock(struct heald_op *op, enum heald_clock clock, int64_t first_ns,
                           int64_t period_ns)
{
    int err = op_prepare(op);
    if (err)
        return err;
    if (first_ns < 0 || period_ns < 0 ||
        (clock != HEALD_CLOCK_MONOTONIC && clock != HEALD_CLOCK_BOOT))
        return -EINVAL;
    op->kind = OP_TIMER;
    op->deadline_ns = first_ns;
    op->u.timer.clock = (int)clock;
    op->u.timer.period = period_ns;
    return 0;
}

int heald_prep_signal(struct heald_op *op, int signo, struct heald_siginfo *ret_info)
{
    static const int refused[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    sigset_t set;
    int err = op_prepare(op);

    if (err)
        return err;
    sigemptyset(&set);
    if (sigaddset(&set, signo) != 0)
        return -EINVAL;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        if (signo == refused[i])
            return -EINVAL;
    op->kind = OP_SIGNAL;
    op->u.signal.signo = signo;
    op->u.signal.ret = ret_info;
    return 0;
}

int heald_prep_child(struct heald_op *op, pid_t pid, struct heald_child_status *ret_status)
{
    int err = op_prepare_kind(op, OP_CHILD, pid > 0);
    if (err)
        return err;
    op->u.child.fd = -1;
    op->u.child.pid = pid;
    op->u.child.ret = ret_status;
    return 0;
}
