/*
 * ipc/barrier_state.h: what is in the word `state` of a barrier, and in its marks; for barrier.c
 * and for those who look from outside (inspect/).
 *
 * state: in the low half, on which those who wait sleep, twice the number of the round, and one
 * more if it is broken; above that how many have come; above that, of the rounds before, the last
 * one in the lowest bit, whether they were reset. A mark: the id of who has come, or is about to,
 * and in the bits that it leaves free the number of the round.
 */
#ifndef HEALD_SRC_IPC_BARRIER_STATE_H
#define HEALD_SRC_IPC_BARRIER_STATE_H

#include <heald/barrier.h>

#include "region/region.h"

enum {
    BARRIER_BROKEN = 1,
    BARRIER_COUNT_SHIFT = 32,
    BARRIER_FATES_SHIFT = 44,
    BARRIER_FATES = 64 - BARRIER_FATES_SHIFT
};

_Static_assert(HEALD_BARRIER_MAX < 1 << (BARRIER_FATES_SHIFT - BARRIER_COUNT_SHIFT),
               "the count has room");

static inline uint32_t barrier_round(uint64_t state)
{
    return (uint32_t)state >> 1;
}

static inline unsigned barrier_count(uint64_t state)
{
    return state >> BARRIER_COUNT_SHIFT & ((1u << (BARRIER_FATES_SHIFT - BARRIER_COUNT_SHIFT)) - 1);
}

static inline bool barrier_is_of_round(uint64_t mark, uint64_t state)
{
    return (mark & REGION_ID_FLAGS) == (barrier_round(state) & REGION_ID_FLAGS);
}

/* Of so many who have come, is one gone? Among the marks of the round one is of a dead one, who may
 * not have been counted yet, or not any more; so it counts only where the living are too few. */
static inline bool barrier_lacks_one(bool one_is_gone, unsigned living, unsigned have_come)
{
    return one_is_gone && living < have_come;
}

#endif
