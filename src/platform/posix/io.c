/*
 * platform/posix/io.c: reading and writing descriptors without waiting, by POSIX alone.
 *
 * There is no form of read(2) that cannot block but on a descriptor with O_NONBLOCK, which is
 * looked at each time. Others who share the open file may change it between that and the call:
 * nothing here can help against it.
 */
#include "platform/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* Not every system has POLLRDHUP, and none needs it for correctness. */
const unsigned heald__poll_rdhup = 0;

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

int heald__plat_fd_type(int fd)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (S_ISSOCK(st.st_mode))
        return socket_type(fd);
    if (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode) || S_ISDIR(st.st_mode))
        return FD_FILE;
    return S_ISFIFO(st.st_mode) ? FD_PIPE : FD_OTHER;
}

int64_t heald__plat_readv_now(int fd, const struct iovec *iov, int count)
{
    if (!heald__plat_nonblocking(fd))
        return SYS_ELSEWHERE;
    ssize_t n = readv(fd, iov, count);
    return n < 0 ? -errno : n;
}

int64_t heald__plat_writev_now(int fd, const struct iovec *iov, int count)
{
    if (!heald__plat_nonblocking(fd))
        return SYS_ELSEWHERE;
    ssize_t n = writev(fd, iov, count);
    return n < 0 ? -errno : n;
}

bool heald__plat_pipes_nowait(void)
{
    return false;
}

/* POSIX does not tell the master of a pair from its terminal. */
int heald__plat_open_again(int fd)
{
    (void)fd;
    return -ENOSYS;
}
