/* test/conformance/order.c: several ops on one descriptor, each direction in order. */
#include "conformance/conformance.h"

#include <stdio.h>
#include <sys/socket.h>

enum { OPS = 100 };

HEALD_CASE(reads_in_order)
{
    struct heald_loop *loop = loop_on(_i);
    int fds[2];

    for (enum pair_kind kind = 0; kind < PAIR_KINDS; kind++) {
        struct probe p[OPS] = {0};
        char buf[OPS][2], all[OPS * 2];
        pair_open(kind, fds);
        for (int i = 0; i < OPS; i++) {
            heald_prep_read(&p[i].op, fds[0], buf[i], 2, HEALD_NO_OFFSET);
            probe_start(loop, &p[i]);
        }
        turn_for(loop, 0);
        pattern_fill(all, sizeof all, 0);
        for (int i = 0; i < 4; i++)
            ck_assert_int_eq(write(fds[1], all + i * OPS / 2, OPS / 2), OPS / 2);
        for (int i = 0; i < OPS; i++) {
            ck_assert_int_eq(probe_end(&p[i]), 2);
            pattern_check(buf[i], 2, (size_t)i * 2);
            ck_assert(i == 0 || p[i].stamp > p[i - 1].stamp);
        }
        pair_close(loop, fds);
    }
    loop_end(loop);
}

HEALD_CASE(writes_in_order)
{
    struct heald_loop *loop = loop_on(_i);
    char *data = malloc((size_t)OPS * 10000);
    char *got = malloc((size_t)(OPS + 1) * 10000); /* room for a whole read, also for the last */
    int fds[2];

    pattern_fill(data, (size_t)OPS * 10000, 0);
    for (enum pair_kind kind = 0; kind < PAIR_KINDS; kind++) {
        struct probe p[OPS] = {0};
        size_t have = 0, want = 0, from = 0;
        pair_open(kind, fds);
        for (int i = 0; i < OPS; i++) {
            heald_prep_write(&p[i].op, fds[1], data + (size_t)i * 10000, 10000, HEALD_NO_OFFSET);
            probe_start(loop, &p[i]);
        }
        /* A write may be short; what it says is what came. */
        for (int i = 0; i < OPS; i++) {
            while (!p[i].finals) {
                int64_t n = op_read(loop, fds[0], got + have, 10000, HEALD_NO_OFFSET);
                ck_assert_int_gt(n, 0);
                have += (size_t)n;
            }
            ck_assert_int_gt(p[i].result, 0);
            want += (size_t)p[i].result;
            ck_assert(i == 0 || p[i].stamp > p[i - 1].stamp);
        }
        while (have < want)
            have += (size_t)op_read(loop, fds[0], got + have, 10000, HEALD_NO_OFFSET);
        for (int i = 0; i < OPS; from += (size_t)p[i++].result)
            pattern_check(got + from, (size_t)p[i].result, (size_t)i * 10000);
        pair_close(loop, fds);
    }
    free(data);
    free(got);
    loop_end(loop);
}

/* A read that waits does not hold a write up, nor the other way round. */
HEALD_CASE(directions_are_independent)
{
    struct heald_loop *loop = loop_on(_i);
    char buf[8], big[65536] = "";
    int fds[2];

    for (enum pair_kind kind = 0; kind <= PAIR_UNIX; kind++) {
        struct probe r = {0}, w = {0};
        pair_open(kind, fds);
        heald_prep_recv(&r.op, fds[0], buf, sizeof buf, 0);
        probe_start(loop, &r);
        turn_for(loop, 0);
        ck_assert_int_eq(op_send(loop, fds[0], "out", 3), 3);
        ck_assert_int_eq(r.calls, 0);
        while (send(fds[0], big, sizeof big, 0) > 0)
            ;
        heald_prep_send(&w.op, fds[0], big, sizeof big, 0);
        probe_start(loop, &w);
        turn_for(loop, HEALD_MS);
        ck_assert_int_eq(send(fds[1], "in", 2, 0), 2);
        ck_assert_int_eq(probe_end(&r), 2);
        ck_assert_int_eq(op_send(loop, fds[1], "more", 4), 4);
        ck_assert_int_eq(op_recv(loop, fds[0], buf, 8), 4);
        ck_assert_int_eq(w.calls, 0);
        probe_cancel(&w);
        pair_close(loop, fds);
    }
    loop_end(loop);
}

