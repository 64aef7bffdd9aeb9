/* test/conformance/spawn.c: starting programs: their streams, directory, signals; nothing leaks. */
#include "conformance/conformance.h"

#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>

/* valgrind forks where posix_spawn(3) shares memory with the child, which so cannot report. */
static void skip_where_spawn_tells_no_error(void)
{
    char *argv[] = {(char *)"sh", NULL};
    pid_t pid;

    if (posix_spawn(&pid, "/nowhere/at/all", NULL, NULL, argv, argv) == 0) {
        waitpid(pid, NULL, 0);
        harness_skip("posix_spawn(3) does not tell that there is no such program");
    }
}

/* Runs a line of shell to its end, and returns what it wrote to its output. */
static int run_shell(struct heald_spawn *s, const char *line, char *ret_text, size_t size)
{
    char *argv[] = {(char *)"sh", (char *)"-c", (char *)line, NULL};
    struct heald_child child;
    int status;
    size_t have = 0;
    ssize_t n;

    s->file = "sh";
    s->argv = argv;
    s->stdio[1] = HEALD_STDIO_PIPE;
    int err = heald_spawn(s, &child);
    s->argv = NULL; /* argv does not outlive this function */
    ck_assert_int_eq(err, 0);
    ck_assert_int_eq(child.stdio[0], -1);
    ck_assert_int_eq(child.stdio[2], -1);
    ck_assert_int_ne(fcntl(child.stdio[1], F_GETFL) & O_NONBLOCK, 0);
    ck_assert_int_ne(fcntl(child.stdio[1], F_GETFD) & FD_CLOEXEC, 0);
    set_blocking(child.stdio[1], true);
    while ((n = read(child.stdio[1], ret_text + have, size - 1 - have)) > 0)
        have += (size_t)n;
    ret_text[have] = 0;
    close(child.stdio[1]);
    ck_assert_int_eq(waitpid(child.pid, &status, 0), child.pid);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

HEALD_CASE(output_and_status)
{
    struct heald_spawn s = {0};
    char text[64];

    ck_assert_int_eq(run_shell(&s, "echo hello; exit 3", text, sizeof text), 3);
    ck_assert_str_eq(text, "hello\n");
}

/* A child that starts another, with a death signal, says its number, and ends. */
static pid_t start_and_end(int death_signal)
{
    int ends[2];
    pid_t pid = 0;

    ck_assert_int_eq(pipe(ends), 0);
    pid_t middle = fork();
    if (middle == 0) {
        char *argv[] = {(char *)"sleep", (char *)"1000", NULL};
        struct heald_spawn s = {.file = "sleep", .argv = argv, .death_signal = death_signal};
        struct heald_child child;
        int err = heald_spawn(&s, &child);
        pid_t number = err ? err : child.pid;
        ssize_t n = write(ends[1], &number, sizeof number);
        _exit(n != (ssize_t)sizeof number);
    }
    close(ends[1]);
    ck_assert_int_eq(read(ends[0], &pid, sizeof pid), sizeof pid);
    close(ends[0]);
    waitpid(middle, NULL, 0);
    return pid;
}

/* Not a zombie, which waits for its new parent. */
static bool is_running(pid_t pid)
{
    char path[64], line[256] = "";

    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    FILE *f = fopen(path, "re");
    bool is_there = f && fgets(line, sizeof line, f);
    if (f)
        fclose(f);
    return is_there && !strstr(line, ") Z ");
}

HEALD_CASE(ends_with_who_started_it)
{
    struct heald_spawn s = {.death_signal = SIGKILL, .cwd = "/"};
    struct heald_child child;
    char text[64];

    pid_t pid = start_and_end(SIGKILL);
    if (pid == -ENOSYS)
        harness_skip("the system has no signal at the end of a parent");
    ck_assert_int_gt(pid, 0);
    for (int i = 0; i < 500 && is_running(pid); i++)
        usleep(10000);
    ck_assert(!is_running(pid));
    pid = start_and_end(0);
    ck_assert(is_running(pid));
    kill(pid, SIGKILL);
    /* All else is the same. */
    ck_assert_int_eq(run_shell(&s, "pwd; exit 3", text, sizeof text), 3);
    ck_assert_str_eq(text, "/\n");
    s.cwd = "/nowhere/at/all";
    s.file = "true";
    s.stdio[1] = HEALD_STDIO_NULL;
    ck_assert_int_eq(heald_spawn(&s, &child), -ENOENT);
    s.cwd = NULL;
    s.file = "/nowhere/at/all";
    ck_assert_int_eq(heald_spawn(&s, &child), -ENOENT);
    s.death_signal = -1;
    ck_assert_int_eq(heald_spawn(&s, &child), -EINVAL);
}

HEALD_CASE(environment_and_dir)
{
    skip_on_portable("posix_spawn changes no directory");
    char *envp[] = {(char *)"WORD=heald", (char *)"PATH=/usr/bin:/bin", NULL};
    struct heald_spawn s = {.envp = envp, .cwd = "/"};
    char text[64];

    ck_assert_int_eq(run_shell(&s, "echo $WORD $PWD$HOME; pwd", text, sizeof text), 0);
    ck_assert_str_eq(text, "heald /\n/\n");
}

HEALD_CASE(no_such_dir)
{
    skip_on_portable("posix_spawn changes no directory");
    skip_where_spawn_tells_no_error();
    struct heald_spawn s = {.file = "true", .cwd = "/nowhere/at/all"};
    struct heald_child child = {.pid = -7};

    ck_assert_int_eq(heald_spawn(&s, &child), -ENOENT);
    ck_assert_int_eq(child.pid, -7);
}

HEALD_CASE(no_such_program)
{
    skip_where_spawn_tells_no_error();
    struct heald_spawn s = {.file = "no-such-program-here",
                            .stdio = {HEALD_STDIO_PIPE, HEALD_STDIO_PIPE, HEALD_STDIO_PIPE}};
    struct heald_child child;

    ck_assert_int_eq(heald_spawn(&s, &child), -ENOENT);
    s.file = "/nowhere/at/all";
    ck_assert_int_eq(heald_spawn(&s, &child), -ENOENT);
    s.file = "/etc/passwd";
    ck_assert_int_eq(heald_spawn(&s, &child), -EACCES);
    s.file = NULL;
    ck_assert_int_eq(heald_spawn(&s, &child), -EINVAL);
    s.file = "true";
    s.stdio[0] = HEALD_STDIO_SOCKET - 1;
    ck_assert_int_eq(heald_spawn(&s, &child), -EINVAL);
    s.stdio[0] = HEALD_STDIO_FD(100000);
    ck_assert_int_eq(heald_spawn(&s, &child), -EBADF);
}

HEALD_CASE(streams_from_descriptors_and_null)
{
    struct heald_spawn s = {.stdio = {HEALD_STDIO_NULL, HEALD_STDIO_PIPE, HEALD_STDIO_NULL}};
    char text[64];
    int fds[2];

    ck_assert_int_eq(run_shell(&s, "cat; echo end", text, sizeof text), 0);
    ck_assert_str_eq(text, "end\n");
    ck_assert_int_eq(heald_pipe(fds), 0);
    set_blocking(fds[0], true);
    ck_assert_int_eq(write(fds[1], "fed\n", 4), 4);
    close(fds[1]);
    s.stdio[0] = HEALD_STDIO_FD(fds[0]);
    ck_assert_int_eq(run_shell(&s, "cat", text, sizeof text), 0);
    ck_assert_str_eq(text, "fed\n");
    close(fds[0]);
}

/* The child's standard streams may be the caller's, in another order. */
HEALD_CASE(streams_that_change_places)
{
    struct heald_spawn s = {.stdio = {0, HEALD_STDIO_PIPE, HEALD_STDIO_NULL}};
    int out[2], err[2], keep[3];
    char text[64];

    for (int i = 0; i < 3; i++)
        keep[i] = fcntl(i, F_DUPFD_CLOEXEC, 10);
    ck_assert_int_eq(heald_pipe(out), 0);
    ck_assert_int_eq(heald_pipe(err), 0);
    dup2(out[1], 1);
    dup2(err[1], 2);
    char *argv[] = {(char *)"sh", (char *)"-c", (char *)"echo one; echo two >&2", NULL};
    s.file = "sh";
    s.argv = argv;
    s.stdio[1] = HEALD_STDIO_FD(2);
    s.stdio[2] = HEALD_STDIO_FD(1);
    struct heald_child child;
    int started = heald_spawn(&s, &child), status = -1;
    dup2(keep[1], 1);
    dup2(keep[2], 2);
    ck_assert_int_eq(started, 0);
    ck_assert_int_eq(waitpid(child.pid, &status, 0), child.pid);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(read(out[0], text, sizeof text), 4);
    ck_assert_mem_eq(text, "two\n", 4);
    ck_assert_int_eq(read(err[0], text, sizeof text), 4);
    ck_assert_mem_eq(text, "one\n", 4);
    for (int i = 0; i < 2; i++) {
        close(out[i]);
        close(err[i]);
    }
    for (int i = 0; i < 3; i++)
        close(keep[i]);
}

/* What the caller has open, blocked or ignored is not the child's. */
HEALD_CASE(nothing_is_inherited)
{
    struct heald_spawn s = {0};
    unsigned long long blocked, ignored;
    char text[256];
    sigset_t all;
    int fds[2];

    ck_assert_int_eq(heald_pipe(fds), 0);
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    signal(SIGUSR1, SIG_IGN);
    ck_assert_int_eq(run_shell(&s, "grep Sig[BI] /proc/self/status", text, sizeof text), 0);
    ck_assert_int_eq(sscanf(text, "SigBlk: %llx SigIgn: %llx", &blocked, &ignored), 2);
    /* The numbers above are the C library's own, and may be ignored from the start. */
    ck_assert_uint_eq((blocked | ignored) & ((1ull << (SIGSYS - 1)) - 1), 0);
    ck_assert_int_eq(run_shell(&s, "ls -l /proc/self/fd | grep -c pipe:", text, 256), 0);
    ck_assert_int_le(atoi(text), 4);
    close(fds[0]);
    close(fds[1]);
}

/* Through a loop: written to, read from, and awaited. */
HEALD_CASE(a_conversation_in_a_loop)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_spawn s = {.file = "cat",
                            .stdio = {HEALD_STDIO_PIPE, HEALD_STDIO_PIPE, HEALD_STDIO_INHERIT}};
    struct heald_child_status st;
    struct heald_child child;
    struct probe p = {0};
    char buf[8];

    ck_assert_int_eq(heald_spawn(&s, &child), 0);
    heald_prep_child(&p.op, child.pid, &st);
    probe_start(loop, &p);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(op_write(loop, child.stdio[0], "echo", 4, HEALD_NO_OFFSET), 4);
        ck_assert_int_eq(op_read(loop, child.stdio[1], buf, 8, HEALD_NO_OFFSET), 4);
    }
    ck_assert_int_eq(heald_close(loop, child.stdio[0]), 0);
    ck_assert_int_eq(op_read(loop, child.stdio[1], buf, 8, HEALD_NO_OFFSET), 0);
    ck_assert_int_eq(probe_end(&p), 0);
    ck_assert(WIFEXITED(st.status) && WEXITSTATUS(st.status) == 0);
    ck_assert_int_eq(heald_close(loop, child.stdio[1]), 0);
    loop_end(loop);
}

