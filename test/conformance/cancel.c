/* test/conformance/cancel.c: a cancel is a request; each op ends once, and nothing is lost. */
#include "conformance/conformance.h"

#include <sys/socket.h>

enum { CROWD = 500 };

HEALD_CASE(idle_ops_cannot_be_cancelled)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};

    ck_assert_int_eq(heald_cancel(&p.op), -EINVAL);
    heald_prep_timer(&p.op, 0);
    ck_assert_int_eq(heald_cancel(&p.op), -EINVAL);
    ck_assert_int_eq(probe_do(loop, &p), 0);
    ck_assert_int_eq(heald_cancel(&p.op), -EINVAL);
    loop_end(loop);
}

HEALD_CASE(once_and_not_inside_the_call)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    int fds[2];
    char buf[8];

    pair_open(PAIR_TCP, fds);
    heald_prep_recv(&p.op, fds[0], buf, sizeof buf, 0);
    probe_start(loop, &p);
    turn_for(loop, 0);
    ck_assert_int_eq(heald_cancel(&p.op), 0);
    ck_assert_int_eq(p.calls, 0);
    ck_assert_int_eq(heald_cancel(&p.op), -EALREADY);
    ck_assert_int_eq(heald_op_error(&p.op), -EINPROGRESS);
    ck_assert_int_eq(probe_end(&p), -ECANCELED);
    turn_for(loop, HEALD_MS);
    ck_assert_int_eq(p.calls, 1);
    pair_close(loop, fds);
    loop_end(loop);
}

/* The kinds that wait on a pair of descriptors where nothing happens. */
static void prepare_waiting(struct heald_op *op, int kind, const int fds[2])
{
    static char buf[4];
    static struct iovec iov = {.iov_base = buf, .iov_len = sizeof buf};
    static struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    switch (kind) {
    case 0: heald_prep_recv(op, fds[0], buf, sizeof buf, 0); break;
    case 1: heald_prep_read(op, fds[0], buf, sizeof buf, HEALD_NO_OFFSET); break;
    case 2: heald_prep_readv(op, fds[0], &iov, 1, HEALD_NO_OFFSET); break;
    case 3: heald_prep_recvmsg(op, fds[0], &msg, 0); break;
    case 4: heald_prep_poll(op, fds[0], POLLIN); break;
    case 5: heald_prep_timer(op, now() + 100 * HEALD_SEC); break;
    default: heald_prep_timer_clock(op, HEALD_CLOCK_MONOTONIC, HEALD_FOREVER / 2, 1); break;
    }
}

HEALD_CASE(every_kind_that_waits)
{
    struct heald_loop *loop = loop_on(_i);
    int fds[2];

    pair_open(PAIR_UNIX, fds);
    for (int kind = 0; kind < 7; kind++)
        for (int turns = 0; turns < 2; turns++) {
            struct probe p = {0};
            prepare_waiting(&p.op, kind, fds);
            probe_start(loop, &p);
            for (int i = 0; i < turns; i++)
                ck_assert_int_ge(heald_loop_turn(loop, 0), 0);
            probe_cancel(&p);
        }
    pair_close(loop, fds);
    loop_end(loop);
}

HEALD_CASE(data_that_comes_later_is_not_lost)
{
    struct heald_loop *loop = loop_on(_i);
    char buf[8] = "";
    int fds[2];

    for (enum pair_kind kind = 0; kind < PAIR_KINDS; kind++) {
        struct probe p = {0};
        pair_open(kind, fds);
        heald_prep_read(&p.op, fds[0], buf, sizeof buf, HEALD_NO_OFFSET);
        probe_start(loop, &p);
        turn_for(loop, 0);
        probe_cancel(&p);
        ck_assert_int_eq(write(fds[1], "late", 4), 4);
        ck_assert_int_eq(op_read(loop, fds[0], buf, sizeof buf, HEALD_NO_OFFSET), 4);
        ck_assert_mem_eq(buf, "late", 4);
        pair_close(loop, fds);
    }
    loop_end(loop);
}

/* Cancelled while data is there already: it says what it had done, or leaves it to the next. */
HEALD_CASE(data_that_came_before_is_reported_or_left)
{
    struct heald_loop *loop = loop_on(_i);
    char buf[8] = "";
    int fds[2];

    for (enum pair_kind kind = 0; kind < PAIR_KINDS; kind++) {
        struct probe p = {0};
        pair_open(kind, fds);
        heald_prep_read(&p.op, fds[0], buf, sizeof buf, HEALD_NO_OFFSET);
        probe_start(loop, &p);
        turn_for(loop, 0);
        ck_assert_int_eq(write(fds[1], "soon", 4), 4);
        ck_assert_int_eq(heald_cancel(&p.op), 0);
        int64_t result = probe_end(&p);
        ck_assert(result == 4 || result == -ECANCELED);
        if (result < 0)
            ck_assert_int_eq(op_read(loop, fds[0], buf, sizeof buf, HEALD_NO_OFFSET), 4);
        ck_assert_mem_eq(buf, "soon", 4);
        pair_close(loop, fds);
    }
    loop_end(loop);
}

