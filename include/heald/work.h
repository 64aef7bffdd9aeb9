/*
 * heald/work.h: functions that run on threads, as operations: for what computes long or blocks in a
 * library.
 *
 * A `struct heald_workers` is a number of threads and a queue. A loop has two of its own, which are
 * made when they are first used (enum heald_workers_kind). A program that needs others opens them,
 * for one loop or for several. Workers share no thread and no queue with other workers, so a
 * function that hangs occupies a thread of its own workers alone. The threads start one by one as
 * ops find none idle, block every signal, and exist until the workers are closed.
 *
 * The ops of one loop begin in the order of their submission. Loops that share workers take turns,
 * one op each.
 *
 * Where there are several processors, a thread that becomes idle and a loop with functions pending
 * look for what comes, for 20 and 5 microseconds, before they sleep, as long as that pays. While
 * several functions are pending, the callback of one may be late by 50 microseconds and the slack
 * of the system's timers (1 ms where they have no better), so that others come with it.
 *
 * A cancel or a deadline
 *
 *   of an op that waits for a thread    completes it at once; fn does not run
 *   while fn runs, heald_prep_work()    asks fn to return: heald_work_cancelled(). The op completes
 *                                       when fn returns, with the result of fn
 *   while fn runs, _detachable()        completes it at once. fn is detached: it goes on, and its
 *                                       struct heald_work stays in use until its release function
 *                                       runs
 *
 * A child of fork(2) has none of the threads: it must not use workers of its parent, but opens a
 * loop or workers of its own.
 */
#ifndef HEALD_WORK_H
#define HEALD_WORK_H

#include <heald/loop.h>

