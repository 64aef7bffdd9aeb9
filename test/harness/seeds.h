/*
 * test/harness/seeds.h: tests that run from a seed, a good many seeds a run.
 *
 * HEALD_SEEDS=N runs the seeds 1 to N instead of the usual number; HEALD_SEED=N that one alone,
 * which is how a failing one is replayed: HEALD_SEED=N build/test/test-NAME. CK_FORK=no for a
 * debugger.
 */
#ifndef HEALD_TEST_SEEDS_H
#define HEALD_TEST_SEEDS_H

#include <stdbool.h>
#include <stdint.h>

/* A sequence of numbers that is the same wherever it runs: splitmix64 (Steele, Lea and Flood,
 * 2014). */
struct rng {
    uint64_t state;
};

static inline uint64_t rng_next(struct rng *r)
{
    uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static inline struct rng rng_of(uint64_t seed, uint64_t stream)
{
    struct rng r = {seed * UINT64_C(0xd1342543de82ef95) + stream};
    rng_next(&r);
    return r;
}

/* 0 to n - 1. */
static inline unsigned rng_below(struct rng *r, unsigned n)
{
    return (unsigned)(rng_next(r) >> 32) % n;
}

/* low to high, both included. */
static inline unsigned rng_range(struct rng *r, unsigned low, unsigned high)
{
    return low + rng_below(r, high - low + 1);
}

/* True once in n times. */
static inline bool rng_one_in(struct rng *r, unsigned n)
{
    return rng_below(r, n) == 0;
}

/* Runs one seed; fails by an assertion of libcheck. */
typedef void seed_fn(uint64_t seed);

/* The whole main(): `count` seeds, `per_case` of them in each process. Returns what main() should.
 */
int seeds_main(const char *name, unsigned count, unsigned per_case, seed_fn *fn);

/* Says what is run now; printed with the seed if it fails, crashes or hangs. */
void seeds_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
