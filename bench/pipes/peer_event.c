/* The pipes benchmark on libevent, as its own bench.c does it. */
#define _GNU_SOURCE 1
#include "pipes.h"

#include <event2/event.h>
#include <event2/event_struct.h>

struct peer {
    struct pipes *pipes;
    struct event_base *base;
    struct pair {
        struct event event;
        struct pipes *pipes;
        int index;
    } * pairs;
};

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct pair *pair = arg;

    (void)fd;
    (void)what;
    pipes_on_readable(pair->pipes, pair->index);
}

static void *peer_open(struct pipes *p)
{
    struct event_config *config = event_config_new();
    struct peer *peer = bench_alloc(1, sizeof *peer);

    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    peer->pipes = p;
    peer->base = event_base_new_with_config(config);
    if (!peer->base)
        bench_die("event_base_new_with_config", 0);
    event_config_free(config);
    peer->pairs = bench_alloc((size_t)p->count, sizeof *peer->pairs);
    return peer;
}

static void peer_readd(void *priv)
{
    struct peer *peer = priv;
    int i;

    for (i = 0; i < peer->pipes->count; i++) {
        struct pair *pair = &peer->pairs[i];

        if (event_initialized(&pair->event))
            event_del(&pair->event);
        pair->pipes = peer->pipes;
        pair->index = i;
        event_assign(&pair->event, peer->base, peer->pipes->fds[i][0], EV_READ | EV_PERSIST,
                     on_readable, pair);
        event_add(&pair->event, NULL);
    }
}

static void peer_turn(void *priv)
{
    event_base_loop(((struct peer *)priv)->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static void peer_close(void *priv)
{
    struct peer *peer = priv;

    event_base_free(peer->base);
    free(peer->pairs);
    free(peer);
}

int main(int argc, char **argv)
{
    const struct pipes_peer peer = {"libevent", peer_open, peer_readd, peer_turn, peer_close};

    return pipes_main(argc, argv, &peer);
}
