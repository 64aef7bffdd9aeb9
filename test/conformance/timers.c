/* test/conformance/timers.c: timers on both clocks: never early, in order, without drift. */
#include "conformance/conformance.h"

#include <pthread.h>

enum { MANY = 1000, MILLION = 1000 * 1000 };

struct timer {
    struct heald_op op;
    int64_t when_ns;
};

/* What the callbacks of the present case have seen. */
static struct {
    int notified, early, disorder;
    int64_t last_ns;
} seen;

static void on_timer(struct heald_op *op)
{
    struct timer *t = heald_container_of(op, struct timer, op);

    if (op->result == -ECANCELED)
        return;
    seen.notified++;
    seen.early += now() < t->when_ns;
    seen.disorder += t->when_ns < seen.last_ns;
    seen.last_ns = t->when_ns;
    must(op->result == 0);
}

static void arm(struct heald_loop *loop, struct timer *t, int64_t when_ns)
{
    t->when_ns = when_ns;
    must(heald_prep_timer(&t->op, when_ns) == 0);
    must(heald_submit(loop, &t->op, on_timer) == 0);
}

HEALD_CASE(one_fires_once_and_not_early)
{
    struct heald_loop *loop = loop_on(_i);
    struct timer t = {0};

    arm(loop, &t, now() + 2 * HEALD_MS);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    ck_assert_int_eq(seen.notified, 1);
    ck_assert_int_eq(seen.early, 0);
    loop_end(loop);
}

HEALD_CASE(many_fire_in_order_and_none_early)
{
    struct heald_loop *loop = loop_on(_i);
    struct timer *t = calloc(MANY, sizeof *t);
    int64_t base = now();

    for (unsigned i = 0; i < MANY; i++)
        arm(loop, &t[i], base + (int64_t)(i * 7919u % 10007u) * 1500);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    ck_assert_int_eq(seen.notified, MANY);
    ck_assert_int_eq(seen.early, 0);
    ck_assert_int_eq(seen.disorder, 0);
    free(t);
    loop_end(loop);
}

HEALD_CASE(equal_times_fire_in_order_of_submission)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p[20] = {0};
    int64_t when = now() + HEALD_MS;

    for (int i = 0; i < 20; i++) {
        heald_prep_timer(&p[i].op, when);
        probe_start(loop, &p[i]);
    }
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(probe_end(&p[i]), 0);
    for (int i = 1; i < 20; i++)
        ck_assert_uint_gt(p[i].stamp, p[i - 1].stamp);
    loop_end(loop);
}

HEALD_CASE(the_past_is_over_on_the_next_turn)
{
    static const int64_t before[] = {HEALD_FOREVER, HEALD_SEC, 1, 0};
    struct heald_loop *loop = loop_on(_i);

    for (int i = 0; i < 4; i++) {
        struct probe p = {0};
        heald_prep_timer(&p.op, before[i] == HEALD_FOREVER ? 0 : now() - before[i]);
        probe_start(loop, &p);
        ck_assert_int_ge(heald_loop_turn(loop, HEALD_FOREVER), 1);
        ck_assert_int_eq(p.finals, 1);
        ck_assert_int_eq(p.result, 0);
    }
    loop_end(loop);
}

HEALD_CASE(for_ever_waits_until_it_is_cancelled)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};

    ck_assert_int_eq(heald_prep_timer(&p.op, HEALD_FOREVER), 0);
    probe_start(loop, &p);
    turn_for(loop, 2 * HEALD_MS);
    probe_cancel(&p);
    loop_end(loop);
}

HEALD_CASE(invalid_arguments_are_refused)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_op op = {0};

    ck_assert_int_eq(heald_prep_timer(&op, -1), -EINVAL);
    ck_assert_int_eq(heald_submit(loop, &op, probe_completed), -EINVAL);
    ck_assert_int_eq(heald_prep_timer_clock(&op, HEALD_CLOCK_MONOTONIC, 0, -1), -EINVAL);
    ck_assert_int_eq(heald_prep_timer_clock(&op, (enum heald_clock)7, 0, 0), -EINVAL);
    ck_assert_int_eq(heald_submit(loop, &op, probe_completed), -EINVAL);
    loop_end(loop);
}

struct periodic {
    struct heald_op op;
    enum heald_clock clock;
    int64_t first_ns, period_ns, periods;
    int notified, want, finals;
};

static void on_period(struct heald_op *op)
{
    struct periodic *p = heald_container_of(op, struct periodic, op);

    if (!(op->flags & HEALD_MORE)) {
        ck_assert_int_eq(op->result, -ECANCELED);
        p->finals++;
        return;
    }
    p->notified++;
    p->periods += op->result;
    ck_assert_int_ge(op->result, 1);
    /* Without drift: the nth period ends at first + (n - 1) * period, and never before. */
    ck_assert_int_ge(heald_clock_now(p->clock), p->first_ns + (p->periods - 1) * p->period_ns);
    if (p->notified == p->want)
        ck_assert_int_eq(heald_cancel(op), 0);
}

