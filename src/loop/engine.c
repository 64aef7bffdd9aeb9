/*
 * loop/engine.c: file ops on their way to the engine, or to the back end when that is the same
 * ring; and the pools of threads. The loop's thread.
 *
 * An op that does not wait for a descriptor but works on a file has the flag OP_FILE and lies in
 * the list `files` of the entry that it names, whatever performs it. Locks are not the engine's:
 * see file_lock.c.
 *
 * What has no form that cannot block goes to a ring, or, where there is none, to a thread of the
 * second pool, once the descriptor is ready. The thread works on a duplicate, so the number can be
 * closed while it waits. It may wait long: what was ready may have been taken by another process.
 * An op that is to end there is interrupted, again and again until the thread has noticed, since it
 * may be on its way into the call, or out of it. What it got by then is its result.
 */
#include "loop/loop.h"
#include "pool/pool.h"

#include <errno.h>

#define ROOM_NS (10 * HEALD_MS) /* until the threads are asked again */

enum { WAITS_MAX = 64 /* threads that wait for what others may have taken first */ };

static struct heald_op *op_of_job(struct heald_link *job)
{
    return heald_container_of(job, struct heald_op, aux);
}

/* By the duplicate of its descriptor, which is where the result will be. Into a buffer of a group
 * it is a read. */
static struct heald_op duplicate_of(const struct heald_op *op)
{
    struct heald_op copy = {.kind = op->kind, .u = op->u};

    if (heald__op_traits[op->kind] & OP_GROUP) {
        const struct heald_buf_group *g = op->u.group.group;
        heald_prep_read(&copy, -1, heald_buf_data(g, op->u.group.last), g->size, HEALD_NO_OFFSET);
    }
    copy.u.rw.fd = (int)op->result;
    return copy;
}

/* Interrupted, an op goes back to the loop, which knows whether it is to go on; a close has been
 * done all the same. */
static int64_t perform_blocking(const struct heald_sys *sys, const struct heald_op *op)
{
    const struct heald_op on_duplicate = duplicate_of(op);
    int64_t result;
    do
        result = heald__file_attempt(sys, &on_duplicate);
    while (result == -EINTR && op->kind == OP_CONNECT && op_load_state(op) != OP_CANCELLING);
    if (op->kind != OP_CLOSE)
        sys->close(on_duplicate.u.rw.fd);
    else if (result == -EINTR)
        result = 0;
    return result;
}

/* Nothing of an op but its state may be read there that the loop's thread may write meanwhile. */
static void run_job(void *ctx, struct heald_link *job)
{
    struct heald_loop *loop = ctx;
    struct heald_op *op = op_of_job(job);

    if (op_load_state(op) == OP_DONE) {
        heald_fn *fn = op->fn;
        op_move(op, OP_IDLE);
        fn(op);
        return;
    }
    loop->sink.done_remote(&loop->sink, op, heald__file_perform(loop->sys, op));
}

static void run_waiting_job(void *ctx, struct heald_link *job)
{
    struct heald_loop *loop = ctx;
    struct heald_op *op = op_of_job(job);

    loop->sink.done_remote(&loop->sink, op, perform_blocking(loop->sys, op));
}

/* When a thread of the engine got it; of a callback nothing is kept. The loop's thread. */
static int64_t queued_since(const struct heald_link *job)
{
    const struct heald_op *op = heald_container_of(job, struct heald_op, aux);

    return op->stage == STAGE_POOL ? op->result : 0;
}

void heald_loop_file_stats(struct heald_loop *loop, struct heald_workers_stats *ret_stats)
{
    *ret_stats = (struct heald_workers_stats){0};
    if (loop->pools[POOL_FILES])
        heald__pool_stats(loop->pools[POOL_FILES], ret_stats);
}

