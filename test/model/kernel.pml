/*
 * test/model/kernel.pml: what the kernel does for heald: futexes, lifelines, death. Models
 * src/platform/linux/futex.c and lifeline.c, and the kernel behind them.
 *
 * Every step is what the machine or the kernel does in one step: a load, a store, a
 * compare-and-swap, the entering of one queue of futex_waitv, a FUTEX_WAKE_OP. A process can be
 * killed before each.
 *
 * Flags, with -D: PROCS (2, 3); CRASHES: how many are killed at most; EARLY: how many times a sleep
 * ends for no reason; NO_RECHECK: none tries again unless it is woken; VICTIM: the one that may be
 * killed; DEADLINE: a caller may give up; ATTACH: those beyond SLOTS attach first, and all may
 * detach; COARSE and TAKEN_AT_FIRST: below; MUTANT_...: as if the code were otherwise.
 *
 * Each process runs once through what its model has it do, so one that does not end is a defect.
 *
 * Left out: memory that is seen in another order by another processor (a step is seen by all at
 * once), and the systems without futex_waitv or FUTEX_WAKE_OP.
 */
#ifndef PROCS
#define PROCS 2
#endif
#ifndef SLOTS
#define SLOTS PROCS
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef EARLY
#define EARLY 0
#endif

#define ME _pid

/* What `spin -t` prints of a trail: who did which step. */
#define SAY(name) printf("P%d ", ME); printf(#name); printf("\n")

/* Begins a step: whoever has been killed makes no more. */
#define STEP(name) DIE_IF_KILLED; SAY(name)
#define DIE_IF_KILLED if :: killed[ME] -> goto dead :: else fi

/*
 * Between two steps that COARSE makes one. It does so where a load is followed by a
 * compare-and-swap that reads again, or by another load that decides: what the two do apart, they
 * do together at the time of the second.
 */
#ifdef COARSE
#define NEXT
#define IS_COARSE true
#else
#define IS_COARSE false
#define NEXT } atomic { DIE_IF_KILLED;
#endif

/* A lifeline's word: 0, 1 + the process that holds it, or this. */
#define ENDED 9

#if SLOTS > 2
byte life[SLOTS] = { 1, 2, 3 };
#define ID_OF_LAST 44
#else
byte life[SLOTS] = { 1, 2 };
#define ID_OF_LAST 40
#endif
/* TAKEN_AT_FIRST: the last process has what the others want when it begins; see register.pml. */
#ifdef TAKEN_AT_FIRST
#define TAKEN_BY ID_OF_LAST
#define HAS_IT (ME == PROCS - 1)
#else
#define TAKEN_BY 0
#define HAS_IT false
#endif
bool life_waiters[SLOTS]; /* FUTEX_WAITERS */

/*
 * The queues that a process is in, 0: none: of an object's word (1 and up, as the models number
 * them), of the bell and of the lifeline of a slot (that + 1).
 */
byte queued_word[PROCS], queued_bell[PROCS], queued_life[PROCS];
bool woken[PROCS];

/*
 * Numbers that only count up are kept as whether they changed since a process read them: so here
 * they never wrap around. Once it is no longer needed, it is UNREAD again, to have fewer states.
 */
#define UNREAD 0
#define SAME 1
#define CHANGED 2
#define CHANGE(number) number = (number == UNREAD -> UNREAD : CHANGED)
byte bell_outer[SLOTS], bell_inner[SLOTS]; /* two readings: monitor_enter()'s and the mutex's */

#define RUNS 0
#define SLEEPS 1
#define OVER 2
byte state[PROCS];
bool killed[PROCS]; /* makes no step any more; the kernel has not taken it down yet */
byte crashes, early;
byte rechecks[PROCS];

hidden byte k;

#define wake_up(p) woken[p] = true; state[p] = (state[p] == SLEEPS -> RUNS : state[p])

/* FUTEX_WAKE, all: within a step. */
inline wake_all(word) {
    d_step {
        k = 0;
        do
        :: k < PROCS && queued_word[k] == word -> queued_word[k] = 0; wake_up(k); k++
        :: k < PROCS && queued_word[k] != word -> k++
        :: k >= PROCS -> break
        od;
        k = 0
    }
}

