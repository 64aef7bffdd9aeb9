/*
 * platform/posix/io.c: reading and writing descriptors without waiting, by POSIX alone.
 *
 * There is no form of read(2) that cannot block but on a descriptor with O_NONBLOCK, which is read
 * each time. Another process that shares the open file may change it between that and the call:
 * nothing here can prevent that.
 */
#include "platform/sys.h"

#include <errno.h>
#include <sys/uio.h>

/* Not every system has POLLRDHUP, and none needs it for correctness. */
const unsigned heald__poll_rdhup = 0;

int64_t heald__plat_readv_now(int fd, const struct iovec *iov, int count)
{
    if (!heald__plat_nonblocking(fd))
        return SYS_ELSEWHERE;
    ssize_t n = readv(fd, iov, count);
    return n < 0 ? -errno : n;
}

/* The flag says nothing of a disk. */
int64_t heald__plat_pread_now(int fd, void *buf, size_t len, int64_t offset)
{
    (void)fd;
    (void)buf;
    (void)len;
    (void)offset;
    return SYS_ELSEWHERE;
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

/* POSIX does not distinguish the master of a pair from its terminal. */
int heald__plat_open_again(int fd)
{
    (void)fd;
    return -ENOSYS;
}
