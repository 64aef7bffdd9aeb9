/*
 * test/model/topic_users.pml: each publisher publishes some samples; each subscriber joins, takes
 * some, and leaves.
 *
 * Holds: a chunk on loan is in no cell that is full, and no subscriber has it that lives; what a
 * subscriber reads is what was published at that position; with BLOCK a subscriber loses nothing,
 * and no publisher sleeps in vain; in the end no chunk is lost: each is free, was published, or was
 * on loan to one that is gone.
 */
#ifndef PUBLISHERS
#define PUBLISHERS 2
#endif
#ifndef SUBSCRIBERS
#define SUBSCRIBERS 1
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef TAKES
#define TAKES 1
#endif
#ifndef CELLS
#define CELLS 1
#endif
#ifndef CHUNKS
#define CHUNKS 2
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#define PROCS (PUBLISHERS + SUBSCRIBERS)
#define POSITIONS (PUBLISHERS * ROUNDS)
#if PUBLISHERS == 2
#define PUBLISHERS_OVER (over[0] && over[1])
#else
#define PUBLISHERS_OVER over[0]
#endif
#include "topic.pml"

active [PUBLISHERS] proctype publisher() {
    byte c, i, p, n, was_state, was_lap, behind, seen;
    bool got, candidate, is_full, aw;
    do
    :: n < ROUNDS ->
        topic_borrow();
        if
        :: got ->
            atomic { STEP(write); chunks[c].content = _pid * ROUNDS + n + 1 };
            topic_publish();
            c = 0
        :: else -> c = 0 /* all are in use: it publishes nothing */
        fi;
        n++
    :: else -> break
    od;
    atomic { over[_pid] = true }
    goto end;
dead: atomic { die() }
end: skip
}

active [SUBSCRIBERS] proctype subscriber() {
    byte c, p, n;
    bool got, is_full, moved, aw;
    join();
    do
    :: n < TAKES ->
        topic_take();
        if
        :: got -> set_cursor(); release(); n++
        :: else -> break
        fi
    :: else -> break
    od;
    leave();
    atomic { over[_pid] = true }
    goto end;
dead: atomic { die() }
end: skip
}

#define EVERYBODY_OVER (over[0] && over[1] && (PROCS < 3 || over[2]) && (PROCS < 4 || over[3]))

active proctype killer() {
    do
    :: atomic { crashes < CRASHES && !over[0] && !killed[0] -> crashes++; killed[0] = true }
    :: atomic { crashes < CRASHES && !over[1] && !killed[1] -> crashes++; killed[1] = true }
#if PROCS > 2
    :: atomic { crashes < CRASHES && !over[2] && !killed[2] -> crashes++; killed[2] = true }
#endif
#if PROCS > 3
    :: atomic { crashes < CRASHES && !over[3] && !killed[3] -> crashes++; killed[3] = true }
#endif
    :: atomic {
           EVERYBODY_OVER ->
           k = 0;
           do
           :: k < CHUNKS ->
               assert(chunks[k].state != CLAIMED || killed[chunks[k].owner]);
               k++
           :: else -> break
           od;
           break
       }
    od
}
