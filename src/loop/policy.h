/*
 * loop/policy.h: in which order callbacks run that are due. Pure; the loop's thread.
 *
 * Holds ops through op->aux (and, with EDF, op->link, which is free by then).
 */
#ifndef HEALD_SRC_LOOP_POLICY_H
#define HEALD_SRC_LOOP_POLICY_H

#include <heald/loop.h>

#include <stdbool.h>

#include "op/op.h"

enum { POLICY_CLASSES = 3, POLICY_AHEAD = 64 };

/* `first` and the `next` of the last mean nothing when there is none, or no other. */
struct heald_fifo {
    struct heald_link *first, **end; /* *end is where the next one is linked */
    struct heald_link *behind;       /* POLICY_AHEAD places before the last, while there are more */
    unsigned count;
};

/* Does not move: the queues point into it. */
struct heald_due {
    struct heald_fifo fifo[POLICY_CLASSES];
    uint8_t sorts; /* not 0: there is more to see to than the queue of the usual class */
    uint8_t used;  /* while it sorts: bit c: queue c holds something */
    enum heald_policy policy;
    /* SHARES: virtual time at which the class may run next; see policy.c for when it holds */
    uint64_t pass[POLICY_CLASSES];
    uint64_t stride[POLICY_CLASSES]; /* SHARES: by how much a callback advances it */
    uint64_t now;                    /* SHARES: virtual time of the last callback */
    struct heald_op *heap; /* EDF: a pairing heap (Fredman, Sedgewick, Sleator and Tarjan, 1986) */
    uint64_t heaped;       /* EDF: how many lie in the heap */
    uint64_t arrivals;     /* EDF: breaks ties */
};

void heald__due_init(struct heald_due *d, enum heald_policy policy,
                     const unsigned shares[POLICY_CLASSES]);

/* Calls each() for all that is held, in no order. */
void heald__due_each(struct heald_due *d, void (*each)(const struct heald_op *op, void *user),
                     void *user);

/* The parts of push, pop and any for more than one class, and for EDF. */
void heald__due_push_sorted(struct heald_due *d, struct heald_op *op);
struct heald_op *heald__due_pop_sorted(struct heald_due *d);

static inline struct heald_op *heald__due_op(struct heald_link *node)
{
    return heald_container_of(node, struct heald_op, aux);
}

/*
 * A queue is linked by aux.next. Long ones hold ops that were last touched long ago, each a miss of
 * the cache and in no order that the processor could guess, so an op also knows the one
 * POLICY_AHEAD places behind it, which pop fetches meanwhile. It is kept in timer.prev, on the
 * cache line that all of this needs anyhow, by an op that is in no timers, which most are by then.
 * Whether pop finds another value there makes no difference but in time.
 */
static inline void heald__fifo_push(struct heald_fifo *f, struct heald_op *op)
{
    *f->end = &op->aux;
    f->end = &op->aux.next;
    if (++f->count > POLICY_AHEAD) {
        f->behind = f->count == POLICY_AHEAD + 1 ? f->first : f->behind->next;
        struct heald_op *behind = heald__due_op(f->behind);
        if (!behind->timer.next)
            behind->timer.prev = &op->aux;
    }
}

/* It is not empty. */
static inline struct heald_op *heald__fifo_pop(struct heald_fifo *f)
{
    struct heald_op *op = heald__due_op(f->first);

    f->first = op->aux.next;
    op->aux.next = NULL;
    if (!--f->count)
        f->end = &f->first;
    if (f->count >= POLICY_AHEAD && !op->timer.next) {
        __builtin_prefetch(heald__due_op(op->timer.prev), 1);
        __builtin_prefetch(&heald__due_op(op->timer.prev)->link, 1);
    }
    return op;
}

static inline void heald__due_push(struct heald_due *d, struct heald_op *op)
{
    if (d->sorts | op->op_class)
        heald__due_push_sorted(d, op);
    else
        heald__fifo_push(&d->fifo[HEALD_NORMAL], op);
}

static inline bool heald__due_any(const struct heald_due *d)
{
    return d->sorts ? d->used || d->heap : d->fifo[HEALD_NORMAL].count;
}

/* The op whose callback runs next, taken out; NULL when none is due. */
static inline struct heald_op *heald__due_pop(struct heald_due *d)
{
    if (d->sorts)
        return heald__due_pop_sorted(d);
    return d->fifo[HEALD_NORMAL].count ? heald__fifo_pop(&d->fifo[HEALD_NORMAL]) : NULL;
}

static inline uint64_t heald__due_count(const struct heald_due *d)
{
    uint64_t n = d->heaped;

    for (int c = 0; c < POLICY_CLASSES; c++)
        n += d->fifo[c].count;
    return n;
}

#endif