HEALD_CASE(what_the_shell_sees)
{
    struct heald_spawn s = {
        .set = HEALD_SPAWN_SESSION | HEALD_SPAWN_UMASK | HEALD_SPAWN_NICE, .umask = 027, .nice = 5};
    char text[256];
    const struct heald_spawn_limit limit = {RLIMIT_NOFILE, {123, 123}};

    s.limits = &limit;
    s.limit_count = 1;
    ck_assert_int_eq(run_shell(&s, "umask; nice; ulimit -n; ps -o sid= -p $$ | tr -d ' '; echo $$",
                               text, sizeof text),
                     0);
    unsigned mask;
    int nice_value, files, sid, pid;
    ck_assert_int_eq(sscanf(text, "%o %d %d %d %d", &mask, &nice_value, &files, &sid, &pid), 5);
    ck_assert_uint_eq(mask, 027);
    ck_assert_int_eq(nice_value, 5);
    ck_assert_int_eq(files, 123);
    ck_assert_int_eq(sid, pid);
}

HEALD_CASE(a_directory_by_its_descriptor)
{
    struct heald_spawn s = {.set = HEALD_SPAWN_CWD_FD};
    char path[64], text[128];
    int dir = dir_make(path);

    s.cwd_fd = dir;
    ck_assert_int_eq(run_shell(&s, "pwd -P", text, sizeof text), 0);
    ck_assert_ptr_nonnull(strstr(text, strrchr(path, '/')));
    s.cwd = "/";
    struct heald_child child;
    ck_assert_int_eq(heald_spawn(&s, &child), -EINVAL);
    dir_remove(dir, path);
}

