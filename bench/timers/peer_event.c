/* A million timers on libevent. */
#define _GNU_SOURCE 1
#include "timers.h"

#include <event2/event.h>
#include <event2/event_struct.h>

struct peer {
    struct timers *timers;
    struct event_base *base;
    struct event *events;
};

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    ((struct timers *)arg)->fired++;
}

static void *peer_open(struct timers *t)
{
    struct event_config *config = event_config_new();
    struct peer *peer = bench_alloc(1, sizeof *peer);
    size_t i;

    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    peer->timers = t;
    peer->base = event_base_new_with_config(config);
    if (!peer->base)
        bench_die("event_base_new_with_config", 0);
    event_config_free(config);
    peer->events = bench_alloc(t->count, sizeof *peer->events);
    for (i = 0; i < t->count; i++)
        evtimer_assign(&peer->events[i], peer->base, on_timer, t);
    return peer;
}

static void peer_arm(void *priv)
{
    struct peer *peer = priv;
    const struct timers *t = peer->timers;
    size_t i;

    event_base_update_cache_time(peer->base);
    for (i = 0; i < t->count; i++) {
        int64_t us = (t->delays_ns[i] + 999) / 1000;
        struct timeval tv = {.tv_sec = us / 1000000, .tv_usec = us % 1000000};

        evtimer_add(&peer->events[i], &tv);
    }
}

static void peer_fire(void *priv)
{
    event_base_dispatch(((struct peer *)priv)->base);
}

static void peer_cancel(void *priv)
{
    struct peer *peer = priv;
    const struct timers *t = peer->timers;
    size_t i;

    for (i = 0; i < t->count; i++)
        evtimer_del(&peer->events[t->order[i]]);
}

static void peer_close(void *priv)
{
    struct peer *peer = priv;

    event_base_free(peer->base);
    free(peer->events);
    free(peer);
}

int main(int argc, char **argv)
{
    const struct timers_peer peer = {sizeof(struct event), peer_open, peer_arm, peer_fire, NULL,
                                     peer_cancel,          peer_close};

    return timers_main(argc, argv, &peer);
}
