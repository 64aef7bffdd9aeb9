/* file/file.c: one file operation from its op to the system's call. Any thread: it only reads. */
#include <heald/map.h>

#include "file/engine.h"
#include "op/op.h"

#include <errno.h>

static int64_t perform_rw(const struct heald_sys *sys, const struct heald_op *op)
{
    struct iovec one = {.iov_base = op->u.rw.buf, .iov_len = op->u.rw.len};
    bool vector = op->kind == OP_READV || op->kind == OP_WRITEV;
    const struct iovec *iov = vector ? op->u.rw.buf : &one;
    int count = vector ? (int)op->u.rw.len : 1;

    if (op->kind == OP_READ || op->kind == OP_READV)
        return sys->preadv(op->u.rw.fd, iov, count, op->u.rw.off);
    return sys->pwritev(op->u.rw.fd, iov, count, op->u.rw.off);
}

static int64_t prefault(const struct heald_op *op, unsigned access)
{
    return heald_map_prefault(op->u.map.map, op->u.map.offset, op->u.map.size, access);
}

int64_t heald__file_attempt(const struct heald_sys *sys, const struct heald_op *op)
{
    switch ((enum op_kind)op->kind) {
    case OP_READ:
    case OP_READV:
    case OP_WRITE:
    case OP_WRITEV: return perform_rw(sys, op);
    case OP_OPEN:
        return sys->open(op->u.path.dirfd, op->u.path.path, op->u.path.flags, op->u.path.u.mode);
    case OP_OPEN_BENEATH:
        return sys->open_beneath(op->u.path.dirfd, op->u.path.path, op->u.path.flags,
                                 op->u.path.u.mode);
    case OP_STAT:
        return sys->stat(op->u.path.dirfd, op->u.path.path, op->u.path.flags, op->u.path.u.ret);
    case OP_FSYNC: return sys->fsync(op->u.poll.fd, op->u.poll.events != 0);
    case OP_CLOSE: return sys->close(op->u.poll.fd);
    case OP_ACCEPT:
    case OP_ACCEPT_MULTI:
        return sys->accept(op->u.accept.fd, op->kind == OP_ACCEPT ? op->u.accept.addr : NULL,
                           op->kind == OP_ACCEPT ? op->u.accept.len : NULL);
    case OP_CONNECT: return sys->connect(op->u.connect.fd, op->u.connect.addr, op->u.connect.len);
    /* A map has the table of calls that it was opened with. */
    case OP_MAP_SYNC: return heald_map_sync(op->u.map.map, op->u.map.offset, op->u.map.size);
    case OP_MAP_READ: return prefault(op, HEALD_MAP_READ);
    case OP_MAP_WRITE: return prefault(op, HEALD_MAP_WRITE);
    default: return -EINVAL;
    }
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
