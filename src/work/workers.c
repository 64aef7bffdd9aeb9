/*
 * work/workers.c: threads for the ops of several loops.
 *
 * Argument. Under the lock an op of a lane is in exactly one of four places: put (in `top`), in the
 * lane's queue, with a thread, or the loop's. Its aux.prev is set in the first two. A thread takes
 * it out of the queue, and a recall does, each after a fetch that empties `top`; so one of the two
 * gets it. A thread that has run its function decides under the lock whether the work was detached:
 * if not, the op is on its way to the loop from then on, and a recall changes nothing any more. If
 * it was, the op may not exist any more, and the thread touches the work alone.
 *
 * A loop puts an op without the lock: `top` is a stack as in loop/post.c, which a thread takes
 * whole, under the lock, each time before it takes an op: so the order of a loop's ops and the
 * turns of the loops are as if each had been queued under the lock. `room` and `put` are the
 * loop's, `taken` says how many of what it put have left, so the loop knows how long its queue is
 * at most.
 *
 * A thread that gives an op to the sink wakes the loop after that, when the loop may have run the
 * callback already: so the lane counts it (`delivering`), and the lane's close, which comes before
 * the mailbox goes, waits for it. That takes as long as a system call, not as a function.
 *
 * An op is pending until its loop has got it back (`pending`): while one is, its lane stays and
 * heald_workers_close() refuses. A thread that gives an op to the sink leaves the lane in it. It is
 * counted by the loop alone: the last count is a release, which pairs with the acquire in
 * heald_workers_close().
 *
 * An op whose function cannot be detached needs no decision when that has returned: the thread
 * gives it to the sink without the lock, which it takes once for each op. It becomes `busy` under
 * the lock and is so until the function has returned; that is for the statistics, and for how many
 * threads there are.
 *
 * No thread waits for a function: heald_workers_close() joins the threads without a function and
 * leaves the others alone. `refs` counts who still uses the memory: the opener, lanes, and threads
 * that were left. The last one frees it. Who unlocks the mutex before the last one does not touch
 * it after the unlock, as POSIX demands of pthread_mutex_unlock(3).
 *
 * Threads are started as in pool/pool.c: one more when the queue is longer than there are idle
 * ones. A thread is idle if it is not busy, since it takes the next op without waiting for one:
 * also one that was woken and does not have the lock yet, one that gives an op to the sink, and one
 * in linger().
 *
 * Threads are woken one at a time: who puts an op wakes one, if none is on its way (`waking`), and
 * that one wakes the next if there is still a queue. So while there are ops and sleeping threads,
 * one is on its way or a thread that has the lock is about to look; and a burst of short functions
 * is not a burst of wakes. A thread that lingers is on its way as well: it looks at the queue when
 * it has the lock again, whatever it has seen without it.
 *
 * No wake is lost: a loop puts an op and then loads `wants`; a thread stores `wants` and then loads
 * `top`. All four are sequentially consistent, so one sees the other's store. `wants` is true while
 * a thread sleeps and none is on its way, or while one can be started: then the loop takes the lock
 * and looks. It becomes true where a thread goes to sleep, and where one that was on its way has
 * the lock, and both fetch after that, before they sleep. While it is false, either every thread
 * that was started is awake and will fetch before it sleeps, or one is on its way.
 *
 * No result is lost or late: a thread that gives one wakes a loop that sleeps. A loop that naps it
 * wakes only if it leaves no queue behind: if it leaves one, the next function may be long, but the
 * nap ends by itself (see await/work.c).
 */
#include "work/state.h"

#include <errno.h>

enum { THREADS_MAX = 256, QUEUE_DEFAULT = 1024 };

static size_t size_of(unsigned threads)
{
    return sizeof(struct heald_workers) + threads * sizeof(struct worker);
}

static int check_options(struct heald_workers_options *o)
{
    o->threads = o->threads ? o->threads : heald__plat_processors(THREADS_MAX);
    o->queue = o->queue ? o->queue : QUEUE_DEFAULT;
    if (!o->allocator.resize)
        o->allocator = heald__alloc_libc;
    if (!o->sys)
        o->sys = &heald__sys_native;
    return o->threads > THREADS_MAX ? -EINVAL : 0;
}

