/*
 * loop/fds.c: the table of descriptors. See fds.h.
 *
 * Invariant: an op is linked here exactly while it is queued, armed or cancelling and its kind
 * waits on a descriptor; a multishot op stays at the head of its queue while its callback is due,
 * so that nobody overtakes it.
 */
#include "loop/loop.h"

#include <errno.h>

enum { FIRST_SIZE = 64 };

static int grow(struct heald_loop *loop, int fd)
{
    unsigned old = loop->fds.size, size = old ? old : FIRST_SIZE;

    while (size <= (unsigned)fd)
        size *= 2;
    struct heald_fd *v = alloc_resize(&loop->alloc, loop->fds.v, old * sizeof *v, size * sizeof *v);
    if (!v)
        return -ENOMEM;
    memset(v + old, 0, (size - old) * sizeof *v);
    loop->fds.v = v;
    loop->fds.size = size;
    return 0;
}

static void entry_init(struct heald_loop *loop, struct heald_fd *e, int type, bool nonblocking)
{
    bool drains = type == FD_STREAM || type == FD_PIPE;

    e->type = (uint8_t)type;
    e->armed = 0;
    e->key++;
    e->flags = nonblocking ? FDS_NONBLOCK : 0;
    if (drains && loop->backend.ops->edge)
        e->flags |= FDS_EDGE;
}

struct heald_fd *heald_fds_get(struct heald_loop *loop, int fd, int *ret_err)
{
    struct heald_fd *e = fds_find(&loop->fds, fd);
    bool nonblocking = false;

    if (e)
        return e;
    /* Asking first also keeps a wild number from growing the table. */
    int type = fd < 0 ? -EBADF : loop->sys->fd_type(fd, &nonblocking);
    if (type < 0 || type == FD_FILE) {
        *ret_err = type < 0 ? type : 0;
        return NULL;
    }
    if ((unsigned)fd >= loop->fds.size && (*ret_err = grow(loop, fd)))
        return NULL;
    e = &loop->fds.v[fd];
    entry_init(loop, e, type, nonblocking);
    /* The first read is tried at once: some errors would never be reported as readiness, such as
     * to accept on a socket that does not listen, or to read from the end of a pipe to write to. */
    e->flags |= FDS_READABLE;
    return e;
}

void heald_fds_fresh(struct heald_loop *loop, int fd, int type)
{
    if (fds_find(&loop->fds, fd))
        heald_fds_forget(loop, fd, true);
    /* No room is no harm: the descriptor is then looked at when it is first used. */
    if ((unsigned)fd >= loop->fds.size && grow(loop, fd))
        return;
    entry_init(loop, &loop->fds.v[fd], type, true);
}

static void end_all(struct heald_loop *loop, struct heald_op **queue)
{
    struct heald_op *first = *queue, *op, *next;

    /* The last first, so that ending one does not start the next; those in the kernel stay until it
     * lets go. */
    for (op = first ? fds_op(first->link.prev) : NULL; op; op = next) {
        next = op == first ? NULL : fds_op(op->link.prev);
        if (op->kind != OP_WATCH && op->state != OP_CANCELLING && !(op->flags & OP_ENDING))
            heald_loop_end(loop, op);
    }
}

void heald_fds_forget(struct heald_loop *loop, int fd, bool closing)
{
    struct heald_fd *e = fds_find(&loop->fds, fd);

    if (!e)
        return;
    end_all(loop, &e->queue[DIR_IN]);
    end_all(loop, &e->queue[DIR_OUT]);
    end_all(loop, &e->polls);
    /* Those that the kernel has are not over yet. */
    if (loop->backend.ops->submit && loop->backend.ops->arm &&
        (e->queue[DIR_IN] || e->queue[DIR_OUT] || e->polls))
        loop->backend.ops->arm(&loop->backend, fd, e->key, 0, 0);
    /*
     * Closing takes an entry out of epoll's set, unless somebody else has the same file open. Then
     * an entry for changes is seldom heard of, and its key is out of date; one for levels would
     * keep the loop awake.
     */
    bool dropped = closing && loop->backend.ops->drops_closed && e->flags & FDS_EDGE;
    if (e->armed && !dropped)
        heald_ready_unarm(loop, e, fd);
    e->armed = 0;
    e->type = FD_UNKNOWN;
    e->key++;
}

void heald_fds_close(struct heald_loop *loop)
{
    alloc_free(&loop->alloc, loop->fds.v, loop->fds.size * sizeof *loop->fds.v);
    loop->fds.v = NULL;
    loop->fds.size = 0;
}
