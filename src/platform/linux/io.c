/*
 * platform/linux/io.c: reading and writing descriptors without ever waiting, whatever their flags
 * say, and without changing them: O_NONBLOCK belongs to the open file, which others may share.
 *
 * RWF_NOWAIT does it where the file supports it (pipes since Linux 6.4). What does not support it,
 * such as a terminal, has no form that cannot block: between a poll and the call another process
 * may take what was there, and a terminal that is writable blocks for what finds no room.
 */
#include "platform/linux/libc.h"
#include "platform/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

const unsigned heald__poll_rdhup = POLLRDHUP;

/* A file, or a kernel, that does not know RWF_NOWAIT says so. */
static int64_t result_of(ssize_t n)
{
    if (n >= 0)
        return n;
    return errno == EOPNOTSUPP || errno == ENOSYS ? SYS_ELSEWHERE : -errno;
}

int64_t heald__plat_readv_now(int fd, const struct iovec *iov, int count)
{
    return result_of(preadv2(fd, iov, count, -1, RWF_NOWAIT));
}

int64_t heald__plat_pread_now(int fd, void *buf, size_t len, int64_t offset)
{
    struct iovec iov = {buf, len};
    return result_of(preadv2(fd, &iov, 1, (off_t)offset, RWF_NOWAIT));
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
