/*
 * platform/spin.h: to look for something for a few microseconds before sleeping until it comes.
 *
 * Who sleeps and is woken costs two threads some microseconds of a processor each. Who looks until
 * it comes costs as long as that takes. What is to come is not known, so a look is short, and pays
 * only if looks of late have found something: after one that was in vain the next one is left out,
 * then three, then seven, up to SPIN_REST. A program for which no look pays has one in so many
 * waits, and one that waits long has no other cost than one look before it sleeps.
 *
 * For several processors alone: on a single one, the other thread cannot run meanwhile.
 */
#ifndef HEALD_SRC_PLATFORM_SPIN_H
#define HEALD_SRC_PLATFORM_SPIN_H

#include "platform/futex.h"
#include "platform/sys.h"

enum {
    SPIN_REST = 255, /* waits without a look after many looks in vain */
    SPIN_STEP = 16,  /* times, and then the clock is asked */
    SPIN_STEPS = 256 /* for a clock that does not go on */
};

struct spin {
    bool parallel; /* there are processors for two threads */
    uint8_t rest, next_rest;
};

static inline void spin_init(struct spin *s)
{
    *s = (struct spin){.parallel = heald__plat_parallel()};
}

/* Is it time for a look? Each call is a wait. */
static inline bool spin_begins(struct spin *s)
{
    if (s->rest) {
        s->rest--;
        return false;
    }
    return s->parallel;
}

static inline void spin_ends(struct spin *s, bool found)
{
    s->next_rest = found ? 0 : (uint8_t)(2 * s->next_rest + 1);
    s->rest = s->next_rest;
}

/* Looks for that long at most; did found() say so? */
static inline bool spin_for(const struct heald_sys *sys, int64_t ns, bool (*found)(const void *of),
                            const void *of)
{
    int64_t end = sys->now(HEALD_CLOCK_MONOTONIC) + ns;

    for (int step = 0; step < SPIN_STEPS; step++) {
        for (int i = 0; i < SPIN_STEP; i++) {
            if (found(of))
                return true;
            heald__plat_pause();
        }
        if (sys->now(HEALD_CLOCK_MONOTONIC) >= end)
            break;
    }
    return found(of);
}

#endif
