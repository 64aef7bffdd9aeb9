/*
 * pool/pool.c: a queue, a mutex, a condition variable, and threads that are started one by one as
 * jobs find none idle.
 *
 * Invariant, under `lock`: job->prev is set exactly while the job is queued, and `queued` counts
 * those; idle <= started <= limit. A job passed to run() belongs to whatever run() passes it to,
 * which may use job->next but leaves job->prev NULL until the job is idle again:
 * heald__pool_dequeue() may still ask.
 *
 * A thread counts as idle if it takes the next job without waiting for one: also a thread that was
 * woken and does not have the lock yet, and one in linger(), which may stay there for as long as
 * other programs want the processor. A new one is started when the queue is as long as there are
 * idle ones: jobs may wait for each other (the two ends of a FIFO), and none may lie behind one
 * that waits for it while the limit allows a thread more.
 *
 * Starting a thread takes locks of the C library, and memory. Where the submitter must not wait for
 * those, another pool of one thread, the starter, does it: the pool's `growth` is a job of that
 * one. It checks again until there are as many threads as jobs, so a job that comes meanwhile need
 * not wake it.
 */
#include "pool/pool.h"

#include "base/list.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>

struct worker {
    struct heald_pool *pool;
    pthread_t thread;
    const struct heald_link *job; /* that it runs, or has just run; only compared */
    int64_t since_ns;             /* when that began, in a pool that is timed; 0: it runs none */
    bool fresh;                   /* counted in `fresh` */
    bool interruptible;           /* its own: it has unblocked `signo` */
};

struct heald_pool {
    const struct heald_sys *sys;
    struct heald_allocator alloc;
    heald_pool_run *run, *refuse;
    heald_pool_since *since; /* NULL: it is not timed */
    void *ctx;
    struct heald_pool *starter; /* NULL: the submitter starts threads */
    unsigned limit;
    size_t stack; /* of a thread; 0: the usual one */
    pthread_mutex_t lock;
    pthread_cond_t work;
    int signo; /* interrupts a job; 0: nothing does */
    /* Guarded by lock: */
    struct heald_link queue;
    unsigned queued; /* stored atomically, for heald__pool_retry() */
    unsigned started, idle;
    unsigned fresh; /* started by the starter, and have not got the lock yet */
    struct heald_link growth;
    bool growing; /* `growth` is the starter's */
    bool closing;
    bool crowded; /* a job that is queued found no thread, and none could be started */
    struct worker workers[];
};

static void set_queued(struct heald_pool *p, unsigned queued)
{
    __atomic_store_n(&p->queued, queued, __ATOMIC_RELAXED);
}

/* A job is not queued any more. Under the lock. */
static void count_out(struct heald_pool *p)
{
    set_queued(p, p->queued - 1);
    if (!p->queued)
        p->crowded = false;
}

/* Under the lock, but not while it runs. */
static void run_job(struct worker *w, struct heald_link *job)
{
    struct heald_pool *p = w->pool;
    int signo = p->signo;

    w->job = job;
    w->since_ns = p->since ? p->sys->now(HEALD_CLOCK_MONOTONIC) : 0;
    pthread_mutex_unlock(&p->lock);
    if (signo && !w->interruptible)
        heald__plat_interrupt_allow(signo);
    w->interruptible = signo;
    p->run(p->ctx, job);
    pthread_mutex_lock(&p->lock);
    w->job = NULL;
    w->since_ns = 0;
}

/* The first job of the queue, which is nobody else's then, or NULL. Under the lock. */
static struct heald_link *next_job(struct heald_pool *p)
{
    struct heald_link *job = list_pop(&p->queue);

    if (job) {
        job->prev = NULL;
        count_out(p);
    }
    return job;
}

/* The thread that is notified of the end of a job often has the next one: if it gets the processor
 * now, no thread has to be woken for that. Under the lock, but not all of the time. */
