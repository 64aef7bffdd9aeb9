/*
 * test/conformance/readiness.c: descriptors that are awkward to wait for: blocking ones, terminals,
 * devices, numbers that are no descriptors.
 */
#include "conformance/conformance.h"

#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

enum { MEGABYTE = 1 << 20 };

/* What can be read within ten milliseconds; the write may be over with nothing left to read. */
static int64_t read_some(struct heald_loop *loop, int fd, void *buf)
{
    struct probe r = {0};

    heald_prep_read(&r.op, fd, buf, MEGABYTE, HEALD_NO_OFFSET);
    r.op.deadline_ns = now() + 10 * HEALD_MS;
    int64_t n = probe_do(loop, &r);
    ck_assert(n > 0 || n == -ETIMEDOUT);
    return n > 0 ? n : 0;
}

/* Writes a megabyte to a blocking descriptor, while a timer shows that the loop goes on. */
static void write_without_blocking(struct heald_loop *loop, const int fds[2], int64_t most)
{
    char *data = malloc(MEGABYTE), *got = malloc(2 * MEGABYTE);
    struct probe t = {0}, w = {0};
    int64_t sent = 0, have = 0;

    pattern_fill(data, MEGABYTE, 0);
    while (sent < most) {
        heald_prep_write(&w.op, fds[1], data + sent, (size_t)(most - sent), HEALD_NO_OFFSET);
        probe_start(loop, &w);
        heald_prep_timer(&t.op, now());
        ck_assert_int_eq(probe_do(loop, &t), 0);
        while (!w.finals)
            have += read_some(loop, fds[0], got + have);
        ck_assert_int_gt(w.result, 0);
        sent += w.result;
    }
    while (have < sent)
        have += op_read(loop, fds[0], got + have, MEGABYTE, HEALD_NO_OFFSET);
    pattern_check(got, (size_t)most, 0);
    free(data);
    free(got);
}

HEALD_CASE(a_megabyte_to_a_blocking_descriptor)
{
    struct heald_loop *loop = loop_on(_i);
    int fds[2];

    for (enum pair_kind kind = 0; kind < PAIR_KINDS; kind++) {
        pair_open(kind, fds);
        set_blocking(fds[0], true);
        set_blocking(fds[1], true);
        int flags = fcntl(fds[1], F_GETFL);
        write_without_blocking(loop, fds, MEGABYTE);
        ck_assert_int_eq(fcntl(fds[1], F_GETFL), flags);
        ck_assert_int_eq(fcntl(fds[0], F_GETFL) & O_NONBLOCK, 0);
        pair_close(loop, fds);
    }
    loop_end(loop);
}

HEALD_CASE(a_blocking_read_waits_in_the_loop)
{
    struct heald_loop *loop = loop_on(_i);
    char buf[8];
    int fds[2];

    for (enum pair_kind kind = 0; kind < PAIR_KINDS; kind++) {
        struct probe p = {0};
        pair_open(kind, fds);
        set_blocking(fds[0], true);
        heald_prep_read(&p.op, fds[0], buf, sizeof buf, HEALD_NO_OFFSET);
        probe_start(loop, &p);
        turn_for(loop, HEALD_MS);
        ck_assert_int_eq(p.calls, 0);
        ck_assert_int_eq(write(fds[1], "x", 1), 1);
        ck_assert_int_eq(probe_end(&p), 1);
        heald_prep_read(&p.op, fds[0], buf, sizeof buf, HEALD_NO_OFFSET);
        probe_start(loop, &p);
        turn_for(loop, 0);
        probe_cancel(&p);
        pair_close(loop, fds);
    }
    loop_end(loop);
}

#ifdef O_DIRECT
/* A pipe of packets gives one a read, however much room there is: a short read does not empty it.
 */
HEALD_CASE(a_pipe_of_packets)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p[3] = {0};
    char buf[3][8];
    int fds[2];

    ck_assert_int_eq(heald_pipe(fds), 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(fcntl(fds[i], F_SETFL, O_NONBLOCK | O_DIRECT), 0);
    for (int i = 0; i < 3; i++) {
        heald_prep_read(&p[i].op, fds[0], buf[i], 8, HEALD_NO_OFFSET);
        probe_start(loop, &p[i]);
    }
    turn_for(loop, HEALD_MS);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(write(fds[1], "abc", (size_t)i + 1), i + 1);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(probe_end(&p[i]), i + 1);
    pair_close(loop, fds);
    loop_end(loop);
}
#endif

