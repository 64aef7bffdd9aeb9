/* test/conformance/loop.c: options, counters, the list of pending ops, holding, closing. */
#include "conformance/conformance.h"

#include <signal.h>
#include <sys/socket.h>

HEALD_CASE(options_out_of_range)
{
    struct heald_loop *loop = NULL;
    struct heald_loop_options good = {.backend = backend_of(_i), .engine = engine_of(_i)};
    struct heald_loop_options bad[8];

    for (int i = 0; i < 8; i++)
        bad[i] = good;
    bad[0].backend = "no such back end";
    bad[1].engine = "no such engine";
    bad[2].policy = (enum heald_policy)4;
    bad[3].shares[1] = 1001;
    bad[4].entries = 3;
    bad[5].entries = 65536;
    bad[6].pool_threads = 257;
    bad[7].policy = (enum heald_policy) - 1;
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(heald_loop_open(&loop, &bad[i]), -EINVAL);
    ck_assert_ptr_null(loop);
}

HEALD_CASE(options_at_their_limits)
{
    static const struct heald_loop_options limits[] = {
        {.shares = {1000, 1000, 1000}, .turn_callbacks = 1, .entries = 1, .pool_threads = 1},
        {.shares = {1, 1, 1}, .turn_callbacks = 100000, .entries = 4096, .pool_threads = 256},
    };

    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        struct heald_loop *loop = loop_with(_i, limits[i]);
        struct probe p[50] = {0};
        for (int n = 0; n < 50; n++) {
            heald_prep_timer(&p[n].op, n & 1 ? 0 : now() + HEALD_MS);
            probe_start(loop, &p[n]);
        }
        ck_assert_int_eq(heald_loop_run(loop), 0);
        for (int n = 0; n < 50; n++)
            ck_assert_int_eq(p[n].finals, 1);
        loop_end(loop);
    }
}

HEALD_CASE(counters)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_loop_stats s;
    struct probe p[4] = {0};

    heald_loop_stats(loop, &s);
    ck_assert_uint_eq(s.submitted + s.completed + s.callbacks + s.posts + s.pending + s.due, 0);
    for (int i = 0; i < 3; i++) {
        heald_prep_timer(&p[i].op, i ? HEALD_FOREVER : 0);
        probe_start(loop, &p[i]);
    }
    ck_assert_int_eq(heald_submit(loop, &p[0].op, probe_completed), -EBUSY);
    heald_loop_stats(loop, &s);
    ck_assert_uint_eq(s.submitted, 3);
    ck_assert_uint_eq(s.pending, 3);
    ck_assert_int_eq(probe_end(&p[0]), 0);
    ck_assert_int_eq(heald_loop_post(loop, &p[3].op, probe_completed), 0);
    ck_assert_int_eq(heald_cancel(&p[1].op), 0);
    heald_loop_stats(loop, &s);
    ck_assert_uint_ge(s.turns, 1);
    ck_assert_uint_eq(s.completed, 1);
    ck_assert_uint_eq(s.callbacks, 1);
    ck_assert_uint_ge(s.due, 1);
    ck_assert_int_eq(heald_cancel(&p[2].op), 0);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    heald_loop_stats(loop, &s);
    ck_assert_uint_eq(s.completed, 4);
    ck_assert_uint_eq(s.callbacks, 4);
    ck_assert_uint_eq(s.posts, 1);
    ck_assert_uint_eq(s.pending, 0);
    ck_assert_uint_eq(s.due, 0);
    loop_end(loop);
}

struct names {
    char text[512];
};

static void note_name(const struct heald_op *op, void *user)
{
    struct names *n = user;

    ck_assert_ptr_nonnull(op->name);
    ck_assert_ptr_null(strstr(n->text, op->name));
    strcat(n->text, op->name);
}

static void on_nothing(struct heald_op *op)
{
    (void)op;
}

/* One of every kind that can wait, by name. */
static int submit_every_kind(struct heald_loop *loop, struct heald_op ops[16], const int fds[2],
                             int listener, struct heald_buf_group *group)
{
    static const char *const names[] = {"<a>", "<b>", "<c>", "<d>", "<e>", "<f>", "<g>", "<h>"};
    static char buf[8];
    int n = 0;

    heald_prep_recv(&ops[n++], fds[0], buf, 8, 0);
    heald_prep_recv(&ops[n++], fds[0], buf, 8, 0);
    heald_prep_poll(&ops[n++], fds[1], POLLPRI);
    heald_prep_accept_multishot(&ops[n++], listener);
    heald_prep_timer(&ops[n++], HEALD_FOREVER);
    heald_prep_timer_clock(&ops[n++], HEALD_CLOCK_BOOT, HEALD_FOREVER, 0);
    heald_prep_signal(&ops[n++], SIGUSR1, NULL);
    heald_prep_recv_multishot(&ops[n++], fds[1], group, 0);
    for (int i = 0; i < n; i++) {
        ops[i].name = names[i];
        if (i < 3)
            ops[i].deadline_ns = now() + 3600 * HEALD_SEC;
        ck_assert_int_eq(heald_submit(loop, &ops[i], on_nothing), 0);
    }
    return n;
}