int heald__loop_pool(struct heald_loop *loop, int which, struct heald_pool **ret_pool)
{
    bool files = which == POOL_FILES;
    int err = 0;

    if (!loop->pools[which]) {
        err = heald__pool_open(&loop->pools[which], loop->sys, &loop->alloc,
                               files ? loop->pool_threads : WAITS_MAX,
                               files ? run_job : run_waiting_job, loop);
        if (!err && files)
            heald__pool_timed(loop->pools[which], queued_since);
        else if (!err)
            heald__pool_interruptible(loop->pools[which]);
    }
    *ret_pool = loop->pools[which];
    return err;
}

static int pool_of(struct heald_engine *engine, struct heald_pool **ret_pool)
{
    return heald__loop_pool(heald_container_of(engine, struct heald_loop, engine), POOL_FILES,
                            ret_pool);
}

static int64_t now_of(struct heald_engine *engine)
{
    return heald_now(heald_container_of(engine, struct heald_loop, engine));
}

int heald__engine_open(struct heald_loop *loop, const struct heald_engine_ops *ops, bool is_native)
{
    unsigned entries = loop->backend.entries;

    loop->engine = (struct heald_engine){.ops = ops,
                                         .sys = loop->sys,
                                         .alloc = &loop->alloc,
                                         .sink = &loop->sink,
                                         .entries = entries,
                                         .edge = loop->backend.ops->edge,
                                         .fd = -1,
                                         .pool = pool_of,
                                         .now = now_of};
    loop->files_native = is_native;
    return is_native ? 0 : ops->open(&loop->engine);
}

void heald__engine_close(struct heald_loop *loop)
{
    for (int which = 0; which < POOLS; which++) {
        heald__pool_close(loop->pools[which]);
        loop->pools[which] = NULL;
    }
    if (loop->engine.ops && !loop->files_native)
        loop->engine.ops->close(&loop->engine);
}

/* Is the ring of the back end the engine, and does it do this? */
static bool ring_takes(const struct heald_loop *loop, const struct heald_op *op)
{
    const struct heald_backend_ops *ops = loop->backend.ops;

    return loop->files_native && (!ops->takes || ops->takes(&loop->backend, op));
}

/* The engine, or for what that cannot the one that needs but the pool. */
static const struct heald_engine_ops *ops_for(const struct heald_loop *loop,
                                              const struct heald_op *op)
{
    const struct heald_engine_ops *ops = loop->engine.ops;

    if (loop->files_native || (ops->takes && !ops->takes(&loop->engine, op)))
        return &heald__engine_threads;
    return ops;
}

bool heald__takes_whole(const struct heald_loop *loop, const struct heald_fd *e,
                        const struct heald_op *op)
{
    if (heald__op_traits[op->kind] & OP_READINESS)
        return false;
    if (loop->backend.ops->submit)
        return true;
    return loop->engine.ops->waits &&
           (heald__op_traits[op->kind] & OP_WHOLE ||
            (e->flags & FDS_ELSEWHERE && heald__op_traits[op->kind] & OP_RW));
}

bool heald__takes_seekable(const struct heald_loop *loop)
{
    return loop->files_native || loop->engine.ops->waits;
}

void heald__engine_do(struct heald_loop *loop, struct heald_op *op)
{
    if (op->state == OP_QUEUED)
        op_move(op, OP_ARMED);
    if (heald__op_traits[op->kind] & OP_LOCKS) {
        heald__file_lock_do(loop, op);
        return;
    }
    if (ring_takes(loop, op)) {
        heald__ring_submit(loop, op);
        return;
    }
    loop->attention.flush = !loop->files_native;
    ops_for(loop, op)->submit(&loop->engine, op);
}

/*
 * What reads, writes or lists at the file position goes one after another, in the order of
 * submission: threads would do it in any order, and each from where another has left the position.
 * One of them runs while `at_position` is set; the others wait in `files`, and are the loop's.
 */
static struct heald_op *waits_for_position(const struct heald_fd *e)
{
    struct heald_op *op = e->files;

    if (!op)
        return NULL;
    do
        if (op->state == OP_QUEUED && heald__uses_position(op))
            return op;
    while ((op = fds_op(op->link.next)) != e->files);
    return NULL;
}

