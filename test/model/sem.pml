/*
 * test/model/sem.pml: the steps of src/ipc/sem.c, upon monitor.pml. PERMITS that know their
 * holders, or with COUNTING a value.
 */
#ifdef COUNTING
byte value;

/* take(): inside. */
inline take() {
    if
    :: value -> atomic { STEP(take); value--; DONE_WAITING }
    :: else -> res = busy
    fi
}
#define ANOTHER_HOLDER NOBODY

inline sem_give_back() {
    atomic { STEP(sem_value_up); value++ }
}
#else
#ifndef PERMITS
#define PERMITS 1
#endif
short permit[PERMITS] = TAKEN_BY;

/* monitor_find_free() of the permits: `j` is the place, PERMITS: there is none. */
inline find_free_permit() {
    j = 0;
    do
    :: j < PERMITS && permit[j] != NOBODY -> j++
    :: else -> break
    od;
    if
    :: j == PERMITS ->
        j = 0;
        do
        :: j < PERMITS ->
            monitor_is_gone(permit[j], is);
            if
            :: is == gone_by -> break
            :: else -> j++
            fi
        :: else -> break
        od
    :: else
    fi
}

inline take() {
    find_free_permit();
    if
    :: j < PERMITS -> atomic { STEP(take); permit[j] = MY_ID; DONE_WAITING }
    :: else -> res = busy
    fi
}

/* another_holder(): the first who is not the caller; he has none here. */
#define ANOTHER_HOLDER permit[0]

inline sem_give_back() {
    j = 0;
    do
    :: permit[j] != MY_ID -> j++ /* past the last: the caller has none */
    :: else -> break
    od;
    atomic { STEP(give_back); permit[j] = NOBODY }
}
#endif

/* look(). */
inline sem_look() {
    on_sequence = false;
    monitor_enter();
    if
    :: res == locked ->
        take();
        if
        :: res == busy -> monitor_leave_to_wait(ANOTHER_HOLDER)
        :: else -> unlock()
        fi
    :: else
    fi
}

/* heald_sem_wait(). */
inline sem_wait() {
    do
    :: sem_look();
        if
        :: res == busy -> block()
        :: else -> break
        fi
    od
}

/* heald_sem_post(). */
inline sem_post() {
    monitor_enter_now();
    sem_give_back();
    monitor_leave_and_tell()
}
