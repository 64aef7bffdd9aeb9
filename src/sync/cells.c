/*
 * sync/cells.c: see cells.h. Any thread, as the participant it is.
 *
 * Model: test/model/cells.pml; its steps are named after the functions here.
 */
#include "sync/cells.h"

#include <errno.h>

int heald__cells_is_gone(const struct heald_participant *me, uint64_t id)
{
    return heald__cells_ask(me, id, false);
}

int heald__cells_ask(const struct heald_participant *me, uint64_t id, bool tries)
{
    return id ? heald__region_ask(me, region_id(id), tries) : -EOWNERDEAD;
}

uint64_t *heald__cells_find(uint64_t cells[], unsigned count, uint64_t id)
{
    for (unsigned i = 0; i < count; i++)
        /* Relaxed: nobody else makes it the caller's, or not. */
        if (region_id(__atomic_load_n(&cells[i], __ATOMIC_RELAXED)) == id)
            return &cells[i];
    return NULL;
}

bool heald__cells_are_all(const uint64_t cells[], unsigned count, uint64_t id)
{
    unsigned i = 0;

    /* Relaxed: nobody else makes it the caller's, or not. */
    while (i < count && region_id(__atomic_load_n(&cells[i], __ATOMIC_RELAXED)) == id)
        i++;
    return i == count;
}

int heald__cells_add(uint64_t *mine)
{
    /* Relaxed: nobody else changes it while the caller lives. */
    uint64_t word = __atomic_load_n(mine, __ATOMIC_RELAXED);

    if ((word & REGION_ID_FLAGS) == REGION_ID_FLAGS)
        return -EAGAIN;
    __atomic_store_n(mine, word + 1, __ATOMIC_RELAXED);
    return 0;
}

/* Where the search begins: so that each participant finds its own cell at once, and no two the
 * same. */
static unsigned first_of(const struct heald_participant *me, unsigned count)
{
    uint32_t slot = region_id_slot(me->id);

    /* Fibonacci hashing (Knuth, The Art of Computer Programming, 6.4), scaled without dividing. */
    return (unsigned)((uint64_t)(slot * UINT32_C(2654435769)) * count >> 32);
}

bool heald__cells_swap(uint64_t *cell, uint64_t from, uint64_t to)
{
    /* Seq_cst: pairs with code that stores something and then reads the cells. */
    return __atomic_compare_exchange_n(cell, &from, to, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

/* Seq_cst: comes before the claim for code that reads the bits and then the cells. */
static void note_used(uint64_t *used, unsigned at)
{
    uint64_t bit = UINT64_C(1) << (at & 63);

    if (used && !(__atomic_load_n(used, __ATOMIC_RELAXED) & bit))
        __atomic_fetch_or(used, bit, __ATOMIC_SEQ_CST);
}

static uint64_t *claim_of_the_dead(uint64_t cells[], unsigned count, uint64_t *used,
                                   const struct heald_participant *me)
{
    for (unsigned i = 0; i < count; i++) {
        uint64_t id = __atomic_load_n(&cells[i], __ATOMIC_ACQUIRE);
        if (!id || heald__cells_is_gone(me, id) != -EOWNERDEAD)
            continue;
        note_used(used, i);
        if (heald__cells_swap(&cells[i], id, me->id))
            return &cells[i];
    }
    return NULL;
}

uint64_t *heald__cells_claim(uint64_t cells[], unsigned count, uint64_t *used,
                             const struct heald_participant *me, bool thoroughly)
{
    unsigned at = first_of(me, count);

    for (unsigned i = 0; i < count; i++, at = at + 1 < count ? at + 1 : 0) {
        /* Seq_cst: pairs with heald__cells_release(): a waiter that has prepared sees what was
         * released. */
        if (__atomic_load_n(&cells[at], __ATOMIC_SEQ_CST))
            continue;
        note_used(used, at);
        if (heald__cells_swap(&cells[at], 0, me->id))
            return &cells[at];
    }
    return thoroughly ? claim_of_the_dead(cells, count, used, me) : NULL;
}

void heald__cells_return(uint64_t *cell)
{
    /* Seq_cst: comes before the check for waiters. */
    __atomic_store_n(cell, 0, __ATOMIC_SEQ_CST);
}

bool heald__cells_release(uint64_t cells[], unsigned count, const struct heald_participant *me)
{
    unsigned at = first_of(me, count);

    for (unsigned i = 0; i < count; i++, at = at + 1 < count ? at + 1 : 0) {
        /* Relaxed: nobody else makes it the caller's. */
        uint64_t word = __atomic_load_n(&cells[at], __ATOMIC_RELAXED);
        if (region_id(word) != me->id)
            continue;
        /* Seq_cst: comes before the check for waiters. */
        __atomic_store_n(&cells[at], word & REGION_ID_FLAGS ? word - 1 : 0, __ATOMIC_SEQ_CST);
        return true;
    }
    return false;
}

uint64_t heald__cells_any(uint64_t cells[], unsigned count, const uint64_t *used,
                          const struct heald_participant *me, bool tries)
{
    /* Seq_cst: pairs with heald__cells_claim(), which sets the bit first. */
    uint64_t bits = __atomic_load_n(used, __ATOMIC_SEQ_CST);

    for (unsigned first = 0; bits && first < count; first += 64)
        for (uint64_t left = bits; left; left &= left - 1) {
            unsigned i = first + (unsigned)__builtin_ctzll(left);
            /* Seq_cst: pairs with heald__cells_swap(). */
            uint64_t id = i < count ? __atomic_load_n(&cells[i], __ATOMIC_SEQ_CST) : 0;
            if (id && heald__cells_ask(me, id, tries) != -EOWNERDEAD)
                return id;
            if (id)
                heald__cells_swap(&cells[i], id, 0);
        }
    return 0;
}
