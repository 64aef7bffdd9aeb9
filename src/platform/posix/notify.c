/*
 * platform/posix/notify.c: doorbell and signals by pipes.
 *
 * Signals are blocked in the program's threads and taken by a thread of ours in sigwait(3), which
 * writes each to a pipe: no handler is installed, nothing is global. To change the set the thread
 * is cancelled (it holds nothing while it waits) and started again.
 */
#include "platform/sys.h"

#include <errno.h>
#include <unistd.h>

int heald_plat_bell_open(int ret_fds[2])
{
    return heald_plat_pipe(ret_fds);
}

int heald_plat_bell_ring(int fd)
{
    int saved = errno;
    ssize_t n = write(fd, "", 1);
    int err = n < 0 && errno != EAGAIN ? -errno : 0;

    errno = saved;
    return err;
}

int heald_plat_bell_drain(int fd)
{
    char buf[256];
    ssize_t n;

    while ((n = read(fd, buf, sizeof buf)) == sizeof buf)
        ;
    return n < 0 ? -errno : 0;
}

static int next_signal(const sigset_t *set, struct heald_siginfo *info)
{
#if defined(__APPLE__) || defined(__OpenBSD__)
    int signo;
    if (sigwait(set, &signo) != 0)
        return -1;
    *info = (struct heald_siginfo){.signo = signo};
#else
    siginfo_t si;
    if (sigwaitinfo(set, &si) < 0)
        return -1;
    *info = (struct heald_siginfo){.signo = si.si_signo,
                                   .code = si.si_code,
                                   .status = si.si_status,
                                   .pid = si.si_pid,
                                   .uid = si.si_uid,
                                   .value = (int64_t)(intptr_t)si.si_value.sival_ptr};
#endif
    return 0;
}

static void *take_signals(void *arg)
{
    struct heald_signal_source *src = arg;
    struct heald_siginfo info;

    for (;;) {
        if (next_signal(&src->set, &info) < 0)
            continue;
        /* Not cancelled between the kernel's giving it up and our passing it on. */
        int state;
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
        struct pollfd room = {.fd = src->write_fd, .events = POLLOUT};
        while (write(src->write_fd, &info, sizeof info) < 0 && (errno == EAGAIN || errno == EINTR))
            poll(&room, 1, -1);
        pthread_setcancelstate(state, NULL);
    }
    return NULL;
}

static void stop_thread(struct heald_signal_source *src)
{
    if (!src->running)
        return;
    pthread_cancel(src->thread);
    pthread_join(src->thread, NULL);
    src->running = false;
}

static int start_thread(struct heald_signal_source *src)
{
    sigset_t all, old;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int err = pthread_create(&src->thread, NULL, take_signals, src);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    src->running = !err;
    return -err;
}

static bool is_empty(const sigset_t *set)
{
    for (int s = 1; sigismember(set, s) >= 0; s++)
        if (sigismember(set, s))
            return false;
    return true;
}

int heald_plat_signals_open(struct heald_signal_source *src, const sigset_t *set)
{
    int fds[2];

    if (src->fd < 0) {
        int err = heald_plat_pipe(fds);
        if (err)
            return err;
        src->fd = fds[0];
        src->write_fd = fds[1];
        src->running = false;
    }
    stop_thread(src);
    src->set = *set;
    return is_empty(set) ? 0 : start_thread(src);
}

int heald_plat_signals_read(struct heald_signal_source *src, struct heald_siginfo *ret_info)
{
    /* A pipe takes and gives so few bytes in one piece. */
    struct heald_siginfo info;
    ssize_t n = read(src->fd, &info, sizeof info);

    if (n < 0)
        return -errno;
    if (n != sizeof info)
        return -EIO;
    *ret_info = info;
    return 0;
}

void heald_plat_signals_close(struct heald_signal_source *src)
{
    stop_thread(src);
    close(src->fd);
    close(src->write_fd);
    src->fd = -1;
}

#if defined(__APPLE__) || defined(__OpenBSD__)
const bool heald_can_queue_signals = false;

int heald_plat_signal_queue(int signo, void *value)
{
    (void)signo;
    (void)value;
    return -ENOSYS;
}
#else
const bool heald_can_queue_signals = true;

int heald_plat_signal_queue(int signo, void *value)
{
    /* si_code is SI_QUEUE: only Linux lets a program say SI_ASYNCIO. */
    return sigqueue(getpid(), signo, (union sigval){.sival_ptr = value}) < 0 ? -errno : 0;
}
#endif