HEALD_CASE(a_blocking_terminal)
{
    skip_on_portable("a blocking terminal that polls writable may still hold up a write");
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    char buf[8];
    int fds[2] = {-1, -1};

    if (!terminal_open(fds)) {
        close(fds[0]);
        harness_skip("there are no pseudo-terminals here");
    }
    heald_prep_read(&p.op, fds[1], buf, sizeof buf, HEALD_NO_OFFSET);
    probe_start(loop, &p);
    turn_for(loop, HEALD_MS);
    ck_assert_int_eq(p.calls, 0);
    ck_assert_int_eq(op_write(loop, fds[0], "key", 3, HEALD_NO_OFFSET), 3);
    ck_assert_int_eq(probe_end(&p), 3);
    int flags = fcntl(fds[1], F_GETFL);
    write_without_blocking(loop, fds, 50000);
    ck_assert_int_eq(fcntl(fds[1], F_GETFL), flags);
    pair_close(loop, fds);
    loop_end(loop);
}

/* Nobody reads the master: the write waits, and can be cancelled. */
HEALD_CASE(a_terminal_that_nobody_reads)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    char *data = calloc(1, MEGABYTE);
    int fds[2] = {-1, -1};

    if (!terminal_open(fds)) {
        close(fds[0]);
        harness_skip("there are no pseudo-terminals here");
    }
    for (int i = 0; i < 100; i++) {
        heald_prep_write(&p.op, fds[1], data, MEGABYTE, HEALD_NO_OFFSET);
        probe_start(loop, &p);
        turn_for(loop, HEALD_MS);
        if (!p.finals)
            break;
        ck_assert_int_gt(p.result, 0);
    }
    ck_assert_int_eq(p.finals, 0);
    ck_assert_int_eq(heald_cancel(&p.op), 0);
    int64_t result = probe_end(&p);
    ck_assert(result > 0 || result == -ECANCELED);
    free(data);
    pair_close(loop, fds);
    loop_end(loop);
}

HEALD_CASE(devices_that_cannot_be_polled)
{
    struct heald_loop *loop = loop_on(_i);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC), zero = open("/dev/zero", O_RDWR | O_CLOEXEC);
    struct probe p = {0};
    char buf[64] = {0};

    for (int round = 0; round < 3; round++) {
        ck_assert_int_eq(op_read(loop, null, buf, 64, HEALD_NO_OFFSET), 0);
        ck_assert_int_eq(op_write(loop, null, buf, 64, HEALD_NO_OFFSET), 64);
        memset(buf, 1, sizeof buf);
        ck_assert_int_eq(op_read(loop, zero, buf, 64, HEALD_NO_OFFSET), 64);
        ck_assert_int_eq(buf[0] | buf[63], 0);
        ck_assert_int_eq(op_write(loop, zero, buf, 64, HEALD_NO_OFFSET), 64);
        ck_assert_int_eq(op_read(loop, zero, buf, 64, 0), 64);
        heald_prep_poll(&p.op, round & 1 ? null : zero, POLLIN | POLLOUT);
        ck_assert_int_eq(probe_do(loop, &p), POLLIN | POLLOUT);
    }
    ck_assert_int_eq(op_recv(loop, null, buf, 64), -ENOTSOCK);
    ck_assert_int_eq(op_send(loop, zero, buf, 64), -ENOTSOCK);
    ck_assert_int_eq(heald_close(loop, null), 0);
    ck_assert_int_eq(heald_close(loop, zero), 0);
    loop_end(loop);
}

HEALD_CASE(counters_and_clocks_of_the_system)
{
    struct heald_loop *loop = loop_on(_i);
    int event = eventfd(0, EFD_CLOEXEC), clock = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    struct itimerspec soon = {.it_value.tv_nsec = 1000 * 1000};
    struct probe p = {0};
    uint64_t count = 0, one = 1;

    for (int round = 0; round < 3; round++) {
        heald_prep_read(&p.op, event, &count, sizeof count, HEALD_NO_OFFSET);
        probe_start(loop, &p);
        turn_for(loop, 0);
        ck_assert_int_eq(op_write(loop, event, &one, sizeof one, HEALD_NO_OFFSET), 8);
        ck_assert_int_eq(probe_end(&p), 8);
        ck_assert_uint_eq(count, 1);
        ck_assert_int_eq(timerfd_settime(clock, 0, &soon, NULL), 0);
        ck_assert_int_eq(op_read(loop, clock, &count, sizeof count, HEALD_NO_OFFSET), 8);
        ck_assert_uint_eq(count, 1);
    }
    ck_assert_int_eq(heald_close(loop, event), 0);
    ck_assert_int_eq(heald_close(loop, clock), 0);
    loop_end(loop);
}

