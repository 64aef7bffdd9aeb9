/*
 * loop/policy.h: in which order callbacks run that are due. Pure; the loop's thread.
 *
 * Holds ops through op->aux (and, with EDF, op->link, which is free by then).
 */
#ifndef HEALD_SRC_LOOP_POLICY_H
#define HEALD_SRC_LOOP_POLICY_H

#include <heald/loop.h>

#include <stdbool.h>

enum { POLICY_CLASSES = 3 };

struct heald_fifo {
    struct heald_link *first, *last;
    struct heald_link *behind; /* AHEAD places before the last, once there are so many */
    unsigned count;
};

struct heald_due {
    enum heald_policy policy;
    unsigned used;  /* bit c: queue c holds something */
    unsigned count; /* ops in all queues */
    struct heald_fifo fifo[POLICY_CLASSES];
    uint64_t pass[POLICY_CLASSES];   /* SHARES: virtual time at which the class may run next */
    uint64_t stride[POLICY_CLASSES]; /* SHARES: by how much a callback advances it */
    uint64_t now;                    /* SHARES: virtual time of the last callback */
    struct heald_op *heap; /* EDF: a pairing heap (Fredman, Sedgewick, Sleator and Tarjan, 1986) */
    uint64_t arrivals;     /* EDF: breaks ties */
};

void heald_due_init(struct heald_due *d, enum heald_policy policy,
                    const unsigned shares[POLICY_CLASSES]);
void heald_due_push(struct heald_due *d, struct heald_op *op);

/* The op whose callback runs next, taken out; NULL when none is due. */
struct heald_op *heald_due_pop(struct heald_due *d);

/* Calls each() for all that is held, in no order. */
void heald_due_each(struct heald_due *d, void (*each)(const struct heald_op *op, void *user),
                    void *user);

#endif