bool heald__uses_position(const struct heald_op *op)
{
    if (op->flags & OP_DETACHED)
        return false;
    if (heald__op_traits[op->kind] & OP_RW)
        return op->u.rw.off < 0;
    if (op->kind == OP_COPY_RANGE)
        return op->u.copy.copy->from_offset < 0 || op->u.copy.copy->to_offset < 0;
    return op->kind == OP_READDIR;
}

void heald__engine_submit(struct heald_loop *loop, struct heald_fd *e, struct heald_op *op)
{
    op->flags |= e == &loop->fds.detached ? OP_FILE | OP_DETACHED : OP_FILE;
    if (!(heald__op_traits[op->kind] & OP_FLAGS))
        op->buffer = 0;
    fds_push(&e->files, op);
    if (heald__uses_position(op)) {
        if (e->at_position)
            return;
        e->at_position = true;
    }
    heald__engine_do(loop, op);
}

void heald__engine_next_at_position(struct heald_loop *loop, struct heald_fd *e)
{
    struct heald_op *op = waits_for_position(e);

    e->at_position = op;
    if (op)
        heald__engine_do(loop, op);
}

/* The duplicate is kept where the result will be. */
int heald__pool_duplicate(struct heald_loop *loop, struct heald_op *op)
{
    int fd = loop->sys->duplicate(op_fd(op));

    if (fd >= 0)
        op->result = fd;
    return fd < 0 ? fd : 0;
}

/* A thread reads into a buffer that it has for itself: u.group.last. */
static int take_buffer(struct heald_op *op)
{
    if (!(heald__op_traits[op->kind] & OP_GROUP))
        return 0;
    int index = heald__group_acquire(op->u.group.group);
    op->u.group.last = index < 0 ? 0 : (uint32_t)index;
    return index < 0 ? index : 0;
}

/* What takes no room takes no buffer. */
static void note_buffer(struct heald_op *op, int64_t result)
{
    if (!(heald__op_traits[op->kind] & OP_GROUP))
        return;
    op->buffer = result > 0 ? (uint16_t)op->u.group.last : HEALD_NO_BUFFER;
    if (result <= 0)
        heald_buf_return(op->u.group.group, op->u.group.last);
}

/* May it be back to waiting for readiness instead? */
static bool waits_in_thread(const struct heald_op *op)
{
    return op->kind != OP_CONNECT && op->kind != OP_CLOSE;
}

static void count_waiting(struct heald_loop *loop, const struct heald_op *op, int by)
{
    if (heald__op_traits[op->kind] & OP_LOCKS)
        loop->locking += (unsigned)by;
    if (waits_in_thread(op))
        loop->waiting += (unsigned)by;
    loop->attention.threads = loop->waiting != 0;
}

/* Where each thread waits for what may never come, they go back to waiting for readiness, so that
 * what can be done now is. */
int64_t heald__pool_make_room(struct heald_loop *loop)
{
    bool crowded = heald__pool_relieve(loop->pools[POOL_WAITS]);
    return crowded ? heald_now(loop) + ROOM_NS : HEALD_FOREVER;
}

int heald__pool_take(struct heald_loop *loop, struct heald_op *op)
{
    struct heald_pool *pool;
    int err = heald__loop_pool(loop, POOL_WAITS, &pool);

    if (!err)
        err = take_buffer(op);
    if (err)
        return err;
    if ((err = heald__pool_submit(pool, &op->aux))) {
        note_buffer(op, err);
        return err;
    }
    op_stage_move(op, STAGE_THREAD);
    if (loop->waiting)
        heald__pool_make_room(loop);
    count_waiting(loop, op, 1);
    return 0;
}

void heald__pool_do(struct heald_loop *loop, struct heald_op *op)
{
    int err = heald__pool_take(loop, op);

    if (!err)
        return;
    /* Not one thread can be had. By -EAGAIN it would be attempted again at once, without end. */
    int closed = loop->sys->close((int)op->result);
    err = err == -EAGAIN ? -ENOMEM : err;
    heald__result(loop, op, op->kind == OP_CLOSE ? closed : err, false);
}

