/* await/work.h: workers as a loop uses them. The loop's thread. */
#ifndef HEALD_SRC_AWAIT_WORK_H
#define HEALD_SRC_AWAIT_WORK_H

#include "platform/spin.h"
#include "work/workers.h"

#include <heald/net.h>

/* What a loop has of workers; made when first needed. */
struct heald_works {
    struct heald_link lanes;
    struct spin spin; /* for results of functions */
    struct spin nap;  /* the same, of naps */
    bool napped;
    unsigned pending;             /* functions */
    unsigned results;             /* since the last wait */
    struct heald_workers *own[2]; /* by enum heald_workers_kind; NULL: not yet made */
    struct heald_link jobs;       /* of lookup.c, as all below */
    bool knows_resolver, is_resolved;
    struct heald_addr resolved; /* where it listens */
    int64_t rest_ns;            /* until then it is not asked: it has failed */
    unsigned asking;            /* connections to it */
    struct heald_link cached;   /* of cache.c */
    unsigned cached_count;
};

/* The lane of a loop at workers; NULL: at those of HEALD_WORKERS_CPU. 0 or -ENOMEM. */
int heald__work_lane(struct heald_loop *loop, struct heald_workers *workers,
                     struct heald_lane **ret_lane);

#endif
