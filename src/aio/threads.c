/*
 * aio/threads.c: the method by threads: the I/O thread gives requests to pools, and where there
 * is no ring it sleeps on the word `sleeping`.
 *
 * Files on a disk have a pool of their own, because operations on them end by themselves; a read of
 * a pipe may last indefinitely, and must not take the thread of a file; nor that of a close(2) that
 * lingers, which has a third pool. What a thread of a pool does is the reference, read(2) and
 * write(2) themselves, flags, times and marks of the descriptor included: it cannot be interrupted,
 * so only a request that has not begun can be cancelled.
 *
 * A thread that waits in its call cannot be left there when its number is closed: once the process
 * is stopped and continued, or the computer slept, the kernel restarts the call, by the number. So
 * it is interrupted, and continues with a pin (quiesce.c). Argument: the thread stores `by`, then
 * loads `aim`, and makes its call if they are the same; a close stores `aim`, then loads `by`; all
 * of it sequentially consistent. So either the thread sees the new aim, or `by` is seen to be the
 * old one, and then the thread is interrupted until it is not: an interrupt may come before the
 * call. Where no signal is available for that, a stream is pinned before it is begun.
 *
 * A thread of its own starts the others: it is there as long as the I/O thread is, which so waits
 * for no lock of the C library's that a thread may hold whose signal handler is in close(2), and
 * for no malloc(3). What no thread can be had for it does itself, if that is a disk's; all else
 * ends with EAGAIN.
 */
#include "aio/method.h"
#include "file/engine.h"
#include "op/op.h"
#include "platform/descriptor.h"
#include "platform/futex.h"
#include "pool/pool.h"

#include <errno.h>

enum { FILE_THREADS = 32, CLOSE_THREADS = 32, STREAM_THREADS = 512, STACK_BYTES = 64 << 10 };

struct aio_pools {
    struct heald_pool *files, *streams, *closers, *starter;
    unsigned calls; /* atomic: the starter's */
    struct aio_state *process;
    bool ending;      /* atomic: nobody takes a call back */
    bool has_streams; /* there has been a job for `streams` */
};

/* An empty datagram is one, too. */
static int64_t attempt(const struct heald_op *op)
{
    if (op->kind == OP_WRITE && op->u.rw.off < 0 && !op->u.rw.len)
        return heald__plat_write(op->u.rw.fd, op->u.rw.buf, 0);
    return heald__file_attempt(&heald__sys_native, op);
}

static int aim_of(const struct aio_request *r)
{
    return __atomic_load_n(&r->aim, __ATOMIC_SEQ_CST);
}

/* Has it written a part when it was to continue with another number? */
static bool is_cut(const struct aio_request *r, const struct heald_op *op, int64_t n, int fd)
{
    return op->kind == OP_WRITE && r->waits && n > 0 && n < op->u.rw.len && aim_of(r) != fd;
}

/* Without its number, which the I/O thread may change meanwhile, and its links. */
static struct heald_op what_to_do(const struct aio_request *r)
{
    struct heald_op op = {.kind = r->op.kind};

    if (op.kind == OP_FSYNC) {
        op.u.poll.events = r->op.u.poll.events;
        return op;
    }
    op.u.rw.buf = r->op.u.rw.buf;
    op.u.rw.len = r->op.u.rw.len;
    op.u.rw.off = r->op.u.rw.off;
    return op;
}

static int64_t perform(struct aio_request *r)
{
    struct heald_op op = what_to_do(r);
    int64_t moved = 0, n = -EINTR;
    int fd;

    while ((fd = aim_of(r)) >= 0) {
        __atomic_store_n(&r->by, fd, __ATOMIC_SEQ_CST);
        if (aim_of(r) != fd)
            continue;
        aio_op_set_fd(&op, fd);
        n = attempt(&op);
        if (n == -EINTR)
            continue;
        if (!is_cut(r, &op, n, fd))
            break;
        moved += n;
        op.u.rw.buf = (char *)op.u.rw.buf + n;
        op.u.rw.len -= (uint32_t)n;
    }
    if (fd < 0 && n < 0)
        n = -ECANCELED;
    if (n < 0)
        return moved ? moved : n;
    return moved + n;
}

static void do_it(struct aio_state *p, struct aio_request *r)
{
    r->op.result = perform(r);
    aio_io_thread_push(p, &r->notifier.head, AIO_DONE);
}

