/*
 * region/eventcount.h: an event count: a word on which threads sleep that wait for a change of
 * something that has no word of its own for it. Odd: a thread may be asleep.
 *
 * No wake is lost: a waiter makes the count odd, or finds it so, and then reads the object; a
 * thread that changes the object then reads the count. All four are sequentially consistent, so one
 * of the two sees the other: the waiter sees the change, or the other finds the count odd, as the
 * waiter read it or later, and adds one, which ends the sleep of all that sleep on the old value
 * and keeps those from sleeping that have read it and do not sleep yet. It is even then until the
 * next one waits. Two that add at once may leave it odd with no thread asleep: that costs a system
 * call. The count wraps around after 2^31 wakes.
 *
 * Adding and waking are one system call, which a kill finds begun or not begun. A process that is
 * killed, or stopped, between the change and the read of the count has woken none: so no sleeper
 * relies on it for longer than REGION_RECHECK_NS.
 *
 * Source: D. P. Reed, R. K. Kanodia, Synchronization with Eventcounts and Sequencers, 1979.
 */
#ifndef HEALD_SRC_REGION_EVENTCOUNT_H
#define HEALD_SRC_REGION_EVENTCOUNT_H

#include "platform/futex.h"

enum { EVENTCOUNT_AWAITED = 1 };

/* Before the look that decides to wait. What the count is while there is nothing to see. */
static inline uint32_t eventcount_prepare(uint32_t *count)
{
    /* Seq_cst: see above. */
    uint32_t seen = __atomic_load_n(count, __ATOMIC_SEQ_CST);

    while (!(seen & EVENTCOUNT_AWAITED))
        if (__atomic_compare_exchange_n(count, &seen, seen | EVENTCOUNT_AWAITED, false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            return seen | EVENTCOUNT_AWAITED;
    return seen;
}

static inline bool eventcount_is_awaited(const uint32_t *count)
{
    /* Seq_cst: see above. */
    return __atomic_load_n(count, __ATOMIC_SEQ_CST) & EVENTCOUNT_AWAITED;
}

/* After the change. Wakes all: one alone might be dying, and keep the wake. */
static inline void eventcount_notify(uint32_t *count)
{
    if (eventcount_is_awaited(count))
        heald__plat_word_count(count);
}

#endif
