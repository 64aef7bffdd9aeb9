/*
 * heald/loop.h: the loop that waits for ops and runs their callbacks.
 *
 * A loop belongs to one thread: the first that submits to it or runs it, which need not be the one
 * that opened it. Unless a function says otherwise it is called on that thread, also in a callback,
 * and is not safe in a signal handler (heald/op.h has the table). This is not checked: a call from
 * another thread is a data race. A child of fork(2) may not use its parent's loop, not even to
 * close it.
 */
#ifndef HEALD_LOOP_H
#define HEALD_LOOP_H

#include <heald/op.h>

#ifdef __cplusplus
extern "C" {
#endif

/* In which order callbacks run that are due at the same time. */
enum heald_policy {
    /*
     * First come, first served within a class; the classes divide the callbacks as `shares` says,
     * so that none starves: stride scheduling (Waldspurger and Weihl, 1995). A class that waits is
     * passed by at most share(other) / share(itself) + 1 callbacks of each other class, whatever
     * was before: one that was idle has saved nothing up.
     */
    HEALD_POLICY_SHARES = 0,
    HEALD_POLICY_FIFO,   /* first come, first served, whatever the class */
    HEALD_POLICY_STRICT, /* urgent before normal before bulk; bulk may starve, by your choice */
    /*
     * Earliest op->deadline_ns first. Ops without a deadline come last, in the order in which they
     * became due, and with them multishot ops, whatever their deadline.
     */
    HEALD_POLICY_EDF
};

/*
 * Memory for the loop: a call like realloc(3) that is told the old size. `size` 0 frees and returns
 * NULL. After heald_loop_open() memory is asked for only when a table has to grow (descriptors,
 * pollers), never for an op.
 */
struct heald_allocator {
    void *(*resize)(void *ctx, void *ptr, size_t old_size, size_t size);
    void *ctx;
};

struct heald_sys; /* the system's calls; replaced by tests */

/*
 * Everything may be 0 or NULL for the default.
 *
 * backend        "uring", "epoll", "kqueue", "poll", "select"; NULL or "": what HEALD_BACKEND
 *                names; if that is unset or empty, the first that works in that order
 * engine         "uring", "threads", "sync"; the same with HEALD_ENGINE
 * shares         of normal, urgent, bulk; default 8, 32, 2; at most 1000 each
 * turn_callbacks at most so many before the loop asks the kernel again; default 128
 * entries        of a ring, or events taken at once; a power of two; default 256, at most 32768; a
 *                ring may start smaller and grow
 * pool_threads   of the engine `threads` and of heald_op_notify_thread(); default 4, at most 256
 * ret_why        an output, although it stands among the options: heald_loop_open() writes the
 *                reason there when it fails, and leaves it untouched when it does not
 */
struct heald_loop_options {
    const char *backend;
    const char *engine;
    enum heald_policy policy;
    unsigned shares[3];
    unsigned turn_callbacks;
    unsigned entries;
    unsigned pool_threads;
    struct heald_allocator allocator;
    const struct heald_sys *sys;
    struct heald_why *ret_why; /* an output; may be NULL */
};

/*
 * Opens a loop. By default the first back end and the first engine that the system has are taken:
 * what is missing or forbidden is passed over silently, and so is io_uring where the environment
 * variable HEALD_NO_URING is set, and neither empty nor 0. On failure nothing is left behind,
 * *ret_loop is untouched, and options->ret_why has the reason.
 *
 * -EINVAL: an option out of range, or an unknown back end, engine or (in HEALD_AWAIT) waiter, also
 * in the environment. -ENOSYS: the one that was asked for is not in this build or does not work
 * here. -EMFILE, -ENFILE, -ENOMEM and whatever else the system returns: no other back end is tried
 * then.
 *
 * Descriptors that a loop takes on Linux: uring 2, epoll 2, poll or select 1; the engine uring 2
 * more, but with the back end uring none; heald_loop_fd() 2 more on uring, 1 on poll or select,
 * none on epoll.
 */
HEALD_API int heald_loop_open(struct heald_loop **ret_loop,
                              const struct heald_loop_options *options);

/*
 * Closes a loop, and its groups of buffers with it: do not close them afterwards. -EBUSY, and
 * nothing happens, while ops are pending in it (heald_loop_list() names them), one of its callbacks
 * is running, or the loop is held (heald_loop_hold()). May wait for a pool thread to finish its
 * present call.
 */
HEALD_API int heald_loop_close(struct heald_loop *loop);

/*
 * Submits an op. 0: it completes exactly once, and then fn(op) runs, or the notification that the
 * op was given. fn NULL: no notification. fn never runs inside this call, and no lack of room in
 * the kernel fails it. An error of the operation itself (-EBADF, -ENOTSOCK, …) is its result, and
 * not returned here. Does not block, but on the engine `sync`, which does file operations here.
 * 1: the op, to which heald_op_notify_deferred() was applied, is over already, and fn does not run.
 *
 * On failure nothing happened:
 *   -EBUSY   the op is pending, or waits for the library's own signal (heald/process.h)
 *   -EINVAL  it was not prepared, or its prep refused it; it is multishot, or has a period, and has
 *            no callback in the loop; it notifies on a thread, or when it is deferred, and
 *            has no fn; its buffer group is
 *            another loop's; it was last posted (heald_loop_post())
 *   -ENOMEM  the loop's table has to grow for a descriptor that it does not know yet, and cannot
 *   -ENOSYS  the platform has no such operation, or cannot queue signals
 *   for signals, children, locks and the boot clock whatever the system returns (-EMFILE, …)
 */
HEALD_API int heald_submit(struct heald_loop *loop, struct heald_op *op, heald_fn *fn);

/*
 * Submits `count` ops in order (as lio_listio); NULL entries are passed over. Stops at the first
 * that is refused and returns how many entries it went through before, or that op's error if it was
 * the first. Which deferred ops are over already is asked of heald_op_error().
 */
HEALD_API int heald_submit_all(struct heald_loop *loop, struct heald_op *const ops[],
                               unsigned count, heald_fn *fn);

/*
 * Cancels an op. 0: it completes soon, with -ECANCELED or with what it had done already; its memory
 * stays in use until then. -EALREADY: it was cancelled before, or has completed and only its
 * callback is still to come. -EINVAL: it is not pending, or is a post.
 */
HEALD_API int heald_cancel(struct heald_op *op);

/*
 * Runs the loop until at least `need` of the ops have completed (as heald_op_error() tells it), and
 * returns how many have. need 1 is "any" (as aio_suspend), need = count is "all". NULL entries
 * count as completed only when everything else has. A deadline of 0 polls, HEALD_FOREVER waits
 * indefinitely. Other ops' callbacks run meanwhile. When the need is met already, and so with need
 * 0, it returns at once, runs nothing, and keeps a stop. -ETIMEDOUT: the deadline has passed.
 * -EBUSY: called from a callback. -EINVAL: need > count. -ECANCELED: heald_loop_stop() was called.
 * Another -errno: the back end failed for good. The ops stay pending whatever is returned.
 */
HEALD_API int heald_suspend(struct heald_loop *loop, struct heald_op *const ops[], unsigned count,
                            unsigned need, int64_t deadline_ns);

/*
 * Runs turns until no op is pending and nobody holds the loop (returns 0), or heald_loop_stop() is
 * called (returns 1). -EBUSY: from a callback. -errno: the back end failed for good.
 */
HEALD_API int heald_loop_run(struct heald_loop *loop);

/*
 * One turn: waits for something to happen until the deadline at most (0: does not wait), then runs
 * the callbacks that are due, at most turn_callbacks of them. Returns how many ran, also when the
 * deadline has passed; 0 may come before the deadline. -ECANCELED: heald_loop_stop() ended the
 * turn, in which callbacks may have run. -EBUSY: from a callback. Another -errno: the back end
 * failed for good.
 */
HEALD_API int heald_loop_turn(struct heald_loop *loop, int64_t deadline_ns);

/*
 * Ends heald_loop_run(), heald_suspend() or heald_loop_turn() after the callback that is running.
 * If none of them runs, the stop is kept and ends the next one at once: heald_loop_turn() after one
 * turn that does not wait. Any thread; safe in a signal handler.
 */
HEALD_API void heald_loop_stop(struct heald_loop *loop);

/*
 * Keeps heald_loop_run() running while no op is pending but posts may come, and the loop from being
 * closed. Holds are counted: one release for each hold, on the loop's thread only. A release
 * without a hold does nothing.
 */
HEALD_API void heald_loop_hold(struct heald_loop *loop);
HEALD_API void heald_loop_release(struct heald_loop *loop);

/*
 * Has fn(op) run on the loop's thread, from any thread. The op must be idle and is pending from
 * here on; ops that one thread posts to one loop come in order. Never blocks, takes no lock. The
 * caller makes sure that the loop is not closed meanwhile: a hold that the last post releases does
 * it. A post cannot be cancelled and has no deadline. -EBUSY: the op is pending. -EINVAL: no fn, or
 * an op that notifies in another way than by a callback in the loop.
 */
HEALD_API int heald_loop_post(struct heald_loop *loop, struct heald_op *op, heald_fn *fn);

/*
 * The monotonic time. In a callback it is the time of this turn: the clock is read at most once
 * between the wait and the last callback of the turn, when the time is first needed. Outside a turn
 * the clock is read at each call.
 */
HEALD_API int64_t heald_now(struct heald_loop *loop);

/*
 * For use inside another loop: a descriptor that is readable when heald_loop_turn(loop, 0) has
 * something to do, owned by the loop. -ENOSYS: not on this platform with this back end; -EMFILE, …
 * from the system.
 */
HEALD_API int heald_loop_fd(struct heald_loop *loop);

/*
 * Before the other loop waits: hands everything submitted so far to the kernel and says when the
 * loop has to run even if its descriptor stays silent: *ret_deadline_ns is 0 for at once, a time,
 * or HEALD_FOREVER. Returns 0; -EBUSY: from a callback; another -errno: the back end failed.
 */
HEALD_API int heald_loop_prepare(struct heald_loop *loop, int64_t *ret_deadline_ns);

/* Counters since the loop was opened. */
struct heald_loop_stats {
    uint64_t turns;     /* times that the kernel was asked */
    uint64_t submitted; /* ops */
    uint64_t completed; /* final completions */
    uint64_t callbacks;
    uint64_t posts;
    uint64_t wakes; /* system calls made to wake a sleeping loop */
    uint64_t live;  /* ops that are pending now */
    uint64_t due;   /* callbacks that wait for their turn now */
};
HEALD_API void heald_loop_stats(const struct heald_loop *loop, struct heald_loop_stats *ret_stats);

/* Calls each(op, user) for every pending op but the library's own; each() must not submit or
 * cancel. Returns how many there are. */
HEALD_API size_t heald_loop_list(struct heald_loop *loop,
                                 void (*each)(const struct heald_op *op, void *user), void *user);

/* Names of what the loop runs on. */
HEALD_API const char *heald_loop_backend(const struct heald_loop *loop);
HEALD_API const char *heald_loop_engine(const struct heald_loop *loop);

/* A back end or an engine of this library on this machine. */
struct heald_feature {
    const char *name;
    int error;       /* 0: it works here; else why not, as -errno */
    int chosen;      /* 1: a loop gets this one by default; 0 of all where HEALD_BACKEND (or
                        HEALD_ENGINE) names none that works: heald_loop_open() fails then */
    const char *why; /* a sentence for a person: what it is, or why it is not there */
};

/*
 * Fills at most `max` entries, in order of preference, and returns how many there are. They try the
 * real thing, so they open and close descriptors. Thread-safe.
 */
HEALD_API unsigned heald_backends(struct heald_feature ret_features[], unsigned max);
HEALD_API unsigned heald_engines(struct heald_feature ret_features[], unsigned max);

#ifdef __cplusplus
}
#endif
#endif
