/*
 * test/model/mutex_users.pml: each process locks the mutex ROUNDS times and leaves what it guards
 * in disorder while it is inside. One that gets a dead holder's mutex repairs it, or gives the
 * mutex up.
 *
 * Holds: one is inside at a time; none finds disorder without -EOWNERDEAD; no living process waits
 * indefinitely.
 */
#define AFTER_WAIT
#define FORGET(p) inside[p] = false
#include "kernel.pml"
#include "register.pml"
#include "mutex.pml"
#ifndef ROUNDS
#define ROUNDS 1
#endif
bool inside[PROCS], dirty, given_up;
#if PROCS > 2
#define NOBODY_INSIDE (!inside[0] && !inside[1] && !inside[2])
#else
#define NOBODY_INSIDE (!inside[0] && !inside[1])
#endif

active [PROCS] proctype user() {
    LOCALS;
    FAIR_LOCALS
    byte round;
#ifdef ATTACH
    if
    :: ME == SLOTS -> attach(); round = (res == busy -> ROUNDS : 0)
    :: else
    fi;
#endif
    do
    :: round < ROUNDS ->
        round++;
        lock(ME != 0);
        if
        :: res == lost -> assert(given_up); break
        :: res == busy -> break
        :: else
        fi;
        atomic {
            STEP(inside);
            assert(NOBODY_INSIDE);
            assert(!dirty || res == owner_dead);
            inside[ME] = true; dirty = true
        }
        if
        :: res == owner_dead -> consistent()
        :: res == owner_dead -> given_up = true; res = lost /* unlocks without */
        :: else
        fi;
        atomic { STEP(outside); inside[ME] = false; dirty = res == lost }
        unlock()
    :: round == ROUNDS -> break
    od;
#ifdef ATTACH
    if
    :: life[slot] == ME + 1 -> detach()
    :: true
    fi;
#endif
    atomic { STEP(over); state[ME] = OVER }
    DIES_HERE
}
KILLER
