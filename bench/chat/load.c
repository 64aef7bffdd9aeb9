/*
 * load PORT CLIENTS LINES: clients of a chat server. One after another sends a line, and the next
 * does when all others have got it. Prints how many lines were delivered.
 */
#define _GNU_SOURCE 1
#include "../common/common.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINE = 64, EVENTS = 512, LIMIT_S = 120 };

struct client {
    int fd;
    size_t got; /* bytes, of all lines */
};

static int connect_one(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) || fcntl(fd, F_SETFL, O_NONBLOCK))
        bench_die("connect", errno);
    return fd;
}

/* What has arrived at a client. */
static size_t drain(struct client *c)
{
    size_t before = c->got;
    char data[16 * LINE];
    ssize_t n;

    while ((n = recv(c->fd, data, sizeof data, 0)) > 0)
        c->got += (size_t)n;
    if (n == 0 || errno != EAGAIN)
        bench_die("recv", n ? errno : 0);
    return c->got - before;
}

/* Until so many bytes more have arrived at all. */
static void receive(int epoll, size_t bytes)
{
    struct epoll_event events[EVENTS];

    while (bytes) {
        int n = epoll_wait(epoll, events, EVENTS, 10000);
        if (n <= 0)
            bench_die("the server does not answer", n ? errno : 0);
        for (int i = 0; i < n; i++) {
            size_t got = drain(events[i].data.ptr);
            if (got > bytes)
                bench_die("too much was received", 0);
            bytes -= got;
        }
    }
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: load PORT CLIENTS LINES\n");
        return 2;
    }
    uint16_t port = (uint16_t)bench_number(argv[1], 1, 65535);
    size_t clients = (size_t)bench_number(argv[2], 2, 10000);
    long lines = bench_number(argv[3], 1, 100000000);
    struct client *v = bench_alloc(clients, sizeof *v);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    char line[LINE];

    alarm(LIMIT_S);
    memset(line, 'x', sizeof line);
    line[LINE - 1] = '\n';
    for (size_t i = 0; i < clients; i++) {
        struct epoll_event e = {.events = EPOLLIN | EPOLLET, .data.ptr = &v[i]};
        v[i].fd = connect_one(port);
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, v[i].fd, &e))
            bench_die("epoll_ctl", errno);
    }
    /* Until the server has all of them: the last one hears the first. */
    usleep(100000);
    for (long n = 0; n < lines; n++) {
        if (send(v[(size_t)n % clients].fd, line, LINE, 0) != LINE)
            bench_die("send", errno);
        receive(epoll, (clients - 1) * LINE);
    }
    printf("delivered %ld\n", lines * (long)(clients - 1));
    return 0;
}
