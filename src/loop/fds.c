/*
 * loop/fds.c: the table of descriptors. See fds.h. The loop's thread.
 *
 * Invariant: an op is linked here exactly while it is queued, armed or cancelling and names a
 * descriptor, or is a file operation; a multishot op stays at the head of its queue while its
 * callback is due, so that nobody overtakes it. Of an entry that is not in use all lists are empty.
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
    loop->fds.plain = loop->since ? 0 : size;
    return 0;
}

static void entry_init(struct heald_loop *loop, struct heald_fd *e, int type)
{
    e->type = (uint8_t)type;
    e->armed = 0;
    e->cancels = 0;
    e->key++;
    /* Only of TCP does a short read prove that nothing is left, whatever the other end does. */
    e->flags = type == FD_STREAM && loop->backend.ops->edge ? FDS_EDGE : 0;
    if (fds_is_socket(e))
        e->flags |= FDS_PLAIN;
    if (loop->backend.ops->submit)
        heald__idle_new(loop, e);
}

/* What it is, if it is open: an enum fd_type, or -errno. */
static int ask(struct heald_loop *loop, int fd)
{
    return fd < 0 ? -EBADF : loop->sys->fd_type(fd);
}

/* An entry for a number of which nothing is known. */
static struct heald_fd *make(struct heald_loop *loop, int fd, int type, int *ret_err)
{
    if (type < 0)
        *ret_err = type;
    if (type < 0 || ((unsigned)fd >= loop->fds.size && (*ret_err = grow(loop, fd))))
        return NULL;
    struct heald_fd *e = &loop->fds.v[fd];
    entry_init(loop, e, type);
    /* The first read is tried at once: some errors would never be reported as readiness, such as
     * to accept on a socket that does not listen, or to read from the end of a pipe to write to. */
    e->flags |= FDS_READABLE;
    return e;
}

struct heald_fd *heald__fds_get(struct heald_loop *loop, int fd, int *ret_err)
{
    struct heald_fd *e = fds_find(&loop->fds, fd);

    if (e && e->flags & FDS_CLOSING) {
        if ((*ret_err = heald__close_wait(loop, e)))
            return NULL;
        e = NULL;
    }
    if (!e)
        return make(loop, fd, ask(loop, fd), ret_err);
    if (e->type == FD_HELD) {
        int type = ask(loop, fd);
        if (type < 0) {
            *ret_err = type;
            return NULL;
        }
        entry_init(loop, e, type);
        e->flags |= FDS_READABLE;
    }
    return e;
}

struct heald_fd *heald__fds_hold(struct heald_loop *loop, int fd, int *ret_err)
{
    struct heald_fd *e = fds_find(&loop->fds, fd);

    /* Asking keeps a wild number from growing the table. */
    if (e || (unsigned)fd >= loop->fds.size)
        return heald__fds_get(loop, fd, ret_err);
    return make(loop, fd, FD_HELD, ret_err);
}

void heald__fds_release_slow(struct heald_loop *loop, struct heald_fd *e)
{
    if (e == &loop->fds.detached)
        return;
    if (e->flags & FDS_CLOSING)
        heald__close_go_on(loop, e);
    else if (!e->files && !e->polls)
        heald__fds_free(loop, e);
}

void heald__fds_fresh(struct heald_loop *loop, int fd, int type)
{
    struct heald_fd *e = fds_find(&loop->fds, fd);

    /* The program has closed it without heald_close(): ops that name it were for the old one. */
    if (e) {
        heald__fds_end(loop, e, true);
        heald__fds_free(loop, e);
    }
    /* No room is no harm: the descriptor is then looked at when it is first used. */
    if (type == FD_UNKNOWN || ((unsigned)fd >= loop->fds.size && grow(loop, fd)))
        return;
    entry_init(loop, &loop->fds.v[fd], type);
}

/* Ends all in a list that have one of these traits. */
static void end_those(struct heald_loop *loop, struct heald_op **list, uint32_t traits)
{
    struct heald_op *first = *list, *op, *next;

    /* The last first, so that ending one does not start the next; those in the kernel stay until it
     * lets go. */
    for (op = first ? fds_op(first->link.prev) : NULL; op; op = next) {
        next = op == first ? NULL : fds_op(op->link.prev);
        if (op->kind != OP_WATCH && op->kind != OP_CLOSE && !op_is_ending(op) &&
            heald__op_traits[op->kind] & traits)
            heald__op_cancel(loop, op);
    }
}

static void end_all(struct heald_loop *loop, struct heald_op **list)
{
    end_those(loop, list, OP_PUBLIC);
}

void heald__fds_end(struct heald_loop *loop, struct heald_fd *e, bool files_too)
{
    end_all(loop, &e->queue[DIR_IN]);
    end_all(loop, &e->queue[DIR_OUT]);
    end_all(loop, &e->polls);
    end_those(loop, &e->files, files_too ? OP_PUBLIC : OP_LOCKS);
}

static bool detach(struct heald_loop *loop, struct heald_op **list)
{
    bool any = *list;
    struct heald_op *op;

    while ((op = *list)) {
        fds_remove(list, op);
        op->flags |= OP_DETACHED;
        fds_push(&loop->fds.detached.files, op);
    }
    return any;
}

void heald__fds_free(struct heald_loop *loop, struct heald_fd *e)
{
    int fd = (int)(e - loop->fds.v);

    int any = detach(loop, &e->queue[DIR_IN]);

    any += detach(loop, &e->queue[DIR_OUT]);
    any += detach(loop, &e->polls);
    any += detach(loop, &e->files);
    /* Another process that shares the open file must not lose anything to ops that are cancelled.
     */
    if (any && loop->backend.ops->flush)
        loop->backend.ops->flush(&loop->backend);
    if (e->pause)
        heald__pause_end(loop, e);
    heald__idle_forget(loop, e);
    /* Closing takes an entry out of epoll's set only when nobody else has the same file open. */
    if (e->armed)
        heald__ready_unarm(loop, e, fd);
    if (e->shown)
        loop->sys->mirror_set(loop->mirror, fd, e->shown, 0);
    e->shown = 0;
    if (e->again)
        loop->sys->close(e->again);
    e->again = 0;
    e->armed = 0;
    e->flags = 0;
    e->at_position = false;
    e->type = FD_UNKNOWN;
    e->key++;
}

void heald__fds_close(struct heald_loop *loop)
{
    for (unsigned fd = 0; fd < loop->fds.size; fd++) {
        struct heald_fd *e = &loop->fds.v[fd];
        if (e->pause)
            heald__pause_end(loop, e);
        if (e->again)
            loop->sys->close(e->again);
    }
    heald__pauses_free(loop);
    alloc_free(&loop->alloc, loop->fds.v, loop->fds.size * sizeof *loop->fds.v);
    loop->fds.v = NULL;
    loop->fds.size = loop->fds.plain = 0;
}
