/* test/conformance/moved.c: deadlines that move while an op is pending, and that preps keep. */
#include "conformance/conformance.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

static int64_t in_ms(int ms)
{
    return now() + ms * HEALD_MS;
}

/* Starts a probe that waits on a new pair, without a deadline. */
static void start_read(struct heald_loop *loop, struct probe *p, int fds[2], char *buf)
{
    pair_open(PAIR_TCP, fds);
    ck_assert_int_eq(heald_prep_recv(&p->op, fds[0], buf, 1, 0), 0);
    probe_start(loop, p);
}

HEALD_CASE(a_deadline_is_put_off)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    char buf[1];
    int fds[2];

    pair_open(PAIR_TCP, fds);
    heald_prep_recv(&p.op, fds[0], buf, 1, 0);
    int64_t first = in_ms(100);
    p.op.deadline_ns = first;
    probe_start(loop, &p);
    /* Each time long before it is due, on a slow machine, too. */
    while (now() < first + 20 * HEALD_MS) {
        ck_assert_int_eq(heald_op_set_deadline(&p.op, in_ms(2000)), 0);
        turn_for(loop, 20 * HEALD_MS);
        ck_assert_int_eq(p.calls, 0);
    }
    int64_t last = in_ms(5);
    ck_assert_int_eq(heald_op_set_deadline(&p.op, last), 0);
    ck_assert_int_eq(probe_end(&p), -ETIMEDOUT);
    ck_assert_int_ge(now(), last);
    ck_assert_int_eq(p.calls, 1);
    pair_close(loop, fds);
    loop_end(loop);
}

HEALD_CASE(a_deadline_comes_and_goes)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    char buf[1];
    int fds[2];

    start_read(loop, &p, fds, buf);
    ck_assert_int_eq(heald_op_set_deadline(&p.op, in_ms(3)), 0);
    ck_assert_int_eq(heald_op_set_deadline(&p.op, HEALD_FOREVER), 0);
    turn_for(loop, 6 * HEALD_MS);
    ck_assert_int_eq(p.calls, 0);
    ck_assert_int_eq(heald_op_set_deadline(&p.op, 0), 0);
    ck_assert_int_eq(p.calls, 0);
    ck_assert_int_eq(probe_end(&p), -ETIMEDOUT);
    pair_close(loop, fds);
    loop_end(loop);
}

HEALD_CASE(data_comes_before_a_moved_deadline)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    char buf[1];
    int fds[2];

    start_read(loop, &p, fds, buf);
    ck_assert_int_eq(heald_op_set_deadline(&p.op, in_ms(2000)), 0);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    ck_assert_int_eq(probe_end(&p), 1);
    pair_close(loop, fds);
    loop_end(loop);
}

HEALD_CASE(a_prep_keeps_what_was_set_for_it)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    char buf[1];
    int fds[2];

    pair_open(PAIR_TCP, fds);
    ck_assert_int_eq(heald_op_set_deadline(&p.op, in_ms(2)), 0);
    ck_assert_int_eq(heald_prep_recv(&p.op, fds[0], NULL, 1, 0), -EINVAL);
    ck_assert_int_eq(heald_prep_recv(&p.op, fds[0], buf, 1, 0), 0);
    ck_assert_int_eq(probe_do(loop, &p), -ETIMEDOUT);
    /* For one submission: the next prep has none. */
    heald_prep_recv(&p.op, fds[0], buf, 1, 0);
    ck_assert_int_eq(p.op.deadline_ns, HEALD_FOREVER);
    ck_assert_int_eq(heald_op_set_deadline(&p.op, in_ms(2)), 0);
    ck_assert_int_eq(probe_do(loop, &p), -ETIMEDOUT);
    /* Without a prep it is kept, and may be moved. */
    ck_assert_int_eq(heald_op_set_deadline(&p.op, in_ms(2000)), 0);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    ck_assert_int_eq(probe_do(loop, &p), 1);
    pair_close(loop, fds);
    loop_end(loop);
}

