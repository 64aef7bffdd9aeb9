/*
 * test/soak/rwlock.c: one writes alone; readers that die are forgotten; after a writer that died
 * none reads until another writer, which gets -EOWNERDEAD, has repaired the book.
 */
#include "soak/each.h"

#include <errno.h>

enum { CHOOSE, READ, WRITE }; /* the phases */

static void init(struct place *p)
{
    heald_rwlock_init(&p->u.rwlock, 0);
}

static void init_writers_first(struct place *p)
{
    heald_rwlock_init(&p->u.rwlock, HEALD_RWLOCK_PREFER_WRITER);
}

static bool reads(struct task *t)
{
    if (t->phase == CHOOSE)
        t->phase = rng_one_in(&t->worker->rng, 2) ? WRITE : READ;
    return t->phase == READ;
}

static int prep(struct task *t)
{
    struct heald_rwlock *lock = &soak_place(t)->u.rwlock;

    return reads(t) ? heald_prep_rwlock_rdlock(&t->op, lock, t->worker->me)
                    : heald_prep_rwlock_wrlock(&t->op, lock, t->worker->me);
}

static int block(struct task *t, int64_t deadline_ns)
{
    struct heald_rwlock *lock = &soak_place(t)->u.rwlock;

    return reads(t) ? heald_rwlock_rdlock(lock, t->worker->me, deadline_ns)
                    : heald_rwlock_wrlock(lock, t->worker->me, deadline_ns);
}

static bool took(struct task *t, int result)
{
    struct heald_rwlock *lock = &soak_place(t)->u.rwlock;
    bool is_dead = result == -EOWNERDEAD;

    if (soak_is_late(result) || (is_dead && t->phase == READ)) {
        soak_must_not_have(t, "not locked, and yet unlocked",
                           heald_rwlock_unlock(lock, t->worker->me));
        t->phase = is_dead ? WRITE : CHOOSE;
        return false;
    }
    if (t->phase == READ) {
        book_read(t);
        return true;
    }
    book_open(t, is_dead);
    if (is_dead)
        soak_must(t, "heald_rwlock_consistent", heald_rwlock_consistent(lock, t->worker->me));
    book_write(t);
    return true;
}

static void leave(struct task *t)
{
    if (t->phase == READ)
        book_stop_reading(t);
    else
        book_close(t);
    soak_must(t, "heald_rwlock_unlock",
              heald_rwlock_unlock(&soak_place(t)->u.rwlock, t->worker->me));
    t->phase = CHOOSE;
}

static const char *end(struct place *p, struct heald_participant *me, int64_t deadline_ns)
{
    int err = heald_rwlock_wrlock(&p->u.rwlock, me, deadline_ns);

    if (err == -EOWNERDEAD)
        err = heald_rwlock_consistent(&p->u.rwlock, me);
    if (err)
        return "nobody can write";
    if (heald_rwlock_unlock(&p->u.rwlock, me))
        return "nobody can unlock it";
    if (heald_rwlock_rdlock(&p->u.rwlock, me, deadline_ns))
        return "nobody can read";
    return heald_rwlock_unlock(&p->u.rwlock, me) ? "nobody can unlock it" : NULL;
}

const struct soak_object soak_rwlock = {.name = "rwlock",
                                        .init = init,
                                        .prep = prep,
                                        .block = block,
                                        .took = took,
                                        .leave = leave,
                                        .end = end};
const struct soak_object soak_writers_first = {.name = "rwlock, writers first",
                                               .init = init_writers_first,
                                               .prep = prep,
                                               .block = block,
                                               .took = took,
                                               .leave = leave,
                                               .end = end};
