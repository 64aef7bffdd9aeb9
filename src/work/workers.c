/*
 * work/workers.c: threads for the ops of several loops.
 *
 * Argument. One lock guards all that crosses threads. Under it, an op of a lane is in exactly one
 * of three places: in the lane's queue (aux.prev is set), with a thread, or the loop's. A thread
 * takes it out of the queue, and a recall does; so one of the two gets it. A thread that has run
 * its function decides under the lock whether the work was detached: if not, the op is on its way
 * to the loop from then on, and a recall changes nothing any more. If it was, the op may not exist
 * any more, and the thread touches the work alone.
 *
 * A thread that gives an op to the sink wakes the loop after that, when the loop may have run the
 * callback already: so the lane counts it (`delivering`), and the lane's close, which comes before
 * the mailbox goes, waits for it. That takes as long as a system call, not as a function.
 *
 * An op is pending until its loop has got it back (`pending`): while one is, its lane stays and
 * heald_workers_close() refuses. A thread that gives an op to the sink leaves the lane in it.
 *
 * No thread waits for a function: heald_workers_close() joins the threads without a function and
 * leaves the others alone. `refs` counts who still uses the memory: the opener, lanes, and threads
 * that were left. The last one frees it. Who unlocks the mutex before the last one does not touch
 * it after the unlock, as POSIX demands of pthread_mutex_unlock(3).
 *
 * Threads are started as in pool/pool.c: one more when the queue is longer than there are idle
 * ones. A thread counts as idle if it takes the next op without waiting for one: also one that was
 * woken and does not have the lock yet, one that gives an op to the sink, and one in linger().
 *
 * Threads are woken one at a time: who puts an op into the queue wakes one, if none is on its way,
 * and that one wakes the next if there is still a queue. So while there are ops and sleeping
 * threads, one is on its way or a thread that has the lock is about to look; and a burst of short
 * functions is not a burst of wakes.
 */
#include "work/workers.h"

#include "base/alloc.h"
#include "base/list.h"
#include "platform/sys.h"

#include <errno.h>
#include <sched.h>

enum { THREADS_MAX = 256, QUEUE_DEFAULT = 1024 };

struct worker {
    struct heald_workers *workers;
    pthread_t thread;
    /* Guarded by the lock: */
    const struct heald_work *work; /* that it runs and that can be detached */
    int64_t since_ns;              /* when its function began; 0: it runs none */
    bool away;                     /* its function is detached */
    bool left;                     /* its thread ends without being joined */
};

struct heald_workers {
    const struct heald_sys *sys;
    struct heald_allocator alloc;
    unsigned limit, queue_limit;
    size_t stack;
    pthread_mutex_t lock;
    pthread_cond_t work;  /* an op is queued, or it is time to end */
    pthread_cond_t quiet; /* a lane that is being closed has delivered */
    /* Guarded by lock: */
    struct heald_link turns; /* lanes with queued ops: the first is next */
    unsigned queued, started, idle, running, detached, pending;
    unsigned sleeping; /* of the idle ones: in pthread_cond_wait(3) */
    bool waking;       /* one of these was woken, and does not have the lock yet */
    unsigned refs;
    bool closing;
    struct worker workers[];
};

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
    int err = pthread_mutex_init(&w->lock, NULL);

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
    list_init(&w->turns);
    if ((err = init_locks(w)))
        alloc_free(&o.allocator, w, size_of(o.threads));
    else
        *ret_workers = w;
    return err;
}

/* Under the lock, which it releases. */
static void unref(struct heald_workers *w)
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

/* Is a sleeping thread to be woken? One at a time: it wakes the next one, if there is still a queue
 * then. Under the lock. */
static bool must_wake(struct heald_workers *w)
{
    bool wakes = w->queued && w->sleeping && !w->waking;

    w->waking = w->waking || wakes;
    return wakes;
}

/* Until there is something to do, perhaps. Under the lock. */
static void sleep_idle(struct heald_workers *w)
{
    w->idle++;
    w->sleeping++;
    pthread_cond_wait(&w->work, &w->lock);
    w->sleeping--;
    w->idle--;
    w->waking = false;
}

/* The next op, which is the caller's then; or NULL. Under the lock. */
static struct heald_op *next_op(struct heald_workers *w, struct heald_lane **ret_lane)
{
    struct heald_link *turn = list_pop(&w->turns);

    if (!turn)
        return NULL;
    struct heald_lane *lane = heald_container_of(turn, struct heald_lane, turn);
    struct heald_link *link = list_pop(&lane->queue);
    link->prev = NULL;
    w->queued--;
    if (--lane->queued)
        list_push(&w->turns, &lane->turn);
    *ret_lane = lane;
    return heald_container_of(link, struct heald_op, aux);
}

/* Relaxed: what goes with it is guarded by the lock; fn, which has no lock, asks again. */
static void set_state(struct heald_work *work, enum work_state state)
{
    __atomic_store_n(&work->state, state, __ATOMIC_RELAXED);
}

/* Under the lock, but not while it gives the op to the loop. */
static void deliver(struct heald_lane *lane, struct heald_op *op, int64_t result)
{
    struct heald_workers *w = lane->workers;

    op->u.work.since_ns = (int64_t)(intptr_t)lane;
    lane->delivering++;
    w->idle++;
    pthread_mutex_unlock(&w->lock);
    lane->sink->done_remote(lane->sink, op, result);
    pthread_mutex_lock(&w->lock);
    w->idle--;
    lane->delivering--;
    if (lane->closing)
        pthread_cond_broadcast(&w->quiet);
}

