/* The pipes benchmark on libev. */
#define _GNU_SOURCE 1
#include "pipes.h"

#include <ev.h>

struct peer {
    struct pipes *pipes;
    struct ev_loop *loop;
    struct pair {
        ev_io io; /* first: the callback is given its address */
        struct pipes *pipes;
        int index;
    } * pairs;
};

static void on_readable(struct ev_loop *loop, ev_io *w, int what)
{
    struct pair *pair = (struct pair *)w;

    (void)loop;
    (void)what;
    pipes_on_readable(pair->pipes, pair->index);
}

static void *peer_open(struct pipes *p)
{
    struct peer *peer = bench_alloc(1, sizeof *peer);
    int i;

    peer->pipes = p;
    peer->loop = ev_loop_new(EVBACKEND_EPOLL);
    if (!peer->loop)
        bench_die("ev_loop_new", 0);
    peer->pairs = bench_alloc((size_t)p->count, sizeof *peer->pairs);
    for (i = 0; i < p->count; i++) {
        peer->pairs[i].pipes = p;
        peer->pairs[i].index = i;
        ev_init(&peer->pairs[i].io, on_readable);
    }
    return peer;
}

static void peer_readd(void *priv)
{
    struct peer *peer = priv;
    int i;

    for (i = 0; i < peer->pipes->count; i++) {
        struct pair *pair = &peer->pairs[i];

        ev_io_stop(peer->loop, &pair->io);
        ev_io_set(&pair->io, peer->pipes->fds[i][0], EV_READ);
        ev_io_start(peer->loop, &pair->io);
    }
}

static void peer_turn(void *priv)
{
    ev_run(((struct peer *)priv)->loop, EVRUN_NOWAIT);
}

static void peer_close(void *priv)
{
    struct peer *peer = priv;

    ev_loop_destroy(peer->loop);
    free(peer->pairs);
    free(peer);
}

int main(int argc, char **argv)
{
    const struct pipes_peer peer = {"libev", peer_open, peer_readd, peer_turn, peer_close};

    return pipes_main(argc, argv, &peer);
}
