/*
 * test/model/aio_wait_users.pml: each sleeper waits for one block, or for all of them on the other
 * word, until one is done; each block is ended once.
 *
 * Holds: every process ends.
 */
#include "aio_wait.pml"

proctype sleeper(byte me) {
    byte seen, n, b, count, w;
    bool go, gone;

    if
    :: b = me % BLOCKS; count = 1; w = THEIR
    :: b = 0; count = 1; w = THEIR
    :: b = 0; count = BLOCKS; w = ANY
    fi;
    wait_for_any();
    assert(go || gone)
}

/* Ends the blocks from `me` up to the one before `last`. */
proctype finisher(byte me; byte last) {
    byte seen, n, b = me;
    bool go;

#ifdef MUTANT_TELL_THEN_END
    words_tell();
#endif
    do
    :: b < last -> atomic { SAY(publish); done[b] = true; b++ }
    :: else -> break
    od;
#ifndef MUTANT_TELL_THEN_END
    words_tell()
#endif
}

init {
    byte i;

    atomic {
        do
        :: i < SLEEPERS -> run sleeper(i); i++
        :: else -> break
        od;
#ifdef BATCH
        run finisher(0, BLOCKS)
#else
        i = 0;
        do
        :: i < BLOCKS -> run finisher(i, i + 1); i++
        :: else -> break
        od
#endif
    }
}
