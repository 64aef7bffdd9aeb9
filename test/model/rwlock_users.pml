/*
 * test/model/rwlock_users.pml: the first process writes, the last reads, one between them does
 * either (with TAKEN_AT_FIRST it reads, with WRITERS it writes); with ALL_READ all read. A reader
 * that gets -EOWNERDEAD writes, to repair what the writer left. With DEADLINE the first gives up at
 * any time; with READ_AGAIN the last reads twice, with READ_TWICE twice at once. With ANOTHER_DIED
 * (0, or 2: pending) the first plays another writer before, which dies with the lock, or looking
 * for readers.
 *
 * Holds: a writer is alone; none sees what a dead writer left without -EOWNERDEAD; no living
 * process waits indefinitely.
 */
#define FORGET(p) reads[p] = false; writes[p] = false
#ifndef READERS
#define READERS 2
#endif
#define CELLS READERS
#define AFTER_WAIT bell_outer[slot] = UNREAD; sequence[ME] = UNREAD
#include "kernel.pml"
#include "register.pml"
#define WITH_USED
#include "cells.pml"
#include "rwlock.pml"

bool reads[PROCS], writes[PROCS], dirty, may_be_lost;
#if PROCS > 2
#define WRITING (writes[0] + writes[1] + writes[2])
#define READING (reads[0] + reads[1] + reads[2])
#else
#define WRITING (writes[0] + writes[1])
#define READING (reads[0] + reads[1])
#endif

#if defined(ALL_READ)
#define MAY_READ true
#define MAY_WRITE false
#elif defined(WRITERS)
#define MAY_READ (ME == PROCS - 1)
#define MAY_WRITE (ME < PROCS - 1)
#elif defined(TAKEN_AT_FIRST)
#define MAY_READ (ME > 0)
#define MAY_WRITE (ME == 0)
#else
#define MAY_READ (ME > 0)
#define MAY_WRITE (ME < PROCS - 1)
#endif

inline writing() {
    write_lock();
    if
    :: res == lost -> assert(may_be_lost)
    :: res == busy
    :: else ->
        atomic {
            STEP(writing);
            writes[ME] = true;
            assert(WRITING == 1 && READING == 0);
            assert(!dirty || res == owner_dead);
            dirty = true
        }
        if
        :: res == owner_dead -> rw_consistent(); res = locked
        :: res == owner_dead -> may_be_lost = true /* unlocks without */
        :: res == locked
        fi;
        atomic { STEP(written); writes[ME] = false; dirty = res == owner_dead }
        release_exclusive()
    fi
}

#ifdef ANOTHER_DIED
inline another_dies() {
    atomic {
        STEP(another_dies);
        if
        :: writer == 0 && (ANOTHER_DIED || cell[0] + cell[1] == 0) ->
            writer = W_OF(ID(0, 0)) | ANOTHER_DIED; /* nobody here has that generation */
            dirty = !ANOTHER_DIED
        :: else
        fi
    }
}
#endif

inline reading() {
    if
    :: !has_it -> read_lock()
    :: else -> res = locked
    fi;
    if
    :: res == locked ->
        atomic { STEP(reading); reads[ME] = true; assert(WRITING == 0 && !dirty) }
#ifdef READ_TWICE
        if
        :: ME == PROCS - 1 ->
            read_lock();
            assert(res == locked);
            release_shared();
            atomic { STEP(reads_on); assert(WRITING == 0) }
        :: else
        fi;
#endif
        atomic { STEP(has_read); reads[ME] = false }
        release_shared();
        res = locked
    :: res == lost -> assert(may_be_lost)
    :: else
    fi
}

active [PROCS] proctype user() {
    RWLOCK_LOCALS;
    bool has_it = HAS_IT;
    res = owner_dead;
#ifdef ANOTHER_DIED
    if
    :: ME == 0 -> another_dies()
    :: else
    fi;
#endif
    if
    :: MAY_READ -> reading()
    :: MAY_WRITE
    fi;
#ifdef READ_AGAIN
    if
    :: ME > 0 && res == locked -> has_it = false; reading()
    :: else
    fi;
#endif
    if
    :: res == owner_dead -> writing()
    :: else
    fi;
    atomic { STEP(over); state[ME] = OVER }
    DIES_HERE
}
KILLER