static void linger(struct heald_pool *p)
{
    if (!list_empty(&p->queue))
        return;
    p->idle++;
    pthread_mutex_unlock(&p->lock);
    sched_yield();
    pthread_mutex_lock(&p->lock);
    p->idle--;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct heald_pool *p = w->pool;
    struct heald_link *job;

    pthread_mutex_lock(&p->lock);
    p->fresh -= w->fresh;
    for (;;) {
        if ((job = next_job(p))) {
            run_job(w, job);
            linger(p);
        } else if (p->closing) {
            break;
        } else {
            p->idle++;
            pthread_cond_wait(&p->work, &p->lock);
            p->idle--;
        }
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

static size_t size_of(unsigned threads)
{
    return sizeof(struct heald_pool) + threads * sizeof(struct worker);
}

int heald__pool_open(struct heald_pool **ret_pool, const struct heald_sys *sys,
                     const struct heald_allocator *alloc, unsigned threads, heald_pool_run *run,
                     void *ctx)
{
    struct heald_pool *p = alloc_new(alloc, size_of(threads));
    int err;

    if (!p)
        return -ENOMEM;
    p->sys = sys;
    p->alloc = *alloc;
    p->run = run;
    p->ctx = ctx;
    p->limit = threads;
    list_init(&p->queue);
    if ((err = pthread_mutex_init(&p->lock, NULL)))
        goto fail;
    if ((err = pthread_cond_init(&p->work, NULL))) {
        pthread_mutex_destroy(&p->lock);
        goto fail;
    }
    *ret_pool = p;
    return 0;
fail:
    alloc_free(alloc, p, size_of(threads));
    return -err;
}

void heald__pool_close(struct heald_pool *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->closing = true;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->started; i++)
        pthread_join(p->workers[i].thread, NULL);
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->lock);
    struct heald_allocator alloc = p->alloc;
    alloc_free(&alloc, p, size_of(p->limit));
}

static int start(struct heald_pool *p, struct worker *w)
{
    int err = p->sys->gate(HEALD_GATE_THREAD);

    w->pool = p;
    if (err)
        return err;
    return p->stack ? heald__plat_thread_start_small(&w->thread, p->stack, work, w)
                    : heald__plat_thread_start(&w->thread, work, w);
}

/* Starts one more thread. Under the lock, so that `started` and `workers` agree. */
static int start_thread(struct heald_pool *p)
{
    int err = p->started < p->limit ? start(p, &p->workers[p->started]) : -EAGAIN;

    if (!err)
        p->started++;
    return err;
}

/* The starter's, which is the only one to change `started` then. Under the lock, but not while the
 * thread is started. */
static int start_fresh(struct heald_pool *p)
{
    struct worker *w = &p->workers[p->started];

    w->fresh = true;
    p->fresh++;
    pthread_mutex_unlock(&p->lock);
    int err = start(p, w);
    pthread_mutex_lock(&p->lock);
    if (err)
        p->fresh--;
    else
        p->started++;
    return err;
}

static bool has_too_few(const struct heald_pool *p)
{
    return p->queued > p->idle + p->fresh && p->started < p->limit;
}

/* No thread is there for them. Under the lock, but not while they are refused. */
static void refuse_all(struct heald_pool *p)
{
    struct heald_link *job;

    while ((job = next_job(p))) {
        pthread_mutex_unlock(&p->lock);
        p->refuse(p->ctx, job);
        pthread_mutex_lock(&p->lock);
    }
}

bool heald__pool_grow(struct heald_pool *p, struct heald_link *job)
{
    int err = 0;

    if (job != &p->growth)
        return false;
    pthread_mutex_lock(&p->lock);
    while (!err && has_too_few(p))
        err = start_fresh(p);
    if (err && !p->started)
        refuse_all(p);
    p->growing = false;
    pthread_mutex_unlock(&p->lock);
    return true;
}

int heald__pool_begin(struct heald_pool *p)
{
    pthread_mutex_lock(&p->lock);
    int err = p->started ? 0 : start_thread(p);
    pthread_mutex_unlock(&p->lock);
    return err;
}

void heald__pool_started_by(struct heald_pool *p, struct heald_pool *starter,
                            heald_pool_run *refuse)
{
    p->starter = starter;
    p->refuse = refuse;
}

/* One more thread is there or comes. 0, or -errno: not now. Under the lock. */
static int add_thread(struct heald_pool *p)
{
    if (!p->starter)
        return start_thread(p);
    if (!p->growing) {
        p->growing = true;
        heald__pool_submit(p->starter, &p->growth);
    }
    return 0;
}

