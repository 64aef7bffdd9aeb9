/*
 * heald/op.h: the control block of one operation.
 *
 * A struct heald_op is one operation, as struct aiocb is in POSIX AIO. The caller owns its memory
 * and may embed it in its own structs. The library allocates nothing for it.
 *
 * The life of an op:
 *
 *   1. Zero it once: `struct heald_op op = {0}`, or calloc().
 *   2. Prepare it: a heald_prep_*() function fills it.
 *   3. Submit it: heald_submit(). It is pending until its final completion. While it is pending, it
 *      and the buffers that it names stay in place.
 *   4. It completes once, and its callback runs.
 *
 * A completed op can be prepared again, or submitted again without a prep. In the second case it
 * has the same arguments and keeps its deadline_ns.
 *
 * Which functions may be called where:
 *
 *   on the loop's thread     all; but in a callback of the loop heald_loop_run(),
 *                            heald_loop_turn(), heald_suspend(), heald_loop_prepare() and
 *                            heald_loop_close() return -EBUSY
 *   on any other thread      heald_loop_post() and the preps, on an idle op that no other thread
 *                            uses at the same time; heald_loop_stop(); heald_op_error(),
 *                            heald_op_result() and heald_op_state(), also on a pending op
 *   on a thread of the pool  the same as on any other thread (heald_op_notify_thread())
 *   in a signal handler      heald_loop_stop(), heald_op_error(), heald_op_result()
 */
#ifndef HEALD_OP_H
#define HEALD_OP_H

#include <heald/base.h>

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

struct heald_loop;
struct heald_op;
struct heald_buf_group;
struct heald_transfer;
struct heald_siginfo;
struct heald_child_status;
struct heald_stat;
struct heald_statfs;
struct heald_copy;
struct heald_time;
struct heald_cond;
struct heald_participant;
struct heald_work;
struct heald_lookup;
struct heald_connect_name;
struct heald_workers;

/*
 * The callback of an op. It runs on the loop's thread, from a turn. After heald_op_notify_thread()
 * it runs on a thread of the loop's pool.
 */
typedef void heald_fn(struct heald_op *op);

/* The class of an op. The policy of the loop orders callbacks by it: enum heald_policy. */
enum heald_class {
    HEALD_NORMAL = 0, /* the default */
    HEALD_URGENT = 1, /* before the others */
    HEALD_BULK = 2    /* after the others */
};

/* A bit of heald_op.op_class, beside the class: see heald_op_background(). */
enum { HEALD_BACKGROUND = 0x80 };

/* Bits of heald_op.flags. Valid in the callback. */
enum {
    HEALD_MORE = 1 /* this is not the final completion: the op stays pending */
};

/* One link of a list. Private. */
struct heald_link {
    struct heald_link *next, *prev;
};

/*
 * An operation. Fields used together are adjacent: a timer, a deadline and a cancel touch the first
 * 48 bytes only. These lie in one cache line wherever malloc() places the op.
 *
 * The caller sets op_class, deadline_ns, data and name while the op is idle. A prep resets
 * deadline_ns only, and not if heald_op_set_deadline() has set it. The caller reads loop, result,
 * flags and buffer. All other fields are private.
 */
