#define _GNU_SOURCE 1
#include "target.h"

#include "../common/common.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

struct sockaddr_in target_address(void)
{
    const char *port = getenv("BENCH_TARGET");
    struct sockaddr_in a = {.sin_family = AF_INET};

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    a.sin_port = htons((uint16_t)bench_number(port ? port : "", 1, 65535));
    return a;
}

int target_connect(void)
{
    struct sockaddr_in a = target_address();
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    /* On the same host it needs no time. */
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) || fcntl(fd, F_SETFL, O_NONBLOCK))
        bench_die("connect", errno);
    return fd;
}
