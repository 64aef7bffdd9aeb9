/*
 * loop/close.c: closing descriptors: first all that names one has completed, was withdrawn, or is
 * out of reach of the number; then the number is free. The loop's thread.
 *
 * What the kernel has of an op that waits is a reference to the open file, and the number may go.
 * A file operation that a thread or a worker of the kernel has begun, or is about to begin, looks
 * the number up itself. Then the close waits: a close op lies at the end of the entry's `files`,
 * the caller's own or one of the loop's (heald_close()), and begins when it is the first.
 *
 * A close op of the caller's on a file is performed by the engine, because it may block. When it
 * has begun it is not known whether a number that is given to the loop is still the old one or
 * already another: so a later op waits for its end.
 *
 * A TCP socket with SO_LINGER blocks the thread that drops the last reference to it. So its number
 * is closed while a duplicate exists, which a thread closes, and not before the kernel has released
 * all its ops.
 */
#include "loop/loop.h"
#include "pool/pool.h"

#include <heald/io.h>

#include <errno.h>

enum { QUIESCE_MS = 1, QUIESCE_ROUNDS = 1000 /* for what holds the file, and not the number */ };

/* Marks a close op of the loop's own; never called, for nobody is notified of its end. */
static void is_own(struct heald_op *op)
{
    (void)op;
}

void heald__close_end_own(struct heald_loop *loop, struct heald_op *op)
{
    loop->stats.completed++;
    alloc_free(&loop->alloc, op, sizeof *op);
}

bool heald__close_is_own(const struct heald_op *op)
{
    return op->fn == is_own;
}

/* A close op of the loop's own, or NULL: no memory. */
static struct heald_op *make_own(struct heald_loop *loop, int fd)
{
    struct heald_op *op = alloc_new(&loop->alloc, sizeof *op);

    if (!op)
        return NULL;
    heald_prep_close(op, fd);
    op->fn = is_own;
    op->loop = loop;
    op_move(op, OP_QUEUED);
    op_move(op, OP_ARMED);
    loop->stats.submitted++;
    return op;
}

/* Where the entry notes that, see ring/fill.c. While results of an op with a group are kept `last`
 * is the place of one, and its entry is not such a one. */
static bool is_late(const struct heald_op *op)
{
    if (!(heald__op_traits[op->kind] & OP_GROUP))
        return op->buffer & OP_LATE;
    return !op->u.group.first && op->u.group.last & OP_LATE;
}

/* Is one of them in a ring, where a worker of the kernel's is about to look the number up? */
static bool has_late(struct heald_op *first)
{
    struct heald_op *op = first;

    if (!first)
        return false;
    do
        if (op_in_ring(op) && is_late(op))
            return true;
    while ((op = fds_op(op->link.next)) != first);
    return false;
}

/* Does anything wait on the descriptor? */
static bool is_awaited(const struct heald_fd *e)
{
    return e->queue[DIR_IN] || e->queue[DIR_OUT] || e->polls;
}

/* Does a thread wait for one of them that can be made to give it up? */
static bool has_in_thread(const struct heald_loop *loop, const struct heald_op *first)
{
    return first && first->stage == STAGE_THREAD && heald__engine_can_give_up(loop, first);
}

/* Does something of this entry, which is not a file operation, keep it from being closed? */
static bool is_held(const struct heald_loop *loop, const struct heald_fd *e)
{
    /* It is asked by way of the entry, again and again. */
    if (has_in_thread(loop, e->queue[DIR_IN]) || has_in_thread(loop, e->queue[DIR_OUT]))
        return true;
    return (e->flags & FDS_LINGERS && is_awaited(e)) || has_late(e->queue[DIR_IN]) ||
           has_late(e->queue[DIR_OUT]);
}

/* Behind all that was submitted before it. */
static void enlist(struct heald_fd *e, struct heald_op *op)
{
    op->flags |= OP_FILE;
    fds_push(&e->files, op);
}

static void park(struct heald_loop *loop, struct heald_fd *e)
{
    e->flags = (uint16_t)((e->flags & ~FDS_PLAIN) | FDS_CLOSING);
    heald__close_go_on(loop, e);
}

static void detach(struct heald_loop *loop, struct heald_op *op)
{
    op->flags |= OP_FILE | OP_DETACHED;
    fds_push(&loop->fds.detached.files, op);
}