HEALD_CASE(the_wrong_end_of_a_pipe)
{
    skip_on_portable("a blocking end is polled first, which tells no error");
    struct heald_loop *loop = loop_on(_i);
    char buf[8] = {0};
    int fds[2];

    for (int blocking = 0; blocking < 2; blocking++) {
        pair_open(PAIR_PIPE, fds);
        set_blocking(fds[0], blocking);
        set_blocking(fds[1], blocking);
        ck_assert_int_eq(op_read(loop, fds[1], buf, 8, HEALD_NO_OFFSET), -EBADF);
        ck_assert_int_eq(op_write(loop, fds[0], buf, 8, HEALD_NO_OFFSET), -EBADF);
        pair_close(loop, fds);
    }
    loop_end(loop);
}

HEALD_CASE(a_socket_that_is_not_connected)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_addr addr;
    char buf[8] = {0};
    int listener = tcp_listen(0, &addr), fd = heald_socket(&addr, SOCK_STREAM);

    ck_assert_int_eq(op_recv(loop, fd, buf, 8), -ENOTCONN);
    ck_assert_int_eq(op_send(loop, fd, buf, 8), -EPIPE);
    ck_assert_int_eq(op_recv(loop, listener, buf, 8), -ENOTCONN);
    ck_assert_int_eq(heald_close(loop, fd), 0);
    ck_assert_int_eq(heald_close(loop, listener), 0);
    loop_end(loop);
}

/* Waits in vain first, so that nothing is known to be there. */
static void wait_in_vain(struct heald_loop *loop, struct probe *p)
{
    *p = (struct probe){.op = p->op};
    p->op.deadline_ns = now() + 5 * HEALD_MS;
    ck_assert_int_eq(probe_do(loop, p), -ETIMEDOUT);
    *p = (struct probe){0};
}

/* A socket is asked for what it cannot do when it has been waited for already. */
HEALD_CASE(after_a_wait_in_vain)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_addr addr;
    char buf[8] = {0};
    int pair[2];

    for (int blocking = 0; blocking < 2; blocking++) {
        struct probe p = {0};
        int listener = tcp_listen(4, &addr);
        pair_open(blocking ? PAIR_TCP : PAIR_UNIX, pair);
        set_blocking(pair[0], blocking);
        set_blocking(listener, blocking);
        heald_prep_recv(&p.op, pair[0], buf, 8, 0);
        wait_in_vain(loop, &p);
        heald_prep_accept(&p.op, pair[0], NULL, NULL);
        ck_assert_int_eq(probe_do(loop, &p), -EINVAL);
        p = (struct probe){0};
        heald_prep_accept(&p.op, listener, NULL, NULL);
        wait_in_vain(loop, &p);
        ck_assert_int_eq(op_recv(loop, listener, buf, 8), -ENOTCONN);
        ck_assert_int_eq(op_read(loop, listener, buf, 8, HEALD_NO_OFFSET), -ENOTCONN);
        heald_prep_accept(&p.op, listener, NULL, NULL);
        wait_in_vain(loop, &p);
        ck_assert_int_eq(heald_close(loop, listener), 0);
        pair_close(loop, pair);
    }
    loop_end(loop);
}

void add_readiness(TCase *group)
{
    add_everywhere(group, a_megabyte_to_a_blocking_descriptor);
    add_everywhere(group, a_blocking_read_waits_in_the_loop);
#ifdef O_DIRECT
    add_everywhere(group, a_pipe_of_packets);
#endif
    add_everywhere(group, a_blocking_terminal);
    add_everywhere(group, a_terminal_that_nobody_reads);
    add_everywhere(group, devices_that_cannot_be_polled);
    add_everywhere(group, counters_and_clocks_of_the_system);
    add_everywhere(group, the_wrong_end_of_a_pipe);
    add_everywhere(group, a_socket_that_is_not_connected);
    add_everywhere(group, after_a_wait_in_vain);
}