HEALD_CASE(the_ones_behind_go_on)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p[3] = {0};
    char buf[3][4];
    int fds[2];

    for (int victim = 0; victim < 3; victim++) {
        pair_open(PAIR_TCP, fds);
        for (int i = 0; i < 3; i++) {
            heald_prep_recv(&p[i].op, fds[0], buf[i], 2, 0);
            probe_start(loop, &p[i]);
        }
        turn_for(loop, 0);
        probe_cancel(&p[victim]);
        ck_assert_int_eq(send(fds[1], "abcd", 4, 0), 4);
        int first = victim == 0, second = victim == 2 ? 1 : 2;
        ck_assert_int_eq(probe_end(&p[first]), 2);
        ck_assert_int_eq(probe_end(&p[second]), 2);
        ck_assert_mem_eq(buf[first], "ab", 2);
        ck_assert_mem_eq(buf[second], "cd", 2);
        pair_close(loop, fds);
    }
    loop_end(loop);
}

static struct probe partner[2];
static int partner_cancel;

static void on_partner(struct heald_op *op)
{
    struct probe *p = heald_container_of(op, struct probe, op);
    struct probe *other = &partner[p == &partner[0]];

    probe_completed(op);
    if (!other->finals)
        partner_cancel = heald_cancel(&other->op);
}

/* Both are due: the first callback cancels the second, which has completed already. */
HEALD_CASE(from_a_callback_when_both_are_due)
{
    struct heald_loop *loop = loop_on(_i);

    for (int i = 0; i < 2; i++) {
        heald_prep_timer(&partner[i].op, now() - HEALD_MS);
        ck_assert_int_eq(heald_submit(loop, &partner[i].op, on_partner), 0);
    }
    ck_assert_int_eq(heald_loop_run(loop), 0);
    ck_assert_int_eq(partner_cancel, -EALREADY);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(partner[i].finals, 1);
        ck_assert_int_eq(partner[i].result, 0);
    }
    loop_end(loop);
}

HEALD_CASE(from_a_callback_on_the_other_direction)
{
    struct heald_loop *loop = loop_on(_i);
    int fds[2];
    char buf[2][4] = {"", "x"};

    pair_open(PAIR_TCP, fds);
    heald_prep_recv(&partner[0].op, fds[0], buf[0], 4, 0);
    ck_assert_int_eq(heald_submit(loop, &partner[0].op, on_partner), 0);
    heald_prep_send(&partner[1].op, fds[0], buf[1], 1, 0);
    ck_assert_int_eq(heald_submit(loop, &partner[1].op, on_partner), 0);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    ck_assert_int_eq(partner[1].result, 1);
    ck_assert_int_eq(partner[0].result, -ECANCELED);
    ck_assert_int_eq(partner_cancel, 0);
    pair_close(loop, fds);
    loop_end(loop);
}

static void on_free(struct heald_op *op)
{
    int *left = op->data;

    --*left;
    memset(op, 0xee, sizeof *op);
    free(op);
}

HEALD_CASE(memory_is_free_in_the_final_callback)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_op *ops[7 * 4];
    int left = 7 * 4, fds[4][2];

    for (int i = 0; i < 4; i++)
        pair_open(PAIR_UNIX, fds[i]);
    for (int i = 0; i < 7 * 4; i++) {
        ops[i] = calloc(1, sizeof *ops[i]);
        ops[i]->data = &left;
        prepare_waiting(ops[i], i % 7, fds[i / 7]);
        if (i % 7 == 6)
            heald_prep_timer(ops[i], HEALD_FOREVER);
        ck_assert_int_eq(heald_submit(loop, ops[i], on_free), 0);
    }
    turn_for(loop, 0);
    for (int i = 0; i < 7 * 4; i++)
        ck_assert_int_eq(heald_cancel(ops[i]), 0);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    ck_assert_int_eq(left, 0);
    for (int i = 0; i < 4; i++)
        pair_close(loop, fds[i]);
    loop_end(loop);
}

static void on_again(struct heald_op *op)
{
    struct probe *p = heald_container_of(op, struct probe, op);
    static char buf[4];

    if (op->result == -ECANCELED && ++p->calls < 10) {
        heald_prep_recv(op, (int)(intptr_t)op->data, buf, sizeof buf, 0);
        ck_assert_int_eq(heald_submit(op->loop, op, on_again), 0);
        ck_assert_int_eq(heald_cancel(op), 0);
        return;
    }
    p->finals++;
}