/* The number is free at once; a thread drops the last reference to the socket. */
static void close_lingering(struct heald_loop *loop, struct heald_op *op)
{
    loop->sys->close(op_fd(op));
    heald__pool_do(loop, op);
}

/* Of a file the caller's close op is the engine's, and its entry stays until it has ended. */
static void begin(struct heald_loop *loop, struct heald_fd *e, struct heald_op *op)
{
    bool is_file = e->type == FD_FILE || e->type == FD_HELD, lingers = e->flags & FDS_LINGERS;

    /* Without a duplicate a lingering socket is closed like a file, by a thread. */
    if (lingers && heald__pool_duplicate(loop, op) != 0) {
        e->flags |= FDS_CLOSE_BEGUN;
        heald__engine_threads.submit(&loop->engine, op);
        return;
    }
    if (is_file && !lingers && op->fn != is_own) {
        e->flags |= FDS_CLOSE_BEGUN;
        heald__engine_do(loop, op);
        return;
    }
    fds_remove(&e->files, op);
    heald__fds_free(loop, e);
    detach(loop, op);
    if (lingers)
        close_lingering(loop, op);
    else
        heald__result(loop, op, loop->sys->close(op_fd(op)), false);
}

void heald__close_go_on(struct heald_loop *loop, struct heald_fd *e)
{
    struct heald_op *op = e->files;

    if (!op) {
        heald__fds_free(loop, e);
        return;
    }
    /* It is the last: when it is the first as well, nobody is before it. */
    if (op->kind != OP_CLOSE || e->flags & FDS_CLOSE_BEGUN)
        return;
    /* The caller's comes after the ends of those that it has cancelled. */
    if (is_held(loop, e) || (is_awaited(e) && op->fn != is_own))
        return;
    begin(loop, e, op);
}

/* Waits, on the loop's thread, while the descriptor has an entry that is busy. Returns its entry,
 * or NULL: it has none any more. */
static struct heald_fd *wait_while(struct heald_loop *loop, int fd,
                                   bool (*is_busy)(struct heald_loop *loop,
                                                   const struct heald_fd *e, unsigned round))
{
    struct heald_fd *e;

    for (unsigned round = 0; (e = fds_find(&loop->fds, fd)) && is_busy(loop, e, round); round++) {
        if (round)
            loop->sys->poll(NULL, 0, QUIESCE_MS * HEALD_MS);
        heald__engine_drive(loop);
        heald__mailbox_fetch_all(loop);
    }
    return e;
}

/* Otherwise nobody can have got its number meanwhile. */
static bool is_being_closed(struct heald_loop *loop, const struct heald_fd *e, unsigned round)
{
    (void)round;
    return e->flags & FDS_CLOSE_BEGUN && heald__engine_has_begun(loop, e->files);
}

int heald__close_wait(struct heald_loop *loop, struct heald_fd *e)
{
    return wait_while(loop, (int)(e - loop->fds.v), is_being_closed) ? -EBADF : 0;
}

static bool lingers(struct heald_loop *loop, const struct heald_fd *e, int fd)
{
    bool may = !e || e->type == FD_STREAM || e->type == FD_HELD;
    return may && loop->sys->lingers(fd);
}

/* The entry of a descriptor that is to be closed, NULL if there is none. -EBADF: it is being
 * closed. */
static int find(struct heald_loop *loop, int fd, struct heald_fd **ret_e)
{
    struct heald_fd *e = fds_find(&loop->fds, fd);

    if (e && e->flags & FDS_CLOSING) {
        int err = heald__close_wait(loop, e);
        if (err)
            return err;
        e = NULL;
    }
    *ret_e = e;
    return 0;
}

int heald__close_submit(struct heald_loop *loop, struct heald_op *op)
{
    int fd = op_fd(op), err;
    struct heald_fd *e = NULL;

    op_move(op, OP_ARMED);
    err = find(loop, fd, &e);
    if (!err && !e && !(e = heald__fds_hold(loop, fd, &err)) && err == -ENOMEM)
        err = loop->sys->close(fd);
    if (!e) {
        heald__complete(loop, op, err);
        return 0;
    }
    e->flags |= lingers(loop, e, fd) ? FDS_LINGERS : 0;
    enlist(e, op);
    heald__fds_end(loop, e, false);
    park(loop, e);
    return 0;
}

