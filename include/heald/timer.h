/* heald/timer.h: operations that complete at a point in time. */
#ifndef HEALD_TIMER_H
#define HEALD_TIMER_H

#include <heald/op.h>

#ifdef __cplusplus
extern "C" {
#endif

enum heald_clock {
    HEALD_CLOCK_MONOTONIC = 0, /* stands still while the machine is suspended; deadlines use it */
    HEALD_CLOCK_BOOT = 1       /* counts suspended time too */
};

/* The clock's time now, by asking the system. Any thread, signal-safe. -ENOSYS: the platform lacks
 * that clock. */
HEALD_API int64_t heald_clock_now(enum heald_clock clock);

/*
 * Ends with 0 once the monotonic clock has reached `when_ns`, never before. A time in the past ends
 * on the next turn. -EINVAL: negative.
 */
HEALD_API int heald_prep_timer(struct heald_op *op, int64_t when_ns);

/*
 * Calls back with HEALD_MORE at first_ns, first_ns + period_ns, first_ns + 2 * period_ns, … on the
 * chosen clock, without drift, until it is cancelled; the result is the number of periods that have
 * passed since the callback before (1 unless the loop was late). period_ns 0: once, then it ends
 * with 0. In a timer op->deadline_ns is the time itself. -EINVAL: no such clock, or first_ns or
 * period_ns is negative. At submit: -ENOSYS where the platform lacks the clock.
 */
HEALD_API int heald_prep_timer_clock(struct heald_op *op, enum heald_clock clock, int64_t first_ns,
                                     int64_t period_ns);

#ifdef __cplusplus
}
#endif
#endif
