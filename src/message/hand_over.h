/*
 * message/hand_over.h: the second half of a send and of a receive: the cell changes from CLAIMED to
 * FULL, or from TAKEN to FREE, and those are woken that wait for that.
 *
 * They sleep on an event count (region/eventcount.h), the bell. The other half has made the caller
 * the owner of the cell. Nobody sleeps in vain if a participant is killed between any two
 * instructions:
 *
 *   hand over                                  wait
 *   1  is the bell awaited? then                 a  prepare: the bell becomes odd
 *   2    the bell changes, by 2                  b  look at the cell: CLAIMED: watch its owner;
 *   3    {the cell changes, wake} in one step       FULL: take it
 *   4    {the bell changes, wake} in one step    c  sleep, if the bell is as it was at (a)
 *   5  else the cell changes
 *   6    is the bell awaited? then (4)
 *
 * - One that prepares before (1) is seen there. If it sleeps already, (3) wakes it. If it does not,
 *   (2) keeps it awake: it tries again, and finds CLAIMED or FULL.
 * - One that finds CLAIMED watches the owner, which changes the cell and then comes to (4), or dies
 *   and wakes it by that.
 * - One that prepares after (1) looks after the claim: it finds CLAIMED or FULL. If it finds
 *   CLAIMED it has prepared before (5), and is seen at (6).
 *
 * Without (1) to (3), one that slept before the claim, and so does not watch the owner, sleeps
 * indefinitely if the owner dies between (5) and (6). Without (6), one that prepared after (1)
 * does. Without (2), one that looked before the claim and sleeps after (3), if the owner dies
 * before (4).
 *
 * Model: test/model/message.pml, with these mistakes and others.
 */
#ifndef HEALD_SRC_MESSAGE_HAND_OVER_H
#define HEALD_SRC_MESSAGE_HAND_OVER_H

#include "message/cell.h"

#include <errno.h>

/* One of several cells that are handed over together, from the last to the first: nobody waits for
 * it, as the first has its owner still. */
static inline int cell_hand_over_quietly(struct queue_cell *cell, uint64_t mine,
                                         enum cell_state state)
{
    return cell_change(cell, mine, cell_in_state(mine, state)) ? 0 : -EPROTO;
}

/* The cell is the caller's and its word `mine`. 0; -EPROTO: it is not. */
static inline int cell_hand_over(struct queue_cell *cell, uint64_t mine, enum cell_state state,
                                 uint32_t *bell)
{
    if (__builtin_expect(!eventcount_is_awaited(bell), 1)) {
        int err = cell_hand_over_quietly(cell, mine, state);
        if (__builtin_expect(eventcount_is_awaited(bell), 0))
            heald__plat_word_count(bell);
        return err;
    }
    if (cell_load(cell) != mine)
        return -EPROTO;
    /* Seq_cst: before the cell changes. */
    __atomic_fetch_add(bell, 2, __ATOMIC_SEQ_CST);
    heald__plat_words_set(region_half(&cell->word), state, bell);
    heald__plat_word_count(bell);
    return 0;
}

#endif
