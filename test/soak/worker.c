/*
 * test/soak/worker.c: the victim. It has one wait after another at each of its places: blocking at
 * one, or by ops of a loop at all; some with a deadline, and of the ops some are cancelled.
 */
#include "soak/each.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TURN_MS = 2, DEADLINE_US = 5000 };

void soak_wrong(struct shared *s, const char *format, ...)
{
    va_list args;

    if (__atomic_exchange_n(&s->wrong, 1, __ATOMIC_ACQ_REL))
        return;
    va_start(args, format);
    vsnprintf(s->why, sizeof s->why, format, args);
    va_end(args);
}

void soak_fail(const struct task *t, const char *what, long result)
{
    soak_wrong(t->worker->shared, "%s: worker %u at place %d: %ld (%s)", what,
               t->worker->life.worker, t->place, result,
               result < 0 && result > -200 ? strerror((int)-result) : "");
    _exit(1);
}

void soak_must(const struct task *t, const char *what, int err)
{
    if (err)
        soak_fail(t, what, err);
}

void soak_must_not_have(const struct task *t, const char *what, int err)
{
    if (err != -EPERM)
        soak_fail(t, what, err);
}

bool soak_is_late(int result)
{
    return result == -ETIMEDOUT || result == -ECANCELED;
}

bool soak_is_nobody(const struct shared *s, uint64_t life)
{
    unsigned worker = (unsigned)(life & 0xff) - 1;

    return !life || life >> 8 <= __atomic_load_n(&s->killed[worker], __ATOMIC_SEQ_CST);
}

void soak_dwell(struct worker *w)
{
    unsigned spins = rng_below(&w->rng, 4000);

    for (volatile unsigned i = 0; i < spins; i++)
        ;
    if (rng_one_in(&w->rng, 50))
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
}

static int64_t now_ns(void)
{
    return heald_clock_now(HEALD_CLOCK_MONOTONIC);
}

static int64_t some_deadline(struct worker *w)
{
    if (!rng_one_in(&w->rng, 4))
        return HEALD_FOREVER;
    return now_ns() + (int64_t)rng_below(&w->rng, DEADLINE_US) * 1000;
}

static void note(long *counter)
{
    __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

/* Since when the task waits. Release: pairs with the killer's load. */
static void set_since(struct task *t, int64_t since)
{
    t->begun = since ? since : t->begun;
    __atomic_store_n(&t->worker->shared->since[t->worker->life.worker][t->place], since,
                     __ATOMIC_RELEASE);
}

static void take(struct task *t, int result)
{
    struct shared *s = t->worker->shared;

    set_since(t, 0);
    note(&s->ops);
    if (now_ns() - t->begun > SOAK_LATE_MS * HEALD_MS)
        note(&s->late);
    if (result == -ETIMEDOUT)
        note(&s->timed_out);
    else if (result == -ECANCELED)
        note(&s->cancelled);
    else if (result == -EOWNERDEAD)
        note(&s->recovered);
    else if (result < 0)
        soak_fail(t, "a wait failed", result);
    t->holds = t->worker->object->took(t, result);
    if (!soak_is_late(result))
        note(&s->got[t->place]);
}

static void leave(struct task *t)
{
    t->worker->object->leave(t);
    t->holds = false;
}

static bool is_ready(struct task *t)
{
    return !t->worker->object->is_ready || t->worker->object->is_ready(t);
}

static _Noreturn void work_blocking(struct worker *w)
{
    struct task t = {.worker = w};

    for (;;) {
        if (!is_ready(&t)) {
            nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
            continue;
        }
        set_since(&t, now_ns());
        take(&t, w->object->block(&t, some_deadline(w)));
        if (t.holds)
            leave(&t);
    }
}

static void on_end(struct heald_op *op)
{
    take(op->data, (int)op->result);
}

static void submit(struct task *t)
{
    int err = t->worker->object->prep(t);

    t->turns = rng_one_in(&t->worker->rng, 6) ? rng_range(&t->worker->rng, 1, 10) : 0;
    t->op.data = t;
    t->op.deadline_ns = some_deadline(t->worker);
    set_since(t, now_ns());
    if (!err)
        err = heald_submit(t->worker->loop, &t->op, on_end);
    if (err)
        soak_fail(t, "no submit", err);
}

/* True: there is more to do soon. */
static bool go_on(struct task *t)
{
    bool waits = heald_op_error(&t->op) == -EINPROGRESS;

    if (waits && t->turns && --t->turns == 0)
        heald_cancel(&t->op);
    else if (t->holds && rng_one_in(&t->worker->rng, 2))
        leave(t);
    if (!waits && !t->holds && is_ready(t))
        submit(t);
    return t->holds;
}

static _Noreturn void work_in_loop(struct worker *w)
{
    struct task tasks[PLACES];

    memset(tasks, 0, sizeof tasks);
    for (int i = 0; i < PLACES; i++) {
        tasks[i].worker = w;
        tasks[i].place = i;
    }
    for (;;) {
        bool soon = false;
        for (int i = 0; i < PLACES; i++)
            soon |= go_on(&tasks[i]);
        int err = heald_loop_turn(w->loop, soon ? 0 : now_ns() + TURN_MS * HEALD_MS);
        if (err < 0)
            soak_fail(&tasks[0], "no turn", err);
    }
}

void soak_work(struct worker *w, struct heald_region *region, const char *backend)
{
    struct heald_loop_options o = {.backend = backend, .engine = "sync"};
    struct task t = {.worker = w};
    int err = heald_attach(region, &w->me);

    if (!err && backend)
        err = heald_loop_open(&w->loop, &o);
    if (err)
        soak_fail(&t, "no start", err);
    if (backend)
        work_in_loop(w);
    work_blocking(w);
}