/* 0 or -errno, and nothing is left. */
static int init_locks(struct heald_workers *w)
{
    int err = heald__plat_mutex_init_short(&w->lock);

    if (err)
        return -err;
    if ((err = pthread_cond_init(&w->work, NULL)))
        goto no_work;
    if ((err = pthread_cond_init(&w->quiet, NULL)))
        goto no_quiet;
    return 0;
no_quiet:
    pthread_cond_destroy(&w->work);
no_work:
    pthread_mutex_destroy(&w->lock);
    return -err;
}

void heald__workers_unref(struct heald_workers *w)
{
    bool last = --w->refs == 0;

    pthread_mutex_unlock(&w->lock);
    if (!last)
        return;
    pthread_cond_destroy(&w->quiet);
    pthread_cond_destroy(&w->work);
    pthread_mutex_destroy(&w->lock);
    struct heald_allocator alloc = w->alloc;
    alloc_free(&alloc, w, size_of(w->limit));
}

int heald_workers_open(struct heald_workers **ret_workers,
                       const struct heald_workers_options *options)
{
    struct heald_workers_options o = options ? *options : (struct heald_workers_options){0};
    int err = check_options(&o);

    if (err)
        return err;
    struct heald_workers *w = alloc_new(&o.allocator, size_of(o.threads));
    if (!w)
        return -ENOMEM;
    w->sys = o.sys;
    w->alloc = o.allocator;
    w->limit = o.threads;
    w->queue_limit = o.queue;
    w->stack = o.stack;
    w->refs = 1;
    w->wants = true;
    list_init(&w->turns);
    list_init(&w->lanes);
    spin_init(&w->spin);
    if ((err = init_locks(w)))
        alloc_free(&o.allocator, w, size_of(o.threads));
    else
        *ret_workers = w;
    return err;
}

void heald__workers_fetch(struct heald_workers *w)
{
    /* Acquire by way of seq_cst: pairs with put(). */
    struct heald_link *node = __atomic_exchange_n(&w->top, NULL, __ATOMIC_SEQ_CST);
    struct heald_link *next, *first = NULL;
    int count = 0;

    for (; node; node = next, count++) {
        next = node->next;
        node->next = first;
        first = node;
    }
    for (node = first; node; node = next) {
        struct heald_lane *lane = (struct heald_lane *)(void *)node->prev;
        next = node->next;
        if (list_empty(&lane->queue))
            list_push(&w->turns, &lane->turn);
        list_push(&lane->queue, node);
    }
    count_queued(w, count);
}

/* Is there a thread for what is queued, and is it awake? */
static void look(struct heald_workers *w)
{
    pthread_mutex_lock(&w->lock);
    fetch(w);
    /* With a thread it is only slower if no other can be had. */
    if (w->started < w->limit && w->queued > w->started - count_busy(w))
        heald__worker_start(w);
    set_wants(w);
    bool wakes = must_wake(w);
    pthread_mutex_unlock(&w->lock);
    if (wakes)
        pthread_cond_signal(&w->work); /* without the lock: the thread would wait for it */
}

/* Without any thread an op would wait indefinitely. 0 or -errno. */
static int start_first(struct heald_workers *w)
{
    pthread_mutex_lock(&w->lock);
    int err = w->started ? 0 : heald__worker_start(w);
    pthread_mutex_unlock(&w->lock);
    return err;
}

static int make_room(struct heald_lane *lane)
{
    struct heald_workers *w = lane->workers;

    /* Relaxed: it says how many, and not what became of them. */
    if (!lane->room)
        lane->room = w->queue_limit - (lane->put - __atomic_load_n(&lane->taken, __ATOMIC_RELAXED));
    if (!lane->room)
        return -ENOBUFS;
    return __atomic_load_n(&w->started, __ATOMIC_RELAXED) ? 0 : start_first(w);
}

