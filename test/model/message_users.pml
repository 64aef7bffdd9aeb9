/*
 * test/model/message_users.pml: each sender sends one message, and each receiver receives until
 * there is none any more.
 *
 * Holds: when nothing else can be done no receiver sleeps while there is a message for it; a
 * message has one owner at a time; none is received, and released, twice.
 */
#ifndef SENDERS
#define SENDERS 2
#endif
#ifndef RECEIVERS
#define RECEIVERS 2
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#define CELLS SENDERS
#define PROCS (SENDERS + RECEIVERS)
#include "message.pml"

#if PROCS == 4
#define QUIET (IDLE(0) && IDLE(1) && IDLE(2) && IDLE(3))
#else
#define QUIET (IDLE(0) && IDLE(1) && IDLE(2))
#endif
#define IDLE(who) (over[who] || (asleep[who] && !killed[who]))

active [SENDERS] proctype sender() {
    byte p;
    bool aw;
    ring_claim();
    hand_over(FULL);
    atomic { over[_pid] = true }
    goto end;
dead: atomic { die() }
end: skip
}

active [RECEIVERS] proctype receiver() {
    byte p, holder, seen;
    bool aw, got, there;
    do
    :: ring_take();
        if
        :: !got -> prepare(); ring_take()
        :: else
        fi;
        if
        :: got ->
            atomic { STEP(received); assert(cell[p] == TAKEN && owner[p] == _pid) };
            release()
        :: else ->
            sleep();
            if
            :: atomic { killed[_pid] -> goto dead }
            :: atomic { !killed[_pid] && !asleep[_pid] -> skip }
            /* All others sleep or are over: that is the end, if there is nothing for it. */
            :: atomic { !killed[_pid] && asleep[_pid] && QUIET && crashes == CRASHES ->
                   is_one_there();
                   if
                   :: there -> printf("P%d sleeps in vain\n", _pid); vain: false
                   :: else -> break
                   fi }
            fi
        fi
    od;
    goto end;
dead: atomic { die() }
end: skip
}

active proctype killer() {
end: do
    :: atomic { crashes < CRASHES && !over[0] && !killed[0] -> crashes++; killed[0] = true }
    :: atomic { crashes < CRASHES && !over[1] && !killed[1] -> crashes++; killed[1] = true }
    :: atomic { crashes < CRASHES && !over[2] && !killed[2] -> crashes++; killed[2] = true }
#if PROCS == 4
    :: atomic { crashes < CRASHES && !over[3] && !killed[3] -> crashes++; killed[3] = true }
#endif
    :: atomic { crashes < CRASHES && QUIET -> crashes = CRASHES }
    od
}
