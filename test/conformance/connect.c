/* test/conformance/connect.c: connections that go: done, refused, hanging. */
#include "conformance/conformance.h"

#include <stdio.h>
#include <sys/socket.h>

enum { BACKLOG_TRIES = 64 };

static int64_t try_connect(struct heald_loop *loop, int fd, const struct heald_addr *addr)
{
    struct probe p = {0};

    ck_assert_int_eq(heald_prep_connect(&p.op, fd, &addr->u.sa, addr->len), 0);
    return probe_do(loop, &p);
}

HEALD_CASE(to_one_who_listens)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_addr addr, peer;
    char buf[8], text[2][HEALD_ADDR_TEXT];
    int listener = tcp_listen(0, &addr);

    for (int blocking = 0; blocking < 2; blocking++) {
        int fd = heald_socket(&addr, SOCK_STREAM);
        set_blocking(fd, blocking);
        int flags = fcntl(fd, F_GETFL);
        ck_assert_int_eq(try_connect(loop, fd, &addr), 0);
        ck_assert_int_eq(fcntl(fd, F_GETFL), flags);
        ck_assert_int_eq(heald_peer_addr(fd, &peer), 0);
        heald_addr_format(&peer, text[0], sizeof text[0]);
        heald_addr_format(&addr, text[1], sizeof text[1]);
        ck_assert_str_eq(text[0], text[1]);
        int other = accept(listener, NULL, NULL);
        ck_assert_int_eq(op_send(loop, fd, "hi", 2), 2);
        ck_assert_int_eq(op_recv(loop, other, buf, 8), 2);
        /* Linux answers a socket that was still connecting the last time the same once more. */
        int64_t again = try_connect(loop, fd, &addr);
        ck_assert(again == -EISCONN || again == 0);
        ck_assert_int_eq(try_connect(loop, fd, &addr), -EISCONN);
        heald_close(loop, fd);
        heald_close(loop, other);
    }
    heald_close(loop, listener);
    loop_end(loop);
}

HEALD_CASE(refused)
{
    skip_on_kqueue(_i, "libkqueue takes the error of the socket");
    struct heald_loop *loop = loop_on(_i);
    struct heald_addr addr;
    char text[64];
    int refuse = tcp_refuse("127.0.0.1", &addr), fd = heald_socket(&addr, SOCK_STREAM);

    ck_assert_int_eq(try_connect(loop, fd, &addr), -ECONNREFUSED);
    close(refuse);
    heald_close(loop, fd);
    snprintf(text, sizeof text, "unix:@heald-none-%d", (int)getpid());
    ck_assert_int_eq(heald_addr_parse(text, &addr), 0);
    fd = heald_socket(&addr, SOCK_STREAM);
    ck_assert_int_eq(try_connect(loop, fd, &addr), -ECONNREFUSED);
    ck_assert_int_eq(heald_addr_parse("unix:/nowhere/at/all", &addr), 0);
    ck_assert_int_eq(try_connect(loop, fd, &addr), -ENOENT);
    heald_close(loop, fd);
    loop_end(loop);
}

/* Writes that were submitted behind a connect wait for it. */
HEALD_CASE(writes_behind_it_wait)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_addr addr;
    struct probe c = {0}, s = {0}, r = {0};
    char buf[8];
    int listener = tcp_listen(0, &addr), fd = heald_socket(&addr, SOCK_STREAM);

    heald_prep_connect(&c.op, fd, &addr.u.sa, addr.len);
    probe_start(loop, &c);
    heald_prep_send(&s.op, fd, "first", 5, 0);
    probe_start(loop, &s);
    ck_assert_int_eq(probe_end(&c), 0);
    ck_assert_int_eq(probe_end(&s), 5);
    ck_assert_uint_lt(c.stamp, s.stamp);
    int other = accept(listener, NULL, NULL);
    ck_assert_int_ge(other, 0);
    heald_prep_recv(&r.op, other, buf, 8, 0);
    ck_assert_int_eq(probe_do(loop, &r), 5);
    heald_close(loop, fd);
    heald_close(loop, other);
    heald_close(loop, listener);
    loop_end(loop);
}

