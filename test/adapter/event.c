/* test/adapter/event.c: the host is a base of libevent. */
#include "adapter/guests.h"

#include <heald/adapter/event.h>

#include <stdlib.h>

const char host_name[] = "adapter-event";
const bool host_ends = true;
const bool host_needs_update = true;

static struct event_base *host;
static struct event *watched;
static unsigned iterations;
static bool is_stopped;

void host_open(void)
{
    ck_assert_ptr_nonnull(host = event_base_new());
}

void host_close(void)
{
    ck_assert_int_eq(event_base_get_num_events(host, EVENT_BASE_COUNT_ADDED), 0);
    event_base_free(host);
    libevent_global_shutdown();
}

/* By single iterations, which are so counted. 1: no events are left. */
void host_run(void)
{
    int end = 0;

    for (is_stopped = false; !is_stopped && !end; iterations++)
        end = event_base_loop(host, EVLOOP_ONCE);
    ck_assert_int_ge(end, 0);
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
    struct event *event;
    void (*fn)(void);
};

static void on_after(evutil_socket_t fd, short what, void *arg)
{
    struct after *a = arg;

    (void)fd;
    (void)what;
    a->fn();
    event_free(a->event);
    free(a);
}

void host_after(int ms, void (*fn)(void))
{
    struct after *a = calloc(1, sizeof *a);

    a->fn = fn;
    a->event = event_new(host, -1, 0, on_after, a);
    ck_assert_int_eq(
        event_add(a->event, &(struct timeval){ms / 1000, (suseconds_t)(ms % 1000) * 1000}), 0);
}

static void (*on_readable)(void);

static void on_watch(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    on_readable();
}

void host_watch(int fd, void (*fn)(void))
{
    on_readable = fn;
    if (fd < 0) {
        event_free(watched);
        return;
    }
    watched = event_new(host, fd, EV_READ | EV_PERSIST, on_watch, NULL);
    ck_assert_int_eq(event_add(watched, NULL), 0);
}

GUESTS_IN(event, host)
