#define _GNU_SOURCE 1
#include "pipes.h"

#include <sys/resource.h>
#include <unistd.h>

enum { MAX_RUNS = 1000, OTHER_DESCRIPTORS = 64 };

/* Pairs that the limit of descriptors leaves room for, after raising it as far as it goes. */
static int pairs_allowed(int wanted)
{
    struct rlimit r;
    rlim_t pairs;

    if (getrlimit(RLIMIT_NOFILE, &r))
        bench_die("getrlimit", errno);
    r.rlim_cur = r.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &r) || r.rlim_cur < 2 * OTHER_DESCRIPTORS)
        bench_die("too few descriptors", errno);
    pairs = (r.rlim_cur - OTHER_DESCRIPTORS) / 2;
    return pairs < (rlim_t)wanted ? (int)pairs : wanted;
}

static void pairs_open(struct pipes *p)
{
    int i;

    p->fds = bench_alloc((size_t)p->count, sizeof *p->fds);
    for (i = 0; i < p->count; i++)
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, p->fds[i]))
            bench_die("socketpair", errno);
}

static void run_once(struct pipes *p, const struct pipes_peer *peer, void *priv, int64_t *ret_run,
                     int64_t *ret_total)
{
    int64_t start = bench_now_ns(), ready;
    int i, space = p->count / p->active;

    peer->readd(priv);
    peer->turn(priv);
    p->received = 0;
    p->left = p->writes;
    for (i = 0; i < p->active; i++)
        if (send(p->fds[i * space][1], "e", 1, MSG_NOSIGNAL) != 1)
            bench_die("send", errno);
    p->fired = p->active;
    ready = bench_now_ns();
    do
        peer->turn(priv);
    while (p->received != p->fired);
    *ret_run = bench_now_ns() - ready;
    *ret_total = bench_now_ns() - start;
}

int pipes_main(int argc, char **argv, const struct pipes_peer *peer)
{
    struct pipes p = {.count = 10000, .active = 100, .writes = 10000};
    int64_t run_ns[MAX_RUNS], total_ns[MAX_RUNS];
    int option, i, runs = 25;
    void *priv;

    while ((option = getopt(argc, argv, "n:a:w:r:")) != -1) {
        if (option == 'n')
            p.count = (int)bench_number(optarg, 1, 10000000);
        else if (option == 'a')
            p.active = (int)bench_number(optarg, 1, 10000000);
        else if (option == 'w')
            p.writes = (int)bench_number(optarg, 0, 100000000);
        else if (option == 'r')
            runs = (int)bench_number(optarg, 1, MAX_RUNS);
        else
            return 2;
    }
    p.count = pairs_allowed(p.count);
    if (p.active > p.count)
        bench_die("more active pairs than pairs", 0);
    pairs_open(&p);
    priv = peer->open(&p);
    for (i = 0; i < runs; i++)
        run_once(&p, peer, priv, &run_ns[i], &total_ns[i]);
    peer->close(priv);
    printf("pairs %d runs %d run_us %.1f total_us %.1f\n", p.count, runs,
           (double)bench_median(run_ns, (size_t)runs) / 1e3,
           (double)bench_median(total_ns, (size_t)runs) / 1e3);
    free(p.fds);
    return 0;
}
