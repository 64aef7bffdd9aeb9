/* The pipes benchmark by hand on epoll: what the system calls alone cost. */
#define _GNU_SOURCE 1
#include "pipes.h"

#include <sys/epoll.h>
#include <unistd.h>

enum { EVENTS_A_TURN = 512 };

struct peer {
    struct pipes *pipes;
    int epoll;
    int added;
};

static void *peer_open(struct pipes *p)
{
    struct peer *peer = bench_alloc(1, sizeof *peer);

    peer->pipes = p;
    peer->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (peer->epoll < 0)
        bench_die("epoll_create1", errno);
    return peer;
}

static void peer_readd(void *priv)
{
    struct peer *peer = priv;
    int i;

    for (i = 0; i < peer->pipes->count; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
        int fd = peer->pipes->fds[i][0];

        if (peer->added)
            epoll_ctl(peer->epoll, EPOLL_CTL_DEL, fd, NULL);
        if (epoll_ctl(peer->epoll, EPOLL_CTL_ADD, fd, &e))
            bench_die("epoll_ctl", errno);
    }
    peer->added = 1;
}

static void peer_turn(void *priv)
{
    struct peer *peer = priv;
    struct epoll_event events[EVENTS_A_TURN];
    int i, n = epoll_wait(peer->epoll, events, EVENTS_A_TURN, 0);

    if (n < 0 && errno != EINTR)
        bench_die("epoll_wait", errno);
    for (i = 0; i < n; i++)
        pipes_on_readable(peer->pipes, (int)events[i].data.u32);
}

static void peer_close(void *priv)
{
    struct peer *peer = priv;

    close(peer->epoll);
    free(peer);
}

int main(int argc, char **argv)
{
    const struct pipes_peer peer = {"epoll", peer_open, peer_readd, peer_turn, peer_close};

    return pipes_main(argc, argv, &peer);
}
