/*
 * heald/loop.h: the loop, which waits for ops and runs their callbacks.
 *
 * A loop belongs to one thread: the first that submits to it or runs it. This need not be the
 * thread that opened it. Unless its comment says otherwise, a function is called on that thread,
 * in a callback or outside, and is not async-signal-safe (heald/op.h has the table). The library
 * does not check this: a call from another thread is a data race. A child of fork(2) must not use
 * a loop of its parent, not even to close it.
 */
#ifndef HEALD_LOOP_H
#define HEALD_LOOP_H

#include <heald/op.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The order of callbacks that are due at the same time. */
enum heald_policy {
    /*
     * First come, first served within a class. The classes divide the callbacks in proportion to
     * `shares`, and none starves: stride scheduling (Waldspurger and Weihl, 1995). While a class
     * waits, each other class runs at most share(other) / share(itself) + 1 callbacks before it. A
     * class that was idle before gains nothing from that.
     */
    HEALD_POLICY_SHARES = 0,
    HEALD_POLICY_FIFO,   /* first come, first served, regardless of the class */
    HEALD_POLICY_STRICT, /* urgent before normal before bulk; bulk may starve */
    /*
     * Earliest op->deadline_ns first. Ops without a deadline come last, in the order in which they
     * became due. So do multishot ops, regardless of their deadline.
     */
    HEALD_POLICY_EDF
};

/*
 * The source of the loop's memory. `resize` is called like realloc(3), with the old size as well. A
 * `size` of 0 frees `ptr` and returns NULL. After heald_loop_open() it is called only when a table
 * grows (descriptors, pollers, `since`), never for an op.
 */
struct heald_allocator {
    void *(*resize)(void *ctx, void *ptr, size_t old_size, size_t size);
    void *ctx; /* passed to `resize` */
};

struct heald_workers; /* heald/work.h */
struct heald_sys;     /* the table of system calls; replaced by tests */

/* Options of heald_loop_open(). A member that is 0 or NULL has its default. */
struct heald_loop_options {
    const char *backend;      /* "uring", "epoll", "kqueue", "poll" or "select"; NULL or "": the
                                 value of HEALD_BACKEND; if that is unset or empty, the first of
                                 these that works */
    const char *engine;       /* "uring", "threads" or "sync"; NULL or "": the same with
                                 HEALD_ENGINE */
    enum heald_policy policy; /* default HEALD_POLICY_SHARES */
    unsigned shares[3];       /* of normal, urgent, bulk; default 8, 32, 2; at most 1000 each */
    unsigned turn_callbacks;  /* callbacks before the loop asks the kernel again; default 128 */
    unsigned entries;         /* size of a ring, or events taken at once; a power of two, default
                                 256, at most 32768; a ring may start smaller and grow */
    unsigned pool_threads;    /* of the engine `threads` and of heald_op_notify_thread(); default 4,
                                 at most 256 */
    int64_t lookup_cache_ns;  /* for how long answers to look-ups of names are kept (heald/name.h);
                                 default: not at all; at most 30 s */
    unsigned since;           /* 1: heald_op_describe() says since when an op is pending; costs a
                                 look at a table in each submission, and its memory */
    struct heald_workers *workers[2]; /* by enum heald_workers_kind; default: its own */
    struct heald_allocator allocator; /* default: realloc() and free() */
    const struct heald_sys *sys;      /* default: the system */
    struct heald_why *ret_why;        /* an output: on failure the reason is written here; may be
                                         NULL */
};

/*
 * Opens a loop. By default it takes the first back end and the first engine that work, and silently
 * skips one that the system lacks or forbids. It also skips io_uring if the environment variable
 * HEALD_NO_URING is set, and neither empty nor 0. `options` may be NULL: then each member has its
 * default. On failure *ret_loop is untouched, no resource remains, and options->ret_why has the
 * reason. Any thread.
 *
 *   0               *ret_loop is the loop; the caller closes it with heald_loop_close()
 *   -EINVAL         an option is out of range; or the options or the environment (HEALD_BACKEND,
 *                   HEALD_ENGINE, HEALD_AWAIT) name an unknown back end, engine or waiter
 *   -ENOSYS         the one that is named is not in this build, or does not work here
 *   -EMFILE, -ENFILE, -ENOMEM, other -errno
 *                   an error of the system; no other back end is tried
 *
 * Descriptors that a loop takes on Linux: uring 2, epoll 2, poll or select 1. The engine uring
 * takes 2 more, but none with the back end uring. heald_loop_fd() takes 2 more on uring, 1 on poll
 * or select, none on epoll.
 */
HEALD_API int heald_loop_open(struct heald_loop **ret_loop,
                              const struct heald_loop_options *options);

/*
 * Closes a loop and its groups of buffers, which must not be closed afterwards. May wait for the
 * present call of a pool thread.
 *
 *   0        the loop is closed
 *   -EBUSY   ops are pending (heald_loop_list() lists them), one of its callbacks is running, or
 *            the loop is held (heald_loop_hold()); nothing happened
 */
HEALD_API int heald_loop_close(struct heald_loop *loop);