struct heald_op {
    struct heald_loop *loop; /* the loop that the op was last submitted to */
    int64_t result;          /* >= 0 or -errno; valid from the completion on */
    uint16_t buffer;         /* multishot receive: the number of the buffer that holds the data;
                                private in other kinds */
    uint8_t flags;           /* HEALD_MORE; the other bits are private */
    uint8_t stage;           /* private */
    uint8_t op_class;        /* enum heald_class, and HEALD_BACKGROUND; set by the caller, kept by
                                preps */
    uint8_t notify;          /* private, as every field below without another comment */
    uint8_t kind;
    uint8_t state;
    struct heald_link timer; /* private: the timers of the loop, while the op has a deadline */
    struct heald_link aux;   /* private: callbacks that are due, a pool, or the backlog of a ring */
    int64_t deadline_ns;     /* absolute, monotonic; set by the caller after the prep, which resets
                                it to HEALD_FOREVER; of a pending op by heald_op_set_deadline()
                                alone */
    heald_fn *fn;            /* the callback; set by heald_submit() */
    struct heald_link link;  /* private: a list of the descriptor, or of the loop */
    union {
        struct {
            int fd;
            uint32_t len;
            void *buf;
            int64_t off; /* or the flags of recv and send */
        } rw;
        struct {
            int fd;
            int flags;
            struct msghdr *msg;
        } msg;
        struct {
            int fd;
            int flags;
            struct heald_transfer *transfer;
            int64_t off; /* at the place of that of rw */
        } transfer;
        struct {
            int fd;
            int flags;
            struct heald_buf_group *group;
            uint32_t first, last; /* results that the callback has not had; also of an accept */
        } group;
        struct {
            int fd;
            int flags;
            struct sockaddr *addr;
            socklen_t *len;
        } accept;
        struct {
            int fd;
            socklen_t len;
            const struct sockaddr *addr;
        } connect;
        struct {
            int fd;
            unsigned events;
        } poll;
        struct {
            int dirfd;
            int flags;
            const char *path;
            union {
                struct heald_stat *ret;
                struct heald_statfs *statfs;
                const struct heald_time *times;
                const char *target;
                char *buf;
                mode_t mode;
                struct {
                    uid_t uid;
                    gid_t gid;
                } owner;
            } u;
        } path;
        struct {
            int dirfd; /* `path` is relative to it, as in `path` above */
            int to_dirfd;
            const char *path, *to;
        } paths;
        struct {
            int fd;
            int mode;
            int64_t offset, size;
        } range;
        struct {
            int fd;
            int to;
            const struct heald_copy *copy;
        } copy;
        struct {
            int fd;
            int from;
            int64_t offset;
            size_t len;
        } sendfile;
        struct {
            int fd;
            uint32_t len;
            void *buf;
            union {
                unsigned priority;
                unsigned *ret_priority; /* may be NULL */
            } u;
        } mq;
        struct {
            int queue;
            uint32_t size;
            void *message;
            long type;
        } sysv;
        struct {
            int clock;
            int pad;
            int64_t period;
        } timer;
        struct {
            int signo;
            int pad;
            struct heald_siginfo *ret;
        } signal;
        struct {
            int fd;
            pid_t pid;
            struct heald_child_status *ret;
        } child;
        struct {
            struct heald_map *map;
            size_t offset, size;
        } map;
        struct {
            void *object; /* the mutex, in a wait for a condition */
            struct heald_participant *me;
            union {
                struct heald_cond *cond; /* NULL: not a condition, or its wait has ended */
                uint32_t *ret_round;     /* of a barrier; may be NULL */
                void *message;           /* of a queue or a topic: what it sends, or where to
                                            receive; or the event */
            } u;
        } lock;
        struct {
            union {
                int64_t (*fn)(struct heald_op *op);
                struct heald_work *work; /* NULL: it was detached */
            } u;
            struct heald_workers *workers;
            int64_t since_ns;
        } work;
        struct {
            struct heald_lookup *lookup;
            const char *host, *service;
        } name;
        struct {
            struct heald_connect_name *name;
            const char *host, *service;
        } connect_name;
        struct {
            void *object;      /* or the word, or the array of words */
            uint32_t *word;    /* the word of a mutex */
            uint32_t expected; /* the value of the word, or the number of words */
            int waited;
        } futex;
    } u;
    void *data;       /* set by the caller; also the value of a queued signal */
    const char *name; /* set by the caller, for heald_loop_list(); may be NULL */
};

/*
 * Returns the error of an op, as aio_error(). Does not block. Any thread; async-signal-safe.
 *
 *   -EINPROGRESS   the op is pending
 *   0              it completed with success, was never submitted, or its prep was refused
 *   other -errno   it completed with this error
 *
 * So on the thread of its loop an op is idle, and may be prepared, submitted or freed, if the value
 * is not -EINPROGRESS.
 *
 * An op with a callback has completed when its final callback begins. Another thread cannot tell
 * from this value that the callback has returned. After any value but -EINPROGRESS the result and
 * the caller's buffers may be read.
 */
HEALD_API int heald_op_error(const struct heald_op *op);

/*
 * Returns the result of an op, as aio_return(): >= 0 or -errno, and 0 while the op is pending. May
 * be called more than once. Any thread; async-signal-safe.
 */
HEALD_API int64_t heald_op_result(const struct heald_op *op);

