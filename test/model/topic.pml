/*
 * test/model/topic.pml: the steps of src/message/topic_chunk.c, topic_publish.c, topic_take.c and
 * topic_subscribe.c. A position is a number, so a cell says which one it has, and a chunk how often
 * it was on loan.
 *
 * How a subscriber waits for a sample is message.pml's: here it waits as by magic. How a publisher
 * waits for a subscriber is here, with the event count `room`.
 *
 * Flags: PUBLISHERS, SUBSCRIBERS, ROUNDS, TAKES, CELLS, CHUNKS, CRASHES; BLOCK: publishers wait for
 * subscribers; MUTANT_...: as if the code were otherwise.
 */
#define FREE 0
#define CLAIMED 1
#define FULL 2

#define NOBODY 99

typedef chunk_t { byte state, owner, lap, content };
typedef cell_t { byte state, owner, next, chunk }; /* next: its position, and one more */

chunk_t chunks[CHUNKS];
cell_t cells[CELLS];
byte hold[PROCS];               /* the chunk, and one more; of a subscriber */
bool ready[PROCS];
byte cursor[PROCS];
byte room; /* odd: awaited */

byte expected[POSITIONS]; /* what the chunk of a position has */
byte using[PROCS];        /* what a subscriber relies on: the chunk, and one more */

bool asleep[PROCS], killed[PROCS], over[PROCS];
byte watched[PROCS];
byte crashes;
hidden byte k;

