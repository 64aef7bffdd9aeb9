/* test/conformance/deadlines.c: a deadline on any op: not early, once, and nothing is lost. */
#include "conformance/conformance.h"

#include <sys/socket.h>

static int64_t in_ms(int ms)
{
    return now() + ms * HEALD_MS;
}

HEALD_CASE(a_read_is_timed_out_and_not_early)
{
    struct heald_loop *loop = loop_on(_i);
    char buf[8];
    int fds[2];

    for (enum pair_kind kind = 0; kind < PAIR_KINDS; kind++) {
        struct probe p = {0};
        pair_open(kind, fds);
        int64_t deadline = in_ms(2);
        heald_prep_read(&p.op, fds[0], buf, sizeof buf, HEALD_NO_OFFSET);
        p.op.deadline_ns = deadline;
        ck_assert_int_eq(probe_do(loop, &p), -ETIMEDOUT);
        ck_assert_int_ge(now(), deadline);
        ck_assert_int_eq(write(fds[1], "late", 4), 4);
        ck_assert_int_eq(op_read(loop, fds[0], buf, sizeof buf, HEALD_NO_OFFSET), 4);
        pair_close(loop, fds);
    }
    loop_end(loop);
}

HEALD_CASE(other_kinds_are_timed_out)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_addr addr;
    char buf[65536] = "";
    int fds[2], listener = tcp_listen(0, &addr);

    pair_open(PAIR_UNIX, fds);
    while (send(fds[1], buf, sizeof buf, 0) > 0)
        ;
    for (int kind = 0; kind < 4; kind++) {
        struct probe p = {0};
        switch (kind) {
        case 0: heald_prep_accept(&p.op, listener, NULL, NULL); break;
        case 1: heald_prep_accept_multishot(&p.op, listener); break;
        case 2: heald_prep_poll(&p.op, fds[1], POLLIN); break;
        default: heald_prep_send(&p.op, fds[1], buf, sizeof buf, 0); break;
        }
        p.op.deadline_ns = in_ms(1);
        ck_assert_int_eq(probe_do(loop, &p), -ETIMEDOUT);
        ck_assert_int_eq(p.calls, 1);
    }
    pair_close(loop, fds);
    heald_close(loop, listener);
    loop_end(loop);
}

HEALD_CASE(the_past_is_at_once)
{
    struct heald_loop *loop = loop_on(_i);
    static const int64_t past[] = {0, 1, -1, INT64_MIN};
    char buf[8];
    int fds[2];

    pair_open(PAIR_TCP, fds);
    for (int i = 0; i < 4; i++) {
        struct probe p = {0};
        heald_prep_recv(&p.op, fds[0], buf, sizeof buf, 0);
        p.op.deadline_ns = past[i];
        ck_assert_int_eq(probe_do(loop, &p), -ETIMEDOUT);
    }
    pair_close(loop, fds);
    loop_end(loop);
}

/* With data there already the data may be received or be left, but not be lost. */
HEALD_CASE(the_past_loses_no_data)
{
    struct heald_loop *loop = loop_on(_i);
    char buf[8];
    int fds[2];

    for (enum pair_kind kind = 0; kind < PAIR_KINDS; kind++) {
        struct probe p = {0};
        pair_open(kind, fds);
        ck_assert_int_eq(write(fds[1], "data", 4), 4);
        heald_prep_read(&p.op, fds[0], buf, sizeof buf, HEALD_NO_OFFSET);
        p.op.deadline_ns = 1;
        int64_t result = probe_do(loop, &p);
        ck_assert(result == 4 || result == -ETIMEDOUT);
        if (result < 0)
            ck_assert_int_eq(op_read(loop, fds[0], buf, sizeof buf, HEALD_NO_OFFSET), 4);
        ck_assert_mem_eq(buf, "data", 4);
        pair_close(loop, fds);
    }
    loop_end(loop);
}

HEALD_CASE(each_in_a_queue_has_its_own)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p[3] = {0};
    char buf[3][4];
    int fds[2];

    pair_open(PAIR_TCP, fds);
    for (int i = 0; i < 3; i++) {
        heald_prep_recv(&p[i].op, fds[0], buf[i], 2, 0);
        if (i == 1)
            p[i].op.deadline_ns = in_ms(1);
        probe_start(loop, &p[i]);
    }
    ck_assert_int_eq(probe_end(&p[1]), -ETIMEDOUT);
    ck_assert_int_eq(p[0].calls + p[2].calls, 0);
    ck_assert_int_eq(send(fds[1], "abcd", 4, 0), 4);
    ck_assert_int_eq(probe_end(&p[0]), 2);
    ck_assert_int_eq(probe_end(&p[2]), 2);
    ck_assert_mem_eq(buf[2], "cd", 2);
    pair_close(loop, fds);
    loop_end(loop);
}

