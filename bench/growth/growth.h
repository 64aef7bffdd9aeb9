/* bench/growth/growth.h: what the files of heald_growth share. */
#ifndef BENCH_GROWTH_H
#define BENCH_GROWTH_H

#include "../common/common.h"

#include <heald/heald.h>

static inline void check(int err, const char *what)
{
    if (err < 0)
        bench_die(what, -err);
}

/* Time on a processor, of the whole process. */
int64_t growth_processor_ns(void);

/* Raises the limit of descriptors; returns how many of `wanted` there may be. */
int growth_descriptors(int wanted);

/*
 * The cost of each of `count` operations: "echo", "timers", "cancel", "close", "accept". Where each
 * needs descriptors there are as many as the limit allows. Prints the figures. False: no such case.
 */
int growth_each(struct heald_loop *loop, const char *name, int count);

#endif
