/*
 * loop/file_lock.c: locks on files, awaited. The loop's thread.
 *
 * Nothing in the kernel says that such a lock may be had now: no event, no entry of a ring. Only a
 * thread that waits in the call for it gets it in time. So an op is tried here, which does not
 * wait, and if another open file has a conflicting lock a thread of the second pool waits for it,
 * on a duplicate of the descriptor. A duplicate is the same open file, and that owns the lock. The
 * op lies in the list `files` of its entry all the while.
 *
 * Nothing leaks: the thread comes back with the lock or without. With it the result is 0, although
 * the op's end may have been asked for meanwhile: it is the owner's. Without it the thread was
 * interrupted (-EINTR): the op ends if that was asked for, and is tried again if not. A signal is
 * no wake that can be relied on, since the thread may be just before the call. It is repeated after
 * a pause, until the thread is back.
 *
 * Not all can have a thread: no more than HEALD_LOCK_THREADS wait so, since the pool serves others,
 * too; the system may have no thread, no descriptor for a duplicate, or no signal to interrupt
 * with; and the file system may answer a call that should wait as if it should not. What has none
 * (STAGE_LOOP) is tried again after a pause.
 */
#include "loop/loop.h"
#include "pool/pool.h"

#include <errno.h>

enum { HEALD_LOCK_THREADS = 32, ATTEMPTS_MAX = 64 /* that are interrupted, one after another */ };

static int64_t attempt(struct heald_loop *loop, const struct heald_op *op)
{
    const struct heald_sys *sys = loop->sys;
    int64_t result;
    int left = ATTEMPTS_MAX;

    do
        result = op->kind == OP_FLOCK ? sys->flock(op->u.range.fd, op->u.range.mode, false)
                                      : sys->file_lock(op->u.range.fd, op->u.range.mode,
                                                       op->u.range.offset, op->u.range.size, false);
    while (result == -EINTR && --left);
    return result;
}

/* With a deadline that has passed it is only tried: the next turn ends it, and no thread need
 * wait. */
static bool is_try(struct heald_loop *loop, const struct heald_op *op)
{
    return op->deadline_ns != HEALD_FOREVER && op->deadline_ns <= heald_now(loop);
}

/* Has a thread wait for it. False: it cannot have one. */
static bool wait_in_thread(struct heald_loop *loop, struct heald_op *op)
{
    struct heald_pool *pool;

    if (op->buffer == OP_UNAWAITED || is_try(loop, op) || loop->locking >= HEALD_LOCK_THREADS ||
        heald__loop_pool(loop, POOL_WAITS, &pool) || !heald__pool_can_interrupt(pool) ||
        heald__pool_duplicate(loop, op))
        return false;
    if (heald__pool_take(loop, op) == 0)
        return true;
    loop->sys->close((int)op->result);
    return false;
}

void heald__file_lock_do(struct heald_loop *loop, struct heald_op *op)
{
    int64_t result = attempt(loop, op);

    if (result == -EAGAIN || result == -EINTR) {
        if (wait_in_thread(loop, op))
            return;
        result = heald__pause(loop, fds_of(&loop->fds, op), DIR_FILES);
        if (!result)
            return;
    }
    heald__result(loop, op, result, false);
}

int heald__file_lock_submit(struct heald_loop *loop, struct heald_fd *e, struct heald_op *op)
{
    op->flags |= OP_FILE;
    op->buffer = 0;
    fds_push(&e->files, op);
    op_move(op, OP_ARMED);
    heald__file_lock_do(loop, op);
    return 0;
}

static bool is_lock(const struct heald_op *op)
{
    return heald__op_traits[op->kind] & OP_LOCKS;
}

static unsigned count(struct heald_op *first)
{
    struct heald_op *op = first;
    unsigned n = 0;

    do
        n++;
    while ((op = fds_op(op->link.next)) != first);
    return n;
}

void heald__file_lock_retry(struct heald_loop *loop, int fd)
{
    struct heald_fd *e = fds_find(&loop->fds, fd);
    struct heald_op *op = e ? e->files : NULL, *next;

    /* With the last of them the entry may go, and a close op of the loop's own behind them. */
    for (unsigned n = op ? count(op) : 0; n && fds_find(&loop->fds, fd); n--, op = next) {
        next = fds_op(op->link.next);
        if (!is_lock(op))
            continue;
        if (op->stage == STAGE_LOOP)
            heald__file_lock_do(loop, op);
        else if (op->state == OP_CANCELLING)
            heald__engine_cancel(loop, op);
    }
}

void heald__file_lock_hurry(struct heald_loop *loop, const struct heald_fd *e)
{
    struct heald_op *op = e->files;

    if (!op)
        return;
    do
        if (is_lock(op) && op->stage == STAGE_THREAD)
            heald__pool_interrupt(loop->pools[POOL_WAITS], &op->aux);
    while ((op = fds_op(op->link.next)) != e->files);
}
