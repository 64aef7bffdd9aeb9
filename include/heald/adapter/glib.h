/*
 * heald/adapter/glib.h: a heald loop as a guest in a GMainContext of GLib (2.36 or newer).
 *
 * The adapter is a GSource. It prepares the loop before each wait of the context and makes at most
 * one turn after it, so neither starves the other, if their priorities are the same. GLib waits in
 * whole milliseconds; a deadline is rounded up to them. A GMainLoop runs until g_main_loop_quit(),
 * whether there is work or not, and so it does with a guest.
 *
 * All calls are made on the thread that runs both loops, in callbacks of either or outside, and do
 * not block. A context may have several guests. heald/heald.h does not include this header, and
 * libheald does not link GLib.
 */
#ifndef HEALD_ADAPTER_GLIB_H
#define HEALD_ADAPTER_GLIB_H

#include <heald/adapter/guest.h>

#include <glib-unix.h>
#include <limits.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An adapter. The caller owns it and may embed it; it stays in place until it is closed. */
struct heald_glib {
    void *data;      /* the program's */
    int error;       /* 0, or the error with which the loop failed permanently */
    GSource *source; /* for g_source_set_priority() and the like */
    /* private */
    struct heald_guest guest;
    gpointer tag; /* of the descriptor */
    void (*on_error)(struct heald_glib *adapter, int err);
    void (*on_closed)(struct heald_glib *adapter);
};

/* What GLib allocates. Private. */
struct heald_glib_source {
    GSource base;
    struct heald_glib *adapter;
};

static inline struct heald_glib *heald__glib_of(GSource *source)
{
    return ((struct heald_glib_source *)(void *)source)->adapter;
}

/* Waits for the descriptor, or not: each change wakes the context, so only if it is one. */
static inline void heald__glib_watch(struct heald_glib *adapter, bool is_watched)
{
    if (adapter->guest.is_watched == is_watched)
        return;
    adapter->guest.is_watched = is_watched;
    g_source_modify_unix_fd(adapter->source, adapter->tag, is_watched ? G_IO_IN : (GIOCondition)0);
}

/* The end of a call in which the adapter may have been closed. */
static inline void heald__glib_end(struct heald_glib *adapter)
{
    if (adapter->guest.is_closing && !adapter->guest.inside && adapter->on_closed)
        adapter->on_closed(adapter);
}

static inline gboolean heald__glib_prepare(GSource *source, gint *ret_timeout_ms)
{
    struct heald_glib *adapter = heald__glib_of(source);
    struct heald_guest *g = &adapter->guest;

    *ret_timeout_ms = -1;
    if (adapter->error)
        return FALSE;
    heald__guest_prepare(g);
    if (g->is_closing) { /* by a hook of the loop */
        heald__glib_end(adapter);
        return FALSE;
    }
    heald__glib_watch(adapter, !g->is_busy);
    if (g->deadline_ns != HEALD_FOREVER)
        *ret_timeout_ms = (gint)heald__guest_left(g, HEALD_MS, INT_MAX);
    return *ret_timeout_ms == 0;
}

static inline gboolean heald__glib_check(GSource *source)
{
    struct heald_glib *adapter = heald__glib_of(source);

    if (adapter->error || adapter->guest.is_busy)
        return FALSE;
    return g_source_query_unix_fd(source, adapter->tag) || heald__guest_is_due(&adapter->guest);
}

static inline void heald__glib_report(struct heald_glib *adapter, int err)
{
    if (err != -ECANCELED) {
        adapter->error = err;
        heald__glib_watch(adapter, false);
    }
    if (adapter->on_error) {
        adapter->guest.inside++;
        adapter->on_error(adapter, err);
        adapter->guest.inside--;
    }
}

static inline gboolean heald__glib_dispatch(GSource *source, GSourceFunc fn, gpointer user)
{
    struct heald_glib *adapter = heald__glib_of(source);

    (void)fn;
    (void)user;
    int n = heald__guest_turn(&adapter->guest);
    if (n < 0 && !adapter->guest.is_closing)
        heald__glib_report(adapter, n);
    heald__glib_end(adapter);
    return G_SOURCE_CONTINUE; /* one that is destroyed is removed all the same */
}

/*
 * Makes `loop` a guest of `host`; NULL is the default context. The loop stays the program's, which
 * closes it after the adapter. on_error may be NULL. It runs with -ECANCELED when heald_loop_stop()
 * was called: the adapter goes on, and on_error may stop the host's loop. It runs with another
 * error when the back end failed permanently: this is in adapter->error as well, and the adapter
 * does nothing more until it is closed. on_error may close the adapter. GLib aborts the process
 * when it has no memory.
 *
 *   0         the first iteration of the host turns the loop; the caller closes the adapter
 *   -ENOSYS   the back end has no descriptor on this platform: see heald_loop_fd()
 *   -errno    an error of the system, such as -EMFILE; nothing is open
 */
static inline int heald_glib_open(struct heald_glib *adapter, GMainContext *host,
                                  struct heald_loop *loop,
                                  void (*on_error)(struct heald_glib *adapter, int err))
{
    static GSourceFuncs funcs = {
        heald__glib_prepare, heald__glib_check, heald__glib_dispatch, NULL, NULL, NULL};
    int fd = heald_loop_fd(loop);

    if (fd < 0)
        return fd;
    heald__guest_init(&adapter->guest, loop);
    adapter->error = 0;
    adapter->on_error = on_error;
    adapter->on_closed = NULL;
    adapter->source = g_source_new(&funcs, sizeof(struct heald_glib_source));
    ((struct heald_glib_source *)(void *)adapter->source)->adapter = adapter;
    adapter->tag = g_source_add_unix_fd(adapter->source, fd, G_IO_IN);
    adapter->guest.is_watched = true;
    g_source_attach(adapter->source, host);
    return 0;
}

/*
 * Makes the host look at the loop again. It has no effect: GLib looks before each wait. It is here
 * for programs that change their host.
 */
static inline void heald_glib_update(struct heald_glib *adapter)
{
    (void)adapter;
}

/*
 * Closes the adapter, once; the loop is no guest any more. on_closed(adapter) runs in this call,
 * or, if the adapter is closed in a callback of its loop or in on_error, when that has returned.
 * Until then the adapter is in use, and the loop must not be closed. on_closed may be NULL. No
 * other callback of the adapter runs, and what is pending in the loop stays pending.
 */
static inline void heald_glib_close(struct heald_glib *adapter,
                                    void (*on_closed)(struct heald_glib *adapter))
{
    adapter->guest.is_closing = true;
    adapter->on_closed = on_closed;
    g_source_destroy(adapter->source);
    g_source_unref(adapter->source);
    heald__glib_end(adapter);
}

#ifdef __cplusplus
}
#endif
#endif
