/* bench/memory/idle.h: what LOOPS of something take, each of them opened and left idle. */
#ifndef BENCH_MEMORY_IDLE_H
#define BENCH_MEMORY_IDLE_H

#include "../common/common.h"

enum { LOOPS = 8, ENTRIES_MAX = 32768 };

/* Resident memory of all kinds: that of a ring is shared with the kernel. */
static inline long idle_resident(void)
{
    FILE *f = fopen("/proc/self/smaps_rollup", "r");
    char line[128];
    long kib = -1;

    while (f && kib < 0 && fgets(line, sizeof line, f))
        if (sscanf(line, "Rss: %ld kB", &kib) != 1)
            kib = -1;
    if (!f || kib < 0)
        exit(BENCH_SKIP);
    fclose(f);
    return kib * 1024;
}

/* Opens LOOPS of them, and prints what one takes. The first, whose libraries are touched for the
 * first time, is not counted. */
static inline void idle_measure(void (*open_one)(unsigned entries), unsigned entries)
{
    open_one(entries);
    long before = idle_resident();
    int64_t start = bench_now_ns();
    for (int i = 0; i < LOOPS; i++)
        open_one(entries);
    int64_t end = bench_now_ns();
    printf("resident %ld\nopen %lld\n", (idle_resident() - before) / LOOPS,
           (long long)(end - start) / LOOPS);
}

#endif
