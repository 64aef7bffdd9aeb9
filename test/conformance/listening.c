/* test/conformance/listening.c: heald_listener, and the options of heald_listen_with(). */
#include "conformance/conformance.h"

#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct door {
    struct heald_listener l;
    struct heald_loop *loop;
    int fds[64], n, errors, err, closed, close_at;
};

static void on_closed(struct heald_listener *l)
{
    ((struct door *)l->data)->closed++;
}

static void on_connection(struct heald_listener *l, int fd)
{
    struct door *d = l->data;

    if (fd < 0) {
        d->errors++;
        d->err = fd;
        return;
    }
    must(d->n < 64);
    d->fds[d->n++] = fd;
    if (d->n == d->close_at)
        ck_assert_int_eq(heald_listener_close(l, on_closed), 0);
}

static struct door *door_open(int combination, unsigned count,
                              const struct heald_listener_options *options)
{
    static const char *const at[] = {"127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"};
    struct door *d = calloc(1, sizeof *d);

    d->loop = loop_on(combination);
    d->l.data = d;
    ck_assert_int_eq(heald_listener_open(&d->l, d->loop, at, count, options, on_connection), 0);
    return d;
}

static void door_close(struct door *d)
{
    if (!d->closed && heald_listener_close(&d->l, on_closed) == 0)
        ck_assert_int_eq(d->closed, 0);
    turn_until(d->loop, &d->closed, 1);
    ck_assert_int_eq(heald_listener_close(&d->l, on_closed), -EALREADY);
    for (int i = 0; i < d->n; i++)
        heald_close(d->loop, d->fds[i]);
    loop_end(d->loop);
    free(d);
}

static int knock(struct door *d, unsigned index)
{
    struct heald_addr addr;

    ck_assert_int_eq(heald_listener_addr(&d->l, index, &addr), 0);
    return tcp_connect(&addr);
}

HEALD_CASE(several_addresses)
{
    struct door *d = door_open(_i, 3, NULL);
    struct heald_addr addr;
    int fds[3];

    for (unsigned i = 0; i < 3; i++)
        fds[i] = knock(d, i);
    turn_until(d->loop, &d->n, 3);
    ck_assert_uint_eq(heald_listener_connections(&d->l), 3);
    ck_assert_int_eq(heald_listener_addr(&d->l, 3, &addr), -ENOENT);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    door_close(d);
}

HEALD_CASE(no_more_than_the_limit)
{
    const struct heald_listener_options options = {.max_connections = 2};

    for (unsigned addresses = 1; addresses <= 2; addresses++) {
        struct door *d = door_open(_i, addresses, &options);
        int fds[6];

        for (unsigned i = 0; i < 6; i++)
            fds[i] = knock(d, i % addresses);
        turn_until(d->loop, &d->n, 2);
        for (int have = 2; have < 6; have++) {
            turn_for(d->loop, 3 * HEALD_MS);
            ck_assert_int_eq(d->n, have);
            heald_listener_done(&d->l);
            ck_assert_int_eq(d->n, have);
            turn_until(d->loop, &d->n, have + 1);
        }
        ck_assert_uint_eq(heald_listener_connections(&d->l), 2);
        for (int i = 0; i < 4; i++)
            heald_listener_done(&d->l);
        ck_assert_uint_eq(heald_listener_connections(&d->l), 0);
        for (int i = 0; i < 6; i++)
            close(fds[i]);
        door_close(d);
    }
}

HEALD_CASE(a_pause_leaves_them_in_the_backlog)
{
    for (unsigned limit = 0; limit <= 8; limit += 8) {
        const struct heald_listener_options options = {.max_connections = limit};
        struct door *d = door_open(_i, 1, &options);
        int fds[2];

        heald_listener_pause(&d->l);
        turn_for(d->loop, 2 * HEALD_MS);
        for (int i = 0; i < 2; i++)
            fds[i] = knock(d, 0);
        turn_for(d->loop, 3 * HEALD_MS);
        ck_assert_int_eq(d->n, 0);
        heald_listener_resume(&d->l);
        heald_listener_pause(&d->l);
        heald_listener_resume(&d->l);
        turn_until(d->loop, &d->n, 2);
        ck_assert_int_eq(d->errors, 0);
        for (int i = 0; i < 2; i++)
            close(fds[i]);
        door_close(d);
    }
}

HEALD_CASE(closed_in_its_callback)
{
    for (unsigned limit = 0; limit <= 8; limit += 8) {
        const struct heald_listener_options options = {.max_connections = limit};
        struct door *d = door_open(_i, 2, &options);
        int fds[2];

        d->close_at = 1;
        for (unsigned i = 0; i < 2; i++)
            fds[i] = knock(d, i);
        turn_until(d->loop, &d->closed, 1);
        ck_assert_int_eq(d->n, 1);
        for (int i = 0; i < 2; i++)
            close(fds[i]);
        door_close(d);
    }
}

/* Without descriptors it waits, and goes on when there are some. */
HEALD_CASE(while_descriptors_are_lacking)
{
    struct door *d = door_open(_i, 1, NULL);
    struct rlimit limit, none;
    int fd = knock(d, 0), probe = dup(0);

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = (rlim_t)probe;
    close(probe);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    turn_for(d->loop, 5 * HEALD_MS);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    turn_until(d->loop, &d->n, 1);
    ck_assert_int_eq(d->errors, 0);
    close(fd);
    door_close(d);
}

