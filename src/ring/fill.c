/*
 * ring/fill.c: see fill.h. The column `entry` of op/kinds.h.
 *
 * No entry blocks the thread that submits it, whatever the flags of its file are. A socket is never
 * waited for in the call itself. A ring asks a file that knows no RWF_NOWAIT whether it is ready
 * and then takes it at its word, so a terminal, and a pipe before Linux 6.4, goes to a worker of
 * the kernel's.
 *
 * The kernel's quirks:
 * - A Unix datagram or packet that had to wait for room is sent empty, for the kernel has used up
 *   its copy of the iovec (seen on 6.18). Such a send does not wait in the ring; it fails with
 *   -EAGAIN, and is filled in anew.
 * - A receive that finds nothing already writes the credentials of nobody into the control buffer
 *   (seen on 6.18), and there is no room for those that come.
 * - POLLPRI alone is never woken (seen on 6.18); sockets wake for POLLRDBAND with it.
 */
#include "ring/fill.h"

#include "platform/linux/libc.h"
#include "ring/check.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* Linux 6.7 and 6.9; the headers of the system may be older. No kernel knows the last. */
enum {
    READ_MULTISHOT_ENTRY = 49,
    FUTEX_WAITV_ENTRY = 53,
    FTRUNCATE_ENTRY = 55,
    UNKNOWN_ENTRY = UINT8_MAX
};

const uint8_t heald__ring_opcodes[] = {
    IORING_OP_NOP,     IORING_OP_READV,        IORING_OP_WRITEV,   IORING_OP_FSYNC,
    IORING_OP_SENDMSG, IORING_OP_RECVMSG,      IORING_OP_ACCEPT,   IORING_OP_CONNECT,
    IORING_OP_SEND,    IORING_OP_RECV,         IORING_OP_READ,     IORING_OP_WRITE,
    IORING_OP_OPENAT,  IORING_OP_OPENAT2,      IORING_OP_CLOSE,    IORING_OP_STATX,
    IORING_OP_TIMEOUT, IORING_OP_ASYNC_CANCEL, IORING_OP_POLL_ADD, IORING_OP_SHUTDOWN,
};
_Static_assert(sizeof heald__ring_opcodes <= HEALD_RING_TRIED, "an entry for each of them");
const unsigned heald__ring_opcode_count = sizeof heald__ring_opcodes / sizeof *heald__ring_opcodes;
_Static_assert(sizeof heald__ring_opcodes + HEALD_RING_OPTIONS <= HEALD_RING_TRIED, "and of these");

const uint8_t heald__ring_options[HEALD_RING_OPTIONS] = {
    [OPTION_UNLINK] = IORING_OP_UNLINKAT, [OPTION_RENAME] = IORING_OP_RENAMEAT,
    [OPTION_MKDIR] = IORING_OP_MKDIRAT,   [OPTION_SYMLINK] = IORING_OP_SYMLINKAT,
    [OPTION_LINK] = IORING_OP_LINKAT,     [OPTION_FALLOCATE] = IORING_OP_FALLOCATE,
    [OPTION_FTRUNCATE] = FTRUNCATE_ENTRY, [OPTION_READ_MULTISHOT] = READ_MULTISHOT_ENTRY,
};

void heald__ring_fill_cancel(struct io_uring_sqe *sqe, const struct heald_op *op, uint64_t answer)
{
    io_uring_prep_cancel64(sqe, (uint64_t)(uintptr_t)op, 0);
    io_uring_sqe_set_data64(sqe, answer);
}

void heald__ring_fill_poll(struct io_uring_sqe *sqe, struct heald_op *op)
{
    unsigned events = op_events(op);

    io_uring_prep_poll_add(sqe, op_fd(op), events & POLLPRI ? events | POLLRDBAND : events);
    io_uring_sqe_set_data(sqe, op);
}

static bool is_socket(const struct heald_op *op)
{
    return fd_type_is_socket(op->buffer);
}

