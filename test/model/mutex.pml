/*
 * test/model/mutex.pml: the steps of src/ipc/mutex.c. One mutex; not the recursive kind.
 */
#define WAITERS 1
#define INCONSISTENT 2
#define LOST 31 /* the low half: no slot is number 7 */
#define LOW(word) ((word) & 31)
#define MUTEX 1 /* the number of its word, for the queues */

short mutex;

/* Mutants: who was woken alone keeps WAITERS for the others; nobody watches the lifeline. */
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

/* change(): `to` is its only if nobody was faster. */
inline change(to, is_done) {
    if
    :: mutex == w -> mutex = to; is_done = true
    :: else -> w = mutex; is_done = false
    fi
}

/* attempt(): `res` becomes locked, owner_dead, lost, or busy; w is what was seen. */
inline attempt() {
    res = again;
    atomic { STEP(look); w = mutex; NEXT lock_if_free() }
    do
    :: res == again && LOW(w) == 0 -> atomic { DIE_IF_KILLED; lock_if_free() }
    :: res == again && LOW(w) == LOST -> res = lost
    :: res == again && LOW(w) != 0 && LOW(w) != LOST ->
        assert(ID_OF(w) != MY_ID);
        is_gone(SLOT_OF(w), GENERATION_OF(w), is);
        if
        :: is == gone_by ->
            atomic {
                STEP(take_over);
#ifdef MUTANT_TAKE_OVER_STORE
                w = mutex;
#endif
                change(MY_ID | INCONSISTENT, go);
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

/* look_and_arm(): as attempt(); busy: the word has WAITERS, `h` is its holder's slot. */
inline look_and_arm() {
    go = false;
    do
    :: !go ->
#ifndef MUTANT_BELL_LATE
        atomic { STEP(region_bell); bell_inner[slot] = SAME }
#endif
        attempt();
#ifdef MUTANT_BELL_LATE
        atomic { STEP(region_bell); bell_inner[slot] = SAME }
#endif
        if
        :: res == busy && !(w & WAITERS) ->
            atomic { STEP(arm); change(w | WAITERS, go); w = (go -> w | WAITERS : w) }
        :: else -> go = true
        fi
    :: go -> break
    od;
    h = (res == busy -> WATCH(SLOT_OF(w)) : SLOTS)
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
        :: LOW(w) == 0 -> SAY(lock_at_once_cas); change(MY_ID, go)
        :: else -> go = false
        fi;
        res = (go -> locked : busy)
    }
    if
    :: res == busy ->
        do
        :: look_and_arm();
            if
            :: res == busy ->
                forever = is_forever;
                wait_for_mutex();
                if
                :: is_late -> break
                :: else
                fi
            :: else -> break
            fi
        od
    :: else
    fi
}

/* heald_plat_word_set(): the change and the wake are one system call. */
inline word_set(low) {
#ifdef MUTANT_STORE_UNLOCK
    atomic { STEP(word_set_store); mutex = mutex & ~31 | low }
    atomic { STEP(word_set_wake); WAKE(MUTEX) }
#else
    atomic { STEP(word_set); mutex = mutex & ~31 | low; WAKE(MUTEX) }
#endif
}

/* let_go(). */
inline unlock() {
    atomic {
        STEP(unlock_look);
        w = mutex;
        assert(ID_OF(w) == MY_ID);
        go = false;
        NEXT
        unlock_if_alone()
    }
    do
    :: go -> break
    :: !go && (w & (WAITERS | INCONSISTENT)) -> word_set((w & INCONSISTENT -> LOST : 0)); break
    :: else -> atomic { DIE_IF_KILLED; unlock_if_alone() }
    od
}

inline unlock_if_alone() {
    if
    :: !(w & (WAITERS | INCONSISTENT)) -> SAY(unlock_cas); change(0, go)
    :: else
    fi
}

/* heald_mutex_consistent(). */
inline consistent() {
    atomic { STEP(consistent); mutex = mutex & ~INCONSISTENT }
}