/* Under the lock, but not while it runs. */
static void release(struct heald_workers *w, struct heald_work *work)
{
    set_state(work, WORK_IDLE);
    pthread_mutex_unlock(&w->lock);
    work->release(work);
    pthread_mutex_lock(&w->lock);
}

/* Under the lock, but not while the function runs. */
static void run(struct worker *me, struct heald_lane *lane, struct heald_op *op)
{
    struct heald_workers *w = me->workers;
    struct heald_work *work = op->kind == OP_WORK ? NULL : op->u.work.u.work;

    me->work = work;
    if (work)
        set_state(work, WORK_RUNNING);
    me->since_ns = w->sys->now(HEALD_CLOCK_MONOTONIC);
    w->running++;
    pthread_mutex_unlock(&w->lock);
    int64_t result = work ? work->fn(work) : op->u.work.u.fn(op);
    pthread_mutex_lock(&w->lock);
    me->work = NULL;
    if (work && me->away)
        release(w, work);
    me->since_ns = 0;
    w->running--;
    if (me->away) {
        me->away = false;
        w->detached--;
        return;
    }
    if (work)
        set_state(work, WORK_IDLE);
    /* Last, since the loop may close the workers as soon as it has the op. */
    deliver(lane, op, result);
}

/* With one op at a time the loop that gets its result often has the next one: if it gets the
 * processor now, no thread has to be woken for that. Under the lock, but not all of the time. */
static void linger(struct heald_workers *w)
{
    if (w->queued || w->running)
        return;
    w->idle++;
    pthread_mutex_unlock(&w->lock);
    sched_yield();
    pthread_mutex_lock(&w->lock);
    w->idle--;
}

static void *worker_main(void *arg)
{
    struct worker *me = arg;
    struct heald_workers *w = me->workers;
    struct heald_lane *lane;
    struct heald_op *op;

    pthread_mutex_lock(&w->lock);
    for (;;) {
        if ((op = next_op(w, &lane))) {
            if (must_wake(w))
                pthread_cond_signal(&w->work);
            run(me, lane, op);
            linger(w);
        } else if (w->closing) {
            break;
        } else {
            sleep_idle(w);
        }
    }
    if (me->left)
        unref(w);
    else
        pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* One thread more: 0 or -errno. Under the lock, so that `started` and `workers` agree. */
static int start_thread(struct heald_workers *w)
{
    struct worker *me = &w->workers[w->started];
    int err = w->sys->gate(HEALD_GATE_THREAD);

    if (err)
        return err;
    me->workers = w;
    err = w->stack ? heald__plat_thread_start_small(&me->thread, w->stack, worker_main, me)
                   : heald__plat_thread_start(&me->thread, worker_main, me);
    if (!err)
        w->started++;
    return err;
}

/* The queue of the workers becomes longer by one: is somebody there for it? Under the lock. */
static int make_room(struct heald_workers *w, const struct heald_lane *lane)
{
    if (lane->queued >= w->queue_limit)
        return -ENOBUFS;
    if (w->queued < w->idle || w->started == w->limit)
        return 0;
    int err = start_thread(w);
    /* With a thread the op is only slower; without any it would wait indefinitely. */
    return w->started ? 0 : err;
}

int heald__lane_submit(struct heald_lane *lane, struct heald_op *op, int64_t now_ns)
{
    struct heald_workers *w = lane->workers;

    pthread_mutex_lock(&w->lock);
    int err = make_room(w, lane);
    if (!err) {
        op->u.work.since_ns = now_ns;
        list_push(&lane->queue, &op->aux);
        if (!lane->queued++)
            list_push(&w->turns, &lane->turn);
        w->queued++;
        lane->pending++;
        w->pending++;
    }
    bool wakes = must_wake(w);
    pthread_mutex_unlock(&w->lock);
    if (wakes)
        pthread_cond_signal(&w->work); /* without the lock: the thread would wait for it */
    return err;
}

static void withdraw(struct heald_lane *lane, struct heald_op *op)
{
    list_remove(&op->aux);
    op->aux.prev = NULL;
    lane->workers->queued--;
    if (!--lane->queued)
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

/* Under the lock. */
static void end_pending(struct heald_lane *lane)
{
    lane->pending--;
    lane->workers->pending--;
}

enum lane_recall heald__lane_recall(struct heald_lane *lane, struct heald_op *op)
{
    struct heald_workers *w = lane->workers;
    enum lane_recall what = LANE_RUNNING;

    pthread_mutex_lock(&w->lock);
    if (op->aux.prev) {
        withdraw(lane, op);
        what = LANE_WITHDRAWN;
    } else if (detach(w, op)) {
        what = LANE_DETACHED;
    }
    if (what != LANE_RUNNING)
        end_pending(lane);
    pthread_mutex_unlock(&w->lock);
    return what;
}

void heald__lane_done(struct heald_lane *lane)
{
    struct heald_workers *w = lane->workers;

    pthread_mutex_lock(&w->lock);
    end_pending(lane);
    pthread_mutex_unlock(&w->lock);
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
    assert(!lane->queued);
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
    alloc_free(&w->alloc, lane, sizeof *lane);
    unref(w);
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

int heald_workers_close(struct heald_workers *w)
{
    pthread_mutex_lock(&w->lock);
    if (w->queued || w->pending) {
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
    unref(w);
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
        int64_t since = w->workers[i].since_ns;
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
    int64_t now = w->sys->now(HEALD_CLOCK_MONOTONIC);
    *ret_stats = (struct heald_workers_stats){.threads = w->started,
                                              .running = w->running,
                                              .queued = w->queued,
                                              .detached = w->detached,
                                              .oldest_ns = age(oldest_since(w), now),
                                              .longest_ns = age(longest_since(w), now)};
    pthread_mutex_unlock(&w->lock);
}
