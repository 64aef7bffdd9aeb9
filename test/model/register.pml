/*
 * test/model/register.pml: the steps of src/region/register.c: who has died, and waiting.
 *
 * Left out: exec (was_left()), the kinds of errors, and systems that do not say what a lifeline's
 * word is (HEALD_LIFE_UNKNOWN).
 */
byte generation[SLOTS] = 1; /* all are attached when it begins */

/* An id, as in region.h: generation, 1 + slot, and two bits for flags. */
#define ID(s, g) ((g) << 5 | ((s) + 1) << 2)
#define ID_OF(word) ((word) & ~3)
#define SLOT_OF(word) (((word) >> 2 & 7) - 1)
#define GENERATION_OF(word) ((word) >> 5)
#define MY_ID ID(slot, mine)

mtype = { lives, gone_by, has_ended, nobodys, locked, owner_dead, busy, lost, again };

inline ring_all() {
    i = 0;
    do
    :: i < SLOTS ->
        atomic {
            STEP(ring_all_look);
            go = generation[i] & 1;
            NEXT
            go = go && bell_odd[i];
            NEXT
            if
            :: go -> ring(i)
            :: else
            fi;
            i++
        }
    :: i >= SLOTS -> break
    od
}

/* The rings are part of it, as in the code: also where somebody was faster. */
inline move_on(s, g) {
    atomic {
        STEP(move_on);
        if
        :: (g & 1) && generation[s] == g -> generation[s] = g + 1
        :: else
        fi
    }
#ifndef MUTANT_NO_BELL
    ring_all()
#endif
}

/* expire(): the holder has died. */
#define expire(s, g) move_on(s, g)

#define LIFE_STATE(s) (life[s] == ENDED -> has_ended : (life[s] == 0 -> nobodys : lives))

#ifdef MUTANT_TAKE_WITHOUT_GENERATION
#define IS_OF(g, s) (generation[s] & 1)
#else
#define IS_OF(g, s) (generation[s] == g)
#endif

/* region_is_gone(): `is` becomes lives or gone_by. */
inline is_gone(s, g, is) {
    atomic {
        STEP(is_gone_generation);
        is = (IS_OF(g, s) -> lives : gone_by);
        NEXT
        if
        :: is == lives -> SAY(is_gone_life_state); is = LIFE_STATE(s)
        :: else
        fi
    }
    if
    :: is == has_ended -> expire(s, g)
    :: is == nobodys -> assert(generation[s] != g) /* -EBADMSG */
    :: else
    fi;
    if
    :: is != gone_by && !(IS_COARSE && is == lives) ->
        atomic { STEP(is_gone_generation_again); is = (IS_OF(g, s) -> lives : gone_by) }
    :: else
    fi
}

/*
 * region_wait(). `h`: the slot of the holder whose death matters, or SLOTS. In the other order one
 * that dies between has_ended() and life_watch() is not watched, and only the recheck finds it.
 */
inline region_wait(word, same, bell, h, is_late) {
    go = true;
    is_late = false;
    watched = 0;
#ifndef MUTANT_WATCH_LATE
    if
    :: h < SLOTS -> life_watch(h, watched, holder)
    :: else
    fi;
#endif
    if
    :: h < SLOTS -> atomic { STEP(has_ended); go = life[h] != ENDED }
    :: else
    fi;
#ifdef MUTANT_WATCH_LATE
    if
    :: go && h < SLOTS -> life_watch(h, watched, holder)
    :: else
    fi;
#endif
    if
    :: go -> words_wait(word, same, bell, watched, holder, is_late)
    :: else
    fi
}

#ifdef ATTACH
/* take_slot(): `res` is locked, and the lifeline ours, or busy. */
inline take_slot(s) {
    atomic { STEP(take_slot_generation); seen = generation[s] }
    atomic { STEP(take_slot_life_state); is = LIFE_STATE(s); res = busy }
    if
    :: is == has_ended -> expire(s, seen)
    :: else
    fi;
    if
    :: is != lives -> life_take(s)
    :: else
    fi;
    if
    :: res == owner_dead ->
        atomic { STEP(take_slot_generation_again); seen = generation[s] }
        expire(s, seen)
    :: else
    fi
}

/* occupy(). */
inline occupy() {
    atomic { STEP(occupy_load); seen = generation[slot]; assert(!(seen & 1)) }
    atomic { STEP(occupy); generation[slot] = seen + 1; mine = seen + 1 }
}

/* heald_attach(): `res` is busy if there is no slot. */
inline attach() {
    h = 0;
    do
    :: h < SLOTS -> take_slot(h);
        if
        :: res == busy -> h++
        :: else -> occupy(); break
        fi
    :: else -> break
    od
}

/* heald_detach(). */
inline detach() {
#ifdef MUTANT_RELEASE_FIRST
    life_release();
#endif
    atomic { STEP(detach_generation); seen = generation[slot] }
    move_on(slot, seen);
#ifndef MUTANT_RELEASE_FIRST
    life_release()
#endif
}
#define ATTACH_LOCALS byte seen; bool releasing;
#else
#define ATTACH_LOCALS
#endif

/* What every user has of its own. */
#define LOCALS \
    byte slot = (ME < SLOTS -> ME : 0), mine = 1, i, h, watched, holder; \
    bool go, is_late, forever; \
    mtype is, res; \
    ATTACH_LOCALS short w
