/*
 * platform/linux/io.c: reading and writing descriptors without ever waiting, whatever their flags
 * say, and without changing them: O_NONBLOCK belongs to the open file, which others may share.
 *
 * RWF_NOWAIT does it where the file knows it (pipes since Linux 6.4). What does not know it, such
 * as a terminal, has no form that cannot block: between a poll and the call somebody else may take
 * what was there, and a terminal that is writable blocks for what finds no room.
 */
#include "platform/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

const unsigned heald__poll_rdhup = POLLRDHUP;

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

/* A file that does not know RWF_NOWAIT says so. */
static int64_t result_of(ssize_t n)
{
    if (n >= 0)
        return n;
    return errno == EOPNOTSUPP ? SYS_ELSEWHERE : -errno;
}

int64_t heald__plat_readv_now(int fd, const struct iovec *iov, int count)
{
    return result_of(preadv2(fd, iov, count, -1, RWF_NOWAIT));
}

int64_t heald__plat_writev_now(int fd, const struct iovec *iov, int count)
{
    return result_of(pwritev2(fd, iov, count, -1, RWF_NOWAIT));
}

bool heald__plat_pipes_nowait(void)
{
    char byte;
    struct iovec iov = {&byte, 1};
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return false;
    bool knows = heald__plat_readv_now(ends[0], &iov, 1) == -EAGAIN;
    close(ends[0]);
    close(ends[1]);
    return knows;
}

/* By its name; of the master of a pair that would be another pair. */
int heald__plat_open_again(int fd)
{
    char name[TTY_NAME_MAX];
    struct stat mine, found;
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || !isatty(fd) || ptsname_r(fd, name, sizeof name) == 0 ||
        ttyname_r(fd, name, sizeof name) != 0)
        return -ENOTTY;
    int again = open(name, (flags & O_ACCMODE) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (again < 0)
        return -errno;
    bool same = fstat(fd, &mine) == 0 && fstat(again, &found) == 0 && mine.st_rdev == found.st_rdev;
    int above = same ? heald__plat_duplicate(again) : -ENOTTY;
    close(again);
    return above;
}