HEALD_CASE(options_of_each_connection)
{
    const struct heald_listener_options options = {
        .listen = {.reuse_port = 1, .backlog = 3, .defer_s = 1, .fast_open = 4},
        .nodelay = 1,
        .keepalive_idle_s = 33};
    struct door *d = door_open(_i, 1, &options);
    struct heald_addr addr;
    char text[HEALD_ADDR_TEXT];
    socklen_t size = sizeof(int);
    int fd = knock(d, 0), on = 0;

    ck_assert_int_eq(send(fd, "x", 1, 0), 1);
    turn_until(d->loop, &d->n, 1);
    ck_assert_int_eq(getsockopt(d->fds[0], SOL_SOCKET, SO_KEEPALIVE, &on, &size), 0);
    ck_assert_int_ne(on, 0);
    /* A second listener at the same port. */
    ck_assert_int_eq(heald_listener_addr(&d->l, 0, &addr), 0);
    heald_addr_format(&addr, text, sizeof text);
    int other =
        heald_listen_with(text, SOCK_STREAM, &(struct heald_listen_options){.reuse_port = 1});
    ck_assert_int_ge(other, 0);
    close(other);
    ck_assert_int_eq(heald_listen(text, SOCK_STREAM, 0), -EADDRINUSE);
    close(fd);
    door_close(d);
}

HEALD_CASE(mode_and_owner_of_a_file)
{
    char path[64], text[96];
    int dir = dir_make(path);
    struct stat st;
    const struct heald_listen_options options = {
        .mode = 0640, .set_owner = 1, .uid = getuid(), .gid = getgid()};

    snprintf(text, sizeof text, "unix:%s/s", path);
    int fd = heald_listen_with(text, SOCK_STREAM, &options);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(stat(text + 5, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0640);
    close(fd);
    ck_assert_int_eq(
        heald_listen_with(text, SOCK_STREAM, &(struct heald_listen_options){.mode = 01777}),
        -EINVAL);
    ck_assert_int_eq(heald_listen_with("127.0.0.1:0", SOCK_STREAM,
                                       &(struct heald_listen_options){.defer_s = -1}),
                     -EINVAL);
    dir_remove(dir, path);
}

/* Descriptor 3 of a new process, as systemd passes it. */
static void inherit(int combination, const char *address, int expected)
{
    int fd = heald_listen("127.0.0.1:0", SOCK_STREAM, 0);
    pid_t pid = fork();

    if (pid == 0) {
        char number[24];
        if (fd != 3)
            dup2(fd, 3);
        snprintf(number, sizeof number, "%ld", (long)getpid());
        setenv("LISTEN_PID", number, 1);
        setenv("LISTEN_FDS", "1", 1);
        setenv("LISTEN_FDNAMES", "web", 1);
        /* What writes a note to the suite would write it to the socket. */
        const struct heald_loop_options options = {.backend = backend_of(combination)};
        struct heald_loop *loop;
        struct heald_listener l = {0};
        int err = heald_loop_open(&loop, &options);
        if (!err)
            err = heald_listener_open(&l, loop, &address, 1, NULL, on_connection);
        _exit(err == expected ? 0 : 1);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    close(fd);
}

HEALD_CASE(sockets_of_systemd)
{
    inherit(_i, "systemd", 0);
    inherit(_i, "systemd:web", 0);
    inherit(_i, "systemd:other", -ENOENT);
    struct heald_loop *loop = loop_on(_i);
    struct heald_listener l = {0};
    struct heald_why why = {""};
    const char *const at[] = {"127.0.0.1:0", "systemd"};
    const struct heald_listener_options options = {.ret_why = &why};

    unsetenv("LISTEN_PID");
    ck_assert_int_eq(heald_listener_open(&l, loop, at, 2, &options, on_connection), -ENOENT);
    ck_assert_ptr_nonnull(strstr(why.text, "systemd: "));
    loop_end(loop);
}

HEALD_CASE(what_a_listener_refuses)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_listener l = {0};
    struct heald_why why = {""};
    const char *const bad[] = {"127.0.0.1:0", "nonsense"}, *const fifo = "fifo:/tmp/x";
    const char *many[9];
    const struct heald_listener_options options = {.ret_why = &why};

    for (int i = 0; i < 9; i++)
        many[i] = "127.0.0.1:0";
    ck_assert_int_eq(heald_listener_open(&l, loop, bad, 2, &options, on_connection), -EINVAL);
    ck_assert_ptr_nonnull(strstr(why.text, "nonsense: "));
    ck_assert_int_eq(heald_listener_open(&l, loop, bad, 1, NULL, NULL), -EINVAL);
    ck_assert_int_eq(heald_listener_open(&l, loop, bad, 0, NULL, on_connection), -EINVAL);
    ck_assert_int_eq(heald_listener_open(&l, loop, &fifo, 1, NULL, on_connection), -EINVAL);
    ck_assert_int_eq(heald_listener_open(&l, loop, many, 9, NULL, on_connection), -E2BIG);
    ck_assert_int_eq(heald_listener_close(&l, on_closed), -EINVAL);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    loop_end(loop);
}

void add_listening(TCase *group)
{
    add_everywhere(group, several_addresses);
    add_everywhere(group, no_more_than_the_limit);
    add_everywhere(group, a_pause_leaves_them_in_the_backlog);
    add_everywhere(group, closed_in_its_callback);
    add_everywhere(group, while_descriptors_are_lacking);
    add_everywhere(group, options_of_each_connection);
    add_once(group, mode_and_owner_of_a_file);
    add_on_backends(group, sockets_of_systemd);
    add_everywhere(group, what_a_listener_refuses);
}
