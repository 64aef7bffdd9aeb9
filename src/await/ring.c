/*
 * await/ring.c: the road `ring`: the kernel waits for the words, by FUTEX_WAITV entries in the ring
 * that is the loop's back end, or in one of its own, whose bell the loop watches. The loop's
 * thread.
 *
 * A *spot* is one entry, for all ops in a row that wait for the same words. A look keeps the spots
 * whose words are still the right ones; the others are called back, and taken again when the kernel
 * has let go of them: a spot has one entry at a time.
 *
 * No wake is lost: the kernel compares each word with what the op saw when it decided to wait,
 * under the lock that a wake takes, and the end of an entry, whatever it says, asks for a look.
 * What the words do not tell (region_is_over()) is asked once more when they have been named. And
 * while an op waits, a tick asks for a look every REGION_RECHECK_NS.
 *
 * An op may be over, and its region unmapped, while the kernel still has its entry. That harms
 * nobody: an entry makes the kernel read words and sleep, it never writes. One that is not handed
 * over yet has its recall behind it, and a word that is not there any more ends it with -EFAULT.
 * The spot, and so the list of words, stays until the entry has ended.
 *
 * The kernel's quirks: a private futex may be lost where it has a hash of its own for the process,
 * so all are shared ones; the result of a recall says nothing, so no result is looked at.
 */
#include "ring/client.h"

#include "await/road.h"
#include "base/list.h"
#include <heald/io.h>

#include <errno.h>

/* The words that are waited for. */
struct want {
    unsigned count;
    struct heald_word words[REGION_WORDS];
    const struct heald_futex *many; /* in their place */
};

struct spot {
    struct heald_op op;     /* OP_WORDS; its state is that of the entry; link: free, or no room */
    struct heald_link all;  /* of the road; an op that waits here points to it by aux.next */
    unsigned users, round;  /* how many; the look that last named the words */
    struct heald_op *owner; /* the one user, if the words are others' */
    struct want want;
    struct futex_waitv entry[REGION_WORDS]; /* what the kernel has, or `more` */
    struct futex_waitv *more;
    unsigned more_size;
};

struct ring_road {
    struct heald_loop *loop;
    struct heald_link all, free;
    unsigned total, orphans; /* spots; and those without a user that the kernel still has */
    unsigned waiting;        /* ops */
    unsigned others;         /* of these, for others' words */
    unsigned round;
    struct spot *last;    /* the one that was named last, or NULL */
    struct heald_op tick; /* OP_TICK, as long as ops wait: cheaper than a time-out of each wait */
    struct __kernel_timespec tick_time;
    /* Where the loop's back end is no ring: */
    bool own;
    struct heald_client client;
    struct heald_op watch;
    uint64_t counter;
};

enum { ENTRIES = 64, TEST_ENTRIES = 4 };

static struct spot *spot_of(const struct heald_op *op)
{
    return op->aux.next ? heald_container_of(op->aux.next, struct spot, all) : NULL;
}

/* A word of others was. The op hears of it, or, if it is as good as over, somebody else. */
static void woken(struct spot *spot, unsigned index)
{
    const struct futex_waitv *entry = spot->op.u.rw.buf;

    if (spot->op.state == OP_ARMED)
        spot->owner->result = index + 1;
    else
        heald_plat_word_wake_one((uint32_t *)(uintptr_t)entry[index].uaddr);
}

/* The kernel has let go of it. */
static void on_end(struct heald_op *op)
{
    struct spot *spot = heald_container_of(op, struct spot, op);
    struct ring_road *r = op->data;

    if (spot->owner && op->result >= 0)
        woken(spot, (unsigned)op->result);
    op_move(op, OP_DONE);
    op_move(op, OP_IDLE);
    if (spot->users) {
        r->loop->look = true;
    } else {
        r->orphans--;
        list_push(&r->free, &op->link);
    }
}

static void on_done(struct heald_client *c, struct heald_op *op, int64_t result, unsigned flags)
{
    (void)c;
    (void)flags;
    op->result = result;
    op->fn(op);
}

/* An entry of its own, or of the back end's. */
static void submit(struct ring_road *r, struct heald_op *op)
{
    op_move(op, OP_QUEUED);
    if (!r->own) {
        heald_ring_submit(r->loop, op);
        return;
    }
    op_move(op, OP_ARMED);
    heald_client_submit(&r->client, op);
}

static void arm(struct ring_road *r, struct spot *spot)
{
    const struct want *want = &spot->want;
    struct futex_waitv *entry = want->count > REGION_WORDS ? spot->more : spot->entry;

    for (unsigned i = 0; i < want->count; i++) {
        struct heald_word w = want->words[want->many ? 0 : i];
        if (want->many)
            w = (struct heald_word){want->many[i].word, want->many[i].expected};
        entry[i] =
            (struct futex_waitv){.uaddr = (uintptr_t)w.word, .val = w.seen, .flags = FUTEX_32};
    }
    spot->op.u.rw.buf = entry;
    spot->op.u.rw.len = want->count;
    submit(r, &spot->op);
}

