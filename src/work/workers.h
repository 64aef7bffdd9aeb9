/*
 * work/workers.h: threads that run the ops of several loops. A lane is what one loop has at
 * workers: its queue there. See workers.c for the argument.
 */
#ifndef HEALD_SRC_WORK_WORKERS_H
#define HEALD_SRC_WORK_WORKERS_H

#include "op/op.h"
#include "op/sink.h"

#include <heald/work.h>

/* heald_work.state. */
enum work_state {
    WORK_IDLE = 0, /* the caller's */
    WORK_QUEUED,
    WORK_RUNNING,
    WORK_DETACHED /* as running, and no op waits for it */
};

struct heald_lane {
    struct heald_link of_loop; /* the owner's list of lanes */
    struct heald_workers *workers;
    struct heald_sink *sink;
    /* The loop's thread alone: */
    unsigned put;     /* ops that were queued, modulo 2^32 */
    unsigned room;    /* so many more have room; more may have */
    unsigned pending; /* atomic, for others: ops that the loop has not got back */
    char apart[64];   /* the loop and the threads write to different cache lines */
    /* Guarded by the lock of the workers: */
    struct heald_link of_workers;
    struct heald_link turn;  /* in workers.turns while the queue holds something */
    struct heald_link queue; /* of ops, by aux */
    unsigned taken;          /* atomic, for the loop: of those that were put */
    unsigned delivering;     /* threads that run, or have run, an op that goes to the sink */
    bool closing;
};

/* 0 or -ENOMEM. close: no op of it is pending. Waits for what gives an op to the sink, and never
 * for a function. The loop's thread. */
int heald__lane_open(struct heald_lane **ret_lane, struct heald_workers *workers,
                     struct heald_sink *sink);
void heald__lane_close(struct heald_lane *lane);

/* From now on nothing is given to the sink; before the last look into the mailbox. */
void heald__lane_quiesce(struct heald_lane *lane);

/* The loop has got back an op that a thread has given to the sink: with heald__lane_of() the lane
 * that it was in. */
void heald__lane_done(struct heald_lane *lane);
static inline struct heald_lane *heald__lane_of(const struct heald_op *op)
{
    return (struct heald_lane *)(intptr_t)op->u.work.since_ns;
}

/* Were the workers closed? Then it is not used any more, once no op of it is pending. */
bool heald__lane_is_over(const struct heald_lane *lane);

/* The allocator of the workers, which is thread-safe. */
const struct heald_allocator *heald__lane_allocator(const struct heald_lane *lane);

/* Queues an op, whose u.work is set: 0; or -ENOBUFS, -EAGAIN, -ENOMEM, and nothing has happened. */
int heald__lane_submit(struct heald_lane *lane, struct heald_op *op, int64_t now_ns);

/* The end of an op was asked for. */
enum lane_recall {
    LANE_WITHDRAWN, /* it had not begun, and is the loop's again */
    LANE_DETACHED,  /* its work goes on without it, and it is the loop's again */
    LANE_RUNNING    /* its result comes by the sink */
};
enum lane_recall heald__lane_recall(struct heald_lane *lane, struct heald_op *op);

#endif