HEALD_CASE(submitted_and_cancelled_again_in_its_callback)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    char buf[4];
    int fds[2];

    pair_open(PAIR_TCP, fds);
    p.op.data = (void *)(intptr_t)fds[0];
    heald_prep_recv(&p.op, fds[0], buf, sizeof buf, 0);
    ck_assert_int_eq(heald_submit(loop, &p.op, on_again), 0);
    turn_for(loop, 0);
    ck_assert_int_eq(heald_cancel(&p.op), 0);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    ck_assert_int_eq(p.calls, 10);
    ck_assert_int_eq(p.finals, 1);
    pair_close(loop, fds);
    loop_end(loop);
}

/* More cancels at once than any ring has room for. */
HEALD_CASE(a_crowd_at_once)
{
    struct heald_loop *loop = loop_with(_i, (struct heald_loop_options){.entries = 8});
    struct probe *p = calloc(CROWD, sizeof *p);
    char buf[4];
    int fds[2];

    pair_open(PAIR_UNIX, fds);
    for (int i = 0; i < CROWD; i++) {
        if (i & 1)
            heald_prep_poll(&p[i].op, fds[0], POLLIN);
        else
            heald_prep_recv(&p[i].op, fds[0], buf, sizeof buf, 0);
        probe_start(loop, &p[i]);
    }
    for (int i = 0; i < CROWD; i += 3)
        ck_assert_int_eq(heald_cancel(&p[i].op), 0);
    turn_for(loop, HEALD_MS);
    for (int i = 0; i < CROWD; i++)
        if (i % 3)
            ck_assert_int_eq(heald_cancel(&p[i].op), 0);
    for (int i = 0; i < CROWD; i++)
        ck_assert_int_eq(probe_end(&p[i]), -ECANCELED);
    free(p);
    pair_close(loop, fds);
    loop_end(loop);
}

/* A write that waits for room. TCP may make some at any time, when it moves on what it has. */
static void start_write_without_room(struct heald_loop *loop, struct probe *p, int fd)
{
    static const char buf[65536];

    for (int i = 0; i < 20; i++) {
        *p = (struct probe){0};
        fill_up(fd);
        heald_prep_write(&p->op, fd, buf, sizeof buf, HEALD_NO_OFFSET);
        probe_start(loop, p);
        turn_for(loop, HEALD_MS);
        if (!p->finals)
            return;
        ck_assert_int_gt(p->result, 0);
    }
    ck_abort_msg("there is always room");
}

HEALD_CASE(a_write_that_finds_no_room)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p;
    int fds[2];

    for (enum pair_kind kind = 0; kind < PAIR_KINDS; kind++) {
        pair_open(kind, fds);
        start_write_without_room(loop, &p, fds[1]);
        probe_cancel(&p);
        pair_close(loop, fds);
    }
    loop_end(loop);
}

/* A file op may be cancelled or may be done; it ends once, and the file agrees with the result. */
HEALD_CASE(operations_on_files)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p[40] = {0};
    char path[64], buf[4096], read[4096]; /* others are being written meanwhile */
    int dir = dir_make(path);
    int fd = openat(dir, "file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    pattern_fill(buf, sizeof buf, 0);
    for (int i = 0; i < 40; i++) {
        heald_prep_write(&p[i].op, fd, buf, sizeof buf, (int64_t)i * 4096);
        probe_start(loop, &p[i]);
    }
    for (int i = 0; i < 40; i++) {
        int err = heald_cancel(&p[i].op);
        ck_assert(err == 0 || err == -EALREADY);
    }
    for (int i = 0; i < 40; i++) {
        int64_t result = probe_end(&p[i]);
        ck_assert(result == 4096 || result == -ECANCELED);
        if (result < 0)
            continue;
        ck_assert_int_eq(pread(fd, read, sizeof read, (off_t)i * 4096), 4096);
        pattern_check(read, sizeof read, 0);
    }
    heald_close(loop, fd);
    dir_remove(dir, path);
    loop_end(loop);
}

void add_cancel(TCase *group)
{
    add_everywhere(group, idle_ops_cannot_be_cancelled);
    add_everywhere(group, once_and_not_inside_the_call);
    add_everywhere(group, every_kind_that_waits);
    add_everywhere(group, data_that_comes_later_is_not_lost);
    add_everywhere(group, data_that_came_before_is_reported_or_left);
    add_everywhere(group, the_ones_behind_go_on);
    add_everywhere(group, from_a_callback_when_both_are_due);
    add_everywhere(group, from_a_callback_on_the_other_direction);
    add_everywhere(group, memory_is_free_in_the_final_callback);
    add_everywhere(group, submitted_and_cancelled_again_in_its_callback);
    add_everywhere(group, a_crowd_at_once);
    add_everywhere(group, a_write_that_finds_no_room);
    add_everywhere(group, operations_on_files);
}
