/*
 * file/engine/sync.c: the reference: does each operation in submit(), on the loop's thread, and so
 * blocks the loop for as long as the disk takes. For tests, for tools that do one thing after
 * another, and for systems without threads.
 */
#include "file/engine.h"

#include <errno.h>

static int sync_open(struct heald_engine *e)
{
    e->fd = -1;
    return 0;
}

static void sync_close(struct heald_engine *e)
{
    (void)e;
}

static void sync_submit(struct heald_engine *e, struct heald_op *op)
{
    e->sink->done(e->sink, op, heald__file_perform(e->sys, op), false);
}

static void sync_cancel(struct heald_engine *e, struct heald_op *op)
{
    (void)e; /* Nothing is ever in flight. */
    (void)op;
}

static int sync_flush(struct heald_engine *e)
{
    (void)e;
    return 0;
}

const struct heald_engine_ops heald__engine_sync = {
    .name = "sync",
    .about = "each operation where it is submitted: blocks the loop; the reference",
    .open = sync_open,
    .close = sync_close,
    .submit = sync_submit,
    .cancel = sync_cancel,
    .flush = sync_flush,
};
