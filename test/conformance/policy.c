/* test/conformance/policy.c: in which order callbacks run that are due at the same time. */
#include "conformance/conformance.h"

enum { FLOOD = 400, ROUNDS = 2000 };

/* Submits ops that are all due in the same turn, of the given classes. */
static void submit_due(struct heald_loop *loop, struct probe *p, int count,
                       uint8_t (*class_of)(int i))
{
    int64_t when = now() - HEALD_SEC;

    for (int i = 0; i < count; i++) {
        p[i].op.op_class = class_of(i);
        heald_prep_timer(&p[i].op, when);
        probe_start(loop, &p[i]);
    }
}

static uint8_t turn_about(int i)
{
    return (uint8_t)(i % 3);
}

HEALD_CASE(fifo_is_the_order_of_submission)
{
    struct heald_loop *loop =
        loop_with(_i, (struct heald_loop_options){.policy = HEALD_POLICY_FIFO});
    struct probe p[60] = {0};

    submit_due(loop, p, 60, turn_about);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    for (int i = 1; i < 60; i++)
        ck_assert_uint_gt(p[i].stamp, p[i - 1].stamp);
    loop_end(loop);
}

HEALD_CASE(strict_is_the_order_of_classes)
{
    struct heald_loop *loop =
        loop_with(_i, (struct heald_loop_options){.policy = HEALD_POLICY_STRICT});
    struct probe p[60] = {0};
    unsigned last[3] = {0}, first[3] = {UINT32_MAX, UINT32_MAX, UINT32_MAX};

    submit_due(loop, p, 60, turn_about);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    for (int i = 0; i < 60; i++) {
        int class = p[i].op.op_class;
        ck_assert_uint_gt(p[i].stamp, last[class]);
        last[class] = p[i].stamp;
        if (p[i].stamp < first[class])
            first[class] = p[i].stamp;
    }
    ck_assert_uint_lt(last[HEALD_URGENT], first[HEALD_NORMAL]);
    ck_assert_uint_lt(last[HEALD_NORMAL], first[HEALD_BULK]);
    loop_end(loop);
}

HEALD_CASE(edf_is_the_order_of_deadlines)
{
    struct heald_loop *loop = loop_with(
        _i, (struct heald_loop_options){.policy = HEALD_POLICY_EDF, .turn_callbacks = 1000});
    struct probe p[40] = {0}, without[5] = {0};
    char buf[40] = {0};
    int fds[2];

    pair_open(PAIR_PIPE, fds);
    ck_assert_int_eq(write(fds[1], buf, sizeof buf), 40);
    for (int i = 0; i < 5; i++) {
        heald_prep_poll(&without[i].op, fds[0], POLLIN);
        probe_start(loop, &without[i]);
    }
    for (int i = 0; i < 40; i++) {
        heald_prep_poll(&p[i].op, fds[0], POLLIN);
        p[i].op.deadline_ns = now() + 100 * HEALD_SEC + (i * 17 % 40) * HEALD_SEC;
        probe_start(loop, &p[i]);
    }
    /* Whatever a ring reports one by one, one turn has called back all when it comes late. */
    usleep(1000);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    for (int i = 0; i < 40; i++)
        for (int j = 0; j < 40; j++)
            if (p[i].op.deadline_ns < p[j].op.deadline_ns)
                ck_assert_uint_lt(p[i].stamp, p[j].stamp);
    for (int i = 0; i < 5; i++) {
        ck_assert_uint_gt(without[i].stamp, p[39].stamp);
        ck_assert(i == 0 || without[i].stamp > without[i - 1].stamp);
    }
    pair_close(loop, fds);
    loop_end(loop);
}

static uint8_t urgent_and_bulk(int i)
{
    return i % 2 ? HEALD_URGENT : HEALD_BULK;
}

/* Shares 32 to 2: among the first 68 callbacks about 64 are urgent and 4 are bulk. */
HEALD_CASE(shares_divide_the_callbacks)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe *p = calloc(FLOOD, sizeof *p);
    int urgent = 0, bulk = 0;

    submit_due(loop, p, FLOOD, urgent_and_bulk);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    unsigned base = UINT32_MAX;
    for (int i = 0; i < FLOOD; i++)
        base = p[i].stamp < base ? p[i].stamp : base;
    for (int i = 0; i < FLOOD; i++)
        if (p[i].stamp < base + 68)
            *(p[i].op.op_class == HEALD_BULK ? &bulk : &urgent) += 1;
    ck_assert_int_ge(bulk, 3);
    ck_assert_int_le(bulk, 6);
    ck_assert_int_ge(urgent, 62);
    free(p);
    loop_end(loop);
}