/*
 * Sets the deadline of an op, or the time of a timer. O(1). Does not block.
 * Of an idle op: it holds for the next submission, whether the op is prepared before or after this
 * call; a prep of a timer has its own time. Of a pending op: the deadline moves, later or earlier;
 * one in the past completes the op in the next turn. No callback runs for it, and the op is not
 * cancelled. A timer with a period goes on from the new time. The loop's thread if the op is
 * pending; otherwise the thread that uses the op.
 *
 *   0           done
 *   -EALREADY   it was cancelled, its deadline has passed, or it has completed and its callback is
 *               due
 *   -EINVAL     deadline_ns is negative, or the op was posted (heald_loop_post())
 *
 * An assertion of a debug build fails if the deadline of a pending op was changed without this
 * function.
 */
HEALD_API int heald_op_set_deadline(struct heald_op *op, int64_t deadline_ns);

/*
 * Puts an op into the background (`on` is not 0), or back. heald_loop_run() does not continue for a
 * background op alone: for a timer that collects statistics, or a signal. A callback that is due
 * still runs. The op is pending like any other; heald_loop_close() returns -EBUSY until it has
 * completed. Sets or clears HEALD_BACKGROUND in op_class, which preps keep; a program sets that bit
 * itself only while the op is idle. Does not block. The loop's thread if the op is pending;
 * otherwise the thread that uses the op.
 */
HEALD_API void heald_op_background(struct heald_op *op, int on);

/*
 * Select how an idle op notifies of its completions. The choice remains until it is changed; preps
 * keep it. None of these blocks. They are called by the thread that uses the op.
 *
 *   0         done
 *   -EBUSY    the op is pending
 *   -EINVAL   (signal) `signo` is not a signal
 *
 * heald_op_notify_callback: fn(op) runs in the loop. This is the default. If fn is NULL there is no
 * notification, and the program polls with heald_op_error().
 *
 * heald_op_notify_deferred: as callback, but if the op is done at once, fn does not run and
 * heald_submit() returns 1. "At once" means that the first attempt succeeded and, for a read,
 * write, recv or send, transferred the whole length. Which ops are done at once depends on the back
 * end and the engine; a program handles both cases.
 *   - A ring makes the first attempt in the next turn, after heald_submit() has returned 0. There
 *     only a heald_prep_send() on a TCP socket can end without a callback. In the callbacks of that
 *     turn either heald_op_error() shows that it has completed, or its callback follows. Another
 *     thread sees the completion within 10 ms, even while the loop waits; heald_suspend() does not
 *     wait for it.
 *   - After heald_cancel() has returned 0, or its descriptor was closed, fn always runs.
 *   - Without a callback nothing tells when memory may be used again: send buffers of a group with
 *     heald_op_notify_callback().
 * heald_submit() returns -EINVAL for a multishot op, or if fn is NULL.
 *
 * heald_op_notify_signal: queues `signo` to this process, with si_value = op->data and si_code
 * SI_ASYNCIO (SI_QUEUE on systems other than Linux). If the signal queue is full, heald retries
 * until there is room. heald_submit() returns -ENOSYS if the system cannot queue signals, and
 * -EINVAL for a multishot op.
 *
 * heald_op_notify_thread: fn(op) runs on a thread of the loop's pool, which is started when it is
 * first needed. heald_loop_close() waits for fn; heald_loop_run() does not. In fn the op is idle.
 * fn must not submit to the loop. It may call heald_loop_post(), and after
 * heald_op_notify_callback() with this op too. heald_submit() returns -EINVAL for a multishot op,
 * or if fn is NULL.
 */
HEALD_API int heald_op_notify_callback(struct heald_op *op);
HEALD_API int heald_op_notify_deferred(struct heald_op *op);
HEALD_API int heald_op_notify_signal(struct heald_op *op, int signo);
HEALD_API int heald_op_notify_thread(struct heald_op *op);

/*
 * Returns the name of the operation that the op was last prepared for, such as "recv" or "timer".
 * Returns "none" if it was never prepared, or if the last prep was refused. The string is static.
 * The thread that uses the op.
 */
HEALD_API const char *heald_op_kind(const struct heald_op *op);

/*
 * Returns the name of the state of an op: "idle", "queued", "armed", "cancelling" or "done". The
 * string is static. Any thread.
 */
HEALD_API const char *heald_op_state(const struct heald_op *op);

#ifdef __cplusplus
}
#if defined(__LP64__)
static_assert(sizeof(struct heald_op) <= 128, "an op is two cache lines");
#endif
#elif defined(__LP64__)
_Static_assert(sizeof(struct heald_op) <= 128, "an op is two cache lines");
#endif
#endif
