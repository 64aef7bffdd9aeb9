/*
 * aio/threads.c: the road by threads: the I/O thread gives requests to two pools, and where there
 * is no ring it sleeps on the word `sleeping`.
 *
 * Files of a disk have a pool of their own, for what is done to them ends by itself; a read of a
 * pipe may last for ever, and must not take the thread of a file's. What a thread of a pool does is
 * the reference, read(2) and write(2) themselves, flags, times and marks of the descriptor
 * included: it cannot be interrupted, so only what has not begun can be cancelled.
 *
 * Before its call a thread says who it is, so that close(2) can wait until the call has the file
 * (settle.c). Where the kernel would not tell that, a stream is pinned before it is begun.
 *
 * Where no thread can be started a file of a disk is done by the I/O thread itself; all else waits
 * until there is one.
 */
#include "aio/road.h"
#include "file/engine.h"
#include "op/op.h"
#include "platform/descriptor.h"
#include "platform/futex.h"
#include "platform/shm.h"
#include "pool/pool.h"

#include <errno.h>

enum { FILE_THREADS = 32, STREAM_THREADS = 512, STACK_BYTES = 64 << 10 };

struct aio_pools {
    struct heald_pool *files, *streams;
    struct aio_process *process;
};

/* An empty datagram is one, too. */
static int64_t perform(const struct heald_op *op)
{
    if (op->kind == OP_WRITE && op->u.rw.off < 0 && !op->u.rw.len)
        return heald_plat_write(op->u.rw.fd, op->u.rw.buf, 0);
    return heald_file_perform(&heald_sys_native, op);
}

static void do_it(struct aio_process *p, struct aio_request *r)
{
    r->op.result = perform(&r->op);
    aio_service_push(p, &r->told.head, AIO_DONE);
}

/* On a thread of a pool. */
static void run(void *ctx, struct heald_link *job)
{
    struct aio_pools *w = ctx;
    struct aio_request *r = aio_request_of(heald_container_of(job, struct heald_op, link));

    /* Release: pairs with has_entered() in settle.c. */
    __atomic_store_n(&r->thread, heald_plat_thread_id(), __ATOMIC_RELEASE);
    do_it(w->process, r);
}

static int threads_open(struct aio_service *s)
{
    struct aio_pools *w = alloc_new(&aio_allocator, sizeof *w);

    if (!w)
        return -ENOMEM;
    w->process = s->process;
    int err = heald_pool_open(&w->files, s->sys, &aio_allocator, FILE_THREADS, run, w);
    if (!err)
        err = heald_pool_open(&w->streams, s->sys, &aio_allocator, STREAM_THREADS, run, w);
    if (err) {
        heald_pool_close(w->files);
        alloc_free(&aio_allocator, w, sizeof *w);
        return err;
    }
    heald_pool_stack(w->files, STACK_BYTES);
    heald_pool_stack(w->streams, STACK_BYTES);
    s->pools = w;
    return 0;
}

static void threads_close(struct aio_service *s)
{
    struct aio_pools *w = s->pools;

    heald_pool_close(w->files);
    heald_pool_close(w->streams);
    alloc_free(&aio_allocator, w, sizeof *w);
}

static struct heald_pool *pool_of(struct aio_service *s, const struct aio_request *r)
{
    return r->file->finite ? s->pools->files : s->pools->streams;
}

static void threads_start(struct aio_service *s, struct aio_request *r)
{
    if (!r->file->finite && !heald_plat_threads_are_told())
        aio_pin(s, r);
    if (heald_pool_submit(pool_of(s, r), &r->op.link) == 0)
        return;
    if (r->file->finite) {
        do_it(s->process, r);
    } else {
        r->starved = true;
        list_push(&s->starved, &r->op.link);
    }
}

void aio_pools_retry(struct aio_service *s)
{
    struct heald_link tried, *node;

    if (list_empty(&s->starved))
        return;
    list_take(&tried, &s->starved);
    while ((node = list_pop(&tried))) {
        struct aio_request *r = aio_request_of(heald_container_of(node, struct heald_op, link));
        r->starved = false;
        threads_start(s, r);
    }
}

unsigned aio_pools_threads(struct aio_service *s)
{
    return heald_pool_started(s->pools->files) + heald_pool_started(s->pools->streams);
}

static bool threads_take_back(struct aio_service *s, struct aio_request *r)
{
    if (!r->starved)
        return heald_pool_take(pool_of(s, r), &r->op.link);
    r->starved = false;
    list_remove(&r->op.link);
    return true;
}

static bool threads_cancel(struct aio_service *s, struct aio_request *r)
{
    (void)s, (void)r;
    return false;
}

/* A ring may have left a bell, and then that is what is rung. */
static void sleep_for(struct aio_service *s, int64_t timeout_ns)
{
    struct aio_process *p = s->process;
    struct heald_word w = {&p->sleeping, 1};

    if (p->bell) {
        struct pollfd bell = {.fd = p->bell - 1, .events = POLLIN};
        s->sys->poll(&bell, 1, timeout_ns);
        s->sys->bell_drain(p->bell - 1);
    } else {
        heald_plat_words_wait(&w, 1,
                              timeout_ns < 0 ? HEALD_FOREVER
                                             : s->sys->now(HEALD_CLOCK_MONOTONIC) + timeout_ns);
    }
}

static int threads_wait(struct aio_service *s, int64_t timeout_ns)
{
    if (timeout_ns && aio_service_sleeps(s->process))
        sleep_for(s, timeout_ns);
    aio_service_awake(s->process);
    return 0;
}

static bool threads_flushed(const struct aio_service *s)
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

const struct aio_road aio_road_threads = {
    .open = threads_open,
    .close = threads_close,
    .start = threads_start,
    .take_back = threads_take_back,
    .cancel = threads_cancel,
    .wait = threads_wait,
    .flushed = threads_flushed,
    .holds = threads_holds,
};
