/*
 * platform/posix/io.c: reading and writing descriptors without waiting, by POSIX alone.
 *
 * A blocking descriptor is polled first. A pipe that polls writable takes PIPE_BUF bytes for
 * certain, so no more than that is written at once. Somebody else who reads the same blocking
 * descriptor may still get there first: share non-blocking ones only.
 */
#include "platform/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* Not every system has POLLRDHUP, and none needs it for correctness. */
const unsigned heald_poll_rdhup = 0;

static int socket_type(int fd)
{
    struct sockaddr_storage ss = {0};
    int type;
    socklen_t size = sizeof type;

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
        return -errno;
    size = sizeof ss;
    if (getsockname(fd, (struct sockaddr *)&ss, &size) < 0)
        return -errno;
    if (type == SOCK_DGRAM || type == SOCK_RAW)
        return FD_DATAGRAM;
    bool inet = ss.ss_family == AF_INET || ss.ss_family == AF_INET6;
    return type == SOCK_STREAM && inet ? FD_STREAM : FD_SOCKET;
}

int heald_plat_fd_type(int fd, bool *ret_nonblocking)
{
    struct stat st;
    int flags;

    if (fstat(fd, &st) < 0 || (flags = fcntl(fd, F_GETFL)) < 0)
        return -errno;
    *ret_nonblocking = flags & O_NONBLOCK;
    if (S_ISSOCK(st.st_mode))
        return socket_type(fd);
    if (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode) || S_ISDIR(st.st_mode))
        return FD_FILE;
#ifdef O_DIRECT
    /* On Linux such a pipe gives one packet a read: a short read does not empty it. */
    if (S_ISFIFO(st.st_mode) && flags & O_DIRECT)
        return FD_OTHER;
#endif
    return S_ISFIFO(st.st_mode) ? FD_PIPE : FD_OTHER;
}

static bool ready_now(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    return poll(&p, 1, 0) != 0;
}

int64_t heald_plat_readv_now(int fd, bool nonblocking, const struct iovec *iov, int count)
{
    if (!nonblocking && !ready_now(fd, POLLIN))
        return -EAGAIN;
    ssize_t n = readv(fd, iov, count);
    return n < 0 ? -errno : n;
}

static ssize_t write_some(int fd, const struct iovec *iov, int count)
{
    for (int i = 0; i < count; i++)
        if (iov[i].iov_len)
            return write(fd, iov[i].iov_base,
                         iov[i].iov_len < PIPE_BUF ? iov[i].iov_len : PIPE_BUF);
    return write(fd, NULL, 0);
}

int64_t heald_plat_writev_now(int fd, bool nonblocking, const struct iovec *iov, int count)
{
    if (!nonblocking && !ready_now(fd, POLLOUT))
        return -EAGAIN;
    ssize_t n = nonblocking ? writev(fd, iov, count) : write_some(fd, iov, count);
    return n < 0 ? -errno : n;
}
