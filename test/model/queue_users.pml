/*
 * test/model/queue_users.pml: a loop with two ops, and who changes the words. Op 0 waits until word
 * 0 is LAST; op 1 until word 1 is 1, and then until word 0 is 0 again: so it goes from one queue to
 * the other, where the first may stand. With CANCEL the first is cancelled at any moment. With
 * WAKES_ONE the last wake of word 0 is of one, who tells all, as with a lifeline; another process
 * waits for that word, too.
 */
#ifndef WAKES_ONE
#define WAKES_ONE 0
#endif
#define LAST 2

#include "queue.pml"

bool told, bell; /* all were notified; the loop knows it */

#define WAITS_FOR(op) (op == 1 && word[1] == 0 -> 1 : 0)
#define IS_OVER(op) (op == 0 -> word[0] == LAST : word[1] == 1 && word[0] != 1)

active proctype loop() {
    byte op, q, w, saw;

    atomic { pending = 3; due = 3 }
    do
    :: pending == 0 -> break
    /* locks_try(): of those that are due the first. */
    :: atomic {
        due != 0 ->
        op = (HAS(due, 0) -> 0 : 1);
        DEL(due, op);
        if
        :: IS_OVER(op) ->
            leave(op);
            DEL(pending, op);
            told = told || (WAKES_ONE && word[0] == LAST);
            saw = UNSEEN
        :: else -> w = WAITS_FOR(op); saw = word[w]
        fi;
        q = 0
       };
       atomic {
        if
        :: saw == UNSEEN
        :: else -> join(op, w, saw)
        fi;
        op = 0; q = 0; w = 0; saw = 0
       }
#ifdef CANCEL
    /* heald_locks_remove(): what it was woken for and has not looked at is passed on. */
    :: atomic {
        HAS(pending, 0) ->
#ifndef MUTANT_CANCEL_DUE
        passing = passing + (WAKES_ONE && HAS(due, 0) && stands[0] != NOWHERE -> 1 : 0);
#endif
        leave(0); DEL(pending, 0); DEL(due, 0); q = 0
       }
#endif
    :: atomic { told && !bell -> bell = true; due = pending }
    ROADS
    od;
end:
    do
    ROADS
    od
}

active proctype changer() {
    atomic { word[1] = 1; wake_all(1) }
    atomic { word[0] = 1; wake_all(0) }
    atomic { word[0] = 0; wake_all(0) }
    !HAS(pending, 1);
    if
    :: WAKES_ONE -> atomic { word[0] = LAST; wake_one() }
    :: else -> atomic { word[0] = LAST; wake_all(0) }
    fi
}

active proctype another() {
    if
    :: WAKES_ONE ->
        do
        :: atomic { word[0] != LAST && !told -> other = ASLEEP }; other == WOKEN || told
        :: word[0] == LAST || told -> break
        od;
        told = true
    :: else
    fi
}
