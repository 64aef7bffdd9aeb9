/*
 * test/model/channel.pml: the steps of src/channel/bell.c, and of what calls it, for two sides that
 * keep to the rules. Each access to what the other side sees is a step of its own, in the order of
 * the program: between a store and the read behind it there is a seq_cst fence.
 *
 * A socket is the hello that is in it and the number of bytes of each bell; poll(2) sleeps until
 * there is one of them.
 *
 * Flags: MESSAGES, ROOM; BROADCAST, HISTORY; MUTANT_...: as if the code were otherwise.
 */
#define IN 0
#define OUT 1
#define BELL(side, bell) (2 * (side) + (bell))

#define STEP(name) printf("P%d ", _pid); printf(#name); printf("\n")

/* What the other side sees: the segment, and its socket. */
byte sent[2], received[2], armed[4];
bool hello[2]; /* in the socket of this side */
byte bytes[4]; /* in the socket of this side */

/* What a side knows by itself. */
bool open[2];
byte seen_sent[2], seen_received[2], rung[4], heard[4], missed[2], lost[2];
bool pending[4];

#define ME _pid
#define PEER (1 - _pid)

/* heald__hello_recv() and, of a broadcast, heald__broadcast_follow(). */
inline hello_recv() {
    if
    :: atomic { !open[ME] && hello[ME] -> STEP(hello_recv); hello[ME] = false; open[ME] = true }
#ifdef BROADCAST
        if
        :: ME == 1 ->
            atomic {
                STEP(follow);
                seen_sent[ME] = sent[PEER];
                received[ME] = (seen_sent[ME] > HISTORY -> seen_sent[ME] - HISTORY : 0);
                missed[ME] = (received[ME] > MISSED_MAX -> MISSED_MAX : received[ME]);
                first = received[ME]
            }
        :: else
        fi
#endif
    :: else
    fi
}

/* heald__bell_ring() */
inline ring(bell) {
    hello_recv();
    if
    :: open[ME] ->
#ifndef MUTANT_READ_FIRST
        atomic { STEP(read_armed); saw = armed[BELL(PEER, bell)] };
#endif
        if
        :: saw != rung[BELL(ME, bell)] ->
            atomic {
                STEP(ring);
                rung[BELL(ME, bell)]++;
                assert(saw == rung[BELL(ME, bell)]); /* "waits more often than it can" */
                bytes[BELL(PEER, bell)]++;
                assert(bytes[BELL(PEER, bell)] == 1)
            }
        :: else
        fi
    :: else
    fi
}

/* heald__bell_meet() */
inline meet() {
    if
    :: !open[ME] ->
        hello_recv();
#if !defined(BROADCAST) && !defined(MUTANT_NO_RING_AT_HELLO)
        if
        :: open[ME] && sent[ME] > 0 -> ring(IN)
        :: else
        fi
#endif
    :: else
    fi
}

/* heald__channel_has_message(), which is followed by a step that uses it. */
inline look_for_message() {
    meet();
    if
    :: open[ME] && seen_sent[ME] == received[ME] ->
        atomic { STEP(read_sent); seen_sent[ME] = sent[PEER] }
    :: else
    fi
}

inline look_for_room() {
    meet();
    if
    :: open[ME] && sent[ME] - seen_received[ME] == ROOM ->
        atomic { STEP(read_received); seen_received[ME] = received[PEER] }
    :: else
    fi
}

#define HAS_MESSAGE (seen_sent[ME] != received[ME])
#ifdef BROADCAST
#define HAS_ROOM true
#else
#define HAS_ROOM (sent[ME] - seen_received[ME] < ROOM)
#endif

/* heald_channel_trysend(), heald_broadcast_publish(): `done`. */
inline try_send() {
    look_for_room();
    done = HAS_ROOM;
    if
    :: done ->
#ifdef MUTANT_READ_FIRST
        atomic { STEP(read_armed); saw = armed[BELL(PEER, IN)] };
#endif
        atomic { STEP(store_sent); sent[ME]++ };
        ring(IN)
    :: else
    fi
}

/* heald_channel_tryrecv(): `done`. What is overwritten is lost. */
inline try_recv() {
    look_for_message();
    done = HAS_MESSAGE;
    if
#ifdef BROADCAST
    :: done -> received[ME]++
    :: done -> lost[ME] = lost[ME] + seen_sent[ME] - received[ME]; received[ME] = seen_sent[ME]
#else
    :: done ->
#ifdef MUTANT_READ_FIRST
        atomic { STEP(read_armed); saw = armed[BELL(PEER, OUT)] };
#endif
        atomic { STEP(store_received); received[ME]++ };
        ring(OUT)
#endif
    :: else
    fi
}

inline take(bell) {
    if
    :: atomic { bytes[BELL(ME, bell)] > 0 ->
           STEP(take);
           bytes[BELL(ME, bell)]--;
           assert(pending[BELL(ME, bell)]); /* "sent something else" */
           pending[BELL(ME, bell)] = false;
           heard[BELL(ME, bell)]++ }
    :: else
    fi
}

/* Messages that were received, but not those before the first. */
#define RECEIVED (received[ME] - first)

/* heald__bell_take(); the bytes come in either order. */
inline bell_take() {
    meet();
    if
    :: open[ME] ->
        take(IN);
        take(OUT);
        look_for_message();
#ifdef MUTANT_NO_MISSED
        assert(HAS_MESSAGE || heard[BELL(ME, IN)] <= RECEIVED);
#else
        assert(HAS_MESSAGE || heard[BELL(ME, IN)] <= RECEIVED + missed[ME]);
#endif
        if
        :: heard[BELL(ME, OUT)] > seen_received[ME] ->
#ifndef MUTANT_NO_LOOK_AT_ROOM
            atomic { STEP(read_received); seen_received[ME] = received[PEER] };
#endif
            assert(heard[BELL(ME, OUT)] <= seen_received[ME])
        :: else
        fi
    :: else
    fi
}

inline bell_arm(bell) {
    if
    :: !pending[BELL(ME, bell)] ->
        atomic { STEP(store_armed); pending[BELL(ME, bell)] = true; armed[BELL(ME, bell)]++ }
    :: else
    fi
}

/* The looks of heald_channel_arm(): `done`. */
inline look() {
    done = false;
    if
    :: wants_in -> look_for_message(); done = HAS_MESSAGE
    :: else
    fi;
    if
    :: wants_out && !done -> look_for_room(); done = HAS_ROOM
    :: else
    fi
}

/* A subscriber that came last, for which nothing is left. */
#ifdef BROADCAST
#define IS_OVER (ME == 1 && received[ME] == MESSAGES)
#else
#define IS_OVER false
#endif

/* heald_channel_arm(), and poll(2) if it is not ready. */
inline await() {
#ifndef MUTANT_TAKE_LAST
    bell_take();
#endif
    look();
    if
    :: !done ->
        if
        :: wants_in -> bell_arm(IN)
        :: else
        fi;
        if
        :: wants_out -> bell_arm(OUT)
        :: else
        fi;
#ifndef MUTANT_NO_SECOND_LOOK
        look();
#endif
#ifdef MUTANT_TAKE_LAST
        bell_take();
#endif
        if
        :: !done ->
            if
            :: atomic { hello[ME] || bytes[BELL(ME, IN)] || bytes[BELL(ME, OUT)] -> STEP(wake) }
            :: atomic { IS_OVER -> STEP(over) }
            fi
        :: else
        fi
    :: else
    fi
}
