/* test/conformance/edges.c: one call, one answer, on every back end and engine; and limits. */
#include "conformance/conformance.h"

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

enum { LATE = 100 };

static int64_t within(struct heald_loop *loop, struct probe *p)
{
    p->op.deadline_ns = now() + LATE * HEALD_MS;
    return probe_do(loop, p);
}

HEALD_CASE(what_cannot_seek)
{
    struct heald_loop *loop = loop_on(_i);
    char buf[8] = "12345678";
    struct iovec iov = {buf, 4};
    int fds[2];

    for (enum pair_kind kind = 0; kind < PAIR_KINDS; kind++) {
        struct probe p = {0};
        pair_open(kind, fds);
        ck_assert_int_eq(write(fds[1], "data", 4), 4);
        heald_prep_read(&p.op, fds[0], buf, 4, 0);
        ck_assert_int_eq(within(loop, &p), -ESPIPE);
        heald_prep_readv(&p.op, fds[0], &iov, 1, 5);
        ck_assert_int_eq(within(loop, &p), -ESPIPE);
        heald_prep_write(&p.op, fds[1], buf, 4, 0);
        ck_assert_int_eq(within(loop, &p), -ESPIPE);
        heald_prep_writev(&p.op, fds[1], &iov, 1, 7);
        ck_assert_int_eq(within(loop, &p), -ESPIPE);
        ck_assert_int_eq(op_read(loop, fds[0], buf, 8, HEALD_NO_OFFSET), 4);
        pair_close(loop, fds);
    }
    int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    ck_assert_int_eq(op_read(loop, zero, buf, 8, 16), 8);
    heald_close(loop, zero);
    loop_end(loop);
}

HEALD_CASE(socket_calls_on_what_is_none)
{
    struct heald_loop *loop = loop_on(_i);
    struct sockaddr_in addr = {.sin_family = AF_INET};
    char buf[8];
    int fds[2];

    ck_assert_int_eq(heald_pipe(fds), 0);
    for (int known = 0; known < 2; known++) {
        struct probe p = {0};
        heald_prep_recv(&p.op, fds[0], buf, 8, 0);
        ck_assert_int_eq(within(loop, &p), -ENOTSOCK);
        heald_prep_send(&p.op, fds[1], buf, 8, 0);
        ck_assert_int_eq(within(loop, &p), -ENOTSOCK);
        heald_prep_accept(&p.op, fds[0], NULL, NULL);
        ck_assert_int_eq(within(loop, &p), -ENOTSOCK);
        heald_prep_connect(&p.op, fds[0], (struct sockaddr *)&addr, sizeof addr);
        ck_assert_int_eq(within(loop, &p), -ENOTSOCK);
        heald_prep_shutdown(&p.op, fds[0], SHUT_RD);
        ck_assert_int_eq(within(loop, &p), -ENOTSOCK);
        heald_prep_recv(&p.op, fds[0], buf, 8, MSG_OOB);
        ck_assert_int_eq(within(loop, &p), -ENOTSOCK);
        ck_assert_int_eq(op_write(loop, fds[1], "x", 1, HEALD_NO_OFFSET), 1);
        ck_assert_int_eq(op_read(loop, fds[0], buf, 1, HEALD_NO_OFFSET), 1);
    }
    pair_close(loop, fds);
    loop_end(loop);
}

HEALD_CASE(connected_and_connecting_again)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_addr addr;

    for (int blocking = 0; blocking < 2; blocking++) {
        struct probe p = {0};
        int listener = tcp_listen(4, &addr), fd = heald_socket(&addr, SOCK_STREAM);
        set_blocking(fd, blocking);
        heald_prep_connect(&p.op, fd, &addr.u.sa, addr.len);
        ck_assert_int_eq(probe_do(loop, &p), 0);
        heald_prep_connect(&p.op, fd, &addr.u.sa, addr.len);
        ck_assert_int_eq(within(loop, &p), -EISCONN);
        heald_close(loop, fd);
        heald_close(loop, listener);
        skip_on_kqueue(_i, "libkqueue takes the error of the socket");
        int refuse = tcp_refuse("127.0.0.1", &addr);
        fd = heald_socket(&addr, SOCK_STREAM);
        set_blocking(fd, blocking);
        for (int again = 0; again < 2; again++) {
            heald_prep_connect(&p.op, fd, &addr.u.sa, addr.len);
            ck_assert_int_eq(within(loop, &p), -ECONNREFUSED);
        }
        ck_assert_int_eq((fcntl(fd, F_GETFL) & O_NONBLOCK) == 0, blocking);
        heald_close(loop, fd);
        close(refuse);
    }
    loop_end(loop);
}

