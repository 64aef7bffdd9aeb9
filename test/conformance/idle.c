/* test/conformance/idle.c: sockets whose receives are cancelled as often as they bring something: a
 * ring waits for them in another way then, and nothing may show that. */
#include "conformance/conformance.h"

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

enum { ROUNDS = 30, SMALL = 8 };

/* Makes it idle: a receive is submitted and cancelled, again and again, with data in between. */
static void make_idle(struct heald_loop *loop, int fd, int peer)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct probe p = {0};
        char buf[SMALL];
        heald_prep_recv(&p.op, fd, buf, sizeof buf, 0);
        probe_start(loop, &p);
        turn_for(loop, 0);
        probe_cancel(&p);
        if (i % 2)
            continue;
        ck_assert_int_eq(send(peer, "ab", 2, 0), 2);
        ck_assert_int_eq(op_recv(loop, fd, buf, sizeof buf), 2);
        ck_assert_mem_eq(buf, "ab", 2);
    }
}

static void open_idle(struct heald_loop *loop, int kind, int fds[2])
{
    pair_open((enum pair_kind)kind, fds);
    make_idle(loop, fds[0], fds[1]);
}

HEALD_CASE(receives_as_before)
{
    struct heald_loop *loop = loop_on(_i);

    for (int kind = PAIR_TCP; kind <= PAIR_UNIX; kind++) {
        struct probe p[2] = {0};
        char a[SMALL], b[SMALL];
        int fds[2];
        open_idle(loop, kind, fds);
        /* Two behind each other, of which the second waits longer. */
        heald_prep_recv(&p[0].op, fds[0], a, sizeof a, 0);
        heald_prep_recv(&p[1].op, fds[0], b, sizeof b, 0);
        probe_start(loop, &p[0]);
        probe_start(loop, &p[1]);
        turn_for(loop, HEALD_MS);
        ck_assert_int_eq(p[0].calls, 0);
        ck_assert_int_eq(send(fds[1], "one", 3, 0), 3);
        ck_assert_int_eq(probe_end(&p[0]), 3);
        turn_for(loop, HEALD_MS);
        ck_assert_int_eq(p[1].calls, 0);
        ck_assert_int_eq(send(fds[1], "two", 3, 0), 3);
        ck_assert_int_eq(probe_end(&p[1]), 3);
        ck_assert_mem_eq(a, "one", 3);
        ck_assert_mem_eq(b, "two", 3);
        /* What is there already, a part at a time; then the end. */
        ck_assert_int_eq(send(fds[1], "0123456789", 10, 0), 10);
        ck_assert_int_eq(op_recv(loop, fds[0], a, 8), 8);
        ck_assert_int_eq(op_recv(loop, fds[0], a, 8), 2);
        ck_assert_int_eq(op_send(loop, fds[0], "back", 4), 4);
        ck_assert_int_eq(recv(fds[1], a, 8, 0), 4);
        shutdown(fds[1], SHUT_WR);
        for (int i = 0; i < 3; i++)
            ck_assert_int_eq(op_recv(loop, fds[0], a, 8), 0);
        pair_close(loop, fds);
    }
    loop_end(loop);
}

HEALD_CASE(a_deadline_holds)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    char buf[SMALL];
    int fds[2];

    open_idle(loop, PAIR_TCP, fds);
    heald_prep_recv(&p.op, fds[0], buf, sizeof buf, 0);
    int64_t deadline = p.op.deadline_ns = now() + 2 * HEALD_MS;
    ck_assert_int_eq(probe_do(loop, &p), -ETIMEDOUT);
    ck_assert_int_ge(now(), deadline);
    ck_assert_int_eq(send(fds[1], "x", 1, 0), 1);
    ck_assert_int_eq(op_recv(loop, fds[0], buf, sizeof buf), 1);
    pair_close(loop, fds);
    loop_end(loop);
}

