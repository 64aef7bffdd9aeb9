/*
 * The pipes benchmark on heald: the token is received by an op, and sent on with send(2), as the
 * peers do it.
 */
#define _GNU_SOURCE 1
#include "pipes.h"

#include <heald/heald.h>

enum { ROOM = 16 };

struct peer {
    struct pipes *pipes;
    struct heald_loop *loop;
    int added;
    struct pair {
        struct heald_op op;
        struct pipes *pipes;
        int index;
        char room[ROOM];
    } * pairs;
};

static void receive(struct pair *pair);

static void on_token(struct heald_op *op)
{
    struct pair *pair = heald_container_of(op, struct pair, op);

    if (op->result == -ECANCELED)
        return;
    if (op->result != 1)
        bench_die("recv", (int)-op->result);
    pipes_pass_on(pair->pipes, pair->index);
    receive(pair);
}

static void receive(struct pair *pair)
{
    heald_prep_recv(&pair->op, pair->pipes->fds[pair->index][0], pair->room, ROOM, 0);
    if (heald_submit(pair->op.loop, &pair->op, on_token))
        bench_die("heald_submit", 0);
}

static void *peer_open(struct pipes *p)
{
    struct peer *peer = bench_alloc(1, sizeof *peer);
    int i, err = heald_loop_open(&peer->loop, NULL);

    if (err)
        bench_die("heald_loop_open", -err);
    peer->pipes = p;
    peer->pairs = bench_alloc((size_t)p->count, sizeof *peer->pairs);
    for (i = 0; i < p->count; i++) {
        peer->pairs[i].pipes = p;
        peer->pairs[i].index = i;
        peer->pairs[i].op.loop = peer->loop;
    }
    return peer;
}

static void peer_readd(void *priv)
{
    struct peer *peer = priv;
    int i;

    for (i = 0; peer->added && i < peer->pipes->count; i++)
        heald_cancel(&peer->pairs[i].op);
    heald_loop_run(peer->loop);
    peer->added = 1;
    for (i = 0; i < peer->pipes->count; i++)
        receive(&peer->pairs[i]);
}

static void peer_turn(void *priv)
{
    heald_loop_turn(((struct peer *)priv)->loop, 0);
}

static void peer_close(void *priv)
{
    struct peer *peer = priv;
    int i;

    for (i = 0; i < peer->pipes->count; i++)
        heald_cancel(&peer->pairs[i].op);
    heald_loop_run(peer->loop);
    heald_loop_close(peer->loop);
    free(peer->pairs);
    free(peer);
}

int main(int argc, char **argv)
{
    const struct pipes_peer peer = {"heald", peer_open, peer_readd, peer_turn, peer_close};

    return pipes_main(argc, argv, &peer);
}
