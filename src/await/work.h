/* await/work.h: workers as a loop uses them. The loop's thread. */
#ifndef HEALD_SRC_AWAIT_WORK_H
#define HEALD_SRC_AWAIT_WORK_H

#include "work/workers.h"

/* The lane of a loop at workers; NULL: at those of HEALD_WORKERS_CPU. 0 or -ENOMEM. */
int heald__work_lane(struct heald_loop *loop, struct heald_workers *workers,
                     struct heald_lane **ret_lane);

#endif