/* Descriptors change places: each number in the child is that of another in the caller. */
HEALD_CASE(further_descriptors)
{
    struct heald_spawn s = {0};
    char text[64];
    int a[2], b[2];

    ck_assert_int_eq(pipe(a), 0);
    ck_assert_int_eq(pipe(b), 0);
    const struct heald_spawn_fd fds[] = {{a[0], b[0]}, {b[0], a[0]}};
    s.fds = fds;
    s.fd_count = 2;
    ck_assert_int_eq(write(a[1], "A\n", 2), 2);
    ck_assert_int_eq(write(b[1], "B\n", 2), 2);
    char line[64];
    snprintf(line, sizeof line, "head -n 1 <&%d; head -n 1 <&%d", a[0], b[0]);
    ck_assert_int_eq(run_shell(&s, line, text, sizeof text), 0);
    ck_assert_str_eq(text, "B\nA\n");
    for (int i = 0; i < 2; i++) {
        close(a[i]);
        close(b[i]);
    }
}

HEALD_CASE(a_process_group_of_its_own)
{
    struct heald_spawn s = {.set = HEALD_SPAWN_GROUP};
    char text[64];
    int group, pid;

    ck_assert_int_eq(run_shell(&s, "ps -o pgid= -p $$; echo $$", text, sizeof text), 0);
    ck_assert_int_eq(sscanf(text, "%d %d", &group, &pid), 2);
    ck_assert_int_eq(group, pid);
}

