/*
 * test/model/monitor.pml: the steps of src/ipc/monitor.c, upon mutex.pml. What changes inside only
 * is read there together with the next step. Cells change from outside as well: every look at one
 * is a step, but for who looks for his own, which nobody else makes his.
 */
bool waiting;
#define DONE_WAITING bell_outer[slot] = UNREAD /* in the step that takes what was waited for */

#define NOBODY 0
#define SLOT_OR_NONE(id) ((id) == NOBODY -> SLOTS : SLOT_OF(id))

inline entered() {
    if
    :: res == owner_dead -> consistent(); res = locked
    :: else
    fi
}

/* monitor_enter(): `res` is locked, or busy: region_wait() for the mutex. */
inline monitor_enter() {
    atomic { STEP(monitor_enter_bell); bell_outer[slot] = SAME }
    look_and_arm();
    entered()
}

inline monitor_enter_now() {
    lock(true);
    entered()
}

/* ipc_mutex_unlock_and_wake(): one system call for both words. */
inline unlock_and_wake() {
    atomic { STEP(unlock_and_wake); mutex = mutex & ~31; WAKE(MUTEX); WAKE_SEQUENCE }
}

/* monitor_leave() is unlock(). */
inline monitor_leave_and_tell() {
    if
    :: waiting ->
        atomic { STEP(add_to_sequence); change_sequence() }
        atomic { STEP(clear_waiting); waiting = false }
        unlock_and_wake()
    :: else -> unlock()
    fi
}

/* monitor_leave_to_wait(): `h` is the one to watch, `holder_id`; `res` stays busy. */
inline monitor_leave_to_wait() {
    atomic {
        STEP(leave_to_wait);
        waiting = true;
        sequence[ME] = SAME;
        h = SLOT_OR_NONE(holder_id);
        holder_id = NOBODY
    }
    unlock();
    on_sequence = true
}

/* monitor_is_gone(): 0 is nobody and gone. */
inline monitor_is_gone(id, is) {
    if
    :: id == NOBODY -> is = gone_by
    :: else -> is_gone(SLOT_OF(id), GENERATION_OF(id), is)
    fi
}

/* The permits of a semaphore, the readers of a lock; at most two. */
#if CELLS > 1
short cell[CELLS] = { TAKEN_BY, 0 };
#elif CELLS > 0
short cell[CELLS] = TAKEN_BY;
#endif

/*
 * monitor_claim(): `res` is locked: a cell is the caller's; or busy. From first_of() on; the slots
 * begin at different cells here, too.
 */
#define THIS_CELL cell[(slot + j) % CELLS]
inline monitor_claim() {
    res = busy;
    j = 0;
    do
    :: res == busy && j < CELLS ->
        atomic {
            STEP(claim_look);
            go = THIS_CELL == NOBODY;
            NEXT
            if
            :: go ->
                SAY(claim_swap);
                if
                :: THIS_CELL == NOBODY ->
                    THIS_CELL = MY_ID;
                    res = locked;
                    DONE_WAITING
                :: else
                fi
            :: else
            fi;
            j++
        }
    :: else -> break
    od;
    j = 0
}

/* After that, if `thoroughly`. */
inline claim_of_the_dead() {
    j = 0;
    do
    :: res == busy && j < CELLS ->
        atomic { STEP(dead_look); id = cell[j]; is = lives }
        if
        :: id != NOBODY -> monitor_is_gone(id, is)
        :: else
        fi;
        if
        :: is == gone_by ->
            atomic {
                STEP(dead_swap);
                if
                :: cell[j] == id -> cell[j] = MY_ID; res = locked; DONE_WAITING
                :: else
                fi;
                id = 0
            }
        :: else -> id = 0
        fi;
        j++
    :: else -> break
    od;
    j = 0
}

/* monitor_release(): past the last, an error: the caller has none. */
inline monitor_release() {
    atomic {
        STEP(release);
        j = 0;
        do
        :: cell[j] == MY_ID -> break
        :: else -> j++
        od;
        cell[j] = NOBODY;
        j = 0
    }
}

inline monitor_will_wait() {
#ifndef MUTANT_LOOK_THEN_ANNOUNCE /* there it is monitor_leave_to_wait() that sets it */
    atomic { STEP(will_wait); waiting = true }
#else
    skip
#endif
}

/* monitor_tell_if_waiting(), after what is given back with `store`. */
#define STORE_AND_TELL_IF_WAITING(store) \
    STORE_FIRST(store); \
    atomic { STEP(tell_if_waiting); tells = waiting } \
    STORE_LAST(store); \
    if \
    :: tells && IS_TOLD -> tells = false; monitor_enter_now(); monitor_leave_and_tell() \
    :: else -> tells = false \
    fi
#ifdef MUTANT_ASK_BEFORE_STORE
#define STORE_FIRST(store) skip
#define STORE_LAST(store) store
#else
#define STORE_FIRST(store) store
#define STORE_LAST(store) skip
#endif
#ifdef MUTANT_NO_TELL
#define IS_TOLD false
#else
#define IS_TOLD true
#endif

#ifdef DEADLINE
#define HAS_DEADLINE (ME == 0)
#else
#define HAS_DEADLINE false
#endif

/*
 * ipc_block(), after a look() that left `res` busy. The wait for the mutex goes by the bell that
 * the mutex read, the other by the one from before entering.
 */
inline block() {
    forever = !HAS_DEADLINE;
    if
    :: on_sequence -> region_wait(SEQUENCE, sequence[ME] == SAME, bell_outer[slot], h, is_late)
    :: else -> wait_for_mutex()
    fi
}

#define MONITOR_LOCALS LOCALS; byte j; short id, holder_id; bool on_sequence, tells
