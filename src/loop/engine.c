/*
 * loop/engine.c: file ops on their way to the engine, or to the back end when that is the same
 * ring. The loop's thread.
 *
 * An op that the engine has is listed in loop->files by op->aux; one that the back end has in its
 * stead, in loop->natives by op->link. Both have the flag OP_ENGINE: their kind may be one that
 * waits in the queue of a descriptor, and they do not.
 */
#include "loop/loop.h"
#include "pool/pool.h"

#include <errno.h>

static void run_job(void *ctx, struct heald_link *job)
{
    struct heald_loop *loop = ctx;
    struct heald_op *op = heald_container_of(job, struct heald_op, link);

    if (op_load_state(op) == OP_DONE) {
        heald_fn *fn = op->fn;
        op_move(op, OP_IDLE);
        fn(op);
        return;
    }
    int64_t result = heald_file_perform(loop->sys, op);
    loop->sink.done_remote(&loop->sink, op, result);
}

int heald_loop_pool(struct heald_loop *loop, struct heald_pool **ret_pool)
{
    int err = 0;

    if (!loop->pool)
        err = heald_pool_open(&loop->pool, loop->sys, &loop->alloc, loop->pool_threads, run_job,
                              loop);
    *ret_pool = loop->pool;
    return err;
}

static int pool_of(struct heald_engine *engine, struct heald_pool **ret_pool)
{
    return heald_loop_pool(heald_container_of(engine, struct heald_loop, engine), ret_pool);
}

int heald_engine_open(struct heald_loop *loop, const struct heald_engine_ops *ops, bool is_native)
{
    unsigned entries = loop->backend.entries;

    loop->engine = (struct heald_engine){.ops = ops,
                                         .sys = loop->sys,
                                         .alloc = &loop->alloc,
                                         .sink = &loop->sink,
                                         .entries = entries,
                                         .edge = loop->backend.ops->edge,
                                         .fd = -1,
                                         .pool = pool_of};
    loop->files_native = is_native;
    return is_native ? 0 : ops->open(&loop->engine);
}

void heald_engine_close(struct heald_loop *loop)
{
    heald_pool_close(loop->pool);
    loop->pool = NULL;
    if (loop->engine.ops && !loop->files_native)
        loop->engine.ops->close(&loop->engine);
}

/* The engine, or for what that cannot the one that needs but the pool. */
static const struct heald_engine_ops *ops_for(const struct heald_loop *loop,
                                              const struct heald_op *op)
{
    return op_is_mapped(op) && !loop->engine.ops->maps ? &heald_engine_threads : loop->engine.ops;
}

/* Has the back end got it, or would it get it, in the engine's stead? */
static bool is_native(const struct heald_loop *loop, const struct heald_op *op)
{
    return loop->files_native && !op_is_mapped(op);
}

void heald_engine_submit(struct heald_loop *loop, struct heald_op *op)
{
    op_move(op, OP_ARMED);
    op->flags |= OP_ENGINE;
    if (is_native(loop, op)) {
        list_push(&loop->natives, &op->link);
        heald_kernel_submit(loop, op);
        return;
    }
    list_push(&loop->files, &op->aux);
    loop->flush = !loop->files_native;
    ops_for(loop, op)->submit(&loop->engine, op);
}

void heald_engine_cancel(struct heald_loop *loop, struct heald_op *op)
{
    if (is_native(loop, op)) {
        loop->backend.ops->cancel(&loop->backend, op);
        return;
    }
    loop->flush = !loop->files_native;
    ops_for(loop, op)->cancel(&loop->engine, op);
}

int heald_engine_flush(struct heald_loop *loop)
{
    if (!loop->flush)
        return 0;
    int left = loop->engine.ops->flush(&loop->engine);
    loop->flush = left != 0;
    return left < 0 ? left : 0;
}

/* The engine is done with an op: the way back of heald_engine_submit(). */
void heald_engine_done(struct heald_loop *loop, struct heald_op *op, int64_t result)
{
    op->flags &= (uint8_t)~OP_ENGINE;
    list_remove(&op->aux);
    heald_complete(loop, op, result);
}
