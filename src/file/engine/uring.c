/*
 * file/engine/uring.c: operations in a ring of their own, for loops whose back end is not that ring
 * already. The ring's bell is readable when something has completed, so the loop watches it.
 */
#include "file/engine.h"
#include "ring/client.h"
#include "ring/fill.h"

#include <errno.h>

struct engine_ring {
    struct heald_client client;
    struct heald_engine *engine;
};

static void on_done(struct heald_client *c, struct heald_op *op, int64_t result, unsigned flags)
{
    struct engine_ring *r = heald_container_of(c, struct engine_ring, client);
    r->engine->sink->done(r->engine->sink, op, result, flags & IORING_CQE_F_MORE);
}

static int ring_engine_open(struct heald_engine *e)
{
    struct engine_ring *r = alloc_new(e->alloc, sizeof *r);

    if (!r)
        return -ENOMEM;
    int err = heald__client_open(&r->client, e->sys, e->alloc, e->entries);
    if (err)
        goto fail;
    if ((e->fd = heald__ring_bell(&r->client.ring, !e->edge)) < 0) {
        err = e->fd;
        heald__client_close(&r->client);
        goto fail;
    }
    r->client.done = on_done;
    r->engine = e;
    e->priv = r;
    return 0;
fail:
    alloc_free(e->alloc, r, sizeof *r);
    return err;
}

static void ring_engine_close(struct heald_engine *e)
{
    struct engine_ring *r = e->priv;

    heald__client_close(&r->client);
    alloc_free(e->alloc, r, sizeof *r);
}

static struct heald_client *client_of(const struct heald_engine *e)
{
    return &((struct engine_ring *)e->priv)->client;
}

static bool ring_engine_takes(const struct heald_engine *e, const struct heald_op *op)
{
    return heald__ring_takes(&client_of(e)->ring, op);
}

static void ring_engine_submit(struct heald_engine *e, struct heald_op *op)
{
    heald__client_submit(client_of(e), op);
}

static void ring_engine_cancel(struct heald_engine *e, struct heald_op *op)
{
    heald__client_cancel(client_of(e), op);
}

static bool ring_engine_next(struct heald_engine *e, struct heald_op *op)
{
    return heald__client_next(client_of(e), op);
}

static int ring_engine_flush(struct heald_engine *e)
{
    int err = heald__client_catch_up(client_of(e));

    if (err && err != -EINTR)
        return err;
    return heald__client_busy(client_of(e));
}

const struct heald_engine_ops heald__engine_uring = {
    .name = "uring",
    .about = "operations in an io_uring; with the back end uring, in the same ring",
    .waits = true,
    .open = ring_engine_open,
    .close = ring_engine_close,
    .takes = ring_engine_takes,
    .submit = ring_engine_submit,
    .cancel = ring_engine_cancel,
    .next = ring_engine_next,
    .flush = ring_engine_flush,
};