HEALD_CASE(timers_move)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe once = {0}, every = {0};

    heald_prep_timer(&once.op, in_ms(5000));
    probe_start(loop, &once);
    heald_prep_timer_clock(&every.op, HEALD_CLOCK_MONOTONIC, in_ms(5000), HEALD_MS);
    probe_start(loop, &every);
    ck_assert_int_eq(heald_op_set_deadline(&every.op, in_ms(1)), 0);
    turn_until(loop, &every.calls, 3);
    ck_assert_int_eq(once.calls, 0);
    ck_assert_int_eq(heald_op_set_deadline(&every.op, HEALD_FOREVER), 0);
    int64_t when = in_ms(2);
    ck_assert_int_eq(heald_op_set_deadline(&once.op, when), 0);
    ck_assert_int_eq(probe_end(&once), 0);
    ck_assert_int_ge(now(), when);
    probe_cancel(&every);
    loop_end(loop);
}

HEALD_CASE(timers_of_the_boot_clock_move)
{
    struct heald_loop *loop = loop_on(_i);
    int64_t boot = heald_clock_now(HEALD_CLOCK_BOOT);
    struct probe p = {0};

    if (boot < 0)
        harness_skip("there is no boot clock");
    heald_prep_timer_clock(&p.op, HEALD_CLOCK_BOOT, boot + 5000 * HEALD_MS, 0);
    probe_start(loop, &p);
    turn_for(loop, HEALD_MS);
    ck_assert_int_eq(heald_op_set_deadline(&p.op, boot + 3 * HEALD_MS), 0);
    ck_assert_int_eq(probe_end(&p), 0);
    ck_assert_int_ge(heald_clock_now(HEALD_CLOCK_BOOT), boot + 3 * HEALD_MS);
    loop_end(loop);
}

static void on_move(struct heald_op *op)
{
    struct probe *p = heald_container_of(op, struct probe, op);

    probe_completed(op);
    if (op->flags & HEALD_MORE)
        ck_assert_int_eq(heald_op_set_deadline(op, in_ms(p->calls < 5 ? 2000 : 2)), 0);
}

/* The idle time-out of a connection: each portion of data moves it. */
HEALD_CASE(a_multishot_moves_it_in_its_callback)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_buf_group *group;
    struct probe p = {0};
    char memory[8][4];
    int fds[2];

    ck_assert_int_eq(heald_buf_group_open(&group, loop, memory, 8, 4), 0);
    pair_open(PAIR_TCP, fds);
    heald_prep_recv_multishot(&p.op, fds[0], group, 0);
    p.op.deadline_ns = in_ms(2000);
    ck_assert_int_eq(heald_submit(loop, &p.op, on_move), 0);
    for (int i = 1; i <= 5; i++) {
        ck_assert_int_eq(write(fds[1], "x", 1), 1);
        turn_until(loop, &p.calls, i);
    }
    ck_assert_int_eq(probe_end(&p), -ETIMEDOUT);
    ck_assert_int_eq(p.calls, 6);
    pair_close(loop, fds);
    ck_assert_int_eq(heald_buf_group_close(group), 0);
    loop_end(loop);
}

HEALD_CASE(what_cannot_move)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0}, post = {0};
    char buf[1];
    int fds[2];

    start_read(loop, &p, fds, buf);
    ck_assert_int_eq(heald_op_set_deadline(&p.op, -1), -EINVAL);
    ck_assert_int_eq(heald_cancel(&p.op), 0);
    ck_assert_int_eq(heald_op_set_deadline(&p.op, in_ms(5)), -EALREADY);
    ck_assert_int_eq(probe_end(&p), -ECANCELED);
    ck_assert_int_eq(heald_loop_post(loop, &post.op, probe_completed), 0);
    ck_assert_int_eq(heald_op_set_deadline(&post.op, in_ms(5)), -EINVAL);
    ck_assert_int_eq(probe_end(&post), 0);
    pair_close(loop, fds);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    loop_end(loop);
}

