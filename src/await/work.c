/*
 * await/work.c: functions on threads as ops: the loop's half of work/workers.c, and the workers
 * that a loop has of its own. The loop's thread.
 *
 * A pending op lies in the loop's list of operations that name no descriptor, where
 * heald_loop_list() finds it, and its result comes by the mailbox. A lane lives as long as its
 * loop, so a thread that gives an op to the loop finds it.
 *
 * Before it sleeps, a loop with pending functions looks for results (platform/spin.h), for
 * LINGER_NS at most, while looks pay. One with several of them naps instead, while naps bring
 * several results: for NAP_NS (and the slack of the system's timers) a result wakes it only if no
 * other op is queued behind it, since others will follow, and each wake costs more than a short
 * function does. Descriptors, posts and deadlines end a nap as they end any wait.
 */
#include "await/work.h"

#include "await/await.h"
#include "await/cache.h"
#include "base/list.h"
#include "loop/loop.h"

#include <errno.h>

enum { LINGER_NS = 5000, NAP_NS = 50000, NAP_RESULTS = 4 };
enum { KINDS = HEALD_WORKERS_NAMES + 1, NAMES_THREADS = 8, NAMES_STACK = 512 * 1024 };

static int works_of(struct heald_loop *loop, struct heald_works **ret_works)
{
    if (!loop->works) {
        if (!(loop->works = alloc_new(&loop->alloc, sizeof *loop->works)))
            return -ENOMEM;
        list_init(&loop->works->lanes);
        list_init(&loop->works->jobs);
        list_init(&loop->works->cached);
        spin_init(&loop->works->spin);
        loop->works->nap.parallel = true;
    }
    *ret_works = loop->works;
    return 0;
}

int heald_loop_workers(struct heald_loop *loop, enum heald_workers_kind kind,
                       struct heald_workers **ret_workers)
{
    /* Modules of the C library's look-ups need more than the smallest stack. */
    const struct heald_workers_options names = {
        .threads = NAMES_THREADS, .stack = NAMES_STACK, .sys = loop->sys};
    const struct heald_workers_options cpu = {.sys = loop->sys};
    struct heald_works *works;

    if ((unsigned)kind >= KINDS)
        return -EINVAL;
    if (loop->workers[kind]) {
        *ret_workers = loop->workers[kind];
        return 0;
    }
    int err = works_of(loop, &works);
    if (!err && !works->own[kind])
        err = heald_workers_open(&works->own[kind], kind == HEALD_WORKERS_NAMES ? &names : &cpu);
    if (!err)
        *ret_workers = works->own[kind];
    return err;
}

/* A loop may see many workers come and go. */
static void drop_closed(struct heald_works *works)
{
    for (struct heald_link *n = works->lanes.next, *next; n != &works->lanes; n = next) {
        struct heald_lane *lane = heald_container_of(n, struct heald_lane, of_loop);
        next = n->next;
        if (!heald__lane_is_over(lane))
            continue;
        list_remove(n);
        heald__lane_close(lane);
    }
}

int heald__work_lane(struct heald_loop *loop, struct heald_workers *workers,
                     struct heald_lane **ret_lane)
{
    struct heald_works *works;
    int err = works_of(loop, &works);

    if (!err && !workers)
        err = heald_loop_workers(loop, HEALD_WORKERS_CPU, &workers);
    if (err)
        return err;
    for (struct heald_link *n = works->lanes.next; n != &works->lanes; n = n->next) {
        struct heald_lane *lane = heald_container_of(n, struct heald_lane, of_loop);
        if (lane->workers == workers) {
            *ret_lane = lane;
            return 0;
        }
    }
    drop_closed(works);
    err = heald__lane_open(ret_lane, workers, &loop->sink);
    if (!err)
        list_push(&works->lanes, &(*ret_lane)->of_loop);
    return err;
}

/* Of work that can be detached: -EINVAL: it was, and belongs to another; -EBUSY. */
static int claim(struct heald_op *op)
{
    struct heald_work *work = op->u.work.u.work;

    if (op->kind != OP_WORK_DETACHABLE)
        return 0;
    if (!work)
        return -EINVAL;
    /* Relaxed: who may submit it knows that it is free. */
    if (__atomic_load_n(&work->state, __ATOMIC_RELAXED) != WORK_IDLE)
        return -EBUSY;
    __atomic_store_n(&work->state, WORK_QUEUED, __ATOMIC_RELAXED);
    return 0;
}

