/*
 * file/file.c: the system's call for an op, which may block: the column `call` of op/kinds.h. Any
 * thread: it only reads the op.
 */
#include <heald/map.h>

#include "file/engine.h"
#include "op/op.h"

#include <errno.h>

static int64_t call_none(const struct heald_sys *sys, const struct heald_op *op)
{
    (void)sys;
    (void)op;
    return -EINVAL;
}

static int64_t call_rw(const struct heald_sys *sys, const struct heald_op *op)
{
    struct op_span span = op_span(op);
    struct iovec one = {.iov_base = span.buf, .iov_len = span.len};
    bool vector = heald__op_traits[op->kind] & OP_VECTOR;
    const struct iovec *iov = vector ? op->u.rw.buf : &one;
    int count = vector ? (int)op->u.rw.len : 1;

    if (op_is_inward(op))
        return sys->preadv(op->u.rw.fd, iov, count, span.off);
    return sys->pwritev(op->u.rw.fd, iov, count, span.off);
}

static int64_t call_accept(const struct heald_sys *sys, const struct heald_op *op)
{
    return sys->accept(op->u.accept.fd, op->u.accept.addr, op->u.accept.len);
}

static int64_t call_accept_multi(const struct heald_sys *sys, const struct heald_op *op)
{
    return sys->accept(op->u.accept.fd, NULL, NULL);
}

static int64_t call_connect(const struct heald_sys *sys, const struct heald_op *op)
{
    return sys->connect(op->u.connect.fd, op->u.connect.addr, op->u.connect.len);
}

static int64_t call_close(const struct heald_sys *sys, const struct heald_op *op)
{
    return sys->close(op->u.poll.fd);
}

static int64_t call_open(const struct heald_sys *sys, const struct heald_op *op)
{
    return sys->open(op->u.path.dirfd, op->u.path.path, op->u.path.flags, op->u.path.u.mode);
}

static int64_t call_open_beneath(const struct heald_sys *sys, const struct heald_op *op)
{
    return sys->open_beneath(op->u.path.dirfd, op->u.path.path, op->u.path.flags,
                             op->u.path.u.mode);
}

static int64_t call_stat(const struct heald_sys *sys, const struct heald_op *op)
{
    return sys->stat(op->u.path.dirfd, op->u.path.path, op->u.path.flags, op->u.path.u.ret);
}

static int64_t call_fsync(const struct heald_sys *sys, const struct heald_op *op)
{
    return sys->fsync(op->u.poll.fd, op->u.poll.events != 0);
}

static int64_t call_unlink(const struct heald_sys *sys, const struct heald_op *op)
{
    return sys->unlink(op->u.path.dirfd, op->u.path.path, op->u.path.flags);
}

static int64_t call_mkdir(const struct heald_sys *sys, const struct heald_op *op)
{
    return sys->mkdir(op->u.path.dirfd, op->u.path.path, op->u.path.u.mode);
}

static int64_t call_symlink(const struct heald_sys *sys, const struct heald_op *op)
{
    return sys->symlink(op->u.path.u.target, op->u.path.dirfd, op->u.path.path);
}

static int64_t call_link(const struct heald_sys *sys, const struct heald_op *op)
{
    return sys->link(op->u.paths.dirfd, op->u.paths.path, op->u.paths.to_dirfd, op->u.paths.to,
                     op->buffer);
}

static int64_t call_link_fd(const struct heald_sys *sys, const struct heald_op *op)
{
    return sys->link_fd(op->u.paths.dirfd, op->u.paths.to_dirfd, op->u.paths.to);
}

static int64_t call_rename(const struct heald_sys *sys, const struct heald_op *op)
{
    return sys->rename(op->u.paths.dirfd, op->u.paths.path, op->u.paths.to_dirfd, op->u.paths.to,
                       op->buffer);
}

static int64_t call_readlink(const struct heald_sys *sys, const struct heald_op *op)
{
    return sys->readlink(op->u.path.dirfd, op->u.path.path, op->u.path.u.buf,
                         (size_t)op->u.path.flags);
}

static int64_t call_chmod(const struct heald_sys *sys, const struct heald_op *op)
{
    return sys->chmod(op->u.path.dirfd, op->u.path.path, op->u.path.u.mode, op->u.path.flags);
}

static int64_t call_chown(const struct heald_sys *sys, const struct heald_op *op)
{
    return sys->chown(op->u.path.dirfd, op->u.path.path, op->u.path.u.owner.uid,
                      op->u.path.u.owner.gid, op->u.path.flags);
}

static int64_t call_utimens(const struct heald_sys *sys, const struct heald_op *op)
{
    return sys->utimens(op->u.path.dirfd, op->u.path.path, op->u.path.u.times, op->u.path.flags);
}

static int64_t call_ftruncate(const struct heald_sys *sys, const struct heald_op *op)
{
    return sys->ftruncate(op->u.range.fd, op->u.range.size);
}

