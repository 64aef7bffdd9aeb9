/*
 * loop/loop.h: the inside of a loop. Its parts, a file each:
 *
 *   plain.c     recv and send in the usual case
 *   submit.c    from the caller to the part that does the work, and the way back by cancel
 *   fds.c       descriptors and the ops that name them    close.c    … until they are closed
 *   ready.c     readiness becomes completion              polls.c    … beside the queues
 *   result.c    what rings and threads attempt            perform.c  the system calls for it
 *   engine.c    files: the engine and the pools           outcome.h  what any attempt means
 *   pause.c     descriptors that are left alone for a while; idle.c  sockets of a ring that wait
 *               by readiness
 *   complete.c  results, callbacks and the other notifications
 *   timers.c    deadlines and clocks               post.c     from other threads
 *   buffers.c   groups of buffers                  features.c which back ends and engines there are
 *   hooks.c     functions that run in each turn    send.c     a send without an op
 *
 * Everything belongs to the loop's thread but `mailbox`, which says so.
 */
#ifndef HEALD_SRC_LOOP_LOOP_H
#define HEALD_SRC_LOOP_LOOP_H

#include "base/alloc.h"
#include "base/wheel.h"
#include "file/engine.h"
#include "loop/backend.h"
#include "loop/buffers.h"
#include "loop/fds.h"
#include "loop/policy.h"
#include "loop/since.h"
#include "loop/upper.h"
#include "op/sink.h"

struct heald_pool;
struct heald_signals;
struct heald_locks;
struct heald_works;

enum { CACHE_LINE = 64 /* bytes of a cache line */ };

enum { HOOKS = HEALD_HOOK_CHECK + 1, LOOKS_MAX = 64 };

/* For files and callbacks; for what may wait as long as it likes. */
enum { POOL_FILES, POOL_WAITS, POOLS };

enum heald_sleep { LOOP_AWAKE, LOOP_SLEEPS /* or is about to */, LOOP_NAPS };

/*
 * Ops that other threads hand to the loop; see post.c for the argument. What they write lies apart
 * from what the loop writes, on whatever cache line the allocator puts it.
 */
struct heald_mailbox {
    char apart_before[CACHE_LINE];
    struct heald_link *top; /* atomic: pushed and not yet fetched, newest first */
    int sleeping;           /* atomic: enum heald_sleep */
    int stop;               /* atomic */
    uint64_t rings;         /* atomic */
    bool sorts;             /* atomic: an op of another class than the usual one was posted */
    char apart_after[CACHE_LINE];
    struct heald_link *first, *last; /* fetched and not yet delivered, oldest first */
    int bell[2];
    uint64_t counter; /* where a ring reads the bell */
    struct heald_op watch;
};

/* A signal that found no room in the queue of signals, and whose op is its owner's again. */
struct heald_owed {
    int signo; /* 0: none */
    void *value;
};

/* The timers of a clock that is not the monotonic one; made when first used. */
struct heald_alarm {
    struct heald_wheel wheel;
    int fd;
    int64_t set_ns; /* what fd is set to */
    struct heald_op watch;
};

/* Descriptors that are to be looked at before the turn waits, see polls.c. */
struct heald_looks {
    unsigned count;
    struct pollfd v[LOOKS_MAX];
};

enum { MORE_HOOKS = 1, MORE_BOOT = 2, MORE_WORK = 4, MORE_LOOKS = 8 };

/* What a turn sees to beside descriptors and posts; in the usual turn all of it is 0. */
union heald_attention {
    struct {
        union {
            struct {
                bool flush;   /* the engine may hold something back */
                bool try;     /* what waits for locks is to be tried again */
                bool signals; /* a signal, see `owed` */
                bool posts;   /* some were fetched and not delivered, see `mailbox.first` */
            };
            uint32_t now; /* one of these: the turn does not wait */
        };
        union {
            struct {
                bool mirrored; /* `mirror` is open */
                bool timers;   /* `timers` may hold something */
                uint8_t more;  /* MORE_…: there is something that few loops have */
                bool threads;  /* threads wait for ops, see `waiting` */
            };
            uint32_t standing;
        };
    };
    uint64_t any;
};

