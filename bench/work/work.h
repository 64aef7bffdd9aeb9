/* What the two sides measure: functions on four threads, so many in flight at a time. */
#ifndef BENCH_WORK_H
#define BENCH_WORK_H

#include "../common/common.h"

#include <sys/resource.h>

enum { JOBS = 300000, THREADS = 4 };

/* Processor time of all threads until now. */
static inline int64_t work_cpu_ns(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * BENCH_NS_PER_S +
           (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000;
}

static inline void work_report(int64_t cpu_ns, int64_t wall_ns)
{
    printf("cpu %.1f rate %.0f\n", (double)cpu_ns / JOBS,
           (double)JOBS * BENCH_NS_PER_S / (double)wall_ns);
}

#endif
