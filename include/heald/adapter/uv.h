/*
 * heald/adapter/uv.h: a heald loop as a guest in a loop of libuv (1.38 or newer).
 *
 * The adapter prepares the loop before each wait of uv_run() and makes at most one turn after it,
 * so neither starves the other. uv_run() returns when neither has work: the adapter keeps it
 * running only while the loop is held or has ops that are pending and not in the background. At the
 * end uv_run() may make one iteration more than it would without.
 *
 * All calls are made on the thread that runs both loops, in callbacks of either or outside, and do
 * not block. A uv_loop_t may have several guests. heald/heald.h does not include this header, and
 * libheald does not link libuv. Like uv.h it needs the names of POSIX (-std=gnu11).
 */
#ifndef HEALD_ADAPTER_UV_H
#define HEALD_ADAPTER_UV_H

#include <heald/adapter/guest.h>

#include <uv.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An adapter. The caller owns it and may embed it; it stays in place until it is closed. */
struct heald_uv {
    void *data; /* the program's */
    int error;  /* 0, or the error with which the loop failed permanently */
    /* private */
    struct heald_guest guest;
    void (*on_error)(struct heald_uv *adapter, int err);
    void (*on_closed)(struct heald_uv *adapter);
    unsigned handles; /* that are not closed yet */
    bool is_readable;
    bool is_continued; /* the host's loop makes another iteration */
    uv_prepare_t prepare;
    uv_check_t check;
    uv_timer_t timer;
    uv_poll_t poll;
};

static inline struct heald_uv *heald__uv_of(void *handle)
{
    return (struct heald_uv *)((uv_handle_t *)handle)->data;
}

static inline void heald__uv_on_poll(uv_poll_t *handle, int status, int events)
{
    (void)status;
    (void)events;
    heald__uv_of(handle)->is_readable = true;
}

static inline void heald__uv_on_timer(uv_timer_t *handle)
{
    (void)handle; /* it only ends the wait */
}

/* Waits for the descriptor; not within a callback of the loop, where it would spin. */
static inline void heald__uv_watch(struct heald_uv *adapter)
{
    struct heald_guest *g = &adapter->guest;

    if (g->is_watched == !g->is_busy)
        return;
    int err = g->is_busy ? uv_poll_stop(&adapter->poll)
                         : uv_poll_start(&adapter->poll, UV_READABLE, heald__uv_on_poll);
    g->is_watched = !g->is_busy && !err;
    if (err) {
        g->failure = err;
        g->deadline_ns = 0;
    }
}

/* Arms the timer. libuv counts whole milliseconds of its own clock, so the deadline is rounded up
 * in that clock, to wake at the first of them that is not too early. */
static inline void heald__uv_arm(struct heald_uv *adapter)
{
    int64_t deadline = adapter->guest.deadline_ns;

    if (deadline == HEALD_FOREVER) {
        uv_timer_stop(&adapter->timer);
        return;
    }
    uv_update_time(adapter->timer.loop);
    int64_t left = heald__guest_left(&adapter->guest, 1, INT64_MAX / 2);
    uint64_t when = (uv_hrtime() + (uint64_t)left + HEALD_MS - 1) / HEALD_MS;
    uint64_t now = uv_now(adapter->timer.loop);
    uv_timer_start(&adapter->timer, heald__uv_on_timer, left && when > now ? when - now : 0, 0);
}

static inline void heald__uv_keep(struct heald_uv *adapter, bool is_kept)
{
    if (is_kept)
        uv_ref((uv_handle_t *)&adapter->prepare);
    else
        uv_unref((uv_handle_t *)&adapter->prepare);
}

/* While the host has work of its own, what that submits must not find the host at its end: then
 * there is another iteration, whatever is left after this one. */
static inline void heald__uv_on_prepare(uv_prepare_t *handle)
{
    struct heald_uv *adapter = heald__uv_of(handle);

    heald__guest_prepare(&adapter->guest);
    if (adapter->guest.is_closing)
        return;
    heald__uv_watch(adapter);
    heald__uv_arm(adapter);
    heald__uv_keep(adapter, false);
    adapter->is_continued = uv_loop_alive(handle->loop);
    heald__uv_keep(adapter, heald__guest_is_needed(&adapter->guest));
}

