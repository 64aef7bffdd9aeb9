/*
 * ring/client.c: see client.h.
 *
 * user_data is the op. That is enough to tell completions apart: an op has one entry at a time, its
 * memory is not used again before its last completion was taken, and a cancel lies in the ring
 * before a new use of the same op, so the kernel sees it first and it can hit no other.
 *
 * A cancel may miss: a request that is between its poll and its next attempt, or with a worker that
 * is about to wait, is not found, and waits on (-ENOENT, -EALREADY; seen on 6.18). Then all that
 * are still to be cancelled are cancelled again after a while, by a time-out in the ring.
 *
 * An op whose entry the kernel has not taken is withdrawn: its entry becomes one that does nothing.
 * So nothing that names a descriptor is left in the ring when the descriptor is closed.
 *
 * A send that needs no callback if it is done at once is tried (OP_TRIED): its entry does not wait,
 * and makes no completion if all was sent. The kernel tries it when it takes it. So when it has
 * been taken, and all completions have been harvested, it has sent all; the completion that says
 * otherwise would be there. So the enter that submits it may wait as well: no second enter is
 * needed for this one. But a caller that asks for the state of the op learns it no sooner than that
 * wait ends, so it is a short one.
 *
 * A multishot op has room for one result. What comes while its callback is due is kept in
 * `results`, in a list of its own, so it holds up no other op.
 */
#include "ring/client.h"

#include "base/attr.h"
#include "base/list.h"
#include "ring/fill.h"

#include <errno.h>

enum {
    RESULTS_FIRST = 64,
    RETRY_MS = 1,
    RETRY_MAX_MS = 64,
    RETRIES_SOON = 100,
    TRIED_MS = 10, /* until it is known that a try has completed in silence */
    TURNS_MAX = 64 /* to catch up: without memory for a result the kernel keeps what it has */
};

/* user_data of what is no op: a number with HEALD_RING_NO_OP, or an op and one bit of these. */
enum { ASKED = 1, CANCEL = 3, RETRY = 6, SETTLE = 10 };

int heald__client_open(struct heald_client *c, const struct heald_sys *sys,
                       const struct heald_allocator *alloc, unsigned entries)
{
    int err = heald__ring_open(&c->ring, sys, alloc, entries, true);

    if (err)
        return err;
    c->alloc = alloc;
    list_init(&c->backlog);
    list_init(&c->recalled);
    list_init(&c->tries);
    return 0;
}

void heald__client_close(struct heald_client *c)
{
    heald__ring_close(&c->ring, c->alloc);
    alloc_free(c->alloc, c->results, c->results_size * sizeof *c->results);
}

static inline bool is_tried(const struct heald_op *op)
{
    return op->kind == OP_SEND && op->buffer & OP_TRIED;
}

/* Where the entry of an op is: in aux, which is in no list; of a try, whose aux is in `tries`, in
 * its result. */
static inline void note_entry(struct heald_client *c, struct heald_op *op)
{
    unsigned entry = heald__ring_last(&c->ring);

    if (is_tried(op)) {
        op->result = entry;
        list_push(&c->tries, &op->aux);
    } else {
        op->aux.next = NULL;
        op->aux.prev = (struct heald_link *)(uintptr_t)entry;
    }
}

static unsigned noted_entry(const struct heald_op *op)
{
    return is_tried(op) ? (unsigned)op->result : (unsigned)(uintptr_t)op->aux.prev;
}

static inline void forget_try(struct heald_op *op)
{
    if (!is_tried(op))
        return;
    list_remove(&op->aux);
    op->buffer &= (uint16_t)~OP_TRIED;
}

/* One entry for an op: to do it, to poll for it, or to cancel it. False: the kernel has no room. */
HEALD_SEPARATE static bool hand_over(struct heald_client *c, struct heald_op *op)
{
    struct io_uring_sqe *sqe = heald__ring_entry(&c->ring);

    if (!sqe)
        return false;
    if (op->stage == STAGE_RING || op->stage == STAGE_RECALL) {
        heald__ring_fill_cancel(sqe, op, CANCEL);
        op_stage_move(op, STAGE_RECALLED);
        return true;
    }
    if (op->flags & OP_POLLED)
        heald__ring_fill_poll(sqe, op);
    else
        heald__ring_fill(&c->ring, sqe, op);
    op_stage_move(op, STAGE_RING);
    return true;
}

static void leave_backlog(struct heald_op *op)
{
    list_remove(&op->aux);
}

