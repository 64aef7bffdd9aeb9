/* test/conformance/accept.c: connections that come: one, many, without end; their flags. */
#include "conformance/conformance.h"

#include <stdio.h>
#include <sys/socket.h>

enum { QUEUE = 40 };

static void check_accepted(int fd)
{
    ck_assert_int_ge(fd, 0);
    ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    ck_assert_int_ne(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
}

HEALD_CASE(one_before_and_one_after_the_call)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_addr addr, peer = {.len = sizeof peer.u}, own;
    char text[2][HEALD_ADDR_TEXT];
    struct probe p = {0};
    int listener = tcp_listen(0, &addr);

    for (int waits = 0; waits < 2; waits++) {
        int client = waits ? -1 : tcp_connect(&addr);
        peer.len = sizeof peer.u;
        heald_prep_accept(&p.op, listener, &peer.u.sa, &peer.len);
        probe_start(loop, &p);
        turn_for(loop, 0);
        if (waits)
            client = tcp_connect(&addr);
        int fd = (int)probe_end(&p);
        check_accepted(fd);
        ck_assert_int_eq(heald_local_addr(client, &own), 0);
        heald_addr_format(&peer, text[0], sizeof text[0]);
        heald_addr_format(&own, text[1], sizeof text[1]);
        ck_assert_str_eq(text[0], text[1]);
        heald_close(loop, fd);
        close(client);
    }
    heald_close(loop, listener);
    loop_end(loop);
}

HEALD_CASE(several_in_order_of_submission)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_addr addr;
    struct probe p[8] = {0};
    int listener = tcp_listen(0, &addr), client[8];
    char number;

    for (int i = 0; i < 8; i++) {
        heald_prep_accept(&p[i].op, listener, NULL, NULL);
        probe_start(loop, &p[i]);
    }
    for (char i = 0; i < 8; i++) {
        client[(int)i] = tcp_connect(&addr);
        ck_assert_int_eq(send(client[(int)i], &i, 1, 0), 1);
    }
    for (int i = 0; i < 8; i++) {
        int fd = (int)probe_end(&p[i]);
        ck_assert_int_eq(op_recv(loop, fd, &number, 1), 1);
        ck_assert_int_eq(number, i);
        heald_close(loop, fd);
        close(client[i]);
    }
    for (int i = 1; i < 8; i++)
        ck_assert_uint_gt(p[i].stamp, p[i - 1].stamp);
    heald_close(loop, listener);
    loop_end(loop);
}

struct door {
    struct heald_op op;
    int fds[QUEUE], count, limit;
    int64_t end;
};

static void on_visit(struct heald_op *op)
{
    struct door *d = heald_container_of(op, struct door, op);

    if (!(op->flags & HEALD_MORE)) {
        d->end = op->result;
        return;
    }
    check_accepted((int)op->result);
    d->fds[d->count++] = (int)op->result;
    if (d->count == d->limit)
        ck_assert_int_eq(heald_cancel(op), 0);
}

HEALD_CASE(for_ever_until_cancelled_in_its_callback)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_addr addr;
    struct door d = {.limit = 20, .end = 1};
    int listener = tcp_listen(0, &addr), client[QUEUE];

    ck_assert_int_eq(heald_prep_accept_multishot(&d.op, listener), 0);
    ck_assert_int_eq(heald_submit(loop, &d.op, on_visit), 0);
    for (int i = 0; i < QUEUE / 2; i++)
        client[i] = tcp_connect(&addr);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    ck_assert_int_eq(d.end, -ECANCELED);
    ck_assert_int_eq(d.count, 20);
    for (int i = 0; i < 20; i++) {
        heald_close(loop, d.fds[i]);
        close(client[i]);
    }
    heald_close(loop, listener);
    loop_end(loop);
}

/* More connections wait than the callback wants: what it does not take stays in the queue, or has
 * its callback before the end. Nothing is lost. */
HEALD_CASE(a_cancel_loses_no_connection)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_addr addr;
    struct door d = {.limit = 5};
    struct probe p = {0};
    int listener = tcp_listen(0, &addr), client[QUEUE];

    for (int i = 0; i < QUEUE; i++)
        client[i] = tcp_connect(&addr);
    heald_prep_accept_multishot(&d.op, listener);
    ck_assert_int_eq(heald_submit(loop, &d.op, on_visit), 0);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    ck_assert_int_eq(d.end, -ECANCELED);
    ck_assert_int_ge(d.count, 5);
    for (; d.count < QUEUE; d.count++) {
        heald_prep_accept(&p.op, listener, NULL, NULL);
        d.fds[d.count] = (int)probe_do(loop, &p);
        check_accepted(d.fds[d.count]);
    }
    for (int i = 0; i < QUEUE; i++) {
        heald_close(loop, d.fds[i]);
        close(client[i]);
    }
    heald_close(loop, listener);
    loop_end(loop);
}