HEALD_CASE(a_list_of_all_that_lives)
{
    skip_on_portable("no boot clock");
    struct heald_loop *loop = loop_on(_i);
    struct heald_addr addr;
    struct heald_op ops[16] = {0};
    struct heald_buf_group *group;
    struct names n = {""};
    char memory[2][8];
    int fds[2], listener = tcp_listen(0, &addr);

    pair_open(PAIR_TCP, fds);
    ck_assert_int_eq(heald_buf_group_open(&group, loop, memory, 2, 8), 0);
    int count = submit_every_kind(loop, ops, fds, listener, group);
    for (int turns = 0; turns < 2; turns++) {
        n.text[0] = 0;
        ck_assert_uint_eq(heald_loop_list(loop, note_name, &n), (size_t)count);
        ck_assert_uint_eq(strlen(n.text), (size_t)count * 3);
        ck_assert_int_eq(heald_loop_close(loop), -EBUSY);
        turn_for(loop, 0);
    }
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(heald_cancel(&ops[i]), 0);
    n.text[0] = 0;
    size_t left = heald_loop_list(loop, note_name, &n);
    struct heald_loop_stats stats;
    heald_loop_stats(loop, &stats);
    ck_assert_uint_eq(left, stats.pending);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    pair_close(loop, fds);
    heald_close(loop, listener);
    loop_end(loop);
}

HEALD_CASE(callbacks_a_turn_are_bounded)
{
    struct heald_loop *loop = loop_with(_i, (struct heald_loop_options){.turn_callbacks = 7});
    struct probe p[30] = {0};
    int ran, total = 0;

    for (int i = 0; i < 30; i++) {
        heald_prep_timer(&p[i].op, 0);
        probe_start(loop, &p[i]);
    }
    while (total < 30) {
        ran = heald_loop_turn(loop, HEALD_FOREVER);
        ck_assert_int_ge(ran, 1);
        ck_assert_int_le(ran, 7);
        total += ran;
    }
    ck_assert_int_eq(total, 30);
    loop_end(loop);
}

HEALD_CASE(a_turn_waits_until_its_deadline)
{
    struct heald_loop *loop = loop_on(_i);

    ck_assert_int_eq(heald_loop_turn(loop, 0), 0);
    for (int i = 0; i < 3; i++) {
        int64_t deadline = now() + HEALD_MS, before = now();
        ck_assert_int_eq(heald_loop_turn(loop, deadline), 0);
        ck_assert_int_ge(now(), before);
    }
    ck_assert_int_eq(heald_loop_turn(loop, now() - HEALD_SEC), 0);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    loop_end(loop);
}

static void on_release(struct heald_op *op)
{
    probe_completed(op);
    heald_loop_release(op->loop);
}

HEALD_CASE(held_it_runs_on)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p[3] = {0};

    for (int i = 0; i < 3; i++)
        heald_loop_hold(loop);
    for (int i = 0; i < 3; i++) {
        heald_prep_timer(&p[i].op, now() + i * HEALD_MS);
        ck_assert_int_eq(heald_submit(loop, &p[i].op, on_release), 0);
    }
    ck_assert_int_eq(heald_loop_run(loop), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(p[i].finals, 1);
    loop_end(loop);
}

HEALD_CASE(held_it_stays_open)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_loop_stats stats;

    heald_loop_hold(loop);
    heald_loop_hold(loop);
    ck_assert_int_eq(heald_loop_close(loop), -EBUSY);
    heald_loop_release(loop);
    heald_loop_stats(loop, &stats);
    ck_assert_uint_eq(stats.holds, 1);
    ck_assert_int_eq(heald_loop_close(loop), -EBUSY);
    heald_loop_release(loop);
    loop_end(loop);
}

HEALD_CASE(released_too_often)
{
    struct heald_loop *loop = loop_on(_i);

    heald_loop_release(loop);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    heald_loop_hold(loop);
    ck_assert_int_eq(heald_loop_close(loop), -EBUSY);
    heald_loop_release(loop);
    heald_loop_release(loop);
    loop_end(loop);
}

/* Two loops on one thread, each with its own ops. */
HEALD_CASE(two_side_by_side)
{
    struct heald_loop *a = loop_on(_i), *b = loop_on(_i);
    struct probe p[2] = {0};
    char buf[8];
    int fds[2];

    pair_open(PAIR_UNIX, fds);
    for (int i = 0; i < 5; i++) {
        heald_prep_recv(&p[0].op, fds[0], buf, 8, 0);
        probe_start(a, &p[0]);
        turn_for(a, 0);
        ck_assert_int_eq(op_send(b, fds[1], "across", 6), 6);
        ck_assert_int_eq(probe_end(&p[0]), 6);
        ck_assert_ptr_eq(p[0].op.loop, a);
    }
    heald_prep_timer(&p[1].op, 0);
    ck_assert_int_eq(probe_do(b, &p[1]), 0);
    ck_assert_ptr_eq(p[1].op.loop, b);
    heald_close(a, fds[0]);
    heald_close(b, fds[1]);
    loop_end(a);
    loop_end(b);
}

HEALD_CASE(opened_and_closed_a_hundred_times)
{
    skip_on_portable("no guest mode");
    for (int i = 0; i < 100; i++) {
        struct heald_loop *loop = loop_on(_i);
        if (i & 1)
            ck_assert_int_ge(heald_loop_fd(loop), 0);
        loop_end(loop);
    }
}

void add_loop(TCase *group)
{
    add_everywhere(group, options_out_of_range);
    add_everywhere(group, options_at_their_limits);
    add_everywhere(group, counters);
    add_everywhere(group, a_list_of_all_that_lives);
    add_everywhere(group, callbacks_a_turn_are_bounded);
    add_everywhere(group, a_turn_waits_until_its_deadline);
    add_everywhere(group, held_it_runs_on);
    add_everywhere(group, held_it_stays_open);
    add_everywhere(group, released_too_often);
    add_everywhere(group, two_side_by_side);
    add_everywhere(group, opened_and_closed_a_hundred_times);
}
