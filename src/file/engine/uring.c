/*
 * file/engine/uring.c: file operations in a ring of their own, for loops whose back end is not that
 * ring already.
 *
 * The ring's bell is readable when something is finished, so the loop watches it. Ops that find no
 * room wait by op->link. A cancel that finds no room is dropped: it is a request, and the op ends
 * with what it does.
 */
#include "file/engine.h"
#include "op/op.h"
#include "ring/ring.h"

#include "base/list.h"

#include <errno.h>

struct engine_ring {
    struct heald_ring ring;
    struct heald_link backlog;
};

static int ring_engine_open(struct heald_engine *e)
{
    struct engine_ring *r = alloc_new(e->alloc, sizeof *r);

    if (!r)
        return -ENOMEM;
    int err = heald_ring_open(&r->ring, e->sys, e->alloc, e->entries);
    if (err)
        goto fail;
    if ((e->fd = heald_ring_bell(&r->ring, !e->edge)) < 0) {
        err = e->fd;
        heald_ring_close(&r->ring, e->alloc);
        goto fail;
    }
    list_init(&r->backlog);
    e->priv = r;
    return 0;
fail:
    alloc_free(e->alloc, r, sizeof *r);
    return err;
}

static void ring_engine_close(struct heald_engine *e)
{
    struct engine_ring *r = e->priv;

    heald_ring_close(&r->ring, e->alloc);
    alloc_free(e->alloc, r, sizeof *r);
}

static bool hand_over(struct engine_ring *r, struct heald_op *op)
{
    struct io_uring_sqe *sqe = heald_ring_entry(&r->ring);

    if (!sqe)
        return false;
    heald_ring_fill_file(&r->ring, sqe, op);
    op->flags |= OP_KERNEL;
    return true;
}

static void ring_engine_submit(struct heald_engine *e, struct heald_op *op)
{
    struct engine_ring *r = e->priv;

    if (!list_empty(&r->backlog) || !hand_over(r, op))
        list_push(&r->backlog, &op->link);
}

static void ring_engine_cancel(struct heald_engine *e, struct heald_op *op)
{
    struct engine_ring *r = e->priv;
    struct io_uring_sqe *sqe;

    if (!(op->flags & OP_KERNEL)) {
        list_remove(&op->link);
        e->sink->done(e->sink, op, -ECANCELED, false);
    } else if ((sqe = heald_ring_entry(&r->ring))) {
        heald_ring_fill_cancel(sqe, (uint64_t)(uintptr_t)op);
    }
}

static void work_off(struct engine_ring *r)
{
    struct heald_link *first;

    while ((first = r->backlog.next) != &r->backlog &&
           hand_over(r, heald_container_of(first, struct heald_op, link)))
        list_remove(first);
}

static void done(struct heald_engine *e, struct heald_op *op, int result)
{
    op->flags &= (uint8_t)~OP_KERNEL;
    /* A signal is nobody's business here; openat2 gives EAGAIN when a rename raced with it. */
    if (op->state == OP_ARMED &&
        (result == -EINTR || (result == -EAGAIN && op->kind == OP_OPEN_BENEATH)))
        ring_engine_submit(e, op);
    else
        e->sink->done(e->sink, op, result, false);
}

static void harvest(struct heald_engine *e, struct engine_ring *r)
{
    struct io_uring_cqe *cqe;

    while ((cqe = heald_ring_peek(&r->ring))) {
        struct heald_op *op = io_uring_cqe_get_data(cqe);
        int result = cqe->res;
        heald_ring_seen(&r->ring);
        if (op)
            done(e, op, result);
    }
}

/* What had no room among the completions rings no bell when it gets there: it is asked for. */
static int ring_engine_flush(struct heald_engine *e)
{
    struct engine_ring *r = e->priv;
    int err;

    do {
        work_off(r);
        err = heald_ring_enter(&r->ring, 0);
        harvest(e, r);
    } while (!err && heald_ring_behind(&r->ring));
    if (err && err != -EINTR)
        return err;
    return heald_ring_behind(&r->ring) || heald_ring_pending(&r->ring) || !list_empty(&r->backlog);
}

const struct heald_engine_ops heald_engine_uring = {
    .name = "uring",
    .about = "operations in an io_uring; with the back end uring, in the same ring",
    .open = ring_engine_open,
    .close = ring_engine_close,
    .submit = ring_engine_submit,
    .cancel = ring_engine_cancel,
    .flush = ring_engine_flush,
};