struct heald_loop {
    struct heald_sink sink; /* first: the engine and the back end get this */
    const struct heald_sys *sys;
    struct heald_allocator alloc;
    struct heald_backend backend;
    struct heald_engine engine;
    struct heald_op engine_watch;
    uint64_t engine_counter; /* says that the engine's descriptor counts events */
    bool files_native;       /* back end and engine are the same ring */
    struct heald_pool *pools[POOLS];
    unsigned pool_threads;
    unsigned waiting; /* ops that threads wait for and that can wait for readiness instead */
    unsigned locking; /* those of them that wait for locks of files */

    struct heald_fds fds;
    unsigned polls; /* ops beside the queues that a ring has */
    struct heald_due due;
    unsigned turn_callbacks;
    struct heald_link groups;
    struct heald_link hooks[HOOKS]; /* by enum heald_hook_when */

    int64_t now_ns; /* of this turn, once asked for; 0: not yet */
    struct heald_wheel timers;
    struct heald_alarm *boot;
    const struct heald_upper *upper[UPPERS]; /* never NULL; what they have: */
    struct heald_signals *signals;
    struct heald_locks *locks; /* made when first needed, as the next */
    struct heald_works *works;
    struct heald_retries *retries;
    int64_t lookup_cache_ns;          /* for how long it keeps answers; 0: not at all */
    struct heald_workers *workers[2]; /* given by the program; NULL: those of the loop's own */
    int mirror;                       /* guest mode of a back end without a descriptor; -1: none */

    bool running;    /* a callback, or a turn, is on the stack */
    uint8_t classes; /* not 0: ops of other classes than the usual one have been submitted */
    unsigned holds;
    union heald_attention attention;
    struct heald_since *since;         /* NULL: nobody asked since when ops are pending */
    const struct heald_op *submitting; /* if this one completes now, it was done at once */
    struct heald_loop_stats stats;
    struct heald_owed owed;
    struct heald_link piped; /* `in.link` of streams, see stream/splice.c */
    struct heald_looks looks;
    struct heald_mailbox mailbox;
};

static inline struct heald_loop *loop_of_sink(struct heald_sink *sink)
{
    return heald_container_of(sink, struct heald_loop, sink);
}

/* May an op that comes later have to be called back first? */
static inline bool heald__loop_sorts(const struct heald_loop *loop)
{
    return loop->classes || loop->due.policy == HEALD_POLICY_EDF;
}

/* introspect.c: the name of ops that the library submits for one of the program; by address. */
extern const char heald__own_name[];

/* submit.c: the way of every op but the plain one in its usual case; its steps, for plain.c. start:
 * 0, 1: as heald_submit(); -errno: the op is idle again. deadline: of an op that has one; 0. */
int heald__submit(struct heald_loop *loop, struct heald_op *op, heald_fn *fn);
int heald__submit_start(struct heald_loop *loop, struct heald_op *op);
int heald__submit_deadline(struct heald_loop *loop, struct heald_op *op);

/* plain.c: the op is the loop's from now on. */
void heald__submit_begin(struct heald_loop *loop, struct heald_op *op, heald_fn *fn);

void heald__op_cancel(struct heald_loop *loop,
                      struct heald_op *op); /* cancel; the op is queued or armed */

/* complete.c */
void heald__complete(struct heald_loop *loop, struct heald_op *op, int64_t result);
void heald__complete_more(struct heald_loop *loop, struct heald_op *op, int64_t result);
bool heald__flush_signals(
    struct heald_loop *loop); /* tries to send it; true: it cannot yet be sent */

/* ready.c */
void heald__ready_submit(struct heald_loop *loop, struct heald_fd *e, struct heald_op *op);
void heald__ready_resume(struct heald_loop *loop,
                         struct heald_op *op); /* a multishot's callback has run */
void heald__ready_kick(struct heald_loop *loop, struct heald_fd *e, int dir);
void heald__ready_retry(struct heald_loop *loop, struct heald_fd *e, int dir); /* it may be ready */
int heald__ready_in_ring(struct heald_loop *loop, struct heald_op *op); /* it cannot wait there */
void heald__ready_unarm(struct heald_loop *loop, struct heald_fd *e, int fd);

/* idle.c, of a ring. new: of a socket that the loop does not know yet; cancelled: a receive of this
 * socket was; end: the socket goes back to the ring; forget: its entry goes. */
void heald__idle_new(struct heald_loop *loop, struct heald_fd *e);
void heald__idle_forget(struct heald_loop *loop, struct heald_fd *e);
void heald__idle_cancelled(struct heald_loop *loop, struct heald_fd *e);
void heald__idle_end(struct heald_loop *loop, struct heald_fd *e);

