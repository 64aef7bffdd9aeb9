/* test/adapter/glib.c: the host is a context of GLib. */
#include "adapter/guests.h"

#include <heald/adapter/glib.h>

#include <stdlib.h>

const char host_name[] = "adapter-glib";
const bool host_ends = false;
const bool host_needs_update = false;

static GMainContext *host;
static GSource *watched;
static unsigned iterations;
static bool is_stopped;

void host_open(void)
{
    host = g_main_context_new();
}

void host_close(void)
{
    g_main_context_unref(host);
}

/* By single iterations, which are so counted. */
void host_run(void)
{
    for (is_stopped = false; !is_stopped; iterations++)
        g_main_context_iteration(host, TRUE);
}

void host_stop(void)
{
    is_stopped = true;
}

unsigned host_iterations(void)
{
    return iterations;
}

struct after {
    void (*fn)(void);
};

static gboolean on_after(gpointer user)
{
    ((struct after *)user)->fn();
    return G_SOURCE_REMOVE;
}

void host_after(int ms, void (*fn)(void))
{
    GSource *source = g_timeout_source_new((guint)ms);
    struct after *a = calloc(1, sizeof *a);

    a->fn = fn;
    g_source_set_callback(source, on_after, a, free);
    g_source_attach(source, host);
    g_source_unref(source);
}

static void (*on_readable)(void);

static gboolean on_watch(gint fd, GIOCondition condition, gpointer user)
{
    (void)fd;
    (void)condition;
    (void)user;
    on_readable();
    return G_SOURCE_CONTINUE;
}

void host_watch(int fd, void (*fn)(void))
{
    on_readable = fn;
    if (fd < 0) {
        g_source_destroy(watched);
        g_source_unref(watched);
        return;
    }
    watched = g_unix_fd_source_new(fd, G_IO_IN);
    g_source_set_callback(watched, G_SOURCE_FUNC(on_watch), NULL, NULL);
    g_source_attach(watched, host);
}

GUESTS_IN(glib, host)