HEALD_CASE(another_user)
{
    struct heald_spawn s = {.set = HEALD_SPAWN_USER, .uid = 65534, .gid = 65534};
    char text[64];
    struct heald_child child;

    if (getuid() != 0) {
        s.file = "true";
        ck_assert_int_eq(heald_spawn(&s, &child), -EPERM);
        return;
    }
    ck_assert_int_eq(run_shell(&s, "id -u; id -g; id -G", text, sizeof text), 0);
    ck_assert_str_eq(text, "65534\n65534\n65534\n");
}

HEALD_CASE(a_terminal_of_its_own)
{
    char *argv[] = {(char *)"sh", (char *)"-c", (char *)"tty; test -t 0 && stty size; exit 4",
                    NULL};
    struct heald_spawn s = {.file = "sh",
                            .argv = argv,
                            .stdio = {HEALD_STDIO_PTY, HEALD_STDIO_PTY, HEALD_STDIO_PTY},
                            .rows = 30,
                            .columns = 100};
    struct heald_child child;
    char text[256];
    size_t have = 0;
    ssize_t n;
    int status;

    int err = heald_spawn(&s, &child);
    if (err == -ENOENT || err == -ENOSYS)
        harness_skip("there are no terminals here: %s", heald_strerror(err));
    ck_assert_int_eq(err, 0);
    ck_assert_int_ge(child.pty, 3);
    ck_assert_int_ne(fcntl(child.pty, F_GETFD) & FD_CLOEXEC, 0);
    ck_assert_int_ne(fcntl(child.pty, F_GETFL) & O_NONBLOCK, 0);
    set_blocking(child.pty, true);
    while ((n = read(child.pty, text + have, sizeof text - 1 - have)) > 0)
        have += (size_t)n;
    text[have] = 0;
    ck_assert_ptr_nonnull(strstr(text, "30 100"));
    ck_assert_ptr_null(strstr(text, "not a tty"));
    close(child.pty);
    ck_assert_int_eq(waitpid(child.pid, &status, 0), child.pid);
    ck_assert_int_eq(WEXITSTATUS(status), 4);
}

