/*
 * test/model/mutex.pml: the steps of src/sync/mutex.c. One mutex; not the recursive kind. With
 * FAIR, also those of src/region/wait_queue.c: each has one place, and TURN does not come round.
 */
#define WAITERS 1
#define INCONSISTENT 2
#define LOST 31 /* the low half: no slot is number 7 */
#ifdef FAIR
#define TURN_ONE (1 << 9)
#define TURN (31 << 9) /* generations stay below 16 */
#else
#define TURN_ONE 0
#define TURN 0
#endif
#define LOW(word) ((word) & (31 | TURN))
#define IS_FREE(word) (!((word) & (31 & ~KEPT)))
#define NEXT_TURN(word) (((word) + TURN_ONE) & TURN)
/* What a mutex that is free may have, and who takes it leaves there. */
#ifdef FAIR
#define KEPT WAITERS
#else
#define KEPT 0
#endif
#define MUTEX 1 /* the number of its word, for the queues */

short mutex;

/* Mutants: who was woken alone keeps WAITERS for the others; nobody watches the lifeline; who
 * is not next leaves a free word as it is. */
#ifdef MUTANT_WAKE_ONE
bool slept[PROCS];
#define SLEPT (slept[ME] -> WAITERS : 0)
#define IS_SLEEPER slept[ME] = true;
#define WAKE(word) wake_one(queued_word, word)
#else
#define SLEPT 0
#define IS_SLEEPER
#define WAKE(word) wake_all(word)
#endif
#ifdef MUTANT_NO_WATCH
#define WATCH(slot) SLOTS
#else
#define WATCH(slot) slot
#endif

#ifdef MUTANT_NO_ARM_FREE
#define NO_ARM_FREE true
#else
#define NO_ARM_FREE false
#endif

/* change(): `to` is its only if nobody was faster. */
inline change(to, is_done) {
    if
    :: mutex == w -> mutex = to; is_done = true
    :: else -> w = mutex; is_done = false
    fi
}

#ifdef FAIR
#define LOOK_AND_LOCK
#define WATCHED h
#ifdef MUTANT_BEHIND_ALONE
#define NOBODY_BEFORE true
#else
#define NOBODY_BEFORE (h == SLOTS)
#endif
#define IS_HOLDER h = SLOT_OF(w);
#define LINE_UP enqueue();
#define STEP_OUT dequeue();
#define ABANDON abandon()
/*
 * heald__region_first_waiter(): `h` is the slot of the first of the others, if that is before this one, or
 * SLOTS. first_in_queue() reads slot after slot; then only the first is checked for life.
 */
inline before_me() {
    first = 1;
    h = SLOTS;
    behind = false;
    do
    :: first == 255 -> break
    :: else ->
        p = 0;
        t = 255;
        do
        :: p < SLOTS ->
            atomic {
                STEP(first_in_queue);
                if
                :: p != slot && ticket[p] >= first && ticket[p] < t ->
                    t = ticket[p]; q = p; g = generation[p]
                :: else
                fi;
                p++
            }
        :: p >= SLOTS -> break
        od;
        if
        :: t != 255 && (g & 1) -> is_gone(q, g, is)
        :: else -> is = gone_by
        fi;
        if
        :: t == 255 -> first = 255
        :: t != 255 && is == gone_by -> first = t + 1
        :: t != 255 && is != gone_by ->
            first = 255;
            behind = ticket[slot] && t > ticket[slot];
            h = (behind -> SLOTS : q)
        fi
    od;
    p = 0; t = 0; g = 0; first = 0; q = 0
}

/* is_next() and take(): `res` stays again if somebody was faster. */
inline take_if_next() {
    h = SLOTS;
    if
    :: !is_new || (w & WAITERS) -> before_me()
    :: else
    fi;
    if
    :: h < SLOTS -> res = busy
    :: else ->
        atomic {
            STEP(take);
            change(MY_ID | (w & (TURN | WAITERS)), go);
            res = (go -> locked : again);
            bell_inner[slot] = (go -> UNREAD : bell_inner[slot])
        }
        if
        :: res == locked && (w & WAITERS) -> drop_waiters()
        :: else
        fi
    fi
}