#define wake_if(p, array, key) array[p] == key -> array[p] = 0; wake_up(p)
#if PROCS > 2
#define OR_THE_THIRD(array, key) :: wake_if(2, array, key)
#else
#define OR_THE_THIRD(array, key)
#endif

/* FUTEX_WAKE, one, whichever: within a step. One who is killed, or woken already, may take it. */
#define wake_one(array, key) \
    if \
    :: wake_if(0, array, key) \
    :: wake_if(1, array, key) \
    OR_THE_THIRD(array, key) \
    :: else \
    fi

/* The bell is an event count: odd, somebody may sleep on it. */
bool bell_odd[SLOTS];
#define READ_BELL(reading) reading[slot] = SAME; bell_odd[slot] = true

/* eventcount_notify() of a bell, its second half: within a step. */
inline ring(s) {
    SAY(ring);
    d_step {
        bell_odd[s] = !bell_odd[s];
        CHANGE(bell_outer[s]);
        CHANGE(bell_inner[s]);
        k = 0;
        do
        :: k < PROCS && queued_bell[k] == s + 1 -> queued_bell[k] = 0; wake_up(k); k++
        :: k < PROCS && queued_bell[k] != s + 1 -> k++
        :: k >= PROCS -> break
        od;
        k = 0
    }
}

/* The `sequence` of a condition or a monitor. */
#define SEQUENCE 2 /* the number of its word, for the queues; a mutex's is 1 */
byte sequence[PROCS]; /* as each has read it */

#ifdef MUTANT_SIGNAL_ONE
#define WAKE_SEQUENCE wake_one(queued_word, SEQUENCE)
#else
#define WAKE_SEQUENCE wake_all(SEQUENCE)
#endif

inline change_sequence() {
    d_step {
        k = 0;
        do
        :: k < PROCS -> CHANGE(sequence[k]); k++
        :: else -> break
        od;
        k = 0
    }
}

/* heald_plat_word_count() of it: the change and the wake are one system call. */
inline count_sequence() {
    atomic { STEP(count_sequence); change_sequence(); WAKE_SEQUENCE }
}

#if PROCS > 2
#define QUIET (state[0] != RUNS && state[1] != RUNS && state[2] != RUNS)
#else
#define QUIET (state[0] != RUNS && state[1] != RUNS)
#endif

/*
 * The end of a sleep. The 50 ms of REGION_RECHECK_NS are longer than all that any process has to
 * do: so they pass when none can do anything else, and for each sleeper no more often than one was
 * killed. One that must try again more often than that, or is not helped by it, sleeps
 * indefinitely: the verifier calls it an invalid end state. (EARLY lets them pass at any time.)
 */
#ifdef NO_RECHECK
#define OR_RECHECK
#else
#define OR_RECHECK :: QUIET && !woken[ME] && rechecks[ME] < CRASHES -> SAY(recheck); \
    rechecks[ME]++
#endif
#if EARLY > 0
#define OR_EARLY :: !woken[ME] && early < EARLY -> SAY(early); early++
#else
#define OR_EARLY
#endif
/* The caller's deadline, if it has one: may pass at any time. */
#ifdef DEADLINE
#define OR_LATE(is_late) :: !woken[ME] && !forever -> SAY(late); is_late = true
#else
#define OR_LATE(is_late)
#endif
/* Where a model says that a process may wait indefinitely, it ends instead. */
#ifdef IN_VAIN
#define OR_IN_VAIN(is_late) :: QUIET && IN_VAIN && queued_word[ME] == SEQUENCE -> \
    SAY(in_vain); is_late = true
#else
#define OR_IN_VAIN(is_late)
#endif

/*
 * heald__plat_words_wait(): each word is compared and its queue entered in one step, one after the
 * other. The sleeper leaves the queues when it runs again; until then it may get a wake that it no
 * longer needs. `same`: the object's word is what was seen; `bell`: which reading counts;
 * `watched`: 1 + the slot whose lifeline `holder` held when it was read, or 0.
 */
