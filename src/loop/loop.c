/*
 * loop/loop.c: opening, turning and closing a loop.
 *
 * A turn: ask the back end once (waiting only when nothing is due), let time pass, take what other
 * threads left, run a bounded number of callbacks. Called on the loop's thread, but where
 * <heald/loop.h> says otherwise.
 */
#include "loop/complete.h"

#include "base/attr.h"
#include "base/choose.h"

#include <heald/io.h>

#include <errno.h>

enum {
    ENTRIES_DEFAULT = 256,
    ENTRIES_MAX = 32768,
    CALLBACKS_DEFAULT = 128,
    THREADS_DEFAULT = 4,
    THREADS_MAX = 256,
    SHARE_MAX = 1000
};

#define LOOKUP_CACHE_MAX (30 * HEALD_SEC)

static void set_defaults(struct heald_loop_options *o)
{
    static const unsigned shares[POLICY_CLASSES] = {8, 32, 2};

    for (int c = 0; c < POLICY_CLASSES; c++)
        o->shares[c] = o->shares[c] ? o->shares[c] : shares[c];
    o->turn_callbacks = o->turn_callbacks ? o->turn_callbacks : CALLBACKS_DEFAULT;
    o->entries = o->entries ? o->entries : ENTRIES_DEFAULT;
    o->pool_threads = o->pool_threads ? o->pool_threads : THREADS_DEFAULT;
    if (!o->allocator.resize)
        o->allocator = heald__alloc_libc;
    if (!o->sys)
        o->sys = &heald__sys_native;
}

static int check_options(const struct heald_loop_options *o)
{
    struct heald_why *why = o->ret_why;

    if (o->policy > HEALD_POLICY_EDF) {
        heald__why_set(why, "policy=%d: unknown; %d to %d, of enum heald_policy", (int)o->policy,
                       HEALD_POLICY_SHARES, HEALD_POLICY_EDF);
        return -EINVAL;
    }
    for (int c = 0; c < POLICY_CLASSES; c++)
        if (o->shares[c] > SHARE_MAX) {
            heald__why_set(why, "shares[%d]=%u: at most %d", c, o->shares[c], SHARE_MAX);
            return -EINVAL;
        }
    if (o->entries > ENTRIES_MAX || o->entries & (o->entries - 1)) {
        heald__why_set(why, "entries=%u: a power of two, at most %d", o->entries, ENTRIES_MAX);
        return -EINVAL;
    }
    if (o->pool_threads > THREADS_MAX) {
        heald__why_set(why, "pool_threads=%u: at most %d", o->pool_threads, THREADS_MAX);
        return -EINVAL;
    }
    if (o->lookup_cache_ns < 0 || o->lookup_cache_ns > LOOKUP_CACHE_MAX) {
        heald__why_set(why, "lookup_cache_ns=%lld: 0 to 30 s", (long long)o->lookup_cache_ns);
        return -EINVAL;
    }
    return 0;
}

static void sink_done(struct heald_sink *sink, struct heald_op *op, int64_t result, bool more)
{
    heald__result(loop_of_sink(sink), op, result, more);
}

static int start_nothing(struct heald_loop *loop, struct heald_op *op)
{
    (void)loop;
    (void)op;
    return -ENOSYS;
}

/* Stands where nothing is above. */
static const struct heald_upper nothing = {.start = start_nothing};

static void init(struct heald_loop *loop, const struct heald_loop_options *o,
                 const struct heald_upper *const upper[UPPERS])
{
    for (int part = 0; part < UPPERS; part++)
        loop->upper[part] = upper ? upper[part] : &nothing;
    loop->sink = (struct heald_sink){.done = sink_done,
                                     .done_remote = heald__mailbox_remote,
                                     .done_in_passing = heald__mailbox_in_passing};
    loop->alloc = o->allocator;
    loop->sys = loop->backend.sys = o->sys;
    loop->backend.alloc = &loop->alloc;
    loop->backend.loop = loop;
    loop->backend.entries = o->entries;
    loop->pool_threads = o->pool_threads;
    loop->lookup_cache_ns = o->lookup_cache_ns;
    memcpy(loop->workers, o->workers, sizeof loop->workers);
    loop->turn_callbacks = o->turn_callbacks;
    loop->mirror = loop->mailbox.bell[0] = loop->mailbox.bell[1] = -1;
    heald__due_init(&loop->due, o->policy, o->shares);
    list_init(&loop->groups);
    list_init(&loop->piped);
    for (int when = 0; when < HOOKS; when++)
        list_init(&loop->hooks[when]);
    heald__wheel_init(&loop->timers, o->sys->now(HEALD_CLOCK_MONOTONIC));
}