/* Who has taken it leaves WAITERS if others are in the line. */
inline drop_waiters() {
    before_me();
    if
    :: !behind && NOBODY_BEFORE ->
        atomic {
            STEP(drop_waiters);
            w = MY_ID | (w & (TURN | WAITERS));
            change(w & ~WAITERS, go)
        }
#ifndef MUTANT_LOOK_ONCE
        before_me();
        if
        :: behind || !NOBODY_BEFORE ->
            atomic {
                STEP(set_waiters);
                w = MY_ID | (w & TURN);
                change(w | WAITERS, go)
            }
        :: else
        fi;
#endif
        skip
    :: else
    fi
}

/* heald__region_enqueue(), once for each wait: two steps, for one that draws may die before it has a
 * place. */
inline enqueue() {
    if
    :: !ticket[slot] ->
        atomic { STEP(draw_ticket); drawn++; t = drawn }
        atomic { STEP(fill); ticket[slot] = t; t = 0 }
    :: else
    fi
}
inline dequeue() {
    if
    :: ticket[slot] -> atomic { STEP(dequeue); ticket[slot] = 0 }
    :: else
    fi
}

/* abandon(). */
inline abandon() {
    atomic { STEP(abandon_look); w = mutex }
    go = false;
    do
    :: !go && IS_FREE(w) -> atomic { STEP(abandon); change(NEXT_TURN(w) | WAITERS, go) }
    :: else -> break
    od;
#ifndef MUTANT_NO_ABANDON
    atomic { STEP(abandon_wake); WAKE(MUTEX) }
#endif
}
byte ticket[SLOTS], drawn;
#define FAIR_LOCALS byte first, p, t, g, q; bool behind, is_new, is_over;
#define IS_NEW(is) is_new = is;
#else
#define LOOK_AND_LOCK NEXT lock_if_free()
#define WATCHED SLOT_OF(w)
#define FAIR_LOCALS
#define IS_NEW(is)
#define IS_HOLDER
#define LINE_UP
#define STEP_OUT
#define ABANDON skip
#define take_if_next() atomic { DIE_IF_KILLED; lock_if_free() }
#endif

/* attempt(): `res` becomes locked, owner_dead, lost, or busy; w is what was seen. */
inline attempt() {
    res = again;
    atomic { STEP(look); w = mutex; LOOK_AND_LOCK }
    do
    :: res == again && IS_FREE(w) -> take_if_next()
    :: res == again && LOW(w & ~TURN) == LOST -> res = lost
    :: res == again && !IS_FREE(w) && LOW(w & ~TURN) != LOST ->
        assert(ID_OF(w & ~TURN) != MY_ID);
        IS_HOLDER
        is_gone(SLOT_OF(w), GENERATION_OF(w & ~TURN), is);
        if
        :: is == gone_by ->
            atomic {
                STEP(take_over);
#ifdef MUTANT_TAKE_OVER_STORE
                w = mutex;
#endif
                change(MY_ID | INCONSISTENT | (w & TURN), go);
                res = (go -> owner_dead : again);
                bell_inner[slot] = (go -> UNREAD : bell_inner[slot])
            }
        :: else -> res = busy
        fi
    :: res != again -> break
    od
}

inline lock_if_free() {
    if
    :: LOW(w) == 0 ->
        SAY(lock_cas);
        change(MY_ID | SLEPT, go);
        res = (go -> locked : again);
        bell_inner[slot] = (go -> UNREAD : bell_inner[slot])
    :: else
    fi
}