/*
 * Submits an op. When the op completes, fn(op) runs, or the op notifies in the way that was
 * selected for it. With fn NULL there is no notification. fn never runs inside this call. An error
 * of the operation itself (-EBADF, -ENOTSOCK, ...) is the result of the op and not returned here. A
 * lack of room in the kernel is no error: the op waits for room. Does not block, except on the
 * engine `sync`, which performs file operations here.
 *
 *   0         the op is pending, and completes exactly once
 *   1         (heald_op_notify_deferred()) the op has completed; fn does not run
 *   -EBUSY    the op is pending; or it waits for the signal that the library uses (heald/process.h)
 *   -EINVAL   the op was not prepared, or its prep was refused
 *   -EINVAL   the op is multishot or has a period, and has no callback in the loop
 *   -EINVAL   the op notifies on a thread or is deferred, and fn is NULL
 *   -EINVAL   the buffer group belongs to another loop
 *   -EINVAL   the op was last used by heald_loop_post()
 *   -ENOMEM   no memory for the table of descriptors
 *   -ENOSYS   the platform has no such operation, or cannot queue signals
 *   -errno    (signals, children, locks, the boot clock) an error of the system, such as -EMFILE
 *
 * After an error nothing has happened, and the op is idle or, if it was pending, still pending.
 */
HEALD_API int heald_submit(struct heald_loop *loop, struct heald_op *op, heald_fn *fn);

/*
 * Submits `count` ops in order, as lio_listio(). NULL entries are skipped. Stops at the first op
 * that is refused. Returns the number of entries before that op, or its error if it is the first
 * entry: see heald_submit(). For a deferred op heald_op_error() shows whether it has completed.
 */
HEALD_API int heald_submit_all(struct heald_loop *loop, struct heald_op *const ops[],
                               unsigned count, heald_fn *fn);

/*
 * Asks a pending op to end. Does not block. The op stays in use until it completes.
 *
 *   0           the op completes soon, with -ECANCELED or with what it had done already
 *   -EALREADY   it was cancelled before, or it has completed and its callback is due
 *   -EINVAL     it is not pending, or was posted with heald_loop_post()
 */
HEALD_API int heald_cancel(struct heald_op *op);

/*
 * Runs the loop until at least `need` of the ops have completed, by heald_op_error(). A need of 1
 * waits for any op, as aio_suspend(); a need of `count` waits for all. NULL entries count as
 * completed only after all others have. Callbacks of other ops run meanwhile. Blocks until
 * `deadline_ns`: 0 polls, HEALD_FOREVER waits indefinitely. If the need is met at the call, as with
 * a need of 0, it returns at once, runs no callback, and keeps a stop. The ops stay pending
 * whatever is returned.
 *
 *   >= 0         the number of ops that have completed
 *   -ETIMEDOUT   the deadline has passed
 *   -ECANCELED   heald_loop_stop() was called
 *   -EBUSY       called in a callback of the loop
 *   -EINVAL      need > count
 *   -errno       the back end failed permanently
 */
HEALD_API int heald_suspend(struct heald_loop *loop, struct heald_op *const ops[], unsigned count,
                            unsigned need, int64_t deadline_ns);

/*
 * Runs turns. Blocks.
 *
 *   0        no op is pending but those in the background, and the loop is not held
 *   1        heald_loop_stop() was called
 *   -EBUSY   called in a callback of the loop
 *   -errno   the back end failed permanently
 */
HEALD_API int heald_loop_run(struct heald_loop *loop);

/*
 * Runs one turn: waits for an event until the deadline (0: does not wait), then runs the callbacks
 * that are due, at most turn_callbacks of them.
 *
 *   >= 0         the number of callbacks that ran; may be 0 before the deadline
 *   -ECANCELED   heald_loop_stop() ended the turn; callbacks may have run
 *   -EBUSY       called in a callback of the loop
 *   -errno       the back end failed permanently
 */
HEALD_API int heald_loop_turn(struct heald_loop *loop, int64_t deadline_ns);

/*
 * Ends heald_loop_run(), heald_suspend() or heald_loop_turn() after the present callback. If none
 * of them is running, the stop is kept and ends the next one at once; heald_loop_turn() then makes
 * one turn that does not wait. Does not block. Any thread; async-signal-safe.
 */
HEALD_API void heald_loop_stop(struct heald_loop *loop);

/*
 * Hold and release a loop. A held loop cannot be closed, and heald_loop_run() continues while no op
 * is pending, for posts that may arrive. Holds are counted; each needs one release. A release
 * without a hold has no effect. Both are called on the loop's thread only.
 */
HEALD_API void heald_loop_hold(struct heald_loop *loop);
HEALD_API void heald_loop_release(struct heald_loop *loop);

/*
 * Runs fn(op) on the loop's thread. The op must be idle; it is pending until then. Posts of one
 * thread to one loop run in their order. A post cannot be cancelled and has no deadline. The caller
 * ensures that the loop is not closed meanwhile, for example with a hold that the last post
 * releases. Never blocks and takes no lock. Any thread; not async-signal-safe.
 *
 *   0         fn will run
 *   -EBUSY    the op is pending
 *   -EINVAL   fn is NULL, or the op notifies in another way than by a callback in the loop
 */