static void close_upper(struct heald_loop *loop, enum heald_upper_part part)
{
    if (loop->upper[part]->close)
        loop->upper[part]->close(loop);
}

/* All that a loop holds, in the order of need turned round. The loop may be open half-way. */
static void dismantle(struct heald_loop *loop)
{
    struct heald_allocator alloc = loop->alloc;

    heald__hooks_close(loop);
    close_upper(loop, UPPER_RACES);
    close_upper(loop, UPPER_NAMES);
    close_upper(loop, UPPER_WORK);
    heald__engine_close(loop);
    close_upper(loop, UPPER_SIGNALS);
    close_upper(loop, UPPER_CHILDREN);
    close_upper(loop, UPPER_RETRIES);
    heald__timers_close(loop);
    if (loop->backend.priv)
        loop->backend.ops->close(&loop->backend);
    /* After the ring, which may still wait for words in what is freed there. */
    close_upper(loop, UPPER_LOCKS);
    heald__mailbox_close(loop);
    if (loop->mirror >= 0)
        loop->sys->close(loop->mirror);
    heald__fds_close(loop);
    heald__since_close(loop);
    alloc_free(&alloc, loop, sizeof *loop);
}

static void engine_ready(struct heald_op *watch)
{
    /* What fails here fails again in the next turn, which reports it. */
    watch->loop->attention.flush = true;
    heald__engine_flush(watch->loop);
}

/* A step of the opening that failed, for ret_why. */
static int failed(const struct heald_loop_options *o, const char *step, int err)
{
    heald__why_set(o->ret_why, "%s: %s", step, heald_strerror(err));
    return err;
}

static int build(struct heald_loop *loop, const struct heald_loop_options *o,
                 const struct heald_backend_ops *backend)
{
    int err = o->since ? heald__since_open(loop) : 0;

    if (err)
        return failed(o, "memory for heald_loop_options.since", err);
    if (backend) {
        loop->backend.ops = backend;
        err = backend->open(&loop->backend);
        if (err)
            failed(o, backend->name, err);
    } else {
        err = heald__choose_backend(loop, o);
    }
    if (err)
        return err;
    if ((err = heald__mailbox_open(loop)))
        return failed(o, "descriptor for heald_loop_post()", err);
    if ((err = heald__choose_engine(loop, o)) || loop->engine.fd < 0)
        return err;
    err = heald__loop_watch(loop, &loop->engine_watch, loop->engine.fd, engine_ready,
                            loop->engine.edge ? &loop->engine_counter : NULL);
    return err ? failed(o, "descriptor of the file engine", err) : 0;
}

int heald__loop_open_on(struct heald_loop **ret_loop, const struct heald_loop_options *options,
                        const struct heald_backend_ops *backend,
                        const struct heald_upper *const upper[UPPERS])
{
    struct heald_loop_options o = options ? *options : (struct heald_loop_options){0};
    struct heald_loop *loop;

    set_defaults(&o);
    int err = check_options(&o);
    if (err)
        return err;
    if (!(loop = alloc_new(&o.allocator, sizeof *loop)))
        return failed(&o, "memory for the loop", -ENOMEM);
    init(loop, &o, upper);
    err = build(loop, &o, backend);
    if (err)
        dismantle(loop);
    else
        *ret_loop = loop;
    return err;
}

uint64_t heald__loop_pending(const struct heald_loop *loop)
{
    return loop->stats.submitted + loop->stats.posts - loop->stats.completed;
}

int heald_loop_close(struct heald_loop *loop)
{
    heald__mailbox_fetch_all(loop);
    if (heald__loop_pending(loop) || loop->running || loop->holds)
        return -EBUSY;
    while (!list_empty(&loop->groups))
        heald_buf_group_close(heald_container_of(loop->groups.next, struct heald_buf_group, link));
    dismantle(loop);
    return 0;
}

int heald__loop_watch(struct heald_loop *loop, struct heald_op *op, int fd, heald_fn *fn,
                      uint64_t *counter)
{
    int err = 0;
    struct heald_fd *e = heald__fds_get(loop, fd, &err);

    if (!e)
        return err;
    op_prepare(op);
    op->kind = OP_WATCH;
    op->fn = fn;
    op->loop = loop;
    op->u.rw.fd = fd;
    op->u.rw.len = sizeof *counter;
    op->u.rw.buf = counter;
    op_move(op, OP_QUEUED);
    if (counter && loop->backend.ops->edge)
        e->flags |= FDS_EDGE;
    if (!loop->backend.ops->submit)
        return heald__polls_submit(loop, e, op);
    fds_push(&e->polls, op);
    heald__ring_submit(loop, op);
    return 0;
}

