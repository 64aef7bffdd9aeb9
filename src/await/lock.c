/*
 * await/lock.c: what lies in shared memory and is waited for, as ops. The loop's thread.
 *
 * An op that has to wait has an entry in the wait queues of the words that show the end of its wait
 * (queue.h). When one of these words was woken the op is due: the turn tries it again, and puts its
 * entry to the queues of what is still to be waited for. An op that completes leaves them first, so
 * nothing of its region is read from then on.
 *
 * A condition's op has two halves: with u.lock.u.cond it waits for the signal, and `result` keeps
 * what it saw; without, for the mutex. A cancel or a deadline ends the first half only. With the
 * others `result` is what the object keeps between two tries; of a queue the address of the
 * message.
 */
#include "await/await.h"
#include "await/futex.h"
#include "await/queue.h"
#include "message/wait_ops.h"
#include "sync/lockdep.h"
#include "sync/wait_ops.h"

#include <errno.h>

/* The condition whose signal an op waits for still. */
static struct heald_cond *cond_of(const struct heald_op *op)
{
    return op->kind == OP_COND ? op->u.lock.u.cond : NULL;
}

/* What the first half of a condition's op waits for. */
static struct region_wait wait_of_cond(const struct heald_op *op)
{
    return (struct region_wait){.me = op->u.lock.me,
                                .word = &cond_of(op)->sequence,
                                .seen = (uint32_t)op->result,
                                .bell = (uint32_t)((uint64_t)op->result >> 32),
                                .guard = &((struct heald_mutex *)op->u.lock.object)->word};
}

