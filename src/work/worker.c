/* work/worker.c: a thread of workers: takes ops, runs their functions, and gives their loops the
 * results. See workers.c for the argument. */
#include "work/state.h"

#include <sched.h>

enum { LINGER_NS = 20000 };

/* Until there is something to do, perhaps. Under the lock. */
static void sleep_idle(struct heald_workers *w)
{
    w->sleeping++;
    set_wants(w);
    fetch(w);
    if (w->queued) {
        w->sleeping--;
    } else {
        pthread_cond_wait(&w->work, &w->lock);
        w->sleeping--;
        w->waking = false;
    }
    set_wants(w);
}

/* The next op, which is the caller's then; or NULL. Under the lock. */
static struct heald_op *next_op(struct heald_workers *w, struct heald_lane **ret_lane)
{
    fetch(w);
    struct heald_link *turn = list_pop(&w->turns);
    if (!turn)
        return NULL;
    struct heald_lane *lane = heald_container_of(turn, struct heald_lane, turn);
    struct heald_link *link = list_pop(&lane->queue);
    link->prev = NULL;
    count_queued(w, -1);
    __atomic_store_n(&lane->taken, lane->taken + 1, __ATOMIC_RELAXED);
    if (!list_empty(&lane->queue))
        list_push(&w->turns, &lane->turn);
    *ret_lane = lane;
    return heald_container_of(link, struct heald_op, aux);
}

static bool is_queued(const void *workers)
{
    const struct heald_workers *w = workers;

    return __atomic_load_n(&w->top, __ATOMIC_RELAXED) ||
           __atomic_load_n(&w->queued, __ATOMIC_RELAXED);
}

/* Gives an op to its loop, which may close the workers as soon as it has it, and waits for
 * `delivering` before the lane. Without the lock. */
static void give(struct heald_lane *lane, struct heald_op *op, int64_t result)
{
    op->u.work.since_ns = (int64_t)(intptr_t)lane;
    if (is_queued(lane->workers))
        lane->sink->done_in_passing(lane->sink, op, result);
    else
        lane->sink->done_remote(lane->sink, op, result);
}

/* … and it was. With the lock. */
static void given(struct heald_lane *lane)
{
    lane->delivering--;
    if (lane->closing)
        pthread_cond_broadcast(&lane->workers->quiet);
}

/* Under the lock, but not while it runs. */
static void release(struct heald_workers *w, struct heald_work *work)
{
    set_state(work, WORK_IDLE);
    pthread_mutex_unlock(&w->lock);
    work->release(work);
    pthread_mutex_lock(&w->lock);
}

static void begin(struct worker *me)
{
    int64_t now = me->workers->sys->now(HEALD_CLOCK_MONOTONIC);
    __atomic_store_n(&me->since_ns, now, __ATOMIC_RELAXED);
}

/* Before the op is given to its loop, which may ask for the statistics then. */
static void end(struct worker *me)
{
    __atomic_store_n(&me->since_ns, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&me->busy, false, __ATOMIC_RELAXED);
}

/* Under the lock, but not while the function runs. */
static void run(struct worker *me, struct heald_lane *lane, struct heald_op *op)
{
    struct heald_workers *w = me->workers;

    lane->delivering++;
    pthread_mutex_unlock(&w->lock);
    begin(me);
    int64_t result = op->u.work.u.fn(op);
    end(me);
    give(lane, op, result);
    pthread_mutex_lock(&w->lock);
    given(lane);
}

/* The same of a function that can be detached. */
static void run_detachable(struct worker *me, struct heald_lane *lane, struct heald_op *op)
{
    struct heald_workers *w = me->workers;
    struct heald_work *work = op->u.work.u.work;

    me->work = work;
    set_state(work, WORK_RUNNING);
    pthread_mutex_unlock(&w->lock);
    begin(me);
    int64_t result = work->fn(work);
    pthread_mutex_lock(&w->lock);
    me->work = NULL;
    if (me->away)
        release(w, work);
    end(me);
    if (me->away) {
        me->away = false;
        w->detached--;
        return;
    }
    set_state(work, WORK_IDLE);
    lane->delivering++;
    pthread_mutex_unlock(&w->lock);
    give(lane, op, result);
    pthread_mutex_lock(&w->lock);
    given(lane);
}

/*
 * With one op at a time the loop that gets its result often has the next one: if a thread is awake
 * then, none has to be woken for that. It looks for a while, and yields the processor where that
 * does not pay: the loop may need it. Under the lock, but not all of the time.
 */
static void linger(struct heald_workers *w)
{
    if (is_queued(w) || w->waking || w->closing)
        return;
    w->waking = true;
    set_wants(w);
    bool spins = spin_begins(&w->spin);
    pthread_mutex_unlock(&w->lock);
    bool found = spins && spin_for(w->sys, LINGER_NS, is_queued, w);
    if (!found)
        sched_yield();
    pthread_mutex_lock(&w->lock);
    if (spins)
        spin_ends(&w->spin, found);
    w->waking = false;
    set_wants(w);
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
            __atomic_store_n(&me->busy, true, __ATOMIC_RELAXED);
            if (must_wake(w))
                pthread_cond_signal(&w->work);
            if (op->kind == OP_WORK)
                run(me, lane, op);
            else
                run_detachable(me, lane, op);
            linger(w);
        } else if (w->closing) {
            break;
        } else {
            sleep_idle(w);
        }
    }
    if (me->left)
        heald__workers_unref(w);
    else
        pthread_mutex_unlock(&w->lock);
    return NULL;
}

int heald__worker_start(struct heald_workers *w)
{
    struct worker *me = &w->workers[w->started];
    int err = w->sys->gate(HEALD_GATE_THREAD);

    if (err)
        return err;
    me->workers = w;
    err = w->stack ? heald__plat_thread_start_small(&me->thread, w->stack, worker_main, me)
                   : heald__plat_thread_start(&me->thread, worker_main, me);
    if (!err)
        __atomic_store_n(&w->started, w->started + 1, __ATOMIC_RELAXED);
    return err;
}
