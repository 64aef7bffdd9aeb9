/*
 * await/waiter_ring.c: the waiter `ring`: the kernel waits for the words, by FUTEX_WAITV entries in
 * the ring that is the loop's back end, or in one of its own, whose bell the loop watches. The
 * loop's thread.
 *
 * A wait queue has one entry in the ring at a time, and its completion names the queue. The kernel
 * compares each word with what was seen there, under the lock that a wake takes; the end of an
 * entry, whatever it says, ends the wait of its queue. While ops wait, a time-out in the ring is
 * the tick.
 *
 * A queue may be empty, and the region unmapped, while the kernel still has its entry. That harms
 * nobody: an entry makes the kernel read words and sleep, it never writes. One that is not handed
 * over yet has its recall behind it, and a word that is not there any more ends it with -EFAULT.
 * The queue, and so the list of words, stays until the entry has ended.
 *
 * A recall makes the kernel search all the futex entries of the ring, the youngest first (seen on
 * 6.18). So where many ops wait an entry waits for a word of its own besides, `leave`, before the
 * other, and is recalled by a change and a wake of that. Of several words that were woken the
 * kernel names the last one: so a wake of the other is never taken for a recall.
 *
 * The kernel's quirks: a private futex may be lost where it has a hash of its own for the process,
 * so all are shared ones; an entry that was recalled ends with an error, or as woken if the wake
 * came first.
 */
#include "ring/client.h"

#include "await/queue.h"
#include <heald/io.h>

#include <errno.h>

struct ring_queue {
    struct heald_wait_queue queue;
    struct heald_op op; /* OP_WORDS; its state is that of the entry */
    uint32_t leave;     /* atomic: changes to recall the entry, if that has it */
    bool has_leave;
    struct futex_waitv entry[2]; /* what the kernel has, or `more` */
    struct futex_waitv *more;
    unsigned more_size;
};

struct ring_waiter {
    struct heald_locks *locks;
    struct heald_loop *loop;
    struct heald_op tick; /* OP_TICK, as long as ops wait: cheaper than a time-out of each wait */
    struct __kernel_timespec tick_time;
    /* Where the loop's back end is no ring: */
    bool own;
    struct heald_client client;
    struct heald_op watch;
    uint64_t counter;
};

enum { ENTRIES = 64, TEST_ENTRIES = 4, FEW = 4, SEARCHED = 64 };

static struct ring_queue *own_part(struct heald_wait_queue *queue)
{
    return heald_container_of(queue, struct ring_queue, queue);
}

/* The kernel has released it. */
static void on_end(struct heald_op *op)
{
    struct ring_waiter *r = op->data;
    struct ring_queue *part = heald_container_of(op, struct ring_queue, op);

    op_move(op, OP_DONE);
    op_move(op, OP_IDLE);
    /* Of `leave` it is -1 as well. */
    heald__wait_queue_ended(r->locks, &part->queue,
                            op->result < 0 ? -1 : (int)op->result - (int)part->has_leave);
}

static void on_done(struct heald_client *c, struct heald_op *op, int64_t result, unsigned flags)
{
    (void)c;
    (void)flags;
    op->result = result;
    op->fn(op);
}

/* An entry of its own, or of the back end's. */
static void submit(struct ring_waiter *r, struct heald_op *op)
{
    op_move(op, OP_QUEUED);
    if (!r->own) {
        heald__ring_submit(r->loop, op);
        return;
    }
    op_move(op, OP_ARMED);
    heald__client_submit(&r->client, op);
}

static struct futex_waitv entry_of_word(const struct heald_word *w)
{
    return (struct futex_waitv){.uaddr = (uintptr_t)w->word, .val = w->seen, .flags = FUTEX_32};
}

static bool ring_arm(struct heald_waiter *waiter, struct heald_wait_queue *queue)
{
    struct ring_queue *part = own_part(queue);
    struct futex_waitv *entry = queue->count > 1 ? part->more : part->entry;
    unsigned n = 0;

    part->has_leave = queue->count == 1 && waiter->locks->count > SEARCHED;
    if (part->has_leave) {
        /* Relaxed: changed by this thread alone. */
        uint32_t now = __atomic_load_n(&part->leave, __ATOMIC_RELAXED);
        entry[n++] = entry_of_word(&(struct heald_word){&part->leave, now});
    }
    for (unsigned i = 0; i < queue->count; i++) {
        struct heald_word w = heald__wait_queue_word(queue, i);
        entry[n++] = entry_of_word(&w);
    }
    part->op.u.rw.buf = entry;
    part->op.u.rw.len = n;
    submit(waiter->priv, &part->op);
    return true;
}

static void ring_disarm(struct heald_waiter *waiter, struct heald_wait_queue *queue)
{
    struct ring_waiter *r = waiter->priv;
    struct ring_queue *part = own_part(queue);

    if (part->has_leave) {
        heald__plat_word_count(&part->leave);
        return;
    }
    op_move(&part->op, OP_CANCELLING);
    if (r->own)
        heald__client_cancel(&r->client, &part->op);
    else
        r->loop->backend.ops->cancel(&r->loop->backend, &part->op);
}

