/*
 * child/spawn.c: starting a program with its standard streams, by posix_spawn(3), or
 * bound.c. Thread-safe.
 *
 * Everything that heald opens is close-on-exec, so the child gets what it is meant to get and
 * nothing else.
 */
#include "child/child.h"

#include "platform/sys.h"

#include <heald/process.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

extern char **environ;

struct streams {
    int ours[3], theirs[3]; /* pipe ends; -1 where there is none */
};

static void close_all(int fds[3])
{
    for (int i = 0; i < 3; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static int open_pipes(const struct heald_spawn *spawn, struct streams *s)
{
    int ends[2];

    for (int i = 0; i < 3; i++) {
        if (spawn->stdio[i] != HEALD_STDIO_PIPE)
            continue;
        int err = heald__plat_pipe(ends);
        if (err)
            return err;
        s->ours[i] = ends[i == 0];
        s->theirs[i] = ends[i != 0];
        /* The child expects streams that wait. */
        int flags = fcntl(s->theirs[i], F_GETFL);
        if (flags < 0 || fcntl(s->theirs[i], F_SETFL, flags & ~O_NONBLOCK) < 0)
            return -errno;
    }
    return 0;
}

/*
 * The caller's descriptors may themselves be 0, 1 or 2 in another order, so each goes to a number
 * above first.
 */
static int lift(int fd, int *ret_copy)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (copy < 0)
        return -errno;
    *ret_copy = copy;
    return 0;
}

static int plan_streams(const struct heald_spawn *spawn, const struct streams *s, int lifted[3],
                        posix_spawn_file_actions_t *actions)
{
    int err = 0;

    for (int i = 0; i < 3 && !err; i++) {
        int want = spawn->stdio[i], from = s->theirs[i] >= 0 ? s->theirs[i] : want - 1;
        if (want == HEALD_STDIO_INHERIT)
            continue;
        if (want == HEALD_STDIO_NULL) {
            err = -posix_spawn_file_actions_addopen(actions, i, "/dev/null", O_RDWR, 0);
            continue;
        }
        err = lift(from, &lifted[i]);
        if (!err)
            err = -posix_spawn_file_actions_adddup2(actions, lifted[i], i);
    }
    if (!err && spawn->cwd)
        err = heald__plat_spawn_chdir(actions, spawn->cwd);
    return err;
}

void heald__child_fill_defaults(sigset_t *set, int keep_ignored)
{
    struct sigaction is;

    sigfillset(set);
    for (int signo = 1; keep_ignored && signo < NSIG; signo++)
        if (sigaction(signo, NULL, &is) == 0 && is.sa_handler == SIG_IGN)
            sigdelset(set, signo);
}

static int set_signals(posix_spawnattr_t *attr, int keep_ignored)
{
    sigset_t none, all;
    int err;

    sigemptyset(&none);
    heald__child_fill_defaults(&all, keep_ignored);
    if ((err = posix_spawnattr_setsigmask(attr, &none)) ||
        (err = posix_spawnattr_setsigdefault(attr, &all)) ||
        (err = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF)))
        return -err;
    return 0;
}

static int start(const struct heald_spawn *spawn, const int lifted[3],
                 const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attr,
                 pid_t *ret_pid)
{
    char *alone[] = {(char *)spawn->file, NULL};
    char *const *argv = spawn->argv ? spawn->argv : alone;
    char *const *envp = spawn->envp ? spawn->envp : environ;

    if (spawn->death_signal)
        return heald__child_start_bound(spawn, lifted, argv, envp, ret_pid);
    return -posix_spawnp(ret_pid, spawn->file, actions, attr, argv, envp);
}

int heald_spawn(const struct heald_spawn *spawn, struct heald_child *ret_child)
{
    struct streams s = {{-1, -1, -1}, {-1, -1, -1}};
    int lifted[3] = {-1, -1, -1};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    pid_t pid = -1;
    int err;

    if (!spawn->file || spawn->death_signal < 0 || spawn->death_signal >= NSIG)
        return -EINVAL;
    for (int i = 0; i < 3; i++)
        if (spawn->stdio[i] < HEALD_STDIO_PIPE)
            return -EINVAL;
    if ((err = posix_spawn_file_actions_init(&actions)))
        return -err;
    if ((err = posix_spawnattr_init(&attr))) {
        posix_spawn_file_actions_destroy(&actions);
        return -err;
    }
    err = open_pipes(spawn, &s);
    if (!err)
        err = plan_streams(spawn, &s, lifted, &actions);
    if (!err)
        err = set_signals(&attr, spawn->keep_ignored);
    if (!err)
        err = start(spawn, lifted, &actions, &attr, &pid);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    close_all(lifted);
    close_all(s.theirs);
    if (err) {
        close_all(s.ours);
        return err;
    }
    *ret_child = (struct heald_child){.pid = pid, .stdio = {s.ours[0], s.ours[1], s.ours[2]}};
    return 0;
}
