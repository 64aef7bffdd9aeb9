/*
 * The method of libevent's bench.c: N socket pairs, of which A carry a token at a time. A pair that
 * receives a token writes one to the next pair, W times in all. A run re-adds the events of all
 * pairs, then starts the tokens, then turns the loop until every token that was written has been
 * received. What is measured: the turns alone, and the turns with the set-up.
 */
#ifndef BENCH_PIPES_H
#define BENCH_PIPES_H

#include "../common/common.h"

#include <sys/socket.h>

struct pipes {
    int count, active, writes; /* the N, A and W of the command line */
    int (*fds)[2];             /* [0] is read, [1] is written */
    int left;                  /* writes that are still to come in this run */
    long fired, received;      /* tokens of this run */
};

/* A loop under test.  Its state hangs on priv. */
struct pipes_peer {
    const char *name;
    void *(*open)(struct pipes *p);
    /* The events of all pairs are deleted (but in the first run) and added again. */
    void (*readd)(void *priv);
    /* Callbacks for what is readable now, without waiting. */
    void (*turn)(void *priv);
    void (*close)(void *priv);
};

/* Pair i has received a token. */
static inline void pipes_pass_on(struct pipes *p, int i)
{
    int next = i + 1 < p->count ? i + 1 : 0;

    p->received++;
    if (p->left == 0)
        return;
    p->left--;
    if (send(p->fds[next][1], "e", 1, MSG_NOSIGNAL) != 1)
        bench_die("send", errno);
    p->fired++;
}

/* Pair i is readable: to be called by the callback of its event. */
static inline void pipes_on_readable(struct pipes *p, int i)
{
    char token;

    if (recv(p->fds[i][0], &token, 1, 0) != 1)
        bench_die("recv", errno);
    pipes_pass_on(p, i);
}

/*
 * The program: [-n N] [-a A] [-w W] [-r RUNS].  Prints `pairs N runs RUNS run_us R total_us T`,
 * medians.  Where the limit of descriptors does not allow N pairs, N is what it allows.
 */
int pipes_main(int argc, char **argv, const struct pipes_peer *peer);

#endif