/* No such op comes here; in a release build the kernel answers -EINVAL. */
static void fill_none(struct heald_ring *r, struct io_uring_sqe *sqe, struct heald_op *op)
{
    (void)r;
    (void)op;
    assert(!"a kind without an entry");
    io_uring_prep_nop(sqe);
    sqe->opcode = UNKNOWN_ENTRY;
}

/* An array of buffers, on a socket: as a message, without SIGPIPE. */
static struct msghdr *vector_of(struct heald_ring *r, struct io_uring_sqe *sqe,
                                const struct heald_op *op)
{
    struct msghdr *msg = &heald__ring_scratch(r, sqe)->msg;

    *msg = (struct msghdr){.msg_iov = op->u.rw.buf, .msg_iovlen = op->u.rw.len};
    return msg;
}

/* An offset of -1: from where the descriptor stands. */
static uint64_t offset_of(const struct heald_op *op)
{
    return (uint64_t)op->u.rw.off;
}

/* What the entry of a read, write or sync is besides what the op says: it may have to go to a
 * worker. */
static void adjust(struct heald_ring *r, struct io_uring_sqe *sqe, struct heald_op *op)
{
    if (op->buffer == FD_OTHER || (op->buffer == FD_PIPE && !heald__ring_pipes_nowait(r))) {
        sqe->flags |= IOSQE_ASYNC;
        op->buffer |= OP_LATE;
    }
    if (op->buffer & OP_ASYNC)
        sqe->flags |= IOSQE_ASYNC;
    if (op->buffer & OP_NOWAIT)
        sqe->rw_flags = RWF_NOWAIT;
    if (op->buffer & OP_PLACED) {
        sqe->flags |= IOSQE_FIXED_FILE;
        sqe->fd = (int)(intptr_t)op->data;
    }
}

/* The kernel itself goes on with the rest of a transfer on a stream. */
static int wait_for_all(const struct heald_op *op)
{
    bool all = heald__op_traits[op->kind] & OP_ALL && op->buffer == FD_STREAM;
    return all ? MSG_WAITALL : 0;
}

static void fill_read(struct heald_ring *r, struct io_uring_sqe *sqe, struct heald_op *op)
{
    struct op_span span = op_span(op);

    if (is_socket(op)) {
        io_uring_prep_recv(sqe, op_fd(op), span.buf, span.len, wait_for_all(op));
        return;
    }
    io_uring_prep_read(sqe, op_fd(op), span.buf, span.len, (uint64_t)span.off);
    adjust(r, sqe, op);
}

static void fill_write(struct heald_ring *r, struct io_uring_sqe *sqe, struct heald_op *op)
{
    struct op_span span = op_span(op);

    if (is_socket(op)) {
        io_uring_prep_send(sqe, op_fd(op), span.buf, span.len,
                           heald__ring_send_flags(op) | wait_for_all(op));
        return;
    }
    io_uring_prep_write(sqe, op_fd(op), span.buf, span.len, (uint64_t)span.off);
    adjust(r, sqe, op);
}

static void fill_readv(struct heald_ring *r, struct io_uring_sqe *sqe, struct heald_op *op)
{
    if (is_socket(op)) {
        io_uring_prep_recvmsg(sqe, op->u.rw.fd, vector_of(r, sqe, op), 0);
        return;
    }
    io_uring_prep_readv(sqe, op->u.rw.fd, op->u.rw.buf, op->u.rw.len, offset_of(op));
    adjust(r, sqe, op);
}

static void fill_writev(struct heald_ring *r, struct io_uring_sqe *sqe, struct heald_op *op)
{
    if (is_socket(op)) {
        io_uring_prep_sendmsg(sqe, op->u.rw.fd, vector_of(r, sqe, op),
                              (unsigned)heald__ring_send_flags(op));
        return;
    }
    io_uring_prep_writev(sqe, op->u.rw.fd, op->u.rw.buf, op->u.rw.len, offset_of(op));
    adjust(r, sqe, op);
}

