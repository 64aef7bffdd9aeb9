/*
 * heald/op.h: the control block of one operation.
 *
 * An op is to every kind of wait what `struct aiocb` is to POSIX AIO. The caller owns its memory,
 * embeds it in its own structs, and keeps it in place while it is live; the library allocates
 * nothing for it. Zero it once (`struct heald_op op = {0}`, calloc), then over and over: prep,
 * submit, and hear of its end once.
 *
 * An op belongs to the thread that runs its loop. Only heald_op_error() may be called from any
 * thread.
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

/* How the owner of an op hears of its end; runs on the loop's thread unless the op asked for
 * another. */
typedef void heald_fn(struct heald_op *op);

/* Whose callback goes first: see enum heald_policy in heald/loop.h. Zero is the usual class. */
enum heald_class { HEALD_NORMAL = 0, HEALD_URGENT = 1, HEALD_BULK = 2 };

/* heald_op.flags, valid in the callback. */
enum {
    HEALD_MORE = 1 /* not the final completion: the op stays live and will call back again */
};

/* One link of a list. Private. */
struct heald_link {
    struct heald_link *next, *prev;
};

/*
 * Ordered by what is used together: a timer needs the first 64 bytes alone, and the callback finds
 * its op and its own struct side by side.
 */
struct heald_op {
    heald_fn *fn;            /* set by heald_submit() */
    struct heald_loop *loop; /* the loop that the op was submitted to last */
    int64_t result;          /* >= 0, or -errno; valid from the completion on */
    int64_t deadline_ns;     /* absolute, monotonic; the owner's, but every prep resets it to
                                HEALD_FOREVER */
    uint16_t buffer;         /* which buffer of the group holds the data (multishot receive); of
                                other kinds private */
    uint8_t flags;           /* HEALD_MORE; the other bits are private */
    uint8_t op_class;        /* enum heald_class; the owner's, outlasts any number of preps */
    uint8_t notify;          /* private, as all below but the last two */
    uint8_t stage;
    uint8_t kind;
    uint8_t state;
    struct heald_link timer; /* in the timers of the loop, while it has a deadline */
    struct heald_link aux;   /* second queue: callbacks that are due, a pool, a ring's backlog */
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
            struct heald_cond *cond;
        } lock;
        struct {
            void *object;      /* or the word, or the words */
            uint32_t *word;    /* of a mutex */
            uint32_t expected; /* of a word; how many words */
            int waited;
        } foreign;
    } u;
    void *data;       /* the owner's; the value of a queued signal */
    const char *name; /* the owner's, shown by heald_loop_list(); may be NULL */
};

/*
 * The state of an op, as aio_error() tells it: -EINPROGRESS until it is over, then 0 or the -errno
 * that it ended with. A zeroed op gives 0. With the callback as notification it is over when the
 * callback begins. May be called from any thread and from a signal handler; a result >= 0 or -errno
 * means that `result` and the caller's buffers may be read.
 */
HEALD_API int heald_op_error(const struct heald_op *op);

/* What the op ended with (as aio_return): >= 0 or -errno; 0 for an op that is still under way. May
 * be asked again. */
HEALD_API int64_t heald_op_result(const struct heald_op *op);

/*
 * Says how an idle op tells of its completions; stays so until it is changed. Return 0, or -EBUSY
 * if the op is live.
 *
 * heald_op_notify_callback: fn(op) in the loop: the default. With no fn, nothing: ask
 * heald_op_error().
 *
 * heald_op_notify_signal: queue `signo` to the process with si_value = op->data and si_code
 * SI_ASYNCIO (Linux; SI_QUEUE elsewhere); a full signal queue is retried, never dropped. -EINVAL:
 * signo is not a signal. At submit: -ENOSYS where the system cannot queue signals.
 *
 * heald_op_notify_thread: fn(op) on a thread of the loop's pool (started when first needed), for
 * which heald_loop_close() waits and heald_loop_run() does not. There the op is idle, but fn may
 * not submit to the loop; it may heald_loop_post(). Multishot ops cannot be notified so: -EINVAL at
 * submit.
 */
HEALD_API int heald_op_notify_callback(struct heald_op *op);
HEALD_API int heald_op_notify_signal(struct heald_op *op, int signo);
HEALD_API int heald_op_notify_thread(struct heald_op *op);

/* The name of the kind of operation that the op was last prepared for: "recv", "timer"; "none" when
 * never. */
HEALD_API const char *heald_op_kind(const struct heald_op *op);

/* The name of its state: "idle", "queued", "armed", "cancelling", "done". */
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
