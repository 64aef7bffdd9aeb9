/*
 * heald/adapter/sd-event.h: a heald loop as a guest in an sd_event of systemd (243 or newer).
 *
 * The adapter is an I/O source and a time source. It prepares the loop before each wait of the host
 * and makes at most one turn in an iteration, so neither starves the other, if their priorities are
 * the same. sd_event_loop() runs until sd_event_exit(), whether there is work or not, and so it
 * does with a guest.
 *
 * All calls are made on the thread that runs both loops, in callbacks of either or outside, and do
 * not block. An sd_event may have several guests. heald/heald.h does not include this header, and
 * libheald does not link libsystemd. It needs the names of POSIX (-std=gnu11).
 */
#ifndef HEALD_ADAPTER_SD_EVENT_H
#define HEALD_ADAPTER_SD_EVENT_H

#include <heald/adapter/guest.h>

#include <sys/epoll.h>
#include <systemd/sd-event.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An adapter. The caller owns it and may embed it; it stays in place until it is closed. */
struct heald_sd_event {
    void *data;             /* the program's */
    int error;              /* 0, or the error with which the loop failed permanently */
    sd_event_source *io;    /* for sd_event_source_set_priority(), ... */
    sd_event_source *timer; /* ... which both must have the same */
    /* private */
    struct heald_guest guest;
    int64_t armed_ns; /* what `timer` is set for */
    void (*on_error)(struct heald_sd_event *adapter, int err);
    void (*on_closed)(struct heald_sd_event *adapter);
};

/* Waits for the descriptor; not within a callback of the loop, where it would spin. */
static inline int heald__sd_event_watch(struct heald_sd_event *adapter, bool is_watched)
{
    if (adapter->guest.is_watched == is_watched)
        return 0;
    adapter->guest.is_watched = is_watched;
    return sd_event_source_set_io_events(adapter->io, is_watched ? (uint32_t)EPOLLIN : 0);
}

/* Arms the time source, in microseconds, rounded up; a deadline of 0 is past. Each change takes a
 * source that is due out of its place in the queue, so one that is due stays as it is. */
static inline int heald__sd_event_arm(struct heald_sd_event *adapter)
{
    int64_t deadline = adapter->guest.deadline_ns, armed = adapter->armed_ns;

    if (deadline == armed || (deadline < armed && sd_event_source_get_pending(adapter->timer) > 0))
        return 0;
    adapter->armed_ns = deadline;
    if (deadline == HEALD_FOREVER)
        return sd_event_source_set_enabled(adapter->timer, SD_EVENT_OFF);
    uint64_t us = ((uint64_t)deadline + HEALD_US - 1) / HEALD_US;
    int err = sd_event_source_set_time(adapter->timer, us);
    return err < 0 ? err : sd_event_source_set_enabled(adapter->timer, SD_EVENT_ONESHOT);
}

static inline void heald__sd_event_report(struct heald_sd_event *adapter, int err)
{
    if (err != -ECANCELED) {
        adapter->error = err;
        sd_event_source_set_enabled(adapter->io, SD_EVENT_OFF);
        sd_event_source_set_enabled(adapter->timer, SD_EVENT_OFF);
    }
    if (adapter->on_error) {
        adapter->guest.inside++;
        adapter->on_error(adapter, err);
        adapter->guest.inside--;
    }
}

/* The end of a call in which the adapter may have been closed. */
static inline void heald__sd_event_end(struct heald_sd_event *adapter)
{
    if (adapter->guest.is_closing && !adapter->guest.inside && adapter->on_closed)
        adapter->on_closed(adapter);
}

/* Never fails, or the host would switch the source off. */
static inline int heald__sd_event_on_prepare(sd_event_source *source, void *user)
{
    struct heald_sd_event *adapter = (struct heald_sd_event *)user;

    (void)source;
    heald__guest_prepare(&adapter->guest);
    if (!adapter->guest.is_closing) {
        int err = heald__sd_event_watch(adapter, !adapter->guest.is_busy);
        if (err < 0 || (err = heald__sd_event_arm(adapter)) < 0)
            heald__sd_event_report(adapter, err);
    }
    heald__sd_event_end(adapter);
    return 0;
}

static inline int heald__sd_event_turn(struct heald_sd_event *adapter)
{
    int n = heald__guest_turn(&adapter->guest);

    if (n < 0 && !adapter->guest.is_closing)
        heald__sd_event_report(adapter, n);
    heald__sd_event_end(adapter);
    return 0;
}

static inline int heald__sd_event_on_io(sd_event_source *source, int fd, uint32_t events,
                                        void *user)
{
    (void)source;
    (void)fd;
    (void)events;
    return heald__sd_event_turn((struct heald_sd_event *)user);
}

static inline int heald__sd_event_on_time(sd_event_source *source, uint64_t us, void *user)
{
    struct heald_sd_event *adapter = (struct heald_sd_event *)user;

    (void)source;
    (void)us;
    adapter->armed_ns = HEALD_FOREVER;
    return heald__sd_event_turn(adapter);
}

/* Opens the sources; what is open after a failure is the caller's to release. */
static inline int heald__sd_event_sources(struct heald_sd_event *adapter, sd_event *host, int fd)
{
    int err = sd_event_add_io(host, &adapter->io, fd, EPOLLIN, heald__sd_event_on_io, adapter);

    if (err < 0)
        return err;
    err = sd_event_add_time(host, &adapter->timer, CLOCK_MONOTONIC, 0, 1, heald__sd_event_on_time,
                            adapter);
    adapter->armed_ns = 0;
    return err < 0 ? err : sd_event_source_set_prepare(adapter->io, heald__sd_event_on_prepare);
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
 *   -errno    an error of the system or of the sd_event, such as -EMFILE; nothing is open
 */
static inline int heald_sd_event_open(struct heald_sd_event *adapter, sd_event *host,
                                      struct heald_loop *loop,
                                      void (*on_error)(struct heald_sd_event *adapter, int err))
{
    int fd = heald_loop_fd(loop);

    if (fd < 0)
        return fd;
    heald__guest_init(&adapter->guest, loop);
    adapter->error = 0;
    adapter->on_error = on_error;
    adapter->on_closed = NULL;
    adapter->io = adapter->timer = NULL;
    adapter->guest.is_watched = true;
    int err = heald__sd_event_sources(adapter, host, fd);
    if (err < 0) {
        sd_event_source_disable_unref(adapter->io);
        sd_event_source_disable_unref(adapter->timer);
    }
    return err < 0 ? err : 0;
}

/*
 * Makes the host look at the loop again. It has no effect: an sd_event looks before each wait. It
 * is here for programs that change their host.
 */
static inline void heald_sd_event_update(struct heald_sd_event *adapter)
{
    (void)adapter;
}

/*
 * Closes the adapter, once; the loop is no guest any more. on_closed(adapter) runs in this call,
 * or, if the adapter is closed in a callback of its loop or in on_error, when that has returned.
 * Until then the adapter is in use, and the loop must not be closed. on_closed may be NULL. No
 * other callback of the adapter runs, and what is pending in the loop stays pending.
 */
static inline void heald_sd_event_close(struct heald_sd_event *adapter,
                                        void (*on_closed)(struct heald_sd_event *adapter))
{
    adapter->guest.is_closing = true;
    adapter->on_closed = on_closed;
    sd_event_source_disable_unref(adapter->io);
    sd_event_source_disable_unref(adapter->timer);
    heald__sd_event_end(adapter);
}

#ifdef __cplusplus
}
#endif
#endif
