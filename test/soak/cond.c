/*
 * test/soak/cond.c: workers that make tokens and workers that take them wait for each other. Two
 * make and two take, whichever is killed, so none waits for a token indefinitely.
 */
#include "soak/each.h"

#include <errno.h>

enum { TOKENS_MAX = 3 };
enum { LOCK, WAIT }; /* the phases */

static void init(struct place *p)
{
    heald_mutex_init(&p->u.cond.mutex, 0);
}

static int prep(struct task *t)
{
    struct place *p = soak_place(t);

    if (t->phase == LOCK)
        return heald_prep_mutex_lock(&t->op, &p->u.cond.mutex, t->worker->me);
    return heald_prep_cond_wait(&t->op, &p->u.cond.cond, &p->u.cond.mutex, t->worker->me);
}

static int block(struct task *t, int64_t deadline_ns)
{
    struct place *p = soak_place(t);

    if (t->phase == LOCK)
        return heald_mutex_lock(&p->u.cond.mutex, t->worker->me, deadline_ns);
    return heald_cond_wait(&p->u.cond.cond, &p->u.cond.mutex, t->worker->me, deadline_ns);
}

static bool took(struct task *t, int result)
{
    struct place *p = soak_place(t);
    bool makes = t->worker->life.worker % 2 == 0;
    int *tokens = &p->u.cond.tokens;

    if (t->phase == LOCK && soak_is_late(result)) {
        soak_must_not_have(t, "too late, and yet unlocked",
                           heald_mutex_unlock(&p->u.cond.mutex, t->worker->me));
        return false;
    }
    book_open(t, result == -EOWNERDEAD);
    if (result == -EOWNERDEAD)
        soak_must(t, "heald_mutex_consistent",
                  heald_mutex_consistent(&p->u.cond.mutex, t->worker->me));
    if (*tokens < 0 || *tokens > TOKENS_MAX)
        soak_fail(t, "tokens", *tokens);
    book_write(t);
    bool can = makes ? *tokens < TOKENS_MAX : *tokens > 0;
    if (!can && !soak_is_late(result)) {
        book_close(t);
        t->phase = WAIT;
        return false;
    }
    if (can)
        *tokens += makes ? 1 : -1;
    t->phase = LOCK;
    return true;
}

static void leave(struct task *t)
{
    struct place *p = soak_place(t);
    int err;

    book_close(t);
    if (rng_one_in(&t->worker->rng, 2)) {
        err = heald_cond_signal_unlock(&p->u.cond.cond, &p->u.cond.mutex, t->worker->me);
    } else {
        heald_cond_signal(&p->u.cond.cond);
        err = heald_mutex_unlock(&p->u.cond.mutex, t->worker->me);
    }
    soak_must(t, "no unlock", err);
}

static const char *end(struct place *p, struct heald_participant *me, int64_t deadline_ns)
{
    int err = heald_mutex_lock(&p->u.cond.mutex, me, deadline_ns);

    if (err == -EOWNERDEAD)
        err = heald_mutex_consistent(&p->u.cond.mutex, me);
    if (err)
        return "nobody can lock it";
    err = heald_cond_wait(&p->u.cond.cond, &p->u.cond.mutex, me,
                          heald_clock_now(HEALD_CLOCK_MONOTONIC) + HEALD_MS);
    if (err && err != -ETIMEDOUT)
        return "nobody can wait for it";
    return heald_mutex_unlock(&p->u.cond.mutex, me) ? "nobody can unlock it" : NULL;
}

const struct soak_object soak_cond = {.name = "cond",
                                      .init = init,
                                      .prep = prep,
                                      .block = block,
                                      .took = took,
                                      .leave = leave,
                                      .end = end};
