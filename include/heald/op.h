/*
 * heald/op.h: the control block of one operation.
 *
 * An op is to every kind of wait what `struct aiocb` is to POSIX AIO. The caller owns its memory,
 * embeds it in its own structs, and keeps it in place while it is pending, which is from the submit
 * to its final completion. The library allocates nothing for it. Zero it once (`struct heald_op op
 * = {0}`, calloc), then, any number of times: prepare it, submit it, and be notified of its
 * completion once. A completed op may be submitted again without a prep: it has the same arguments
 * and keeps its deadline_ns.
 *
 * Which calls may be made where:
 *
 *   on the loop's thread     all; in a callback of the loop heald_loop_run(), heald_loop_turn(),
 *                            heald_suspend(), heald_loop_prepare() and heald_loop_close() return
 *                            -EBUSY
 *   on any other thread      heald_loop_post() and the preps of an idle op that no other thread
 *                            uses meanwhile; heald_loop_stop(); heald_op_error(),
 *                            heald_op_result() and heald_op_state(), also of a pending op
 *   on a thread of the pool  the same: a callback that heald_op_notify_thread() asked for is on
 *                            another thread
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
struct heald_siginfo;
struct heald_child_status;
struct heald_stat;
struct heald_cond;
struct heald_participant;

/* The callback of an op. It runs on the loop's thread, from a turn, unless
 * heald_op_notify_thread() asked for another thread. */
typedef void heald_fn(struct heald_op *op);

/* Whose callback goes first: see enum heald_policy in heald/loop.h. Zero is the usual class. */
enum heald_class { HEALD_NORMAL = 0, HEALD_URGENT = 1, HEALD_BULK = 2 };

/* heald_op.flags, valid in the callback. */
enum {
    HEALD_MORE = 1 /* not the final completion: the op stays pending and will call back again */
};

/* One link of a list. Private. */
struct heald_link {
    struct heald_link *next, *prev;
};

/*
 * Ordered by what is used together: a timer, or what a deadline or a cancel ends, needs the first
 * 48 bytes alone, which lie on one line of the cache wherever malloc(3) puts the op.
 */
struct heald_op {
    struct heald_loop *loop; /* the loop that the op was submitted to last */
    int64_t result;          /* >= 0, or -errno; valid from the completion on */
    uint16_t buffer;         /* which buffer of the group holds the data (multishot receive); of
                                other kinds private */
    uint8_t flags;           /* HEALD_MORE; the other bits are private */
    uint8_t stage;           /* private */
    uint8_t op_class;        /* enum heald_class; the owner's, outlasts any number of preps */
    uint8_t notify;          /* private, as all below but fn, deadline_ns, data and name */
    uint8_t kind;
    uint8_t state;
    struct heald_link timer; /* in the timers of the loop, while it has a deadline */
    struct heald_link aux;   /* second queue: callbacks that are due, a pool, a ring's backlog */
    int64_t deadline_ns;     /* absolute, monotonic; the owner's, but every prep resets it to
                                HEALD_FOREVER */
    heald_fn *fn;            /* set by heald_submit() */
    struct heald_link link;  /* home: a list of its descriptor, or of the loop */
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
            struct heald_buf_group *group;
            uint32_t first, last; /* results that wait for the callback; so of a multishot accept */
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
                mode_t mode;
            } u;
        } path;
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
            void *object; /* of a condition: its mutex */
            struct heald_participant *me;
            union {
                struct heald_cond *cond; /* NULL: the wait for it is over, or it is no condition */
                uint32_t *ret_round;     /* of a barrier; may be NULL */
            } u;
        } lock;
        struct {
            void *object;      /* or the word, or the words */
            uint32_t *word;    /* of a mutex */
            uint32_t expected; /* of a word; how many words */
            int waited;
        } futex;
    } u;
    void *data;       /* the owner's; the value of a queued signal */
    const char *name; /* the owner's, shown by heald_loop_list(); may be NULL */
};

/*
 * The state of an op, as aio_error() returns it: -EINPROGRESS until it has completed, then 0 or the
 * -errno of its result. A zeroed op gives 0, and so does one whose prep was refused: its result is
 * 0 and its kind "none". An op with a callback has completed when its final callback begins: to
 * another thread that does not mean that the callback has ended. Any other value than -EINPROGRESS
 * (of <errno.h>) means that `result` and the caller's buffers may be read. Any thread; safe in a
 * signal handler.
 */
HEALD_API int heald_op_error(const struct heald_op *op);

/* The result of the op (as aio_return): >= 0 or -errno; 0 while it is pending. May be called again.
 * Any thread; safe in a signal handler. */
HEALD_API int64_t heald_op_result(const struct heald_op *op);

/*
 * Set how an idle op notifies of its completions, until it is changed. Return 0, or -EBUSY if the
 * op is pending.
 *
 * heald_op_notify_callback: fn(op) in the loop: the default. With no fn there is no notification:
 * ask heald_op_error().
 *
 * heald_op_notify_deferred: fn(op) in the loop, unless the op was done at once: its first attempt
 * succeeded, and a read, write, recv or send transferred its whole length. Then fn does not run,
 * and heald_submit() returned 1. Which ops are done at once depends on the back end and the engine:
 * a program is ready for both. A ring makes the first attempt in the next turn, and the only op
 * that ends there without a callback is a heald_prep_send() on a TCP socket: in the callbacks of
 * that turn heald_op_error() says that it is over, or its callback is still to come. Another thread
 * finds out within ten milliseconds, also when the loop waits; heald_suspend() does not wait for
 * that. After a heald_cancel() that returned 0, or a close of its descriptor, fn runs in any case.
 * For what needs no answer, such as a reply: it costs no callback, and in a ring no completion and
 * no system call of its own. Without a callback there is no moment at which memory comes back, so
 * buffers of a group are better sent by an op with a callback. -EINVAL at submit: a multishot op,
 * or no fn.
 *
 * heald_op_notify_signal: queue `signo` to the process with si_value = op->data and si_code
 * SI_ASYNCIO (Linux; SI_QUEUE elsewhere); a full signal queue is retried, never dropped. -EINVAL:
 * signo is not a signal. At submit: -ENOSYS where the system cannot queue signals.
 *
 * heald_op_notify_thread: fn(op) on a thread of the loop's pool (started when first needed), for
 * which heald_loop_close() waits and heald_loop_run() does not. There the op is idle, but fn may
 * not submit to the loop; it may heald_loop_post(), this op after heald_op_notify_callback().
 * -EINVAL at submit: a multishot op, or no fn.
 */
HEALD_API int heald_op_notify_callback(struct heald_op *op);
HEALD_API int heald_op_notify_deferred(struct heald_op *op);
HEALD_API int heald_op_notify_signal(struct heald_op *op, int signo);
HEALD_API int heald_op_notify_thread(struct heald_op *op);

/* The name of the kind of operation that the op was last prepared for: "recv", "timer"; "none" when
 * never, or when its last prep was refused. */
HEALD_API const char *heald_op_kind(const struct heald_op *op);

/* The name of its state: "idle", "queued", "armed", "cancelling", "done". Any thread. */
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
