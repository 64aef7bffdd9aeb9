/*
 * test/model/barrier_users.pml: each comes to a barrier for NEEDED, again after a reset, until it
 * has been through ROUNDS times. With DEADLINE the first gives up at any time, and ends.
 *
 * Holds: no more pass a round than are needed; no more rounds are reset than participants die; no
 * living process waits indefinitely, but for those that do not arrive.
 */
#ifndef NEEDED
#define NEEDED PROCS
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#define CELLS 0
#define FORGET(p) came[p] = 0
#define AFTER_WAIT bell_outer[slot] = UNREAD; sequence[ME] = UNREAD
/* Alone, rightly. */
#define IN_VAIN (came[ME] == round + 1 && !broken && count < NEEDED && NOBODY_ELSE)
#if PROCS > 2
#define ENDED_OR_WAITS(p) (p == ME || state[p] == OVER || came[p] == round + 1)
#define NOBODY_ELSE (ENDED_OR_WAITS(0) && ENDED_OR_WAITS(1) && ENDED_OR_WAITS(2))
#else
#define NOBODY_ELSE (state[1 - ME] == OVER)
#endif
#include "kernel.pml"
#include "register.pml"
#include "cells.pml"
#include "barrier.pml"

byte passed[FATES];

active [PROCS] proctype user() {
    CELLS_LOCALS;
    byte s_round, s_count, s_left, my_round, times, r, living;
    bool s_broken, one_is_gone, is_counted;
    do
    :: times < ROUNDS ->
        barrier_wait();
        if
        :: res == owner_dead ->
            if
            :: round < FATES - 1 -> barrier_reset()
            :: else -> break
            fi
        :: res == busy -> break
        :: else ->
            atomic { STEP(passed); passed[my_round]++; assert(passed[my_round] <= NEEDED) }
            times++
        fi
    :: else -> break
    od;
    my_round = 0;
    atomic { STEP(over); state[ME] = OVER }
    DIES_HERE
}
KILLER