inline words_wait(word, same, bell, watched, holder, is_late) {
    atomic {
        STEP(queue_word);
        if
        :: same -> queued_word[ME] = word; go = true
        :: else -> go = false
        fi
    }
    if
    :: go -> atomic {
        STEP(queue_bell);
        if
        :: bell == SAME -> queued_bell[ME] = slot + 1
        :: else -> go = false
        fi }
    :: else
    fi;
    if
    :: go && watched -> atomic {
        STEP(queue_life);
        if
        :: life[watched - 1] == holder && life_waiters[watched - 1] -> queued_life[ME] = watched
        :: else -> go = false
        fi }
    :: else
    fi;
    if
    :: go -> atomic {
        STEP(sleep);
        state[ME] = (woken[ME] -> RUNS : SLEEPS);
        if
        :: killed[ME] -> goto dead
        :: !killed[ME] && woken[ME] -> SAY(woken)
        OR_RECHECK
        OR_EARLY
        OR_LATE(is_late)
        OR_IN_VAIN(is_late)
        fi;
        state[ME] = RUNS }
    :: else
    fi;
    atomic {
        STEP(unqueue);
        leave_queues(ME);
        bell_inner[slot] = UNREAD;
        AFTER_WAIT
    }
}

inline leave_queues(p) {
    queued_word[p] = 0;
    queued_bell[p] = 0;
    queued_life[p] = 0;
    woken[p] = false
}

/*
 * heald_plat_life_watch(): what is watched, `watched` and `holder` of words_wait(); 0: nobody who
 * lives holds it.
 */
inline life_watch(s, watched, holder) {
    watched = 0;
    do
    :: !watched ->
        atomic {
            STEP(life_watch_load);
            holder = life[s];
            NEXT
            if
            :: holder == 0 || holder == ENDED -> break
            :: else -> SAY(life_watch_cas)
            fi;
            if
            :: life[s] == holder -> life_waiters[s] = true; watched = s + 1
            :: else /* tries again */
            fi
        }
    :: else -> break
    od
}

#ifdef ATTACH
/* heald_plat_life_take(): `res` becomes locked, owner_dead or busy. */
inline life_take(s) {
    atomic {
        STEP(life_take);
        res = (life[s] == 0 -> locked : (life[s] == ENDED -> owner_dead : busy));
        if
        :: res != busy -> life[s] = ME + 1; slot = s
        :: else
        fi
    }
}

/* heald_plat_life_release(). Who is killed between the two has the kernel wake. */
inline life_release() {
    atomic {
        STEP(life_release);
        life[slot] = 0;
        releasing = life_waiters[slot];
        life_waiters[slot] = false
    }
    atomic {
        STEP(life_release_wake);
        if
        :: releasing -> wake_one(queued_life, slot + 1); releasing = false
        :: else
        fi
    }
}
#define IS_RELEASING releasing
#else
#define IS_RELEASING false
#endif

/*
 * The end of a process that was killed: it leaves the queues, having kept a wake that it was given;
 * then the kernel walks the list of its robust locks, which are its lifeline.
 */
#define DIES_HERE goto over; dead: die(); over: skip
inline die() {
    atomic { SAY(die_unqueue); leave_queues(ME) }
    atomic {
        SAY(die_mark);
        go = life[slot] == ME + 1;
        if
        :: go -> life[slot] = ENDED
        :: else
        fi;
        FORGET(ME)
    }
    atomic {
        SAY(die_wake);
        if
        :: (go && life_waiters[slot]) || IS_RELEASING -> wake_one(queued_life, slot + 1)
        :: else
        fi;
        state[ME] = OVER
    }
}

#define OR_KILL(p) :: atomic { crashes < CRASHES && state[p] != OVER && !killed[p] -> \
    crashes++; killed[p] = true; state[p] = RUNS; printf("P%d is killed\n", p) }
#if PROCS > 2
#define OR_KILL_THE_THIRD OR_KILL(2)
#else
#define OR_KILL_THE_THIRD
#endif

/*
 * Declared after the users, so that their numbers begin with 0. When all is quiet it may also kill
 * none any more: else one that sleeps indefinitely could still be killed, and would not be found.
 */
#define OR_RETIRE :: atomic { QUIET && crashes < CRASHES -> crashes = CRASHES }
#ifdef VICTIM /* nobody else is killed */
#define OR_KILL_ANYBODY OR_KILL(VICTIM)
#else
#define OR_KILL_ANYBODY OR_KILL(0) OR_KILL(1) OR_KILL_THE_THIRD
#endif
#define KILLER active proctype killer() { end: do OR_KILL_ANYBODY OR_RETIRE od }
