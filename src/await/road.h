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

#include <heald/foreign.h>

#include "region/region.h"

struct heald_road_ops;

/* What an op waits for: what a participant does, or (region.me is NULL) words that others made. Of
 * those each op hears for itself: the one that was woken, plus 1, is left in op->result. */
struct heald_wait {
    struct region_wait region;
    unsigned count; /* of the words; of one it is `few`, of more `words`, which stay there */
    struct heald_word few;
    const struct heald_futex *words;
};

static inline bool wait_is_foreign(const struct heald_wait *wait)
{
    return !wait->region.me;
}

/* The words, up to HEALD_FUTEX_MAX of others'. How many. */
unsigned heald_wait_words(const struct heald_wait *wait, struct heald_word ret_words[]);

/* Is there a reason to look again? */
bool heald_wait_is_over(const struct heald_wait *wait);

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

    /* Room for so many ops that wait, of which the next has so many words. 0, -ENOMEM. */
    int (*reserve)(struct heald_road *road, unsigned count, unsigned words);

    /* A look: begin, what each op that goes on waits for, in order, and end. add_one: a new op,
     * outside of a look. There is room. */
    void (*begin)(struct heald_road *road);
    void (*add)(struct heald_road *road, struct heald_op *op, const struct heald_wait *wait);
    void (*end)(struct heald_road *road);
    void (*add_one)(struct heald_road *road, struct heald_op *op, const struct heald_wait *wait);

    /* What this op waited for is not looked at any more; its memory may go. What the others wait
     * for may have to be said again, so the loop will look. */
    void (*drop)(struct heald_road *road, struct heald_op *op);

    /* Asks that no wake go to this op any more, whose words are others'. False: not yet; there will
     * be a look when it is so. */
    bool (*withdraw)(struct heald_road *road, struct heald_op *op);
};

extern const struct heald_road_ops heald_road_ring, heald_road_thread;

/* The road of HEALD_AWAIT, or the first that works. 0 or -errno; -EINVAL: there is no such road. */
int heald_road_open(struct heald_road *road, struct heald_loop *loop);

#endif
