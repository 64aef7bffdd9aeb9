/*
 * test/model/channel_users.pml: two sides that send each other messages, in a room that holds few;
 * with BROADCAST a publisher and a subscriber. Either may open first, and try, or wait for what it
 * has tried in vain, at any moment.
 *
 * Holds: neither accuses the other, no bell is rung that was not asked for, and both end: nobody
 * sleeps in vain.
 */
#ifndef MESSAGES
#define MESSAGES 2
#endif
#ifndef ROOM
#define ROOM 1
#endif
#ifndef HISTORY
#define HISTORY 0
#endif
#ifndef MISSED_MAX
#define MISSED_MAX 2
#endif
#include "channel.pml"

#ifdef BROADCAST
#define TO_SEND (ME == 0 -> MESSAGES : 0)
#define TO_RECEIVE (ME == 1 -> MESSAGES : 0)
#elif defined(ONE_WAY)
#define TO_SEND (ME == 0 -> MESSAGES : 0)
#define TO_RECEIVE (ME == 1 -> MESSAGES : 0)
#else
#define TO_SEND MESSAGES
#define TO_RECEIVE MESSAGES
#endif

active [2] proctype side() {
    byte saw, first;
    bool done, wants_in, wants_out;
    atomic { STEP(hello_send); hello[PEER] = true };
    do
    :: sent[ME] < TO_SEND && !wants_out -> try_send(); wants_out = !done
    :: received[ME] < TO_RECEIVE && !wants_in -> try_recv(); wants_in = !done
    :: wants_in && (wants_out || sent[ME] == TO_SEND) || wants_out && received[ME] == TO_RECEIVE ->
        await();
        wants_in = false;
        wants_out = false
    :: sent[ME] == TO_SEND && received[ME] == TO_RECEIVE -> break
    od
}
