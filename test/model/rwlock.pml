/*
 * test/model/rwlock.pml: the steps of src/sync/rwlock.c, upon cells.pml, with READERS cells in
 * place of 64. PREFER_WRITER is the flag.
 */

/* The writer's word: an id, and flags. */
#define W_WAITERS 1
#define W_PENDING 2
#define W_INCONSISTENT 4
#define W_LOST 1
#define W_ID(word) ((word) >> 3 << 2)
#define W_OF(id) ((id) >> 2 << 3)
#define MINE W_OF(MY_ID)
#define WRITER 1 /* the number of its queue */
short writer;
bool given_up; /* OWNER_LOST; then `writer` is 0 */

/* The looks of claim() and attempt_to_read(). */
inline read_look() {
    atomic { STEP(read_look); w = writer; res = (given_up -> lost : busy) }
}

inline read_look_again() {
#ifndef MUTANT_READER_LOOKS_FIRST
    atomic { STEP(read_look_again); res = (writer == 0 && !given_up -> locked : again) }
    if
#ifdef MUTANT_RETURN_ANOTHER
    :: res == again -> release_shared(); res = again
#else
    :: res == again -> STORE_AND_NOTIFY(cells_return())
#endif
#ifdef MUTANT_USED_LATE
    :: res == locked -> note(0); note(1)
#endif
    :: else
    fi;
#endif
    at = 0
}

/* release_shared(). */
inline release_shared() {
    STORE_AND_NOTIFY(cells_release())
}

/* ask_of_writer(), which is `w`: `is` lives or is gone_by; what a dead one left pending is cleared.
 */
inline ask_of_writer() {
    cells_is_gone(W_ID(w), is);
#ifndef MUTANT_PENDING_STAYS
    if
    :: is == gone_by && (w & W_PENDING) ->
        atomic { STEP(clear_pending); writer = (writer == w -> 0 : writer) }
        res = again
    :: else
    fi
#endif
}

/* read_again(): in the cell that the caller has; `res` is locked, or busy. */
inline read_again() {
    j = 0;
    do
    :: j < CELLS && ID_OF(cell[j]) != MY_ID -> j++
    :: else -> break
    od;
    if
    :: j < CELLS ->
#ifdef MUTANT_SECOND_CELL
        cells_claim()
#else
        atomic { STEP(cells_add); cell[j] = cell[j] + 1; res = locked; DONE_WAITING; j = 0 }
#endif
    :: else -> res = busy; j = 0
    fi
}

/* attempt_to_read(): `res` is locked, lost, owner_dead, or busy: because of `w`, or with w 0 for
 * want of a cell. */
inline attempt_to_read() {
    res = again;
    do
    :: res == again ->
        read_look();
        if
        :: res == busy && w == 0 ->
            cells_claim();
            claim_of_the_dead();
            if
            :: res == locked -> read_look_again()
            :: else
            fi
        :: res == busy && w != 0 ->
            ask_of_writer();
            if
            :: res == busy && is == gone_by -> res = owner_dead
            :: res == busy && is != gone_by && (w & W_PENDING) -> read_again()
            :: else
            fi
        :: else
        fi
    :: else -> break
    od
}

/* owner_arm(): `go`: the caller may sleep on the word, which is `w`. */
inline owner_arm() {
    go = true;
    if
    :: !(w & W_WAITERS) -> atomic {
        STEP(owner_arm);
        go = writer == w && !given_up;
        writer = (go -> w | W_WAITERS : writer);
        w = w | W_WAITERS }
    :: else
    fi
}

/* try_to_read(). `on_writer`: what to wait for. */
inline try_to_read() {
    is_prepared = false;
    do
    :: look_bell();
        attempt_to_read();
        if
        :: res != busy -> break
        :: res == busy && w != 0 ->
            owner_arm();
            if
            :: go -> on_writer = true; break
            :: else
            fi
        :: res == busy && w == 0 && is_prepared ->
            prepared_late();
            on_writer = false;
            h = SLOTS;
            break
        :: else -> eventcount_prepare(); is_prepared = true
        fi
    od
}

/* finish_pending(): `holder_id` is NOBODY: the lock is the caller's. */
inline finish_pending() {
#ifdef MUTANT_WRITER_LOOKS_FIRST
    if
    :: holder_id == NOBODY -> atomic { STEP(finish_pending); writer = writer & ~W_PENDING;
        DONE_WAITING }
    :: else
    fi
#else
    cells_any();
    if
    :: holder_id == NOBODY ->
        atomic { STEP(finish_pending); writer = writer & ~W_PENDING; DONE_WAITING }
    :: else
    fi
#endif
}