static void run_periodic(struct heald_loop *loop, enum heald_clock clock)
{
    struct periodic p = {.clock = clock, .period_ns = HEALD_MS / 2, .want = 20};

    p.first_ns = heald_clock_now(clock) + HEALD_MS;
    ck_assert_int_eq(heald_prep_timer_clock(&p.op, clock, p.first_ns, p.period_ns), 0);
    ck_assert_int_eq(heald_submit(loop, &p.op, on_period), 0);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    ck_assert_int_eq(p.notified, 20);
    ck_assert_int_eq(p.finals, 1);
}

HEALD_CASE(a_period_does_not_drift)
{
    struct heald_loop *loop = loop_on(_i);

    run_periodic(loop, HEALD_CLOCK_MONOTONIC);
    loop_end(loop);
}

HEALD_CASE(a_late_loop_counts_the_periods_it_missed)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    int64_t first = now() + HEALD_MS;

    heald_prep_timer_clock(&p.op, HEALD_CLOCK_MONOTONIC, first, HEALD_MS);
    probe_start(loop, &p);
    while (now() < first + 7 * HEALD_MS)
        usleep(1000);
    turn_until(loop, &p.calls, 1);
    ck_assert_int_ge(p.result, 8);
    probe_cancel(&p);
    loop_end(loop);
}

/* The second time would lie behind the end of time: it never comes. */
HEALD_CASE(a_period_without_end)
{
    struct heald_loop *loop = loop_on(_i);

    for (enum heald_clock clock = HEALD_CLOCK_MONOTONIC; clock <= HEALD_CLOCK_BOOT; clock++) {
        struct probe p = {0};
        int64_t start = heald_clock_now(clock);
        if (start < 0)
            continue;
        heald_prep_timer_clock(&p.op, clock, start, HEALD_FOREVER);
        probe_start(loop, &p);
        turn_for(loop, 5 * HEALD_MS);
        ck_assert_int_eq(p.calls, 1);
        ck_assert_int_eq(p.result, 1);
        ck_assert_int_eq(p.op.deadline_ns, HEALD_FOREVER);
        probe_cancel(&p);
    }
    loop_end(loop);
}

HEALD_CASE(the_boot_clock_has_timers_too)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};

    if (heald_clock_now(HEALD_CLOCK_BOOT) < 0)
        harness_skip("there is no boot clock here");
    int64_t when = heald_clock_now(HEALD_CLOCK_BOOT) + 2 * HEALD_MS;
    heald_prep_timer_clock(&p.op, HEALD_CLOCK_BOOT, when, 0);
    ck_assert_int_eq(probe_do(loop, &p), 0);
    ck_assert_int_ge(heald_clock_now(HEALD_CLOCK_BOOT), when);
    heald_prep_timer_clock(&p.op, HEALD_CLOCK_BOOT, 0, 0);
    ck_assert_int_eq(probe_do(loop, &p), 0);
    run_periodic(loop, HEALD_CLOCK_BOOT);
    heald_prep_timer_clock(&p.op, HEALD_CLOCK_BOOT, when + 1000 * HEALD_SEC, 0);
    probe_start(loop, &p);
    turn_for(loop, HEALD_MS);
    probe_cancel(&p);
    loop_end(loop);
}

HEALD_CASE(boot_timers_fire_in_order)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p[10] = {0};
    int64_t base = heald_clock_now(HEALD_CLOCK_BOOT);

    if (base < 0)
        harness_skip("there is no boot clock here");
    base += 2 * harness_slow() * HEALD_MS; /* so that none is due before all are there */
    for (int i = 9; i >= 0; i--) {
        heald_prep_timer_clock(&p[i].op, HEALD_CLOCK_BOOT, base + (i + 1) * HEALD_MS / 2, 0);
        probe_start(loop, &p[i]);
    }
    for (int i = 9; i >= 0; i--)
        ck_assert_int_eq(probe_end(&p[i]), 0);
    for (int i = 1; i < 10; i++)
        ck_assert_uint_gt(p[i].stamp, p[i - 1].stamp);
    loop_end(loop);
}

static void on_rearm(struct heald_op *op)
{
    struct timer *t = heald_container_of(op, struct timer, op);

    ck_assert_int_ge(now(), t->when_ns);
    if (++seen.notified < 20) {
        t->when_ns = now() + HEALD_MS / 10;
        ck_assert_int_eq(heald_prep_timer(op, t->when_ns), 0);
        ck_assert_int_eq(heald_submit(op->loop, op, on_rearm), 0);
    }
}

static void *stop_soon(void *loop)
{
    usleep(5000);
    heald_loop_stop(loop);
    return NULL;
}