HEALD_CASE(kinds_mix_in_one_queue)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p[6] = {0};
    char buf[6][4];
    struct iovec iov[6];
    struct msghdr msg = {.msg_iov = &iov[3], .msg_iovlen = 1};
    int fds[2];

    pair_open(PAIR_TCP, fds);
    for (int i = 0; i < 6; i++) {
        iov[i] = (struct iovec){.iov_base = buf[i], .iov_len = 2};
        switch (i % 4) {
        case 0: heald_prep_recv(&p[i].op, fds[0], buf[i], 2, 0); break;
        case 1: heald_prep_read(&p[i].op, fds[0], buf[i], 2, HEALD_NO_OFFSET); break;
        case 2: heald_prep_readv(&p[i].op, fds[0], &iov[i], 1, HEALD_NO_OFFSET); break;
        default: heald_prep_recvmsg(&p[i].op, fds[0], &msg, 0); break;
        }
        probe_start(loop, &p[i]);
    }
    ck_assert_int_eq(send(fds[1], "aabbccddeeff", 12, 0), 12);
    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(probe_end(&p[i]), 2);
        ck_assert_int_eq(buf[i][0], 'a' + i);
        ck_assert_int_eq(buf[i][1], 'a' + i);
    }
    pair_close(loop, fds);
    loop_end(loop);
}

HEALD_CASE(a_shutdown_comes_after_the_writes)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p[4] = {0};
    char *big = calloc(1, 1 << 20), buf[65536];
    int64_t n, total = 0, sent = 0;
    int fds[2];

    pair_open(PAIR_TCP, fds);
    for (int i = 0; i < 3; i++) {
        heald_prep_send(&p[i].op, fds[1], big, 1 << 20, 0);
        probe_start(loop, &p[i]);
    }
    heald_prep_shutdown(&p[3].op, fds[1], SHUT_WR);
    probe_start(loop, &p[3]);
    while ((n = op_recv(loop, fds[0], buf, sizeof buf)) > 0)
        total += n;
    ck_assert_int_eq(n, 0);
    for (int i = 0; i < 3; i++)
        sent += probe_end(&p[i]);
    ck_assert_int_eq(probe_end(&p[3]), 0);
    ck_assert_int_eq(total, sent);
    free(big);
    pair_close(loop, fds);
    loop_end(loop);
}

/* Two descriptors of one open file: each has a queue of its own. */
HEALD_CASE(a_duplicate_is_a_descriptor_of_its_own)
{
    struct heald_loop *loop = loop_on(_i);
    int fds[2];

    for (enum pair_kind kind = 0; kind < PAIR_KINDS; kind++) {
        struct probe p[2] = {0};
        char buf[2][4];
        pair_open(kind, fds);
        int copy = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
        for (int i = 0; i < 2; i++) {
            heald_prep_read(&p[i].op, i ? copy : fds[0], buf[i], 2, HEALD_NO_OFFSET);
            probe_start(loop, &p[i]);
        }
        turn_for(loop, 0);
        ck_assert_int_eq(write(fds[1], "ab", 2), 2);
        while (!p[0].finals && !p[1].finals)
            ck_assert_int_ge(heald_loop_turn(loop, HEALD_FOREVER), 0);
        ck_assert_int_eq(write(fds[1], "cd", 2), 2);
        ck_assert_int_eq(probe_end(&p[0]), 2);
        ck_assert_int_eq(probe_end(&p[1]), 2);
        ck_assert_int_eq(heald_close(loop, copy), 0);
        ck_assert_int_eq(write(fds[1], "ef", 2), 2);
        ck_assert_int_eq(op_read(loop, fds[0], buf[0], 4, HEALD_NO_OFFSET), 2);
        pair_close(loop, fds);
    }
    loop_end(loop);
}

void add_order(TCase *group)
{
    add_everywhere(group, reads_in_order);
    add_everywhere(group, writes_in_order);
    add_everywhere(group, directions_are_independent);
    add_everywhere(group, kinds_mix_in_one_queue);
    add_everywhere(group, a_shutdown_comes_after_the_writes);
    add_everywhere(group, a_duplicate_is_a_descriptor_of_its_own);
}
