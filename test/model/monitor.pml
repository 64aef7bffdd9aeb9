/*
 * test/model/monitor.pml: the steps of src/ipc/monitor.c, upon mutex.pml. What is read inside is
 * read together with the next step: nobody else writes it.
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
#ifdef MUTANT_TELL_OUTSIDE
    atomic { STEP(take_waiting); tells = waiting; waiting = false }
    unlock();
    if
    :: tells -> count_sequence()
    :: else
    fi
#else
    if
    :: waiting ->
        atomic { STEP(add_to_sequence); change_sequence() }
        atomic { STEP(clear_waiting); waiting = false }
        unlock_and_wake()
    :: else -> unlock()
    fi
#endif
}

/* monitor_leave_to_wait(): `h` is the holder to watch; `res` stays busy. */
inline monitor_leave_to_wait(holder_id) {
    atomic {
        STEP(leave_to_wait);
        waiting = true;
        sequence[ME] = SAME;
        h = SLOT_OR_NONE(holder_id)
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

#ifdef MUTANT_TELL_OUTSIDE
#define MONITOR_LOCALS LOCALS; byte j; bool on_sequence, tells
#else
#define MONITOR_LOCALS LOCALS; byte j; bool on_sequence
#endif