int heald_close(struct heald_loop *loop, int fd)
{
    struct heald_op *own = NULL;
    struct heald_fd *e = NULL;
    int err = find(loop, fd, &e);

    if (err)
        return err;
    bool slow = lingers(loop, e, fd);
    if (e)
        heald__fds_end(loop, e, true);
    e = fds_find(&loop->fds, fd);
    if (!e && slow && !(e = heald__fds_hold(loop, fd, &err)))
        return loop->sys->close(fd);
    if (e && slow)
        e->flags |= FDS_LINGERS;
    bool waits = slow || (e && (e->files || is_held(loop, e)));
    if (waits && (own = make_own(loop, fd))) {
        enlist(e, own);
        park(loop, e);
        return 0;
    }
    /* Without memory for a close op it waits for what is running. */
    if (waits)
        heald_forget(loop, fd);
    else if (e)
        heald__fds_free(loop, e);
    return loop->sys->close(fd);
}

/* Is one of them in a ring that will bring its end before any callback has run? */
static bool has_in_ring(struct heald_op *first)
{
    struct heald_op *op = first;

    if (!first)
        return false;
    do
        if (op_in_ring(op) && op->state == OP_CANCELLING && !(op->flags & (OP_DUE | HEALD_MORE)))
            return true;
    while ((op = fds_op(op->link.next)) != first);
    return false;
}

/* Asks the thread that waits for one of them, if there is one, to give it up. */
static bool asks_thread(struct heald_loop *loop, struct heald_op *first)
{
    if (!has_in_thread(loop, first))
        return false;
    heald__engine_cancel(loop, first);
    return true;
}

/* Does a thread still work on the descriptor for this loop? A thread of the second pool has a
 * duplicate, and is awaited if it can be interrupted. */
static bool is_worked_on(struct heald_loop *loop, const struct heald_fd *e, unsigned round)
{
    heald__file_lock_hurry(loop, e);
    if (e->files || has_late(e->queue[DIR_IN]) || has_late(e->queue[DIR_OUT]))
        return true;
    if (round > QUIESCE_ROUNDS)
        return false;
    if (asks_thread(loop, e->queue[DIR_IN]) || asks_thread(loop, e->queue[DIR_OUT]))
        return true;
    return has_in_ring(e->queue[DIR_IN]) || has_in_ring(e->queue[DIR_OUT]) || has_in_ring(e->polls);
}

void heald_forget(struct heald_loop *loop, int fd)
{
    struct heald_fd *e = fds_find(&loop->fds, fd);

    if (!e || e->flags & FDS_CLOSING)
        return;
    heald__fds_end(loop, e, true);
    if ((e = wait_while(loop, fd, is_worked_on)))
        heald__fds_free(loop, e);
}

/*
 * The end of a close op was asked for. The descriptor goes all the same: by a close op of the
 * loop's own while others are before it, here and now when a thread has not begun it, and else by
 * this op, which is about to end anyhow.
 */
void heald__close_cancel(struct heald_loop *loop, struct heald_op *op)
{
    bool parked = !(op->flags & OP_DETACHED) && !(fds_of(&loop->fds, op)->flags & FDS_CLOSE_BEGUN);
    struct heald_op *own;

    if (parked && (own = make_own(loop, op_fd(op)))) {
        struct heald_fd *e = fds_of(&loop->fds, op);
        fds_remove(&e->files, op);
        own->flags |= OP_FILE;
        fds_push(&e->files, own);
        heald__complete(loop, op, -ECANCELED);
        return;
    }
    op_move(op, OP_CANCELLING);
    /* What a thread has is a duplicate, of which the number is free already. */
    bool by_number = op->stage == STAGE_POOL;
    if ((by_number || op->stage == STAGE_THREAD) && heald__pool_withdraw(loop, op)) {
        if (by_number)
            loop->sys->close(op_fd(op));
        heald__result(loop, op, -ECANCELED, false);
    } else if (op->stage == STAGE_THREAD) {
        /* It need not linger any longer. */
        heald__pool_interrupt(loop->pools[POOL_WAITS], &op->aux);
    }
}
