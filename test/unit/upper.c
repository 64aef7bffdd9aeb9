/* test/unit/upper.c: a loop with nothing above it, and one that counts what it calls there. */
#include "loop/loop.h"

#include "harness/harness.h"

#include <heald/process.h>
#include <heald/timer.h>

#include <errno.h>
#include <signal.h>

static struct counts {
    int started, cancelled, listed, closed;
} counts;

static int start(struct heald_loop *loop, struct heald_op *op)
{
    (void)loop;
    counts.started++;
    op_move(op, OP_ARMED);
    return 0;
}

static void cancel(struct heald_loop *loop, struct heald_op *op)
{
    counts.cancelled++;
    heald__complete(loop, op, -ECANCELED);
}

static void list(struct heald_loop *loop, void (*each)(const struct heald_op *op, void *user),
                 void *user)
{
    (void)loop;
    (void)each;
    (void)user;
    counts.listed++;
}

static void close_part(struct heald_loop *loop)
{
    (void)loop;
    counts.closed++;
}

static const struct heald_upper counter = {
    .start = start, .cancel = cancel, .each = list, .close = close_part};

static void count(struct heald_op *op)
{
    ++*(int *)op->data;
}

HEALD_CASE(nothing_above)
{
    struct heald_loop *loop;
    struct heald_op op = {0}, timer = {0};
    int ended = 0;

    ck_assert_int_eq(heald__loop_open_on(&loop, NULL, NULL, NULL), 0);
    ck_assert_int_eq(heald_prep_signal(&op, SIGUSR1, NULL), 0);
    ck_assert_int_eq(heald_submit(loop, &op, count), -ENOSYS);
    ck_assert_int_eq(heald_prep_child(&op, 1, NULL), 0);
    ck_assert_int_eq(heald_submit(loop, &op, count), -ENOSYS);
    timer.data = &ended;
    ck_assert_int_eq(heald_prep_timer(&timer, heald_now(loop) + HEALD_MS), 0);
    ck_assert_int_eq(heald_submit(loop, &timer, count), 0);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    ck_assert_int_eq(ended, 1);
    ck_assert_int_eq(heald_loop_close(loop), 0);
}

HEALD_CASE(parts_are_called)
{
    const struct heald_upper *const upper[UPPERS] = {&counter, &counter, &counter, &counter,
                                                     &counter, &counter, &counter};
    struct heald_loop *loop;
    struct heald_op op = {0};
    int ended = 0;

    ck_assert_int_eq(heald__loop_open_on(&loop, NULL, NULL, upper), 0);
    op.data = &ended;
    ck_assert_int_eq(heald_prep_signal(&op, SIGUSR1, NULL), 0);
    ck_assert_int_eq(heald_submit(loop, &op, count), 0);
    ck_assert_uint_eq(heald_loop_list(loop, NULL, NULL), 0);
    ck_assert_int_eq(heald_cancel(&op), 0);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    ck_assert_int_eq(heald_op_error(&op), -ECANCELED);
    ck_assert_int_eq(heald_loop_close(loop), 0);
    ck_assert_int_eq(ended, 1);
    ck_assert_int_eq(counts.started, 1);
    ck_assert_int_eq(counts.cancelled, 1);
    ck_assert_int_eq(counts.listed, UPPERS);
    ck_assert_int_eq(counts.closed, UPPERS);
}

int main(void)
{
    Suite *suite = suite_create("upper");
    TCase *group = harness_group(suite, "upper");

    harness_add(group, nothing_above);
    harness_add(group, parts_are_called);
    return harness_run(suite);
}
