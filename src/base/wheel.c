/* base/wheel.c: see wheel.h for the structure and its invariant. One thread; pure: time is an
 * argument. */
#include "base/wheel.h"

#include <assert.h>
#include <string.h>

/* How many ops of one slot are looked at for the exact minimum before the slot's base must do. */
enum { WHEEL_SCAN = 32 };

static inline struct heald_op *op_of(struct heald_link *node)
{
    return heald_container_of(node, struct heald_op, timer);
}

void heald__wheel_init(struct heald_wheel *w, int64_t now)
{
    memset(w, 0, sizeof *w);
    w->last = now;
    for (int l = 0; l < WHEEL_LEVELS; l++)
        for (int s = 0; s < WHEEL_SLOTS; s++)
            list_init(&w->head[l][s]);
}

/* The level and the slot of a deadline now. */
static inline unsigned place_of(const struct heald_wheel *w, int64_t deadline_ns,
                                unsigned *ret_level)
{
    int64_t key = deadline_ns < w->last ? w->last : deadline_ns;
    uint64_t differs = (uint64_t)(key ^ w->last);

    *ret_level = differs ? (63u - (unsigned)__builtin_clzll(differs)) / WHEEL_BITS : 0;
    return (unsigned)((uint64_t)key >> (*ret_level * WHEEL_BITS)) % WHEEL_SLOTS;
}

void heald__wheel_add(struct heald_wheel *w, struct heald_op *op)
{
    unsigned level, slot = place_of(w, op->deadline_ns, &level);

    assert(!list_linked(&op->timer));
    list_push(&w->head[level][slot], &op->timer);
    w->slots[level] |= UINT64_C(1) << slot;
    w->levels |= 1u << level;
}

bool heald__wheel_is_placed(const struct heald_wheel *w, const struct heald_op *op)
{
    const struct heald_link *first = &w->head[0][0], *node = &op->timer;
    unsigned level, slot = place_of(w, op->deadline_ns, &level);

    for (int seen = 0; seen < WHEEL_SCAN; seen++) {
        node = node->next;
        /* A head is a place in the wheel, an op is not. */
        if ((uintptr_t)node >= (uintptr_t)first && (uintptr_t)node < (uintptr_t)(w + 1))
            return node == &w->head[level][slot];
    }
    return true;
}

void heald__wheel_slot_emptied(struct heald_wheel *w, struct heald_link *head)
{
    unsigned at = (unsigned)(head - &w->head[0][0]);
    unsigned level = at / WHEEL_SLOTS;

    w->slots[level] &= ~(UINT64_C(1) << at % WHEEL_SLOTS);
    if (!w->slots[level])
        w->levels &= ~(1u << level);
}

/* The first slot in use, and the earliest time that can lie in it. The wheel is not empty. */
static struct heald_link *first_slot(const struct heald_wheel *w, unsigned *ret_level,
                                     int64_t *ret_base)
{
    unsigned level = (unsigned)__builtin_ctz(w->levels);
    unsigned slot = (unsigned)__builtin_ctzll(w->slots[level]);
    unsigned shift = level * WHEEL_BITS;
    uint64_t low =
        shift + WHEEL_BITS >= 64 ? UINT64_MAX : (UINT64_C(1) << (shift + WHEEL_BITS)) - 1;

    *ret_level = level;
    *ret_base = (int64_t)(((uint64_t)w->last & ~low) | (uint64_t)slot << shift);
    return (struct heald_link *)&w->head[level][slot];
}

/* Moves the ops of a slot, whose base is `last` now, to lower levels. */
static void cascade(struct heald_wheel *w, struct heald_link *slot)
{
    struct heald_link list, *node;

    list_take(&list, slot);
    heald__wheel_slot_emptied(w, slot);
    while ((node = list_pop(&list))) {
        /* The next one is likely far away in memory. */
        __builtin_prefetch(op_of(list.next), 1);
        heald__wheel_add(w, op_of(node));
    }
}

unsigned heald__wheel_expire(struct heald_wheel *w, int64_t now, unsigned limit,
                             void (*expired)(void *ctx, struct heald_op *op), void *ctx)
{
    unsigned n = 0, level;
    int64_t base;

    while (!heald__wheel_empty(w) && n < limit) {
        struct heald_link *slot = first_slot(w, &level, &base), *first = slot->next;

        if (base > now)
            break;
        w->last = base;
        /* A slot of the lowest level is one instant; an op alone in the first slot is the earliest
         * of all. */
        bool alone = first->next == slot && op_of(first)->deadline_ns <= now;
        if (level != 0 && !alone) {
            cascade(w, slot);
            continue;
        }
        list_remove(first);
        if (list_empty(slot))
            heald__wheel_slot_emptied(w, slot);
        expired(ctx, op_of(first));
        n++;
    }
    return n;
}

int64_t heald__wheel_next(const struct heald_wheel *w)
{
    unsigned level, seen = 0;
    int64_t base, first = HEALD_FOREVER;

    if (heald__wheel_empty(w))
        return HEALD_FOREVER;
    struct heald_link *slot = first_slot(w, &level, &base);
    if (level == 0)
        return base;
    for (struct heald_link *node = slot->next; node != slot; node = node->next) {
        if (++seen > WHEEL_SCAN)
            return base;
        if (op_of(node)->deadline_ns < first)
            first = op_of(node)->deadline_ns;
    }
    return first;
}