HEALD_CASE(a_cancel_at_the_same_time)
{
    struct heald_loop *loop = loop_on(_i);
    char buf[8];
    int fds[2];

    pair_open(PAIR_TCP, fds);
    for (int i = 0; i < 10; i++) {
        struct probe p = {0};
        int64_t deadline = in_ms(1);
        heald_prep_recv(&p.op, fds[0], buf, sizeof buf, 0);
        p.op.deadline_ns = deadline;
        probe_start(loop, &p);
        turn_for(loop, 0);
        while (now() < deadline)
            ;
        if (i & 1)
            heald_now(loop);
        int err = p.finals ? -EALREADY : heald_cancel(&p.op);
        ck_assert(err == 0 || err == -EALREADY);
        int64_t result = probe_end(&p);
        ck_assert(result == -ECANCELED || result == -ETIMEDOUT);
        turn_for(loop, 0);
        ck_assert_int_eq(p.calls, 1);
    }
    pair_close(loop, fds);
    loop_end(loop);
}

HEALD_CASE(what_was_in_time_is_not_disturbed)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    char buf[8];
    int fds[2];

    pair_open(PAIR_TCP, fds);
    heald_prep_recv(&p.op, fds[0], buf, sizeof buf, 0);
    p.op.deadline_ns = in_ms(200);
    probe_start(loop, &p);
    ck_assert_int_eq(send(fds[1], "x", 1, 0), 1);
    ck_assert_int_eq(probe_end(&p), 1);
    /* A prep resets the deadline, and the old one does not affect the new use. */
    heald_prep_recv(&p.op, fds[0], buf, sizeof buf, 0);
    ck_assert_int_eq(p.op.deadline_ns, HEALD_FOREVER);
    p.op.deadline_ns = in_ms(2);
    probe_start(loop, &p);
    probe_cancel(&p);
    heald_prep_recv(&p.op, fds[0], buf, sizeof buf, 0);
    probe_start(loop, &p);
    turn_for(loop, 4 * HEALD_MS);
    ck_assert_int_eq(p.calls, 0);
    probe_cancel(&p);
    pair_close(loop, fds);
    loop_end(loop);
}

HEALD_CASE(a_group_receives_until_then)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_buf_group *group;
    char memory[4][16];
    int fds[2];

    ck_assert_int_eq(heald_buf_group_open(&group, loop, memory, 4, 16), 0);
    pair_open(PAIR_TCP, fds);
    struct probe p = {0};
    heald_prep_recv_multishot(&p.op, fds[0], group, 0);
    p.op.deadline_ns = in_ms(10);
    probe_start(loop, &p);
    ck_assert_int_eq(send(fds[1], "x", 1, 0), 1);
    ck_assert_int_eq(probe_end(&p), -ETIMEDOUT);
    ck_assert_int_eq(p.calls, 2);
    ck_assert_int_eq(send(fds[1], "yz", 2, 0), 2);
    ck_assert_int_eq(op_recv(loop, fds[0], memory[3], 16), 2);
    ck_assert_int_eq(heald_buf_group_close(group), 0);
    pair_close(loop, fds);
    loop_end(loop);
}

HEALD_CASE(on_files_it_does_no_harm)
{
    struct heald_loop *loop = loop_on(_i);
    char path[64], buf[4096];
    int dir = dir_make(path);
    int fd = openat(dir, "file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    pattern_fill(buf, sizeof buf, 0);
    for (int i = 0; i < 20; i++) {
        struct probe p = {0};
        heald_prep_write(&p.op, fd, buf, sizeof buf, 0);
        p.op.deadline_ns = i & 1 ? in_ms(1000) : 1;
        int64_t result = probe_do(loop, &p);
        ck_assert(result == sizeof buf || (result == -ETIMEDOUT && !(i & 1)));
    }
    heald_close(loop, fd);
    dir_remove(dir, path);
    loop_end(loop);
}

HEALD_CASE(hundreds_at_the_same_time)
{
    struct heald_loop *loop = loop_with(_i, (struct heald_loop_options){.entries = 8});
    struct probe *p = calloc(300, sizeof *p);
    char buf[4];
    int fds[2];

    pair_open(PAIR_UNIX, fds);
    int64_t deadline = in_ms(3);
    for (int i = 0; i < 300; i++) {
        if (i & 1)
            heald_prep_poll(&p[i].op, fds[0], POLLIN);
        else
            heald_prep_recv(&p[i].op, fds[0], buf, sizeof buf, 0);
        p[i].op.deadline_ns = deadline;
        probe_start(loop, &p[i]);
    }
    for (int i = 0; i < 300; i++)
        ck_assert_int_eq(probe_end(&p[i]), -ETIMEDOUT);
    free(p);
    pair_close(loop, fds);
    loop_end(loop);
}

void add_deadlines(TCase *group)
{
    add_everywhere(group, a_read_is_timed_out_and_not_early);
    add_everywhere(group, other_kinds_are_timed_out);
    add_everywhere(group, the_past_is_at_once);
    add_everywhere(group, the_past_loses_no_data);
    add_everywhere(group, each_in_a_queue_has_its_own);
    add_everywhere(group, a_cancel_at_the_same_time);
    add_everywhere(group, what_was_in_time_is_not_disturbed);
    add_everywhere(group, a_group_receives_until_then);
    add_everywhere(group, on_files_it_does_no_harm);
    add_everywhere(group, hundreds_at_the_same_time);
}