/* polls.c: takes an op beside the queues; 0 or -errno, and it is in none. resume: the callback of a
 * multishot poll has run. by_readiness: a ring polls for so many and no more, if it knows another
 * way. */
int heald__polls_submit(struct heald_loop *loop, struct heald_fd *e, struct heald_op *op);
void heald__polls_resume(struct heald_loop *loop, struct heald_op *op);
void heald__polls_look(struct heald_loop *loop); /* with MORE_LOOKS: before the turn waits */
static inline bool heald__polls_by_readiness(const struct heald_loop *loop)
{
    const struct heald_backend_ops *ops = loop->backend.ops;
    return !ops->submit || (ops->arm && loop->polls >= ops->polls_max);
}

/* perform.c: one attempt, which never waits; SYS_ELSEWHERE: there is no such form of it. */
int64_t heald__perform(struct heald_loop *loop, struct heald_fd *e, struct heald_op *op);

/* guest.c: an op on a descriptor of a ring has come or gone; only in guest mode. */
void heald__guest_show(struct heald_loop *loop, int fd);
void heald__guest_drain(struct heald_loop *loop); /* changes that the mirror has reported */

/* result.c: hands an op to a ring; an attempt of a ring or a thread has ended, and with `more` the
 * ring has the op still. */
void heald__ring_submit(struct heald_loop *loop, struct heald_op *op);
void heald__result(struct heald_loop *loop, struct heald_op *op, int64_t result, bool more);
void heald__result_sent(struct heald_loop *loop, struct heald_op *op); /* all, at the first try */

/* close.c */
int heald__close_submit(struct heald_loop *loop, struct heald_op *op);
void heald__close_go_on(struct heald_loop *loop, struct heald_fd *e); /* an op of it has ended */
void heald__close_cancel(struct heald_loop *loop, struct heald_op *op);
bool heald__close_is_own(const struct heald_op *op); /* a close op that the loop has made */
void heald__close_end_own(struct heald_loop *loop, struct heald_op *op);
/* Of an entry that is being closed: 0: it is now; -EBADF: it is open still. */
int heald__close_wait(struct heald_loop *loop, struct heald_fd *e);

/* file_lock.c: submit: takes an op for an entry; 0. do: tries it, and has it wait. retry: those of
 * a descriptor after a pause. hurry: interrupts the threads that wait for one of them. */
int heald__file_lock_submit(struct heald_loop *loop, struct heald_fd *e, struct heald_op *op);
void heald__file_lock_do(struct heald_loop *loop, struct heald_op *op);
void heald__file_lock_retry(struct heald_loop *loop, int fd);
void heald__file_lock_hurry(struct heald_loop *loop, const struct heald_fd *e);

/* pause.c: leaves one direction alone; 0 or -ENOMEM, which it is not after a reserve. stop: at once
 * no longer, and the next pause is short. */
int heald__pause(struct heald_loop *loop, struct heald_fd *e, int dir);
int heald__pause_reserve(struct heald_loop *loop, struct heald_fd *e);
void heald__pause_stop(struct heald_loop *loop, struct heald_fd *e, int dir);
void heald__pause_success(struct heald_fd *e);
void heald__pause_expired(struct heald_loop *loop, struct heald_op *op);
void heald__pause_end(struct heald_loop *loop, struct heald_fd *e);
void heald__pauses_free(struct heald_loop *loop);

/*
 * engine.c. do: by the engine, or the back end in its stead. pool_do: by a thread that may wait as
 * long as it likes, on a duplicate of the descriptor, which pool_duplicate makes first. pool_take:
 * the same, but -errno and nothing has happened if there is no thread. withdraw: before a thread
 * has begun it. takes_whole: does a ring attempt this op, or the loop itself? drive: hands over and
 * brings back, without waiting.
 */