/* A receive into a group, whose buffers a ring has; with a receive that waits before it. */
HEALD_CASE(multishot_on_it)
{
    static char memory[16 * 16];
    struct heald_loop *loop = loop_on(_i);
    struct heald_buf_group *group;
    int fds[2];

    ck_assert_int_eq(heald_buf_group_open(&group, loop, memory, 16, 16), 0);
    for (int before = 0; before < 2; before++) {
        struct probe p = {0}, first = {0};
        char buf[SMALL];
        open_idle(loop, PAIR_TCP, fds);
        if (before) {
            heald_prep_recv(&first.op, fds[0], buf, sizeof buf, 0);
            probe_start(loop, &first);
        }
        ck_assert_int_eq(heald_prep_recv_multishot(&p.op, fds[0], group, 0), 0);
        probe_start(loop, &p);
        turn_for(loop, HEALD_MS);
        if (before) {
            ck_assert_int_eq(send(fds[1], "first", 5, 0), 5);
            ck_assert_int_eq(probe_end(&first), 5);
            ck_assert_mem_eq(buf, "first", 5);
        }
        for (int i = 1; i <= 20; i++) {
            ck_assert_int_eq(send(fds[1], "more", 4, 0), 4);
            turn_until(loop, &p.calls, i);
            ck_assert_int_eq(p.result, 4);
            ck_assert_mem_eq(heald_buf_data(group, p.op.buffer), "more", 4);
            ck_assert_int_eq(heald_buf_return(group, p.op.buffer), 0);
        }
        heald_cancel(&p.op);
        ck_assert_int_eq(probe_end(&p), -ECANCELED);
        make_idle(loop, fds[0], fds[1]);
        pair_close(loop, fds);
    }
    ck_assert_int_eq(heald_buf_group_close(group), 0);
    loop_end(loop);
}

HEALD_CASE(polls_beside_it)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe poll_in = {0}, poll_out = {0}, p = {0};
    char buf[SMALL];
    int fds[2];

    open_idle(loop, PAIR_UNIX, fds);
    heald_prep_recv(&p.op, fds[0], buf, sizeof buf, 0);
    probe_start(loop, &p);
    heald_prep_poll(&poll_in.op, fds[0], POLLIN);
    probe_start(loop, &poll_in);
    heald_prep_poll(&poll_out.op, fds[0], POLLOUT);
    ck_assert_int_eq(probe_do(loop, &poll_out), POLLOUT);
    ck_assert_int_eq(poll_in.calls, 0);
    ck_assert_int_eq(send(fds[1], "x", 1, 0), 1);
    ck_assert_int_eq(probe_end(&p), 1);
    if (poll_in.finals)
        ck_assert_int_eq(poll_in.result, POLLIN);
    else
        probe_cancel(&poll_in);
    pair_close(loop, fds);
    loop_end(loop);
}

static void cancel_often(struct heald_loop *loop, int fd)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct probe p = {0};
        char buf[SMALL];
        heald_prep_recv(&p.op, fd, buf, sizeof buf, 0);
        probe_start(loop, &p);
        turn_for(loop, 0);
        probe_cancel(&p);
    }
}

/* The errors of a socket made its loop wait for changes alone, before it was idle: each datagram
 * is received all the same. */
