/* test/conformance/suspend.c: waiting for some of a list of ops, as aio_suspend() does. */
#include "conformance/conformance.h"

#include <sys/socket.h>

static int suspend(struct heald_loop *loop, struct heald_op *ops[], unsigned count, unsigned need,
                   int64_t within)
{
    return heald_suspend(loop, ops, count, need, within ? now() + within : 0);
}

HEALD_CASE(for_any_and_for_all)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_op op[3] = {0}, *list[] = {&op[0], &op[1], &op[2]};
    int64_t start = now();

    for (int i = 0; i < 3; i++) {
        heald_prep_timer(&op[i], start + (3 - i) * 3 * HEALD_MS);
        ck_assert_int_eq(heald_submit(loop, &op[i], NULL), 0);
    }
    ck_assert_int_eq(suspend(loop, list, 3, 0, 0), 0);
    int over = suspend(loop, list, 3, 1, 5 * HEALD_SEC);
    ck_assert_int_ge(over, 1);
    ck_assert_int_eq(heald_op_error(&op[2]), 0);
    ck_assert_int_eq(suspend(loop, list, 3, 3, 5 * HEALD_SEC), 3);
    ck_assert_int_ge(now(), start + 9 * HEALD_MS);
    ck_assert_int_eq(suspend(loop, list, 3, 3, 0), 3);
    loop_end(loop);
}

HEALD_CASE(until_a_deadline)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_op op = {0}, *list[] = {&op};
    char buf[8];
    int fds[2];

    pair_open(PAIR_TCP, fds);
    heald_prep_recv(&op, fds[0], buf, 8, 0);
    ck_assert_int_eq(heald_submit(loop, &op, NULL), 0);
    int64_t deadline = now() + 3 * HEALD_MS;
    ck_assert_int_eq(heald_suspend(loop, list, 1, 1, deadline), -ETIMEDOUT);
    ck_assert_int_ge(now(), deadline);
    ck_assert_int_eq(heald_suspend(loop, list, 1, 1, 0), -ETIMEDOUT);
    ck_assert_int_eq(heald_suspend(loop, list, 1, 1, now() - 1), -ETIMEDOUT);
    ck_assert_int_eq(send(fds[1], "x", 1, 0), 1);
    ck_assert_int_eq(heald_suspend(loop, list, 1, 1, HEALD_FOREVER), 1);
    ck_assert_int_eq(heald_op_result(&op), 1);
    pair_close(loop, fds);
    loop_end(loop);
}

static bool enough;

/* Completes as soon as it is submitted, so a callback is due at all times. */
static void on_over_at_once(struct heald_op *op)
{
    if (enough)
        return;
    heald_prep_recv(op, -1, NULL, 0, 0);
    ck_assert_int_eq(heald_submit(op->loop, op, on_over_at_once), 0);
}

HEALD_CASE(a_deadline_though_callbacks_never_end)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_op busy = {0};
    struct probe p = {0};
    struct heald_op *const ops[] = {&p.op};

    enough = false;
    heald_prep_recv(&busy, -1, NULL, 0, 0);
    ck_assert_int_eq(heald_submit(loop, &busy, on_over_at_once), 0);
    heald_prep_timer(&p.op, HEALD_FOREVER);
    probe_start(loop, &p);
    ck_assert_int_eq(heald_suspend(loop, ops, 1, 1, now() + HEALD_MS), -ETIMEDOUT);
    ck_assert_int_eq(heald_suspend(loop, ops, 1, 1, 0), -ETIMEDOUT);
    enough = true;
    probe_cancel(&p);
    loop_end(loop);
}

/* What is there already is found without waiting. */
HEALD_CASE(a_deadline_of_zero_polls)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_op op = {0}, *list[] = {&op};
    char buf[8];
    int fds[2];

    pair_open(PAIR_UNIX, fds);
    ck_assert_int_eq(send(fds[1], "x", 1, 0), 1);
    heald_prep_recv(&op, fds[0], buf, 8, 0);
    ck_assert_int_eq(heald_submit(loop, &op, NULL), 0);
    ck_assert_int_eq(suspend(loop, list, 1, 1, 0), 1);
    pair_close(loop, fds);
    loop_end(loop);
}