static void fill_recv(struct heald_ring *r, struct io_uring_sqe *sqe, struct heald_op *op)
{
    (void)r;
    heald__ring_fill_plain(sqe, op);
}

static void fill_send(struct heald_ring *r, struct io_uring_sqe *sqe, struct heald_op *op)
{
    (void)r;
    heald__ring_fill_plain(sqe, op);
}

static void fill_recv_all(struct heald_ring *r, struct io_uring_sqe *sqe, struct heald_op *op)
{
    struct op_span span = op_span(op);

    (void)r;
    io_uring_prep_recv(sqe, op_fd(op), span.buf, span.len, op->u.transfer.flags | wait_for_all(op));
}

static void fill_send_all(struct heald_ring *r, struct io_uring_sqe *sqe, struct heald_op *op)
{
    struct op_span span = op_span(op);

    (void)r;
    io_uring_prep_send(sqe, op_fd(op), span.buf, span.len,
                       op->u.transfer.flags | heald__ring_send_flags(op) | wait_for_all(op));
}

static void fill_recvmsg(struct heald_ring *r, struct io_uring_sqe *sqe, struct heald_op *op)
{
    (void)r;
    io_uring_prep_recvmsg(sqe, op->u.msg.fd, op->u.msg.msg,
                          (unsigned)op->u.msg.flags | MSG_CMSG_CLOEXEC);
    if (op->u.msg.msg->msg_controllen)
        sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
}

static void fill_sendmsg(struct heald_ring *r, struct io_uring_sqe *sqe, struct heald_op *op)
{
    (void)r;
    io_uring_prep_sendmsg(sqe, op->u.msg.fd, op->u.msg.msg,
                          (unsigned)(op->u.msg.flags | heald__ring_send_flags(op)));
}

static void fill_recv_multi(struct heald_ring *r, struct io_uring_sqe *sqe, struct heald_op *op)
{
    (void)r;
    io_uring_prep_recv_multishot(sqe, op->u.group.fd, NULL, 0, op->u.group.flags);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = op->buffer;
}

/* More than one buffer at a time only where there are no messages, whose bounds would be lost. */
static void fill_recv_run(struct heald_ring *r, struct io_uring_sqe *sqe, struct heald_op *op)
{
    fill_recv_multi(r, sqe, op);
    if (fd_type_is_bytes((int)op->u.group.last))
        sqe->ioprio |= HEALD_RING_BUNDLE;
}

/* Only a pipe is read again and again by one entry; of another device a worker waits for each read,
 * which holds a buffer then. */
static void fill_read_multi(struct heald_ring *r, struct io_uring_sqe *sqe, struct heald_op *op)
{
    int type = (int)(op->u.group.last & ~(unsigned)OP_LATE);

    if (fd_type_is_socket(type)) {
        fill_recv_multi(r, sqe, op);
        return;
    }
    io_uring_prep_read(sqe, op->u.group.fd, NULL, 0, (uint64_t)-1);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = op->buffer;
    if (type != FD_PIPE || !heald__ring_pipes_nowait(r)) {
        sqe->flags |= IOSQE_ASYNC;
        op->u.group.last |= OP_LATE;
    } else if (r->options >> OPTION_READ_MULTISHOT & 1) {
        sqe->opcode = READ_MULTISHOT_ENTRY;
    }
}

static void fill_recvfrom_multi(struct heald_ring *r, struct io_uring_sqe *sqe, struct heald_op *op)
{
    struct msghdr *msg = &heald__ring_scratch(r, sqe)->msg;

    *msg = (struct msghdr){.msg_namelen = sizeof(struct sockaddr_storage)};
    io_uring_prep_recvmsg_multishot(sqe, op->u.group.fd, msg, (unsigned)op->u.group.flags);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = op->buffer;
}