static inline void heald__uv_report(struct heald_uv *adapter, int err)
{
    if (err != -ECANCELED) {
        adapter->error = err;
        uv_prepare_stop(&adapter->prepare);
        uv_check_stop(&adapter->check);
        uv_timer_stop(&adapter->timer);
        uv_poll_stop(&adapter->poll);
    }
    if (adapter->on_error)
        adapter->on_error(adapter, err);
}

static inline void heald__uv_on_check(uv_check_t *handle)
{
    struct heald_uv *adapter = heald__uv_of(handle);
    struct heald_guest *g = &adapter->guest;

    if (!g->is_busy && (adapter->is_readable || heald__guest_is_due(g))) {
        adapter->is_readable = false;
        adapter->is_continued = true;
        int n = heald__guest_turn(g);
        if (n < 0 && !g->is_closing)
            heald__uv_report(adapter, n);
    }
    if (!g->is_closing && !adapter->error)
        heald__uv_keep(adapter, adapter->is_continued || heald__guest_is_needed(g));
}

static inline void heald__uv_on_closed(uv_handle_t *handle)
{
    struct heald_uv *adapter = heald__uv_of(handle);

    if (--adapter->handles == 0 && adapter->on_closed)
        adapter->on_closed(adapter);
}

/*
 * Makes `loop` a guest of `host`. The loop stays the program's, which closes it after the adapter.
 * on_error may be NULL. It runs with -ECANCELED when heald_loop_stop() was called: the adapter goes
 * on, and on_error may stop the host's loop. It runs with another error when the back end failed
 * permanently: this is in adapter->error as well, and the adapter does nothing more until it is
 * closed. on_error may close the adapter.
 *
 *   0         the first iteration of the host turns the loop; the caller closes the adapter
 *   -ENOSYS   the back end has no descriptor on this platform: see heald_loop_fd()
 *   -EEXIST   the loop is a guest of this host already
 *   -errno    an error of the system, such as -EMFILE; nothing is open
 */
static inline int heald_uv_open(struct heald_uv *adapter, uv_loop_t *host, struct heald_loop *loop,
                                void (*on_error)(struct heald_uv *adapter, int err))
{
    int fd = heald_loop_fd(loop);
    int err = fd < 0 ? fd : uv_poll_init(host, &adapter->poll, fd);

    if (err)
        return err;
    uv_prepare_init(host, &adapter->prepare);
    uv_check_init(host, &adapter->check);
    uv_timer_init(host, &adapter->timer);
    heald__guest_init(&adapter->guest, loop);
    adapter->error = 0;
    adapter->on_error = on_error;
    adapter->is_readable = false;
    adapter->prepare.data = adapter->check.data = adapter->timer.data = adapter->poll.data =
        adapter;
    uv_unref((uv_handle_t *)&adapter->check);
    uv_unref((uv_handle_t *)&adapter->timer);
    uv_unref((uv_handle_t *)&adapter->poll);
    uv_prepare_start(&adapter->prepare, heald__uv_on_prepare);
    uv_check_start(&adapter->check, heald__uv_on_check);
    return 0;
}

/*
 * Makes the host look at the loop again. Needed after a submission between two calls of uv_run():
 * the second would return at once if the host had nothing else to do. Elsewhere it has no effect.
 */
static inline void heald_uv_update(struct heald_uv *adapter)
{
    if (!adapter->guest.is_closing && !adapter->error)
        heald__uv_keep(adapter, true);
}

/*
 * Closes the adapter, once; the loop is no guest any more. As with any handle of libuv this needs
 * an iteration of the host's loop, in which on_closed(adapter) runs. Until then the adapter is in
 * use, and the loop must not be closed. on_closed may be NULL. No other callback of the adapter
 * runs, and what is pending in the loop stays pending.
 */
static inline void heald_uv_close(struct heald_uv *adapter,
                                  void (*on_closed)(struct heald_uv *adapter))
{
    adapter->guest.is_closing = true;
    adapter->on_closed = on_closed;
    adapter->handles = 4;
    uv_close((uv_handle_t *)&adapter->prepare, heald__uv_on_closed);
    uv_close((uv_handle_t *)&adapter->check, heald__uv_on_closed);
    uv_close((uv_handle_t *)&adapter->timer, heald__uv_on_closed);
    uv_close((uv_handle_t *)&adapter->poll, heald__uv_on_closed);
}

#ifdef __cplusplus
}
#endif
#endif