HEALD_CASE(a_signal_to_nobody_else)
{
    for (int with = 0; with < 2; with++) {
        struct heald_spawn s = {.file = "cat", .set = with ? HEALD_SPAWN_HANDLE : 0};
        struct heald_child child;
        int status;

        s.stdio[0] = HEALD_STDIO_PIPE;
        ck_assert_int_eq(heald_spawn(&s, &child), 0);
        if (!with)
            ck_assert_int_eq(child.handle, -1);
        ck_assert_int_eq(heald_child_kill(&child, 0), 0);
        ck_assert_int_eq(heald_child_kill(&child, 12345), -EINVAL);
        ck_assert_int_eq(heald_child_kill(&child, SIGTERM), 0);
        ck_assert_int_eq(waitpid(child.pid, &status, 0), child.pid);
        ck_assert_int_eq(WTERMSIG(status), SIGTERM);
        ck_assert_int_eq(heald_child_kill(&child, SIGTERM), -ESRCH);
        close(child.stdio[0]);
        heald_child_release(&child);
        heald_child_release(&child);
    }
}

static int stops, stop_err;

static void on_stopped(struct heald_child_stop *stop, int err)
{
    (void)stop;
    stops++;
    stop_err = err;
}

/* One that ends when it is asked, one that does not, one that is stopped, and a whole group. */
HEALD_CASE(asked_and_then_killed)
{
    static const char *const lines[] = {"exec sleep 100", "trap '' TERM; sleep 100; sleep 100",
                                        "kill -STOP $$; sleep 100", "sleep 100 & wait"};
    static const int signals[] = {SIGTERM, SIGKILL, SIGTERM, SIGTERM};

    for (int i = 0; i < 4; i++) {
        struct heald_loop *loop = loop_on(_i);
        char *argv[] = {(char *)"sh", (char *)"-c", (char *)lines[i], NULL};
        struct heald_spawn s = {
            .file = "sh", .argv = argv, .set = HEALD_SPAWN_GROUP | HEALD_SPAWN_HANDLE};
        struct heald_child_stop stop = {.to_group = i == 3 || i == 1};
        struct heald_child child;

        s.stdio[1] = HEALD_STDIO_NULL;
        ck_assert_int_eq(heald_spawn(&s, &child), 0);
        usleep(20000);
        stops = 0;
        ck_assert_int_eq(heald_child_stop(&stop, loop, &child, 50 * HEALD_MS, NULL), -EINVAL);
        ck_assert_int_eq(heald_child_stop(&stop, loop, &child,
                                          i == 1 ? 50 * HEALD_MS : harness_slow() * HEALD_SEC,
                                          on_stopped),
                         0);
        turn_until(loop, &stops, 1);
        ck_assert_int_eq(stop_err, 0);
        ck_assert_int_eq(stop.status.pid, child.pid);
        ck_assert(WIFSIGNALED(stop.status.status));
        ck_assert_int_eq(WTERMSIG(stop.status.status), signals[i]);
        ck_assert_int_eq(heald_child_kill(&child, 0), -ESRCH);
        heald_child_release(&child);
        loop_end(loop);
    }
}

