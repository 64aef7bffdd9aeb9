/* A million timers on heald. */
#define _GNU_SOURCE 1
#include "timers.h"

#include <heald/heald.h>

struct peer {
    struct timers *timers;
    struct heald_loop *loop;
    struct heald_op *ops;
};

static void on_timer(struct heald_op *op)
{
    if (op->result == 0)
        ((struct timers *)op->data)->fired++;
}

static void *peer_open(struct timers *t)
{
    struct peer *peer = bench_alloc(1, sizeof *peer);
    size_t i;

    peer->timers = t;
    if (heald_loop_open(&peer->loop, NULL))
        bench_die("heald_loop_open", 0);
    peer->ops = bench_alloc(t->count, sizeof *peer->ops);
    for (i = 0; i < t->count; i++)
        peer->ops[i].data = t;
    return peer;
}

static void peer_arm(void *priv)
{
    struct peer *peer = priv;
    const struct timers *t = peer->timers;
    int64_t now = heald_clock_now(HEALD_CLOCK_MONOTONIC);
    size_t i;

    for (i = 0; i < t->count; i++) {
        heald_prep_timer(&peer->ops[i], now + t->delays_ns[i]);
        heald_submit(peer->loop, &peer->ops[i], on_timer);
    }
}

static void peer_fire(void *priv)
{
    heald_loop_run(((struct peer *)priv)->loop);
}

static void peer_move(void *priv)
{
    struct peer *peer = priv;
    const struct timers *t = peer->timers;
    int64_t now = heald_clock_now(HEALD_CLOCK_MONOTONIC);

    for (size_t i = 0; i < t->count; i++)
        heald_op_set_deadline(&peer->ops[t->order[i]], now + 2 * t->delays_ns[t->order[i]]);
}

/* A cancelled op has its callback as well: the callbacks are part of what is measured. */
static void peer_cancel(void *priv)
{
    struct peer *peer = priv;
    const struct timers *t = peer->timers;
    size_t i;

    for (i = 0; i < t->count; i++)
        heald_cancel(&peer->ops[t->order[i]]);
    heald_loop_run(peer->loop);
}

static void peer_close(void *priv)
{
    struct peer *peer = priv;

    heald_loop_close(peer->loop);
    free(peer->ops);
    free(peer);
}

int main(int argc, char **argv)
{
    const struct timers_peer peer = {sizeof(struct heald_op),
                                     peer_open,
                                     peer_arm,
                                     peer_fire,
                                     peer_move,
                                     peer_cancel,
                                     peer_close};

    return timers_main(argc, argv, &peer);
}