/* A listener whose queue is full drops what comes: a connect that hangs, without a network. */
static int hanging(const struct heald_addr *addr, int fds[BACKLOG_TRIES], int *ret_count)
{
    for (*ret_count = 0; *ret_count < BACKLOG_TRIES; ++*ret_count) {
        int fd = heald_socket(addr, SOCK_STREAM);
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        connect(fd, &addr->u.sa, addr->len);
        fds[*ret_count] = fd;
        if (poll(&p, 1, 20) == 0) {
            ++*ret_count;
            return 0;
        }
    }
    return -1;
}

HEALD_CASE(one_that_hangs_is_timed_out_or_cancelled)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_addr addr;
    int listener = tcp_listen(1, &addr), fds[BACKLOG_TRIES], count;

    if (hanging(&addr, fds, &count))
        harness_skip("no full queue makes a connect hang here");
    for (int blocking = 0; blocking < 2; blocking++)
        for (int how = 0; how < 2; how++) {
            struct probe p = {0};
            int fd = heald_socket(&addr, SOCK_STREAM);
            set_blocking(fd, blocking);
            heald_prep_connect(&p.op, fd, &addr.u.sa, addr.len);
            int64_t deadline = now() + 5 * HEALD_MS;
            p.op.deadline_ns = how ? HEALD_FOREVER : deadline;
            probe_start(loop, &p);
            if (how) {
                turn_for(loop, HEALD_MS);
                probe_cancel(&p);
            } else {
                ck_assert_int_eq(probe_end(&p), -ETIMEDOUT);
                ck_assert_int_ge(now(), deadline);
            }
            heald_close(loop, fd);
        }
    while (count > 0)
        close(fds[--count]);
    heald_close(loop, listener);
    loop_end(loop);
}

HEALD_CASE(a_full_unix_queue_says_again)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_addr addr;
    char text[64];
    int fds[BACKLOG_TRIES], count = 0;
    int64_t result = 0;

    snprintf(text, sizeof text, "unix:@heald-full-%d", (int)getpid());
    ck_assert_int_eq(heald_addr_parse(text, &addr), 0);
    int listener = heald_listen(text, SOCK_STREAM, 1);
    while (result == 0 && count < BACKLOG_TRIES) {
        fds[count] = heald_socket(&addr, SOCK_STREAM);
        result = try_connect(loop, fds[count++], &addr);
    }
    ck_assert_int_eq(result, -EAGAIN);
    ck_assert_int_gt(count, 1);
    while (count > 0)
        heald_close(loop, fds[--count]);
    heald_close(loop, listener);
    loop_end(loop);
}

HEALD_CASE(datagram_sockets_connect_at_once)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_addr addr;
    int a = heald_bind("127.0.0.1:0", SOCK_DGRAM);

    ck_assert_int_eq(heald_local_addr(a, &addr), 0);
    int b = heald_socket(&addr, SOCK_DGRAM);
    ck_assert_int_eq(try_connect(loop, b, &addr), 0);
    ck_assert_int_eq(op_send(loop, b, "x", 1), 1);
    heald_close(loop, a);
    heald_close(loop, b);
    loop_end(loop);
}

HEALD_CASE(invalid_arguments)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_addr addr;
    struct probe p = {0};
    int fds[2];

    ck_assert_int_eq(heald_addr_parse("127.0.0.1:1", &addr), 0);
    ck_assert_int_eq(heald_prep_connect(&p.op, 0, NULL, 0), -EINVAL);
    ck_assert_int_eq(heald_submit(loop, &p.op, probe_completed), -EINVAL);
    pair_open(PAIR_PIPE, fds);
    ck_assert_int_eq(try_connect(loop, fds[0], &addr), -ENOTSOCK);
    pair_close(loop, fds);
    int fd = heald_socket(&addr, SOCK_STREAM);
    addr.len = 3;
    ck_assert_int_eq(try_connect(loop, fd, &addr), -EINVAL);
    heald_close(loop, fd);
    loop_end(loop);
}

void add_connect(TCase *group)
{
    add_everywhere(group, to_one_who_listens);
    add_everywhere(group, refused);
    add_everywhere(group, writes_behind_it_wait);
    add_everywhere(group, one_that_hangs_is_timed_out_or_cancelled);
    add_everywhere(group, a_full_unix_queue_says_again);
    add_everywhere(group, datagram_sockets_connect_at_once);
    add_everywhere(group, invalid_arguments);
}