int64_t heald__time_until(struct heald_loop *loop, int64_t deadline_ns)
{
    int64_t left = deadline_ns - heald_now(loop);
    return left > 0 ? left : 0;
}

bool heald__mailbox_any(const struct heald_loop *loop)
{
    /* Relaxed: what is not seen now keeps the loop from sleeping. */
    return __atomic_load_n(&loop->mailbox.top, __ATOMIC_RELAXED) != NULL;
}

bool heald__mailbox_sleep(struct heald_loop *loop, enum heald_sleep how)
{
    struct heald_mailbox *m = &loop->mailbox;

    /* Pairs with wake() in post.c, see the argument there. */
    __atomic_store_n(&m->sleeping, (int)how, __ATOMIC_SEQ_CST);
    return !__atomic_load_n(&m->top, __ATOMIC_SEQ_CST) &&
           !__atomic_load_n(&m->stop, __ATOMIC_SEQ_CST);
}

void heald__mailbox_awake(struct heald_loop *loop)
{
    /* Relaxed: a poster that still sees 1 rings once too often, which is harmless. */
    __atomic_store_n(&loop->mailbox.sleeping, 0, __ATOMIC_RELAXED);
}

/* Until when the back end may wait. */
static int64_t wait_until(struct heald_loop *loop, int64_t deadline_ns)
{
    int64_t next = heald__timers_next(loop);

    return next < deadline_ns ? next : deadline_ns;
}

/* Before it sleeps while functions are pending. How it sleeps then, and until when. */
static enum heald_sleep linger(struct heald_loop *loop, int64_t *until)
{
    int64_t ns = loop->upper[UPPER_WORK]->linger(loop);
    int64_t end = ns ? heald_now(loop) + ns : HEALD_FOREVER;

    if (end >= *until)
        return LOOP_SLEEPS;
    *until = end;
    return LOOP_NAPS;
}

/* `is_idle`: nothing needs attention. */
HEALD_INLINE int wait(struct heald_loop *loop, int64_t deadline_ns, bool is_idle)
{
    int64_t until =
        (is_idle || !loop->attention.now) && !heald__due_any(&loop->due) ? deadline_ns : 0;

    if (!is_idle && until && loop->attention.standing)
        until = wait_until(loop, until);
    bool sleeps = until > 0;
    enum heald_sleep how = LOOP_SLEEPS;
    if (sleeps && !is_idle && loop->attention.more & MORE_WORK)
        how = linger(loop, &until);
    if (sleeps && !heald__mailbox_sleep(loop, how))
        until = 0;
    loop->stats.turns++;
    int err = loop->backend.ops->wait(&loop->backend, until);
    if (sleeps)
        heald__mailbox_awake(loop);
    loop->now_ns = 0;
    return err == -EINTR ? 0 : err;
}

/* Before the turn waits. 0 or -errno; *deadline_ns is 0 when an op has completed here without
 * notification: a caller that asks for it must not wait for more. */
static int see_to(struct heald_loop *loop, int64_t *deadline_ns)
{
    uint64_t before = loop->stats.completed;

    if (loop->attention.more & MORE_HOOKS)
        heald__hooks_run(loop, HEALD_HOOK_PREPARE);
    if (loop->attention.signals)
        heald__flush_signals(loop);
    /* Before the back end is asked: what changes after that is reported again. */
    if (loop->attention.mirrored)
        heald__guest_drain(loop);
    heald__polls_look(loop);
    int err = heald__engine_flush(loop);
    if (loop->stats.completed != before)
        *deadline_ns = 0;
    return err;
}

/* The same after it has waited. */
static void tend(struct heald_loop *loop)
{
    /* Before the deadlines: what can be had now is not late. */
    if (loop->attention.try)
        loop->upper[UPPER_LOCKS]->try(loop);
    if (loop->attention.timers)
        heald__timers_expire(loop);
    if (loop->attention.posts || heald__mailbox_any(loop))
        heald__mailbox_fetch(loop);
    if (loop->attention.more & MORE_HOOKS)
        heald__hooks_run(loop, HEALD_HOOK_CHECK);
}