HEALD_SEPARATE static void submit(struct heald_client *c, struct heald_op *op)
{
    if (list_empty(&c->backlog) && hand_over(c, op)) {
        note_entry(c, op);
        return;
    }
    op_stage_move(op, STAGE_BACKLOG);
    list_push(&c->backlog, &op->aux);
}

void heald__client_submit(struct heald_client *c, struct heald_op *op)
{
    bool usual = heald__op_traits[op->kind] & OP_PLAIN && !(op->flags & OP_POLLED);
    struct io_uring_sqe *sqe = usual && list_empty(&c->backlog) ? heald__ring_room(&c->ring) : NULL;

    if (!sqe) {
        submit(c, op);
        return;
    }
    heald__ring_fill_plain(sqe, op);
    op_stage_move(op, STAGE_RING);
    note_entry(c, op);
}

/* Its cancel has an entry: it is remembered, unless aux is needed for its callback. */
static void note_recalled(struct heald_client *c, struct heald_op *op)
{
    if (op->stage == STAGE_RECALLED && !(op->flags & OP_DUE) && !list_linked(&op->aux))
        list_push(&c->recalled, &op->aux);
}

bool heald__client_withdraw(struct heald_client *c, struct heald_op *op)
{
    if (op->stage == STAGE_BACKLOG)
        leave_backlog(op);
    else if (op->stage != STAGE_RING || !heald__ring_withdraw(&c->ring, noted_entry(op), op))
        return false;
    forget_try(op);
    op_stage_move(op, STAGE_LOOP);
    return true;
}

bool heald__client_ask(struct heald_client *c, struct heald_op *op)
{
    struct io_uring_sqe *sqe = heald__ring_entry(&c->ring);

    if (sqe)
        heald__ring_fill_cancel(sqe, op, (uint64_t)(uintptr_t)op | ASKED);
    return sqe;
}

void heald__client_cancel(struct heald_client *c, struct heald_op *op)
{
    if (op->stage == STAGE_RECALLED) {
        /* Its callback was due when it was cancelled, and has run. */
        note_recalled(c, op);
        c->retry_due = true;
    } else if (heald__client_withdraw(c, op)) {
        op->flags &= (uint8_t)~OP_POLLED;
        c->done(c, op, -ECANCELED, 0);
    } else if (is_tried(op)) {
        /* What came of it is there, and the next harvest brings it; its callback runs, even if it
         * had sent all. */
    } else if (list_empty(&c->backlog) && hand_over(c, op)) {
        note_recalled(c, op);
    } else if (!(op->flags & OP_DUE)) {
        op_stage_move(op, STAGE_RECALL);
        list_push(&c->backlog, &op->aux);
    }
}

/* Cancels again what a cancel has missed. Without room they wait for the next turn. */
static void cancel_again(struct heald_client *c)
{
    c->retry_due = false;
    for (struct heald_link *n = c->recalled.next; n != &c->recalled; n = n->next) {
        struct io_uring_sqe *sqe = heald__ring_entry(&c->ring);
        if (!sqe) {
            c->retry_due = true;
            return;
        }
        struct heald_op *op = heald_container_of(n, struct heald_op, aux);
        heald__ring_fill_cancel(sqe, op, CANCEL);
    }
}

/* A cancel has missed: the next attempt comes after a while. */
static void retry_later(struct heald_client *c)
{
    if (c->retries || list_empty(&c->recalled))
        return;
    struct io_uring_sqe *sqe = heald__ring_entry(&c->ring);
    if (!sqe) {
        c->retry_due = true;
        return;
    }
    c->retry_time.tv_nsec = (c->missed++ < RETRIES_SOON ? RETRY_MS : RETRY_MAX_MS) * HEALD_MS;
    c->retries = true;
    io_uring_prep_timeout(sqe, &c->retry_time, 0, 0);
    io_uring_sqe_set_data64(sqe, RETRY);
}

static void other_completion(struct heald_client *c, uint64_t what, int result)
{
    if ((what & HEALD_RING_NO_OP) == ASKED) {
        c->answered(c, (struct heald_op *)(uintptr_t)(what - ASKED), result == 0);
    } else if (what == RETRY) {
        c->retries = false;
        c->retry_due = true;
    } else if (what == SETTLE) {
        c->tries_timed = false;
    } else if (what == CANCEL && (result == -ENOENT || result == -EALREADY)) {
        retry_later(c);
    } else if (what == CANCEL) {
        c->missed = 0;
    }
}

