/*
 * child/fork.c: starting a program that needs what posix_spawn(3) cannot do, by fork(2): to get a
 * signal when the thread that started it ends, to be another user, to lead a session.
 * Thread-safe.
 *
 * The parent may have threads, so the child makes only calls that a signal handler may make, until
 * the program begins. What fails is written to a pipe that the program's start closes.
 *
 * The parent may have ended before the child asked for its signal: then its parent is another. A
 * change of the user clears the wish, so it is asked for again.
 */
#include "child/child.h"

#include "platform/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static void reset_signals(int keep_ignored)
{
    const struct sigaction is = {.sa_handler = SIG_DFL};
    sigset_t set;

    heald__child_fill_defaults(&set, keep_ignored);
    for (int signo = 1; signo < NSIG; signo++)
        if (sigismember(&set, signo) == 1)
            sigaction(signo, &is, NULL);
    sigemptyset(&set);
    sigprocmask(SIG_SETMASK, &set, NULL);
}

static int set_stream(const struct child_plan *plan, int i)
{
    int fd = plan->streams[i], want = plan->spawn->stdio[i];

    if (want == HEALD_STDIO_INHERIT)
        return 0;
    if (want == HEALD_STDIO_PTY)
        fd = plan->terminal;
    if (want == HEALD_STDIO_NULL)
        fd = open("/dev/null", O_RDWR);
    if (fd < 0 || (fd != i && dup2(fd, i) < 0))
        return -errno;
    if (want == HEALD_STDIO_NULL && fd > 2)
        close(fd);
    return 0;
}

static int set_descriptors(const struct child_plan *plan)
{
    int err = 0;

    for (int i = 0; i < 3 && !err; i++)
        err = set_stream(plan, i);
    for (unsigned i = 0; i < plan->spawn->fd_count && !err; i++)
        if (dup2(plan->fds[i], plan->spawn->fds[i].child_fd) < 0)
            err = -errno;
    return err;
}

static int set_session(const struct child_plan *plan)
{
    const struct heald_spawn *s = plan->spawn;

    if ((s->set & HEALD_SPAWN_SESSION || plan->terminal >= 0) && setsid() < 0)
        return -errno;
    if (plan->terminal >= 0 && ioctl(plan->terminal, TIOCSCTTY, 0) < 0)
        return -errno;
    if (s->set & HEALD_SPAWN_GROUP && setpgid(0, s->group) < 0)
        return -errno;
    return 0;
}

static int set_limits(const struct heald_spawn *s)
{
    for (unsigned i = 0; i < s->limit_count; i++)
        if (setrlimit(s->limits[i].resource, &s->limits[i].limit) < 0)
            return -errno;
    return 0;
}

static int set_user(const struct heald_spawn *s)
{
    if (!(s->set & HEALD_SPAWN_USER))
        return 0;
    if (setgroups(s->group_count, s->groups) < 0 || setgid(s->gid) < 0 || setuid(s->uid) < 0)
        return -errno;
    return s->death_signal ? heald__plat_die_with_parent(s->death_signal) : 0;
}

static int set_rest(const struct heald_spawn *s)
{
    if (s->set & HEALD_SPAWN_UMASK)
        umask(s->umask);
    if (s->set & HEALD_SPAWN_NICE && setpriority(PRIO_PROCESS, 0, s->nice) < 0)
        return -errno;
    int err = set_user(s);
    if (err)
        return err;
    if (s->set & HEALD_SPAWN_CWD_FD && fchdir(s->cwd_fd) < 0)
        return -errno;
    return s->cwd && chdir(s->cwd) < 0 ? -errno : 0;
}

/* In the child. Returns only what failed. */
static int become(const struct child_plan *plan, pid_t parent)
{
    const struct heald_spawn *s = plan->spawn;
    int err = s->death_signal ? heald__plat_die_with_parent(s->death_signal) : 0;

    if (err)
        return err;
    reset_signals(s->keep_ignored);
    if ((err = set_session(plan)) || (err = set_limits(s)) || (err = set_descriptors(plan)) ||
        (err = set_rest(s)))
        return err;
    if (s->death_signal && getppid() != parent)
        raise(s->death_signal);
    environ = (char **)(uintptr_t)plan->envp;
    execvp(s->file, plan->argv);
    return -errno;
}

/* What the child says: 0: its program has begun. */
static int hear(int fd)
{
    int err = 0;
    ssize_t n;

    do
        n = read(fd, &err, sizeof err);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof err ? err : 0;
}

/* A pipe of which the reader waits, and the writer is above the child's descriptors. */
static int open_report(int above, int ret_ends[2])
{
    int err = heald__plat_pipe(ret_ends);

    if (err)
        return err;
    int flags = fcntl(ret_ends[0], F_GETFL), high = fcntl(ret_ends[1], F_DUPFD_CLOEXEC, above);
    if (flags < 0 || high < 0 || fcntl(ret_ends[0], F_SETFL, flags & ~O_NONBLOCK) < 0)
        err = -errno;
    close(ret_ends[1]);
    ret_ends[1] = high;
    if (err) {
        close(ret_ends[0]);
        if (high >= 0)
            close(high);
    }
    return err;
}

int heald__child_start_fork(const struct child_plan *plan, pid_t *ret_pid)
{
    pid_t parent = getpid();
    int ends[2], err = open_report(plan->above, ends);

    if (err)
        return err;
    pid_t pid = fork();
    if (pid == 0) {
        err = become(plan, parent);
        ssize_t n = write(ends[1], &err, sizeof err);
        _exit(n == (ssize_t)sizeof err ? 127 : 126);
    }
    if (pid < 0)
        err = -errno;
    close(ends[1]);
    if (!err && (err = hear(ends[0])))
        heald__plat_child_wait(pid);
    close(ends[0]);
    if (!err)
        *ret_pid = pid;
    return err;
}
