/*
 * test/model/barrier.pml: the steps of src/sync/barrier.c, upon cells.pml. The fields of `state`
 * change in one step. There are as many marks as participants, so each finds room (in the code one
 * that does not goes on without). A mark is an id; its round is beside it, and whether it is
 * counted, and of the same step.
 */
#define FATES 5
byte round, count, left, reset_count;
bool broken, was_reset[FATES]; /* by round */
short arrived[PROCS];
byte mark_round[PROCS];
bool mark_counted[PROCS];
byte came[PROCS]; /* the round of this wait, plus 1; 0: it has not come */

/* A copy of `state`. */
#define LOAD(name) atomic { STEP(name); s_round = round; s_count = count; s_left = left;\
    s_broken = broken }
#define IS_SAME (round == s_round && count == s_count && left == s_left && broken == s_broken)

/* change_and_wake(), the wake. Whoever is killed before tells nobody. */
inline wake_those_who_came() {
    if
#ifndef MUTANT_NO_WAKE
    :: s_count -> atomic { STEP(wake); WAKE_SEQUENCE }
#endif
    :: else
    fi
}

/* The half of `state` that is slept on. */
inline half_changes() {
    change_sequence()
}

/* end of a round: `go` */
inline end_round(resets) {
    atomic {
        STEP(end_round);
        go = IS_SAME;
        if
        :: go ->
            was_reset[round] = resets;
            reset_count = (resets -> reset_count + 1 : reset_count);
            assert(reset_count <= crashes);
            round++;
            count = 0;
            broken = false;
            half_changes()
        :: else
        fi
    }
    if
    :: go -> wake_those_who_came(); go = true
    :: else
    fi
}

/* break_round(): `res` is owner_dead or again. */
inline break_round() {
    atomic {
        STEP(break_round);
        go = IS_SAME;
        if
        :: go -> broken = true; half_changes()
        :: else
        fi
    }
    if
    :: go -> wake_those_who_came(); res = owner_dead
    :: else -> res = again
    fi
}

/* check_marks(): `res` is owner_dead, again, or busy, and `holder_id` another, or NOBODY. */
inline check_marks(others) {
    j = 0;
    one_is_gone = false;
    living = 0;
    res = busy;
    holder_id = NOBODY;
    do
    :: res == busy && j < PROCS ->
        atomic { STEP(look_at_mark); id = arrived[j]; r = mark_round[j];
            is_counted = mark_counted[j] }
        if
        :: id != NOBODY && r != s_round ->
            atomic { STEP(look_at_round); res = (round == s_round -> busy : again) }
            if
            :: res == busy -> atomic { STEP(clear_old_mark);
                mark_counted[j] = (arrived[j] == id && mark_round[j] == r -> false : mark_counted[j]);
                arrived[j] = (arrived[j] == id && mark_round[j] == r -> NOBODY : arrived[j]) }
            :: else
            fi
        :: id != NOBODY && r == s_round ->
            cells_is_gone(id, is);
            if
            :: is == gone_by -> one_is_gone = true
            :: is != gone_by && id != MY_ID -> holder_id = id;
            living = (is_counted -> living + 1 : living)
            :: else
            fi
        :: else
        fi;
        id = 0;
        r = 0;
        is_counted = false;
        j++
    :: else -> break
    od;
    if
    :: res == busy && one_is_gone && living < others -> res = owner_dead
    :: else
    fi;
    one_is_gone = false;
    living = 0;
    j = 0
}

inline set_mark() {
    atomic { STEP(set_mark); arrived[ME] = MY_ID; mark_round[ME] = s_round }
}

/* change_mark(): if it is there still. */
inline note_counted(is_in) {
    atomic { STEP(note_counted); mark_counted[ME] = (arrived[ME] == MY_ID && is_in) }
}

inline clear_mark() {
    atomic { STEP(clear_mark); arrived[ME] = NOBODY; mark_round[ME] = 0; mark_counted[ME] = false }
}

/* be_counted(): `res` is locked (the last), busy, again or owner_dead. */
inline be_counted() {
    if
    :: s_count + 1 < NEEDED ->
        atomic {
            STEP(count_in);
            res = (IS_SAME -> busy : again);
            count = (res == busy -> count + 1 : count);
            came[ME] = (res == busy -> s_round + 1 : 0)
        }
    :: else ->
        check_marks(s_count);
        if
        :: res == owner_dead -> break_round()
        :: res == busy -> end_round(false); res = (go -> locked : again)
        :: else
        fi
    fi
}

/* come(). */
inline come() {
    if
    :: s_broken -> res = owner_dead; my_round = s_round
    :: else ->
        set_mark();
        be_counted();
        if
        :: res != busy -> clear_mark()
        :: else -> note_counted(true)
        fi;
        my_round = s_round
    fi
}

/* try_on(): `res` is also through. */
inline try_on() {
    if
    :: s_round != my_round -> res = (was_reset[my_round] -> owner_dead : locked)
    :: s_round == my_round && s_broken -> res = owner_dead
    :: else ->
        check_marks(s_count - 1);
        if
        :: res == owner_dead -> break_round()
        :: else
        fi
    fi
}

/* look(): `res` is locked, owner_dead or busy. */
inline barrier_look() {
    do
    :: look_bell();
        atomic { LOAD(look_load); sequence[ME] = SAME }
        if
        :: came[ME] -> try_on()
        :: else -> come(); res = (res == busy -> again : res)
        fi;
        if
        :: res == again -> sequence[ME] = UNREAD
        :: else -> break
        fi
    od;
    if
    :: res != busy && came[ME] -> clear_mark(); came[ME] = 0
    :: else
    fi;
    h = SLOT_OR_NONE(holder_id);
    holder_id = NOBODY
}

/* abandon(): `res` is busy, or how the round ended after all. */
inline barrier_abandon() {
    note_counted(false);
    do
    :: LOAD(abandon_load);
        if
        :: s_round != my_round -> res = (was_reset[my_round] -> owner_dead : locked); break
        :: else -> atomic {
            STEP(count_out);
            go = IS_SAME;
            count = (go -> count - 1 : count);
            left = (go -> left + 1 : left);
            res = busy }
            if
            :: go -> break
            :: else
            fi
        fi
    od;
    clear_mark();
    came[ME] = 0
}

/* heald_barrier_wait(): `res` is busy if the deadline has passed. */
inline barrier_wait() {
    is_late = false;
    do
    :: barrier_look();
        if
        :: res == busy -> wait_for_event()
        :: else -> break
        fi;
        if
        :: is_late -> barrier_abandon(); break
        :: else
        fi
    od
}

/* heald_barrier_reset(), of `my_round`. */
inline barrier_reset() {
    do
    :: LOAD(reset_load);
#ifdef MUTANT_RESET_ANY
        my_round = s_round;
#endif
        if
        :: s_round != my_round -> break
        :: else -> end_round(true);
            if
            :: go -> break
            :: else
            fi
        fi
    od
}