/* Until it is in the queue of its lane, its aux.prev is the lane. */
static void put(struct heald_lane *lane, struct heald_op *op)
{
    struct heald_workers *w = lane->workers;
    struct heald_link *top = __atomic_load_n(&w->top, __ATOMIC_RELAXED);

    op->aux.prev = (struct heald_link *)(void *)lane;
    /* Release by way of seq_cst: pairs with the exchange in heald__workers_fetch(). */
    do
        op->aux.next = top;
    while (!__atomic_compare_exchange_n(&w->top, &top, &op->aux, true, __ATOMIC_SEQ_CST,
                                        __ATOMIC_RELAXED));
}

/* Relaxed: heald_workers_close() is called when nobody submits. */
static void count_pending(struct heald_lane *lane, int more, int order)
{
    __atomic_store_n(&lane->pending, lane->pending + (unsigned)more, order);
}

int heald__lane_submit(struct heald_lane *lane, struct heald_op *op, int64_t now_ns)
{
    int err = make_room(lane);

    if (err)
        return err;
    lane->room--;
    lane->put++;
    count_pending(lane, 1, __ATOMIC_RELAXED);
    op->u.work.since_ns = now_ns;
    put(lane, op);
    /* Pairs with set_wants(), see the argument. */
    if (__atomic_load_n(&lane->workers->wants, __ATOMIC_SEQ_CST))
        look(lane->workers);
    return 0;
}

static void withdraw(struct heald_lane *lane, struct heald_op *op)
{
    list_remove(&op->aux);
    op->aux.prev = NULL;
    count_queued(lane->workers, -1);
    __atomic_store_n(&lane->taken, lane->taken + 1, __ATOMIC_RELAXED);
    if (list_empty(&lane->queue))
        list_remove(&lane->turn);
}

/* False: its function has returned, or is of the sort that is waited for. */
static bool detach(struct heald_workers *w, struct heald_op *op)
{
    struct heald_work *work = op->kind == OP_WORK ? NULL : op->u.work.u.work;
    unsigned i = 0;

    while (work && i < w->started && w->workers[i].work != work)
        i++;
    if (!work || i == w->started)
        return false;
    w->workers[i].away = true;
    w->workers[i].work = NULL;
    w->detached++;
    set_state(work, WORK_DETACHED);
    op->u.work.u.work = NULL;
    return true;
}

void heald__lane_done(struct heald_lane *lane)
{
    /* Release: pairs with the acquire in heald_workers_close(). */
    count_pending(lane, -1, __ATOMIC_RELEASE);
}

enum lane_recall heald__lane_recall(struct heald_lane *lane, struct heald_op *op)
{
    struct heald_workers *w = lane->workers;
    enum lane_recall what = LANE_RUNNING;

    pthread_mutex_lock(&w->lock);
    fetch(w);
    if (op->aux.prev) {
        withdraw(lane, op);
        what = LANE_WITHDRAWN;
    } else if (detach(w, op)) {
        what = LANE_DETACHED;
    }
    pthread_mutex_unlock(&w->lock);
    if (what != LANE_RUNNING)
        heald__lane_done(lane);
    return what;
}

int heald__lane_open(struct heald_lane **ret_lane, struct heald_workers *workers,
                     struct heald_sink *sink)
{
    struct heald_lane *lane = alloc_new(&workers->alloc, sizeof *lane);

    if (!lane)
        return -ENOMEM;
    lane->workers = workers;
    lane->sink = sink;
    list_init(&lane->queue);
    pthread_mutex_lock(&workers->lock);
    list_push(&workers->lanes, &lane->of_workers);
    workers->refs++;
    pthread_mutex_unlock(&workers->lock);
    *ret_lane = lane;
    return 0;
}

bool heald__lane_is_over(const struct heald_lane *lane)
{
    struct heald_workers *w = lane->workers;

    pthread_mutex_lock(&w->lock);
    bool over = w->closing && !lane->pending;
    pthread_mutex_unlock(&w->lock);
    return over;
}