/* The ring of its own: what is to be handed over goes, what has ended comes. */
static void turn_own(struct ring_waiter *r)
{
    /* What fails is tried again at the next tick. */
    if (!heald__client_catch_up(&r->client) && heald__client_busy(&r->client))
        r->loop->attention.try = true;
}

static void ring_flush(struct heald_waiter *waiter)
{
    struct ring_waiter *r = waiter->priv;

    /* Else there are recalls at most, which have time. */
    if (!r->locks->count)
        return;
    if (r->tick.state == OP_IDLE) {
        r->tick_time.tv_nsec = heald__locks_tick_ns(r->locks);
        submit(r, &r->tick);
    }
    if (r->own)
        turn_own(r);
}

/* Where only changes are reported the bell need not be drained. To try a few ops costs less than to
 * find which of them it is about; what has ended is then seen when the next words are submitted.
 * But ops on what others made are each notified by itself. */
static void on_bell(struct heald_op *watch)
{
    struct ring_waiter *r = heald_container_of(watch, struct ring_waiter, watch);
    struct heald_locks *locks = r->locks;

    if (!r->client.ring.drain && !locks->others && locks->count && locks->count <= FEW)
        heald__locks_all_due(locks);
    else
        turn_own(r);
}

static void on_tick(struct heald_op *tick)
{
    struct ring_waiter *r = heald_container_of(tick, struct ring_waiter, tick);

    op_move(tick, OP_DONE);
    op_move(tick, OP_IDLE);
    heald__locks_tick(r->locks);
}

static void ring_prepare(struct heald_waiter *waiter, struct heald_wait_queue *queue)
{
    own_part(queue)->op = (struct heald_op){.kind = OP_WORDS, .fn = on_end, .data = waiter->priv};
}

static void ring_release(struct heald_waiter *waiter, struct heald_wait_queue *queue)
{
    struct ring_queue *part = own_part(queue);

    alloc_free(&waiter->locks->loop->alloc, part->more, part->more_size * sizeof *part->more);
}

static int ring_reserve(struct heald_waiter *waiter, struct heald_wait_queue *queue, unsigned words)
{
    struct ring_queue *part = queue ? own_part(queue) : NULL;

    if (!queue || words == 1 || part->more)
        return 0;
    part->more =
        alloc_resize(&waiter->locks->loop->alloc, NULL, 0, HEALD_FUTEX_MAX * sizeof *part->more);
    if (!part->more)
        return -ENOMEM;
    part->more_size = HEALD_FUTEX_MAX;
    return 0;
}

/* A ring of the waiter's own, which waits as it should, and its bell in the loop. */
static int open_own(struct ring_waiter *r, bool keep)
{
    struct heald_loop *loop = r->loop;
    struct heald_ring *ring = &r->client.ring;
    int err =
        heald__client_open(&r->client, loop->sys, &loop->alloc, keep ? ENTRIES : TEST_ENTRIES);

    if (err)
        return err;
    bool edge = loop->backend.ops->edge;
    int bell = heald__ring_waits(ring) ? 0 : -ENOSYS;
    if (!bell && keep)
        bell = heald__ring_bell(ring, !edge);
    if (bell > 0 &&
        (err = heald__loop_watch(loop, &r->watch, bell, on_bell, edge ? &r->counter : NULL)))
        heald_forget(loop, bell);
    if (bell < 0 || err || !keep)
        heald__client_close(&r->client);
    return bell < 0 ? bell : err;
}

static int ring_open(struct heald_waiter *waiter)
{
    struct heald_loop *loop = waiter->locks->loop;
    struct ring_waiter *r = alloc_new(&loop->alloc, sizeof *r);

    if (!r)
        return -ENOMEM;
    r->locks = waiter->locks;
    r->loop = loop;
    r->own = !loop->backend.ops->words;
    r->client.done = on_done;
    r->tick =
        (struct heald_op){.kind = OP_TICK, .fn = on_tick, .loop = loop, .u.rw.buf = &r->tick_time};
    /* The loop's own ring is full of other things: whether it would wait is seen in another. */
    int err = open_own(r, r->own);
    if (err) {
        alloc_free(&loop->alloc, r, sizeof *r);
        return err;
    }
    waiter->priv = r;
    return 0;
}

static void ring_close(struct heald_waiter *waiter)
{
    struct ring_waiter *r = waiter->priv;

    if (r->own)
        heald__client_close(&r->client);
    alloc_free(&r->loop->alloc, r, sizeof *r);
}

const struct heald_waiter_ops heald__waiter_ring = {
    .name = "ring",
    .queue_size = sizeof(struct ring_queue),
    .open = ring_open,
    .close = ring_close,
    .prepare = ring_prepare,
    .release = ring_release,
    .reserve = ring_reserve,
    .arm = ring_arm,
    .disarm = ring_disarm,
    .flush = ring_flush,
};