static void work_off(struct heald_client *c)
{
    while (!list_empty(&c->backlog)) {
        struct heald_op *op = heald_container_of(c->backlog.next, struct heald_op, aux);
        bool fresh = op->stage == STAGE_BACKLOG;
        if (!hand_over(c, op))
            return;
        leave_backlog(op);
        if (fresh)
            note_entry(c, op);
        else
            note_recalled(c, op);
    }
}

/* The poll for an op has ended: it is tried now. Its end may have been asked for meanwhile; then
 * what the poll has seen is not a result. */
static void polled(struct heald_client *c, struct heald_op *op, int result)
{
    op->flags &= (uint8_t)~OP_POLLED;
    op_stage_move(op, STAGE_LOOP);
    if (op_is_ending(op))
        c->done(c, op, -ECANCELED, 0);
    else if (result < 0)
        c->done(c, op, result, 0);
    else
        heald__client_submit(c, op);
}

/* A worker of the kernel that is interrupted completes with the numbers by which a system call
 * would be restarted, 512 (ERESTARTSYS) to 516 (seen on 6.18). */
static int result_of(int result)
{
    return result <= -512 && result >= -516 ? -EINTR : result;
}

static void deliver(struct heald_client *c, struct heald_op *op, int result, unsigned flags)
{
    bool more = flags & IORING_CQE_F_MORE;

    forget_try(op);
    if (op->stage == STAGE_RECALLED && list_linked(&op->aux))
        list_remove(&op->aux);
    /* Its cancel still waits for room, and aux is needed now: it is cancelled after the
     * callback. */
    if (op->stage == STAGE_RECALL) {
        leave_backlog(op);
        op_stage_move(op, STAGE_RING);
        op->flags |= more ? OP_ENDING : 0;
    }
    if (op->flags & OP_POLLED) {
        polled(c, op, result);
        return;
    }
    if (!more)
        op_stage_move(op, STAGE_LOOP);
    c->done(c, op, result_of(result), flags);
}

static bool grow_results(struct heald_client *c)
{
    uint32_t old = c->results_size, size = old ? old * 2 : RESULTS_FIRST;
    struct heald_result *v = alloc_resize(c->alloc, c->results, old * sizeof *v, size * sizeof *v);

    if (!v)
        return false;
    for (uint32_t i = old; i < size; i++)
        v[i].next = i + 1 < size ? i + 2 : 0;
    c->results = v;
    c->results_size = size;
    c->results_free = old + 1;
    return true;
}

/* Behind the results of this op that wait. False: no memory. */
static bool keep(struct heald_client *c, struct heald_op *op, int result, unsigned flags)
{
    if (!c->results_free && !grow_results(c))
        return false;
    uint32_t place = c->results_free;
    struct heald_result *r = &c->results[place - 1];
    c->results_free = r->next;
    *r = (struct heald_result){.result = result, .flags = flags};
    if (op->u.group.first)
        c->results[op->u.group.last - 1].next = place;
    else
        op->u.group.first = place;
    op->u.group.last = place;
    return true;
}

bool heald__client_next(struct heald_client *c, struct heald_op *op)
{
    uint32_t place = op->u.group.first;

    if (!place)
        return false;
    struct heald_result *r = &c->results[place - 1], copy = *r;
    op->u.group.first = r->next;
    if (!r->next)
        op->u.group.last = 0; /* no place any more: see is_late() in loop/close.c */
    r->next = c->results_free;
    c->results_free = place;
    deliver(c, op, copy.result, copy.flags);
    return true;
}

/* Is its callback due, or running, or is there a result before this one? */
static bool must_wait(const struct heald_op *op)
{
    return op->flags & (OP_DUE | HEALD_MORE) ||
           (heald__op_traits[op->kind] & OP_KEEPS && op->u.group.first);
}

/*
 * All completions have been harvested. What was tried and has none has sent all. That is recorded
 * for all of them before the first callback: a callback may submit more, and where there is no room
 * for it the kernel takes what is there, and answers.
 */
static void complete_tries(struct heald_client *c)
{
    struct heald_link sent, *n;

    list_init(&sent);
    while ((n = c->tries.next) != &c->tries && !heald__ring_overflows(&c->ring)) {
        const struct heald_op *op = heald_container_of(n, struct heald_op, aux);
        if (!heald__ring_taken(&c->ring, (unsigned)op->result))
            break;
        list_remove(n);
        list_push(&sent, n);
    }
    while (!list_empty(&sent)) {
        struct heald_op *op = heald_container_of(sent.next, struct heald_op, aux);
        forget_try(op);
        op_stage_move(op, STAGE_LOOP);
        c->sent(c, op);
    }
}

