/*
 * test/model/rwlock.pml: the steps of src/ipc/rwlock.c, upon monitor.pml, with READERS places in
 * place of 64. PREFER_WRITER is the flag. No reader reads twice.
 */
#define READERS 2
short writer, next;
bool given_up; /* `lost` */
short reader[READERS] = { TAKEN_BY, 0 }; /* two */

/* some_reader(): forgets the readers that are gone; `holder_id` is one of the others, or NOBODY. */
inline some_reader() {
    j = 0;
    holder_id = NOBODY;
    do
    :: j < READERS ->
        is = lives;
        if
        :: reader[j] != NOBODY -> monitor_is_gone(reader[j], is)
        :: else
        fi;
        if
        :: is == gone_by -> atomic { STEP(forget_reader); reader[j] = NOBODY }
        :: is != gone_by && holder_id == NOBODY -> holder_id = reader[j]
        :: else
        fi;
        j++
    :: else -> break
    od
}

/* admit(): `res` is locked: nobody writes; busy, owner_dead or lost. */
inline admit() {
    if
    :: given_up -> res = lost
    :: !given_up && writer == NOBODY -> res = locked
    :: else ->
        monitor_is_gone(ID_OF(writer), is);
        res = (is == gone_by -> owner_dead : busy)
    fi;
    holder_id = ID_OF(writer)
}

/* monitor_find_free(): `j` is the place, READERS: there is none. */
inline find_free_place() {
    j = 0;
    do
    :: j < READERS && reader[j] != NOBODY -> j++
    :: else -> break
    od;
    if
    :: j == READERS ->
        j = 0;
        do
        :: j < READERS ->
            monitor_is_gone(reader[j], is);
            if
            :: is == gone_by -> break
            :: else -> j++
            fi
        :: else -> break
        od
    :: else
    fi
}

/* look_to_read(). */
inline look_to_read() {
    on_sequence = false;
    monitor_enter();
    if
    :: res == locked ->
        admit();
#ifdef PREFER_WRITER
        if
        :: res == locked ->
#ifdef MUTANT_NEXT_OF_THE_DEAD
            is = (next == NOBODY -> gone_by : lives);
#else
            monitor_is_gone(next, is);
#endif
            if
            :: is == lives -> holder_id = next; res = busy
            :: else
            fi
        :: else
        fi;
#endif
        if
        :: res == locked ->
            find_free_place();
            if
            :: j < READERS -> atomic { STEP(take_place); reader[j] = MY_ID; DONE_WAITING }
            :: else -> res = busy
            fi
        :: else
        fi;
        if
        :: res == busy -> monitor_leave_to_wait(holder_id)
        :: else -> unlock()
        fi
    :: else
    fi
}

/* announce(). */
inline announce() {
#ifdef PREFER_WRITER
    monitor_is_gone(next, is);
    if
    :: is == gone_by -> atomic { STEP(announce); next = MY_ID }
    :: else
    fi
#else
    skip
#endif
}

/* look_to_write(). */
inline look_to_write() {
    on_sequence = false;
    monitor_enter();
    if
    :: res == locked ->
        admit();
        if
        :: res == locked ->
            some_reader();
            res = (holder_id == NOBODY -> locked : busy)
        :: else
        fi;
#ifdef MUTANT_WRITER_FORGOTTEN
        res = (res == owner_dead -> locked : res);
#endif
        if
        :: res == busy -> announce(); monitor_leave_to_wait(holder_id)
        :: res == lost -> unlock()
        :: res == locked || res == owner_dead ->
            atomic {
                STEP(write);
                writer = MY_ID | (res == owner_dead -> INCONSISTENT : 0);
                DONE_WAITING
            }
            if
            :: next == MY_ID -> atomic { STEP(take_next_back); next = NOBODY }
            :: else
            fi;
            unlock()
        fi
    :: else
    fi
}

/* abandon_writing(). */
#ifdef MUTANT_NO_ABANDON
#define ABANDONED next
#else
#define ABANDONED NOBODY
#endif
inline abandon_writing() {
    monitor_enter_now();
    if
    :: next == MY_ID -> atomic { STEP(abandon); next = ABANDONED }
    :: else
    fi;
    monitor_leave_and_tell();
    res = busy
}

/* heald_rwlock_rdlock(), heald_rwlock_wrlock(): `res` is busy if the deadline has passed. */
inline read_lock() {
    do
    :: look_to_read();
        if
        :: res == busy -> block()
        :: else -> break
        fi;
        if
        :: is_late -> break
        :: else
        fi
    od
}

inline write_lock() {
    do
    :: look_to_write();
        if
        :: res == busy -> block()
        :: else -> break
        fi;
        if
        :: is_late -> abandon_writing(); break
        :: else
        fi
    od
}

/* heald_rwlock_unlock(). */
inline rw_unlock() {
    monitor_enter_now();
    if
    :: ID_OF(writer) == MY_ID ->
        if
        :: writer & INCONSISTENT -> atomic { STEP(give_up); given_up = true }
        :: else
        fi;
        atomic { STEP(stop_writing); writer = NOBODY }
    :: else ->
        j = 0;
        do
        :: reader[j] != MY_ID -> j++ /* past the last: the caller has none */
        :: else -> break
        od;
        atomic { STEP(stop_reading); reader[j] = NOBODY }
    fi;
    monitor_leave_and_tell()
}

/* heald_rwlock_consistent(). */
inline rw_consistent() {
    monitor_enter_now();
    assert(writer == (MY_ID | INCONSISTENT));
    atomic { STEP(rw_consistent); writer = MY_ID }
    unlock()
}
