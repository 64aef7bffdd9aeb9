/*
 * test/model/cells.pml: the steps of src/region/eventcount.h and src/sync/cells.c, upon
 * register.pml. Every read of a cell is a step, but for a search for the process's own, which no
 * other acquires.
 */
#define DONE_WAITING bell_outer[slot] = UNREAD /* in the step that takes what was waited for */

#define NOBODY 0
#define SLOT_OR_NONE(id) ((id) == NOBODY -> SLOTS : SLOT_OF(id))

bool odd; /* the event count is: somebody may be asleep */

inline prepare() {
    atomic {
        STEP(eventcount_prepare);
        if
        :: !odd -> change_sequence(); odd = true
        :: else
        fi;
        sequence[ME] = SAME
    }
}

/* Before the look that decides; the mutant does it after. */
inline eventcount_prepare() {
#ifndef MUTANT_LOOK_THEN_PREPARE
    prepare()
#else
    skip
#endif
}

inline prepared_late() {
#ifdef MUTANT_LOOK_THEN_PREPARE
    prepare()
#else
    skip
#endif
}

/* Adding one and waking is one system call. */
inline eventcount_add() {
    atomic { STEP(eventcount_add); change_sequence(); odd = !odd; WAKE_SEQUENCE }
}

/* eventcount_notify(), after what is released with `store`. */
#define STORE_AND_NOTIFY(store) \
    STORE_FIRST(store); \
    atomic { STEP(eventcount_notify); tells = odd } \
    STORE_LAST(store); \
    if \
    :: tells && IS_TOLD -> tells = false; eventcount_add() \
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

/* cells_is_gone(): 0 is nobody and gone. */
inline cells_is_gone(id, is) {
    if
    :: id == NOBODY -> is = gone_by
    :: else -> is_gone(SLOT_OF(id), GENERATION_OF(id), is)
    fi
}

#ifdef TAKEN_AT_FIRST
#define IS_TAKEN_AT_FIRST true
#else
#define IS_TAKEN_AT_FIRST false
#endif

/* The permits of a semaphore, the readers of a lock; at most two. */
#if CELLS > 1
short cell[CELLS] = { TAKEN_BY, 0 };
bool used[CELLS] = { IS_TAKEN_AT_FIRST, 0 };
#elif CELLS > 0
short cell[CELLS] = TAKEN_BY;
bool used[CELLS] = IS_TAKEN_AT_FIRST;
#endif

/* Of a read-write lock. */
inline note(at) {
    if
    :: !used[at] -> atomic { STEP(note_used); used[at] = true }
    :: else
    fi
}
#if !defined(WITH_USED) || defined(MUTANT_USED_LATE)
#define note_used(at) skip
#else
#define note_used(at) note(at)
#endif
/*
 * cells_claim(): `res` is locked: a cell is the caller's; or busy. From first_of() on; the slots
 * begin at different cells here, too.
 */
#define THIS_CELL ((slot + j) % CELLS)
inline cells_claim() {
    res = busy;
    j = 0;
    do
    :: res == busy && j < CELLS ->
        atomic { STEP(claim_look); go = cell[THIS_CELL] == NOBODY }
        if
        :: go ->
            note_used(THIS_CELL);
            atomic {
                STEP(claim_swap);
                if
                :: cell[THIS_CELL] == NOBODY ->
                    cell[THIS_CELL] = MY_ID;
                    res = locked;
                    at = THIS_CELL;
                    DONE_WAITING
                :: else
                fi
            }
        :: else
        fi;
        j++
    :: else -> break
    od;
    j = 0
}

/* After that, if `thoroughly`. The dead one has set the bit. */
inline claim_of_the_dead() {
    j = 0;
    do
    :: res == busy && j < CELLS ->
        atomic { STEP(dead_look); id = cell[j]; is = lives }
        if
        :: id != NOBODY -> cells_is_gone(id, is)
        :: else
        fi;
        if
        :: id != NOBODY && is == gone_by ->
            note_used(j);
            atomic {
                STEP(dead_swap);
                if
                :: cell[j] == id -> cell[j] = MY_ID; res = locked; at = j; DONE_WAITING
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

/* cells_return(). */
inline cells_return() {
    atomic { STEP(cells_return); cell[at] = NOBODY; at = 0 }
}

/* cells_release(): past the last, an error: the caller has none. */
inline cells_release() {
    atomic {
        STEP(release);
        j = 0;
        do
        :: ID_OF(cell[THIS_CELL]) == MY_ID -> break
        :: else -> j++
        od;
        cell[THIS_CELL] = (cell[THIS_CELL] & 3 -> cell[THIS_CELL] - 1 : NOBODY);
        j = 0
    }
}

#ifdef DEADLINE
#define HAS_DEADLINE (ME == 0)
#else
#define HAS_DEADLINE false
#endif

inline look_bell() {
    atomic { STEP(look_bell); READ_BELL(bell_outer) }
}

/* region_wait() for the event count, after a look that left `res` busy; `h` is who to watch. */
inline wait_for_event() {
    forever = !HAS_DEADLINE;
    region_wait(SEQUENCE, sequence[ME] == SAME, bell_outer[slot], h, is_late)
}

#define CELLS_LOCALS LOCALS; byte j, at; short id, holder_id; bool tells

#ifdef WITH_USED
/* cells_any(): frees the cells of those that are gone; `holder_id` is one of the others, or NOBODY.
 * The bits in `used` are read before. */
inline cells_any() {
    atomic {
        STEP(cells_any_used);
        bits = used[0];
#if CELLS > 1
        bits = bits | used[1] << 1
#endif
    }
    j = 0;
    holder_id = NOBODY;
    do
    :: j < CELLS && holder_id == NOBODY && (bits >> j & 1) ->
        atomic { STEP(cells_any_look); id = cell[j]; is = lives }
        if
        :: id != NOBODY -> cells_is_gone(id, is)
        :: else
        fi;
        if
        :: id != NOBODY && is == gone_by ->
            atomic { STEP(cells_any_swap); cell[j] = (cell[j] == id -> NOBODY : cell[j]) }
        :: else -> holder_id = id
        fi;
        id = 0;
        j++
    :: j < CELLS && holder_id == NOBODY && !(bits >> j & 1) -> j++
    :: else -> break
    od;
    bits = 0;
    j = 0
}
#endif
