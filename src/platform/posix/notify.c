/*
 * platform/posix/notify.c: doorbell and signals by pipes.
 *
 * Signals are blocked in the program's threads and taken by a thread of ours in sigwait(3), which
 * writes each to a pipe: no handler is installed, nothing is global. To change the set the thread
 * is stopped and started again. It is not cancelled, for a cancel can come when the kernel has
 * given it a signal and the call has not returned, and then the signal is lost. It is sent one of
 * the signals that it waits for, by pthread_kill(3); only the same signal that the process sends
 * itself by kill(2) at that very moment can be taken for it.
 */
#include "platform/sys.h"

#include <errno.h>
#include <unistd.h>

int heald__plat_bell_open(int ret_fds[2])
{
    return heald__plat_own_pipe(ret_fds);
}

/* In a siginfo_t the value shares its place with what SIGCHLD says. */
static bool has_value(int code)
{
    return code == SI_QUEUE || code == SI_TIMER || code == SI_ASYNCIO || code == SI_MESGQ;
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
    *info = (struct heald_siginfo){
        .signo = si.si_signo, .code = si.si_code, .pid = si.si_pid, .uid = si.si_uid};
    if (has_value(si.si_code)) {
        info->value_int = si.si_value.sival_int;
        info->value_ptr = si.si_value.sival_ptr;
    } else if (si.si_signo == SIGCHLD && si.si_code != SI_USER) {
        info->status = si.si_status;
    }
#endif
    return 0;
}

/* Is it the one of stop_thread()? Its code is SI_USER, SI_TKILL or SI_LWP, as the system likes. */
static bool is_stop(struct heald_signal_source *src, const struct heald_siginfo *info)
{
    /* Acquire: pairs with the release in stop_thread(). */
    if (__atomic_load_n(&src->stop, __ATOMIC_ACQUIRE) != info->signo)
        return false;
    return info->code != SI_QUEUE && (!info->pid || info->pid == getpid());
}

static void *take_signals(void *arg)
{
    struct heald_signal_source *src = arg;
    struct heald_siginfo info;

    for (;;) {
        if (next_signal(&src->set, &info) < 0)
            continue;
        if (is_stop(src, &info))
            return NULL;
        struct pollfd room = {.fd = src->write_fd, .events = POLLOUT};
        while (write(src->write_fd, &info, sizeof info) < 0 && (errno == EAGAIN || errno == EINTR))
            poll(&room, 1, -1);
    }
}

/* Of a number that is no signal sigismember() says -1 (glibc) or 0 (musl): only 1 is a yes. */
static int first_of(const sigset_t *set)
{
    for (int s = 1; s < NSIG; s++)
        if (sigismember(set, s) == 1)
            return s;
    return 0;
}

/* Its set is not empty, or there would be no thread. Signals that it takes before ours are passed
 * on. */
static void stop_thread(struct heald_signal_source *src)
{
    int signo = src->running ? first_of(&src->set) : 0;

    if (!signo)
        return;
    __atomic_store_n(&src->stop, signo, __ATOMIC_RELEASE);
    pthread_kill(src->thread, signo);
    pthread_join(src->thread, NULL);
    src->stop = 0;
    src->running = false;
}

static int start_thread(struct heald_signal_source *src)
{
    int err = heald__plat_thread_start(&src->thread, take_signals, src);

    src->running = !err;
    return err;
}

int heald__plat_signals_open(struct heald_signal_source *src, const sigset_t *set)
{
    int fds[2];

    if (src->fd < 0) {
        int err = heald__plat_own_pipe(fds);
        if (err)
            return err;
        src->fd = fds[0];
        src->write_fd = fds[1];
        src->running = false;
    }
    stop_thread(src);
    src->set = *set;
    return first_of(set) ? start_thread(src) : 0;
}

int heald__plat_signals_read(struct heald_signal_source *src, struct heald_siginfo *ret_info)
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

void heald__plat_signals_close(struct heald_signal_source *src)
{
    stop_thread(src);
    close(src->fd);
    close(src->write_fd);
    src->fd = -1;
}

#if defined(__APPLE__) || defined(__OpenBSD__)
const bool heald__can_queue_signals = false;

int heald__plat_signal_queue(int signo, void *value)
{
    (void)signo;
    (void)value;
    return -ENOSYS;
}

int heald__plat_process_queue(pid_t pid, int signo, void *value)
{
    (void)pid;
    (void)signo;
    (void)value;
    return -ENOSYS;
}
#else
const bool heald__can_queue_signals = true;

int heald__plat_process_queue(pid_t pid, int signo, void *value)
{
    return sigqueue(pid, signo, (union sigval){.sival_ptr = value}) < 0 ? -errno : 0;
}

int heald__plat_signal_queue(int signo, void *value)
{
    /* si_code is SI_QUEUE: only Linux lets a program say SI_ASYNCIO. */
    return sigqueue(getpid(), signo, (union sigval){.sival_ptr = value}) < 0 ? -errno : 0;
}
#endif
