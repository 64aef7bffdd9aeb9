#define _GNU_SOURCE 1
#include "listener.h"

#include "../common/common.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LISTEN_BACKLOG = 4096 };

static void set_option(int fd, int level, int name)
{
    int on = 1;

    if (setsockopt(fd, level, name, &on, sizeof on))
        bench_die("setsockopt", errno);
}

void listener_open(struct listener *l, int argc, char **argv)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t size = sizeof a;

    a.sin_port = htons((uint16_t)(argc > 1 ? bench_number(argv[1], 0, 65535) : 0));
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    l->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    l->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (l->fd < 0 || l->spare < 0)
        bench_die("socket", errno);
    set_option(l->fd, SOL_SOCKET, SO_REUSEADDR);
    set_option(l->fd, IPPROTO_TCP, TCP_NODELAY); /* Linux: accepted sockets inherit it */
    if (bind(l->fd, (struct sockaddr *)&a, sizeof a) || listen(l->fd, LISTEN_BACKLOG))
        bench_die("listen", errno);
    if (getsockname(l->fd, (struct sockaddr *)&a, &size))
        bench_die("getsockname", errno);
    printf("port %d\n", ntohs(a.sin_port));
    fflush(stdout);
}

void listener_close(struct listener *l)
{
    close(l->fd);
    close(l->spare);
}

int listener_accept(struct listener *l)
{
    for (;;) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0)
            return fd;
        if (errno == EINTR || errno == ECONNABORTED)
            continue;
        if ((errno != EMFILE && errno != ENFILE) || l->spare < 0)
            return -1;
        close(l->spare);
        fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            close(fd);
        l->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
}

int termination_open(void)
{
    sigset_t set;
    int fd;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0 || sigprocmask(SIG_BLOCK, &set, NULL))
        bench_die("signalfd", errno);
    return fd;
}
