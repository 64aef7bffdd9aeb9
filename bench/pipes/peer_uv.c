/* The pipes benchmark on libuv's uv_poll_t, for comparison: the handle made for foreign sockets. */
#define _GNU_SOURCE 1
#include "pipes.h"

#include <uv.h>

struct peer {
    struct pipes *pipes;
    uv_loop_t loop;
    struct pair {
        uv_poll_t poll; /* first: the callback is given its address */
        struct pipes *pipes;
        int index;
    } * pairs;
};

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct pair *pair = (struct pair *)poll;

    (void)events;
    if (status < 0)
        bench_die("uv_poll", -status);
    pipes_on_readable(pair->pipes, pair->index);
}

static void *peer_open(struct pipes *p)
{
    struct peer *peer = bench_alloc(1, sizeof *peer);
    int i;

    peer->pipes = p;
    uv_loop_init(&peer->loop);
    peer->pairs = bench_alloc((size_t)p->count, sizeof *peer->pairs);
    for (i = 0; i < p->count; i++) {
        peer->pairs[i].pipes = p;
        peer->pairs[i].index = i;
        if (uv_poll_init_socket(&peer->loop, &peer->pairs[i].poll, p->fds[i][0]))
            bench_die("uv_poll_init_socket", 0);
    }
    return peer;
}

static void peer_readd(void *priv)
{
    struct peer *peer = priv;
    int i;

    for (i = 0; i < peer->pipes->count; i++) {
        uv_poll_stop(&peer->pairs[i].poll);
        uv_poll_start(&peer->pairs[i].poll, UV_READABLE, on_readable);
    }
}

static void peer_turn(void *priv)
{
    uv_run(&((struct peer *)priv)->loop, UV_RUN_NOWAIT);
}

static void peer_close(void *priv)
{
    struct peer *peer = priv;
    int i;

    for (i = 0; i < peer->pipes->count; i++)
        uv_close((uv_handle_t *)&peer->pairs[i].poll, NULL);
    uv_run(&peer->loop, UV_RUN_DEFAULT);
    uv_loop_close(&peer->loop);
    free(peer->pairs);
    free(peer);
}

int main(int argc, char **argv)
{
    const struct pipes_peer peer = {"libuv", peer_open, peer_readd, peer_turn, peer_close};

    return pipes_main(argc, argv, &peer);
}
