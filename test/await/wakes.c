/*
 * test/await/wakes.c: what a wake, a submit and a cancel cost while many ops wait: how many ops are
 * tried. On each back end, with each waiter.
 */
#include "harness/harness.h"

#include "await/queue.h"

#include <heald/heald.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* FEW: a loop that waits for so few may try them all; each op is tried once more for what was in
 * flight. */
enum { MANY = 1000, FEW = 4, TURNS_MAX = 100000 };

static const struct {
    const char *backend, *await;
} ways[] = {{"uring", "ring"},   {"epoll", "ring"},   {"poll", "ring"},   {"select", "ring"},
            {"epoll", "thread"}, {"uring", "thread"}, {"poll", "thread"}, {"select", "thread"}};

enum { WAYS = sizeof ways / sizeof ways[0] };

static struct heald_region *region;
static struct heald_participant *me, *other;
static struct heald_loop *loop;
static struct heald_mutex *mutexes;
static struct heald_op ops[MANY];
static int notified, order[MANY];

/* There may be more callbacks than ops, where some are submitted again. */
static void on_notified(struct heald_op *op)
{
    order[notified++ % MANY] = (int)(op - ops);
}

static uint64_t tries(void)
{
    return loop->locks ? loop->locks->tries : 0;
}

static void turn_until(int count)
{
    for (int i = 0; notified < count && i < TURNS_MAX; i++)
        ck_assert_int_ge(heald_loop_turn(loop, HEALD_FOREVER), 0);
    ck_assert_int_eq(notified, count);
}

/* Until nothing is in flight. */
static void settle(void)
{
    int64_t end = heald_clock_now(HEALD_CLOCK_MONOTONIC) + 20 * HEALD_MS * harness_slow();

    while (heald_clock_now(HEALD_CLOCK_MONOTONIC) < end)
        ck_assert_int_ge(heald_loop_turn(loop, end), 0);
}

static void submit(int i, struct heald_mutex *mutex)
{
    ck_assert_int_eq(heald_prep_mutex_lock(&ops[i], mutex, me), 0);
    ck_assert_int_eq(heald_submit(loop, &ops[i], on_notified), 0);
}

/* A loop in which MANY ops wait, each for a mutex that another has. */
static void open_all(int way)
{
    struct heald_region_options o = {.size = MANY * sizeof(struct heald_mutex)};
    struct heald_loop_options with = {.backend = ways[way].backend, .engine = "sync"};
    char name[64];

    setenv("HEALD_AWAIT", ways[way].await, 1);
    if (heald_loop_open(&loop, &with))
        harness_skip("no back end %s here", ways[way].backend);
    snprintf(name, sizeof name, "/heald-wakes-%ld", (long)getpid());
    ck_assert_int_eq(heald_region_open(&region, name, HEALD_REGION_CREATE, &o), 0);
    ck_assert_int_eq(heald_region_unlink(name), 0);
    mutexes = heald_region_data(region);
    ck_assert_int_eq(heald_attach(region, &me), 0);
    ck_assert_int_eq(heald_attach(region, &other), 0);
    notified = 0;
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(heald_mutex_init(&mutexes[i], 0), 0);
        ck_assert_int_eq(heald_mutex_lock(&mutexes[i], other, 0), 0);
    }
    ck_assert_int_eq(heald_prep_mutex_lock(&ops[0], &mutexes[0], me), 0);
    int err = heald_submit(loop, &ops[0], on_notified);
    if (err == -ENOSYS || err == -EINVAL)
        harness_skip("no loop on %s waits by %s here", ways[way].backend, ways[way].await);
    ck_assert_int_eq(err, 0);
    for (int i = 1; i < MANY; i++)
        submit(i, &mutexes[i]);
    settle();
}

static void close_all(void)
{
    for (int i = 0; i < MANY; i++)
        if (heald_op_error(&ops[i]) == -EINPROGRESS)
            ck_assert_int_eq(heald_cancel(&ops[i]), 0);
    ck_assert_int_ge(heald_loop_run(loop), 0);
    ck_assert_int_eq(heald_loop_close(loop), 0);
    heald_detach(other);
    heald_detach(me);
    ck_assert_int_eq(heald_region_close(region), 0);
}

HEALD_CASE(a_wake_tries_what_was_woken)
{
    enum { WAKES = 50 };

    open_all(_i);
    uint64_t before = tries();
    for (int i = 0; i < WAKES; i++) {
        int k = i * 7 % MANY;
        ck_assert_int_eq(heald_mutex_unlock(&mutexes[k], other), 0);
        turn_until(i + 1);
        ck_assert_int_eq(order[i], k);
        ck_assert_int_eq(ops[k].result, 0);
    }
    ck_assert_uint_le(tries() - before, WAKES * FEW);
    close_all();
}

