/*
 * test/model/message.pml: the steps of src/message/ring.c and hand_over.h on one lap of a ring, and of
 * the wait around them. A cell that was received or skipped is DONE: the lap after is another
 * model's (none is needed: a claim of it is a claim of a cell that is free).
 *
 * The kernel: a wait compares the bell and the owner's life, and then sleeps, in one step (that it
 * is several is the business of kernel.pml); a change with a wake is one step; a death wakes those
 * who watch the dead one.
 *
 * Flags: SENDERS, RECEIVERS, CRASHES; AT_MOST_ONCE; MUTANT_...: as if the code were otherwise.
 */
#define NEW 0
#define CLAIMED 1
#define FULL 2
#define TAKEN 3
#define DONE 4

#define NOBODY 99

byte cell[CELLS], owner[CELLS];
byte bell; /* odd: awaited */
bool received[CELLS];

bool asleep[PROCS], killed[PROCS], over[PROCS];
byte watched[PROCS]; /* whose life, while asleep */
byte crashes;
hidden byte k;

#define STEP(name) if :: killed[_pid] -> goto dead :: else fi; printf("P%d ", _pid); \
    printf(#name); printf("\n")

/* All that sleep on the bell. */
inline wake() {
    d_step {
        k = 0;
        do
        :: k < PROCS -> asleep[k] = false; k++
        :: else -> break
        od;
        k = 0
    }
}

/* heald__ring_claim(): `p`, which is the caller's then. The load and the compare-and-swap that follows
 * it are one step: a claim that fails looks again. */
inline ring_claim() {
    p = 0;
    do
    :: atomic {
           STEP(claim_load);
           if
           :: cell[p] == NEW -> cell[p] = CLAIMED; owner[p] = _pid; break
           :: else -> p++; assert(p < CELLS)
           fi
       }
    od
}

/* cell_hand_over(): the cell p becomes `to`. */
inline hand_over(to) {
#ifdef MUTANT_NO_FIRST_LOOK
    aw = false;
#else
    atomic { STEP(first_look); aw = bell & 1 };
#endif
    if
    :: aw ->
#ifndef MUTANT_NO_BUMP
        atomic { STEP(bump); bell = bell + 2 };
#endif
#ifdef MUTANT_TWO_STEPS
        atomic { STEP(change); cell[p] = to };
        atomic { STEP(wake); wake() };
#else
        atomic { STEP(change_and_wake); cell[p] = to; wake() };
#endif
#ifndef MUTANT_NO_LAST_RING
        atomic { STEP(ring); bell++; wake() }
#endif
    :: else ->
        atomic { STEP(change_quietly); cell[p] = to };
#ifndef MUTANT_NO_SECOND_LOOK
        atomic { STEP(second_look); aw = bell & 1 };
        if
        :: aw -> atomic { STEP(ring_late); bell++; wake() }
        :: else
        fi
#endif
    fi
}

/*
 * heald__ring_take(), thoroughly: `p` with `got`; or not, and `holder` is one to watch. A receiver
 * passes over what is done, and what others who live have taken.
 */
inline ring_take() {
    p = 0;
    got = false;
    holder = NOBODY;
    do
    :: p == CELLS || got -> break
    :: p < CELLS && !got ->
        atomic {
            STEP(take_load);
            if
            :: cell[p] == NEW -> break
            :: cell[p] == FULL -> cell[p] = TAKEN; owner[p] = _pid; got = true
            :: cell[p] == DONE -> p++
            :: cell[p] == CLAIMED && over[owner[p]] && killed[owner[p]] -> cell[p] = DONE; p++
            :: cell[p] == CLAIMED && !(over[owner[p]] && killed[owner[p]]) ->
                holder = owner[p]; break
            :: cell[p] == TAKEN && over[owner[p]] && killed[owner[p]] ->
#ifdef AT_MOST_ONCE
                cell[p] = DONE; p++
#else
                owner[p] = _pid; got = true
#endif
            :: cell[p] == TAKEN && !(over[owner[p]] && killed[owner[p]]) ->
                holder = (holder == NOBODY -> owner[p] : holder); p++
            fi
        }
    od
}

/* Is there a message for one that looks, or a death to find that hides one? */
inline is_one_there() {
    d_step {
        k = 0;
        there = false;
        do
        :: k < CELLS && !there && (cell[k] == DONE || (cell[k] == TAKEN && !killed[owner[k]]) ||
                                   (cell[k] == CLAIMED && killed[owner[k]])) -> k++
        :: k < CELLS && !there && (cell[k] == FULL || (cell[k] == TAKEN && killed[owner[k]])) ->
            there = true
        :: else -> break
        od;
        k = 0
    }
}

/* cell_hand_over() of what was received: nobody waits for room here. */
inline release() {
    atomic { STEP(release); assert(!received[p]); received[p] = true; cell[p] = DONE }
}

/* eventcount_prepare(): `seen`. */
inline prepare() {
    atomic { STEP(prepare); bell = bell | 1; seen = bell }
}

#ifdef MUTANT_NO_WATCH
#define WATCHED NOBODY
#else
#define WATCHED holder
#endif

#define IS_DEAD(who) ((who) != NOBODY && over[who] && killed[who])

inline sleep() {
    atomic {
        STEP(sleep);
        if
        :: bell == seen && !IS_DEAD(WATCHED) -> asleep[_pid] = true; watched[_pid] = WATCHED
        :: else
        fi
    }
}

/* The kernel takes a killed process down. */
inline die() {
    d_step {
        asleep[_pid] = false;
        over[_pid] = true;
        k = 0;
        do
        :: k < PROCS -> asleep[k] = (watched[k] == _pid -> false : asleep[k]); k++
        :: else -> break
        od;
        k = 0
    }
}
