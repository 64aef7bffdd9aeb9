/* test/soak/mutex.c: never two have it, and the one after a holder that died gets -EOWNERDEAD. */
#include "soak/each.h"

#include <errno.h>

static void init(struct place *p)
{
    heald_mutex_init(&p->u.mutex, 0);
}

static void init_fair(struct place *p)
{
    heald_mutex_init(&p->u.mutex, HEALD_MUTEX_FAIR);
}

static int prep(struct task *t)
{
    return heald_prep_mutex_lock(&t->op, &soak_place(t)->u.mutex, t->worker->me);
}

static int block(struct task *t, int64_t deadline_ns)
{
    return heald_mutex_lock(&soak_place(t)->u.mutex, t->worker->me, deadline_ns);
}

static bool took(struct task *t, int result)
{
    struct heald_mutex *mutex = &soak_place(t)->u.mutex;

    if (soak_is_late(result)) {
        soak_must_not_have(t, "too late, and yet unlocked",
                           heald_mutex_unlock(mutex, t->worker->me));
        return false;
    }
    book_open(t, result == -EOWNERDEAD);
    if (result == -EOWNERDEAD)
        soak_must(t, "heald_mutex_consistent", heald_mutex_consistent(mutex, t->worker->me));
    book_write(t);
    return true;
}

static void leave(struct task *t)
{
    book_close(t);
    soak_must(t, "heald_mutex_unlock", heald_mutex_unlock(&soak_place(t)->u.mutex, t->worker->me));
}

static const char *end(struct place *p, struct heald_participant *me, int64_t deadline_ns)
{
    int err = heald_mutex_lock(&p->u.mutex, me, deadline_ns);

    if (err == -EOWNERDEAD)
        err = heald_mutex_consistent(&p->u.mutex, me);
    if (err)
        return "nobody can lock it";
    return heald_mutex_unlock(&p->u.mutex, me) ? "nobody can unlock it" : NULL;
}

const struct soak_object soak_mutex = {.name = "mutex",
                                       .init = init,
                                       .prep = prep,
                                       .block = block,
                                       .took = took,
                                       .leave = leave,
                                       .end = end};
const struct soak_object soak_fair_mutex = {.name = "fair mutex",
                                            .init = init_fair,
                                            .prep = prep,
                                            .block = block,
                                            .took = took,
                                            .leave = leave,
                                            .end = end};
