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

enum { POLICY_CLASSES = 3, POLICY_AHEAD = 8 };

struct heald_fifo {
    struct heald_link *first, *last;
    struct heald_link *behind; /* POLICY_AHEAD places before the last, once there are so many */
    unsigned count;
};

struct heald_due {
    enum heald_policy policy;
    unsigned used; /* bit c: queue c holds something */
    bool by_class; /* the policy tells classes apart */
    struct heald_fifo fifo[POLICY_CLASSES];
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

/* The parts of push and pop that only some policies need. */
void heald__due_push_heap(struct heald_due *d, struct heald_op *op);
struct heald_op *heald__due_pop_heap(struct heald_due *d);
void heald__due_join(struct heald_due *d);     /* a class comes to another */
unsigned heald__due_pick(struct heald_due *d); /* of several classes, the one that runs next */

static inline struct heald_op *heald__due_op(struct heald_link *node)
{
    return heald_container_of(node, struct heald_op, aux);
}

/*
 * A queue is linked by aux.next. Long ones hold ops that were last touched long ago, each a miss of
 * the cache and in no order that the processor could guess, so every op also knows the one
 * POLICY_AHEAD places behind it, in aux.prev, which pop fetches meanwhile.
 */
static inline void heald__fifo_push(struct heald_due *d, unsigned class, struct heald_op *op)
{
    struct heald_fifo *f = &d->fifo[class];

    op->aux.next = op->aux.prev = NULL;
    if (f->count++)
        f->last->next = &op->aux;
    else
        f->first = &op->aux;
    f->last = &op->aux;
    if (f->count == 1) {
        if (d->used)
            heald__due_join(d);
        d->used |= 1u << class;
    } else if (f->count > POLICY_AHEAD) {
        f->behind = f->count == POLICY_AHEAD + 1 ? f->first : f->behind->next;
        f->behind->prev = &op->aux;
    }
}

static inline struct heald_op *heald__fifo_pop(struct heald_due *d, unsigned class)
{
    struct heald_fifo *f = &d->fifo[class];
    struct heald_op *op = heald__due_op(f->first);

    f->first = op->aux.next;
    if (!--f->count)
        d->used &= ~(1u << class);
    if (op->aux.prev) {
        __builtin_prefetch(heald__due_op(op->aux.prev), 1);
        __builtin_prefetch(&heald__due_op(op->aux.prev)->link, 1);
    }
    op->aux.next = NULL;
    return op;
}

static inline void heald__due_push(struct heald_due *d, struct heald_op *op)
{
    if (d->by_class)
        heald__fifo_push(d, op->op_class < POLICY_CLASSES ? op->op_class : HEALD_BULK, op);
    else if (d->policy == HEALD_POLICY_FIFO)
        heald__fifo_push(d, HEALD_NORMAL, op);
    else
        heald__due_push_heap(d, op);
}

/* The op whose callback runs next, taken out; NULL when none is due. */
static inline struct heald_op *heald__due_pop(struct heald_due *d)
{
    if (d->heap)
        return heald__due_pop_heap(d);
    if (!d->used)
        return NULL;
    /* With one class there is nothing to choose. */
    bool alone = !(d->used & (d->used - 1));
    return heald__fifo_pop(d, alone ? (unsigned)__builtin_ctz(d->used) : heald__due_pick(d));
}

static inline bool heald__due_any(const struct heald_due *d)
{
    return d->used || d->heap;
}

static inline uint64_t heald__due_count(const struct heald_due *d)
{
    uint64_t n = d->heaped;

    for (int c = 0; c < POLICY_CLASSES; c++)
        n += d->fifo[c].count;
    return n;
}

#endif
