/* test/differential/units_time.c: timers, once and again and again; deadlines that come. */
#include "differential/program.h"

#include <errno.h>

enum { TIMERS = 12, PERIODS = 4, NEAR_US = 2500 };

struct timers {
    struct heald_op op[TIMERS];
    bool cancelled[TIMERS];
    unsigned count, left;
};

static int64_t now(void)
{
    return heald_clock_now(HEALD_CLOCK_MONOTONIC);
}

static void on_timer(struct heald_op *op)
{
    struct unit *u = unit_of(op);
    struct timers *t = u->state;
    unsigned i = (unsigned)(op - t->op);

    u->value[i] = op->result;
    if (t->cancelled[i])
        ck_assert_int_eq(op->result, -ECANCELED);
    else
        ck_assert_msg(op->result == 0 && now() >= op->deadline_ns, "unit %u: timer %u is early",
                      u->index, i);
    if (--t->left == 0)
        unit_over(u);
}

static void timers_start(struct unit *u)
{
    struct timers *t = u->state;

    t->count = t->left = rng_range(&u->plan, 1, TIMERS);
    for (unsigned i = 0; i < t->count; i++) {
        t->cancelled[i] = rng_one_in(&u->plan, 3);
        int64_t in = rng_below(&u->plan, NEAR_US) * HEALD_US;
        if (t->cancelled[i])
            in += FAR_SECONDS * HEALD_SEC;
        enum heald_clock clock =
            rng_one_in(&u->noise, 4) ? HEALD_CLOCK_BOOT : HEALD_CLOCK_MONOTONIC;
        if (heald_clock_now(clock) < 0) /* not every platform has it */
            clock = HEALD_CLOCK_MONOTONIC;
        if (clock == HEALD_CLOCK_MONOTONIC && rng_one_in(&u->noise, 8) && !t->cancelled[i])
            in = -in; /* in the past */
        heald_prep_timer_clock(&t->op[i], clock, heald_clock_now(clock) + in, 0);
        unit_go(u, &t->op[i], on_timer);
    }
    for (unsigned i = 0; i < t->count; i++)
        if (t->cancelled[i]) {
            ck_assert_int_eq(heald_cancel(&t->op[i]), 0);
            ck_assert_int_eq(heald_cancel(&t->op[i]), -EALREADY);
        }
}

const struct unit_kind unit_timers = {"timers", sizeof(struct timers), timers_start, 4};

struct period {
    struct heald_op op;
    int64_t first, period, passed;
    unsigned calls, want;
};

static void on_period(struct heald_op *op)
{
    struct unit *u = unit_of(op);
    struct period *p = u->state;

    if (op->flags & HEALD_MORE) {
        ck_assert_int_ge(op->result, 1);
        p->passed += op->result;
        ck_assert_int_ge(now(), p->first + (p->passed - 1) * p->period);
        if (++p->calls == p->want)
            ck_assert_int_eq(heald_cancel(op), 0);
        return;
    }
    ck_assert_uint_eq(p->calls, p->want);
    u->value[0] = op->result;
    u->value[1] = p->calls;
    unit_over(u);
}

static void period_start(struct unit *u)
{
    struct period *p = u->state;

    p->want = rng_range(&u->plan, 1, PERIODS);
    p->period = rng_range(&u->plan, 100, 700) * HEALD_US;
    p->first = now() + rng_below(&u->plan, 500) * HEALD_US;
    heald_prep_timer_clock(&p->op, HEALD_CLOCK_MONOTONIC, p->first, p->period);
    unit_go(u, &p->op, on_period);
}

const struct unit_kind unit_period = {"period", sizeof(struct period), period_start, 2};

/*
 * Receives that time out while nothing comes; then something is sent, and the next receive has it
 * all: what timed out took nothing.
 */
struct late {
    int fds[2];
    struct heald_op first[2], behind, poll, send;
    unsigned left;
    char in[4][64];
};

static void late_over(struct unit *u)
{
    struct late *l = u->state;

    if (--l->left)
        return;
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(heald_close(u->run->loop, l->fds[i]), 0);
    unit_over(u);
}

static void late_sent(struct heald_op *op)
{
    unit_of(op)->value[3] = op->result;
    late_over(unit_of(op));
}

static void late_received(struct heald_op *op)
{
    struct unit *u = unit_of(op);

    u->value[2] = op->result;
    ck_assert_int_eq(op->result, 5);
    late_over(u);
}

static void late_timed_out(struct heald_op *op)
{
    struct unit *u = unit_of(op);
    struct late *l = u->state;

    ck_assert_msg(op->result == -ETIMEDOUT, "unit %u: %s: %lld", u->index, heald_op_kind(op),
                  (long long)op->result);
    ck_assert_int_ge(now(), op->deadline_ns);
    if (heald_op_error(&l->first[0]) == -ETIMEDOUT && heald_op_error(&l->first[1]) == -ETIMEDOUT &&
        heald_op_error(&l->poll) == -ETIMEDOUT && heald_op_error(&l->send) == 0) {
        heald_prep_send(&l->send, l->fds[1], "later", 5, 0);
        unit_go(u, &l->send, late_sent);
    }
    late_over(u);
}

static void late_start(struct unit *u)
{
    struct late *l = u->state;

    unit_pair_open(rng_one_in(&u->plan, 2) ? PAIR_UNIX : PAIR_TCP, l->fds);
    unit_vary(u, l->fds[0]);
    l->left = 5;
    for (int i = 0; i < 2; i++) {
        heald_prep_recv(&l->first[i], l->fds[0], l->in[i], 64, 0);
        l->first[i].deadline_ns = now() + rng_below(&u->plan, 1500) * HEALD_US;
        unit_go(u, &l->first[i], late_timed_out);
    }
    heald_prep_recv(&l->behind, l->fds[0], l->in[2], 64, 0);
    unit_go(u, &l->behind, late_received);
    heald_prep_poll(&l->poll, l->fds[0], 0x001 /* POLLIN */);
    l->poll.deadline_ns = now() + rng_below(&u->plan, 1500) * HEALD_US;
    unit_go(u, &l->poll, late_timed_out);
}

const struct unit_kind unit_deadline = {"deadline", sizeof(struct late), late_start, 3};
