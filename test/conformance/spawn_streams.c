/* test/conformance/spawn_streams.c: children whose streams are sockets, or the same as another of
 * their streams. */
#include "conformance/conformance.h"

#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { TOTAL = 1 << 20, PORTION = 4096 };

static struct heald_child shell(struct heald_spawn s, const char *line)
{
    char *argv[] = {(char *)"sh", (char *)"-c", (char *)line, NULL};
    struct heald_child child;

    s.file = "sh";
    s.argv = argv;
    ck_assert_int_eq(heald_spawn(&s, &child), 0);
    return child;
}

static int wait_child(const struct heald_child *child)
{
    int status = -1;

    ck_assert_int_eq(waitpid(child->pid, &status, 0), child->pid);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* All that comes from a descriptor, which it closes. */
static void read_all(int fd, char *ret_text, size_t size)
{
    size_t have = 0;
    ssize_t n;

    ck_assert_int_ge(fd, 0);
    set_blocking(fd, true);
    while ((n = read(fd, ret_text + have, size - 1 - have)) > 0)
        have += (size_t)n;
    ret_text[have] = 0;
    close(fd);
}

static int pipes_broken;

static void on_sigpipe(int signo)
{
    (void)signo;
    pipes_broken++;
}

static void catch_sigpipe(void)
{
    const struct sigaction action = {.sa_handler = on_sigpipe};

    sigaction(SIGPIPE, &action, NULL);
}

static int64_t write_more(struct heald_loop *loop, int fd)
{
    struct probe p = {0};

    heald_prep_write(&p.op, fd, "more\n", 5, HEALD_NO_OFFSET);
    return probe_do(loop, &p);
}

/* The child has ended, and has read all or nothing of it. */
HEALD_CASE(a_write_to_a_child_that_has_ended)
{
    struct heald_loop *loop = loop_on(_i);

    catch_sigpipe();
    for (int reads = 0; reads < 2; reads++) {
        struct heald_spawn s = {.stdio = {HEALD_STDIO_SOCKET}};
        struct heald_child child = shell(s, reads ? "read line" : "exit 0");
        struct probe p = {0};
        ck_assert_int_ne(fcntl(child.stdio[0], F_GETFL) & O_NONBLOCK, 0);
        ck_assert_int_ne(fcntl(child.stdio[0], F_GETFD) & FD_CLOEXEC, 0);
        heald_prep_send(&p.op, child.stdio[0], "line\n", 5, 0);
        int64_t n = probe_do(loop, &p);
        ck_assert(n == 5 || (!reads && (n == -EPIPE || n == -ECONNRESET)));
        ck_assert_int_eq(wait_child(&child), 0);
        /* The first may bring the error that the end of the child has left. */
        n = write_more(loop, child.stdio[0]);
        ck_assert_msg(n == -EPIPE || n == -ECONNRESET, "%lld", (long long)n);
        ck_assert_int_eq(write_more(loop, child.stdio[0]), -EPIPE);
        heald_close(loop, child.stdio[0]);
    }
    ck_assert_int_eq(pipes_broken, 0);
    loop_end(loop);
}

struct echo {
    struct heald_stream s;
    size_t sent, got;
    int ends, errors, closed;
};

static void on_data(struct heald_stream *s, char *data, size_t len)
{
    struct echo *e = s->data;

    for (size_t i = 0; i < len; i++)
        must(data[i] == (char)('a' + (e->got + i) % 23));
    e->got += len;
}

/* As much as is wanted; after the last of it the end of the input. */
static void feed(struct heald_stream *s)
{
    struct echo *e = s->data;
    char part[PORTION];
    int more = 0;

    while (!more && e->sent < TOTAL) {
        for (size_t i = 0; i < sizeof part; i++)
            part[i] = (char)('a' + (e->sent + i) % 23);
        more = heald_stream_write(s, part, sizeof part);
        must(more >= 0);
        e->sent += sizeof part;
    }
    if (e->sent == TOTAL)
        must(heald_stream_shutdown(s) == 0);
}

static void on_drain(struct heald_stream *s)
{
    if (((struct echo *)s->data)->sent < TOTAL)
        feed(s);
}

static void on_end(struct heald_stream *s)
{
    ((struct echo *)s->data)->ends++;
}

static void on_error(struct heald_stream *s, int err)
{
    (void)err;
    ((struct echo *)s->data)->errors++;
}

static void on_closed(struct heald_stream *s, int err)
{
    (void)err;
    ((struct echo *)s->data)->closed++;
}

/* One socket is input and output, as inetd has it, and is half-closed. */
HEALD_CASE(a_stream_to_a_child_and_back)
{
    static const struct heald_stream_events events = {
        .data = on_data, .drain = on_drain, .end = on_end, .error = on_error};
    struct heald_loop *loop = loop_on(_i);
    struct heald_spawn s = {.stdio = {HEALD_STDIO_SOCKET, HEALD_STDIO_SAME(0), 0}};
    struct heald_child child = shell(s, "cat");
    static struct echo e;

    memset(&e, 0, sizeof e);
    ck_assert_int_eq(child.stdio[1], -1);
    e.s.data = &e;
    ck_assert_int_eq(heald_stream_open(&e.s, loop, child.stdio[0], &events, NULL), 0);
    ck_assert_int_eq(heald_stream_read(&e.s), 0);
    feed(&e.s);
    turn_until(loop, &e.ends, 1);
    ck_assert_uint_eq(e.got, TOTAL);
    ck_assert_int_eq(e.errors, 0);
    ck_assert_int_eq(wait_child(&child), 0);
    ck_assert_int_eq(heald_stream_close(&e.s, on_closed), 0);
    turn_until(loop, &e.closed, 1);
    loop_end(loop);
}

/* In order, by posix_spawn(3) and by fork(2). */
HEALD_CASE(two_streams_that_are_the_same)
{
    static const char line[] = "echo a; echo b >&2; echo c; echo d >&2";
    static const int kinds[] = {HEALD_STDIO_PIPE, HEALD_STDIO_SOCKET};
    char text[64];

    for (int i = 0; i < 8; i++) {
        int n = 1 + i % 2;
        struct heald_spawn s = {.set = i & 4 ? HEALD_SPAWN_UMASK : 0};
        s.stdio[n] = kinds[i / 2 % 2];
        s.stdio[3 - n] = HEALD_STDIO_SAME(n);
        struct heald_child child = shell(s, line);
        ck_assert_int_eq(child.stdio[3 - n], -1);
        read_all(child.stdio[n], text, sizeof text);
        ck_assert_str_eq(text, "a\nb\nc\nd\n");
        ck_assert_int_eq(wait_child(&child), 0);
    }
}

HEALD_CASE(the_same_as_a_descriptor_a_terminal_or_nothing)
{
    char text[64];
    int fds[2];

    for (int by_fork = 0; by_fork < 2; by_fork++) {
        struct heald_spawn s = {.set = by_fork ? HEALD_SPAWN_UMASK : 0};
        ck_assert_int_eq(heald_pipe(fds), 0);
        s.stdio[1] = HEALD_STDIO_SAME(2);
        s.stdio[2] = HEALD_STDIO_FD(fds[1]);
        struct heald_child child = shell(s, "echo a; echo b >&2");
        close(fds[1]);
        read_all(fds[0], text, sizeof text);
        ck_assert_str_eq(text, "a\nb\n");
        ck_assert_int_eq(wait_child(&child), 0);
        s.stdio[0] = HEALD_STDIO_NULL;
        s.stdio[1] = HEALD_STDIO_PIPE;
        s.stdio[2] = HEALD_STDIO_SAME(0);
        child = shell(s, "cat; echo a; echo b >&2");
        read_all(child.stdio[1], text, sizeof text);
        ck_assert_str_eq(text, "a\n");
        ck_assert_int_eq(wait_child(&child), 0);
    }
    struct heald_spawn s = {.stdio = {HEALD_STDIO_PTY, HEALD_STDIO_SAME(0), HEALD_STDIO_SAME(0)}};
    struct heald_child child = shell(s, "test -t 1 && test -t 2");
    ck_assert_int_eq(wait_child(&child), 0);
    close(child.pty);
}

/* The stream of the caller is that of the other number. */
HEALD_CASE(the_same_as_what_is_inherited)
{
    struct heald_spawn s = {.stdio = {0, HEALD_STDIO_SAME(2), HEALD_STDIO_INHERIT}};
    int keep = fcntl(2, F_DUPFD_CLOEXEC, 10), fds[2];
    char text[64];

    ck_assert_int_eq(heald_pipe(fds), 0);
    dup2(fds[1], 2);
    struct heald_child child = shell(s, "echo a; echo b >&2");
    dup2(keep, 2);
    close(keep);
    close(fds[1]);
    read_all(fds[0], text, sizeof text);
    ck_assert_str_eq(text, "a\nb\n");
    ck_assert_int_eq(wait_child(&child), 0);
}

HEALD_CASE(what_streams_cannot_be)
{
    static const int wrong[][3] = {{HEALD_STDIO_SAME(0), 0, 0},
                                   {HEALD_STDIO_SAME(3), 0, 0},
                                   {HEALD_STDIO_SAME(-1), 0, 0},
                                   {HEALD_STDIO_SAME(1), HEALD_STDIO_SAME(2), 0},
                                   {HEALD_STDIO_SAME(1), HEALD_STDIO_SAME(0), 0},
                                   {HEALD_STDIO_SOCKET - 1, 0, 0}};
    struct heald_child child = {.pid = -7};

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct heald_spawn s = {.file = "true"};
        memcpy(s.stdio, wrong[i], sizeof s.stdio);
        ck_assert_int_eq(heald_spawn(&s, &child), -EINVAL);
        ck_assert_int_eq(child.pid, -7);
    }
}

void add_spawn_streams(TCase *group)
{
    add_on_backends(group, a_write_to_a_child_that_has_ended);
    add_on_backends(group, a_stream_to_a_child_and_back);
    add_once(group, two_streams_that_are_the_same);
    add_once(group, the_same_as_a_descriptor_a_terminal_or_nothing);
    add_once(group, the_same_as_what_is_inherited);
    add_once(group, what_streams_cannot_be);
}