/* The child ends when it is asked; a member of its group does after a while, or not at all. */
HEALD_CASE(a_group_that_outlives_its_leader)
{
    static const char *const lines[] = {
        "sh -c 'trap \"sleep 0.1; echo; exit\" TERM; echo; while :; do sleep 0.1; done' & wait",
        "sh -c 'trap \"\" TERM; echo; while :; do sleep 0.1; done' & wait",
    };

    skip_on_portable("a group is known by its number alone");
    if (!has_pidfd_group())
        harness_skip("the kernel knows a group by its number alone");
    for (int i = 0; i < 2; i++) {
        struct heald_loop *loop = loop_on(_i);
        char *argv[] = {(char *)"sh", (char *)"-c", (char *)lines[i], NULL}, byte;
        struct heald_spawn s = {.file = "sh", .argv = argv, .set = HEALD_SPAWN_GROUP};
        struct heald_child_stop stop = {.to_group = 1};
        struct heald_child child;

        s.stdio[1] = HEALD_STDIO_PIPE;
        ck_assert_int_eq(heald_spawn(&s, &child), 0);
        struct pollfd member = {.fd = child.stdio[1], .events = POLLIN};
        ck_assert_int_eq(poll(&member, 1, 10000 * (int)harness_slow()), 1);
        ck_assert_int_eq(read(member.fd, &byte, 1), 1);
        stops = 0;
        int64_t grace = i ? 100 * HEALD_MS : 600 * (int64_t)harness_slow() * HEALD_MS;
        ck_assert_int_eq(heald_child_stop(&stop, loop, &child, grace, on_stopped), 0);
        turn_until(loop, &stops, 1);
        ck_assert_int_eq(stop_err, 0);
        ck_assert_int_eq(WTERMSIG(stop.status.status), SIGTERM);
        /* The first was not killed before it could say so. A killed one may take a moment. */
        if (!i)
            ck_assert_int_eq(read(member.fd, &byte, 1), 1);
        ck_assert_int_eq(poll(&member, 1, 10000 * (int)harness_slow()), 1);
        ck_assert_int_eq(read(member.fd, &byte, 1), 0);
        heald_close(loop, member.fd);
        loop_end(loop);
    }
}

HEALD_CASE(what_a_spawn_refuses)
{
    const struct heald_spawn_fd twice[] = {{0, 5}, {1, 5}}, low = {0, 2}, high = {0, 256};
    struct heald_spawn bad[] = {
        {.file = "true", .set = 1u << 20},
        {.file = "true", .set = HEALD_SPAWN_NICE, .nice = 20},
        {.file = "true", .set = HEALD_SPAWN_GROUP, .group = -1},
        {.file = "true", .set = HEALD_SPAWN_GROUP | HEALD_SPAWN_SESSION},
        {.file = "true", .fds = twice, .fd_count = 2},
        {.file = "true", .fds = &low, .fd_count = 1},
        {.file = "true", .fds = &high, .fd_count = 1},
        {.file = "true", .fd_count = 1},
        {.file = "true", .limit_count = 1},
        {.file = "true", .stdio = {HEALD_STDIO_SOCKET - 1}},
    };
    struct heald_child child;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_int_eq(heald_spawn(&bad[i], &child), -EINVAL);
    const struct heald_spawn_fd closed = {987, 5};
    const struct heald_spawn s = {.file = "true", .fds = &closed, .fd_count = 1};
    ck_assert_int_eq(heald_spawn(&s, &child), -EBADF);
}

void add_spawn(TCase *group)
{
    add_once(group, output_and_status);
    add_once(group, environment_and_dir);
    add_once(group, ends_with_who_started_it);
    add_once(group, no_such_dir);
    add_once(group, no_such_program);
    add_once(group, streams_from_descriptors_and_null);
    add_once(group, streams_that_change_places);
    add_once(group, nothing_is_inherited);
    add_everywhere(group, a_conversation_in_a_loop);
    add_once(group, what_the_shell_sees);
    add_once(group, a_directory_by_its_descriptor);
    add_once(group, further_descriptors);
    add_once(group, a_process_group_of_its_own);
    add_once(group, another_user);
    add_once(group, a_terminal_of_its_own);
    add_once(group, a_signal_to_nobody_else);
    add_on_backends(group, asked_and_then_killed);
    add_on_backends(group, a_group_that_outlives_its_leader);
    add_on_backends(group, a_group_that_outlives_its_leader);
    add_once(group, what_a_spawn_refuses);
}
