/*
 * test/model/cond_users.pml: the last process makes something ready and signals; the others wait
 * for it.
 *
 * Holds: no living process waits indefinitely for what is ready, or was to be made so by one that
 * died with the mutex. One that dies without the mutex before it signals may leave them waiting
 * (SIGNAL_OUTSIDE).
 */
#define FORGET(p)
#define MAKER (PROCS - 1)
#define IN_VAIN (!ready && killed[MAKER] && (mutex & 31) == 0)
#define AFTER_WAIT
#include "kernel.pml"
#include "register.pml"
#include "mutex.pml"
#include "cond.pml"

bool ready;

inline mend() {
    assert(res == locked || res == owner_dead);
    if
    :: res == owner_dead -> consistent()
    :: else
    fi
}

inline make_ready() {
    lock(true);
    mend();
    atomic { STEP(make_ready); ready = true }
#if defined(SIGNAL_OUTSIDE)
    unlock();
    cond_signal()
#elif defined(SIGNAL_UNLOCK)
    cond_signal_unlock()
#else
    cond_signal();
    unlock()
#endif
}

inline await_ready() {
    lock(true);
    mend();
    do
    :: !ready && !is_late -> cond_wait(); mend()
    :: else -> break
    od;
    unlock()
}

active [PROCS] proctype user() {
    LOCALS;
    if
    :: ME == MAKER -> make_ready()
    :: else -> await_ready()
    fi;
    atomic { STEP(over); state[ME] = OVER }
    DIES_HERE
}
KILLER
