/*
 * The proxy, written by hand on epoll and splice(2): no byte is copied into the process. A pipe for
 * each direction; edge-triggered in both.
 */
#define _GNU_SOURCE 1
#include "../echo/listener.h"
#include "target.h"

#include "../common/common.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { EVENTS_A_TURN = 512, CHUNK = 65536 };

struct side {
    struct pair *pair;
    int fd, pipe[2];
    size_t held; /* bytes of this side in its pipe */
};

struct pair {
    struct side sides[2];
    struct pair *next; /* of those that are dropped in this turn */
    int dropped;
};

struct server {
    int epoll, termination;
    struct listener listener;
    struct pair *dropped;
};

static int watch(struct server *s, int fd, uint32_t events, void *ptr)
{
    struct epoll_event e = {.events = events, .data.ptr = ptr};

    return epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &e);
}

static void drop(struct server *s, struct pair *p)
{
    if (p->dropped)
        return;
    p->dropped = 1;
    p->next = s->dropped;
    s->dropped = p;
    for (int i = 0; i < 2; i++) {
        close(p->sides[i].fd);
        close(p->sides[i].pipe[0]);
        close(p->sides[i].pipe[1]);
    }
}

static void on_listener(struct server *s)
{
    int fd;

    while ((fd = listener_accept(&s->listener)) >= 0) {
        struct pair *p = bench_alloc(1, sizeof *p);

        p->sides[0].fd = fd;
        p->sides[1].fd = target_connect();
        for (int i = 0; i < 2; i++) {
            p->sides[i].pair = p;
            if (pipe2(p->sides[i].pipe, O_NONBLOCK | O_CLOEXEC) ||
                watch(s, p->sides[i].fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, &p->sides[i]))
                bench_die("pipe2", errno);
        }
    }
}

static ssize_t move(int from, int to, size_t len)
{
    return splice(from, NULL, to, NULL, len, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
}

/* From one side to the other, until one of them has or takes no more. */
static void pass(struct server *s, struct side *from)
{
    struct side *to = &from->pair->sides[from == &from->pair->sides[0]];

    for (;;) {
        ssize_t n = from->held ? (ssize_t)from->held : move(from->fd, from->pipe[1], CHUNK);

        if (n <= 0) {
            if (n == 0 || errno != EAGAIN)
                drop(s, from->pair);
            return;
        }
        from->held = (size_t)n;
        n = move(from->pipe[0], to->fd, from->held);
        if (n < 0) {
            if (errno != EAGAIN)
                drop(s, from->pair);
            return;
        }
        from->held -= (size_t)n;
    }
}

static void on_side(struct server *s, struct side *side, uint32_t events)
{
    struct side *other = &side->pair->sides[side == &side->pair->sides[0]];

    if (!side->pair->dropped && events & EPOLLOUT && other->held)
        pass(s, other);
    if (!side->pair->dropped && events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        pass(s, side);
}

static void free_dropped(struct server *s)
{
    for (struct pair *p; (p = s->dropped);) {
        s->dropped = p->next;
        free(p);
    }
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS_A_TURN];
    struct server s = {.epoll = epoll_create1(EPOLL_CLOEXEC), .termination = termination_open()};

    listener_open(&s.listener, argc, argv);
    if (s.epoll < 0 || watch(&s, s.termination, EPOLLIN, &s.termination) ||
        watch(&s, s.listener.fd, EPOLLIN, &s.listener))
        bench_die("epoll", errno);
    for (;;) {
        int n = epoll_wait(s.epoll, events, EVENTS_A_TURN, -1);

        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == &s.termination)
                return 0;
            if (events[i].data.ptr == &s.listener)
                on_listener(&s);
            else
                on_side(&s, events[i].data.ptr, events[i].events);
        }
        free_dropped(&s);
    }
}
