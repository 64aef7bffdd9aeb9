/* test/conformance/transfers.c: transfers that complete when all was moved. */
#include "conformance/conformance.h"

#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum { MUCH = 12 << 20, PIECE = 65521 };

struct moving {
    struct heald_loop *loop;
    struct probe p;
    struct heald_transfer t;
    int fds[2];
};

static void moving_open(struct moving *m, int combination, enum pair_kind kind, size_t len)
{
    *m = (struct moving){.loop = loop_on(combination), .t = {.buf = malloc(len), .len = len}};
    ck_assert_ptr_nonnull(m->t.buf);
    pair_open(kind, m->fds);
}

static void moving_close(struct moving *m)
{
    free(m->t.buf);
    if (m->fds[0] >= 0)
        heald_close(m->loop, m->fds[0]);
    if (m->fds[1] >= 0)
        heald_close(m->loop, m->fds[1]);
    loop_end(m->loop);
}

static int prep_out(struct moving *m, enum pair_kind kind)
{
    return kind == PAIR_UNIX ? heald_prep_send_all(&m->p.op, m->fds[1], &m->t, 0)
                             : heald_prep_write_all(&m->p.op, m->fds[1], &m->t, HEALD_NO_OFFSET);
}

static int prep_in(struct moving *m, enum pair_kind kind)
{
    return kind == PAIR_UNIX ? heald_prep_recv_all(&m->p.op, m->fds[0], &m->t, 0)
                             : heald_prep_read_all(&m->p.op, m->fds[0], &m->t, HEALD_NO_OFFSET);
}

/* Takes what is there, by plain calls; how much. */
static size_t take(int fd, size_t at, size_t most)
{
    static char buf[PIECE];
    ssize_t n = read(fd, buf, most < sizeof buf ? most : sizeof buf);

    ck_assert(n >= 0 || errno == EAGAIN);
    if (n > 0)
        pattern_check(buf, (size_t)n, at);
    return n > 0 ? (size_t)n : 0;
}

HEALD_CASE(all_is_sent_to_a_slow_reader)
{
    for (enum pair_kind kind = 0; kind < PAIR_KINDS; kind++) {
        struct moving m;
        size_t got = 0;

        moving_open(&m, _i, kind, MUCH);
        pattern_fill(m.t.buf, MUCH, 0);
        ck_assert_int_eq(prep_out(&m, kind), 0);
        probe_start(m.loop, &m.p);
        while (got < MUCH) {
            must(heald_loop_turn(m.loop, 0) >= 0);
            ck_assert_uint_ge(MUCH, m.t.done);
            got += take(m.fds[0], got, PIECE);
        }
        ck_assert_int_eq(probe_end(&m.p), MUCH);
        ck_assert_int_eq(m.p.calls, 1);
        ck_assert_uint_eq(m.t.done, MUCH);
        moving_close(&m);
    }
}

HEALD_CASE(all_is_received_from_a_slow_writer)
{
    for (enum pair_kind kind = 0; kind < PAIR_KINDS; kind++) {
        struct moving m;
        size_t put = 0;
        char buf[PIECE];

        moving_open(&m, _i, kind, MUCH);
        ck_assert_int_eq(prep_in(&m, kind), 0);
        probe_start(m.loop, &m.p);
        while (put < MUCH) {
            size_t n = MUCH - put < sizeof buf ? MUCH - put : sizeof buf;
            pattern_fill(buf, n, put);
            ssize_t done = write(m.fds[1], buf, n);
            put += done > 0 ? (size_t)done : 0;
            must(heald_loop_turn(m.loop, 0) >= 0);
            ck_assert_int_eq(m.p.calls, m.t.done == MUCH);
        }
        ck_assert_int_eq(probe_end(&m.p), MUCH);
        pattern_check(m.t.buf, MUCH, 0);
        moving_close(&m);
    }
}

HEALD_CASE(the_end_comes_first)
{
    for (enum pair_kind kind = 0; kind < PAIR_KINDS; kind++) {
        struct moving m;

        moving_open(&m, _i, kind, 1000);
        ck_assert_int_eq(prep_in(&m, kind), 0);
        probe_start(m.loop, &m.p);
        must(heald_loop_turn(m.loop, 0) >= 0);
        ck_assert_int_eq(write(m.fds[1], "abcdefg", 7), 7);
        turn_for(m.loop, HEALD_MS);
        ck_assert_int_eq(m.p.calls, 0);
        close(m.fds[1]);
        m.fds[1] = -1;
        ck_assert_int_eq(probe_end(&m.p), 7);
        ck_assert_int_eq(memcmp(m.t.buf, "abcdefg", 7), 0);
        moving_close(&m);
    }
}

/* Some has been moved, and the peer has taken nothing. */
static void turn_until_some_came(struct moving *m)
{
    struct pollfd p = {.fd = m->fds[0], .events = POLLIN};

    do
        must(heald_loop_turn(m->loop, now() + HEALD_MS) >= 0);
    while (poll(&p, 1, 0) == 0);
}

