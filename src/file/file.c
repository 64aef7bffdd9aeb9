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
    struct iovec one = {.iov_base = op->u.rw.buf, .iov_len = op->u.rw.len};
    bool vector = heald__op_traits[op->kind] & OP_VECTOR;
    const struct iovec *iov = vector ? op->u.rw.buf : &one;
    int count = vector ? (int)op->u.rw.len : 1;

    if (op_is_inward(op))
        return sys->preadv(op->u.rw.fd, iov, count, op->u.rw.off);
    return sys->pwritev(op->u.rw.fd, iov, count, op->u.rw.off);
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
