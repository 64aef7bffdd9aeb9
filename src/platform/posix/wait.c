/* platform/posix/wait.c: poll(2) and the clocks, by POSIX alone. */
#include "platform/sys.h"

#include <errno.h>
#include <time.h>

int64_t heald__plat_now(enum heald_clock clock)
{
    struct timespec ts;

    if (clock != HEALD_CLOCK_MONOTONIC)
        return -ENOSYS;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return sys_nanoseconds(&ts);
}

int64_t heald__plat_now_coarse(void)
{
    return 0;
}

int heald__plat_poll(struct pollfd *fds, unsigned count, int64_t timeout_ns)
{
    int n = poll(fds, count, sys_milliseconds(timeout_ns));
    return n < 0 ? -errno : n;
}

int heald__plat_queue_open(void)
{
    return -ENOSYS;
}

int heald__plat_epoll_ctl(int epfd, int how, int fd, void *event)
{
    (void)epfd;
    (void)how;
    (void)fd;
    (void)event;
    return -ENOSYS;
}

int heald__plat_epoll_wait(int epfd, void *events, int count, int64_t timeout_ns)
{
    (void)epfd;
    (void)events;
    (void)count;
    (void)timeout_ns;
    return -ENOSYS;
}

int heald__plat_mirror_open(void)
{
    return -ENOSYS;
}

int heald__plat_mirror_set(int mirror, int fd, unsigned old_events, unsigned events)
{
    (void)mirror;
    (void)fd;
    (void)old_events;
    (void)events;
    return -ENOSYS;
}

int heald__plat_mirror_get(int mirror, struct pollfd *ret, unsigned max)
{
    (void)mirror;
    (void)ret;
    (void)max;
    return -ENOSYS;
}

int heald__plat_alarm_open(enum heald_clock clock)
{
    (void)clock;
    return -ENOSYS;
}

int heald__plat_alarm_set(int fd, int64_t when_ns)
{
    (void)fd;
    (void)when_ns;
    return -ENOSYS;
}

int heald__plat_alarm_drain(int fd)
{
    (void)fd;
    return -ENOSYS;
}
