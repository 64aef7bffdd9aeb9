/*
 * platform/linux/io.c: reading and writing descriptors without ever waiting, whatever their flags
 * say.
 *
 * RWF_NOWAIT does it where the file supports it (pipes since 6.4). Elsewhere a blocking descriptor
 * is polled first, and a pipe that polls writable takes PIPE_BUF bytes for certain, so no more than
 * that is written at once. A terminal promises nothing of the kind: it is made non-blocking for the
 * length of the call.
 */
#include "platform/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

const unsigned heald_poll_rdhup = POLLRDHUP;

static int socket_type(int fd)
{
    int type, domain, protocol;
    socklen_t size = sizeof type;

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
        return -errno;
    size = sizeof domain;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0)
        return -errno;
    if (type == SOCK_DGRAM || type == SOCK_RAW)
        return FD_DATAGRAM;
    if (type != SOCK_STREAM || (domain != AF_INET && domain != AF_INET6))
        return FD_SOCKET;
    /* SCTP keeps messages apart, also on a stream: a short read does not empty it. */
    size = sizeof protocol;
    if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) < 0)
        return -errno;
    return protocol == IPPROTO_TCP ? FD_STREAM : FD_SOCKET;
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
    /* With O_DIRECT a pipe gives one packet a read: a short read does not empty it. */
    return S_ISFIFO(st.st_mode) && !(flags & O_DIRECT) ? FD_PIPE : FD_OTHER;
}

static bool ready_now(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    return poll(&p, 1, 0) != 0;
}

int64_t heald_plat_readv_now(int fd, bool nonblocking, const struct iovec *iov, int count)
{
    ssize_t n;

    if (nonblocking) {
        n = readv(fd, iov, count);
    } else {
        n = preadv2(fd, iov, count, -1, RWF_NOWAIT);
        if (n < 0 && errno == EOPNOTSUPP) {
            if (!ready_now(fd, POLLIN))
                return -EAGAIN;
            n = readv(fd, iov, count);
        }
    }
    return n < 0 ? -errno : n;
}

static ssize_t write_to_device(int fd, const struct iovec *iov, int count)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return -1;
    ssize_t n = writev(fd, iov, count);
    int err = errno;
    fcntl(fd, F_SETFL, flags);
    errno = err;
    return n;
}

static ssize_t write_some(int fd, const struct iovec *iov, int count)
{
    struct stat st;

    if (fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode))
        return write_to_device(fd, iov, count);
    for (int i = 0; i < count; i++)
        if (iov[i].iov_len)
            return write(fd, iov[i].iov_base,
                         iov[i].iov_len < PIPE_BUF ? iov[i].iov_len : PIPE_BUF);
    return write(fd, NULL, 0);
}

int64_t heald_plat_writev_now(int fd, bool nonblocking, const struct iovec *iov, int count)
{
    ssize_t n;

    if (nonblocking) {
        n = writev(fd, iov, count);
    } else {
        n = pwritev2(fd, iov, count, -1, RWF_NOWAIT);
        if (n < 0 && errno == EOPNOTSUPP) {
            if (!ready_now(fd, POLLOUT))
                return -EAGAIN;
            n = write_some(fd, iov, count);
        }
    }
    return n < 0 ? -errno : n;
}