enum { ACCEPT_FLAGS = SOCK_CLOEXEC | SOCK_NONBLOCK };

static void fill_accept(struct heald_ring *r, struct io_uring_sqe *sqe, struct heald_op *op)
{
    (void)r;
    io_uring_prep_accept(sqe, op->u.accept.fd, op->u.accept.addr, op->u.accept.len, ACCEPT_FLAGS);
}

static void fill_accept_multi(struct heald_ring *r, struct io_uring_sqe *sqe, struct heald_op *op)
{
    (void)r;
    io_uring_prep_multishot_accept(sqe, op->u.accept.fd, NULL, NULL, ACCEPT_FLAGS);
}

static void fill_connect(struct heald_ring *r, struct io_uring_sqe *sqe, struct heald_op *op)
{
    (void)r;
    io_uring_prep_connect(sqe, op->u.connect.fd, op->u.connect.addr, op->u.connect.len);
}

static void fill_shutdown(struct heald_ring *r, struct io_uring_sqe *sqe, struct heald_op *op)
{
    (void)r;
    io_uring_prep_shutdown(sqe, op->u.poll.fd, (int)op->u.poll.events);
}

static void fill_poll(struct heald_ring *r, struct io_uring_sqe *sqe, struct heald_op *op)
{
    (void)r;
    heald__ring_fill_poll(sqe, op);
}

/* A counter of events is read by the ring itself: that wakes, and needs no draining. */
static void fill_watch(struct heald_ring *r, struct io_uring_sqe *sqe, struct heald_op *op)
{
    (void)r;
    if (op->u.rw.buf)
        io_uring_prep_read(sqe, op->u.rw.fd, op->u.rw.buf, op->u.rw.len, 0);
    else
        io_uring_prep_poll_add(sqe, op->u.rw.fd, POLLIN);
}

static void fill_close(struct heald_ring *r, struct io_uring_sqe *sqe, struct heald_op *op)
{
    (void)r;
    io_uring_prep_close(sqe, op->u.poll.fd);
}

static void fill_open(struct heald_ring *r, struct io_uring_sqe *sqe, struct heald_op *op)
{
    (void)r;
    io_uring_prep_openat(sqe, op->u.path.dirfd, op->u.path.path, op->u.path.flags,
                         op->u.path.u.mode);
}

