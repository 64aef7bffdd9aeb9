/* platform/linux/wait.c: the ways to wait for many descriptors, and the clocks. */
#include "platform/sys.h"

#include "base/attr.h"

#include <errno.h>
#include <linux/time_types.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { MIRROR_BATCH = 64 };

int64_t heald__plat_now(enum heald_clock clock)
{
    struct timespec ts;
    clock_gettime(clock == HEALD_CLOCK_BOOT ? CLOCK_BOOTTIME : CLOCK_MONOTONIC, &ts);
    return sys_nanoseconds(&ts);
}

int64_t heald__plat_now_coarse(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
    return sys_nanoseconds(&ts);
}

int heald__plat_poll(struct pollfd *fds, unsigned count, int64_t timeout_ns)
{
    struct timespec ts = sys_timespec(timeout_ns);
    int n = ppoll(fds, count, timeout_ns < 0 ? NULL : &ts, NULL);
    return n < 0 ? -errno : n;
}

int heald__plat_queue_open(void)
{
    return heald__plat_own(epoll_create1(EPOLL_CLOEXEC));
}

int heald__plat_epoll_ctl(int epfd, int how, int fd, void *event)
{
    return epoll_ctl(epfd, how, fd, event) < 0 ? -errno : 0;
}

HEALD_SEPARATE static int wait_for(int epfd, void *events, int count, int64_t timeout_ns)
{
    /* The kernel's struct: the C library's may have 32-bit seconds, but this call has none such. */
    struct __kernel_timespec ts = {.tv_sec = timeout_ns / HEALD_SEC,
                                   .tv_nsec = timeout_ns % HEALD_SEC};
    int n = (int)syscall(SYS_epoll_pwait2, epfd, events, count, &ts, NULL, 0);
    /* Before 5.11 there is no epoll_pwait2, and some containers forbid it as unknown. */
    if (n < 0 && (errno == ENOSYS || errno == EPERM))
        n = epoll_wait(epfd, events, count, sys_milliseconds(timeout_ns));
    return n < 0 ? -errno : n;
}

int heald__plat_epoll_wait(int epfd, void *events, int count, int64_t timeout_ns)
{
    if (timeout_ns > 0)
        return wait_for(epfd, events, count, timeout_ns);
    int n = epoll_wait(epfd, events, count, timeout_ns < 0 ? -1 : 0);
    return n < 0 ? -errno : n;
}

int heald__plat_mirror_open(void)
{
    return heald__plat_queue_open();
}

int heald__plat_mirror_set(int mirror, int fd, unsigned old_events, unsigned events)
{
    struct epoll_event ev = {.events = events, .data.fd = fd};
    int how = !old_events ? EPOLL_CTL_ADD : events ? EPOLL_CTL_MOD : EPOLL_CTL_DEL;
    return heald__plat_epoll_ctl(mirror, how, fd, &ev);
}

int heald__plat_mirror_get(int mirror, struct pollfd *ret, unsigned max)
{
    struct epoll_event events[MIRROR_BATCH];
    int n = epoll_wait(mirror, events, (int)(max < MIRROR_BATCH ? max : MIRROR_BATCH), 0);

    for (int i = 0; i < n; i++)
        ret[i] = (struct pollfd){.fd = events[i].data.fd, .revents = (short)events[i].events};
    return n < 0 ? -errno : n;
}
