/*
 * sync/barrier_state.h: what is in the word `state` of a barrier, and in its marks; for barrier.c
 * and for inspect/.
 *
 * state: in the low half, on which waiters sleep, twice the number of the round, and one more if it
 * is broken; above that how many have arrived, and how often one has left (modulo 256); above that,
 * of the rounds before, the last one in the lowest bit, whether they were reset. A mark: the id of
 * a participant that has arrived, or is about to, and in the bits that the id leaves free the
 * number of the round and whether it is counted already.
 */
#ifndef HEALD_SRC_SYNC_BARRIER_STATE_H
#define HEALD_SRC_SYNC_BARRIER_STATE_H

#include <heald/barrier.h>

#include "region/region.h"

enum {
    BARRIER_BROKEN = 1,
    BARRIER_COUNT_SHIFT = 32,
    BARRIER_LEFT_SHIFT = 44,
    BARRIER_FATES_SHIFT = 52,
    BARRIER_FATES = 64 - BARRIER_FATES_SHIFT,
    BARRIER_COUNTED = 0x8000, /* of a mark, as the next */
    BARRIER_MARK_ROUND = REGION_ID_FLAGS & ~BARRIER_COUNTED
};

_Static_assert(HEALD_BARRIER_MAX < 1 << (BARRIER_LEFT_SHIFT - BARRIER_COUNT_SHIFT),
               "the count has room");

static inline uint32_t barrier_round(uint64_t state)
{
    return (uint32_t)state >> 1;
}

static inline unsigned barrier_count(uint64_t state)
{
    return state >> BARRIER_COUNT_SHIFT & ((1u << (BARRIER_LEFT_SHIFT - BARRIER_COUNT_SHIFT)) - 1);
}

static inline bool barrier_is_of_round(uint64_t mark, uint64_t state)
{
    return (mark & BARRIER_MARK_ROUND) == (barrier_round(state) & BARRIER_MARK_ROUND);
}

/* Of so many that have arrived, is one gone? Among the marks of the round one is of a dead
 * participant, which may not have been counted yet, or no longer; so it matters only if too few of
 * the living are counted. Marks of the living that are not counted may be of others. */
static inline bool barrier_lacks_one(bool one_is_gone, unsigned counted, unsigned have_come)
{
    return one_is_gone && counted < have_come;
}

#endif