#define STEP(name) if :: killed[_pid] -> goto dead :: else fi; printf("P%d ", _pid); \
    printf(#name); printf("\n")

#define IS_GONE(who) (killed[who] && over[who])

/* A chunk is on loan to the caller from now on: nobody else has it, or is to get it. */
inline assert_free(c) {
    k = 0;
    do
    :: k < PROCS -> assert(killed[k] || using[k] != c + 1); k++
    :: else -> break
    od;
    k = 0;
    do
    :: k < CELLS -> assert(cells[k].state != FULL || cells[k].chunk != c); k++
    :: else -> break
    od;
    k = 0;
    assert(chunks[c].state != CLAIMED || IS_GONE(chunks[c].owner))
}

/* borrow(): the compare-and-swap of a word that was read; `got`. */
inline borrow(c, was_state, was_lap) {
    got = false;
    if
#ifdef MUTANT_NO_SWAP
    :: true ->
#else
    :: chunks[c].state == was_state && chunks[c].lap == was_lap ->
#endif
        assert_free(c);
        chunks[c].state = CLAIMED; chunks[c].owner = _pid; chunks[c].lap++;
        got = true
    :: else
    fi
}

/* heald__topic_borrow(): `c`, with `got`; or not. */
inline topic_borrow() {
    got = false;
    c = 0;
    do
    :: c < CHUNKS && !got ->
        atomic {
            STEP(look_for_free);
            if
            :: chunks[c].state == FREE -> borrow(c, FREE, chunks[c].lap)
            :: else
            fi;
            if :: !got -> c++ :: else fi
        }
    :: else -> break
    od;
    if
    :: !got -> reclaim()
    :: else
    fi
}

/* One candidate after the other is followed through: the words of all were read first. */
inline reclaim() {
    c = 0;
    do
    :: c < CHUNKS && !got ->
        atomic {
            STEP(read_word);
            candidate = chunks[c].state == FULL ||
                        (chunks[c].state == CLAIMED && chunks[c].owner != _pid &&
                         IS_GONE(chunks[c].owner));
            was_state = chunks[c].state;
            was_lap = chunks[c].lap
        };
#ifdef MUTANT_DEAD_ARE_FREE
        if
        :: candidate && was_state == CLAIMED -> skip
        :: else -> read_ring(); read_holds()
        fi;
#else
#ifdef MUTANT_HOLDS_FIRST
        read_holds();
        read_ring();
#else
        read_ring();
#ifndef MUTANT_NO_HOLDS
        read_holds();
#endif
#endif
#endif
        atomic {
            STEP(swap);
            if :: candidate -> borrow(c, was_state, was_lap) :: else fi;
            candidate = false;
            if :: !got -> c++ :: else fi
        }
    :: else -> break
    od
}

inline read_ring() {
    i = 0;
    do
    :: i < CELLS && candidate ->
        atomic { STEP(ring_state); is_full = cells[i].state == FULL };
        atomic {
            STEP(ring_chunk);
            candidate = candidate && !(is_full && cells[i].chunk == c);
            i++
        }
    :: else -> break
    od;
    i = 0;
    is_full = false
}

inline read_holds() {
    i = PUBLISHERS;
    do
    :: i < PROCS && candidate ->
        atomic {
            STEP(read_hold);
            candidate = !(hold[i] == c + 1 && !IS_GONE(i));
            i++
        }
    :: else -> break
    od;
    i = 0
}

inline wake() {
    d_step {
        k = 0;
        do
        :: k < PROCS -> asleep[k] = false; k++
        :: else -> break
        od;
        k = 0
    }
}

inline notify_room() {
    atomic { STEP(look_at_room); aw = room & 1 };
    if
    :: aw ->
#ifndef MUTANT_NO_RING
        atomic { STEP(ring_room); room++; wake() }
#else
        skip
#endif
    :: else
    fi;
    aw = false
}

/* heald__topic_tail(): the first position that is not claimed. */
inline topic_tail() {
    do
    :: cells[p % CELLS].next > p -> p++
    :: else -> break
    od
}

/* pass_gate(): `behind` is a subscriber that is a ring behind, or NOBODY. */
inline pass_gate() {
    behind = NOBODY;
#ifdef BLOCK
    i = PUBLISHERS;
    do
    :: i < PROCS && behind == NOBODY ->
        atomic {
            STEP(gate);
            if
            :: ready[i] && p >= cursor[i] + CELLS && !IS_GONE(i) -> behind = i
            :: else
            fi;
            i++
        }
    :: else -> break
    od;
    i = 0
#endif
}

/* claim(): one attempt; `got`, or `behind`, or neither. */
inline try_claim() {
    got = false;
    atomic { STEP(tail); topic_tail() };
    pass_gate();
    if
    :: behind == NOBODY ->
        atomic {
            STEP(claim);
            if
            :: (cells[p % CELLS].next + CELLS == p + 1 ||
                (cells[p % CELLS].next == 0 && p < CELLS)) &&
               (cells[p % CELLS].state != CLAIMED || IS_GONE(cells[p % CELLS].owner)) ->
                cells[p % CELLS].state = CLAIMED;
                cells[p % CELLS].owner = _pid;
                cells[p % CELLS].next = p + 1;
                expected[p] = chunks[c].content;
                got = true
            :: else
            fi
        }
    :: else
    fi
}

inline sleep() {
    atomic {
        STEP(sleep);
        if
#ifdef MUTANT_NO_WATCH
        :: room == seen -> asleep[_pid] = true; watched[_pid] = NOBODY
#else
        :: room == seen && !IS_GONE(behind) -> asleep[_pid] = true; watched[_pid] = behind
#endif
        :: else
        fi
    };
    if
    :: atomic { killed[_pid] -> goto dead }
    :: atomic { !killed[_pid] && !asleep[_pid] -> skip }
    fi
}

/* The claim, with its waits: for subscribers, or for one that publishes a lap ago. */
inline claim() {
    do
    :: got -> break
    :: !got ->
        try_claim();
        if
        :: behind != NOBODY ->
            atomic { STEP(prepare); room = room | 1; seen = room };
            try_claim();
            if
            :: behind != NOBODY -> sleep()
            :: else
            fi;
            seen = 0
        :: behind == NOBODY && !got ->
            if
            :: atomic { killed[_pid] -> goto dead }
            :: atomic { cells[p % CELLS].next > p || cells[p % CELLS].state != CLAIMED ||
                        IS_GONE(cells[p % CELLS].owner) -> skip }
            fi
        :: else
        fi
    od
}

/* heald__topic_publish() of the chunk c. */
inline topic_publish() {
    got = false;
    p = 0;
    claim();
#ifdef MUTANT_EARLY_FULL
    atomic { STEP(chunk_full); chunks[c].state = FULL };
#endif
    atomic { STEP(set_chunk); cells[p % CELLS].chunk = c };
    atomic { STEP(hand_over); assert(cells[p % CELLS].owner == _pid); cells[p % CELLS].state = FULL };
#ifndef MUTANT_EARLY_FULL
    atomic { STEP(chunk_full); chunks[c].state = FULL };
#endif
    got = false;
    p = 0
}

/* join(): it begins with the next sample. */
inline join() {
    atomic { STEP(first_tail); p = 0; topic_tail(); cursor[_pid] = p };
    atomic { STEP(ready); ready[_pid] = true };
#ifndef MUTANT_ONE_TAIL
    atomic {
        STEP(second_tail);
        topic_tail();
        if
        :: cursor[_pid] + CELLS - 1 < p -> cursor[_pid] = p - (CELLS - 1)
        :: else
        fi
    };
#endif
#ifndef MUTANT_NO_RING_AT_JOIN
    /* Where the position has changed. */
    notify_room();
#endif
    p = 0
}

#define CELL cells[cursor[_pid] % CELLS]

/* confirm(): of a cell that was FULL; `got`. */
inline confirm() {
    atomic { STEP(read_chunk); c = CELL.chunk };
#ifdef MUTANT_NO_FENCE
    /* The second read is made before the store is seen. */
    atomic { STEP(read_again); got = CELL.state == FULL && CELL.next == cursor[_pid] + 1 };
    atomic { STEP(store_hold); hold[_pid] = c + 1 };
#else
    atomic { STEP(store_hold); hold[_pid] = c + 1 };
#ifdef MUTANT_NO_READ
    got = true;
#else
    atomic { STEP(read_again); got = CELL.state == FULL && CELL.next == cursor[_pid] + 1 };
#endif
#endif
    if
    :: got -> atomic { STEP(has_it); using[_pid] = c + 1 }
    :: else -> atomic { STEP(give_up); hold[_pid] = 0 }
    fi
}

/* take(): one sample, with `got`; without, there is none any more. */
inline topic_take() {
    got = false;
    do
    :: got -> break
    :: !got ->
        /* As by magic: until there is something to be done. */
        if
        :: atomic { killed[_pid] -> goto dead }
        :: atomic { CELL.next > cursor[_pid] &&
                    (CELL.next > cursor[_pid] + 1 || CELL.state != CLAIMED ||
                     IS_GONE(CELL.owner)) -> skip }
        :: atomic { PUBLISHERS_OVER && !(CELL.next > cursor[_pid]) -> break }
        fi;
        atomic {
            STEP(look);
            is_full = false;
            if
            :: CELL.next > cursor[_pid] + 1 ->
#ifdef BLOCK
                assert(false);
#endif
                cursor[_pid] = CELL.next - CELLS
            :: CELL.next == cursor[_pid] + 1 && CELL.state == FULL -> is_full = true
            :: CELL.next == cursor[_pid] + 1 && CELL.state == FREE -> cursor[_pid]++; moved = true
            :: CELL.next == cursor[_pid] + 1 && CELL.state == CLAIMED ->
                if
                :: IS_GONE(CELL.owner) -> CELL.state = FREE
                :: else
                fi
            :: else
            fi
        };
        if
        :: is_full -> confirm()
#if defined BLOCK && !defined MUTANT_NO_RING_AT_SKIP
        :: moved -> notify_room()
#endif
        :: else
        fi;
        is_full = false;
        moved = false
    od
}

/* The position, and then the event count. */
inline set_cursor() {
    atomic { STEP(set_cursor); p = cursor[_pid]; cursor[_pid]++ };
#ifdef BLOCK
    notify_room()
#endif
}

inline release() {
    atomic { STEP(read_sample); assert(chunks[using[_pid] - 1].content == expected[p]) };
    atomic { STEP(release); using[_pid] = 0; hold[_pid] = 0 };
    p = 0;
    c = 0
}

inline leave() {
    atomic { STEP(leave); ready[_pid] = false };
#ifdef BLOCK
    notify_room()
#endif
}

/* The kernel takes a killed process down. */
inline die() {
    d_step {
        asleep[_pid] = false;
        over[_pid] = true;
        k = 0;
        do
        :: k < PROCS -> asleep[k] = (watched[k] == _pid -> false : asleep[k]); k++
        :: else -> break
        od;
        k = 0
    }
}
