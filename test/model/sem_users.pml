/*
 * test/model/sem_users.pml: each acquires a permit and posts it; with COUNTING the last process
 * posts once for each of the others.
 *
 * Holds: no more have a permit than there are permits; no living process waits indefinitely.
 */
#ifdef COUNTING
#define MAKER (PROCS - 1)
#define IN_VAIN (!value && killed[MAKER])
#define CELLS 0
#else
#ifndef PERMITS
#define PERMITS 1
#endif
#define CELLS PERMITS
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#define FORGET(p) inside[p] = false
#define AFTER_WAIT bell_outer[slot] = UNREAD; sequence[ME] = UNREAD
#include "kernel.pml"
#include "register.pml"
#include "cells.pml"
#include "sem.pml"

bool inside[PROCS];
#if PROCS > 2
#define INSIDE (inside[0] + inside[1] + inside[2])
#else
#define INSIDE (inside[0] + inside[1])
#endif

#ifdef COUNTING
#define WORK \
    if \
    :: ME == MAKER -> sem_post(); round++ \
    :: else -> sem_wait(); break \
    fi
#undef ROUNDS
#define ROUNDS (PROCS - 1)
#else
#define WORK \
    if \
    :: !HAS_IT -> sem_wait() \
    :: else \
    fi; \
    atomic { STEP(inside); inside[ME] = true; assert(INSIDE <= PERMITS) } \
    atomic { STEP(outside); inside[ME] = false } \
    sem_post(); \
    round++
#endif

active [PROCS] proctype user() {
    CELLS_LOCALS;
    byte round;
    do
    :: round < ROUNDS -> WORK
    :: else -> break
    od;
    atomic { STEP(over); state[ME] = OVER }
    DIES_HERE
}
KILLER