int heald__pool_submit(struct heald_pool *p, struct heald_link *job)
{
    int err = 0;

    pthread_mutex_lock(&p->lock);
    if (p->queued >= p->idle + p->fresh) {
        err = add_thread(p);
        p->crowded = p->crowded || err;
    }
    /* With a thread at work the job is only slower; without any it would wait indefinitely. */
    if (p->started || !err) {
        list_push(&p->queue, job);
        set_queued(p, p->queued + 1);
        err = 0;
    }
    pthread_mutex_unlock(&p->lock);
    pthread_cond_signal(&p->work); /* without the lock: the thread that wakes would wait for it */
    return err;
}

bool heald__pool_retry(struct heald_pool *p)
{
    /* Relaxed: the caller is the submitter, or asks again. */
    if (!__atomic_load_n(&p->queued, __ATOMIC_RELAXED))
        return false;
    pthread_mutex_lock(&p->lock);
    bool few = has_too_few(p);
    if (few)
        add_thread(p);
    pthread_mutex_unlock(&p->lock);
    return few;
}

bool heald__pool_dequeue(struct heald_pool *p, struct heald_link *job)
{
    pthread_mutex_lock(&p->lock);
    bool queued = job->prev != NULL;
    if (queued) {
        list_remove(job);
        job->prev = NULL;
        count_out(p);
    }
    pthread_mutex_unlock(&p->lock);
    return queued;
}

unsigned heald__pool_started(struct heald_pool *p)
{
    pthread_mutex_lock(&p->lock);
    unsigned started = p->started;
    pthread_mutex_unlock(&p->lock);
    return started;
}

bool heald__pool_is_queued(struct heald_pool *p, struct heald_link *job)
{
    pthread_mutex_lock(&p->lock);
    bool queued = job->prev != NULL;
    pthread_mutex_unlock(&p->lock);
    return queued;
}

void heald__pool_stack(struct heald_pool *p, size_t bytes)
{
    p->stack = bytes;
}

void heald__pool_timed(struct heald_pool *p, heald_pool_since *since)
{
    p->since = since;
}

/* For how long, of what is known to be since then. */
static int64_t age(int64_t since_ns, int64_t now_ns)
{
    return since_ns && since_ns < now_ns ? now_ns - since_ns : since_ns != 0;
}

/* The queue is in order. Under the lock. */
static int64_t oldest_since(const struct heald_pool *p)
{
    int64_t since = 0;

    for (const struct heald_link *n = p->queue.next; !since && n != &p->queue; n = n->next)
        since = p->since(n);
    return since;
}

void heald__pool_stats(struct heald_pool *p, struct heald_workers_stats *ret_stats)
{
    struct heald_workers_stats stats = {0};

    pthread_mutex_lock(&p->lock);
    int64_t now = p->sys->now(HEALD_CLOCK_MONOTONIC);
    stats.threads = p->started;
    stats.queued = p->queued;
    stats.oldest_ns = age(oldest_since(p), now);
    for (unsigned i = 0; i < p->started; i++) {
        int64_t ran = age(p->workers[i].since_ns, now);
        stats.running += ran > 0;
        stats.longest_ns = ran > stats.longest_ns ? ran : stats.longest_ns;
    }
    pthread_mutex_unlock(&p->lock);
    *ret_stats = stats;
}

void heald__pool_interruptible(struct heald_pool *p)
{
    int signo = heald__plat_interrupt_signal();

    pthread_mutex_lock(&p->lock);
    p->signo = signo;
    pthread_mutex_unlock(&p->lock);
}

bool heald__pool_can_interrupt(const struct heald_pool *p)
{
    return p->signo && heald__plat_is_interrupt(p->signo);
}

/* Of all jobs, or of one. Under the lock, so that no thread that is named has ended. */
static void interrupt(struct heald_pool *p, const struct heald_link *job)
{
    if (!heald__pool_can_interrupt(p))
        return;
    for (unsigned i = 0; i < p->started; i++)
        if (p->workers[i].job && (!job || p->workers[i].job == job))
            pthread_kill(p->workers[i].thread, p->signo);
}

void heald__pool_interrupt(struct heald_pool *p, const struct heald_link *job)
{
    pthread_mutex_lock(&p->lock);
    interrupt(p, job);
    pthread_mutex_unlock(&p->lock);
}

bool heald__pool_relieve(struct heald_pool *p)
{
    pthread_mutex_lock(&p->lock);
    bool crowded = p->crowded;
    if (crowded)
        interrupt(p, NULL);
    pthread_mutex_unlock(&p->lock);
    return crowded;
}