/* A deadline or a cancel in the middle: the count says how far it came, and a submission without a
 * prep goes on from there. */
static void end_and_go_on(int combination, bool is_cancel)
{
    for (enum pair_kind kind = 0; kind < PAIR_KINDS; kind++) {
        struct moving m;
        size_t got = 0, n;

        moving_open(&m, combination, kind, MUCH);
        pattern_fill(m.t.buf, MUCH, 0);
        ck_assert_int_eq(prep_out(&m, kind), 0);
        if (!is_cancel)
            m.p.op.deadline_ns = now() + 100 * 1000 * HEALD_MS;
        probe_start(m.loop, &m.p);
        turn_until_some_came(&m);
        ck_assert_int_eq(is_cancel ? heald_cancel(&m.p.op)
                                   : heald_op_set_deadline(&m.p.op, now() + 3 * HEALD_MS),
                         0);
        ck_assert_int_eq(probe_end(&m.p), is_cancel ? -ECANCELED : -ETIMEDOUT);
        ck_assert_uint_gt(m.t.done, 0);
        ck_assert_uint_lt(m.t.done, MUCH);
        while ((n = take(m.fds[0], got, PIECE)))
            got += n;
        ck_assert_uint_eq(got, m.t.done);
        m.p.op.deadline_ns = HEALD_FOREVER;
        m.p.finals = 0;
        probe_start(m.loop, &m.p);
        while (got < MUCH) {
            must(heald_loop_turn(m.loop, 0) >= 0);
            got += take(m.fds[0], got, PIECE);
        }
        ck_assert_int_eq(probe_end(&m.p), MUCH);
        moving_close(&m);
    }
}

HEALD_CASE(a_deadline_says_how_far_it_came)
{
    end_and_go_on(_i, false);
}

HEALD_CASE(a_cancel_says_how_far_it_came)
{
    end_and_go_on(_i, true);
}

HEALD_CASE(a_receive_is_cancelled_in_the_middle)
{
    for (enum pair_kind kind = 0; kind < PAIR_KINDS; kind++) {
        struct moving m;

        moving_open(&m, _i, kind, 10);
        ck_assert_int_eq(prep_in(&m, kind), 0);
        probe_start(m.loop, &m.p);
        ck_assert_int_eq(write(m.fds[1], "abcd", 4), 4);
        int left = 1;
        while (ioctl(m.fds[0], FIONREAD, &left) == 0 && left)
            must(heald_loop_turn(m.loop, now() + HEALD_MS) >= 0);
        turn_for(m.loop, HEALD_MS);
        ck_assert_int_eq(heald_cancel(&m.p.op), 0);
        ck_assert_int_eq(probe_end(&m.p), -ECANCELED);
        ck_assert_uint_eq(m.t.done, 4);
        ck_assert_int_eq(write(m.fds[1], "efghijkl", 8), 8);
        m.p.finals = 0;
        ck_assert_int_eq(probe_do(m.loop, &m.p), 10);
        ck_assert_int_eq(memcmp(m.t.buf, "abcdefghij", 10), 0);
        /* No byte more than was asked for. */
        char rest[8];
        ck_assert_int_eq(read(m.fds[0], rest, sizeof rest), 2);
        moving_close(&m);
    }
}

HEALD_CASE(the_peer_goes_in_the_middle)
{
    signal(SIGPIPE, SIG_IGN);
    for (enum pair_kind kind = 0; kind < PAIR_KINDS; kind++) {
        struct moving m;

        moving_open(&m, _i, kind, MUCH);
        memset(m.t.buf, 0, MUCH);
        ck_assert_int_eq(prep_out(&m, kind), 0);
        probe_start(m.loop, &m.p);
        turn_until_some_came(&m);
        close(m.fds[0]);
        m.fds[0] = -1;
        int64_t result = probe_end(&m.p);
        ck_assert(result == -EPIPE || result == -ECONNRESET);
        ck_assert_uint_gt(m.t.done, 0);
        ck_assert_uint_lt(m.t.done, MUCH);
        moving_close(&m);
    }
}

