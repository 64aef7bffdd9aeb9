/* work/state.h: what the threads and the loops share; see workers.c for the argument. */
#ifndef HEALD_SRC_WORK_STATE_H
#define HEALD_SRC_WORK_STATE_H

#include "platform/spin.h"
#include "work/workers.h"

#include "base/alloc.h"
#include "base/list.h"
#include "platform/sys.h"

struct worker {
    struct heald_workers *workers;
    pthread_t thread;
    /* Guarded by the lock: */
    const struct heald_work *work; /* that it runs and that can be detached */
    bool away;                     /* its function is detached */
    bool left;                     /* its thread ends without being joined */
    /* Atomic, relaxed: see the argument. */
    bool busy;        /* it has an op whose function has not returned */
    int64_t since_ns; /* when that began; 0: it has not */
    char apart[64];   /* two threads that write do not share a cache line */
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
    unsigned started, detached;
    unsigned queued; /* atomic, for who looks without the lock */
    struct spin spin;
    unsigned sleeping; /* of the idle ones: in pthread_cond_wait(3) */
    bool waking;       /* one of the idle ones will look at the queue: it was woken, or it lingers,
                        * and does not have the lock */
    struct heald_link lanes; /* all */
    unsigned refs;
    bool closing;
    char apart[64]; /* and loops write to another cache line than threads */
    /* Atomic: see the argument. */
    struct heald_link *top; /* ops that were put and are in no queue yet, by aux, newest first */
    bool wants;             /* who puts one must look closer: heald__workers_look() */
    char apart_after[64];
    struct worker workers[];
};

/* How many threads have an op whose function has not returned; the others take the next op without
 * waiting for one. Under the lock, under which they take it. */
static inline unsigned count_busy(const struct heald_workers *w)
{
    unsigned busy = 0;

    for (unsigned i = 0; i < w->started; i++)
        busy += __atomic_load_n(&w->workers[i].busy, __ATOMIC_RELAXED);
    return busy;
}

/* After a change of what it depends on. If it becomes true, the caller must look at `top` after
 * that. Under the lock. */
static inline void set_wants(struct heald_workers *w)
{
    bool wants = w->started < w->limit || (w->sleeping && !w->waking);

    if (wants != __atomic_load_n(&w->wants, __ATOMIC_RELAXED))
        __atomic_store_n(&w->wants, wants, __ATOMIC_SEQ_CST);
}

/* Is a sleeping thread to be woken? One at a time: it wakes the next one, if there is still a queue
 * then. Under the lock. */
static inline bool must_wake(struct heald_workers *w)
{
    if (!w->queued || !w->sleeping || w->waking)
        return false;
    w->waking = true;
    set_wants(w);
    return true;
}

/* Under the lock. Relaxed: who looks without the lock then takes it and looks under it. */
static inline void count_queued(struct heald_workers *w, int more)
{
    __atomic_store_n(&w->queued, w->queued + (unsigned)more, __ATOMIC_RELAXED);
}

/* Relaxed: what goes with it is guarded by the lock; fn, which has no lock, asks again. */
static inline void set_state(struct heald_work *work, enum work_state state)
{
    __atomic_store_n(&work->state, state, __ATOMIC_RELAXED);
}

/* Moves what was put to the ends of the queues. Under the lock. */
void heald__workers_fetch(struct heald_workers *w);

static inline void fetch(struct heald_workers *w)
{
    /* Pairs with put(), see the argument. */
    if (__atomic_load_n(&w->top, __ATOMIC_SEQ_CST))
        heald__workers_fetch(w);
}

/* workers.c: one reference less; under the lock, which it releases. worker.c: one thread more: 0 or
 * -errno; under the lock, so that `started` and `workers` agree. */
void heald__workers_unref(struct heald_workers *w);
int heald__worker_start(struct heald_workers *w);

#endif
