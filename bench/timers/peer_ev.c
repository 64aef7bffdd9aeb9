/* A million timers on libev. */
#define _GNU_SOURCE 1
#include "timers.h"

#include <ev.h>

struct peer {
    struct timers *timers;
    struct ev_loop *loop;
    ev_timer *watchers;
};

static void on_timer(struct ev_loop *loop, ev_timer *w, int what)
{
    (void)loop;
    (void)what;
    ((struct timers *)w->data)->fired++;
}

static void *peer_open(struct timers *t)
{
    struct peer *peer = bench_alloc(1, sizeof *peer);
    size_t i;

    peer->timers = t;
    peer->loop = ev_loop_new(EVBACKEND_EPOLL);
    if (!peer->loop)
        bench_die("ev_loop_new", 0);
    peer->watchers = bench_alloc(t->count, sizeof *peer->watchers);
    for (i = 0; i < t->count; i++) {
        ev_init(&peer->watchers[i], on_timer);
        peer->watchers[i].data = t;
    }
    return peer;
}

static void peer_arm(void *priv)
{
    struct peer *peer = priv;
    const struct timers *t = peer->timers;
    size_t i;

    ev_now_update(peer->loop);
    for (i = 0; i < t->count; i++) {
        ev_timer_set(&peer->watchers[i], (double)t->delays_ns[i] / 1e9, 0.);
        ev_timer_start(peer->loop, &peer->watchers[i]);
    }
}

static void peer_fire(void *priv)
{
    ev_run(((struct peer *)priv)->loop, 0);
}

static void peer_cancel(void *priv)
{
    struct peer *peer = priv;
    const struct timers *t = peer->timers;
    size_t i;

    for (i = 0; i < t->count; i++)
        ev_timer_stop(peer->loop, &peer->watchers[t->order[i]]);
}

static void peer_close(void *priv)
{
    struct peer *peer = priv;

    ev_loop_destroy(peer->loop);
    free(peer->watchers);
    free(peer);
}

int main(int argc, char **argv)
{
    const struct timers_peer peer = {sizeof(ev_timer), peer_open, peer_arm, peer_fire, NULL,
                                     peer_cancel,      peer_close};

    return timers_main(argc, argv, &peer);
}
