/*
 * test/soak/each.h: the soak of each object: workers that use it, blocking or by ops of a loop,
 * with random deadlines and cancels, are stopped and killed at random and started anew. each.c is
 * the killer, worker.c the victims, and a file for each object says how it is used and what must
 * hold.
 */
#ifndef HEALD_TEST_SOAK_EACH_H
#define HEALD_TEST_SOAK_EACH_H

#include "harness/seeds.h"

#include <heald/heald.h>

#include <stdbool.h>

/* A worker in a loop has an op for each place, one that blocks is at the first place only. */
enum { WORKERS = 4, PLACES = 3, PAGES = 8, PERMITS = 2, ONCES = 256, FATES = 1024 };

/* One that is woken does not wait for so long; one that is not rechecks by itself a little later.
 */
enum { SOAK_LATE_MS = 40 };

/* A life of a worker: the worker and how often it was started. Never 0. */
struct life {
    uint32_t worker, number;
};

/* What a lock guards. */
struct book {
    uint64_t writer;           /* atomic: whose life it is that is inside; 0: nobody's */
    uint64_t readers[WORKERS]; /* atomic: the same */
    long pages[PAGES];         /* equal, but while they are written */
};

/* One-time initialization, and what it made. */
struct first_time {
    struct heald_once once;
    uint64_t doer; /* atomic: whose life it is that does it */
    long half, whole;
    int finished; /* atomic: how often it was done to the end */
};

/* An object, and what shows that it does what it says. */
struct place {
    union {
        struct heald_mutex mutex;
        struct {
            struct heald_mutex mutex;
            struct heald_cond cond;
            int tokens; /* the condition is that there is one, or room for one */
        } cond;
        struct heald_rwlock rwlock;
        HEALD_SEM(PERMITS) sem;
        HEALD_BARRIER(WORKERS) barrier;
        struct first_time firsts[ONCES];
    } u;
    struct book book;
    uint64_t out; /* atomic: of permits: 16 bits a worker, the number of its life; 0: none */
    uint64_t fates[FATES]; /* atomic: of a barrier's rounds: see barrier.c */
    long epoch;            /* atomic: how often all of `firsts` were done and made new */
    long upto[WORKERS];    /* atomic: how many of them, of all epochs, each worker has seen done */
};

struct shared {
    uint32_t killed[WORKERS]; /* atomic: the number of the life that was killed last */
    long got[PLACES];         /* atomic: waits that ended with the object, or with -EOWNERDEAD */
    long ops, recovered, timed_out, cancelled, late; /* atomic */
    int64_t since[WORKERS][PLACES]; /* atomic: since when the worker waits there; 0: it does not */
    int wrong;                      /* atomic: `why` is being written, or written */
    char why[160];
    struct place places[PLACES];
};

struct worker {
    struct shared *shared;
    const struct soak_object *object;
    struct heald_participant *me;
    struct heald_loop *loop; /* NULL: it blocks */
    struct life life;
    struct rng rng;
};

/* What a worker does at one place, again and again. */
struct task {
    struct heald_op op;
    struct worker *worker;
    int place, phase; /* the phase is the object's own, 0 at first */
    bool holds;
    int64_t begun;        /* of the last wait */
    unsigned turns;       /* after so many the wait is cancelled; 0: it is not */
    uint32_t round, seen; /* of a barrier: of the last wait; the last that this life passed */
};

struct soak_object {
    const char *name;
    bool needs_all; /* without one of the workers the others do not get on */
    void (*init)(struct place *p);
    /* May it wait now? NULL: always. */
    bool (*is_ready)(struct task *t);
    /* The wait, by an op or blocking. */
    int (*prep)(struct task *t);
    int (*block)(struct task *t, int64_t deadline_ns);
    /* What came of the wait. True: it holds the object, until leave(). */
    bool (*took)(struct task *t, int result);
    void (*leave)(struct task *t); /* NULL: took() never says so */
    /* By the killer, now and then: may make new what all workers have done. NULL: nothing. */
    void (*tend)(struct shared *s, struct place *p);
    /* All workers are dead: NULL, or what is wrong. */
    const char *(*end)(struct place *p, struct heald_participant *me, int64_t deadline_ns);
};

extern const struct soak_object soak_mutex, soak_fair_mutex, soak_cond, soak_rwlock,
    soak_writers_first, soak_sem, soak_barrier, soak_once;

/* The worker, for as long as it lives. backend: of its loop; NULL: it blocks. */
_Noreturn void soak_work(struct worker *w, struct heald_region *region, const char *backend);

/* Notes what is wrong, once; a worker then ends, which it does not otherwise. */
void soak_wrong(struct shared *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
_Noreturn void soak_fail(const struct task *t, const char *what, long result);

/* Of a call that has to succeed; of one that releases what the task does not have: -EPERM. */
void soak_must(const struct task *t, const char *what, int err);
void soak_must_not_have(const struct task *t, const char *what, int err);

/* What ended with neither the object nor an error. */
bool soak_is_late(int result);

/* A while that a kill may well fall into, of up to some 20 us, and seldom longer. */
void soak_dwell(struct worker *w);

static inline struct place *soak_place(const struct task *t)
{
    return &t->worker->shared->places[t->place];
}

/* The life as one word. */
static inline uint64_t soak_life(const struct worker *w)
{
    return (uint64_t)w->life.number << 8 | (w->life.worker + 1);
}

/* Is that none, or one that is dead or about to be? */
bool soak_is_nobody(const struct shared *s, uint64_t life);

/* The book, by the holder of the lock. `died`: its last holder died with it, so it is repaired. */
void book_open(const struct task *t, bool died);
void book_write(const struct task *t);
void book_close(const struct task *t);
void book_read(const struct task *t);
void book_stop_reading(const struct task *t);

#endif