const struct heald_allocator *heald__lane_allocator(const struct heald_lane *lane)
{
    return &lane->workers->alloc;
}

void heald__lane_quiesce(struct heald_lane *lane)
{
    struct heald_workers *w = lane->workers;

    pthread_mutex_lock(&w->lock);
    assert(list_empty(&lane->queue));
    lane->closing = true;
    while (lane->delivering)
        pthread_cond_wait(&w->quiet, &w->lock);
    pthread_mutex_unlock(&w->lock);
}

void heald__lane_close(struct heald_lane *lane)
{
    struct heald_workers *w = lane->workers;

    heald__lane_quiesce(lane);
    pthread_mutex_lock(&w->lock);
    list_remove(&lane->of_workers);
    alloc_free(&w->alloc, lane, sizeof *lane);
    heald__workers_unref(w);
}

/* Threads with a detached function end by themselves. Under the lock. */
static void leave_away(struct heald_workers *w)
{
    for (unsigned i = 0; i < w->started; i++) {
        struct worker *worker = &w->workers[i];
        if (!worker->away)
            continue;
        worker->left = true;
        w->refs++;
        pthread_detach(worker->thread);
    }
}

/* Under the lock. */
static bool any_pending(struct heald_workers *w)
{
    bool any = false;

    for (struct heald_link *n = w->lanes.next; n != &w->lanes; n = n->next) {
        const struct heald_lane *lane = heald_container_of(n, struct heald_lane, of_workers);
        /* Acquire: pairs with the release in heald__lane_done(). */
        any = any || __atomic_load_n(&lane->pending, __ATOMIC_ACQUIRE);
    }
    return any;
}

int heald_workers_close(struct heald_workers *w)
{
    pthread_mutex_lock(&w->lock);
    if (any_pending(w)) {
        pthread_mutex_unlock(&w->lock);
        return -EBUSY;
    }
    w->closing = true;
    leave_away(w);
    pthread_cond_broadcast(&w->work);
    pthread_mutex_unlock(&w->lock);
    /* Only this function sets `left`. */
    for (unsigned i = 0; i < w->started; i++)
        if (!w->workers[i].left)
            pthread_join(w->workers[i].thread, NULL);
    pthread_mutex_lock(&w->lock);
    heald__workers_unref(w);
    return 0;
}

/* Since when the oldest op waits; the first of each lane is its oldest. Under the lock. */
static int64_t oldest_since(struct heald_workers *w)
{
    int64_t oldest = HEALD_FOREVER;

    for (struct heald_link *t = w->turns.next; t != &w->turns; t = t->next) {
        const struct heald_lane *lane = heald_container_of(t, struct heald_lane, turn);
        const struct heald_op *op = heald_container_of(lane->queue.next, struct heald_op, aux);
        oldest = op->u.work.since_ns < oldest ? op->u.work.since_ns : oldest;
    }
    return oldest;
}

static int64_t longest_since(struct heald_workers *w)
{
    int64_t longest = HEALD_FOREVER;

    for (unsigned i = 0; i < w->started; i++) {
        int64_t since = __atomic_load_n(&w->workers[i].since_ns, __ATOMIC_RELAXED);
        longest = since && since < longest ? since : longest;
    }
    return longest;
}

static int64_t age(int64_t since_ns, int64_t now_ns)
{
    return since_ns < now_ns ? now_ns - since_ns : since_ns != HEALD_FOREVER;
}

void heald_workers_stats(struct heald_workers *w, struct heald_workers_stats *ret_stats)
{
    pthread_mutex_lock(&w->lock);
    fetch(w);
    int64_t now = w->sys->now(HEALD_CLOCK_MONOTONIC);
    *ret_stats = (struct heald_workers_stats){.threads = w->started,
                                              .running = count_busy(w),
                                              .queued = w->queued,
                                              .detached = w->detached,
                                              .oldest_ns = age(oldest_since(w), now),
                                              .longest_ns = age(longest_since(w), now)};
    pthread_mutex_unlock(&w->lock);
}
