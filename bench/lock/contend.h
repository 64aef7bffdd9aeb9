/* Processes that do nothing but take the same lock. */
#ifndef BENCH_CONTEND_H
#define BENCH_CONTEND_H

#include "../common/common.h"

enum { CONTEND_MAX = 64 };

struct contend {
    int processes; /* CONTEND_MAX at most */
    void *shared;
    void (*attach)(void *shared); /* in each process, once */
    void (*lock)(void *shared);
    void (*unlock)(void *shared);
};

struct contend_result {
    double per_s;       /* sections of all processes, each 20 steps long and 20 steps apart */
    int64_t longest_ns; /* that one of them waited */
    double spread;      /* the sections of the process with the most over those of the one with
                           the fewest, or over 1 */
};

/* Runs them until each has had the lock, and then measures for half a second. */
struct contend_result contend_run(const struct contend *c);

#endif