/* Calls its entry back, if it has one. */
static void recall(struct ring_road *r, struct spot *spot)
{
    struct heald_op *op = &spot->op;

    if (op->state != OP_ARMED)
        return;
    op_move(op, OP_CANCELLING);
    if (r->own)
        heald_client_cancel(&r->client, op);
    else
        r->loop->backend.ops->cancel(&r->loop->backend, op);
}

/* The ring of its own: what is to be handed over goes, what has ended comes. */
static void flush(struct ring_road *r)
{
    struct heald_ring *ring = &r->client.ring;
    int err;

    if (!r->own)
        return;
    do {
        /* What is harvested here need not ring. Seq_cst: pairs with the kernel, which says that it
         * has something (heald_ring_behind()) before it asks whether to ring. */
        io_uring_cq_eventfd_toggle(&ring->ring, false);
        err = heald_client_turn(&r->client, 0);
        io_uring_cq_eventfd_toggle(&ring->ring, true);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        heald_client_harvest(&r->client);
    } while (!err && heald_ring_behind(ring));
    /* What fails is tried again at the next tick. */
    if (!err && heald_client_busy(&r->client))
        r->loop->look = true;
}

/* Where only changes are reported the bell need not be drained, and what has ended is seen when the
 * next words are handed over: the ops are tried first. But not those that hear each for itself. */
static void on_bell(struct heald_op *watch)
{
    struct ring_road *r = heald_container_of(watch, struct ring_road, watch);

    r->loop->look = true;
    if (r->client.ring.drain || r->others)
        flush(r);
}

static void on_tick(struct heald_op *tick)
{
    op_move(tick, OP_DONE);
    op_move(tick, OP_IDLE);
    tick->loop->look = true;
}

/* The op does not wait there any more. */
static void leave(struct ring_road *r, struct heald_op *op)
{
    struct spot *spot = spot_of(op);

    op->aux.next = NULL;
    if (!spot || --spot->users)
        return;
    if (r->last == spot)
        r->last = NULL;
    if (spot->op.state == OP_IDLE) {
        list_push(&r->free, &spot->op.link);
    } else {
        r->orphans++;
        recall(r, spot);
    }
}

/* A spot that nobody uses; NULL: all that are left are the kernel's still. */
static struct spot *fresh(struct ring_road *r)
{
    struct heald_link *link = list_pop(&r->free);
    struct spot *spot = link ? heald_container_of(link, struct spot, op.link) : NULL;

    if (spot) {
        spot->round = 0;
        spot->owner = NULL;
    }
    return spot;
}

static struct want want_of(const struct heald_wait *wait)
{
    struct want want = {.many = wait->words, .count = wait->count};

    if (!want.many)
        want.count = heald_wait_words(wait, want.words);
    return want;
}

static bool is_for(const struct spot *spot, const struct want *want)
{
    const struct want *have = &spot->want;

    if (have->count != want->count || have->many != want->many)
        return false;
    for (unsigned i = 0; !want->many && i < want->count; i++)
        if (have->words[i].word != want->words[i].word ||
            have->words[i].seen != want->words[i].seen)
            return false;
    return true;
}

/* These are the words of this spot now. Where there are none, the tick must do. */
static void name(struct ring_road *r, struct spot *spot, const struct want *want)
{
    bool same = is_for(spot, want);

    spot->want = *want;
    spot->round = r->round;
    if (!same)
        recall(r, spot);
    if (spot->op.state == OP_IDLE && want->count)
        arm(r, spot);
}

/* Where this op may wait for that; NULL: nowhere just now. */
static struct spot *place_for(struct ring_road *r, struct heald_op *op, const struct want *want,
                              bool alone)
{
    struct spot *spot = spot_of(op);

    if (!alone && r->last && is_for(r->last, want))
        return r->last;
    return spot && spot->round != r->round ? spot : fresh(r);
}

static void ring_add(struct heald_road *road, struct heald_op *op, const struct heald_wait *wait)
{
    struct ring_road *r = road->priv;
    bool foreign = wait_is_foreign(wait);
    struct want want = want_of(wait);
    struct spot *spot = place_for(r, op, &want, foreign);

    if (spot != spot_of(op)) {
        if (spot)
            spot->users++;
        leave(r, op);
        op->aux.next = spot ? &spot->all : NULL;
    }
    if (!foreign)
        r->last = spot;
    else if (spot)
        spot->owner = op;
    if (spot && spot->round != r->round)
        name(r, spot, &want);
    /* The words of one who holds what is waited for, and has died, do not tell. */
    if (!spot || (wait->region.holder && want.count < REGION_WORDS && heald_wait_is_over(wait)))
        r->loop->look = true;
}

static void ring_begin(struct heald_road *road)
{
    struct ring_road *r = road->priv;

    r->last = NULL;
    r->round += r->round == UINT32_MAX ? 2 : 1;
}

