/* platform/linux/notify.c: what is not a descriptor elsewhere, as a descriptor: doorbell, clock,
 * signals. */
#include "platform/attr.h"
#include "platform/sys.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

int heald__plat_bell_open(int ret_fds[2])
{
    int fd = heald__plat_own(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (fd < 0)
        return fd;
    ret_fds[0] = ret_fds[1] = fd;
    return 0;
}

int heald__plat_alarm_open(enum heald_clock clock)
{
    int id = clock == HEALD_CLOCK_BOOT ? CLOCK_BOOTTIME : CLOCK_MONOTONIC;
    return heald__plat_own(timerfd_create(id, TFD_CLOEXEC | TFD_NONBLOCK));
}

int heald__plat_alarm_set(int fd, int64_t when_ns)
{
    struct itimerspec its = {.it_value = sys_timespec(when_ns)};
    return timerfd_settime(fd, TFD_TIMER_ABSTIME, &its, NULL) < 0 ? -errno : 0;
}

int heald__plat_alarm_drain(int fd)
{
    return heald__plat_bell_drain(fd);
}

int heald__plat_signals_open(struct heald_signal_source *src, const sigset_t *set)
{
    int fd = heald__plat_own(signalfd(src->fd, set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (fd < 0)
        return fd;
    src->fd = fd;
    return 0;
}

int heald__plat_signals_read(struct heald_signal_source *src, struct heald_siginfo *ret_info)
{
    struct signalfd_siginfo si;
    ssize_t n = read(src->fd, &si, sizeof si);

    if (n < 0)
        return -errno;
    if (n != sizeof si)
        return -EIO;
    /* ssi_ptr is the whole union; qemu-user has nothing in ssi_int of a big-endian machine. */
    union sigval value = {.sival_ptr = (void *)(uintptr_t)si.ssi_ptr};
    *ret_info = (struct heald_siginfo){
        .signo = (int)si.ssi_signo,
        .code = si.ssi_code,
        .status = si.ssi_status,
        .pid = (pid_t)si.ssi_pid,
        .uid = si.ssi_uid,
        .value_int = value.sival_int,
        .value_ptr = value.sival_ptr,
    };
    return 0;
}

void heald__plat_signals_close(struct heald_signal_source *src)
{
    close(src->fd);
    src->fd = -1;
}

const bool heald__can_queue_signals = true;

static siginfo_t asyncio_info(int signo, void *value)
{
    siginfo_t si;

    memset(&si, 0, sizeof si);
    si.si_signo = signo;
    si.si_code = SI_ASYNCIO;
    si.si_pid = getpid();
    si.si_uid = getuid();
    si.si_value.sival_ptr = value;
    return si;
}

int heald__plat_signal_queue(int signo, void *value)
{
    siginfo_t si = asyncio_info(signo, value);
    return syscall(SYS_rt_sigqueueinfo, si.si_pid, signo, &si) < 0 ? -errno : 0;
}

int heald__plat_signal_thread(pid_t thread, int signo, void *value)
{
    siginfo_t si = asyncio_info(signo, value);
    return syscall(SYS_rt_tgsigqueueinfo, si.si_pid, thread, signo, &si) < 0 ? -errno : 0;
}
