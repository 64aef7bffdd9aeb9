/*
 * child/bound.c: starting a program that gets a signal when the thread that started it ends, by
 * fork(2): the child has to ask the kernel for that itself, which posix_spawn(3) cannot have it do.
 * Thread-safe.
 *
 * The parent may have threads, so the child makes only calls that a signal handler may make, until
 * the program begins. What fails is written to a pipe that the program's start closes.
 *
 * The parent may have ended before the child asked: then its parent is another.
 */
#include "child/child.h"

#include "platform/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
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

static int set_streams(const struct heald_spawn *spawn, const int lifted[3])
{
    for (int i = 0; i < 3; i++) {
        int fd = lifted[i];
        if (spawn->stdio[i] == HEALD_STDIO_INHERIT)
            continue;
        if (spawn->stdio[i] == HEALD_STDIO_NULL)
            fd = open("/dev/null", O_RDWR);
        if (fd < 0 || (fd != i && dup2(fd, i) < 0))
            return -errno;
        if (spawn->stdio[i] == HEALD_STDIO_NULL && fd > 2)
            close(fd);
    }
    return spawn->cwd && chdir(spawn->cwd) < 0 ? -errno : 0;
}

/* In the child. Returns only what failed. */
static int become(const struct heald_spawn *spawn, const int lifted[3], char *const *argv,
                  char *const *envp, pid_t parent)
{
    int err = heald__plat_die_with_parent(spawn->death_signal);

    if (err)
        return err;
    reset_signals(spawn->keep_ignored);
    if (getppid() != parent)
        raise(spawn->death_signal);
    if ((err = set_streams(spawn, lifted)))
        return err;
    environ = (char **)(uintptr_t)envp;
    execvp(spawn->file, argv);
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

int heald__child_start_bound(const struct heald_spawn *spawn, const int lifted[3],
                             char *const *argv, char *const *envp, pid_t *ret_pid)
{
    pid_t parent = getpid();
    int ends[2], err = heald__plat_pipe(ends);

    if (err)
        return err;
    /* The reader is to wait. */
    int flags = fcntl(ends[0], F_GETFL);
    if (flags < 0 || fcntl(ends[0], F_SETFL, flags & ~O_NONBLOCK) < 0)
        err = -errno;
    pid_t pid = err ? -1 : fork();
    if (pid == 0) {
        err = become(spawn, lifted, argv, envp, parent);
        ssize_t n = write(ends[1], &err, sizeof err);
        _exit(n == (ssize_t)sizeof err ? 127 : 126);
    }
    if (pid < 0 && !err)
        err = -errno;
    close(ends[1]);
    if (!err && (err = hear(ends[0])))
        heald__plat_child_wait(pid);
    close(ends[0]);
    if (!err)
        *ret_pid = pid;
    return err;
}
