/*
 * test/shm/standstill.h: what the tests share in which one is stopped after any instruction of a
 * call, and the others go on. The file that includes it defines struct shared, the data of the
 * region.
 */
#ifndef HEALD_TEST_STANDSTILL_H
#define HEALD_TEST_STANDSTILL_H

#include "shm/step.h"

#include <limits.h>

enum { PLACES = 16, SHORT_MS = 2, TICK_MS = 1, LATE_MS = 500 };

struct shared;

struct stage {
    struct fixture *f;
    struct shared *s;
    struct heald_loop *loop;
    int64_t begin;
    const char *what;
};

/* Begins a call that is to be back by the deadline that it is given. */
static inline int64_t soon(struct stage *st, const char *what)
{
    st->what = what;
    st->begin = heald_clock_now(HEALD_CLOCK_MONOTONIC);
    return st->begin + SHORT_MS * HEALD_MS;
}

/* It is back. */
static inline int back(struct stage *st, int result)
{
    int64_t took = heald_clock_now(HEALD_CLOCK_MONOTONIC) - st->begin;

    ck_assert_msg(took < (SHORT_MS + LATE_MS) * HEALD_MS * harness_slow(), "%s took %.3f ms",
                  st->what, (double)took / (double)HEALD_MS);
    return result;
}

#define AT_ONCE(st, call)      (soon(st, #call), back(st, call))
#define IN_TIME(st, call, ...) (back(st, call(__VA_ARGS__, soon(st, #call))))

static inline void on_end(struct heald_op *op)
{
    *(bool *)op->data = true;
}

/* An op that has a deadline, beside a timer. Its result. */
static inline int awaited(struct stage *st, struct heald_op *op, int prepared)
{
    bool over = false, rang = true;
    struct heald_op tick = {0};

    ck_assert_int_eq(prepared, 0);
    op->data = &over;
    op->deadline_ns = soon(st, "an op");
    ck_assert_int_eq(heald_submit(st->loop, op, on_end), 0);
    while (!over || !rang) {
        if (rang) {
            ck_assert_int_eq(heald_prep_timer(&tick, soon(st, "a timer beside an op") -
                                                         (SHORT_MS - TICK_MS) * HEALD_MS),
                             0);
            rang = false;
            tick.data = &rang;
            ck_assert_int_eq(heald_submit(st->loop, &tick, on_end), 0);
        }
        ck_assert_int_ge(heald_loop_turn(st->loop, HEALD_FOREVER), 0);
        if (rang)
            back(st, 0);
    }
    return (int)op->result;
}

static inline int64_t in_a_moment(void)
{
    return heald_clock_now(HEALD_CLOCK_MONOTONIC) + HEALD_MS;
}

struct scene {
    const char *name;
    void (*stopped)(struct fixture *f);
    void (*others)(struct stage *st);
    bool (*has)(struct stage *st, bool take); /* or NULL */
};

static const struct {
    const char *backend, *await;
} waiters[] = {{"uring", "ring"}, {"epoll", "ring"}, {"epoll", "thread"}, {"poll", "thread"}};

enum { WAITERS = sizeof waiters / sizeof waiters[0] };

/* `never` is a semaphore that has no permit. */
static inline void open_loop(struct stage *st, struct heald_sem *never, const char *backend,
                             const char *await)
{
    struct heald_loop_options o = {.backend = backend, .engine = "sync"};
    struct heald_op op = {0};
    bool over = false;

    setenv("HEALD_AWAIT", await, 1);
    int err = heald_loop_open(&st->loop, &o);
    if (err)
        harness_skip("no loop on %s: %s", backend, strerror(-err));
    /* The waiter is opened by the first op that has to wait. */
    ck_assert_int_eq(heald_prep_sem_wait(&op, never, st->f->me), 0);
    op.data = &over;
    err = heald_submit(st->loop, &op, on_end);
    if (err)
        harness_skip("no loop here waits so: %s", strerror(-err));
    heald_cancel(&op);
    while (!over)
        ck_assert_int_ge(heald_loop_turn(st->loop, HEALD_FOREVER), 0);
}

static inline bool is_whole(void)
{
    return getenv("HEALD_CRASH_STRIDE");
}

/* How many instructions it takes alone. */
static inline int length_of(struct stage *st, const struct scene *scene)
{
    pid_t pid = step_start(st->f, scene->stopped);
    int length = step_on(pid, INT_MAX);

    step_end(pid);
    return length;
}

static inline int stride_for(int length)
{
    const char *text = getenv("HEALD_CRASH_STRIDE");

    if (text)
        return atoi(text) > 0 ? atoi(text) : 1;
    return length / PLACES + 1;
}

static inline void play(struct stage *st, const struct scene *scene)
{
    bool has = scene->has && scene->has(st, true);
    int length = length_of(st, scene), stride = stride_for(length);
    int left = (is_whole() ? 4 : 2) * (length / stride + 1);
    pid_t pid = step_start(st->f, scene->stopped);

    while (step_on(pid, stride) == stride) {
        /* It may take many more instructions than it did alone: those that go on meanwhile may be
         * ahead of it at each attempt. */
        if (--left <= 0) {
            stride *= 2;
            left = 2 * PLACES;
        }
        if (has)
            ck_assert(scene->has(st, false));
        scene->others(st);
        has = scene->has && scene->has(st, true);
    }
    step_end(pid);
    if (has)
        ck_assert(scene->has(st, false));
    scene->others(st);
}

#endif
