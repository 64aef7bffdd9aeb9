/*
 * test/model/rwlock.pml: the steps of src/ipc/rwlock.c, upon monitor.pml, with READERS cells in
 * place of 64. PREFER_WRITER is the flag. No reader reads twice at once.
 */
#define PENDING 1
short writer, next;
bool given_up; /* `lost` */

/* some_reader(): forgets the readers that are gone; `holder_id` is one of the others, or NOBODY. */
inline some_reader() {
    j = 0;
    holder_id = NOBODY;
    do
    :: j < CELLS ->
        atomic { STEP(some_reader_look); id = cell[j]; is = lives }
        if
        :: id != NOBODY -> monitor_is_gone(id, is)
        :: else
        fi;
        if
        :: is == gone_by ->
            /* Who had given it back before he died: a reader who has it now sees PENDING. */
            atomic { STEP(forget_reader); cell[j] = (cell[j] == id -> NOBODY : cell[j]) }
        :: is != gone_by && holder_id == NOBODY -> holder_id = id
        :: else
        fi;
        id = 0;
        j++
    :: else -> break
    od;
    j = 0
}

/* admit(): `res` is locked: nobody writes; busy, owner_dead or lost. */
inline admit() {
#ifndef MUTANT_PENDING_STAYS
    if
    :: !given_up && (writer & PENDING) -> atomic { STEP(clear_pending); writer = NOBODY }
    :: else
    fi;
#endif
    if
    :: given_up -> res = lost
    :: !given_up && writer == NOBODY -> res = locked
    :: else ->
        monitor_is_gone(ID_OF(writer), is);
        res = (is == gone_by -> owner_dead : busy)
    fi;
    holder_id = (res == busy -> ID_OF(writer) : NOBODY)
}

/* give_back_reading(). */
inline give_back_reading() {
    STORE_AND_TELL_IF_WAITING(monitor_release())
}

/* read_at_once(): `res` is locked or busy. */
inline read_at_once() {
    res = again;
    atomic { STEP(read_at_once_look); res = (writer == NOBODY -> res : busy) }
#ifdef PREFER_WRITER
    if
    :: res == again -> atomic { STEP(read_at_once_next); res = (next == NOBODY -> res : busy) }
    :: else
    fi;
#endif
#ifdef MUTANT_LOST_FIRST
    if
    :: res == again -> atomic { STEP(read_at_once_lost); res = (given_up -> busy : res) }
    :: else
    fi;
#endif
    if
    :: res == again ->
        monitor_claim();
#ifndef MUTANT_READER_LOOKS_FIRST
        if
        :: res == locked -> read_at_once_again()
        :: else
        fi
#endif
    :: else
    fi
}

inline read_at_once_again() {
    atomic { STEP(read_at_once_again); res = (writer == NOBODY -> res : busy) }
#ifndef MUTANT_LOST_FIRST
    if
    :: res == locked -> atomic { STEP(read_at_once_lost); res = (given_up -> busy : res) }
    :: else
    fi;
#endif
    if
    :: res == busy -> give_back_reading(); res = busy
    :: else
    fi
}

/* look_to_read(). */
inline look_to_read() {
    on_sequence = false;
    read_at_once();
    if
    :: res == busy ->
        monitor_enter();
        if
        :: res == locked -> look_to_read_inside()
        :: else
        fi
    :: else
    fi
}

inline look_to_read_inside() {
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
    :: res == locked -> monitor_will_wait(); monitor_claim(); claim_of_the_dead()
    :: else
    fi;
    if
    :: res == busy -> monitor_leave_to_wait()
    :: else -> unlock()
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

/* shut_out_readers(): `res` is locked, or busy: `holder_id` reads. */
inline shut_out_readers() {
    monitor_will_wait();
#ifdef MUTANT_WRITER_LOOKS_FIRST
    some_reader();
#else
    atomic { STEP(set_pending); writer = MY_ID | PENDING }
    some_reader();
#endif
    atomic {
        STEP(set_writer);
        writer = (holder_id == NOBODY -> MY_ID : NOBODY);
        res = (holder_id == NOBODY -> locked : busy)
    }
}

/* look_to_write(). */
inline look_to_write() {
    on_sequence = false;
    monitor_enter();
    if
    :: res == locked ->
        admit();
        if
        :: res == locked -> shut_out_readers()
        :: res == owner_dead -> atomic { STEP(take_over_writing); writer = MY_ID | INCONSISTENT }
        :: else
        fi;
#ifdef MUTANT_WRITER_FORGOTTEN
        res = (res == owner_dead -> locked : res);
#endif
        if
        :: res == busy -> announce(); monitor_leave_to_wait()
        :: res == lost -> unlock()
        :: res == locked || res == owner_dead ->
            atomic { DIE_IF_KILLED; DONE_WAITING }
            if
            :: next == MY_ID -> atomic { STEP(renounce); next = NOBODY }
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

/* heald_rwlock_unlock() is this for who writes, else give_back_reading(). */
inline give_back_writing() {
    monitor_enter_now();
    if
    :: writer & INCONSISTENT -> atomic { STEP(give_up); given_up = true }
    :: else
    fi;
    atomic { STEP(stop_writing); writer = NOBODY }
    monitor_leave_and_tell()
}

/* heald_rwlock_consistent(). */
inline rw_consistent() {
    monitor_enter_now();
    assert(writer == (MY_ID | INCONSISTENT));
    atomic { STEP(rw_consistent); writer = MY_ID }
    unlock()
}
