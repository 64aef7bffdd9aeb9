/*
 * await/child.c: the end of a child process as an op: a descriptor that becomes readable when the
 * child has ended, then one call that reaps it. The loop's thread. The descriptor lives exactly as
 * long as the op.
 */
#include "await/await.h"
#include "loop/loop.h"

#include <heald/io.h>

#include <errno.h>

static int child_start(struct heald_loop *loop, struct heald_op *op)
{
    int err = 0, fd = loop->sys->child_open(op->u.child.pid);

    op->u.child.fd = -1;
    if (fd == -ECHILD) {
        heald__complete(loop, op, fd);
        return 0;
    }
    if (fd < 0)
        return fd;
    struct heald_fd *e = heald__fds_get(loop, fd, &err);
    if (!e) {
        loop->sys->close(fd);
        return err ? err : -EIO;
    }
    /* A wake for nothing must come again. The pipe of a thread would be armed for changes. */
    e->flags &= (uint16_t)~FDS_EDGE;
    op->u.child.fd = fd;
    if (loop->backend.ops->submit) {
        fds_push(&e->polls, op);
        heald__ring_submit(loop, op);
        return 0;
    }
    err = heald__polls_submit(loop, e, op);
    if (err) {
        op->u.child.fd = -1;
        heald_close(loop, fd);
    }
    return err;
}

static void child_ready(struct heald_loop *loop, struct heald_op *op)
{
    int err = loop->sys->child_reap(op->u.child.pid, op->u.child.ret);

    if (err == -EAGAIN || err == -EINTR) {
        /* Woken for nothing: wait on, where the back end does not do so by itself. */
        if (op->state == OP_ARMED) {
            if (loop->backend.ops->submit)
                heald__ring_submit(loop, op);
            return;
        }
        err = -ECANCELED;
    }
    fds_remove(fds_list(fds_of(&loop->fds, op), op), op);
    heald__complete(loop, op, err);
}

static void child_tidy(struct heald_loop *loop, struct heald_op *op)
{
    if (op->u.child.fd >= 0)
        heald_close(loop, op->u.child.fd);
    op->u.child.fd = -1;
}

const struct heald_upper heald__await_children = {
    .start = child_start,
    .ready = child_ready,
    .tidy = child_tidy,
};
