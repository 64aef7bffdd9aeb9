/*
 * platform/common/socket.c: calls on sockets, by POSIX alone. MSG_DONTWAIT exists on every system
 * that heald runs on.
 */
#include "platform/sys.h"

#include <errno.h>
#include <unistd.h>

int64_t heald_plat_recv_now(int fd, void *buf, size_t len, int flags)
{
    ssize_t n = recv(fd, buf, len, flags | MSG_DONTWAIT);
    return n < 0 ? -errno : n;
}

int64_t heald_plat_send_now(int fd, const void *buf, size_t len, int flags)
{
    ssize_t n = send(fd, buf, len, flags | MSG_DONTWAIT | MSG_NOSIGNAL);
    return n < 0 ? -errno : n;
}

int64_t heald_plat_sendmsg_now(int fd, const struct msghdr *msg, int flags)
{
    ssize_t n = sendmsg(fd, msg, flags | MSG_DONTWAIT | MSG_NOSIGNAL);
    return n < 0 ? -errno : n;
}

int heald_plat_shutdown(int fd, int how)
{
    return shutdown(fd, how) < 0 ? -errno : 0;
}

int heald_plat_close(int fd)
{
    /* After EINTR the descriptor is gone on every system that matters; closing again could hit
     * another's. */
    return close(fd) < 0 && errno != EINTR ? -errno : 0;
}

/*
 * Once a connect is under way the socket becomes writable when it is over, and SO_ERROR tells how.
 * A socket that has not begun to connect reports POLLHUP as well, so this is only asked after
 * connect_now() said -EINPROGRESS. libkqueue takes SO_ERROR for itself: then only the missing peer
 * shows that there is no connection.
 */
int heald_plat_connect_end(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    struct sockaddr_storage peer;
    socklen_t size = sizeof(int);
    int err = 0;

    if (poll(&p, 1, 0) == 0)
        return -EAGAIN;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &size) < 0)
        return -errno;
    size = sizeof peer;
    if (!err && getpeername(fd, (struct sockaddr *)&peer, &size) < 0)
        err = errno;
    return -err;
}