static void ring_end(struct heald_road *road)
{
    struct ring_road *r = road->priv;

    if (r->waiting && r->tick.state == OP_IDLE)
        submit(r, &r->tick);
    /* Else there are recalls at most, which have time. */
    if (r->waiting)
        flush(r);
}

static void ring_add_one(struct heald_road *road, struct heald_op *op,
                         const struct heald_wait *wait)
{
    struct ring_road *r = road->priv;

    r->waiting++;
    r->others += op_is_foreign(op);
    op->aux.next = NULL;
    ring_add(road, op, wait);
    ring_end(road);
}

static void ring_drop(struct heald_road *road, struct heald_op *op)
{
    struct ring_road *r = road->priv;

    r->waiting--;
    r->others -= op_is_foreign(op);
    leave(r, op);
}

/* A wake that comes before the kernel has let go is heard by nobody else: so the op must not be
 * over before that. */
static bool ring_withdraw(struct heald_road *road, struct heald_op *op)
{
    struct ring_road *r = road->priv;
    struct spot *spot = spot_of(op);

    if (!spot)
        return true;
    recall(r, spot);
    if (spot->op.state != OP_IDLE)
        flush(r);
    return spot->op.state == OP_IDLE;
}

static int ring_reserve(struct heald_road *road, unsigned count, unsigned words)
{
    struct ring_road *r = road->priv;

    for (; r->total - r->orphans < count || list_empty(&r->free); r->total++) {
        struct spot *more = alloc_new(&r->loop->alloc, sizeof *more);
        if (!more)
            return -ENOMEM;
        more->op = (struct heald_op){.kind = OP_WORDS, .fn = on_end, .data = r};
        list_push(&r->all, &more->all);
        list_push(&r->free, &more->op.link);
    }
    /* It is the next to be taken. */
    struct spot *spot = heald_container_of(r->free.next, struct spot, op.link);
    if (words <= REGION_WORDS || words <= spot->more_size)
        return 0;
    struct futex_waitv *more =
        alloc_resize(&r->loop->alloc, spot->more, spot->more_size * sizeof *more,
                     HEALD_FUTEX_MAX * sizeof *more);
    if (!more)
        return -ENOMEM;
    spot->more = more;
    spot->more_size = HEALD_FUTEX_MAX;
    return 0;
}

/* A ring of the road's own, which waits as it should, and its bell in the loop. */
static int open_own(struct ring_road *r, bool keep)
{
    struct heald_loop *loop = r->loop;
    struct heald_ring *ring = &r->client.ring;
    int err = heald_client_open(&r->client, loop->sys, &loop->alloc, keep ? ENTRIES : TEST_ENTRIES);

    if (err)
        return err;
    bool edge = loop->backend.ops->edge;
    int bell = heald_ring_waits(ring) ? 0 : -ENOSYS;
    if (!bell && keep)
        bell = heald_ring_bell(ring, !edge);
    if (bell > 0 &&
        (err = heald_loop_watch(loop, &r->watch, bell, on_bell, edge ? &r->counter : NULL)))
        heald_forget(loop, bell);
    if (bell < 0 || err || !keep)
        heald_client_close(&r->client);
    return bell < 0 ? bell : err;
}

static int ring_open(struct heald_road *road)
{
    struct heald_loop *loop = road->loop;
    struct ring_road *r = alloc_new(&loop->alloc, sizeof *r);

    if (!r)
        return -ENOMEM;
    r->loop = loop;
    r->own = !loop->backend.ops->words;
    r->round = 1;
    list_init(&r->all);
    list_init(&r->free);
    r->client.done = on_done;
    r->tick_time.tv_nsec = REGION_RECHECK_NS;
    r->tick =
        (struct heald_op){.kind = OP_TICK, .fn = on_tick, .loop = loop, .u.rw.buf = &r->tick_time};
    /* The loop's own ring is full of other things: whether it would wait is seen in another. */
    int err = open_own(r, r->own);
    if (err) {
        alloc_free(&loop->alloc, r, sizeof *r);
        return err;
    }
    road->priv = r;
    return 0;
}

static void ring_close(struct heald_road *road)
{
    struct ring_road *r = road->priv;
    const struct heald_allocator *alloc = &r->loop->alloc;

    if (r->own)
        heald_client_close(&r->client);
    for (struct heald_link *link; (link = list_pop(&r->all));) {
        struct spot *spot = heald_container_of(link, struct spot, all);
        alloc_free(alloc, spot->more, spot->more_size * sizeof *spot->more);
        alloc_free(alloc, spot, sizeof *spot);
    }
    alloc_free(alloc, r, sizeof *r);
}

const struct heald_road_ops heald_road_ring = {
    .name = "ring",
    .open = ring_open,
    .close = ring_close,
    .reserve = ring_reserve,
    .begin = ring_begin,
    .add = ring_add,
    .end = ring_end,
    .add_one = ring_add_one,
    .drop = ring_drop,
    .withdraw = ring_withdraw,
};
