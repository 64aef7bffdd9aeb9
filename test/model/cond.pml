/* test/model/cond.pml: the steps of src/sync/cond.c, upon mutex.pml. */
byte waiters;

/* heald__cond_prepare_to_wait(), with the mutex held. */
inline cond_begin() {
#ifndef MUTANT_COUNT_LATE
    atomic { STEP(cond_count_in); waiters++ }
#endif
    atomic { STEP(cond_read_sequence); sequence[ME] = SAME }
    atomic { STEP(cond_read_bell); READ_BELL(bell_outer) }
    unlock();
#ifdef MUTANT_COUNT_LATE
    atomic { STEP(cond_count_in); waiters++ }
#endif
}

/* region/register.c, left_by_the_dead(): has the holder of the mutex died? */
inline left_by_the_dead() {
    atomic { STEP(guard_look); w = mutex; is = lives }
    if
    :: LOW(w) != 0 && LOW(w) != LOST && ID_OF(w) != MY_ID ->
        is_gone(SLOT_OF(w), GENERATION_OF(w), is)
    :: else
    fi
}

/* region/register.c, region_is_over(): `res` is again if there is a reason to look, else busy. */
inline is_over() {
    atomic { STEP(is_over_sequence); res = (sequence[ME] == CHANGED -> again : busy) }
    if
    :: res == busy ->
        atomic { STEP(is_over_bell); res = (bell_outer[slot] == CHANGED -> again : busy) }
    :: else
    fi;
#ifndef MUTANT_NO_GUARD
    if
    :: res == busy -> left_by_the_dead(); res = (is == gone_by -> again : busy)
    :: else
    fi
#endif
}

/* heald_cond_wait(): `res` as of lock(). */
inline cond_wait() {
    cond_begin();
    do
    :: is_over();
        if
        :: res == busy ->
            region_wait(SEQUENCE, sequence[ME] == SAME, bell_outer[slot], SLOTS, is_late);
            if
            :: is_late -> break
            :: else
            fi
        :: else -> break
        fi
    od;
    sequence[ME] = UNREAD;
    bell_outer[slot] = UNREAD;
    lock(true);
    atomic { STEP(cond_count_out); waiters-- }
}

/* heald_cond_signal(). */
inline cond_signal() {
    atomic { STEP(signal_look); go = waiters != 0 }
    if
    :: go -> count_sequence()
    :: else
    fi
}

/* heald_cond_signal_unlock(); heald_plat_words_set() is one system call. */
inline cond_signal_unlock() {
    atomic { STEP(signal_look); go = waiters != 0 }
    if
    :: go ->
        atomic { STEP(count_relaxed); change_sequence() }
#ifdef MUTANT_UNLOCK_FIRST
        unlock();
        atomic { STEP(wake_sequence); WAKE_SEQUENCE }
#else
        atomic { STEP(words_set); mutex = mutex & ~31; wake_all(MUTEX); WAKE_SEQUENCE }
#endif
    :: else -> unlock()
    fi
}
