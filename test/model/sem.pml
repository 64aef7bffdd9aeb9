/*
 * test/model/sem.pml: the steps of src/sync/sem.c, upon cells.pml. PERMITS that know their
 * holders, or with COUNTING a value.
 */
#ifdef COUNTING
byte value;

/* take_counted(): `res` is locked, or busy. */
inline take() {
    res = again;
    atomic { STEP(take_counted_load); w = value; NEXT take_counted_if_any() }
    do
    :: res == again -> atomic { DIE_IF_KILLED; take_counted_if_any() }
    :: else -> break
    od;
    w = 0
}

inline take_counted_if_any() {
    if
    :: !w -> res = busy
    :: else ->
        SAY(take_counted_cas);
        if
        :: value == w -> value = w - 1; res = locked; DONE_WAITING
        :: else -> w = value
        fi
    fi
}

#define take_of_the_dead() skip

/* another_holder(): of none. */
inline another_holder() {
    holder_id = NOBODY
}

/* add(). */
inline add() {
    atomic { STEP(add_load); w = value; NEXT add_if_same() }
    do
    :: go -> break
    :: else -> atomic { DIE_IF_KILLED; add_if_same() }
    od;
    w = 0
}

inline add_if_same() {
    SAY(add_cas);
    go = value == w;
    if
    :: go -> value = w + 1
    :: else -> w = value
    fi
}

#define GIVE add()
#else
inline take() {
    cells_claim()
}

#define take_of_the_dead() claim_of_the_dead()

/* another_holder(): `holder_id`; the caller has none here. */
inline another_holder() {
    j = 0;
    holder_id = NOBODY;
    do
    :: j < CELLS && holder_id == NOBODY ->
        atomic { STEP(another_holder); holder_id = cell[j]; j++ }
    :: else -> break
    od;
    j = 0
}

#define GIVE cells_release()
#endif

/* look(). */
inline sem_look() {
    take();
    if
    :: res == busy ->
        look_bell();
        eventcount_prepare();
        take();
        take_of_the_dead();
        if
        :: res == busy ->
            another_holder();
            prepared_late();
            h = SLOT_OR_NONE(holder_id);
            holder_id = NOBODY
        :: else
        fi
    :: else
    fi
}

/* heald_sem_wait(), but that it looks for a permit once more at first. */
inline sem_wait() {
    do
    :: sem_look();
        if
        :: res == busy -> wait_for_event()
        :: else -> break
        fi
    od
}

/* heald_sem_post(). */
inline sem_post() {
    STORE_AND_NOTIFY(GIVE)
}
