/* test/adapter/sd-event.c: the host is an sd_event of systemd. */
#include "adapter/guests.h"

#include <heald/adapter/sd-event.h>

#include <stdlib.h>

const char host_name[] = "adapter-sd-event";
const bool host_ends = false;
const bool host_needs_update = false;

static sd_event *host;
static sd_event_source *watched;
static unsigned iterations;
static bool is_stopped;

void host_open(void)
{
    ck_assert_int_ge(sd_event_new(&host), 0);
}

void host_close(void)
{
    sd_event_unref(host);
}

/* By single iterations, which are so counted. */
void host_run(void)
{
    for (is_stopped = false; !is_stopped; iterations++)
        ck_assert_int_ge(sd_event_run(host, UINT64_MAX), 0);
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
    sd_event_source *source;
    void (*fn)(void);
};

static int on_after(sd_event_source *source, uint64_t us, void *user)
{
    struct after *a = user;

    (void)us;
    a->fn();
    sd_event_source_disable_unref(source);
    free(a);
    return 0;
}

void host_after(int ms, void (*fn)(void))
{
    struct after *a = calloc(1, sizeof *a);
    int64_t when = heald_clock_now(HEALD_CLOCK_MONOTONIC) + ms * HEALD_MS;

    a->fn = fn;
    ck_assert_int_ge(sd_event_add_time(host, &a->source, CLOCK_MONOTONIC,
                                       (uint64_t)(when / HEALD_US), 1, on_after, a),
                     0);
}

static void (*on_readable)(void);

static int on_watch(sd_event_source *source, int fd, uint32_t events, void *user)
{
    (void)source;
    (void)fd;
    (void)events;
    (void)user;
    on_readable();
    return 0;
}

void host_watch(int fd, void (*fn)(void))
{
    on_readable = fn;
    if (fd < 0)
        watched = sd_event_source_disable_unref(watched);
    else
        ck_assert_int_ge(sd_event_add_io(host, &watched, fd, EPOLLIN, on_watch, NULL), 0);
}

GUESTS_IN(sd_event, host)
