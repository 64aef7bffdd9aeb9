/*
 * test/conformance/workers.h: processes that a case starts beside itself, and what they share with
 * it. A worker never blocks its case: one that has not left in time is killed, and the case fails.
 */
#ifndef HEALD_TEST_WORKERS_H
#define HEALD_TEST_WORKERS_H

#include "conformance/conformance.h"

enum { WORKERS = 40, RECORDS = 4096 };

struct worker {
    pid_t pid;
    const char *name;
    int64_t gap_ns; /* the longest time between two ticks of its loop */
    int count;      /* what it got */
    bool left;
    char why[160]; /* why it failed */
};

/* In shared memory. */
struct workers {
    int combination;
    int stop; /* set by the case: everybody is to leave */
    unsigned used;
    struct worker worker[WORKERS];
    unsigned char seen[RECORDS]; /* how often each piece of data came somewhere */
};

typedef void worker_fn(struct workers *all, struct worker *me, void *arg);

struct workers *workers_open(int combination);

/* Starts fn() in a process of its own, which ends with it. */
struct worker *worker_start(struct workers *all, const char *name, worker_fn *fn, void *arg);

/* Ends one worker now, at whatever it does. */
void worker_kill(struct worker *w);

/* Has all leave within `ns`, and kills those that have not. Fails the case if a worker failed. */
void workers_end(struct workers *all, int64_t ns);

/* Frees what they shared. */
void workers_close(struct workers *all);

bool workers_stop(const struct workers *all);

/* In a worker, where the assertions of libcheck are out of place: ends it as failed. */
void worker_fail(struct worker *w, const char *format, ...)
    __attribute__((noreturn, format(printf, 2, 3)));

#define need(w, condition)                                                                   \
    do {                                                                                     \
        if (!(condition))                                                                    \
            worker_fail((w), "%s:%d: %s (errno %d)", __FILE__, __LINE__, #condition, errno); \
    } while (0)

struct heald_loop *worker_loop(struct workers *all, struct worker *me);

/* Turns the loop for that long. */
void worker_turn(struct worker *me, struct heald_loop *loop, int64_t ns);

/* Starts a timer each two milliseconds, whose longest gap is noted in the worker. */
struct worker_ticks {
    struct heald_op op;
    struct worker *worker;
    int64_t last;
};
void worker_tick(struct worker_ticks *ticks, struct worker *me, struct heald_loop *loop);

/* Notes that record `i` came, wherever. */
void workers_saw(struct workers *all, unsigned i);

#endif