/* Ops that are submitted again and again: a flood of one class beside a trickle of another. */
static struct {
    int notified[3], limit;
    int64_t worst_gap, last_urgent;
} flood;

static void on_flood(struct heald_op *op)
{
    int total = ++flood.notified[op->op_class] + flood.notified[(op->op_class + 1) % 3] +
                flood.notified[(op->op_class + 2) % 3];

    if (op->op_class == HEALD_URGENT) {
        int64_t gap = total - flood.last_urgent;
        flood.worst_gap = gap > flood.worst_gap ? gap : flood.worst_gap;
        flood.last_urgent = total;
    }
    if (total >= flood.limit)
        return;
    must(heald_prep_timer(op, 0) == 0);
    must(heald_submit(op->loop, op, on_flood) == 0);
}

static void run_flood(struct heald_loop *loop, int urgent, int bulk)
{
    struct heald_op *ops = calloc((size_t)(urgent + bulk), sizeof *ops);

    flood.limit = ROUNDS;
    for (int i = 0; i < urgent + bulk; i++) {
        ops[i].op_class = i < urgent ? HEALD_URGENT : HEALD_BULK;
        heald_prep_timer(&ops[i], 0);
        ck_assert_int_eq(heald_submit(loop, &ops[i], on_flood), 0);
    }
    ck_assert_int_eq(heald_loop_run(loop), 0);
    free(ops);
}

HEALD_CASE(bulk_cannot_starve_urgent)
{
    struct heald_loop *loop = loop_on(_i);

    run_flood(loop, 1, FLOOD);
    /* The urgent op is due once a turn, and waits for a few callbacks of bulk at most. */
    ck_assert_int_ge(flood.notified[HEALD_URGENT], ROUNDS / 128 - 4);
    ck_assert_int_le(flood.worst_gap, 2 * 128);
    loop_end(loop);
}

HEALD_CASE(bulk_still_moves)
{
    struct heald_loop *loop = loop_on(_i);

    run_flood(loop, FLOOD, 1);
    ck_assert_int_ge(flood.notified[HEALD_BULK], ROUNDS / FLOOD - 1);
    ck_assert_int_ge(flood.notified[HEALD_URGENT], ROUNDS / 2);
    loop_end(loop);
}

HEALD_CASE(strict_may_starve_by_choice)
{
    struct heald_loop *loop = loop_with(
        _i, (struct heald_loop_options){.policy = HEALD_POLICY_STRICT, .turn_callbacks = 16});

    run_flood(loop, FLOOD, 4);
    ck_assert_int_le(flood.notified[HEALD_BULK], 8);
    loop_end(loop);
}

/* A class that nobody knows counts as bulk. */
static uint8_t wild(int i)
{
    return (uint8_t)(200 + i);
}

HEALD_CASE(a_wild_class_does_no_harm)
{
    for (int policy = 0; policy <= HEALD_POLICY_EDF; policy++) {
        struct heald_loop *loop =
            loop_with(_i, (struct heald_loop_options){.policy = (enum heald_policy)policy});
        struct probe p[10] = {0};
        submit_due(loop, p, 10, wild);
        ck_assert_int_eq(heald_loop_run(loop), 0);
        for (int i = 0; i < 10; i++)
            ck_assert_int_eq(p[i].finals, 1);
        loop_end(loop);
    }
}

void add_policy(TCase *group)
{
    add_everywhere(group, fifo_is_the_order_of_submission);
    add_everywhere(group, strict_is_the_order_of_classes);
    add_everywhere(group, edf_is_the_order_of_deadlines);
    add_everywhere(group, shares_divide_the_callbacks);
    add_everywhere(group, bulk_cannot_starve_urgent);
    add_everywhere(group, bulk_still_moves);
    add_everywhere(group, strict_may_starve_by_choice);
    add_everywhere(group, a_wild_class_does_no_harm);
}