void heald__pool_left(struct heald_loop *loop, struct heald_op *op)
{
    count_waiting(loop, op, -1);
    note_buffer(op, op->result);
    if (op->flags & OP_FILE && !(op->flags & OP_DETACHED) && fds_of(&loop->fds, op)->pause)
        heald__pause_success(fds_of(&loop->fds, op));
    if (!op_is_ending(op))
        return;
    /* Its socket was shut down to free the thread: whatever that says, it was given up. */
    if (op->kind == OP_CONNECT)
        op->result = -ECANCELED;
    /* The pause was for asking the thread again. */
    if (op_is_queued_on_fd(op) && !(op->flags & OP_DETACHED))
        heald__pause_stop(loop, fds_of(&loop->fds, op), op_is_inward(op) ? DIR_IN : DIR_OUT);
}

bool heald__pool_withdraw(struct heald_loop *loop, struct heald_op *op)
{
    bool thread = op->stage == STAGE_THREAD;

    if (!heald__pool_dequeue(loop->pools[thread ? POOL_WAITS : POOL_FILES], &op->aux))
        return false;
    op_stage_move(op, STAGE_LOOP);
    if (thread) {
        count_waiting(loop, op, -1);
        note_buffer(op, -ECANCELED);
        loop->sys->close((int)op->result);
    }
    return true;
}

bool heald__engine_has_begun(struct heald_loop *loop, struct heald_op *op)
{
    if (op->stage == STAGE_POOL)
        return !heald__pool_is_queued(loop->pools[POOL_FILES], &op->aux);
    return op->stage != STAGE_BACKLOG;
}

bool heald__engine_can_give_up(const struct heald_loop *loop, const struct heald_op *op)
{
    return op->kind == OP_CONNECT || heald__pool_can_interrupt(loop->pools[POOL_WAITS]);
}

/* Asks the thread that waits for an op to give it up: a connect also by its socket, which is shut
 * down; that is no help where it waits for room at a Unix listener. It may not have begun to wait,
 * and is asked again after a pause. */
static void give_up(struct heald_loop *loop, const struct heald_op *op)
{
    heald__pool_interrupt(loop->pools[POOL_WAITS], &op->aux);
    if (op->kind == OP_CONNECT)
        loop->sys->shutdown(op_fd(op), SHUT_RDWR);
    int dir = op_is_inward(op) ? DIR_IN : DIR_OUT;
    heald__pause(loop, fds_of(&loop->fds, op), op->flags & OP_FILE ? DIR_FILES : dir);
}

static void cancel_in_pool(struct heald_loop *loop, struct heald_op *op)
{
    if (heald__pool_withdraw(loop, op))
        heald__result(loop, op, -ECANCELED, false);
    else if (op->stage == STAGE_THREAD && !(op->flags & OP_DETACHED) &&
             heald__engine_can_give_up(loop, op))
        give_up(loop, op);
}

void heald__engine_cancel(struct heald_loop *loop, struct heald_op *op)
{
    if (op->stage == STAGE_POOL || op->stage == STAGE_THREAD) {
        cancel_in_pool(loop, op);
    } else if (loop->backend.ops->submit) {
        loop->backend.ops->cancel(&loop->backend, op);
    } else {
        loop->attention.flush = true;
        loop->engine.ops->cancel(&loop->engine, op);
    }
}

int heald__engine_flush(struct heald_loop *loop)
{
    if (!loop->attention.flush)
        return 0;
    int left = loop->engine.ops->flush(&loop->engine);
    loop->attention.flush = left != 0;
    return left < 0 ? left : 0;
}

void heald__engine_drive(struct heald_loop *loop)
{
    if (loop->backend.ops->submit)
        loop->backend.ops->wait(&loop->backend, 0);
    if (!loop->files_native) {
        loop->attention.flush = true;
        heald__engine_flush(loop);
    }
}