/* Two centuries and a half: farther away than 32-bit seconds reach, and the loop waits for it. */
HEALD_CASE(centuries_away)
{
    struct heald_loop *loop = loop_on(_i);
    int64_t far = INT64_C(8000000000) * HEALD_SEC, boot = heald_clock_now(HEALD_CLOCK_BOOT);
    struct probe p[2] = {0};
    pthread_t thread;
    int err;

    heald_prep_timer(&p[0].op, now() + far);
    probe_start(loop, &p[0]);
    if (boot >= 0) {
        heald_prep_timer_clock(&p[1].op, HEALD_CLOCK_BOOT, boot + far, 0);
        probe_start(loop, &p[1]);
    }
    ck_assert_int_eq(pthread_create(&thread, NULL, stop_soon, loop), 0);
    /* A ring that was closed interrupts the next wait of its thread: a turn may return 0 early. */
    while ((err = heald_loop_turn(loop, HEALD_FOREVER)) == 0)
        continue;
    ck_assert_int_eq(err, -ECANCELED);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(p[0].calls + p[1].calls, 0);
    probe_cancel(&p[0]);
    if (boot >= 0)
        probe_cancel(&p[1]);
    loop_end(loop);
}

HEALD_CASE(armed_again_in_its_callback)
{
    struct heald_loop *loop = loop_on(_i);
    struct timer t = {.when_ns = 0};

    heald_prep_timer(&t.op, 0);
    ck_assert_int_eq(heald_submit(loop, &t.op, on_rearm), 0);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    ck_assert_int_eq(seen.notified, 20);
    loop_end(loop);
}

HEALD_CASE(cancelled_and_armed_again)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};

    for (int i = 0; i < 20; i++) {
        heald_prep_timer(&p.op, now() + HEALD_SEC * (i + 1));
        probe_start(loop, &p);
        probe_cancel(&p);
    }
    heald_prep_timer(&p.op, now() + HEALD_MS);
    ck_assert_int_eq(probe_do(loop, &p), 0);
    loop_end(loop);
}

HEALD_CASE(a_million_at_once)
{
    struct heald_loop *loop = loop_on(_i);
    struct timer *t = calloc(MILLION, sizeof *t);
    int64_t base = now();

    ck_assert_ptr_nonnull(t);
    for (unsigned i = 0; i < MILLION; i++)
        arm(loop, &t[i], base + (i & 1 ? (int64_t)(i % 1000) * 1000 : HEALD_SEC * (100 + i % 99)));
    while (seen.notified < MILLION / 2)
        must(heald_loop_turn(loop, HEALD_FOREVER) >= 0);
    ck_assert_int_eq(seen.early, 0);
    ck_assert_int_eq(seen.disorder, 0);
    struct heald_loop_stats stats;
    heald_loop_stats(loop, &stats);
    ck_assert_uint_eq(stats.pending, MILLION / 2);
    for (unsigned i = 0; i < MILLION; i += 2)
        must(heald_cancel(&t[i].op) == 0);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    for (unsigned i = 0; i < MILLION; i += 2)
        must(heald_op_error(&t[i].op) == -ECANCELED);
    free(t);
    loop_end(loop);
}

static void on_look_twice(struct heald_op *op)
{
    int64_t first = heald_now(op->loop);

    ck_assert_int_le(first, now());
    usleep(1000);
    ck_assert_int_eq(heald_now(op->loop), first);
    probe_completed(op);
}

HEALD_CASE(the_time_of_a_turn_stands_still)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p[2] = {0};

    for (int i = 0; i < 2; i++) {
        heald_prep_timer(&p[i].op, 0);
        ck_assert_int_eq(heald_submit(loop, &p[i].op, on_look_twice), 0);
    }
    ck_assert_int_eq(heald_loop_run(loop), 0);
    /* Outside of a turn it is the present. */
    for (int i = 0; i < 3; i++) {
        int64_t before = now();
        ck_assert_int_ge(heald_now(loop), before);
        usleep(100);
    }
    loop_end(loop);
}

void add_timers(TCase *group)
{
    add_everywhere(group, one_fires_once_and_not_early);
    add_everywhere(group, many_fire_in_order_and_none_early);
    add_everywhere(group, equal_times_fire_in_order_of_submission);
    add_everywhere(group, the_past_is_over_on_the_next_turn);
    add_everywhere(group, for_ever_waits_until_it_is_cancelled);
    add_everywhere(group, invalid_arguments_are_refused);
    add_everywhere(group, a_period_does_not_drift);
    add_everywhere(group, a_late_loop_counts_the_periods_it_missed);
    add_everywhere(group, a_period_without_end);
    add_everywhere(group, the_boot_clock_has_timers_too);
    add_everywhere(group, boot_timers_fire_in_order);
    add_everywhere(group, centuries_away);
    add_everywhere(group, armed_again_in_its_callback);
    add_everywhere(group, cancelled_and_armed_again);
    add_on_backends(group, a_million_at_once);
    add_everywhere(group, the_time_of_a_turn_stands_still);
}