static int64_t call_fallocate(const struct heald_sys *sys, const struct heald_op *op)
{
    return sys->fallocate(op->u.range.fd, op->u.range.mode, op->u.range.offset, op->u.range.size);
}

static int64_t call_statfs(const struct heald_sys *sys, const struct heald_op *op)
{
    return sys->statfs(op->u.path.dirfd, op->u.path.path, op->u.path.u.statfs);
}

static int64_t call_copy_range(const struct heald_sys *sys, const struct heald_op *op)
{
    const struct heald_copy *c = op->u.copy.copy;

    return sys->copy_range(op->u.copy.fd, c->from_offset, op->u.copy.to, c->to_offset, c->len);
}

/*
 * No flag of sendfile(2) prevents that it waits for the disk; that it waits for room in the socket
 * only O_NONBLOCK prevents, which others may change at any time. A read and a send have such flags,
 * and the bytes stay in the cache of the processor between them.
 */
enum { SEND_BUFFER = 32 << 10, SEND_MAX = 256 << 10 };

static int64_t read_part(const struct heald_sys *sys, const struct heald_op *op, bool waits,
                         struct iovec *part, int64_t done)
{
    int fd = op->u.sendfile.from;
    int64_t at = op->u.sendfile.offset + done;

    if (waits)
        return sys->preadv(fd, part, 1, at);
    int64_t n = sys->pread_now(fd, part->iov_base, part->iov_len, at);
    return n == -EAGAIN ? SYS_ELSEWHERE : n;
}

int64_t heald__file_send(const struct heald_sys *sys, const struct heald_op *op, bool waits)
{
    size_t len = op->u.sendfile.len, done = 0;
    char buf[SEND_BUFFER];
    int64_t n = 0;

    if (len > SEND_MAX)
        len = SEND_MAX;
    while (done < len) {
        struct iovec part = {buf, len - done < sizeof buf ? len - done : sizeof buf};
        int64_t got = n = read_part(sys, op, waits, &part, (int64_t)done);
        if (got <= 0 || (n = sys->send_now(op->u.sendfile.fd, buf, (size_t)got, 0)) < 0)
            break;
        done += (size_t)n;
        if (n < got)
            break;
    }
    return done ? (int64_t)done : n;
}

/* On a duplicate of the socket. */
static int64_t call_sendfile(const struct heald_sys *sys, const struct heald_op *op)
{
    return heald__file_send(sys, op, true);
}

static int64_t call_tempfile(const struct heald_sys *sys, const struct heald_op *op)
{
    return sys->tempfile(op->u.path.dirfd, op->u.path.path, op->u.path.flags, op->u.path.u.buf);
}

static int64_t call_tempfile_unnamed(const struct heald_sys *sys, const struct heald_op *op)
{
    return sys->tempfile_unnamed(op->u.path.dirfd, op->u.path.path, op->u.path.flags);
}

static int64_t call_readdir(const struct heald_sys *sys, const struct heald_op *op)
{
    return sys->readdir(op->u.rw.fd, op->u.rw.buf, op->u.rw.len, op->u.rw.off);
}

static int64_t call_file_lock(const struct heald_sys *sys, const struct heald_op *op)
{
    return sys->file_lock(op->u.range.fd, op->u.range.mode, op->u.range.offset, op->u.range.size,
                          true);
}

static int64_t call_flock(const struct heald_sys *sys, const struct heald_op *op)
{
    return sys->flock(op->u.range.fd, op->u.range.mode, true);
}

/* A map has the table of calls that it was opened with. */
static int64_t call_map_sync(const struct heald_sys *sys, const struct heald_op *op)
{
    (void)sys;
    return heald_map_sync(op->u.map.map, op->u.map.offset, op->u.map.size);
}

static int64_t call_map_read(const struct heald_sys *sys, const struct heald_op *op)
{
    (void)sys;
    return heald_map_prefault(op->u.map.map, op->u.map.offset, op->u.map.size, HEALD_MAP_READ);
}

static int64_t call_map_write(const struct heald_sys *sys, const struct heald_op *op)
{
    (void)sys;
    return heald_map_prefault(op->u.map.map, op->u.map.offset, op->u.map.size, HEALD_MAP_WRITE);
}

typedef int64_t call_fn(const struct heald_sys *sys, const struct heald_op *op);

#define CALL_ROW(kind, name, events, start, cancel, attempt, call, ...) [OP_##kind] = call_##call,

static call_fn *const calls[OP_KINDS] = {HEALD_KINDS(CALL_ROW)};

int64_t heald__file_attempt(const struct heald_sys *sys, const struct heald_op *op)
{
    return calls[op->kind](sys, op);
}

int64_t heald__file_perform(const struct heald_sys *sys, const struct heald_op *op)
{
    int64_t result;

    /* A signal is nobody's business here. */
    do
        result = heald__file_attempt(sys, op);
    while (result == -EINTR);
    return result;
}