/* What is submitted behind a transfer waits for all of it: no care is needed to keep the order. */
HEALD_CASE(several_and_a_shutdown_in_order)
{
    enum { PARTS = 5, PART = 400000 };
    struct moving m;
    struct probe p[PARTS + 1] = {0};
    struct heald_transfer t[PARTS];
    size_t got = 0;

    moving_open(&m, _i, PAIR_TCP, (size_t)PARTS * PART);
    pattern_fill(m.t.buf, (size_t)PARTS * PART, 0);
    for (int i = 0; i < PARTS; i++) {
        t[i] = (struct heald_transfer){.buf = (char *)m.t.buf + (size_t)i * PART, .len = PART};
        ck_assert_int_eq(heald_prep_send_all(&p[i].op, m.fds[1], &t[i], 0), 0);
        probe_start(m.loop, &p[i]);
    }
    ck_assert_int_eq(heald_prep_shutdown(&p[PARTS].op, m.fds[1], SHUT_WR), 0);
    probe_start(m.loop, &p[PARTS]);
    while (got < (size_t)PARTS * PART) {
        must(heald_loop_turn(m.loop, 0) >= 0);
        got += take(m.fds[0], got, PIECE);
    }
    for (int i = 0; i < PARTS; i++)
        ck_assert_int_eq(probe_end(&p[i]), PART);
    ck_assert_int_eq(probe_end(&p[PARTS]), 0);
    char byte;
    ck_assert_int_eq(read(m.fds[0], &byte, 1), 0);
    moving_close(&m);
}

HEALD_CASE(files_at_an_offset_and_at_the_position)
{
    struct heald_loop *loop = loop_on(_i);
    char path[64], name[96], buf[300], back[400];
    struct heald_transfer out = {.buf = buf, .len = sizeof buf}, in = {.buf = back, .len = 400};
    struct probe p = {0};
    int dir = dir_make(path);

    snprintf(name, sizeof name, "%s/f", path);
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    pattern_fill(buf, sizeof buf, 0);
    ck_assert_int_eq(heald_prep_write_all(&p.op, fd, &out, 0), 0);
    ck_assert_int_eq(probe_do(loop, &p), 300);
    ck_assert_int_eq(heald_prep_write_all(&p.op, fd, &out, HEALD_NO_OFFSET), 0);
    p.finals = 0;
    ck_assert_int_eq(probe_do(loop, &p), 300);
    ck_assert_int_eq(heald_prep_read_all(&p.op, fd, &in, 100), 0);
    p.finals = 0;
    ck_assert_int_eq(probe_do(loop, &p), 200);
    pattern_check(back, 200, 100);
    /* The position is behind what was written there. */
    ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), 300);
    ck_assert_int_eq(heald_prep_read_all(&p.op, fd, &in, HEALD_NO_OFFSET), 0);
    p.finals = 0;
    ck_assert_int_eq(probe_do(loop, &p), 0);
    heald_close(loop, fd);
    dir_remove(dir, path);
    loop_end(loop);
}

HEALD_CASE(nothing_is_moved_at_once)
{
    struct moving m;

    moving_open(&m, _i, PAIR_TCP, 10);
    m.t.len = 0;
    m.t.done = 5;
    ck_assert_int_eq(heald_prep_recv_all(&m.p.op, m.fds[0], &m.t, 0), 0);
    ck_assert_int_eq(probe_do(m.loop, &m.p), 0);
    ck_assert_int_eq(heald_prep_recv_all(&m.p.op, 987, &m.t, 0), 0);
    m.p.finals = 0;
    ck_assert_int_eq(probe_do(m.loop, &m.p), -EBADF);
    moving_close(&m);
}

HEALD_CASE(what_a_prep_refuses)
{
    struct heald_op op = {0};
    char buf[4];
    struct heald_transfer t = {.buf = buf, .len = 4}, none = {.len = 1};

    ck_assert_int_eq(heald_prep_send_all(&op, 0, NULL, 0), -EINVAL);
    ck_assert_int_eq(heald_prep_recv_all(&op, 0, &none, 0), -EINVAL);
    ck_assert_int_eq(heald_prep_read_all(&op, 0, NULL, 0), -EINVAL);
    ck_assert_int_eq(heald_prep_read_all(&op, 0, &t, -2), -EINVAL);
    ck_assert_int_eq(heald_prep_write_all(&op, 0, &t, INT64_MAX - 3), -EINVAL);
    ck_assert_int_eq(heald_prep_write_all(&op, 0, &t, INT64_MAX - 4), 0);
    ck_assert_int_eq(heald_prep_recv_all(&op, 0, &t, MSG_PEEK), -EINVAL);
    ck_assert_int_eq(heald_prep_recv_all(&op, 0, &t, MSG_WAITALL), -EINVAL);
    ck_assert_int_eq(heald_prep_send_all(&op, 0, &t, MSG_DONTWAIT), -EINVAL);
}

void add_transfers(TCase *group)
{
    add_everywhere(group, all_is_sent_to_a_slow_reader);
    add_everywhere(group, all_is_received_from_a_slow_writer);
    add_everywhere(group, the_end_comes_first);
    add_everywhere(group, a_deadline_says_how_far_it_came);
    add_everywhere(group, a_cancel_says_how_far_it_came);
    add_everywhere(group, a_receive_is_cancelled_in_the_middle);
    add_everywhere(group, the_peer_goes_in_the_middle);
    add_everywhere(group, several_and_a_shutdown_in_order);
    add_everywhere(group, files_at_an_offset_and_at_the_position);
    add_everywhere(group, nothing_is_moved_at_once);
    add_once(group, what_a_prep_refuses);
}