HEALD_CASE(entries_that_are_null)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_op op = {0}, *list[] = {NULL, &op, NULL};

    heald_prep_timer(&op, now() + 20 * harness_slow() * HEALD_MS);
    ck_assert_int_eq(heald_submit(loop, &op, NULL), 0);
    ck_assert_int_eq(suspend(loop, list, 3, 1, 0), -ETIMEDOUT);
    ck_assert_int_eq(suspend(loop, list, 3, 3, 5 * HEALD_SEC), 3);
    ck_assert_int_eq(heald_op_error(&op), 0);
    list[1] = NULL;
    ck_assert_int_eq(suspend(loop, list, 3, 3, 0), 3);
    ck_assert_int_eq(suspend(loop, list, 0, 0, 0), 0);
    ck_assert_int_eq(suspend(loop, list, 2, 3, 0), -EINVAL);
    loop_end(loop);
}

static struct heald_op inner;

static void on_inside(struct heald_op *op)
{
    struct heald_op *list[] = {&inner};

    ck_assert_int_eq(heald_suspend(op->loop, list, 1, 1, HEALD_FOREVER), -EBUSY);
    ck_assert_int_eq(heald_loop_run(op->loop), -EBUSY);
    ck_assert_int_eq(heald_loop_turn(op->loop, 0), -EBUSY);
    ck_assert_int_eq(heald_loop_close(op->loop), -EBUSY);
    probe_completed(op);
}

HEALD_CASE(not_from_a_callback)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};

    heald_prep_timer(&inner, now() + 3600 * HEALD_SEC);
    ck_assert_int_eq(heald_submit(loop, &inner, NULL), 0);
    heald_prep_timer(&p.op, 0);
    ck_assert_int_eq(heald_submit(loop, &p.op, on_inside), 0);
    ck_assert_int_eq(probe_end(&p), 0);
    ck_assert_int_eq(heald_cancel(&inner), 0);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    loop_end(loop);
}

static void on_stop(struct heald_op *op)
{
    heald_loop_stop(op->loop);
}

HEALD_CASE(ended_by_a_stop)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_op op = {0}, stopper = {0}, *list[] = {&op};

    heald_prep_timer(&op, now() + 3600 * HEALD_SEC);
    ck_assert_int_eq(heald_submit(loop, &op, NULL), 0);
    heald_prep_timer(&stopper, now() + HEALD_MS);
    ck_assert_int_eq(heald_submit(loop, &stopper, on_stop), 0);
    ck_assert_int_eq(heald_suspend(loop, list, 1, 1, HEALD_FOREVER), -ECANCELED);
    ck_assert_int_eq(heald_suspend(loop, list, 1, 1, 0), -ETIMEDOUT);
    ck_assert_int_eq(heald_cancel(&op), 0);
    ck_assert_int_eq(suspend(loop, list, 1, 1, 5 * HEALD_SEC), 1);
    ck_assert_int_eq(heald_op_error(&op), -ECANCELED);
    loop_end(loop);
}

HEALD_CASE(other_callbacks_run_meanwhile)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_op op = {0}, *list[] = {&op};
    struct probe p = {0};

    heald_prep_timer(&p.op, 0);
    probe_start(loop, &p);
    heald_prep_timer(&op, now() + 2 * HEALD_MS);
    ck_assert_int_eq(heald_submit(loop, &op, NULL), 0);
    ck_assert_int_eq(suspend(loop, list, 1, 1, 5 * HEALD_SEC), 1);
    ck_assert_int_eq(p.finals, 1);
    loop_end(loop);
}

HEALD_CASE(for_operations_on_files)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_op op[8] = {0}, *list[8];
    char path[64], buf[8][64];
    int dir = dir_make(path);
    int fd = openat(dir, "file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    for (int i = 0; i < 8; i++) {
        memset(buf[i], 'a' + i, 64);
        heald_prep_write(&op[i], fd, buf[i], 64, i * 64);
        list[i] = &op[i];
    }
    ck_assert_int_eq(heald_submit_all(loop, list, 8, NULL), 8);
    ck_assert_int_eq(suspend(loop, list, 8, 8, 5 * HEALD_SEC), 8);
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(heald_op_result(&op[i]), 64);
    heald_close(loop, fd);
    dir_remove(dir, path);
    loop_end(loop);
}

void add_suspend(TCase *group)
{
    add_everywhere(group, for_any_and_for_all);
    add_everywhere(group, until_a_deadline);
    add_everywhere(group, a_deadline_though_callbacks_never_end);
    add_everywhere(group, a_deadline_of_zero_polls);
    add_everywhere(group, entries_that_are_null);
    add_everywhere(group, not_from_a_callback);
    add_everywhere(group, ended_by_a_stop);
    add_everywhere(group, other_callbacks_run_meanwhile);
    add_everywhere(group, for_operations_on_files);
}
