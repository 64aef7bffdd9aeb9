/*
 * heald/adapter/hiredis.h: a Redis client of hiredis (0.14 or newer) in a loop of heald.
 *
 * After heald_hiredis_open() the program uses hiredis's own functions: redisAsyncCommand(), …,
 * redisAsyncDisconnect(), redisAsyncFree(). Header-only; the program links -lhiredis, and ignores
 * SIGPIPE. It is not part of heald/heald.h. The time-outs of hiredis 1.0 and newer are timers of
 * the loop: redisAsyncSetTimeout(), and the connect_timeout of redisOptions. redisAsyncDisconnect()
 * waits for all replies; heald_hiredis_close() ends at once.
 *
 * A connected client waits for data, and so keeps heald_loop_run() running until it disconnects.
 * All functions are called on the loop's thread; none blocks.
 */
#ifndef HEALD_ADAPTER_HIREDIS_H
#define HEALD_ADAPTER_HIREDIS_H

#include <heald/adapter/watch.h>

#include <hiredis/async.h>
#include <hiredis/hiredis.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A client in a loop. The caller owns it; it stays in place from heald_hiredis_open() until
 * `closed` runs. Zero it once. */
struct heald_hiredis {
    void *data;                 /* the caller's */
    redisAsyncContext *context; /* NULL once hiredis has freed it */
    struct heald_watch watch;   /* private, as all that follow */
    struct heald_watch_timer timer;
    void (*closed)(struct heald_hiredis *redis);
};

static inline void heald__hiredis_want(void *data, unsigned event, int on)
{
    struct heald_hiredis *redis = (struct heald_hiredis *)data;
    unsigned wanted = redis->watch.wanted;

    heald_watch_set(&redis->watch, on ? wanted | event : wanted & ~event);
}

static inline void heald__hiredis_add_read(void *data)
{
    heald__hiredis_want(data, POLLIN, 1);
}

static inline void heald__hiredis_del_read(void *data)
{
    heald__hiredis_want(data, POLLIN, 0);
}

static inline void heald__hiredis_add_write(void *data)
{
    heald__hiredis_want(data, POLLOUT, 1);
}

static inline void heald__hiredis_del_write(void *data)
{
    heald__hiredis_want(data, POLLOUT, 0);
}

#if HIREDIS_MAJOR >= 1
/* From now on, each time. */
static inline void heald__hiredis_schedule(void *data, struct timeval tv)
{
    struct heald_hiredis *redis = (struct heald_hiredis *)data;

    heald_watch_timer_set(&redis->timer, heald_now(redis->timer.loop) + tv.tv_sec * HEALD_SEC +
                                             tv.tv_usec * (HEALD_MS / 1000));
}
#endif

static inline void heald__hiredis_due(struct heald_watch_timer *timer)
{
    struct heald_hiredis *redis = heald_container_of(timer, struct heald_hiredis, timer);

    (void)redis;
#if HIREDIS_MAJOR >= 1
    redisAsyncHandleTimeout(redis->context);
#endif
}

static inline void heald__hiredis_on_closed(struct heald_watch_timer *timer)
{
    struct heald_hiredis *redis = heald_container_of(timer, struct heald_hiredis, timer);

    if (redis->closed)
        redis->closed(redis);
}

static inline void heald__hiredis_close_timer(struct heald_watch *watch)
{
    struct heald_hiredis *redis = heald_container_of(watch, struct heald_hiredis, watch);

    heald_watch_timer_close(&redis->timer, heald__hiredis_on_closed);
}

/* hiredis closes the descriptor next, and frees the context. */
static inline void heald__hiredis_cleanup(void *data)
{
    struct heald_hiredis *redis = (struct heald_hiredis *)data;

    redis->context = NULL;
    heald_watch_timer_set(&redis->timer, HEALD_FOREVER);
    heald_watch_close(&redis->watch, heald__hiredis_close_timer);
}

static inline void heald__hiredis_ready(struct heald_watch *watch, unsigned events)
{
    struct heald_hiredis *redis = heald_container_of(watch, struct heald_hiredis, watch);

    if (watch->err) {
        redisAsyncFree(redis->context); /* the callbacks of its commands run without a reply */
        return;
    }
    if (events & POLLIN)
        redisAsyncHandleRead(redis->context);
    /* Also while the server goes on sending; if the read has not freed the context. */
    if (redis->context && (events & POLLOUT || !(events & POLLIN)))
        redisAsyncHandleWrite(redis->context);
}

/*
 * Puts a client into a loop, before its first command: redisAsyncConnect() or
 * redisAsyncConnectUnix() has returned it without an error. redisAsyncSetConnectCallback() comes
 * after this call. closed(redis) runs once, in a turn after hiredis has freed the context, for
 * whatever reason; then the memory is the caller's. It may be NULL for memory that outlives the
 * loop.
 *
 *   0         done
 *   -EBUSY    the client is in a loop already
 *   -EINVAL   context is NULL or has an error: context->errstr
 */
static inline int heald_hiredis_open(struct heald_hiredis *redis, struct heald_loop *loop,
                                     redisAsyncContext *context,
                                     void (*closed)(struct heald_hiredis *redis))
{
    if (!context || context->err)
        return -EINVAL;
    if (context->ev.data)
        return -EBUSY;
    redis->context = context;
    redis->closed = closed;
    heald_watch_open(&redis->watch, loop, context->c.fd, heald__hiredis_ready);
    heald_watch_timer_open(&redis->timer, loop, heald__hiredis_due);
    context->ev.data = redis;
    context->ev.addRead = heald__hiredis_add_read;
    context->ev.delRead = heald__hiredis_del_read;
    context->ev.addWrite = heald__hiredis_add_write;
    context->ev.delWrite = heald__hiredis_del_write;
    context->ev.cleanup = heald__hiredis_cleanup;
#if HIREDIS_MAJOR >= 1
    context->ev.scheduleTimer = heald__hiredis_schedule;
#endif
    return 0;
}

/* Frees the client, as redisAsyncFree() does: at once, or after the callback of hiredis that is
 * running. The callbacks of pending commands run without a reply. No effect after the end. */
static inline void heald_hiredis_close(struct heald_hiredis *redis)
{
    if (redis->context)
        redisAsyncFree(redis->context);
}

#ifdef __cplusplus
}
#endif
#endif
