/*
 * child/spawn.c: starting a program with its standard streams, by posix_spawn(3), or fork.c.
 * Thread-safe.
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
#include <sys/socket.h>
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

static bool is_pair(int stdio)
{
    return stdio == HEALD_STDIO_PIPE || stdio == HEALD_STDIO_SOCKET;
}

static int open_pairs(const struct heald_spawn *spawn, struct streams *s)
{
    int ends[2];

    for (int i = 0; i < 3; i++) {
        if (!is_pair(spawn->stdio[i]))
            continue;
        int err = spawn->stdio[i] == HEALD_STDIO_PIPE ? heald__plat_pipe(ends)
                                                      : heald__plat_socketpair(SOCK_STREAM, ends);
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
static int lift(int fd, int above, int *ret_copy)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, above);
    if (copy < 0)
        return -errno;
    *ret_copy = copy;
    return 0;
}

/* HEALD_STDIO_SAME(): as which stream? */
static bool is_same(int stdio)
{
    return stdio <= HEALD_STDIO_SAME(0) && stdio >= HEALD_STDIO_SAME(2);
}

static int same_as(int stdio)
{
    return HEALD_STDIO_SAME(0) - stdio;
}

/* Only the other end of a pair is there to be the same as; all else can be said of both. */
static void resolve_same(struct heald_spawn *s)
{
    for (int i = 0; i < 3; i++) {
        int n = is_same(s->stdio[i]) ? same_as(s->stdio[i]) : i;
        if (n != i && !is_pair(s->stdio[n]))
            s->stdio[i] = s->stdio[n] == HEALD_STDIO_INHERIT ? HEALD_STDIO_FD(n) : s->stdio[n];
    }
}

/* The descriptor that becomes a stream; -1: none of the caller's. */
static int source_of(const struct heald_spawn *spawn, const struct streams *s, int i)
{
    i = is_same(spawn->stdio[i]) ? same_as(spawn->stdio[i]) : i;
    return s->theirs[i] >= 0 ? s->theirs[i] : spawn->stdio[i] > 0 ? spawn->stdio[i] - 1 : -1;
}

static int lift_all(const struct heald_spawn *spawn, const struct streams *s,
                    struct child_plan *plan)
{
    int err = 0;

    for (int i = 0; i < 3 && !err; i++) {
        int fd = source_of(spawn, s, i);
        err = fd >= 0 ? lift(fd, plan->above, &plan->streams[i]) : 0;
    }
    for (unsigned i = 0; i < spawn->fd_count && !err; i++)
        err = lift(spawn->fds[i].fd, plan->above, &plan->fds[i]);
    return err;
}

