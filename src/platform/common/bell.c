/*
 * platform/common/bell.c: a bell is an eventfd, or a pipe: both take the 8 bytes that an eventfd
 * asks for, and one that is full rings all the same.
 */
#include "platform/sys.h"

#include <errno.h>
#include <unistd.h>

/* Signal handlers ring. */
int heald__plat_bell_ring(int fd)
{
    uint64_t one = 1;
    int saved = errno;
    ssize_t n = write(fd, &one, sizeof one);
    int err = n < 0 && errno != EAGAIN ? -errno : 0;

    errno = saved;
    return err;
}

/* An eventfd, or a timerfd, is empty after one read. */
int heald__plat_bell_drain(int fd)
{
    char buf[256];
    ssize_t n;

    while ((n = read(fd, buf, sizeof buf)) == sizeof buf)
        continue;
    return n < 0 ? -errno : 0;
}