HEALD_API int heald_loop_post(struct heald_loop *loop, struct heald_op *op, heald_fn *fn);

/* When a hook runs. */
enum heald_hook_when {
    HEALD_HOOK_PREPARE = 0, /* in each turn before the loop waits, and in heald_loop_prepare() */
    HEALD_HOOK_CHECK = 1    /* in each turn after the wait, before the callbacks */
};

/* A function that runs in each turn: for a loop that hosts another one. The caller owns it and may
 * embed it; zero it once. */
struct heald_hook {
    struct heald_link link; /* private, as the others */
    void (*fn)(struct heald_loop *loop, struct heald_hook *hook);
};

/*
 * Add and remove a hook. Hooks of one kind run in the order in which they were added; one that is
 * added by a hook of its kind runs in the next turn. fn may submit, cancel and close, and may add
 * and remove hooks, itself included; it runs as a callback does (heald/op.h). What a
 * HEALD_HOOK_PREPARE hook submits bounds the wait that follows: a timer is the way to a time-out. A
 * hook keeps no loop running, and heald_loop_close() removes it. Removing one that is not added has
 * no effect.
 *
 *   0         added
 *   -EBUSY    it is added already
 *   -EINVAL   fn is NULL, or `when` is invalid
 */
HEALD_API int heald_hook_add(struct heald_loop *loop, struct heald_hook *hook,
                             enum heald_hook_when when,
                             void (*fn)(struct heald_loop *loop, struct heald_hook *hook));
HEALD_API void heald_hook_remove(struct heald_hook *hook);

/*
 * Returns the monotonic time in nanoseconds. In a callback it is the time of the turn: the clock is
 * read at most once between the wait and the last callback of a turn, when the time is first
 * needed. Outside a turn each call reads the clock.
 */
HEALD_API int64_t heald_now(struct heald_loop *loop);

/*
 * Returns a descriptor for another loop to wait for; heald/adapter/ does so in some. It is readable
 * when heald_loop_turn(loop, 0) has something to do. It belongs to this loop, which closes it.
 *
 *   >= 0      the descriptor
 *   -ENOSYS   this back end has none on this platform
 *   -errno    an error of the system, such as -EMFILE
 */
HEALD_API int heald_loop_fd(struct heald_loop *loop);

/*
 * Prepares for a wait of the other loop: hands all submitted ops to the kernel. *ret_deadline_ns is
 * the time at which heald_loop_turn() must be called even if the descriptor is not readable: 0
 * (at once), a monotonic time, or HEALD_FOREVER. Does not wait.
 *
 *   0        done
 *   -EBUSY   called in a callback of the loop
 *   -errno   the back end failed permanently
 */
HEALD_API int heald_loop_prepare(struct heald_loop *loop, int64_t *ret_deadline_ns);

/* Counters since the loop was opened. */
struct heald_loop_stats {
    uint64_t turns;      /* times that the loop asked the kernel */
    uint64_t submitted;  /* ops */
    uint64_t completed;  /* final completions */
    uint64_t callbacks;  /* callbacks that ran */
    uint64_t posts;      /* heald_loop_post() */
    uint64_t wakes;      /* system calls that woke a sleeping loop */
    uint64_t pending;    /* ops that are pending now */
    uint64_t background; /* of these, ops in the background: heald_op_background() */
    uint64_t due;        /* callbacks that are due now */
    uint64_t holds;      /* of heald_loop_hold() that are not released */
};

/* Copies the counters to *ret_stats. */
HEALD_API void heald_loop_stats(const struct heald_loop *loop, struct heald_loop_stats *ret_stats);

/*
 * Calls each(op, user) for every pending op except the library's own, and returns the number of
 * these ops. `each` may be NULL. It must not submit or cancel.
 * heald_op_format() (heald/describe.h) makes a line of text of an op.
 */
HEALD_API size_t heald_loop_list(struct heald_loop *loop,
                                 void (*each)(const struct heald_op *op, void *user), void *user);

/* Return the names of the loop's back end and engine. The strings are static. */
HEALD_API const char *heald_loop_backend(const struct heald_loop *loop);
HEALD_API const char *heald_loop_engine(const struct heald_loop *loop);

/* A back end or an engine of this library on this machine. */
struct heald_feature {
    const char *name; /* "uring", ... */
    int error;        /* 0: it works here; otherwise -errno */
    int chosen;       /* 1: loops take it by default; 0 in all if HEALD_BACKEND (HEALD_ENGINE) names
                         none that works, in which case heald_loop_open() fails */
    const char *why;  /* a sentence: what it is, or why it does not work */
};

/*
 * List the back ends and the engines in order of preference. Fill at most `max` entries of
 * ret_features and return the number of all of them. They test each one, so they open and close
 * descriptors. The strings are static. Any thread; not async-signal-safe.
 */
HEALD_API unsigned heald_backends(struct heald_feature ret_features[], unsigned max);
HEALD_API unsigned heald_engines(struct heald_feature ret_features[], unsigned max);

#ifdef __cplusplus
}
#endif
#endif
