/*
 * A million timers.  (a) Arm them with pseudo-random delays of 1 to 1000 ms, sleep until the last
 * is overdue, then run the loop until all have fired: what a timer costs to arm and to fire.
 * (b) Arm them with the same delays, move each to twice its delay in a shuffled order, and cancel
 * all in the same order.
 *
 * All peers get the same delays and order, and memory that was touched before.
 */
#ifndef BENCH_TIMERS_H
#define BENCH_TIMERS_H

#include "../common/common.h"

struct timers {
    size_t count;
    const int64_t *delays_ns; /* one a timer */
    const uint32_t *order;    /* in which to cancel: a permutation of 0 .. count - 1 */
    size_t fired;             /* the callbacks count here */
};

struct timers_peer {
    size_t size; /* of one timer, for the record */
    /* Memory and whatever the library wants done once for each timer; not measured. */
    void *(*open)(struct timers *t);
    void (*arm)(void *priv);    /* all, from a time read once at the beginning */
    void (*fire)(void *priv);   /* run the loop until fired == count */
    void (*move)(void *priv);   /* all, in the order given; NULL: it has no call for that */
    void (*cancel)(void *priv); /* all, in the order given */
    void (*close)(void *priv);
};

/*
 * The program: [-n COUNT] [-s SEED].  Prints `timers N arm_ns A fire_ns F rearm_ns R move_ns M
 * cancel_ns C size S resident B`: nanoseconds and bytes a timer; rearm is the arming of part (b).
 */
int timers_main(int argc, char **argv, const struct timers_peer *peer);

#endif
