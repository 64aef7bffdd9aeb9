/* test/soak/sem.c: never more have a permit than there are, and none is lost with its holder. */
#include "soak/each.h"

#include <errno.h>

static void init(struct place *p)
{
    heald_sem_init(&p->u.sem.sem, PERMITS);
}

static int prep(struct task *t)
{
    return heald_prep_sem_wait(&t->op, &soak_place(t)->u.sem.sem, t->worker->me);
}

static int block(struct task *t, int64_t deadline_ns)
{
    return heald_sem_wait(&soak_place(t)->u.sem.sem, t->worker->me, deadline_ns);
}

/* All holders of a permit are in one word, for all are counted at one moment. What stood there. */
static uint64_t note_out(const struct task *t, uint64_t life)
{
    uint64_t *out = &soak_place(t)->out, was = __atomic_load_n(out, __ATOMIC_SEQ_CST);
    unsigned shift = t->worker->life.worker * 16;

    while (!__atomic_compare_exchange_n(out, &was,
                                        (was & ~(UINT64_C(0xffff) << shift)) | life << shift, false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        ;
    return was;
}

/* Entered while it has the permit, as a life in the book. A former life may have died with one. */
static void enter(const struct task *t)
{
    struct shared *s = t->worker->shared;
    uint64_t others = note_out(t, t->worker->life.number & 0xffff);
    unsigned count = 1;

    for (unsigned i = 0; i < WORKERS; i++) {
        uint32_t number = others >> i * 16 & 0xffff;
        if (i == t->worker->life.worker)
            __atomic_fetch_add(&s->recovered, number != 0, __ATOMIC_RELAXED);
        else
            count += number > (__atomic_load_n(&s->killed[i], __ATOMIC_SEQ_CST) & 0xffff);
    }
    if (count > PERMITS)
        soak_fail(t, "more permits than there are", count);
}

static bool took(struct task *t, int result)
{
    if (soak_is_late(result)) {
        soak_must_not_have(t, "too late, and yet released",
                           heald_sem_post(&soak_place(t)->u.sem.sem, t->worker->me));
        return false;
    }
    soak_must(t, "heald_sem_wait", result);
    enter(t);
    soak_dwell(t->worker);
    return true;
}

static void leave(struct task *t)
{
    note_out(t, 0);
    soak_must(t, "heald_sem_post", heald_sem_post(&soak_place(t)->u.sem.sem, t->worker->me));
}

static const char *end(struct place *p, struct heald_participant *me, int64_t deadline_ns)
{
    struct heald_sem *sem = &p->u.sem.sem;

    if (heald_sem_value(sem, me) != PERMITS)
        return "a permit is lost";
    for (int i = 0; i < PERMITS; i++)
        if (heald_sem_wait(sem, me, deadline_ns))
            return "a permit cannot be had";
    if (heald_sem_trywait(sem, me) != -EAGAIN)
        return "there is one permit more";
    for (int i = 0; i < PERMITS; i++)
        if (heald_sem_post(sem, me))
            return "a permit cannot be released";
    return NULL;
}

const struct soak_object soak_sem = {.name = "sem",
                                     .init = init,
                                     .prep = prep,
                                     .block = block,
                                     .took = took,
                                     .leave = leave,
                                     .end = end};