/* On a thread of a pool. */
static void run(void *ctx, struct heald_link *job)
{
    struct aio_pools *w = ctx;
    struct heald_op *op = heald_container_of(job, struct heald_op, link);

    if (op->kind == OP_CLOSE)
        aio_file_free(w->process, heald_container_of(op, struct aio_file, closing));
    else
        do_it(w->process, aio_request_of(op));
}

/* On the starter's thread. */
static void refuse(void *ctx, struct heald_link *job)
{
    struct aio_pools *w = ctx;
    struct heald_op *op = heald_container_of(job, struct heald_op, link);
    struct aio_request *r = aio_request_of(op);

    if (op->kind == OP_CLOSE || r->file->finite) {
        run(ctx, job);
        return;
    }
    op->result = -EAGAIN;
    aio_io_thread_push(w->process, &r->notifier.head, AIO_DONE);
}

/* It is counted until it is one of those that the I/O thread has to take. */
static void call(struct aio_pools *w, struct aio_call *c)
{
    bool called = aio_call_start(c) == 0;

    if (!called && __atomic_load_n(&w->ending, __ATOMIC_RELAXED))
        aio_call_drop(c);
    else if (!called)
        aio_io_thread_push(w->process, &c->head, AIO_CALL);
    /* Release: pairs with aio_pools_calls(). */
    __atomic_fetch_sub(&w->calls, 1, __ATOMIC_RELEASE);
}

/* The starter's. */
static void help(void *ctx, struct heald_link *job)
{
    struct aio_pools *w = ctx;

    if (!heald__pool_grow(w->files, job) && !heald__pool_grow(w->streams, job) &&
        !heald__pool_grow(w->closers, job))
        call(w, (struct aio_call *)(void *)aio_head_of(job));
}

static int open_starter(struct aio_pools *w)
{
    int err = heald__pool_open(&w->starter, &heald__sys_native, &aio_allocator, 1, help, w);

    if (err)
        return err;
    heald__pool_stack(w->starter, STACK_BYTES);
    return heald__pool_begin(w->starter);
}

static int open_pool(struct aio_pools *w, struct heald_pool **ret_pool, unsigned threads)
{
    int err = heald__pool_open(ret_pool, &heald__sys_native, &aio_allocator, threads, run, w);

    if (err)
        return err;
    heald__pool_stack(*ret_pool, STACK_BYTES);
    heald__pool_started_by(*ret_pool, w->starter, refuse);
    return 0;
}

void aio_pools_end(struct aio_pools *w)
{
    __atomic_store_n(&w->ending, true, __ATOMIC_RELAXED);
    heald__pool_close(w->starter);
    heald__pool_close(w->files);
    heald__pool_close(w->streams);
    heald__pool_close(w->closers);
    alloc_free(&aio_allocator, w, sizeof *w);
}

struct aio_pools *aio_pools_begin(struct aio_state *p)
{
    struct aio_pools *w = alloc_new(&aio_allocator, sizeof *w);

    if (!w)
        return NULL;
    w->process = p;
    if (open_starter(w) < 0 || open_pool(w, &w->files, FILE_THREADS) < 0 ||
        open_pool(w, &w->streams, STREAM_THREADS) < 0 ||
        open_pool(w, &w->closers, CLOSE_THREADS) < 0) {
        aio_pools_end(w);
        return NULL;
    }
    heald__pool_begin(w->streams); /* if it can be had now it will be when none can */
    return w;
}

static struct heald_pool *pool_of(struct aio_io_thread *s, const struct aio_request *r)
{
    return r->file->finite ? s->pools->files : s->pools->streams;
}

/* The first of its kind takes a signal. A regular file is never pinned, close(2) waits for it. */
static void prepare_stream(struct aio_io_thread *s, struct aio_request *r)
{
    struct aio_pools *w = s->pools;

    if (!w->has_streams)
        heald__pool_interruptible(w->streams);
    w->has_streams = true;
    if (!heald__pool_can_interrupt(w->streams) && !r->file->regular)
        aio_pin(r);
}

/* What is in the page cache needs no thread. Less than was asked for may be the end of the file, or
 * of what is cached. */