/* A thread has not begun it, or will not. */
static void unclaim(struct heald_op *op)
{
    if (op->kind == OP_WORK_DETACHABLE && op->u.work.u.work)
        __atomic_store_n(&op->u.work.u.work->state, WORK_IDLE, __ATOMIC_RELAXED);
}

static void end(struct heald_loop *loop, struct heald_op *op, int64_t result)
{
    op->u.work.since_ns = 0;
    op_stage_move(op, STAGE_LOOP);
    heald__result(loop, op, result, false);
}

static int work_start(struct heald_loop *loop, struct heald_op *op)
{
    struct heald_lane *lane;
    int err = heald__work_lane(loop, op->u.work.workers, &lane);

    if (err || (err = claim(op)))
        return err;
    loop->works->pending++;
    loop->attention.more |= MORE_WORK;
    op->flags |= OP_FILE | OP_DETACHED;
    fds_push(&loop->fds.detached.files, op);
    op_move(op, OP_ARMED);
    op_stage_move(op, STAGE_POOL);
    if ((err = heald__lane_submit(lane, op, heald_now(loop)))) {
        unclaim(op);
        end(loop, op, err);
    }
    return 0;
}

/* It has completed. One that was withdrawn, detached or refused is in no lane. */
static void work_tidy(struct heald_loop *loop, struct heald_op *op)
{
    if (heald__lane_of(op))
        heald__lane_done(heald__lane_of(op));
    loop->works->results++;
    if (!--loop->works->pending)
        loop->attention.more &= (uint8_t)~MORE_WORK;
}

static bool is_there(const void *loop)
{
    return heald__mailbox_any(loop);
}

/* Is it to nap? As long as naps bring several results. */
static bool naps(struct heald_works *works)
{
    if (works->napped)
        spin_ends(&works->nap, works->results >= NAP_RESULTS);
    works->results = 0;
    works->napped = works->pending >= NAP_RESULTS && spin_begins(&works->nap);
    return works->napped;
}

/* A result that comes while the loop is awake needs no bell. */
static int64_t work_linger(struct heald_loop *loop)
{
    struct heald_works *works = loop->works;

    if (heald__mailbox_any(loop))
        return 0;
    if (naps(works))
        return NAP_NS;
    if (spin_begins(&works->spin))
        spin_ends(&works->spin, spin_for(loop->sys, LINGER_NS, is_there, loop));
    return 0;
}

static void work_cancel(struct heald_loop *loop, struct heald_op *op)
{
    struct heald_lane *lane;

    op_move(op, OP_CANCELLING);
    /* It was submitted, so its lane is there. */
    if (heald__work_lane(loop, op->u.work.workers, &lane) != 0)
        return;
    enum lane_recall what = heald__lane_recall(lane, op);
    if (what == LANE_WITHDRAWN)
        unclaim(op);
    if (what != LANE_RUNNING)
        end(loop, op, -ECANCELED);
}

static void work_close(struct heald_loop *loop)
{
    struct heald_works *works = loop->works;
    struct heald_link *link;

    if (!works)
        return;
    for (link = works->lanes.next; link != &works->lanes; link = link->next)
        heald__lane_quiesce(heald_container_of(link, struct heald_lane, of_loop));
    /* Answers to questions that nobody asks any more. */
    heald__mailbox_fetch_all(loop);
    while ((link = list_pop(&works->lanes)))
        heald__lane_close(heald_container_of(link, struct heald_lane, of_loop));
    /* No op is pending, so none is busy. */
    for (int kind = 0; kind < KINDS; kind++)
        if (works->own[kind])
            heald_workers_close(works->own[kind]);
    heald__cache_close(loop);
    alloc_free(&loop->alloc, works, sizeof *works);
    loop->works = NULL;
}

int heald_work_detached(const struct heald_work *work)
{
    /* Relaxed: fn asks again. */
    return __atomic_load_n(&work->state, __ATOMIC_RELAXED) == WORK_DETACHED;
}

int heald_work_cancelled(const struct heald_op *op)
{
    return op_load_state(op) == OP_CANCELLING;
}

int heald_op_detached(const struct heald_op *op)
{
    return op->kind == OP_WORK_DETACHABLE && !op->u.work.u.work;
}

const struct heald_upper heald__await_work = {
    .start = work_start,
    .cancel = work_cancel,
    .tidy = work_tidy,
    .linger = work_linger,
    .close = work_close,
};