#define WAIT_OPS_ROW(kind, name, events, start, cancel, attempt, ...) \
    [OP_##kind] = &heald__##attempt##_wait_ops,

static const struct sync_wait_ops *const all_wait_ops[OP_KINDS] = {HEALD_KINDS_LOCK(WAIT_OPS_ROW)};

static const struct sync_wait_ops *wait_ops_of(const struct heald_op *op)
{
    assert(all_wait_ops[op->kind]);
    return all_wait_ops[op->kind];
}

static bool is_rwlock(const struct sync_wait_ops *ops)
{
    return ops == &heald__rdlock_wait_ops || ops == &heald__wrlock_wait_ops;
}

static uint64_t site_of(const struct heald_op *op)
{
    return (uint64_t)(uintptr_t)op->fn;
}

/* One try; `result` is the memory of the ops. What a person finds of an object taken so is the
 * callback, which has it. */
static int try(struct heald_op *op, struct region_wait *ret_wait)
{
    const struct sync_wait_ops *ops = wait_ops_of(op);
    int err = ops->try(op->u.lock.object, op->u.lock.me, &op->result, ret_wait);

    return sync_acquired(ops, op->u.lock.object, op->u.lock.me, site_of(op), err);
}

/* It is going to be locked: the one time that the order of locks is asked. */
static void want(const struct heald_op *op)
{
    const struct sync_wait_ops *ops = wait_ops_of(op);

    if (op->u.lock.me->is_traced && (ops == &heald__mutex_wait_ops || is_rwlock(ops)))
        heald__lockdep_acquire(op->u.lock.me, op->u.lock.object, site_of(op));
}

/* Enqueues it for what it waits for now, if it is not there yet. */
static void show_wait(struct heald_op *op, const struct heald_wait *wait)
{
    struct heald_cond *cond = cond_of(op);
    /* No deadline ends the second half of a condition's op. */
    int64_t deadline_ns = op->kind == OP_COND && !cond ? HEALD_FOREVER : op->deadline_ns;
    unsigned flags = HEALD_WAIT_IN_LOOP | sync_wait_flags(deadline_ns);

    if (op->buffer || op_has_no_region(op))
        return;
    op->u.lock.me->site = site_of(op);
    op->buffer =
        cond ? heald__region_enqueue(op->u.lock.me, cond, HEALD_OBJECT_COND, flags, deadline_ns)
             : heald__region_enqueue(op->u.lock.me, op->u.lock.object, wait_ops_of(op)->kind,
                                     flags | wait_ops_of(op)->flags, deadline_ns);
    if (!cond)
        heald__region_note_wait_for(op->u.lock.me, wait->region.holder, op->u.lock.object);
}

static void dequeue(struct heald_op *op)
{
    if (op_has_no_region(op))
        return;
    heald__region_dequeue(op->u.lock.me, op->buffer);
    op->buffer = 0;
}

static void end_first_half(struct heald_op *op)
{
    dequeue(op);
    heald__cond_finish_wait(cond_of(op));
    op->u.lock.u.cond = NULL;
    op->result = 0;
    want(op);
}

/* `result` holds the memory of the ops still. */
static void tell_round(const struct heald_op *op)
{
    if (op->kind == OP_BARRIER && op->u.lock.u.ret_round)
        *op->u.lock.u.ret_round = (uint32_t)op->result;
}

static void finish(struct heald_loop *loop, struct heald_op *op, int result)
{
    dequeue(op);
    tell_round(op);
    heald__locks_remove(loop->locks, op);
    /* Release: pairs with heald__region_in_use(): this op looks at the region no
     * more. */
    if (!op_has_no_region(op))
        __atomic_fetch_sub(&op->u.lock.me->seat->pending, 1, __ATOMIC_RELEASE);
    /* A condition's op that was to end has its mutex now. */
    bool ended = op->kind == OP_COND && op->state == OP_CANCELLING;
    heald__complete(loop, op, !result && ended ? -ECANCELED : result);
}

/* Locks of others wake one: so an op on them completes only when it can no longer be woken. */
static void end_futex(struct heald_loop *loop, struct heald_op *op)
{
    if (!heald__entry_withdraw(loop->locks, entry_of(op)))
        return;
    if (op->u.futex.waited == FUTEX_OP_TAKEN) {
        finish(loop, op, (int)op->result);
        return;
    }
    heald__futex_abandon(op);
    finish(loop, op, -ECANCELED);
}

static bool futex_goes_on(struct heald_loop *loop, struct heald_op *op, struct heald_wait *ret_wait)
{
    if (op->state == OP_ARMED) {
        int err = heald__futex_try(op, ret_wait);
        if (err == -EBUSY)
            return true;
        op->result = err;
        op->u.futex.waited = FUTEX_OP_TAKEN;
        op_move(op, OP_CANCELLING);
    }
    end_futex(loop, op);
    return false;
}

/* Tries again. False: there is nothing to wait for any more. */
static bool goes_on(struct heald_loop *loop, struct heald_op *op, struct heald_wait *ret_wait)
{
    if (op_has_no_region(op))
        return futex_goes_on(loop, op, ret_wait);
    if (cond_of(op)) {
        *ret_wait = (struct heald_wait){.region = wait_of_cond(op)};
        if (!heald__region_has_changed(&ret_wait->region))
            return true;
        end_first_half(op);
    }
    int err = try(op, &ret_wait->region);
    if (err == -EBUSY) {
        show_wait(op, ret_wait);
        return true;
    }
    finish(loop, op, err);
    return false;
}

static void locks_try(struct heald_loop *loop)
{
    struct heald_locks *locks = loop->locks;
    struct heald_link batch, *node;

    loop->attention.try = false;
    heald__locks_fetch_due(locks, &batch);
    while ((node = list_pop(&batch))) {
        struct heald_entry *entry = heald_container_of(node, struct heald_entry, due);
        entry->wait = (struct heald_wait){0};
        locks->tries++;
        if (goes_on(loop, entry->op, &entry->wait))
            heald__entry_wait(locks, entry);
    }
    locks->waiter.ops->flush(&locks->waiter);
}

/* Everything that may fail, before anything has happened. */
static int make_room(struct heald_loop *loop, unsigned words, bool alone)
{
    int err = loop->locks ? 0 : heald__locks_open(loop);

    return err ? err : heald__locks_reserve(loop->locks, words, alone);
}

static void wait_in_loop(struct heald_loop *loop, struct heald_op *op,
                         const struct heald_wait *wait)
{
    struct heald_locks *locks = loop->locks;

    op_move(op, OP_ARMED);
    show_wait(op, wait);
    if (!op_has_no_region(op))
        __atomic_fetch_add(&op->u.lock.me->seat->pending, 1, __ATOMIC_RELAXED);
    struct heald_entry *entry = heald__locks_add(locks, op);
    entry->wait = *wait;
    heald__entry_wait(locks, entry);
    locks->waiter.ops->flush(&locks->waiter);
}

/* Undoes what the tries did. `result`, or what it came to after all. */
static int abandon(struct heald_op *op, int result)
{
    return heald__sync_abandon(wait_ops_of(op), op->u.lock.object, op->u.lock.me, &op->result,
                               result);
}

static int start_lock(struct heald_loop *loop, struct heald_op *op)
{
    struct heald_wait wait = {0};

    want(op);
    int err = try(op, &wait.region), lacking = 0;
    if (err == -EBUSY && (lacking = make_room(loop, REGION_WORDS, false)) != 0)
        err = abandon(op, -EBUSY);
    if (err != -EBUSY) {
        tell_round(op);
        heald__complete(loop, op, err);
        return 0;
    }
    if (!lacking)
        wait_in_loop(loop, op, &wait);
    return lacking;
}

static int start_cond(struct heald_loop *loop, struct heald_op *op)
{
    struct heald_wait wait = {0};
    int err = make_room(loop, REGION_WORDS, false);

    if (err)
        return err;
    err = heald__cond_prepare_to_wait(cond_of(op), op->u.lock.object, op->u.lock.me, &wait.region);
    if (err) {
        heald__complete(loop, op, err);
        return 0;
    }
    op->result = (int64_t)((uint64_t)wait.region.bell << 32 | wait.region.seen);
    wait_in_loop(loop, op, &wait);
    return 0;
}

static int start_futex(struct heald_loop *loop, struct heald_op *op)
{
    struct heald_wait wait;
    int err = heald__futex_begin(op, &wait);

    if (err != -EBUSY) {
        heald__complete(loop, op, err);
        return 0;
    }
    if ((err = make_room(loop, wait.count, true))) {
        heald__futex_abandon(op);
        return err;
    }
    wait_in_loop(loop, op, &wait);
    return 0;
}

static int locks_start(struct heald_loop *loop, struct heald_op *op)
{
    op->result = heald__op_traits[op->kind] & OP_MESSAGE ? (intptr_t)op->u.lock.u.message : 0;
    op->buffer = 0;
    if (op_has_no_region(op))
        return start_futex(loop, op);
    return op->kind == OP_COND ? start_cond(loop, op) : start_lock(loop, op);
}

static void locks_cancel(struct heald_loop *loop, struct heald_op *op)
{
    if (op_has_no_region(op)) {
        op_move(op, OP_CANCELLING);
        end_futex(loop, op);
        return;
    }
    if (op->kind != OP_COND) {
        dequeue(op);
        finish(loop, op, abandon(op, -ECANCELED));
        return;
    }
    op_move(op, OP_CANCELLING);
    if (cond_of(op))
        end_first_half(op);
    heald__entry_due(loop->locks, entry_of(op));
}

/* No deadline ends the second half of a condition's op. */
static void locks_deadline(struct heald_loop *loop, struct heald_op *op)
{
    (void)loop;
    if (op->kind != OP_COND || cond_of(op))
        heald__region_set_deadline(op->u.lock.me, op->buffer, op->deadline_ns);
}

static void locks_close(struct heald_loop *loop)
{
    if (loop->locks)
        heald__locks_close(loop->locks);
}

static void locks_each(struct heald_loop *loop, void (*each)(const struct heald_op *, void *),
                       void *user)
{
    if (!loop->locks)
        return;
    struct heald_link *head = &loop->locks->pending;
    for (struct heald_link *n = head->next; n != head; n = n->next)
        each(fds_op(n), user);
}

const struct heald_upper heald__await_locks = {
    .start = locks_start,
    .cancel = locks_cancel,
    .deadline = locks_deadline,
    .try = locks_try,
    .each = locks_each,
    .close = locks_close,
};
