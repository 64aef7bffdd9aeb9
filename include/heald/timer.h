/*
 * heald/timer.h: operations that complete at a point in time.
 *
 * All times are nanoseconds. An op never completes before its time. Its deadline_ns is the time
 * itself. A prep does not block and is called by the thread that uses the op. It returns 0, -EBUSY
 * if the op is pending, and -EINVAL as below.
 */
#ifndef HEALD_TIMER_H
#define HEALD_TIMER_H

#include <heald/op.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The clocks. */
enum heald_clock {
    HEALD_CLOCK_MONOTONIC = 0, /* stops while the machine is suspended; the clock of deadlines */
    HEALD_CLOCK_BOOT = 1       /* includes the time in which the machine is suspended */
};

/* Reads a clock. Returns its time, or -ENOSYS if the platform lacks it. Does not block. Any thread;
 * async-signal-safe. */
HEALD_API int64_t heald_clock_now(enum heald_clock clock);

/*
 * Waits until the monotonic clock reaches `when_ns`. The result is 0. With a time in the past it
 * completes in the next turn.
 *
 *   -EINVAL   (prep) when_ns is negative
 */
HEALD_API int heald_prep_timer(struct heald_op *op, int64_t when_ns);

/*
 * Waits on the given clock. With a period the callback runs with HEALD_MORE at first_ns, first_ns +
 * period_ns, first_ns + 2 * period_ns, ... without drift, until the op is cancelled. The result is
 * the number of periods since the previous callback: 1, or more if the loop was late. With a
 * period_ns of 0 it completes once, with 0.
 *
 *   -EINVAL   (prep) there is no such clock, or first_ns or period_ns is negative
 *   -ENOSYS   (heald_submit()) the platform lacks the clock
 */
HEALD_API int heald_prep_timer_clock(struct heald_op *op, enum heald_clock clock, int64_t first_ns,
                                     int64_t period_ns);

#ifdef __cplusplus
}
#endif
#endif
