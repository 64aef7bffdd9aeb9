/*
 * await/road.h: how a loop waits for words of shared memory: the table of a road. `ring`: the
 * kernel waits for them, in an io_uring; `thread`: a thread does.
 *
 * Whoever has ops that wait (lock.c) tries them all again, in order, when loop->look is set, and
 * says of each that goes on what it waits for now. A road sets loop->look when there may be a
 * reason, at the latest REGION_RECHECK_NS after the last time. All calls are made on the loop's
 * thread.
 */
#ifndef HEALD_SRC_AWAIT_ROAD_H
#define HEALD_SRC_AWAIT_ROAD_H

#include "loop/loop.h"
#include "region/region.h"

struct heald_road_ops;

struct heald_road {
    const struct heald_road_ops *ops;
    struct heald_loop *loop;
    void *priv;
};

struct heald_road_ops {
    const char *name;
    /* 0; -ENOSYS: does not work here; -errno. */
    int (*open)(struct heald_road *road);
    void (*close)(struct heald_road *road);

    /* Room for so many ops that wait. 0, -ENOMEM. */
    int (*reserve)(struct heald_road *road, unsigned count);

    /* A look: begin, what each op that goes on waits for, in order, and end. add_one: a new op,
     * outside of a look. There is room. */
    void (*begin)(struct heald_road *road);
    void (*add)(struct heald_road *road, struct heald_op *op, const struct region_wait *wait);
    void (*end)(struct heald_road *road);
    void (*add_one)(struct heald_road *road, struct heald_op *op, const struct region_wait *wait);

    /* What this op waited for is not looked at any more; its memory may go. What the others wait
     * for may have to be said again, so the loop will look. */
    void (*drop)(struct heald_road *road, struct heald_op *op);
};

extern const struct heald_road_ops heald_road_ring, heald_road_thread;

/* The road of HEALD_AWAIT, or the first that works. 0 or -errno; -EINVAL: there is no such road. */
int heald_road_open(struct heald_road *road, struct heald_loop *loop);

#endif
