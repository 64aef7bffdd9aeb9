/*
 * heald/adapter/guest.h: what the adapters share; see heald/adapter/uv.h and its neighbours. A
 * program does not include it.
 *
 * A cycle is: prepare before the host waits, turn when the descriptor is readable or the deadline
 * has passed. What runs inside either may close the adapter, which then ends when the call is back.
 */
#ifndef HEALD_ADAPTER_GUEST_H
#define HEALD_ADAPTER_GUEST_H

#include <heald/loop.h>
#include <heald/timer.h>

#include <errno.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The part of an adapter that knows no host. All members are private. */
struct heald_guest {
    struct heald_loop *loop;
    int64_t deadline_ns; /* of the next turn, if the descriptor is not readable before */
    int failure;         /* of heald_loop_prepare(); the next turn reports it */
    unsigned inside;     /* calls that are running and may close the adapter */
    bool is_watched;     /* the host waits for the descriptor */
    bool is_busy;        /* the host waits within a callback of this loop, which cannot turn */
    bool is_closing;
};

static inline void heald__guest_init(struct heald_guest *g, struct heald_loop *loop)
{
    g->loop = loop;
    g->deadline_ns = 0;
    g->failure = 0;
    g->inside = 0;
    g->is_watched = g->is_busy = g->is_closing = false;
}

/* Hands to the kernel what was submitted. A failure is left to the next turn, which is at once: a
 * host's prepare is no place for callbacks of the program. */
static inline void heald__guest_prepare(struct heald_guest *g)
{
    g->inside++;
    int err = heald_loop_prepare(g->loop, &g->deadline_ns);
    g->inside--;
    g->is_busy = err == -EBUSY;
    if (g->is_busy)
        g->deadline_ns = HEALD_FOREVER;
    else if (err)
        g->deadline_ns = 0;
    g->failure = g->is_busy ? 0 : err;
}

/* Runs one turn. Returns the number of callbacks, or the error to report. */
static inline int heald__guest_turn(struct heald_guest *g)
{
    g->inside++;
    int n = g->failure ? g->failure : heald_loop_turn(g->loop, 0);
    g->inside--;
    return n == -EBUSY ? 0 : n;
}

/* Returns the time to the deadline in units of so many nanoseconds, rounded up, `max` at most. */
static inline int64_t heald__guest_left(const struct heald_guest *g, int64_t unit_ns, int64_t max)
{
    int64_t left = g->deadline_ns ? g->deadline_ns - heald_clock_now(HEALD_CLOCK_MONOTONIC) : 0;
    int64_t units = left > 0 ? (left - 1) / unit_ns + 1 : 0;

    return units < max ? units : max;
}

static inline bool heald__guest_is_due(const struct heald_guest *g)
{
    return g->deadline_ns != HEALD_FOREVER && heald__guest_left(g, 1, HEALD_FOREVER) == 0;
}

/* Whether the loop keeps its host running: the condition of heald_loop_run(). */
static inline bool heald__guest_is_needed(const struct heald_guest *g)
{
    struct heald_loop_stats s;

    heald_loop_stats(g->loop, &s);
    return !g->is_busy && (g->deadline_ns == 0 || s.pending > s.background || s.holds);
}

#ifdef __cplusplus
}
#endif
#endif
