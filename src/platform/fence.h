/*
 * platform/fence.h: a barrier of which the waiter pays for both sides.
 *
 * One thread stores A and then reads B; another stores B and then reads A. A barrier between the
 * two in each makes sure that one of them sees the other's store. Where the second does it rarely
 * its heavy one makes the light one of the first a matter of the compiler alone.
 */
#ifndef HEALD_SRC_PLATFORM_FENCE_H
#define HEALD_SRC_PLATFORM_FENCE_H

#include <stdbool.h>

/* Takes part, from now on, in the heavy barriers of all processes. False: the system has none. A
 * child of fork(2) takes part if its parent does. */
bool heald__plat_fence_join(void);

/* Between the store and the read of one who has joined, or has not. */
static inline void heald__plat_fence_light(bool has_joined)
{
    if (has_joined)
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
    else
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* Between the store and the read of the other one. */
void heald__plat_fence_heavy(void);

#endif