#ifdef __cplusplus
extern "C" {
#endif

struct heald_workers;

/* The workers that a loop has of its own. */
enum heald_workers_kind {
    HEALD_WORKERS_CPU = 0, /* heald_prep_work() without workers: a thread for each processor */
    HEALD_WORKERS_NAMES    /* look-ups of host names: 8 threads */
};

/* Options of heald_workers_open(). A member that is 0 has its default. */
struct heald_workers_options {
    unsigned threads; /* the maximum; default: the number of processors; at most 256 */
    unsigned queue;   /* ops of one loop that wait for a thread; default 1024 */
    size_t stack;     /* bytes of the stack of a thread; default: that of the system */
    struct heald_allocator allocator; /* thread-safe; default: realloc() and free() */
    const struct heald_sys *sys;      /* default: the system */
};

/*
 * Opens workers. `options` may be NULL: then each member has its default. No thread is started.
 * *ret_workers is untouched on failure. Does not block. Any thread.
 *
 *   0         *ret_workers are the workers; the caller closes them with heald_workers_close()
 *   -EINVAL   more threads than 256
 *   -ENOMEM   no memory
 */
HEALD_API int heald_workers_open(struct heald_workers **ret_workers,
                                 const struct heald_workers_options *options);

/*
 * Closes workers that heald_workers_open() has opened. Ends their threads and waits for that, but
 * for the threads with a detached function: such a thread ends by itself when its function returns,
 * and frees the rest. Loops that have used the workers may still be open. Any thread.
 *
 *   0        the workers are closed
 *   -EBUSY   ops of loops that were submitted to these workers are pending; nothing happened
 */
HEALD_API int heald_workers_close(struct heald_workers *workers);

/* What workers do now. */
struct heald_workers_stats {
    unsigned threads;   /* that were started */
    unsigned running;   /* functions, with those that are detached */
    unsigned queued;    /* ops that wait for a thread */
    unsigned detached;  /* functions of ops that have completed */
    int64_t oldest_ns;  /* for how long the oldest op has waited for a thread; 0: none waits */
    int64_t longest_ns; /* for how long the longest function has run; 0: none runs */
};

/* Fills *ret_stats. Does not block. Any thread. */
HEALD_API void heald_workers_stats(struct heald_workers *workers,
                                   struct heald_workers_stats *ret_stats);

/*
 * Gets the workers of a loop: those of heald_loop_options.workers, or its own, which are opened if
 * they were not yet used. Its own are closed with the loop and must not be closed by the caller.
 * *ret_workers is untouched on failure. The loop's thread.
 *
 *   0         *ret_workers are the workers
 *   -EINVAL   there is no such kind
 *   -ENOMEM   no memory
 */
HEALD_API int heald_loop_workers(struct heald_loop *loop, enum heald_workers_kind kind,
                                 struct heald_workers **ret_workers);

/*
 * Fills *ret_stats with what the threads for files of a loop do: the engine `threads`, and the
 * other engines for what they cannot do; callbacks after heald_op_notify_thread(). `queued` counts
 * both, `oldest_ns` is that of an op on a file. All 0 if there is no thread yet. What a ring does
 * has no thread. Does not block. The loop's thread.
 */
HEALD_API void heald_loop_file_stats(struct heald_loop *loop,
                                     struct heald_workers_stats *ret_stats);

/* Runs on a thread of the workers. What it returns is the result of the op: >= 0 or -errno. */
typedef int64_t heald_work_fn(struct heald_op *op);

/*
 * Has fn(op) called on a thread of the workers; NULL: of the loop's own (HEALD_WORKERS_CPU). fn may
 * read op->data and op->name. It must not submit to a loop, but may call heald_loop_post() with
 * another op. The prep does not block and is called by the thread that uses the op; it returns 0,
 * -EBUSY if the op is pending, or -EINVAL if fn is NULL.
 *
 *   what fn returned   the result
 *   -ECANCELED, -ETIMEDOUT
 *                      it was cancelled before fn began. Also if fn returns -ECANCELED, which
 *                      becomes -ETIMEDOUT after a deadline
 *   -ENOBUFS           so many ops of this loop wait for a thread as heald_workers_options.queue
 *                      says (1024)
 *   -EAGAIN, -ENOMEM   not even one thread can be started
 *   -ENOMEM            (heald_submit()) no memory
 */
HEALD_API int heald_prep_work(struct heald_op *op, heald_work_fn *fn,
                              struct heald_workers *workers);

/*
 * Is fn to return? 1 after a cancel or the deadline of its op, otherwise 0. fn calls it now and
 * then and returns -ECANCELED, or what it has. Does not block. Called by fn only.
 */
HEALD_API int heald_work_cancelled(const struct heald_op *op);

/*
 * Work that can outlive its op. The caller owns the struct, may embed it in its own, and zeroes it
 * once. It is in use while its op is pending, and then no longer, except after a detach: then until
 * release() runs.
 */
struct heald_work {
    int64_t (*fn)(struct heald_work *work); /* runs on a thread; returns the result of the op */
    /* Runs on that thread, after fn, if the work was detached. It may free the work. */
    void (*release)(struct heald_work *work);
    int state; /* private */
};

/*
 * Has work->fn(work) called as heald_prep_work() does, but a cancel or a deadline does not wait for
 * it. fn must not touch the op, nor anything else that may not exist then. Also -EINVAL if `work`,
 * its fn or its release is NULL; heald_submit() returns -EBUSY if the work is in use, and -EINVAL
 * if it was detached from the op and the op was not prepared again.
 *
 *   -ECANCELED, -ETIMEDOUT   fn did not begin, or heald_op_detached() is 1
 *   other results            as of heald_prep_work()
 */
HEALD_API int heald_prep_work_detachable(struct heald_op *op, struct heald_work *work,
                                         struct heald_workers *workers);

/* Was the work of an op that has completed detached from it? 1: its release function runs, or has
 * run, and the caller must not touch the work any more; otherwise 0. The thread that uses the op.
 */
HEALD_API int heald_op_detached(const struct heald_op *op);

/* Was the work detached? 1: nobody waits for its result. Does not block. Called by its fn only. */
HEALD_API int heald_work_detached(const struct heald_work *work);

/*
 * Have the callbacks of this turn run for `ns` or longer? 1 or 0. For a computation that stays on
 * the loop: when it is 1, the callback submits heald_prep_timer(op, 0), which completes in the next
 * turn, after other events, and goes on there. The time counts from heald_now(): from the first
 * call of either function in the turn. Does not block. The loop's thread.
 */
HEALD_API int heald_slice(struct heald_loop *loop, int64_t ns);

#ifdef __cplusplus
}
#endif
#endif