int heald__engine_open(struct heald_loop *loop, const struct heald_engine_ops *ops, bool is_native);
void heald__engine_close(struct heald_loop *loop);
void heald__engine_submit(struct heald_loop *loop, struct heald_fd *e, struct heald_op *op);
void heald__engine_do(struct heald_loop *loop, struct heald_op *op);
/* Does it read, write or list at the file position? When such an op has ended: starts the next. */
bool heald__uses_position(const struct heald_op *op);
void heald__engine_next_at_position(struct heald_loop *loop, struct heald_fd *e);
void heald__engine_cancel(struct heald_loop *loop, struct heald_op *op);
int heald__engine_flush(struct heald_loop *loop); /* while loop->flush is set: do not wait */
void heald__engine_drive(struct heald_loop *loop);
bool heald__engine_has_begun(struct heald_loop *loop, struct heald_op *op); /* or may have */
/* Can a thread that waits for this op be made to give it up? */
bool heald__engine_can_give_up(const struct heald_loop *loop, const struct heald_op *op);
int heald__pool_duplicate(struct heald_loop *loop, struct heald_op *op);
void heald__pool_do(struct heald_loop *loop, struct heald_op *op);
int heald__pool_take(struct heald_loop *loop, struct heald_op *op);
/* While loop->waiting: when to ask again; HEALD_FOREVER. */
int64_t heald__pool_make_room(struct heald_loop *loop);
void heald__pool_left(struct heald_loop *loop, struct heald_op *op); /* a thread has ended it */
bool heald__pool_withdraw(struct heald_loop *loop, struct heald_op *op);
bool heald__takes_whole(const struct heald_loop *loop, const struct heald_fd *e,
                        const struct heald_op *op);
bool heald__takes_seekable(const struct heald_loop *loop); /* must know that a file can seek */
int heald__loop_pool(struct heald_loop *loop, int which, struct heald_pool **ret_pool);

/* timers.c; add: by op->deadline_ns, on the monotonic clock */
static inline void heald__timers_add(struct heald_loop *loop, struct heald_op *op)
{
    loop->attention.timers = true;
    heald__wheel_add(&loop->timers, op);
}

int heald__timers_submit(struct heald_loop *loop, struct heald_op *op);
void heald__timers_cancel(struct heald_loop *loop, struct heald_op *op); /* OP_TIMER */
void heald__timers_remove(struct heald_loop *loop, struct heald_op *op);
void heald__timers_expire(struct heald_loop *loop);
int64_t heald__timers_next(struct heald_loop *loop); /* monotonic; HEALD_FOREVER */
void heald__timers_close(struct heald_loop *loop);

/* hooks.c: runs those of that time. close: removes all. */
void heald__hooks_run(struct heald_loop *loop, enum heald_hook_when when);
void heald__hooks_close(struct heald_loop *loop);

/* post.c. here: from the loop's own thread, an idle op: its callback runs after those that are due.
 */
void heald__post_here(struct heald_loop *loop, struct heald_op *op, heald_fn *fn);
int heald__mailbox_open(struct heald_loop *loop);
void heald__mailbox_close(struct heald_loop *loop);
void heald__mailbox_fetch(struct heald_loop *loop); /* a turn's share */
void heald__mailbox_fetch_all(struct heald_loop *loop);
void heald__mailbox_remote(struct heald_sink *sink, struct heald_op *op, int64_t result);
void heald__mailbox_in_passing(struct heald_sink *sink, struct heald_op *op, int64_t result);

/* loop.c: how many ops are pending; the time that is left until a deadline, or 0. */
uint64_t heald__loop_pending(const struct heald_loop *loop);
int64_t heald__time_until(struct heald_loop *loop, int64_t deadline_ns);

/* loop.c. any: has something been posted that was not fetched? sleep: before waiting; false: do
 * not, something is there. awake: after that. */
bool heald__mailbox_any(const struct heald_loop *loop);
bool heald__mailbox_sleep(struct heald_loop *loop, enum heald_sleep how);
void heald__mailbox_awake(struct heald_loop *loop);

/*
 * loop.c: heald__loop_watch() (backend.h) calls fn(op) whenever a descriptor of the library's own
 * is readable, until the loop is closed. `counter` is NULL, or says that the descriptor is a
 * counter of events (eventfd): then it need not be drained where changes are reported, and a ring
 * reads it into *counter.
 */

/* loop.c: opens a loop with these parts above it, or (NULL) with none: then their ops are refused
 * with -ENOSYS. For tests, `backend` is one that is in no table; otherwise NULL. */
int heald__loop_open_on(struct heald_loop **ret_loop, const struct heald_loop_options *options,
                        const struct heald_backend_ops *backend,
                        const struct heald_upper *const upper[UPPERS]);

/* features.c: the choice, by name or by preference. 0 and an opened back end or engine, or -errno.
 */
int heald__choose_backend(struct heald_loop *loop, const struct heald_loop_options *options);
int heald__choose_engine(struct heald_loop *loop, const struct heald_loop_options *options);

#endif
