/*
 * test/model/aio_hand_off.pml: the steps of src/aio/io_thread.c: records that are pushed, the wake
 * of the I/O thread, its sleep, its end, and its start, which may fail.
 *
 * Flags, with -D: PUSHERS; ROUNDS: how many records each pushes; PAUSES: how many times the I/O
 * thread finds that it had nothing to do for long enough to end; FAILS: how many starts fail at
 * most; HANDLER: pusher 0 is interrupted by a signal, once, whose handler asks and waits;
 * HANDLER_RELIES: or waits for what pusher 1 pushes; BELL: the ring waits for an eventfd, PLAIN:
 * the thread sleeps in futex(2), otherwise an entry of the ring waits for the word and stays there
 * over many turns; MUTANT_...: as if the code were otherwise.
 *
 * Left out: what is done with a record, and memory that is seen in another order.
 */
#ifndef PUSHERS
#define PUSHERS 2
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef PAUSES
#define PAUSES 1
#endif
#ifndef FAILS
#define FAILS 0
#endif
#define ASKER PUSHERS /* the handler, as one who pushes */
#define ALL (PUSHERS + 1)
#define THREADS (PAUSES + 1)

/* What `spin -t` prints of a trail: who did which step. */
#define SAY(name) printf(#name); printf(" %d\n", me)
#define STEP(name) !paused[me] -> SAY(name)

#ifdef MUTANT_SAME_MARK
#define MARK 2
#else
#define MARK (2 + me)
#endif

#define NONE 0
#define PUSHED 1
#define HANDLED 2
#define FAILED 3

byte top;         /* a bit for each record in the stack */
byte record[ALL]; /* what came of the one that each pushed last */
byte sleeping; /* 1, or the mark of who wakes */
byte running;
byte bell;
bool queued[THREADS], told[THREADS]; /* an entry waits for the word; it has its end */
byte starts, alive, pauses = PAUSES, fails = FAILS;
bool paused[ALL + THREADS]; /* by a signal */
bool masked[ALL], over[ALL];

inline come_to(what) {
    d_step {
        n = 0;
        do
        :: n < ALL ->
            if
            :: taken & (1 << n) -> assert(record[n] == PUSHED); record[n] = what
            :: else
            fi;
            n++
        :: else -> break
        od;
        n = 0;
        taken = 0
    }
}

/* may_end(). */
inline may_end() {
#ifdef MUTANT_LOOK_THEN_END
    atomic { STEP(may_end_look); go = top == 0 }
#endif
    atomic { STEP(may_end); running = 0; alive = (me >= ALL -> alive - 1 : alive) }
#ifdef MUTANT_END_WITHOUT_A_LOOK
    go = true;
#endif
#if !defined MUTANT_LOOK_THEN_END && !defined MUTANT_END_WITHOUT_A_LOOK
    atomic { STEP(may_end_look); go = top == 0 }
#endif
    if
    :: !go ->
        atomic {
            STEP(turn_running_back);
            go = running != 0;
            running = (go -> running : 2);
            alive = (go || me < ALL -> alive : alive + 1)
        }
    :: else
    fi
}

inline fail_all() {
    atomic {
        STEP(fail_all);
        assert(alive == 0); /* nobody's but what nobody has begun */
        taken = top;
        top = 0;
        come_to(FAILED)
    }
}

/* start_thread(), when it is this one's to start. */
inline start() {
    if
    :: atomic {
        STEP(thread_start);
        assert(starts < THREADS);
        alive++;
        run service(starts, ALL + starts);
        starts++
    }
        atomic { running != 1 -> SAY(await_waiter) }
    :: atomic { fails > 0 && !paused[me] -> SAY(thread_start_fails); fails-- }
#ifdef MUTANT_FAIL_AFTERWARDS
        atomic { STEP(give_up); running = 0 }
        fail_all()
#else
        do
        :: fail_all();
            may_end();
            if
            :: go -> go = false; break
            :: else
            fi
        od
#endif
    fi
}