/* try_and_arm(): as attempt(); busy: the word has WAITERS, `h` is its holder's slot. */
inline try_and_arm() {
    go = false;
    do
    :: !go ->
#ifndef MUTANT_BELL_LATE
        atomic { STEP(region_bell); READ_BELL(bell_inner) }
#endif
        attempt();
#ifdef MUTANT_BELL_LATE
        atomic { STEP(region_bell); READ_BELL(bell_inner) }
#endif
        if
        :: res == busy && !(w & WAITERS) && !(NO_ARM_FREE && IS_FREE(w)) ->
            atomic { STEP(arm); change(w | WAITERS, go); w = (go -> w | WAITERS : w) }
        :: else -> go = true
        fi
    :: go -> break
    od;
    h = (res == busy -> WATCH(WATCHED) : SLOTS)
}

inline wait_for_mutex() {
    IS_SLEEPER
    region_wait(MUTEX, (LOW(mutex) == LOW(w)), bell_inner[slot], h, is_late)
}

/* heald_mutex_lock(). `res` is busy if the deadline has passed; there is none if is_forever. */
inline lock(is_forever) {
    atomic {
        STEP(lock_at_once_look);
        w = mutex;
        NEXT
        if
        :: LOW(w & ~TURN) == 0 -> SAY(lock_at_once_cas); change(MY_ID | (w & TURN), go)
        :: else -> go = false
        fi;
        res = (go -> locked : busy)
    }
    IS_NEW(true)
    if
    :: res == busy ->
        do
        :: try_and_arm();
            IS_NEW(false)
            if
            :: res == busy ->
                LINE_UP
                forever = is_forever;
                wait_for_mutex();
                if
                :: is_late -> break
                :: else
                fi
            :: else -> break
            fi
        od;
        STEP_OUT
        if
        :: res == busy -> ABANDON
        :: else
        fi
    :: else
    fi
}

/* heald_plat_word_set(): the change and the wake are one system call. */
inline word_set(low) {
#ifdef MUTANT_STORE_UNLOCK
    atomic { STEP(word_set_store); mutex = mutex & ~(31 | TURN) | low }
    atomic { STEP(word_set_wake); WAKE(MUTEX) }
#else
    atomic { STEP(word_set); mutex = mutex & ~(31 | TURN) | low; WAKE(MUTEX) }
#endif
}

/*
 * let_go(). Of a fair mutex any release may be the one for which TURN is 0, and any with WAITERS
 * one for which a waiter has set HANDOFF: so there is no such flag here. One that sets it otherwise
 * only makes others try again. NO_LIMIT: no release is the 512th.
 */
#ifdef FAIR
inline decide() {
    if
    :: is_over = false
    :: w & WAITERS -> is_over = true
#ifndef NO_LIMIT
    :: before_me(); is_over = h < SLOTS
#endif
    fi
}
#define HAND_OVER (is_over -> WAITERS : 0)
#define IS_OVER is_over
#define DECIDE } decide(); atomic { DIE_IF_KILLED;
#else
#define DECIDE NEXT
#define HAND_OVER 0
#define IS_OVER false
#endif
inline unlock() {
    atomic {
        STEP(unlock_look);
        w = mutex;
        assert(ID_OF(w & ~TURN) == MY_ID);
        DECIDE
        go = false;
        if
        :: !IS_OVER -> unlock_if_alone()
        :: else
        fi
    }
    do
    :: go -> break
    :: !go && (IS_OVER || (w & (WAITERS | INCONSISTENT))) ->
        word_set((w & INCONSISTENT -> LOST : NEXT_TURN(w) | HAND_OVER)); break
    :: else -> atomic { DIE_IF_KILLED; unlock_if_alone() }
    od
}

inline unlock_if_alone() {
    if
    :: !(w & (WAITERS | INCONSISTENT)) -> SAY(unlock_cas); change(NEXT_TURN(w), go)
    :: else
    fi
}

/* heald_mutex_consistent(). */
inline consistent() {
    atomic { STEP(consistent); mutex = mutex & ~INCONSISTENT }
}
