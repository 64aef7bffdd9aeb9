/*
 * What every benchmark program needs: a clock, a fatal error, a seeded generator, a median, and
 * the memory in use.  Header only, no state: each program stays one file to read.
 */
#ifndef BENCH_COMMON_H
#define BENCH_COMMON_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BENCH_NS_PER_S  1000000000LL
#define BENCH_NS_PER_MS 1000000LL

/* The exit status that says: this machine cannot run this program. */
#define BENCH_SKIP 77

/* Stays a function of its own: those that call it now and then save no registers for it. */
#define BENCH_RARE __attribute__((noinline))

static inline int64_t bench_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * BENCH_NS_PER_S + t.tv_nsec;
}

/* Say what failed and why (error is an errno value, or 0), and end. */
_Noreturn static inline void bench_die(const char *what, int error)
{
    if (error)
        fprintf(stderr, "%s: %s\n", what, strerror(error));
    else
        fprintf(stderr, "%s\n", what);
    exit(1);
}

/* Zeroed memory or the end of the program. */
static inline void *bench_alloc(size_t count, size_t size)
{
    void *p = calloc(count, size);

    if (!p)
        bench_die("calloc", ENOMEM);
    return p;
}

/* A number from the command line, within [low, high], or the end of the program. */
static inline long bench_number(const char *text, long low, long high)
{
    char *end;
    long value;

    errno = 0;
    value = strtol(text, &end, 10);
    if (errno || end == text || *end || value < low || value > high) {
        fprintf(stderr, "not a number from %ld to %ld: %s\n", low, high, text);
        exit(2);
    }
    return value;
}

/* xorshift64* (Vigna 2016).  The state must not be 0. */
static inline uint64_t bench_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1dULL;
}

static inline int bench_compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* Sorts the values, and returns the middle one. */
static inline int64_t bench_median(int64_t *values, size_t count)
{
    qsort(values, count, sizeof *values, bench_compare);
    return values[count / 2];
}

/* Anonymous memory of this process that is resident, in bytes; 0 where /proc does not say. */
static inline int64_t bench_resident(void)
{
    char line[128];
    long kib = 0;
    FILE *f = fopen("/proc/self/status", "r");

    if (!f)
        return 0;
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "RssAnon: %ld", &kib) == 1)
            break;
    fclose(f);
    return (int64_t)kib * 1024;
}

#endif
