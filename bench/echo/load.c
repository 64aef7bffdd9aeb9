/*
 * Load for the echo servers: one message in flight on each connection, the next as soon as the
 * echo is complete.  Every echo is compared with what was sent.
 *
 *     load [-n COUNT] PORT CONNS SECONDS [SIZE]
 *
 * Prints `echoes N rate R p50 NS p99 NS`.  With -n it ends after exactly COUNT echoes (SECONDS is
 * then the time limit), which is what strace and callgrind need; without, the first tenth of the
 * time is a warm-up that is not counted.
 *
 * Edge-triggered with both directions from the start: no epoll_ctl while it measures, so that as
 * much as possible of the time is the server's.
 */
#define _GNU_SOURCE 1
#include "../common/common.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    EVENTS_A_TURN = 512,
    SUB_BITS = 6, /* each power of two has 64 steps: latencies are exact to 1.6 % */
    BUCKETS = (64 - SUB_BITS) << SUB_BITS,
};

struct client {
    int fd;
    size_t sent, received;
    int64_t began_ns;
    char *out, *in;
};

struct load {
    int epoll;
    size_t conns, size;
    struct client *clients;
    int64_t budget; /* messages that may still be sent */
    size_t busy;    /* connections with a message in flight */
    int64_t echoes;
    int64_t histogram[BUCKETS];
};

static unsigned bucket_of(uint64_t ns)
{
    unsigned shift;

    if (ns < (1u << SUB_BITS))
        return (unsigned)ns;
    shift = 63u - (unsigned)__builtin_clzll(ns) - SUB_BITS;
    return (shift << SUB_BITS) + (unsigned)(ns >> shift);
}

static uint64_t bucket_value(unsigned bucket)
{
    unsigned shift = bucket >> SUB_BITS;

    if (shift == 0)
        return bucket;
    shift--;
    return (uint64_t)(bucket - (shift << SUB_BITS)) << shift;
}

static uint64_t percentile(const struct load *l, int percent)
{
    int64_t seen = 0, wanted = l->echoes * percent / 100;
    unsigned i;

    for (i = 0; i < BUCKETS - 1; i++) {
        seen += l->histogram[i];
        if (seen > wanted)
            break;
    }
    return bucket_value(i);
}

static int blocked(const char *what)
{
    if (errno == EAGAIN || errno == EINTR)
        return 1;
    bench_die(what, errno);
}

/* A new message, unless the budget is spent. */
static void begin(struct load *l, struct client *c, int64_t now)
{
    c->sent = c->received = l->size;
    if (l->budget == 0)
        return;
    l->budget--;
    l->busy++;
    c->sent = c->received = 0;
    c->out[0]++;
    c->began_ns = now;
}

static void finish(struct load *l, struct client *c)
{
    int64_t now = bench_now_ns();

    if (memcmp(c->in, c->out, l->size) != 0)
        bench_die("an echo differs from what was sent", 0);
    l->histogram[bucket_of((uint64_t)(now - c->began_ns))]++;
    l->echoes++;
    l->busy--;
    begin(l, c, now);
}

/* Go on until the socket blocks or the budget is spent. */
static void pump(struct load *l, struct client *c)
{
    ssize_t n;

    for (;;) {
        if (c->sent < l->size) {
            n = send(c->fd, c->out + c->sent, l->size - c->sent, MSG_NOSIGNAL);
            if (n >= 0)
                c->sent += (size_t)n;
            else
                blocked("send");
            if (c->sent == l->size && c->received == 0)
                return; /* the echo cannot be here yet: its edge is still to come */
        }
        if (c->received == l->size)
            return;
        n = recv(c->fd, c->in + c->received, l->size - c->received, 0);
        if (n == 0)
            bench_die("the server closed a connection", 0);
        if (n < 0 && blocked("recv"))
            return;
        c->received += (size_t)n;
        if (c->received == l->size)
            finish(l, c);
    }
}

static void client_open(struct load *l, struct client *c, uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
    int on = 1;
    size_t i;

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&a, sizeof a))
        bench_die("connect", errno);
    if (setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) ||
        fcntl(c->fd, F_SETFL, O_NONBLOCK) || epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &e))
        bench_die("client", errno);
    c->out = bench_alloc(2, l->size);
    c->in = c->out + l->size;
    for (i = 0; i < l->size; i++)
        c->out[i] = (char)(i * 31 + (size_t)c->fd + i / 251);
    begin(l, c, bench_now_ns());
}

static int64_t run(struct load *l, int64_t warm_ns, int64_t limit_ns)
{
    struct epoll_event events[EVENTS_A_TURN];
    int64_t now, start = bench_now_ns(), end = start + limit_ns;
    int i, n, warming = warm_ns > 0;

    do {
        n = epoll_wait(l->epoll, events, EVENTS_A_TURN, 100);
        if (n < 0 && errno != EINTR)
            bench_die("epoll_wait", errno);
        for (i = 0; i < n; i++)
            pump(l, events[i].data.ptr);
        now = bench_now_ns();
        if (warming && now - start >= warm_ns) {
            memset(l->histogram, 0, sizeof l->histogram);
            l->echoes = 0;
            start = now;
            warming = 0;
        }
    } while (l->busy && now < end);
    return now - start;
}

int main(int argc, char **argv)
{
    struct load l = {.size = 64, .budget = INT64_MAX};
    int64_t took, limit_ns;
    uint16_t port;
    size_t i;
    int option;

    while ((option = getopt(argc, argv, "n:")) == 'n')
        l.budget = bench_number(optarg, 1, 1L << 40);
    if (option != -1 || argc - optind < 3) {
        fprintf(stderr, "usage: load [-n COUNT] PORT CONNS SECONDS [SIZE]\n");
        return 2;
    }
    port = (uint16_t)bench_number(argv[optind], 1, 65535);
    l.conns = (size_t)bench_number(argv[optind + 1], 1, 1000000);
    limit_ns = bench_number(argv[optind + 2], 1, 86400) * BENCH_NS_PER_S;
    if (argc - optind > 3)
        l.size = (size_t)bench_number(argv[optind + 3], 1, 1L << 30);
    l.epoll = epoll_create1(EPOLL_CLOEXEC);
    l.clients = bench_alloc(l.conns, sizeof *l.clients);
    for (i = 0; i < l.conns; i++)
        client_open(&l, &l.clients[i], port);
    took = run(&l, l.budget > INT32_MAX ? limit_ns / 10 : 0, limit_ns);
    printf("echoes %lld rate %.0f p50 %llu p99 %llu\n", (long long)l.echoes,
           (double)l.echoes * 1e9 / (double)took, (unsigned long long)percentile(&l, 50),
           (unsigned long long)percentile(&l, 99));
    return 0;
}