HEALD_CASE(datagrams_after_errors)
{
    skip_on_portable("no error queue");
    skip_on_kqueue(_i, "no error queue");
    struct heald_loop *loop = loop_on(_i);
    struct sockaddr_in nobody = {
        .sin_family = AF_INET, .sin_port = htons(1), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct heald_addr addr;
    struct probe errors[3] = {0};
    struct msghdr msg[3] = {0};
    char control[3][256], buf[SMALL];
    int on = 1, fd = heald_bind("127.0.0.1:0", SOCK_DGRAM);
    int peer = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    ck_assert(fd >= 0 && peer >= 0 && heald_local_addr(fd, &addr) == 0);
    ck_assert_int_eq(setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on), 0);
    for (int i = 0; i < 3; i++) {
        msg[i] = (struct msghdr){.msg_control = control[i], .msg_controllen = sizeof control[i]};
        heald_prep_recvmsg(&errors[i].op, fd, &msg[i], MSG_ERRQUEUE);
        probe_start(loop, &errors[i]);
    }
    for (int i = 0; i < 3; i++) {
        int error;
        socklen_t size = sizeof error;
        sendto(fd, "x", 1, 0, (struct sockaddr *)&nobody, sizeof nobody);
        turn_for(loop, 5 * HEALD_MS);
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    }
    for (int i = 0; i < 3; i++)
        probe_end(&errors[i]);
    cancel_often(loop, fd);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(sendto(peer, "data", 4, 0, &addr.u.sa, addr.len), 4);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(op_recv(loop, fd, buf, sizeof buf), 4);
    heald_close(loop, fd);
    close(peer);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    loop_end(loop);
}

/* What a ring cannot wait for itself waits in its nested queue, beside the socket; which then goes
 * back to the ring. */
HEALD_CASE(a_poll_beside_it_is_not_forgotten)
{
    enum { POLLS = 1100 };
    static char memory[16 * 16];
    struct heald_loop *loop = loop_on(_i);
    struct probe *many = calloc(POLLS, sizeof *many), beside = {0}, multi = {0};
    struct heald_buf_group *group;
    int fds[2], other[2];

    ck_assert_int_eq(heald_buf_group_open(&group, loop, memory, 16, 16), 0);
    open_idle(loop, PAIR_TCP, fds);
    pair_open(PAIR_TCP, other);
    for (int i = 0; i < POLLS; i++) {
        heald_prep_poll(&many[i].op, other[0], POLLIN);
        probe_start(loop, &many[i]);
    }
    heald_prep_poll(&beside.op, fds[0], POLLIN);
    probe_start(loop, &beside);
    turn_for(loop, HEALD_MS);
    heald_prep_recv_multishot(&multi.op, fds[0], group, 0);
    probe_start(loop, &multi);
    turn_for(loop, HEALD_MS);
    shutdown(fds[1], SHUT_WR);
    turn_until(loop, &beside.finals, 1);
    ck_assert_int_ne(beside.result & POLLIN, 0);
    turn_until(loop, &multi.finals, 1);
    pair_close(loop, other);
    pair_close(loop, fds);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    ck_assert_int_eq(heald_buf_group_close(group), 0);
    free(many);
    loop_end(loop);
}

/* At the limit of descriptors: what has to wait in another way goes on waiting in the old one. */
HEALD_CASE(without_a_descriptor)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    struct rlimit limit;
    char buf[SMALL];
    int fds[2];

    pair_open(PAIR_TCP, fds);
    op_send(loop, fds[0], "x", 1);
    ck_assert_int_eq(recv(fds[1], buf, 1, 0), 1);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    struct rlimit none = {.rlim_cur = 0, .rlim_max = limit.rlim_max};
    heald_prep_recv(&p.op, fds[0], buf, sizeof buf, 0);
    probe_start(loop, &p);
    turn_for(loop, 0);
    probe_cancel(&p);
    if (strcmp(backend_of(_i), "uring") == 0)
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    make_idle(loop, fds[0], fds[1]);
    p.calls = p.finals = 0;
    heald_prep_recv(&p.op, fds[0], buf, sizeof buf, 0);
    probe_start(loop, &p);
    turn_for(loop, HEALD_MS);
    ck_assert_int_eq(p.calls, 0);
    ck_assert_int_eq(send(fds[1], "abc", 3, 0), 3);
    ck_assert_int_eq(probe_end(&p), 3);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    pair_close(loop, fds);
    loop_end(loop);
}

