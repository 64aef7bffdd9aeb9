/*
 * heald/adapter/event.h: a heald loop as a guest in an event_base of libevent (2.1 or newer).
 *
 * The adapter is one event, for the descriptor and the deadline. Each time it runs, the loop makes
 * one turn and is prepared for the next wait, so neither starves the other. event_base_dispatch()
 * returns when neither has work: the event is added only while the loop is held or has ops that are
 * pending and not in the background.
 *
 * heald_event_update() is needed after each submission or cancel from a callback of the host, and
 * after heald_loop_hold(), _release(), _post() and _stop() and turns of its own there: libevent 2.1
 * has no call before its wait. That of 2.2 (event2/watch.h) comes after libevent has decided how
 * long to wait, too late for a deadline. In callbacks of the loop the update is implied.
 *
 * While the event is not added, posts of other threads and ops in the background wait for the next
 * update, as libevent has no events that keep no base running. Hold a loop that awaits posts.
 *
 * All calls are made on the thread that runs both loops, in callbacks of either or outside, and do
 * not block. A base may have several guests. heald/heald.h does not include this header, and
 * libheald does not link libevent.
 */
#ifndef HEALD_ADAPTER_EVENT_H
#define HEALD_ADAPTER_EVENT_H

#include <heald/adapter/guest.h>

#include <event2/event.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An adapter. The caller owns it and may embed it; it stays in place until it is closed. */
struct heald_event {
    void *data;          /* the program's */
    int error;           /* 0, or the error with which the loop failed permanently */
    struct event *event; /* for event_priority_set() right after the opening */
    /* private */
    struct heald_guest guest;
    bool is_soon; /* the event was added for no time: it runs in this iteration or the next */
    void (*on_error)(struct heald_event *adapter, int err);
    void (*on_closed)(struct heald_event *adapter);
};

enum { HEALD__EVENT_WAIT_MAX = 86400 }; /* seconds; then the event runs, and is added again */

/* Adds the event for a number of microseconds, or without a time. libevent adds the time to one
 * that it has cached, which is brought up to date first. */
static inline int heald__event_add(struct heald_event *adapter, int64_t left_us, bool is_timed)
{
    struct timeval tv;

    adapter->is_soon = is_timed && !left_us;
    if (!is_timed) {
        event_remove_timer(adapter->event);
        return event_add(adapter->event, NULL);
    }
    tv.tv_sec = (time_t)(left_us / 1000000);
    tv.tv_usec = (suseconds_t)(left_us % 1000000);
    if (left_us)
        event_base_update_cache_time(event_get_base(adapter->event));
    return event_add(adapter->event, &tv);
}

/* Prepares the loop, and adds the event as it wants it. A time of 0 and not event_active(): that
 * would run it again before the host has asked the kernel for its own events. */
static inline int heald__event_arm(struct heald_event *adapter)
{
    struct heald_guest *g = &adapter->guest;

    heald__guest_prepare(g);
    if (g->is_closing)
        return 0;
    if (!heald__guest_is_needed(g)) {
        event_del(adapter->event);
        return 0;
    }
    int64_t left = heald__guest_left(g, HEALD_US, HEALD__EVENT_WAIT_MAX * (HEALD_SEC / HEALD_US));
    return heald__event_add(adapter, left, g->deadline_ns != HEALD_FOREVER) ? -ENOMEM : 0;
}

static inline void heald__event_report(struct heald_event *adapter, int err)
{
    if (err != -ECANCELED) {
        adapter->error = err;
        event_del(adapter->event);
    }
    if (adapter->on_error) {
        adapter->guest.inside++;
        adapter->on_error(adapter, err);
        adapter->guest.inside--;
    }
}

/* The end of a call in which the adapter may have been closed. */
static inline void heald__event_end(struct heald_event *adapter)
{
    if (adapter->guest.is_closing && !adapter->guest.inside && adapter->on_closed)
        adapter->on_closed(adapter);
}

static inline void heald__event_on_event(evutil_socket_t fd, short what, void *arg)
{
    struct heald_event *adapter = (struct heald_event *)arg;
    struct heald_guest *g = &adapter->guest;

    (void)fd;
    (void)what;
    adapter->is_soon = false;
    int n = heald__guest_turn(g);
    if (n < 0 && !g->is_closing)
        heald__event_report(adapter, n);
    int err = g->is_closing || adapter->error ? 0 : heald__event_arm(adapter);
    if (err)
        heald__event_report(adapter, err);
    heald__event_end(adapter);
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
 *   -ENOMEM   libevent has no memory for the event, or refuses it; nothing is open
 *   -errno    an error of the system, such as -EMFILE; nothing is open
 */
static inline int heald_event_open(struct heald_event *adapter, struct event_base *host,
                                   struct heald_loop *loop,
                                   void (*on_error)(struct heald_event *adapter, int err))
{
    int fd = heald_loop_fd(loop);

    if (fd < 0)
        return fd;
    adapter->event = event_new(host, fd, EV_READ | EV_PERSIST, heald__event_on_event, adapter);
    if (!adapter->event)
        return -ENOMEM;
    heald__guest_init(&adapter->guest, loop);
    adapter->error = 0;
    adapter->on_error = on_error;
    adapter->on_closed = NULL;
    if (heald__event_add(adapter, 0, true)) {
        event_free(adapter->event);
        return -ENOMEM;
    }
    return 0;
}

/*
 * Makes the host look at the loop again, in this iteration or the next; several calls are one. The
 * comment at the top says when it is needed. In a callback of the loop it has no effect.
 */
static inline void heald_event_update(struct heald_event *adapter)
{
    struct heald_guest *g = &adapter->guest;

    /* libevent would take an event that is about to run out of its queue. */
    if (g->is_closing || g->inside || adapter->error || adapter->is_soon)
        return;
    if (heald__event_add(adapter, 0, true)) {
        heald__event_report(adapter, -ENOMEM);
        heald__event_end(adapter);
    }
}

/*
 * Closes the adapter, once; the loop is no guest any more. on_closed(adapter) runs in this call,
 * or, if the adapter is closed in a callback of its loop or in on_error, when that has returned.
 * Until then the adapter is in use, and the loop must not be closed. on_closed may be NULL. No
 * other callback of the adapter runs, and what is pending in the loop stays pending.
 */
static inline void heald_event_close(struct heald_event *adapter,
                                     void (*on_closed)(struct heald_event *adapter))
{
    adapter->guest.is_closing = true;
    adapter->on_closed = on_closed;
    event_free(adapter->event);
    heald__event_end(adapter);
}

#ifdef __cplusplus
}
#endif
#endif
