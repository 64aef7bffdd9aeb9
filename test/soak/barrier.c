/*
 * test/soak/barrier.c: as many as there are workers must come; so
 *   - no round passes without a worker that lives all the while: a worker that passes a round
 *     checks whether one passed since the last that it passed itself, or since it began;
 *   - of one round all get the same, and one that it was the last to arrive.
 *
 * `fates` keeps what was reported of the last rounds, without those that change just now.
 */
#include "soak/each.h"

#include <errno.h>

enum { PASSED = 1, LAST = 2, BROKEN = 4, FATE = 7, REMEMBERED = 16 };

static struct heald_barrier *barrier_of(const struct task *t)
{
    return heald_barrier_of(&soak_place(t)->u.barrier);
}

static void init(struct place *p)
{
    heald_barrier_init_sized(heald_barrier_of(&p->u.barrier), sizeof p->u.barrier, WORKERS);
}

/* A round that began before this life did may have counted the last one, dead since. */
static void begin(struct task *t)
{
    if (!t->phase)
        t->seen = heald_barrier_round(barrier_of(t));
    t->phase = 1;
}

static int prep(struct task *t)
{
    begin(t);
    return heald_prep_barrier_wait(&t->op, barrier_of(t), t->worker->me, &t->round);
}

static int block(struct task *t, int64_t deadline_ns)
{
    begin(t);
    return heald_barrier_wait(barrier_of(t), t->worker->me, deadline_ns, &t->round);
}

/* What was reported of a round: 0: nothing, or it is forgotten. */
static unsigned fate_of(const struct task *t, uint32_t round)
{
    uint64_t fate = __atomic_load_n(&soak_place(t)->fates[round % FATES], __ATOMIC_SEQ_CST);

    return fate >> 3 == round ? fate & FATE : 0;
}

/* Adds to it. What was reported before. */
static unsigned add_fate(const struct task *t, uint32_t round, unsigned more)
{
    uint64_t *fate = &soak_place(t)->fates[round % FATES];
    uint64_t was = __atomic_load_n(fate, __ATOMIC_SEQ_CST), next;

    do {
        if (was >> 3 > round)
            return 0;
        next = (uint64_t)round << 3 | more | (was >> 3 == round ? was & FATE : 0);
    } while (
        !__atomic_compare_exchange_n(fate, &was, next, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
    return was >> 3 == round ? was & FATE : 0;
}

/* Of a round long ago, or one that it slept through, a worker gets -EOWNERDEAD anyway. */
static bool is_recent(const struct task *t)
{
    return heald_barrier_round(barrier_of(t)) - t->round <= REMEMBERED;
}

static void broken(struct task *t)
{
    if (is_recent(t) && add_fate(t, t->round, BROKEN) & PASSED && is_recent(t))
        soak_fail(t, "broken, and others passed", t->round);
    int err = heald_barrier_reset(barrier_of(t), t->worker->me, t->round);
    if (err)
        soak_fail(t, "heald_barrier_reset", err);
}

static bool took(struct task *t, int result)
{
    if (soak_is_late(result))
        return false;
    if (result == -EOWNERDEAD) {
        broken(t);
        return false;
    }
    for (uint32_t round = t->seen + 1; round < t->round; round++)
        if (fate_of(t, round) & PASSED)
            soak_fail(t, "a round passed without one that lives", round);
    t->seen = t->round;
    unsigned was = add_fate(t, t->round, PASSED | (result == 1 ? LAST : 0));
    if (was & BROKEN)
        soak_fail(t, "passed, and others were told of a death", t->round);
    if (result == 1 && was & LAST)
        soak_fail(t, "two came last", t->round);
    return false;
}

static const char *end(struct place *p, struct heald_participant *me, int64_t deadline_ns)
{
    struct heald_barrier *b = heald_barrier_of(&p->u.barrier);
    uint32_t round;

    (void)deadline_ns;
    int err = heald_barrier_wait(b, me, heald_clock_now(HEALD_CLOCK_MONOTONIC) + HEALD_MS, &round);
    if (err >= 0)
        return "one passes alone";
    return heald_barrier_reset(b, me, round) ? "nobody can reset it" : NULL;
}

const struct soak_object soak_barrier = {.name = "barrier",
                                         .needs_all = true,
                                         .init = init,
                                         .prep = prep,
                                         .block = block,
                                         .took = took,
                                         .end = end};
