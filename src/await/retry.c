/*
 * await/retry.c: what no event announces, tried again and again: to open a FIFO for writing, which
 * fails until a reader has it open; to send to or receive from a queue of System V. The loop's
 * thread.
 *
 * The ops wait in one list, in the order of their submission, and share one pause, which lies in
 * the loop's timers. It is short at first and twice as long each time, up to PAUSE_MAX_MS; after a
 * try that succeeded, and when an op comes, it is short again. So an op costs a system call for
 * each pause, and what it waits for is seen up to PAUSE_MAX_MS late.
 *
 * A try never waits: a cancel or a deadline comes between two tries, and nothing is lost or left
 * behind.
 */
#include "await/await.h"
#include "base/list.h"
#include "loop/loop.h"

#include <errno.h>

enum { PAUSE_FIRST_MS = 1, PAUSE_MAX_MS = 32 };

struct heald_retries {
    struct heald_link ops; /* by op->link */
    struct heald_op pause; /* OP_RETRY, in the timers while there are ops */
    int64_t next_ms;
};

static int64_t attempt_fifo(const struct heald_sys *sys, const struct heald_op *op)
{
    return sys->fifo_open(op->u.path.path, op->u.path.flags);
}

static int64_t attempt_msgsnd(const struct heald_sys *sys, const struct heald_op *op)
{
    return sys->msgsnd_now(op->u.sysv.queue, op->u.sysv.message, op->u.sysv.size);
}

static int64_t attempt_msgrcv(const struct heald_sys *sys, const struct heald_op *op)
{
    return sys->msgrcv_now(op->u.sysv.queue, op->u.sysv.message, op->u.sysv.size, op->u.sysv.type,
                           op->buffer);
}

#define ATTEMPT_ROW(kind, name, events, start, cancel, attempt, ...) \
    [OP_##kind] = attempt_##attempt,

static int64_t (*const attempts[OP_KINDS])(const struct heald_sys *sys,
                                           const struct heald_op *op) = {
    HEALD_KINDS_RETRIED(ATTEMPT_ROW)};

/* True: *ret_result is its result; false: it is to be tried again. */
static bool try_op(struct heald_loop *loop, const struct heald_op *op, int64_t *ret_result)
{
    int64_t again = op->kind == OP_FIFO_OPEN ? -ENXIO : -EAGAIN;

    *ret_result = attempts[op->kind](loop->sys, op);
    return *ret_result != again && *ret_result != -EINTR;
}

static void pause_begin(struct heald_loop *loop)
{
    struct heald_retries *r = loop->retries;

    if (list_linked(&r->pause.timer))
        heald__wheel_remove(&loop->timers, &r->pause);
    r->pause.deadline_ns = heald_now(loop) + r->next_ms * HEALD_MS;
    r->next_ms = r->next_ms * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : r->next_ms * 2;
    heald__timers_add(loop, &r->pause);
}

static int open_retries(struct heald_loop *loop)
{
    struct heald_retries *r = alloc_new(&loop->alloc, sizeof *r);

    if (!r)
        return -ENOMEM;
    list_init(&r->ops);
    r->pause.kind = OP_RETRY;
    r->pause.loop = loop;
    loop->retries = r;
    return 0;
}

static int retry_start(struct heald_loop *loop, struct heald_op *op)
{
    int64_t result;

    if (try_op(loop, op, &result)) {
        heald__complete(loop, op, result);
        return 0;
    }
    int err = loop->retries ? 0 : open_retries(loop);
    if (err)
        return err;
    list_push(&loop->retries->ops, &op->link);
    op_move(op, OP_ARMED);
    loop->retries->next_ms = PAUSE_FIRST_MS;
    pause_begin(loop);
    return 0;
}

static void leave(struct heald_loop *loop, struct heald_op *op, int64_t result)
{
    struct heald_retries *r = loop->retries;

    list_remove(&op->link);
    if (list_empty(&r->ops) && list_linked(&r->pause.timer))
        heald__wheel_remove(&loop->timers, &r->pause);
    heald__complete(loop, op, result);
}

static void retry_cancel(struct heald_loop *loop, struct heald_op *op)
{
    leave(loop, op, -ECANCELED);
}

/* The pause has ended. */
static void retry_all(struct heald_loop *loop)
{
    struct heald_retries *r = loop->retries;
    int64_t result;

    for (struct heald_link *n = r->ops.next, *next; n != &r->ops; n = next) {
        next = n->next;
        if (try_op(loop, fds_op(n), &result)) {
            r->next_ms = PAUSE_FIRST_MS;
            leave(loop, fds_op(n), result);
        }
    }
    if (!list_empty(&r->ops))
        pause_begin(loop);
}

static void retry_each(struct heald_loop *loop, void (*each)(const struct heald_op *, void *),
                       void *user)
{
    if (!loop->retries)
        return;
    struct heald_link *head = &loop->retries->ops;
    for (struct heald_link *n = head->next; n != head; n = n->next)
        each(fds_op(n), user);
}

static void retries_close(struct heald_loop *loop)
{
    if (loop->retries)
        alloc_free(&loop->alloc, loop->retries, sizeof *loop->retries);
    loop->retries = NULL;
}

const struct heald_upper heald__await_retries = {
    .start = retry_start,
    .cancel = retry_cancel,
    .try = retry_all,
    .each = retry_each,
    .close = retries_close,
};