/* owner_release(), and what it is called for: retreat(), and a part of release_exclusive(). */
inline owner_release() {
    atomic {
        STEP(owner_release);
        go = !(writer & W_WAITERS);
        writer = (go -> 0 : writer)
    }
    if
    :: !go -> atomic { STEP(word_set); writer = 0; wake_all(WRITER) }
    :: else
    fi
}

/* begin_pending(): `res` is locked: the caller is pending; busy: because of `w`; owner_dead: the
 * lock is the caller's; lost. */
inline begin_pending() {
    res = again;
#ifdef MUTANT_WRITER_LOOKS_FIRST
    cells_any();
#endif
    do
    :: res == again ->
        read_look();
        if
        :: res == busy && w == 0 -> atomic {
            STEP(set_pending);
            res = (writer == 0 && !given_up -> locked : again);
            writer = (res == locked -> MINE | W_PENDING : writer) }
        :: res == busy && w != 0 ->
            ask_of_writer();
            if
            :: res == busy && is == gone_by -> atomic {
                STEP(take_over_writing);
                res = (writer == w -> owner_dead : again);
                writer = (res == owner_dead -> MINE | W_INCONSISTENT : writer);
                if
                :: res == owner_dead -> DONE_WAITING
                :: else
                fi }
            :: else
            fi
        :: else
        fi
    :: else -> break
    od
}

/* try_to_write(); `is_pending` is what *memory remembers. */
inline try_to_write() {
    is_prepared = false;
    do
    :: look_bell();
        if
        :: !is_pending -> begin_pending()
        :: else -> res = locked
        fi;
        if
        :: res == lost || res == owner_dead -> break
        :: res == busy ->
            owner_arm();
            if
            :: go -> on_writer = true; break
            :: else
            fi
        :: else ->
            is_pending = true;
            finish_pending();
            if
            :: holder_id == NOBODY -> is_pending = false; break
            :: holder_id != NOBODY && is_prepared ->
                prepared_late();
                h = SLOT_OR_NONE(holder_id);
                holder_id = NOBODY;
                on_writer = false;
                res = busy;
                break
            :: else -> eventcount_prepare(); is_prepared = true; holder_id = NOBODY
            fi
        fi
    od;
#ifndef PREFER_WRITER
    if
    :: is_pending -> owner_release(); is_pending = false
    :: else
    fi
#endif
#ifdef MUTANT_WRITER_FORGOTTEN
    res = (res == owner_dead -> locked : res)
#endif
}

/* region_wait(). */
inline wait_for_it() {
    if
    :: on_writer ->
        h = SLOT_OF(W_ID(w));
        forever = !HAS_DEADLINE;
        region_wait(WRITER, (writer == w && !given_up), bell_outer[slot], h, is_late)
    :: else -> wait_for_event()
    fi;
    w = 0;
    on_writer = false
}

/* heald_rwlock_rdlock(), heald_rwlock_wrlock(): `res` is busy if the deadline has passed. */
inline read_lock() {
    do
    :: try_to_read();
        if
        :: res == busy -> wait_for_it()
        :: else -> break
        fi;
        if
        :: is_late -> break
        :: else
        fi
    od;
    w = 0
}

/* abandon_writing(). */
inline abandon_writing() {
#ifndef MUTANT_NO_ABANDON
    if
    :: is_pending -> owner_release()
    :: else
    fi;
#endif
    is_pending = false;
    res = busy
}

inline write_lock() {
    is_pending = false;
    do
    :: try_to_write();
        if
        :: res == busy -> wait_for_it()
        :: else -> break
        fi;
        if
        :: is_late -> abandon_writing(); break
        :: else
        fi
    od;
    w = 0
}

/* heald_rwlock_unlock() is this for who writes, else release_shared(). */
inline release_exclusive() {
    if
    :: writer & W_INCONSISTENT ->
        atomic { STEP(give_up); given_up = true; writer = 0; wake_all(WRITER) }
    :: else -> owner_release()
    fi
}

/* heald_rwlock_consistent(). */
inline rw_consistent() {
    assert((writer & ~W_WAITERS) == (MINE | W_INCONSISTENT));
    atomic { STEP(rw_consistent); writer = writer & ~W_INCONSISTENT }
}

#define RWLOCK_LOCALS CELLS_LOCALS; bool on_writer, is_prepared, is_pending; byte bits
