/*
 * platform/common/socket.c: calls on sockets, and what a descriptor is, by POSIX alone.
 * MSG_DONTWAIT exists on every system that heald runs on.
 */
#include "platform/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int64_t heald__plat_recv_now(int fd, void *buf, size_t len, int flags)
{
    ssize_t n = recv(fd, buf, len, flags | MSG_DONTWAIT);
    return n < 0 ? -errno : n;
}

int64_t heald__plat_send_now(int fd, const void *buf, size_t len, int flags)
{
    ssize_t n = send(fd, buf, len, flags | MSG_DONTWAIT | MSG_NOSIGNAL);
    return n < 0 ? -errno : n;
}

int64_t heald__plat_sendmsg_now(int fd, const struct msghdr *msg, int flags)
{
    ssize_t n = sendmsg(fd, msg, flags | MSG_DONTWAIT | MSG_NOSIGNAL);
    return n < 0 ? -errno : n;
}

int heald__plat_shutdown(int fd, int how)
{
    return shutdown(fd, how) < 0 ? -errno : 0;
}

int heald__plat_close(int fd)
{
    /* After EINTR the descriptor is gone on every system that matters; closing again could hit
     * another's. */
    return close(fd) < 0 && errno != EINTR ? -errno : 0;
}

bool heald__plat_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags < 0 || flags & O_NONBLOCK;
}

static bool listens(int fd)
{
    int on = 0;
    socklen_t size = sizeof on;

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &size) == 0 && on;
}

/*
 * Neither accept(2) nor connect(2) knows a flag like MSG_DONTWAIT. So O_NONBLOCK is read each time;
 * only a process that clears it and takes the connection, too, between that and the call, makes it
 * wait. Where there is a ring they are left to it, which has such a form.
 */
int heald__plat_accept_now(int fd, struct sockaddr *addr, socklen_t *len)
{
    /* A socket that does not listen is refused at once. */
    bool never_waits = heald__plat_nonblocking(fd) || !listens(fd);
    return never_waits ? heald__plat_accept(fd, addr, len) : SYS_ELSEWHERE;
}

int heald__plat_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
    return connect(fd, addr, len) < 0 ? -errno : 0;
}

int heald__plat_connect_now(int fd, const struct sockaddr *addr, socklen_t len)
{
    return heald__plat_nonblocking(fd) ? heald__plat_connect(fd, addr, len) : SYS_ELSEWHERE;
}

/*
 * Once a connect is in progress the socket becomes writable when it has ended, and SO_ERROR says
 * how. A socket that has not begun to connect reports POLLHUP as well, so this is only called after
 * connect_now() said -EINPROGRESS. libkqueue consumes SO_ERROR itself: then only the missing peer
 * shows that there is no connection. The last connect(2) starts nothing: it shows the socket that
 * the first has ended, so that another is answered as what it is.
 */
int heald__plat_connect_end(int fd, const struct sockaddr *addr, socklen_t len)
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
    if (heald__connect_repeats)
        (void)connect(fd, addr, len);
    return -err;
}

bool heald__plat_lingers(int fd)
{
    struct linger l = {0};
    socklen_t size = sizeof l;

    return getsockopt(fd, SOL_SOCKET, SO_LINGER, &l, &size) == 0 && l.l_onoff && l.l_linger > 0;
}

void heald__plat_close_passed(int fd)
{
    const struct linger off = {0};

    if (heald__plat_lingers(fd))
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof off);
    close(fd);
}

/* Where it cannot be asked the answer is left to accept(2). */
bool heald__plat_listens(int fd)
{
    int listens = 1;
    socklen_t size = sizeof listens;

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0 || listens;
}

bool heald__plat_seeks(int fd)
{
    return lseek(fd, 0, SEEK_CUR) >= 0;
}

int heald__plat_duplicate(int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return copy < 0 ? -errno : copy;
}