HEALD_CASE(over_unix_sockets)
{
    static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET};
    struct heald_loop *loop = loop_on(_i);
    char text[64], buf[8];

    for (int t = 0; t < 2; t++) {
        struct heald_addr addr;
        struct probe p = {0}, c = {0};
        snprintf(text, sizeof text, "unix:@heald-test-%d-%d", (int)getpid(), t);
        ck_assert_int_eq(heald_addr_parse(text, &addr), 0);
        int listener = heald_listen(text, types[t], 0), client = heald_socket(&addr, types[t]);
        heald_prep_accept(&p.op, listener, NULL, NULL);
        probe_start(loop, &p);
        heald_prep_connect(&c.op, client, &addr.u.sa, addr.len);
        ck_assert_int_eq(probe_do(loop, &c), 0);
        int fd = (int)probe_end(&p);
        check_accepted(fd);
        ck_assert_int_eq(op_send(loop, client, "unix", 4), 4);
        ck_assert_int_eq(op_recv(loop, fd, buf, 8), 4);
        heald_close(loop, fd);
        heald_close(loop, client);
        heald_close(loop, listener);
    }
    loop_end(loop);
}

/* The listener may be blocking: no accept holds the loop up. */
HEALD_CASE(a_blocking_listener)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_addr addr;
    struct probe p = {0};
    int listener = tcp_listen(0, &addr);

    set_blocking(listener, true);
    heald_prep_accept(&p.op, listener, NULL, NULL);
    probe_start(loop, &p);
    turn_for(loop, 2 * HEALD_MS);
    ck_assert_int_eq(p.calls, 0);
    int client = tcp_connect(&addr), fd = (int)probe_end(&p);
    check_accepted(fd);
    ck_assert_int_eq(fcntl(listener, F_GETFL) & O_NONBLOCK, 0);
    heald_close(loop, fd);
    close(client);
    heald_close(loop, listener);
    loop_end(loop);
}

HEALD_CASE(sockets_that_do_not_listen)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    int fds[2], udp = heald_bind("127.0.0.1:0", SOCK_DGRAM);
    socklen_t len = 0;
    struct sockaddr_storage room;

    pair_open(PAIR_TCP, fds);
    heald_prep_accept(&p.op, fds[0], NULL, NULL);
    ck_assert_int_eq(probe_do(loop, &p), -EINVAL);
    heald_prep_accept_multishot(&p.op, fds[0]);
    ck_assert_int_eq(probe_do(loop, &p), -EINVAL);
    heald_prep_accept(&p.op, udp, NULL, NULL);
    ck_assert_int_eq(probe_do(loop, &p), -EOPNOTSUPP);
    set_blocking(fds[1], true);
    heald_prep_accept(&p.op, fds[1], NULL, NULL);
    ck_assert_int_eq(probe_do(loop, &p), -EINVAL);
    ck_assert_int_eq(heald_prep_accept(&p.op, udp, NULL, &len), -EINVAL);
    ck_assert_int_eq(heald_submit(loop, &p.op, probe_completed), -EINVAL);
    ck_assert_int_eq(heald_prep_accept(&p.op, udp, (struct sockaddr *)&room, NULL), -EINVAL);
    heald_close(loop, udp);
    pair_close(loop, fds);
    loop_end(loop);
}

HEALD_CASE(a_listener_is_shut_down)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_addr addr;
    struct probe p = {0}, s = {0};
    int listener = tcp_listen(0, &addr);

    heald_prep_accept(&p.op, listener, NULL, NULL);
    probe_start(loop, &p);
    turn_for(loop, 0);
    heald_prep_shutdown(&s.op, listener, SHUT_RDWR);
    ck_assert_int_eq(probe_do(loop, &s), 0);
    ck_assert_int_eq(probe_end(&p), -EINVAL);
    heald_close(loop, listener);
    loop_end(loop);
}

void add_accept(TCase *group)
{
    add_everywhere(group, one_before_and_one_after_the_call);
    add_everywhere(group, several_in_order_of_submission);
    add_everywhere(group, for_ever_until_cancelled_in_its_callback);
    add_everywhere(group, a_cancel_loses_no_connection);
    add_everywhere(group, over_unix_sockets);
    add_everywhere(group, a_blocking_listener);
    add_everywhere(group, sockets_that_do_not_listen);
    add_everywhere(group, a_listener_is_shut_down);
}