/* Is it of a receive or a send, with nothing to see to but its result? */
static inline bool is_plain_end(uint64_t user_data)
{
    const struct heald_op *op = (const struct heald_op *)(uintptr_t)user_data;

    return !(user_data & HEALD_RING_NO_OP) && op->stage == STAGE_RING &&
           heald__op_traits[op->kind] & OP_PLAIN && !(op->flags & OP_POLLED);
}

static inline void end_plain(struct heald_client *c, struct heald_op *op, int result)
{
    forget_try(op);
    op_stage_move(op, STAGE_LOOP);
    c->done(c, op, result < 0 ? result_of(result) : result, 0);
}

void heald__client_harvest(struct heald_client *c)
{
    struct io_uring_cqe *next;

    while ((next = heald__ring_peek(&c->ring))) {
        struct heald_op *op = (struct heald_op *)(uintptr_t)next->user_data;
        if (is_plain_end(next->user_data)) {
            int result = next->res;
            heald__ring_seen(&c->ring);
            end_plain(c, op, result);
            continue;
        }
        struct io_uring_cqe cqe = *next;
        bool other = cqe.user_data & HEALD_RING_NO_OP, waits = !other && must_wait(op);
        /* Without memory it stays where it is, and what is behind it, until the callback has
         * run. */
        if (waits && !keep(c, op, cqe.res, cqe.flags))
            return;
        heald__ring_seen(&c->ring);
        if (other)
            other_completion(c, cqe.user_data, cqe.res);
        else if (!waits)
            deliver(c, op, cqe.res, cqe.flags);
    }
    if (!list_empty(&c->tries))
        complete_tries(c);
}

/*
 * There are tries in the ring. Until when to wait: as long as was asked for, since a time-out in
 * the ring will end it; that one serves for all tries of a while, where one for each wait would be
 * set and removed each time.
 */
static int64_t until_tries_complete(struct heald_client *c, int64_t deadline_ns)
{
    struct io_uring_sqe *sqe;

    if (c->prompt)
        return 0;
    if (c->tries_timed)
        return deadline_ns;
    if (!(sqe = heald__ring_entry(&c->ring)))
        return 0;
    c->tries_timed = true;
    c->tries_time.tv_nsec = TRIED_MS * HEALD_MS;
    io_uring_prep_timeout(sqe, &c->tries_time, 0, 0);
    io_uring_sqe_set_data64(sqe, SETTLE);
    return deadline_ns;
}

int heald__client_enter(struct heald_client *c, int64_t deadline_ns)
{
    if (!list_empty(&c->backlog))
        work_off(c);
    if (c->retry_due)
        cancel_again(c);
    if (deadline_ns && !list_empty(&c->tries))
        deadline_ns = until_tries_complete(c, deadline_ns);
    return heald__ring_enter(&c->ring, list_empty(&c->backlog) ? deadline_ns : 0);
}

int heald__client_turn(struct heald_client *c, int64_t deadline_ns)
{
    int err = heald__client_enter(c, deadline_ns);

    heald__client_harvest(c);
    return err;
}

/* Does the bell ring for what completes? */
static void set_bell(struct heald_client *c, bool rings)
{
    if (c->ring.bell >= 0)
        io_uring_cq_eventfd_toggle(&c->ring.ring, rings);
}

int heald__client_catch_up(struct heald_client *c)
{
    int err, turns = 0;

    do {
        set_bell(c, false);
        err = heald__client_turn(c, 0);
        set_bell(c, true);
        /* Seq_cst: pairs with the kernel, which says that it has something (heald__ring_behind())
         * before it asks whether to ring. */
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        heald__client_harvest(c);
    } while (!err && heald__ring_behind(&c->ring) && ++turns < TURNS_MAX);
    return err;
}

bool heald__client_pending(const struct heald_client *c)
{
    return heald__ring_pending(&c->ring) || !list_empty(&c->backlog);
}

bool heald__client_busy(const struct heald_client *c)
{
    return c->retry_due || heald__ring_behind(&c->ring) || heald__client_pending(c) ||
           io_uring_cq_ready(&c->ring.ring);
}