/* Entries up to the documented maximum, and ids of groups that are used again. */
HEALD_CASE(limits_that_are_documented)
{
    static char memory[4096];
    struct heald_loop *loop = loop_with(_i, (struct heald_loop_options){.entries = 32768});
    struct heald_buf_group *keep, *g;

    ck_assert_int_eq(heald_buf_group_open(&keep, loop, memory, 1, 64), 0);
    for (int i = 0; i < 66000; i++) {
        must(heald_buf_group_open(&g, loop, memory, 2, 64) == 0);
        must(heald_buf_group_close(g) == 0);
    }
    ck_assert_int_eq(heald_buf_group_close(keep), 0);
    loop_end(loop);
}

/* More descriptors than the limit allows now are waited for all the same. */
HEALD_CASE(fewer_descriptors_allowed_than_open)
{
    enum { PAIRS = 40, LIMIT = 16 };
    struct heald_loop *loop = loop_on(_i);
    static struct probe p[PAIRS];
    static char buf[PAIRS];
    struct rlimit before, less;
    int fds[PAIRS][2];

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    for (int i = 0; i < PAIRS; i++) {
        pair_open(PAIR_UNIX, fds[i]);
        heald_prep_recv(&p[i].op, fds[i][0], &buf[i], 1, 0);
        probe_start(loop, &p[i]);
    }
    less = before;
    less.rlim_cur = LIMIT;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &less), 0);
    turn_for(loop, 5 * HEALD_MS);
    for (int i = PAIRS - 1; i >= 0; i--) {
        ck_assert_int_eq(send(fds[i][1], "x", 1, 0), 1);
        ck_assert_int_eq(probe_end(&p[i]), 1);
    }
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    for (int i = 0; i < PAIRS; i++)
        pair_close(loop, fds[i]);
    loop_end(loop);
}

HEALD_CASE(a_lingering_socket_is_closed_elsewhere)
{
    struct heald_loop *loop = loop_on(_i);
    struct linger lingers = {.l_onoff = 1, .l_linger = 1};
    static char big[1 << 18];
    int fds[2];

    for (int op = 0; op < 2; op++) {
        struct probe r = {0}, c = {0};
        char byte;
        pair_open(PAIR_TCP, fds);
        ck_assert_int_eq(setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &lingers, sizeof lingers), 0);
        while (send(fds[0], big, sizeof big, 0) > 0)
            ;
        heald_prep_recv(&r.op, fds[0], &byte, 1, 0);
        probe_start(loop, &r);
        turn_for(loop, 0);
        int64_t start = now();
        heald_prep_close(&c.op, fds[0]);
        if (op)
            probe_start(loop, &c);
        else
            ck_assert_int_eq(heald_close(loop, fds[0]), 0);
        turn_for(loop, HEALD_MS);
        ck_assert_int_lt(now() - start, HEALD_SEC / 2);
        ck_assert_int_eq(probe_end(&r), -ECANCELED);
        heald_close(loop, fds[1]);
        ck_assert_int_eq(heald_loop_run(loop), 0);
        ck_assert_int_lt(fcntl(fds[0], F_GETFD), 0);
    }
    loop_end(loop);
}

HEALD_CASE(a_guest_polls_what_cannot_be_polled)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC), bell = heald_loop_fd(loop);

    if (bell == -ENOSYS)
        harness_skip("no guest mode here");
    ck_assert_int_ge(bell, 0);
    heald_prep_poll(&p.op, fd, POLLIN | POLLOUT);
    ck_assert_int_eq(within(loop, &p), POLLIN | POLLOUT);
    heald_close(loop, fd);
    loop_end(loop);
}

void add_edges(TCase *group)
{
    add_everywhere(group, what_cannot_seek);
    add_everywhere(group, socket_calls_on_what_is_none);
    add_everywhere(group, connected_and_connecting_again);
    add_on_backends(group, limits_that_are_documented);
    add_everywhere(group, fewer_descriptors_allowed_than_open);
    add_everywhere(group, a_lingering_socket_is_closed_elsewhere);
    add_everywhere(group, a_guest_polls_what_cannot_be_polled);
}