/* Runs the callbacks that are due, at most so many; returns how many. */
HEALD_INLINE int dispatch(struct heald_loop *loop, unsigned limit)
{
    unsigned n = 0;
    struct heald_op *op;

    while (n < limit && (op = heald__due_pop(&loop->due))) {
        n++;
        /* An op that has completed is its owner's, and its private flags mean nothing. */
        if (op->flags & HEALD_MORE) {
            heald__notify_more(loop, op);
        } else if (op->notify == OP_NOTIFY_CALLBACK) {
            loop->stats.completed++;
            op_move(op, OP_IDLE);
            op->fn(op);
        } else {
            heald__notify(loop, op);
        }
        /* Relaxed: a stop from afar may be seen one callback late. */
        if (__atomic_load_n(&loop->mailbox.stop, __ATOMIC_RELAXED))
            break;
    }
    loop->stats.callbacks += n;
    return (int)n;
}

HEALD_INLINE int turn(struct heald_loop *loop, int64_t deadline_ns)
{
    loop->running = true;
    int err = 0;
    if (!loop->attention.any) {
        err = wait(loop, deadline_ns, true);
    } else {
        loop->now_ns = 0;
        if (!(err = see_to(loop, &deadline_ns)))
            err = wait(loop, deadline_ns, false);
    }
    if (!err) {
        if (loop->attention.any)
            tend(loop);
        else if (heald__mailbox_any(loop))
            heald__mailbox_fetch(loop);
        err = dispatch(loop, loop->turn_callbacks);
    }
    loop->running = false;
    return err;
}

HEALD_SEPARATE static int one_turn(struct heald_loop *loop, int64_t deadline_ns)
{
    loop->now_ns = 0;
    return turn(loop, deadline_ns);
}

static bool take_stop(struct heald_loop *loop)
{
    return __atomic_load_n(&loop->mailbox.stop, __ATOMIC_RELAXED) &&
           __atomic_exchange_n(&loop->mailbox.stop, 0, __ATOMIC_SEQ_CST);
}

int heald_loop_turn(struct heald_loop *loop, int64_t deadline_ns)
{
    if (loop->running)
        return -EBUSY;
    int n = one_turn(loop, deadline_ns);
    return take_stop(loop) && n >= 0 ? -ECANCELED : n;
}

int heald_loop_run(struct heald_loop *loop)
{
    int err;

    if (loop->running)
        return -EBUSY;
    for (;;) {
        if (take_stop(loop))
            return 1;
        if (heald__loop_pending(loop) == loop->stats.background && !loop->holds &&
            !loop->attention.posts && !heald__mailbox_any(loop))
            return 0;
        if ((err = turn(loop, HEALD_FOREVER)) < 0)
            return err;
    }
}

static unsigned count_completed(struct heald_op *const ops[], unsigned count)
{
    unsigned over = 0, absent = 0;

    for (unsigned i = 0; i < count; i++) {
        if (!ops[i])
            absent++;
        else if (heald_op_error(ops[i]) != -EINPROGRESS)
            over++;
    }
    return over + absent == count ? count : over;
}

static bool is_late(struct heald_loop *loop, int64_t deadline_ns)
{
    return deadline_ns != HEALD_FOREVER && heald_now(loop) >= deadline_ns;
}

static int suspend(struct heald_loop *loop, struct heald_op *const ops[], unsigned count,
                   unsigned need, int64_t deadline_ns)
{
    uint64_t left = 0; /* of the callbacks that were due when the deadline came: these still run */
    unsigned over;
    bool late = false;

    while ((over = count_completed(ops, count)) < need) {
        if (take_stop(loop))
            return -ECANCELED;
        if (late && !left)
            return -ETIMEDOUT;
        int n = one_turn(loop, deadline_ns);
        if (n < 0)
            return n;
        if (late)
            left -= left < (uint64_t)n ? left : (uint64_t)n;
        else if ((late = is_late(loop, deadline_ns)))
            left = heald__due_count(&loop->due);
    }
    return (int)over;
}

int heald_suspend(struct heald_loop *loop, struct heald_op *const ops[], unsigned count,
                  unsigned need, int64_t deadline_ns)
{
    if (need > count)
        return -EINVAL;
    if (loop->running)
        return -EBUSY;
    loop->backend.prompt = true;
    int n = suspend(loop, ops, count, need, deadline_ns);
    loop->backend.prompt = false;
    return n;
}

void heald_loop_hold(struct heald_loop *loop)
{
    loop->holds++;
}

void heald_loop_release(struct heald_loop *loop)
{
    if (loop->holds)
        loop->holds--;
}
