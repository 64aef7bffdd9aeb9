/*
 * base/wheel.h: ops ordered by deadline: insert and remove in O(1), expiry in order, exact to the
 * nanosecond.
 *
 * A radix heap (Ahuja, Mehlhorn, Orlin and Tarjan, 1990) with digits of six bits, which is also a
 * hierarchical timing wheel (Varghese and Lauck, 1987) without ticks: an op lies at the level of
 * the highest digit in which its deadline differs from `last`, in the slot of that digit. `last`
 * only moves to the base of a slot whose time has come, and the ops of that slot then fall to lower
 * levels, at most once a level. Nothing is ever allocated.
 *
 * Invariant: every deadline in the wheel counts as max(deadline, last), so the first slot of the
 * first level in use holds the earliest.
 */
#ifndef HEALD_SRC_BASE_WHEEL_H
#define HEALD_SRC_BASE_WHEEL_H

#include "base/list.h"

#include <assert.h>
#include <stdbool.h>

enum { WHEEL_BITS = 6, WHEEL_SLOTS = 1 << WHEEL_BITS, WHEEL_LEVELS = 11 };

struct heald_wheel {
    int64_t last;
    uint32_t levels;              /* bit l: level l has a slot in use */
    uint64_t slots[WHEEL_LEVELS]; /* bit s: slot s of the level is in use */
    struct heald_link head[WHEEL_LEVELS][WHEEL_SLOTS];
};

void heald__wheel_init(struct heald_wheel *w, int64_t now);

static inline bool heald__wheel_empty(const struct heald_wheel *w)
{
    return w->levels == 0;
}

/* Puts an op in by op->deadline_ns, which must not change while op->timer is linked. */
void heald__wheel_add(struct heald_wheel *w, struct heald_op *op);
void heald__wheel_slot_emptied(struct heald_wheel *w, struct heald_link *slot);

/* For assertions: does the op lie where its deadline belongs? True also if that takes too long to
 * see. */
bool heald__wheel_is_placed(const struct heald_wheel *w, const struct heald_op *op);

static inline void heald__wheel_remove(struct heald_wheel *w, struct heald_op *op)
{
    struct heald_link *next = op->timer.next;

    assert(heald__wheel_is_placed(w, op) && "deadline_ns of a pending op was changed");

    /* The only node between a head and itself has the head on both sides. */
    bool alone = next == op->timer.prev;
    list_remove(&op->timer);
    if (alone)
        heald__wheel_slot_emptied(w, next);
}

/*
 * Takes out ops whose deadline is <= now, at most `limit`, and hands each to expired(), in order of
 * deadlines, equal ones in order of insertion. Returns how many there were. expired() may add ops
 * that are later than now, and may not remove others.
 */
unsigned heald__wheel_expire(struct heald_wheel *w, int64_t now, unsigned limit,
                             void (*expired)(void *ctx, struct heald_op *op), void *ctx);

/* A time not after the earliest deadline; equal to it unless many ops share its slot. HEALD_FOREVER
 * when empty. */
int64_t heald__wheel_next(const struct heald_wheel *w);

#endif