static bool is_read_at_once(struct aio_io_thread *s, struct aio_request *r)
{
    if (r->op.kind != OP_READ || !r->file->finite || r->direct || r->op.u.rw.len > AIO_SMALL_READ)
        return false;
    r->op.result =
        heald__plat_read_cached(r->op.u.rw.fd, r->op.u.rw.buf, r->op.u.rw.len, r->op.u.rw.off);
    if (r->op.result != r->op.u.rw.len)
        return false;
    aio_io_thread_push(s->process, &r->notifier.head, AIO_DONE);
    return true;
}

static void threads_start(struct aio_io_thread *s, struct aio_request *r)
{
    if (is_read_at_once(s, r))
        return;
    if (!r->file->finite)
        prepare_stream(s, r);
    r->by = -1;
    __atomic_store_n(&r->aim, aio_fd_of(r), __ATOMIC_RELAXED); /* the pool's lock releases it */
    heald__pool_submit(pool_of(s, r), &r->op.link);
}

void aio_pools_close_pin(struct aio_io_thread *s, struct aio_file *f)
{
    f->closing.kind = OP_CLOSE;
    heald__pool_submit(s->pools->closers, &f->closing.link);
}

void aio_pools_call(struct aio_io_thread *s, struct aio_call *call)
{
    __atomic_fetch_add(&s->pools->calls, 1, __ATOMIC_RELAXED);
    heald__pool_submit(s->pools->starter, &call->head.link);
}

unsigned aio_pools_calls(const struct aio_io_thread *s)
{
    /* Acquire: pairs with call(). */
    return __atomic_load_n(&s->pools->calls, __ATOMIC_ACQUIRE);
}

bool aio_pools_retry(const struct aio_io_thread *s)
{
    struct aio_pools *w = s->pools;
    bool files = heald__pool_retry(w->files), streams = heald__pool_retry(w->streams);

    return heald__pool_retry(w->closers) || files || streams;
}

bool aio_pools_redirect(struct aio_io_thread *s, struct aio_request *r)
{
    int by = __atomic_load_n(&r->by, __ATOMIC_SEQ_CST);

    /* Without a signal it stays in its call, which has the file. */
    if (by < 0 || by == r->aim || !heald__pool_can_interrupt(s->pools->streams))
        return true;
    heald__pool_interrupt(s->pools->streams, &r->op.link);
    return false;
}

unsigned aio_pools_threads(struct aio_io_thread *s)
{
    const struct aio_pools *w = s->pools;

    return heald__pool_started(w->starter) + heald__pool_started(w->files) +
           heald__pool_started(w->streams) + heald__pool_started(w->closers);
}

static bool threads_withdraw(struct aio_io_thread *s, struct aio_request *r)
{
    return heald__pool_dequeue(pool_of(s, r), &r->op.link);
}

static bool threads_cancel(struct aio_io_thread *s, struct aio_request *r)
{
    (void)s, (void)r;
    return false;
}

/* A ring may have left a bell, and then that is what is rung. */
static void sleep_for(struct aio_io_thread *s, int64_t timeout_ns)
{
    struct aio_state *p = s->process;
    struct heald_word w = {&p->sleeping, 1};

    if (p->bell) {
        struct pollfd bell = {.fd = p->bell - 1, .events = POLLIN};
        s->sys->poll(&bell, 1, timeout_ns);
        s->sys->bell_drain(p->bell - 1);
    } else {
        heald__plat_words_wait(&w, 1,
                               timeout_ns < 0 ? HEALD_FOREVER
                                              : s->sys->now(HEALD_CLOCK_MONOTONIC) + timeout_ns);
    }
}

static int threads_wait(struct aio_io_thread *s, int64_t timeout_ns)
{
    if (timeout_ns && aio_io_thread_sleeps(s->process))
        sleep_for(s, timeout_ns);
    aio_io_thread_awake(s->process);
    return 0;
}

static bool threads_flushed(const struct aio_io_thread *s)
{
    (void)s;
    return true;
}

/* A thread may be about to make its call. */
static bool threads_holds(const struct aio_request *r)
{
    (void)r;
    return false;
}

const struct aio_method aio_method_threads = {
    .start = threads_start,
    .withdraw = threads_withdraw,
    .cancel = threads_cancel,
    .wait = threads_wait,
    .flushed = threads_flushed,
    .holds = threads_holds,
};