static int64_t deadline_shown(struct heald_loop *loop, struct heald_region *region)
{
    struct heald_participant_info info = {0};
    unsigned cursor = 0;

    turn_for(loop, HEALD_MS);
    while (!info.wait_count)
        ck_assert_int_eq(heald_participant_next(region, &cursor, &info), 1);
    ck_assert_int_eq((info.waits[0].flags & HEALD_WAIT_DEADLINE) != 0,
                     info.waits[0].deadline_ns != HEALD_FOREVER);
    return info.waits[0].deadline_ns;
}

HEALD_CASE(the_region_shows_where_it_went)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_participant *me, *other;
    struct heald_region *region;
    struct probe p = {0};
    char name[64];

    snprintf(name, sizeof name, "/heald-moved-%ld", (long)getpid());
    ck_assert_int_eq(heald_region_open(&region, name, HEALD_REGION_CREATE, NULL), 0);
    ck_assert_int_eq(heald_region_unlink(name), 0);
    ck_assert_int_eq(heald_attach(region, &me), 0);
    ck_assert_int_eq(heald_attach(region, &other), 0);
    struct heald_mutex *mutex = heald_region_data(region);
    ck_assert_int_eq(heald_mutex_lock(mutex, other, HEALD_FOREVER), 0);
    heald_prep_mutex_lock(&p.op, mutex, me);
    probe_start(loop, &p);
    ck_assert_int_eq(deadline_shown(loop, region), HEALD_FOREVER);
    int64_t far = in_ms(60000);
    ck_assert_int_eq(heald_op_set_deadline(&p.op, far), 0);
    ck_assert_int_eq(deadline_shown(loop, region), far);
    ck_assert_int_eq(heald_op_set_deadline(&p.op, HEALD_FOREVER), 0);
    ck_assert_int_eq(deadline_shown(loop, region), HEALD_FOREVER);
    ck_assert_int_eq(heald_op_set_deadline(&p.op, in_ms(2)), 0);
    ck_assert_int_eq(probe_end(&p), -ETIMEDOUT);
    ck_assert_int_eq(heald_mutex_unlock(mutex, other), 0);
    heald_detach(other);
    heald_detach(me);
    ck_assert_int_eq(heald_region_close(region), 0);
    loop_end(loop);
}

/* A program that changes the field of a pending op: with a deadline, or without one. */
static void change_the_field(int combination, bool had_one)
{
    struct heald_loop *loop = loop_on(combination);
    struct heald_op op = {0};
    char buf[1];
    int fds[2];

    pair_open(PAIR_TCP, fds);
    heald_prep_recv(&op, fds[0], buf, 1, 0);
    op.deadline_ns = had_one ? in_ms(1000) : HEALD_FOREVER;
    heald_submit(loop, &op, NULL);
    heald_loop_turn(loop, 0);
    op.deadline_ns = in_ms(3600 * 1000);
    heald_cancel(&op);
    heald_loop_run(loop);
}

HEALD_CASE(a_changed_field_is_caught)
{
#ifdef NDEBUG
    harness_skip("built without assertions");
#endif
    for (int had_one = 0; had_one < 2; had_one++) {
        int status = 0;
        pid_t pid = fork();

        if (pid == 0) {
            const struct rlimit no_core = {0, 0};
            setrlimit(RLIMIT_CORE, &no_core);
            signal(SIGABRT, SIG_DFL);
            close(STDERR_FILENO);
            change_the_field(_i, had_one);
            _exit(0);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    }
}

void add_moved(TCase *group)
{
    add_everywhere(group, a_deadline_is_put_off);
    add_everywhere(group, a_deadline_comes_and_goes);
    add_everywhere(group, data_comes_before_a_moved_deadline);
    add_everywhere(group, a_prep_keeps_what_was_set_for_it);
    add_everywhere(group, timers_move);
    add_everywhere(group, timers_of_the_boot_clock_move);
    add_everywhere(group, a_multishot_moves_it_in_its_callback);
    add_everywhere(group, what_cannot_move);
    add_on_waiters(group, the_region_shows_where_it_went);
    add_everywhere(group, a_changed_field_is_caught);
}