/* Closed while something waits, and its number used again. */
HEALD_CASE(closed_and_used_again)
{
    struct heald_loop *loop = loop_on(_i);
    char buf[SMALL];
    int fds[2];

    for (int i = 0; i < 5; i++) {
        struct probe p = {0};
        open_idle(loop, i % 2 ? PAIR_TCP : PAIR_UNIX, fds);
        heald_prep_recv(&p.op, fds[0], buf, sizeof buf, 0);
        probe_start(loop, &p);
        turn_for(loop, 0);
        heald_close(loop, fds[0]);
        ck_assert_int_eq(probe_end(&p), -ECANCELED);
        heald_close(loop, fds[1]);
    }
    ck_assert_int_eq(heald_loop_run(loop), 0);
    loop_end(loop);
}

/* Nothing is reported without end and without a waiter. */
HEALD_CASE(does_not_spin)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_loop_stats before, after;
    char buf[SMALL];
    int fds[2];

    for (int kind = PAIR_TCP; kind <= PAIR_UNIX; kind++) {
        struct probe timer = {0};
        open_idle(loop, kind, fds);
        ck_assert_int_eq(send(fds[1], "x", 1, 0), 1);
        turn_for(loop, HEALD_MS);
        heald_loop_stats(loop, &before);
        heald_prep_timer(&timer.op, now() + 100 * HEALD_MS);
        ck_assert_int_eq(probe_do(loop, &timer), 0);
        heald_loop_stats(loop, &after);
        ck_assert_int_lt(after.turns - before.turns, 20);
        ck_assert_int_eq(op_recv(loop, fds[0], buf, sizeof buf), 1);
        pair_close(loop, fds);
    }
    loop_end(loop);
}

/* More sockets than a ring of that size has the waits of: they come, wait, and go, in turn. */
HEALD_CASE(more_than_the_ring_holds)
{
    enum { PAIRS = 50, TIMES = 3 };
    static char memory[64 * 16];
    struct heald_loop *loop = loop_with(_i, (struct heald_loop_options){.entries = 1});
    struct heald_buf_group *group;
    struct probe p[PAIRS];
    char buf[PAIRS][SMALL];
    int fds[PAIRS][2];

    ck_assert_int_eq(heald_buf_group_open(&group, loop, memory, 64, 16), 0);
    for (int round = 0; round < TIMES; round++) {
        memset(p, 0, sizeof p);
        for (int i = 0; i < PAIRS; i++) {
            pair_open(i % 2 ? PAIR_TCP : PAIR_UNIX, fds[i]);
            if (i % 5)
                heald_prep_recv(&p[i].op, fds[i][0], buf[i], SMALL, 0);
            else
                heald_prep_recv_multishot(&p[i].op, fds[i][0], group, 0);
            probe_start(loop, &p[i]);
        }
        turn_for(loop, HEALD_MS);
        for (int i = 0; i < PAIRS; i++) {
            ck_assert_int_eq(op_send(loop, fds[i][1], "abc", 3), 3);
            turn_until(loop, &p[i].calls, 1);
            ck_assert_int_eq(p[i].result, 3);
        }
        for (int i = 0; i < PAIRS; i++)
            pair_close(loop, fds[i]);
        for (int i = 0; i < PAIRS; i += 5) {
            heald_buf_return(group, p[i].op.buffer);
            ck_assert_int_eq(probe_end(&p[i]), -ECANCELED);
        }
    }
    ck_assert_int_eq(heald_buf_group_close(group), 0);
    loop_end(loop);
}

void add_idle(TCase *group)
{
    add_everywhere(group, receives_as_before);
    add_everywhere(group, a_deadline_holds);
    add_everywhere(group, multishot_on_it);
    add_everywhere(group, polls_beside_it);
    add_everywhere(group, datagrams_after_errors);
    add_everywhere(group, a_poll_beside_it_is_not_forgotten);
    add_everywhere(group, without_a_descriptor);
    add_everywhere(group, closed_and_used_again);
    add_everywhere(group, does_not_spin);
    add_everywhere(group, more_than_the_ring_holds);
}
