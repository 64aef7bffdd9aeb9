/*
 * test/model/aio_wait.pml: the steps of src/aio/wait.c: a sleeper sets the lowest bit of a word,
 * looks at its blocks, sleeps; the thread that ended blocks counts a word up whose bit is set, and
 * wakes.
 *
 * Flags, with -D: SLEEPERS; BLOCKS; BATCH: all blocks are ended by one, which then wakes once, not
 * each by its own; EARLY: how many sleeps end for no reason; CANCEL: a sleeper may never return
 * from its sleep; MUTANT_...: as if the code were otherwise.
 *
 * Left out: memory that is seen in another order: the fences, that is.
 */
#ifndef SLEEPERS
#define SLEEPERS 2
#endif
#ifndef BLOCKS
#define BLOCKS 2
#endif
#ifndef EARLY
#define EARLY 0
#endif
#define ANY 0   /* the word of threads that wait for many */
#define THEIR 1 /* that of all blocks: they share it */
#define NOWHERE 2

#define SAY(name) printf(#name); printf(" %d\n", me)

byte word[2];
bool done[BLOCKS];
byte asleep_on[SLEEPERS] = NOWHERE;
byte early = EARLY;

inline wake(w) {
    d_step {
        n = 0;
        do
        :: n < SLEEPERS && asleep_on[n] == w ->
            asleep_on[n] = NOWHERE;
#ifdef MUTANT_WAKE_ONE
            n = SLEEPERS
#else
            n++
#endif
        :: n < SLEEPERS && asleep_on[n] != w -> n++
        :: n >= SLEEPERS -> break
        od;
        n = 0
    }
}

/* tell(). */
inline tell(w) {
    atomic { SAY(tell_look); seen = word[w] }
    do
    :: seen & 1 ->
#ifdef MUTANT_CLEAR
        atomic { SAY(tell_clear); go = word[w] == seen; seen = word[w]; word[w] = word[w] & ~1 }
#else
        atomic {
            SAY(tell_cas);
            go = word[w] == seen;
            seen = word[w];
            word[w] = (go -> seen + 1 : seen)
        }
#endif
        if
        :: go -> atomic { SAY(tell_wake); wake(w) } break
        :: else
        fi
    :: else -> break
    od
}

/* aio_words_wake(), of blocks that were ended before. */
inline words_tell() {
    tell(ANY);
    tell(THEIR)
}

/* any_done(): of the blocks from `b` on, `count` of them. */
inline any_done() {
    go = false;
    n = 0;
    do
    :: n < count && !go -> atomic { SAY(look); go = done[b + n]; n++ }
    :: else -> break
    od;
    n = 0
}

inline set_bit() {
    atomic { SAY(set_bit); word[w] = word[w] | 1; seen = word[w] }
}

/* wait_for_any(); `gone`: cancelled. */
inline wait_for_any() {
    do
    :: true ->
#ifdef MUTANT_LOOK_THEN_BIT
        any_done();
        set_bit();
#else
        set_bit();
        any_done();
#endif
        if
        :: go -> break
        :: else
        fi;
        atomic { SAY(sleep); asleep_on[me] = (word[w] == seen -> w : NOWHERE) }
        if
        :: atomic { asleep_on[me] == NOWHERE -> SAY(awake) }
        :: atomic { early > 0 -> SAY(awake_early); early--; asleep_on[me] = NOWHERE }
#ifdef CANCEL
        :: atomic { me == 0 && asleep_on[me] != NOWHERE -> SAY(cancelled); gone = true }
#endif
        fi;
        if
        :: gone -> atomic { asleep_on[me] = NOWHERE; break }
        :: else
        fi
    od;
#ifdef MUTANT_TIDY
    atomic { SAY(tidy); word[w] = word[w] & ~1 }
#endif
}
