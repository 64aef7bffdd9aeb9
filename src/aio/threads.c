/*
 * aio/threads.c: the road by threads, where there is no io_uring: the I/O thread gives requests to
 * two pools and sleeps on the word `sleeping`.
 *
 * Files that seek have a pool of their own, for what is done to them ends by itself; a read of a
 * pipe may last for ever, and must not take the thread of a file's. What a thread of a pool does is
 * the reference, read(2) and write(2) themselves: it cannot be interrupted, so only what has not
 * begun can be cancelled. A stream is pinned first, since its number may be closed while a thread
 * is about to use it.
 */
#include "aio/road.h"
#include "file/engine.h"
#include "platform/descriptor.h"
#include "platform/futex.h"
#include "pool/pool.h"

#include <errno.h>

enum { FILE_THREADS = 32, STREAM_THREADS = 512 };

struct way {
    struct heald_pool *files, *streams;
    struct aio_process *process;
};

/* On a thread of a pool. */
static void run(void *ctx, struct heald_link *job)
{
    struct way *w = ctx;
    struct aio_request *r = aio_request_of(heald_container_of(job, struct heald_op, link));

    r->op.result = heald_file_perform(&heald_sys_native, &r->op);
    aio_service_push(w->process, &r->told.head, AIO_DONE);
}

static int threads_open(struct aio_service *s)
{
    struct way *w = alloc_new(&aio_allocator, sizeof *w);

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
    s->way = w;
    return 0;
}

static void threads_close(struct aio_service *s)
{
    struct way *w = s->way;

    heald_pool_close(w->files);
    heald_pool_close(w->streams);
    alloc_free(&aio_allocator, w, sizeof *w);
}

static struct heald_pool *pool_of(struct aio_service *s, const struct aio_request *r)
{
    struct way *w = s->way;
    return aio_is_stream(r) ? w->streams : w->files;
}

static void threads_start(struct aio_service *s, struct aio_request *r)
{
    if (aio_is_stream(r))
        aio_pin(s, r);
    int err = heald_pool_submit(pool_of(s, r), &r->op.link);
    if (err) {
        r->op.result = err;
        aio_service_push(s->process, &r->told.head, AIO_DONE);
    }
}

static bool threads_take_back(struct aio_service *s, struct aio_request *r)
{
    return heald_pool_take(pool_of(s, r), &r->op.link);
}

static bool threads_cancel(struct aio_service *s, struct aio_request *r)
{
    (void)s, (void)r;
    return false;
}

/* Another road may have left a bell, and then that is what is rung. */
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
