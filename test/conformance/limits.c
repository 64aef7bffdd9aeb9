/* test/conformance/limits.c: high descriptors, no descriptors, very many ops. */
#include "conformance/conformance.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>

enum { HIGH = 2100, CROWD = 100 * 1000, SOCKETS = 400 };

/* Moves a descriptor to a number above FD_SETSIZE. */
static int lift(int fd)
{
    int high = fcntl(fd, F_DUPFD_CLOEXEC, HIGH);

    if (high < 0)
        harness_skip("no descriptors as high as %d: %s", HIGH, strerror(errno));
    close(fd);
    return high;
}

HEALD_CASE(descriptors_above_fd_setsize)
{
    struct heald_loop *loop = loop_on(_i);
    char buf[8];
    int fds[2];

    for (enum pair_kind kind = 0; kind < PAIR_KINDS; kind++) {
        struct probe p = {0}, q = {0};
        pair_open(kind, fds);
        fds[0] = lift(fds[0]);
        fds[1] = lift(fds[1]);
        heald_prep_read(&p.op, fds[0], buf, 8, HEALD_NO_OFFSET);
        probe_start(loop, &p);
        heald_prep_poll(&q.op, fds[1], POLLOUT);
        probe_start(loop, &q);
        ck_assert_int_eq(probe_end(&q), POLLOUT);
        turn_for(loop, 0);
        ck_assert_int_eq(op_write(loop, fds[1], "high", 4, HEALD_NO_OFFSET), 4);
        ck_assert_int_eq(probe_end(&p), 4);
        heald_prep_read(&p.op, fds[0], buf, 8, HEALD_NO_OFFSET);
        p.op.deadline_ns = now() + HEALD_MS;
        ck_assert_int_eq(probe_do(loop, &p), -ETIMEDOUT);
        pair_close(loop, fds);
    }
    loop_end(loop);
}

HEALD_CASE(a_high_one_beside_low_ones)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p[6] = {0};
    char buf[6][4];
    int fds[6][2];

    for (int i = 0; i < 6; i++) {
        pair_open(PAIR_UNIX, fds[i]);
        if (i & 1)
            fds[i][0] = lift(fds[i][0]);
        heald_prep_recv(&p[i].op, fds[i][0], buf[i], 4, 0);
        probe_start(loop, &p[i]);
    }
    turn_for(loop, 0);
    for (int i = 5; i >= 0; i--) {
        ck_assert_int_eq(send(fds[i][1], "x", 1, 0), 1);
        ck_assert_int_eq(probe_end(&p[i]), 1);
    }
    for (int i = 0; i < 6; i++)
        pair_close(loop, fds[i]);
    loop_end(loop);
}

HEALD_CASE(hundreds_of_sockets)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe *p = calloc(SOCKETS, sizeof *p);
    int(*fds)[2] = calloc(SOCKETS, sizeof *fds);
    char buf[8];

    for (int i = 0; i < SOCKETS; i++) {
        pair_open(PAIR_UNIX, fds[i]);
        heald_prep_recv(&p[i].op, fds[i][0], buf, 8, 0);
        probe_start(loop, &p[i]);
    }
    turn_for(loop, 0);
    for (int i = 0; i < SOCKETS; i++)
        ck_assert_int_eq(send(fds[i * 7 % SOCKETS][1], "x", 1, 0), 1);
    for (int i = 0; i < SOCKETS; i++)
        ck_assert_int_eq(probe_end(&p[i]), 1);
    for (int i = 0; i < SOCKETS; i++)
        pair_close(loop, fds[i]);
    free(fds);
    free(p);
    loop_end(loop);
}

static int notified;

static void on_notified(struct heald_op *op)
{
    must(op->result == 1 || op->result == -ECANCELED);
    notified++;
}

/* A hundred thousand receives wait on one socket, in order; some of them get something. */
HEALD_CASE(a_hundred_thousand_in_flight)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_op *ops = calloc(CROWD, sizeof *ops);
    struct heald_loop_stats stats;
    char data[1000] = "", buf;
    int fds[2];

    pair_open(PAIR_UNIX, fds);
    for (int i = 0; i < CROWD; i++) {
        must(heald_prep_recv(&ops[i], fds[0], &buf, 1, 0) == 0);
        must(heald_submit(loop, &ops[i], on_notified) == 0);
    }
    heald_loop_stats(loop, &stats);
    ck_assert_uint_eq(stats.pending, CROWD);
    ck_assert_int_eq(send(fds[1], data, sizeof data, 0), sizeof data);
    turn_until(loop, &notified, sizeof data);
    for (size_t i = 0; i < sizeof data; i++)
        must(ops[i].result == 1);
    for (int i = CROWD - 1; i >= (int)sizeof data; i--)
        must(heald_cancel(&ops[i]) == 0);
    turn_until(loop, &notified, CROWD);
    free(ops);
    pair_close(loop, fds);
    loop_end(loop);
}

