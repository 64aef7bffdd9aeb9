/*
 * test/model/aio_hand_off_users.pml: each pusher pushes ROUNDS records, one after the other, and
 * waits until each is handled or has failed. A handler does so, or waits for another pusher, while
 * its own stands still.
 *
 * Holds: every process ends, though the I/O thread may sleep indefinitely; no record is handled
 * twice; none fails that a thread could have handled.
 */
#include "aio_hand_off.pml"

#ifdef HANDLER_RELIES
#define HANDLER
#endif

proctype pusher(byte me) {
    byte taken, n, round;
    bool go;

    do
    :: round < ROUNDS -> round++; push()
    :: else -> break
    od;
    over[me] = true
}

#ifdef HANDLER
proctype handler(byte me) {
    byte taken, n;
    bool go;

end_no_signal:
    atomic { !masked[0] && !over[0] -> SAY(signal); paused[0] = true }
#ifdef HANDLER_RELIES
    atomic { over[1] -> SAY(is_over) }
#else
    push();
#endif
    paused[0] = false
}
#endif

init {
    byte i;

    atomic {
        do
        :: i < PUSHERS -> run pusher(i); i++
        :: else -> break
        od;
#ifdef HANDLER
        run handler(ASKER)
#endif
    }
}
