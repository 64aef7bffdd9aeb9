/* A million timers on libuv, whose unit is the millisecond: delays are rounded up. */
#define _GNU_SOURCE 1
#include "timers.h"

#include <uv.h>

struct peer {
    struct timers *timers;
    uv_loop_t loop;
    uv_timer_t *handles;
};

static void on_timer(uv_timer_t *handle)
{
    ((struct timers *)handle->data)->fired++;
}

static void *peer_open(struct timers *t)
{
    struct peer *peer = bench_alloc(1, sizeof *peer);
    size_t i;

    peer->timers = t;
    uv_loop_init(&peer->loop);
    peer->handles = bench_alloc(t->count, sizeof *peer->handles);
    for (i = 0; i < t->count; i++) {
        uv_timer_init(&peer->loop, &peer->handles[i]);
        peer->handles[i].data = t;
    }
    return peer;
}

static void peer_arm(void *priv)
{
    struct peer *peer = priv;
    const struct timers *t = peer->timers;
    size_t i;

    uv_update_time(&peer->loop);
    for (i = 0; i < t->count; i++) {
        int64_t ms = (t->delays_ns[i] + BENCH_NS_PER_MS - 1) / BENCH_NS_PER_MS;

        uv_timer_start(&peer->handles[i], on_timer, (uint64_t)ms, 0);
    }
}

static void peer_move(void *priv)
{
    struct peer *peer = priv;
    const struct timers *t = peer->timers;

    for (size_t i = 0; i < t->count; i++) {
        uint32_t k = t->order[i];
        int64_t ms = (2 * t->delays_ns[k] + BENCH_NS_PER_MS - 1) / BENCH_NS_PER_MS;

        uv_timer_start(&peer->handles[k], on_timer, (uint64_t)ms, 0);
    }
}

static void peer_fire(void *priv)
{
    uv_run(&((struct peer *)priv)->loop, UV_RUN_DEFAULT);
}

static void peer_cancel(void *priv)
{
    struct peer *peer = priv;
    const struct timers *t = peer->timers;
    size_t i;

    for (i = 0; i < t->count; i++)
        uv_timer_stop(&peer->handles[t->order[i]]);
}

static void peer_close(void *priv)
{
    struct peer *peer = priv;
    size_t i;

    for (i = 0; i < peer->timers->count; i++)
        uv_close((uv_handle_t *)&peer->handles[i], NULL);
    uv_run(&peer->loop, UV_RUN_DEFAULT);
    uv_loop_close(&peer->loop);
    free(peer->handles);
    free(peer);
}

int main(int argc, char **argv)
{
    const struct timers_peer peer = {sizeof(uv_timer_t), peer_open,   peer_arm,  peer_fire,
                                     peer_move,          peer_cancel, peer_close};

    return timers_main(argc, argv, &peer);
}