/* aio_io_thread_ensure(). */
inline ensure() {
    atomic { STEP(ensure_look); go = running == 0 }
    if
    :: go ->
#ifndef MUTANT_UNMASKED
        atomic { STEP(mask); masked[me] = true }
#endif
        atomic { STEP(turn_running); go = running == 0; running = (go -> 1 : running) }
        if
        :: go -> start()
        :: else
        fi;
        atomic { STEP(unmask); masked[me] = false }
    :: else
    fi
}

inline wake_word() {
    d_step {
        n = 0;
        do
        :: n < THREADS -> told[n] = told[n] || queued[n]; queued[n] = false; n++
        :: else -> break
        od;
        n = 0
    }
}

inline turn_sleeping() {
    atomic {
        STEP(turn_sleeping);
        go = sleeping != 0;
#ifdef MUTANT_CLEAR_THEN_RING
        sleeping = 0
#else
        sleeping = (go -> MARK : 0)
#endif
    }
}

inline clear_mark() {
    atomic {
        STEP(clear_mark);
#ifdef MUTANT_CLEAR_ANY
        sleeping = 0
#else
        sleeping = (sleeping == MARK -> 0 : sleeping)
#endif
    }
}

/* wake(). */
inline wake() {
#ifndef MUTANT_LOOK_THEN_PUSH
    turn_sleeping();
#endif
    if
    :: go ->
        atomic {
            STEP(ring);
#ifdef BELL
            bell = 1
#else
            wake_word()
#endif
        }
#ifndef MUTANT_CLEAR_THEN_RING
        clear_mark()
#endif
    :: else
    fi
}

/* aio_io_thread_push(). */
inline push() {
#ifdef MUTANT_LOOK_THEN_PUSH
    turn_sleeping();
#endif
#ifdef MUTANT_ENSURE_THEN_PUSH
    ensure();
#endif
    atomic { STEP(push); assert(!(top & (1 << me))); top = top | (1 << me); record[me] = PUSHED }
    wake();
#ifndef MUTANT_ENSURE_THEN_PUSH
    ensure();
#endif
    atomic { record[me] >= HANDLED && !paused[me] -> SAY(is_over); record[me] = NONE }
}

/* aio_io_thread_sleeps(), and the sleep. */
inline sleep() {
#ifdef MUTANT_LOOK_THEN_SLEEP
    atomic { SAY(sleeps_look); go = top == 0 }
    atomic { SAY(sleeps); sleeping = 1 }
#else
    atomic { SAY(sleeps); sleeping = 1 }
    atomic { SAY(sleeps_look); go = top == 0 }
#endif
    if
    :: go ->
#ifndef BELL
        atomic {
            SAY(arm);
            told[id] = told[id] || (!queued[id] && sleeping != 1);
            queued[id] = !told[id]
        }
#endif
end_asleep:
        if
#ifdef BELL
        :: atomic { bell == 1 -> SAY(heard) }
#else
        :: atomic { told[id] -> SAY(heard) }
#endif
        :: atomic { pauses > 0 -> SAY(time_is_over) }
        fi
    :: else
    fi;
    atomic { SAY(awake); sleeping = 0 }
    atomic {
        SAY(hear);
        told[id] = false;
        bell = 0;
#ifdef PLAIN
        queued[id] = false
#endif
    }
}

proctype service(byte id; byte me) {
    byte taken, n;
    bool go, busy;

    atomic { SAY(begin); running = 2 }
    do
    :: atomic { SAY(take); taken = top; top = 0; busy = taken != 0; come_to(HANDLED) }
        sleep();
        if
        :: atomic { !busy && pauses > 0 -> pauses-- }
            go = false;
            may_end();
            if
            :: go -> break
            :: else
            fi
        :: true
        fi
    od;
#ifdef MUTANT_OLD_RING_READS
    if
    :: atomic { bell == 1 -> SAY(old_ring_reads); bell = 0 }
    :: true
    fi;
#endif
    queued[id] = false
}
