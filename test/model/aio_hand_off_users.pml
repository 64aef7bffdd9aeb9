/*
 * test/model/aio_hand_off_users.pml: each pusher pushes ROUNDS records, one after the other, and
 * waits until each is handled or has failed. A handler does so while its pusher stands still.
 *
 * Holds: everybody comes to his end, though the I/O thread may sleep for ever; no record is handled
 * twice; none fails that a thread could have handled.
 */
#include "aio_hand_off.pml"

proctype pusher(byte me) {
    byte taken, n, round;
    bool go;

    do
    :: round < ROUNDS -> round++; push(false)
    :: else -> break
    od;
    over[me] = true
}

#ifdef HANDLER
#ifdef MUTANT_ASK_RELIES
#define SURELY false
#else
#define SURELY true
#endif

proctype handler(byte me) {
    byte taken, n;
    bool go;

end_no_signal:
    atomic { !masked[0] && !over[0] -> SAY(signal); paused[0] = true }
    push(SURELY);
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