/* The same for posix_spawn(3). */
static int plan_actions(const struct child_plan *plan, posix_spawn_file_actions_t *actions)
{
    const struct heald_spawn *spawn = plan->spawn;
    int err = 0;

    for (int i = 0; i < 3 && !err; i++) {
        if (spawn->stdio[i] == HEALD_STDIO_NULL)
            err = -posix_spawn_file_actions_addopen(actions, i, "/dev/null", O_RDWR, 0);
        else if (plan->streams[i] >= 0)
            err = -posix_spawn_file_actions_adddup2(actions, plan->streams[i], i);
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

static int start_spawn(const struct child_plan *plan, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    int err = posix_spawn_file_actions_init(&actions);

    if (err)
        return -err;
    if ((err = posix_spawnattr_init(&attr))) {
        posix_spawn_file_actions_destroy(&actions);
        return -err;
    }
    err = plan_actions(plan, &actions);
    if (!err)
        err = set_signals(&attr, plan->spawn->keep_ignored);
    if (!err)
        err = -posix_spawnp(ret_pid, plan->spawn->file, &actions, &attr, plan->argv, plan->envp);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    return err;
}

static bool has_pty(const struct heald_spawn *s)
{
    for (int i = 0; i < 3; i++)
        if (s->stdio[i] == HEALD_STDIO_PTY)
            return true;
    return false;
}

static bool needs_fork(const struct heald_spawn *s)
{
    return s->death_signal || s->set & ~(unsigned)HEALD_SPAWN_HANDLE || s->fd_count ||
           s->limit_count || has_pty(s);
}

static bool are_fds_valid(const struct heald_spawn *s)
{
    if (s->fd_count > HEALD_SPAWN_FDS || (s->fd_count && !s->fds))
        return false;
    for (unsigned i = 0; i < s->fd_count; i++) {
        int number = s->fds[i].child_fd;
        if (s->fds[i].fd < 0 || number < 3 || number > HEALD_SPAWN_FD_MAX)
            return false;
        for (unsigned k = 0; k < i; k++)
            if (s->fds[k].child_fd == number)
                return false;
    }
    return true;
}

enum { SET_ALL = HEALD_SPAWN_HANDLE * 2 - 1, LIMITS_MAX = 64, GROUPS_MAX = 65536 };

static bool is_stream_valid(const struct heald_spawn *s, int i)
{
    int n = same_as(s->stdio[i]);

    if (is_same(s->stdio[i]))
        return n != i && !is_same(s->stdio[n]);
    return s->stdio[i] >= HEALD_STDIO_SOCKET;
}

static bool is_valid(const struct heald_spawn *s)
{
    if (!s->file || s->death_signal < 0 || s->death_signal >= NSIG)
        return false;
    for (int i = 0; i < 3; i++)
        if (!is_stream_valid(s, i))
            return false;
    if (s->set & ~(unsigned)SET_ALL || (s->cwd && s->set & HEALD_SPAWN_CWD_FD))
        return false;
    if (s->set & HEALD_SPAWN_GROUP && (s->group < 0 || s->set & HEALD_SPAWN_SESSION || has_pty(s)))
        return false;
    if (s->set & HEALD_SPAWN_NICE && (s->nice < -20 || s->nice > 19))
        return false;
    if (s->group_count > GROUPS_MAX || (s->group_count && !s->groups))
        return false;
    return s->limit_count <= LIMITS_MAX && (!s->limit_count || s->limits) && are_fds_valid(s);
}

/* The least number above those that the child gets. */
static int above_all(const struct heald_spawn *s)
{
    int above = 3;

    for (unsigned i = 0; i < s->fd_count; i++)
        if (s->fds[i].child_fd >= above)
            above = s->fds[i].child_fd + 1;
    return above;
}

static void close_plan(struct child_plan *plan)
{
    close_all(plan->streams);
    for (unsigned i = 0; i < plan->spawn->fd_count; i++)
        if (plan->fds[i] >= 0)
            close(plan->fds[i]);
    if (plan->terminal >= 0)
        close(plan->terminal);
}

static int open_terminal(const struct heald_spawn *spawn, struct child_plan *plan, int *ret_master)
{
    int low, err = heald__child_open_pty(spawn->rows, spawn->columns, ret_master, &low);

    if (err)
        return err;
    err = lift(low, plan->above, &plan->terminal);
    close(low);
    return err;
}

static int start(const struct heald_spawn *spawn, struct streams *s, struct child_plan *plan,
                 struct heald_child *child)
{
    int err = open_pairs(spawn, s);

    if (!err && has_pty(spawn))
        err = open_terminal(spawn, plan, &child->pty);
    if (!err)
        err = lift_all(spawn, s, plan);
    if (err)
        return err;
    return needs_fork(spawn) ? heald__child_start_fork(plan, &child->pid)
                             : start_spawn(plan, &child->pid);
}

static int spawn_resolved(const struct heald_spawn *spawn, struct heald_child *ret_child)
{
    struct streams s = {{-1, -1, -1}, {-1, -1, -1}};
    struct heald_child child = {.pid = -1, .pty = -1, .handle = -1};

    char *alone[] = {(char *)spawn->file, NULL};
    struct child_plan plan = {.spawn = spawn,
                              .argv = spawn->argv ? spawn->argv : alone,
                              .envp = spawn->envp ? spawn->envp : environ,
                              .streams = {-1, -1, -1},
                              .terminal = -1,
                              .above = above_all(spawn)};
    for (int i = 0; i < HEALD_SPAWN_FDS; i++)
        plan.fds[i] = -1;
    int err = start(spawn, &s, &plan, &child);
    close_plan(&plan);
    close_all(s.theirs);
    if (err) {
        close_all(s.ours);
        if (child.pty >= 0)
            close(child.pty);
        return err;
    }
    /* Where there are none, heald_child_kill() does without. */
    if (spawn->set & HEALD_SPAWN_HANDLE)
        child.handle = heald__plat_handle_open(child.pid);
    for (int i = 0; i < 3; i++)
        child.stdio[i] = s.ours[i];
    *ret_child = child;
    return 0;
}

int heald_spawn(const struct heald_spawn *spawn, struct heald_child *ret_child)
{
    struct heald_spawn resolved = *spawn;

    if (!is_valid(spawn))
        return -EINVAL;
    resolve_same(&resolved);
    return spawn_resolved(&resolved, ret_child);
}
