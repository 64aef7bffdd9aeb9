/*
 * TCP echo server, written by hand on epoll: the yardstick of heald's epoll back end.
 *
 * One thread.  Edge-triggered in both directions: an echo costs recv, send and its share of
 * epoll_wait, epoll_ctl is called once in the life of a connection, and the kernel does not poll
 * each socket once more in the next wait, as it does for level-triggered ones.
 *
 * An edge comes once, so a connection is served until its receive falls short of the buffer; data
 * that comes after that is a new edge.  An end of stream that came with the data is not: then the
 * receives go on until they say so.  A client that sends without pause is set aside after some
 * rounds, by re-arming, which reports it again behind the others.
 */
#define _GNU_SOURCE 1
#include "conn.h"
#include "listener.h"

#include "../common/common.h"

#include <sys/epoll.h>

enum {
    EVENTS_A_TURN = 512,
    ROUNDS_AN_EVENT = 16,
    CONN_EVENTS = EPOLLIN | EPOLLOUT | EPOLLRDHUP | (int)EPOLLET,
};

struct server {
    int epoll;
    int termination;
    struct listener listener;
    char scratch[CONN_SCRATCH];
};

static int watch(struct server *s, int how, int fd, uint32_t events, void *ptr)
{
    struct epoll_event e = {.events = events, .data.ptr = ptr};

    return epoll_ctl(s->epoll, how, fd, &e);
}

static void on_listener(struct server *s)
{
    int fd;

    while ((fd = listener_accept(&s->listener)) >= 0) {
        struct conn *c = malloc(sizeof *c);

        if (!c || watch(s, EPOLL_CTL_ADD, fd, CONN_EVENTS, c)) {
            free(c);
            close(fd);
            return;
        }
        conn_init(c, fd);
    }
}

static void drop(struct conn *c)
{
    conn_fini(c);
    free(c);
}

static void on_conn(struct server *s, struct conn *c, uint32_t events)
{
    const uint32_t hangup = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);
    int round;

    if (!c->pending && !hangup && !(events & EPOLLIN))
        return; /* the news that a new socket is writable */
    for (round = 0; round < ROUNDS_AN_EVENT; round++) {
        enum conn_want want = c->pending ? conn_flush(c) : conn_echo(c, s->scratch);

        if (want == CONN_CLOSE) {
            drop(c);
            return;
        }
        if (want == CONN_WRITE || (want == CONN_READ && !hangup))
            return;
    }
    if (watch(s, EPOLL_CTL_MOD, c->fd, CONN_EVENTS, c)) /* let others have their turn */
        drop(c);
}

static void serve(struct server *s)
{
    struct epoll_event events[EVENTS_A_TURN];

    for (;;) {
        int i, n = epoll_wait(s->epoll, events, EVENTS_A_TURN, -1);

        if (n < 0 && errno != EINTR)
            bench_die("epoll_wait", errno);
        for (i = 0; i < n; i++) {
            void *ptr = events[i].data.ptr;

            if (ptr == &s->termination)
                return;
            if (ptr == &s->listener)
                on_listener(s);
            else
                on_conn(s, ptr, events[i].events);
        }
    }
}

int main(int argc, char **argv)
{
    struct server s;

    s.epoll = epoll_create1(EPOLL_CLOEXEC);
    s.termination = termination_open();
    listener_open(&s.listener, argc, argv);
    if (s.epoll < 0 || watch(&s, EPOLL_CTL_ADD, s.listener.fd, EPOLLIN, &s.listener) ||
        watch(&s, EPOLL_CTL_ADD, s.termination, EPOLLIN, &s.termination))
        bench_die("epoll", errno);
    serve(&s);
    listener_close(&s.listener);
    return 0;
}
