/*
 * file/engine/threads.c: operations on the loop's pool of threads.
 *
 * An op is the pool's from submit() to done_remote(), which returns it to the loop. One that has
 * not begun can be withdrawn; one that runs in the kernel cannot be interrupted and completes with
 * its own result.
 */
#include "file/engine.h"
#include "op/op.h"
#include "pool/pool.h"

#include <errno.h>

static int threads_open(struct heald_engine *e)
{
    e->fd = -1;
    return 0;
}

static void threads_close(struct heald_engine *e)
{
    (void)e; /* The pool is the loop's. */
}

static void threads_submit(struct heald_engine *e, struct heald_op *op)
{
    struct heald_pool *pool;
    int err = e->pool(e, &pool);

    /* Until it completes the result is free: for heald_loop_file_stats(). In a callback it is the
     * time of the turn: the clock is not read for each op. */
    op->result = e->now(e);
    if (!err)
        err = heald__pool_submit(pool, &op->aux);
    /* Its result comes by the loop's thread, so the stage is not looked at before. */
    if (!err)
        op_stage_move(op, STAGE_POOL);
    else
        e->sink->done(e->sink, op, err, false);
}

static void threads_cancel(struct heald_engine *e, struct heald_op *op)
{
    (void)e; /* The loop withdraws an op of a pool. */
    (void)op;
}

static int threads_flush(struct heald_engine *e)
{
    (void)e;
    return 0;
}

const struct heald_engine_ops heald__engine_threads = {
    .name = "threads",
    .about = "operations on a pool of threads, started when first needed",
    .open = threads_open,
    .close = threads_close,
    .submit = threads_submit,
    .cancel = threads_cancel,
    .flush = threads_flush,
};
