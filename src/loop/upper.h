/*
 * loop/upper.h: what the loop calls of the floor above it, where signals, children, locks, work and
 * names become ops. A floor calls a higher one only through a table that the higher one has
 * registered: these are handed to heald__loop_open_on(). All calls are made on the loop's thread.
 */
#ifndef HEALD_SRC_LOOP_UPPER_H
#define HEALD_SRC_LOOP_UPPER_H

#include <heald/op.h>

enum heald_upper_part {
    UPPER_SIGNALS,
    UPPER_CHILDREN,
    UPPER_LOCKS,
    UPPER_WORK,
    UPPER_NAMES,
    UPPER_RACES,   /* connections to names */
    UPPER_RETRIES, /* what is tried after a pause */
    UPPERS
};

/* A function is NULL where no op of the part leads to it. A loop
 * that is opened without the tables, to see whether it can be, refuses such ops. */
struct heald_upper {
    /* Takes an op: 0, or -errno and nothing has happened. */
    int (*start)(struct heald_loop *loop, struct heald_op *op);

    /* The end of an op was asked for, of which no callback is due. */
    void (*cancel)(struct heald_loop *loop, struct heald_op *op);

    /* The deadline of a pending op has moved. */
    void (*deadline)(struct heald_loop *loop, struct heald_op *op);

    /* The descriptor on which an op waits is ready. */
    void (*ready)(struct heald_loop *loop, struct heald_op *op);

    /* An op with OP_TIDIES completes: releases what it held. */
    void (*tidy)(struct heald_loop *loop, struct heald_op *op);

    /* Of the locks: called once in a turn while loop->attention.try is set, for which no turn
     * waits. Of what is tried after a pause: the pause has ended. */
    void (*try)(struct heald_loop *loop);

    /* The turn is about to sleep: what is about to come may be waited for awake, for a few
     * microseconds. For how long to nap, or 0. Called while loop->attention.more has MORE_WORK. */
    int64_t (*linger)(struct heald_loop *loop);

    /* Calls each() for the ops that lie in none of the loop's own lists. */
    void (*each)(struct heald_loop *loop, void (*each)(const struct heald_op *op, void *user),
                 void *user);

    /* Frees what the part has in the loop. */
    void (*close)(struct heald_loop *loop);
};

#endif