HEALD_CASE(a_hundred_thousand_polls)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_op *ops = calloc(CROWD, sizeof *ops);
    int fds[2];

    pair_open(PAIR_UNIX, fds);
    for (int i = 0; i < CROWD; i++) {
        must(heald_prep_poll(&ops[i], fds[0], POLLIN) == 0);
        must(heald_submit(loop, &ops[i], on_notified) == 0);
        if (i % 1000 == 0)
            must(heald_loop_turn(loop, 0) >= 0);
    }
    ck_assert_int_eq(send(fds[1], "x", 1, 0), 1);
    turn_until(loop, &notified, CROWD);
    free(ops);
    pair_close(loop, fds);
    loop_end(loop);
}

static struct rlimit old_limit;

/* Leaves no descriptor free. */
static void close_the_door(void)
{
    int next = fcntl(0, F_DUPFD_CLOEXEC, 0);

    ck_assert_int_ge(next, 0);
    close(next);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old_limit), 0);
    struct rlimit none = {.rlim_cur = (rlim_t)next, .rlim_max = old_limit.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
}

static void open_the_door(void)
{
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old_limit), 0);
}

/*
 * valgrind keeps the limit itself: it lets the kernel accept the connection, and then closes it and
 * says EMFILE.
 */
static void skip_where_a_refused_accept_takes(void)
{
    struct heald_addr addr;
    int listener = tcp_listen(0, &addr), client = tcp_connect(&addr);

    close_the_door();
    int refused = accept(listener, NULL, NULL);
    open_the_door();
    int fd = accept(listener, NULL, NULL);
    ck_assert_int_lt(refused, 0);
    if (fd < 0)
        harness_skip("an accept(2) that says EMFILE has taken the connection away");
    close(fd);
    close(listener);
    close(client);
}

HEALD_CASE(an_accept_without_a_descriptor)
{
    skip_where_a_refused_accept_takes();
    struct heald_loop *loop = loop_on(_i);
    struct heald_addr addr;
    struct probe p = {0}, m = {0};
    int listener = tcp_listen(0, &addr), client = tcp_connect(&addr);

    ck_assert_int_ge(heald_loop_turn(loop, 0), 0);
    close_the_door();
    heald_prep_accept(&p.op, listener, NULL, NULL);
    ck_assert_int_eq(probe_do(loop, &p), -EMFILE);
    heald_prep_accept_multishot(&m.op, listener);
    ck_assert_int_eq(probe_do(loop, &m), -EMFILE);
    open_the_door();
    /* The connection waits still. */
    heald_prep_accept(&p.op, listener, NULL, NULL);
    int fd = (int)probe_do(loop, &p);
    ck_assert_int_ge(fd, 0);
    heald_close(loop, fd);
    heald_close(loop, listener);
    close(client);
    loop_end(loop);
}

HEALD_CASE(others_without_a_descriptor)
{
    skip_on_portable("signals and children use other descriptors");
    struct heald_loop *loop = loop_on(_i), *second = NULL;
    struct heald_loop_options options = {.backend = backend_of(_i), .engine = engine_of(_i)};
    struct probe p = {0};

    ck_assert_int_ge(heald_loop_turn(loop, 0), 0);
    heald_prep_stat(&p.op, AT_FDCWD, "/", 0, &(struct heald_stat){0});
    ck_assert_int_eq(probe_do(loop, &p), 0);
    close_the_door();
    heald_prep_open(&p.op, AT_FDCWD, "/", O_RDONLY, 0);
    ck_assert_int_eq(probe_do(loop, &p), -EMFILE);
    heald_prep_signal(&p.op, SIGUSR1, NULL);
    ck_assert_int_eq(heald_submit(loop, &p.op, probe_completed), -EMFILE);
    if (has_pidfd_open()) { /* otherwise it is found to be no child first */
        heald_prep_child(&p.op, getpid(), NULL);
        ck_assert_int_eq(heald_submit(loop, &p.op, probe_completed), -EMFILE);
    }
    heald_prep_timer_clock(&p.op, HEALD_CLOCK_BOOT, 0, 0);
    ck_assert_int_eq(heald_submit(loop, &p.op, probe_completed), -EMFILE);
    ck_assert_str_eq(heald_op_state(&p.op), "idle");
    ck_assert_int_eq(heald_loop_open(&second, &options), -EMFILE);
    ck_assert_ptr_null(second);
    open_the_door();
    loop_end(loop);
}

void add_limits(TCase *group)
{
    add_everywhere(group, descriptors_above_fd_setsize);
    add_everywhere(group, a_high_one_beside_low_ones);
    add_everywhere(group, hundreds_of_sockets);
    add_everywhere(group, an_accept_without_a_descriptor);
    add_everywhere(group, others_without_a_descriptor);
    add_on_backends(group, a_hundred_thousand_in_flight);
    add_on_backends(group, a_hundred_thousand_polls);
}
