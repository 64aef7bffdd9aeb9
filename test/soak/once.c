/*
 * test/soak/once.c: one-time initialization, many times over: each is done to the end once, by one
 * at a time, and one that finds it done finds all of it. When all workers have been through all of
 * them the killer makes them new: `epoch`; a worker waits for that.
 */
#include "soak/each.h"

#include <errno.h>
#include <string.h>

enum { MADE = 12345 };

static long *upto_of(const struct task *t)
{
    return &soak_place(t)->upto[t->worker->life.worker];
}

static struct first_time *first_of(const struct task *t)
{
    return &soak_place(t)->u.firsts[__atomic_load_n(upto_of(t), __ATOMIC_RELAXED) % ONCES];
}

static void init(struct place *p)
{
    memset(p->u.firsts, 0, sizeof p->u.firsts);
}

static bool is_ready(struct task *t)
{
    /* Acquire: pairs with tend(): those of the epoch are new. */
    return __atomic_load_n(upto_of(t), __ATOMIC_RELAXED) / ONCES <=
           __atomic_load_n(&soak_place(t)->epoch, __ATOMIC_ACQUIRE);
}

static int prep(struct task *t)
{
    return heald_prep_once_begin(&t->op, &first_of(t)->once, t->worker->me);
}

static int block(struct task *t, int64_t deadline_ns)
{
    return heald_once_begin(&first_of(t)->once, t->worker->me, deadline_ns);
}

/* Release: pairs with tend(): the worker is through with it. */
static void next(const struct task *t)
{
    __atomic_fetch_add(upto_of(t), 1, __ATOMIC_RELEASE);
}

static bool took(struct task *t, int result)
{
    struct first_time *f = first_of(t);

    if (soak_is_late(result)) {
        soak_must_not_have(t, "too late, and yet its to end",
                           heald_once_end(&f->once, t->worker->me, 1));
        return false;
    }
    if (result == 0) {
        if (f->half != MADE || f->whole != MADE)
            soak_fail(t, "done by half", f->half);
        next(t);
        return false;
    }
    uint64_t was = __atomic_exchange_n(&f->doer, soak_life(t->worker), __ATOMIC_SEQ_CST);
    if (!soak_is_nobody(t->worker->shared, was))
        soak_fail(t, "two do it", (long)was);
    if (__atomic_load_n(&f->finished, __ATOMIC_SEQ_CST))
        soak_fail(t, "done again", result);
    if (result == 1 && (was || f->half || f->whole))
        soak_fail(t, "not told that it is half done", f->half);
    f->whole = 0;
    __atomic_store_n(&f->half, MADE, __ATOMIC_RELAXED);
    soak_dwell(t->worker);
    __atomic_store_n(&f->whole, MADE, __ATOMIC_RELAXED);
    return true;
}

static void leave(struct task *t)
{
    struct first_time *f = first_of(t);
    bool done = !rng_one_in(&t->worker->rng, 8);

    if (!done)
        f->half = f->whole = 0;
    __atomic_store_n(&f->doer, 0, __ATOMIC_SEQ_CST);
    soak_must(t, "heald_once_end", heald_once_end(&f->once, t->worker->me, done));
    if (!done)
        return;
    if (__atomic_fetch_add(&f->finished, 1, __ATOMIC_SEQ_CST))
        soak_fail(t, "done twice", 0);
    next(t);
}

static void tend(struct shared *s, struct place *p)
{
    for (int i = 0; i < WORKERS; i++)
        if (__atomic_load_n(&p->upto[i], __ATOMIC_ACQUIRE) / ONCES <= p->epoch)
            return;
    for (int i = 0; i < ONCES; i++)
        if (p->u.firsts[i].half != MADE || p->u.firsts[i].whole != MADE)
            soak_wrong(s, "done by half, and all went on: %d", i);
    init(p);
    __atomic_fetch_add(&p->epoch, 1, __ATOMIC_RELEASE);
}

static const char *end(struct place *p, struct heald_participant *me, int64_t deadline_ns)
{
    for (int i = 0; i < ONCES; i++) {
        struct first_time *f = &p->u.firsts[i];
        int err = heald_once_begin(&f->once, me, deadline_ns);
        if (err == 0 && (f->half != MADE || f->whole != MADE))
            return "done by half";
        if (err != 0 && err != 1 && err != -EOWNERDEAD)
            return "nobody can do it";
        if (err && f->finished)
            return "done again";
        if (err && heald_once_end(&f->once, me, 1))
            return "nobody can end it";
    }
    return NULL;
}

const struct soak_object soak_once = {.name = "once",
                                      .needs_all = true,
                                      .init = init,
                                      .is_ready = is_ready,
                                      .prep = prep,
                                      .block = block,
                                      .took = took,
                                      .leave = leave,
                                      .tend = tend,
                                      .end = end};