HEALD_CASE(submit_and_cancel_try_nothing_else)
{
    enum { ROUNDS = 50 };

    open_all(_i);
    uint64_t before = tries();
    for (int i = 0; i < ROUNDS; i++) {
        int k = i * 7 % MANY;
        ck_assert_int_eq(heald_cancel(&ops[k]), 0);
        turn_until(i + 1);
        ck_assert_int_eq(ops[k].result, -ECANCELED);
        submit(k, &mutexes[k]);
        ck_assert_int_ge(heald_loop_turn(loop, 0), 0);
    }
    ck_assert_uint_le(tries() - before, ROUNDS * FEW);
    close_all();
}

HEALD_CASE(a_deadline_tries_nothing_else)
{
    open_all(_i);
    ck_assert_int_eq(heald_cancel(&ops[3]), 0);
    turn_until(1);
    uint64_t before = tries();
    ck_assert_int_eq(heald_prep_mutex_lock(&ops[3], &mutexes[3], me), 0);
    ops[3].deadline_ns = heald_clock_now(HEALD_CLOCK_MONOTONIC) + 5 * HEALD_MS;
    ck_assert_int_eq(heald_submit(loop, &ops[3], on_notified), 0);
    turn_until(2);
    ck_assert_int_eq(ops[3].result, -ETIMEDOUT);
    ck_assert_uint_le(tries() - before, FEW);
    close_all();
}

/* Each op is looked at now and then; but what has no reason is not tried. */
HEALD_CASE(nothing_is_tried_while_nothing_happens)
{
    open_all(_i);
    uint64_t before = tries();
    unsigned ticks = loop->locks->ticks;
    int64_t end = heald_clock_now(HEALD_CLOCK_MONOTONIC) + 1200 * HEALD_MS;
    while (heald_clock_now(HEALD_CLOCK_MONOTONIC) < end)
        ck_assert_int_ge(heald_loop_turn(loop, end), 0);
    ck_assert_uint_le(tries() - before, FEW);
    ck_assert_uint_ge(loop->locks->ticks, ticks + 1);
    ck_assert_uint_le(loop->locks->ticks, ticks + 4);
    close_all();
}

/* A change without a wake: found by a recheck, within the time that is promised. */
HEALD_CASE(what_nobody_tells_is_found)
{
    open_all(_i);
    for (int i = 1; i < MANY; i += 100)
        __atomic_store_n(&mutexes[i].word, 0, __ATOMIC_RELEASE);
    int64_t start = heald_clock_now(HEALD_CLOCK_MONOTONIC);
    turn_until(MANY / 100);
    ck_assert_int_le(heald_clock_now(HEALD_CLOCK_MONOTONIC) - start,
                     (2 * HEALD_SEC + 500 * HEALD_MS) * harness_slow());
    close_all();
}

/* All are notified of the end of the holder of what they wait for, in order. */
HEALD_CASE(a_holder_that_leaves)
{
    open_all(_i);
    heald_detach(other);
    turn_until(MANY);
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(order[i], i);
        ck_assert_int_eq(ops[i].result, -EOWNERDEAD);
    }
    close_all();
}

/* Many ops that wait for one word, and some of them for another meanwhile. */
HEALD_CASE(one_word_for_all)
{
    enum { ALL = 200 };

    open_all(_i);
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(heald_cancel(&ops[i]), 0);
    turn_until(MANY);
    notified = 0;
    for (int i = 0; i < ALL; i++)
        submit(i, &mutexes[0]);
    settle();
    ck_assert_int_eq(heald_mutex_unlock(&mutexes[0], other), 0);
    for (int i = 0; i < ALL; i++) {
        turn_until(i + 1);
        ck_assert_int_eq(order[i], i);
        ck_assert_int_eq(heald_mutex_unlock(&mutexes[0], me), 0);
    }
    close_all();
}

int main(void)
{
    Suite *suite = suite_create("await");
    TCase *group = harness_group(suite, "wakes");

    harness_add_range(group, a_wake_tries_what_was_woken, 0, WAYS);
    harness_add_range(group, submit_and_cancel_try_nothing_else, 0, WAYS);
    harness_add_range(group, a_deadline_tries_nothing_else, 0, WAYS);
    harness_add_range(group, nothing_is_tried_while_nothing_happens, 0, WAYS);
    harness_add_range(group, what_nobody_tells_is_found, 0, WAYS);
    harness_add_range(group, a_holder_that_leaves, 0, WAYS);
    harness_add_range(group, one_word_for_all, 0, WAYS);
    return harness_run(suite);
}
