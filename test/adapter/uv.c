/* test/adapter/uv.c: the host is a loop of libuv. */
#include "adapter/guests.h"

#include <heald/adapter/uv.h>

#include <stdlib.h>

const char host_name[] = "adapter-uv";
const bool host_ends = true;
const bool host_needs_update = false;

static uv_loop_t host;
static uv_prepare_t counter;
static uv_poll_t poller;
static unsigned iterations;
static void (*on_readable)(void);

enum { AFTERS = 4 };

/* Closed at the end only: what is closed in its callback would keep the host running. */
static struct after {
    uv_timer_t timer;
    void (*fn)(void);
} afters[AFTERS];

static int after_count;

static void on_count(uv_prepare_t *handle)
{
    (void)handle;
    iterations++;
}

void host_open(void)
{
    ck_assert_int_eq(uv_loop_init(&host), 0);
    uv_prepare_init(&host, &counter);
    uv_prepare_start(&counter, on_count);
    uv_unref((uv_handle_t *)&counter);
}

void host_close(void)
{
    uv_close((uv_handle_t *)&counter, NULL);
    for (int i = 0; i < after_count; i++)
        uv_close((uv_handle_t *)&afters[i].timer, NULL);
    ck_assert_int_eq(uv_run(&host, UV_RUN_DEFAULT), 0);
    ck_assert_int_eq(uv_loop_close(&host), 0);
    uv_library_shutdown();
}

void host_run(void)
{
    uv_run(&host, UV_RUN_DEFAULT);
}

void host_stop(void)
{
    uv_stop(&host);
}

unsigned host_iterations(void)
{
    return iterations;
}

static void on_after(uv_timer_t *timer)
{
    ((struct after *)timer->data)->fn();
}

void host_after(int ms, void (*fn)(void))
{
    struct after *a = &afters[after_count++];

    ck_assert_int_le(after_count, AFTERS);
    a->fn = fn;
    uv_timer_init(&host, &a->timer);
    a->timer.data = a;
    uv_update_time(&host);
    uv_timer_start(&a->timer, on_after, (uint64_t)ms, 0);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    (void)handle;
    (void)events;
    ck_assert_int_eq(status, 0);
    on_readable();
}

void host_watch(int fd, void (*fn)(void))
{
    on_readable = fn;
    if (fd < 0) {
        uv_close((uv_handle_t *)&poller, NULL);
        return;
    }
    ck_assert_int_eq(uv_poll_init(&host, &poller, fd), 0);
    ck_assert_int_eq(uv_poll_start(&poller, UV_READABLE, on_poll), 0);
}

GUESTS_IN(uv, &host)