static void fill_open_beneath(struct heald_ring *r, struct io_uring_sqe *sqe, struct heald_op *op)
{
    struct open_how *how = &heald__ring_scratch(r, sqe)->how;
    int flags = op->u.path.flags;

    /* openat2 is strict where openat is not: no mode without a file to make. */
    *how = (struct open_how){.flags = (uint64_t)(unsigned)flags,
                             .mode = flags & (O_CREAT | O_TMPFILE) ? op->u.path.u.mode & 07777 : 0,
                             .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    io_uring_prep_openat2(sqe, op->u.path.dirfd, op->u.path.path, how);
}

static void fill_stat(struct heald_ring *r, struct io_uring_sqe *sqe, struct heald_op *op)
{
    (void)r;
    io_uring_prep_statx(sqe, op->u.path.dirfd, op->u.path.path,
                        op->u.path.flags | (*op->u.path.path ? 0 : AT_EMPTY_PATH),
                        STATX_BASIC_STATS | STATX_BTIME, (struct statx *)(void *)op->u.path.u.ret);
}

static void fill_fsync(struct heald_ring *r, struct io_uring_sqe *sqe, struct heald_op *op)
{
    io_uring_prep_fsync(sqe, op->u.poll.fd, op->u.poll.events ? IORING_FSYNC_DATASYNC : 0);
    if (op->buffer & OP_PLACED)
        adjust(r, sqe, op);
}

static void fill_unlink(struct heald_ring *r, struct io_uring_sqe *sqe, struct heald_op *op)
{
    (void)r;
    io_uring_prep_unlinkat(sqe, op->u.path.dirfd, op->u.path.path, op->u.path.flags);
}

static void fill_mkdir(struct heald_ring *r, struct io_uring_sqe *sqe, struct heald_op *op)
{
    (void)r;
    io_uring_prep_mkdirat(sqe, op->u.path.dirfd, op->u.path.path, op->u.path.u.mode);
}

static void fill_symlink(struct heald_ring *r, struct io_uring_sqe *sqe, struct heald_op *op)
{
    (void)r;
    io_uring_prep_symlinkat(sqe, op->u.path.u.target, op->u.path.dirfd, op->u.path.path);
}

static void fill_link(struct heald_ring *r, struct io_uring_sqe *sqe, struct heald_op *op)
{
    (void)r;
    io_uring_prep_linkat(sqe, op->u.paths.dirfd, op->u.paths.path, op->u.paths.to_dirfd,
                         op->u.paths.to, op->buffer);
}

static void fill_rename(struct heald_ring *r, struct io_uring_sqe *sqe, struct heald_op *op)
{
    (void)r;
    io_uring_prep_renameat(sqe, op->u.paths.dirfd, op->u.paths.path, op->u.paths.to_dirfd,
                           op->u.paths.to, op->buffer);
}

static void fill_ftruncate(struct heald_ring *r, struct io_uring_sqe *sqe, struct heald_op *op)
{
    (void)r;
    memset(sqe, 0, sizeof *sqe);
    sqe->opcode = FTRUNCATE_ENTRY;
    sqe->fd = op->u.range.fd;
    sqe->off = (uint64_t)op->u.range.size;
}

static void fill_fallocate(struct heald_ring *r, struct io_uring_sqe *sqe, struct heald_op *op)
{
    (void)r;
    io_uring_prep_fallocate(sqe, op->u.range.fd, op->u.range.mode, op->u.range.offset,
                            op->u.range.size);
}

static void fill_words(struct heald_ring *r, struct io_uring_sqe *sqe, struct heald_op *op)
{
    (void)r;
    memset(sqe, 0, sizeof *sqe);
    sqe->opcode = FUTEX_WAITV_ENTRY;
    sqe->addr = (uint64_t)(uintptr_t)op->u.rw.buf;
    sqe->len = op->u.rw.len;
}

static void fill_tick(struct heald_ring *r, struct io_uring_sqe *sqe, struct heald_op *op)
{
    (void)r;
    io_uring_prep_timeout(sqe, op->u.rw.buf, 0, 0);
}

typedef void fill_fn(struct heald_ring *r, struct io_uring_sqe *sqe, struct heald_op *op);

#define FILL_ROW(kind, name, events, start, cancel, attempt, call, entry, ...) \
    [OP_##kind] = fill_##entry,

static fill_fn *const fills[OP_KINDS] = {HEALD_KINDS(FILL_ROW)};

void heald__ring_fill(struct heald_ring *r, struct io_uring_sqe *sqe, struct heald_op *op)
{
    fills[op->kind](r, sqe, op);
    io_uring_sqe_set_data(sqe, op);
}

/* The option that an entry needs; the others need none. */
static const uint8_t needs[OP_KINDS] = {
    [OP_UNLINK] = OPTION_UNLINK,       [OP_RMDIR] = OPTION_UNLINK,
    [OP_MKDIR] = OPTION_MKDIR,         [OP_SYMLINK] = OPTION_SYMLINK,
    [OP_LINK] = OPTION_LINK,           [OP_RENAME] = OPTION_RENAME,
    [OP_FALLOCATE] = OPTION_FALLOCATE, [OP_FTRUNCATE] = OPTION_FTRUNCATE,
};

bool heald__ring_takes(const struct heald_ring *r, const struct heald_op *op)
{
    return fills[op->kind] != fill_none && r->options >> needs[op->kind] & 1;
}
