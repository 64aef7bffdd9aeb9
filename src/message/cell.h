/*
 * message/cell.h: a cell of a queue: a word, which says what is in the cell and whose it is, the
 * length, and the bytes of a message.
 *
 *   FREE(l) -> CLAIMED(l + 1, sender) -> FULL(l + 1) -> TAKEN(l + 1, receiver) -> FREE(l + 1)
 *
 * The position of a message counts from 0; position p lies in cell p mod n, in lap p / n + 1. So
 * memory of zeroes is a queue that is empty.
 *
 * The word:  lap 30 | generation of the owner 20 | its slot 12 | state 2.
 *
 * The state and the slot are in the low half, so one step of the platform can change the state and
 * wake those that wait for it (heald__plat_words_set()). That step leaves the bits of the
 * generation in the high half as they were; they mean nothing without an owner. The generation of a
 * participant is odd: its lowest bit is not kept. So a word is mistaken for one of another lap
 * after 2^30 laps between two instructions, and a dead owner for a living one if its slot was
 * attached 2^20 times, to the number, while nobody looked at the cell.
 */
#ifndef HEALD_SRC_MESSAGE_CELL_H
#define HEALD_SRC_MESSAGE_CELL_H

#include "region/region.h"

enum cell_state {
    CELL_FREE = 0,
    CELL_CLAIMED = 1,
    CELL_FULL = 2,
    CELL_TAKEN = 3,
    /* Of a reply (service.h). */
    MAIL_FREE = CELL_FREE,
    MAIL_AWAITED = CELL_CLAIMED,
    MAIL_DONE = CELL_FULL,
    MAIL_WRITING = CELL_TAKEN
};

struct queue_cell {
    uint64_t word;  /* atomic */
    uint32_t size;  /* of the message; atomic */
    uint32_t flags; /* atomic: CELL_REDELIVERED */
    char data[];
};

enum { CELL_REDELIVERED = 1 };

enum { CELL_SLOT_BITS = 12, CELL_GENERATION_BITS = 20, CELL_LAP_BITS = 30 };
_Static_assert(REGION_SLOTS_MAX == 1 << CELL_SLOT_BITS, "a slot fits exactly");

enum { CELL_OWNER_SHIFT = 2, CELL_LAP_SHIFT = 2 + CELL_SLOT_BITS + CELL_GENERATION_BITS };

static inline enum cell_state cell_state(uint64_t word)
{
    return (enum cell_state)(word & 3);
}

/* How many laps the cell is ahead of that lap. */
static inline int32_t cell_ahead(uint64_t word, uint64_t lap)
{
    return (int32_t)(((uint32_t)(word >> CELL_LAP_SHIFT) - (uint32_t)lap) << 2) >> 2;
}

/* A word without an owner. */
static inline uint64_t cell_word(uint64_t lap, enum cell_state state)
{
    return lap << CELL_LAP_SHIFT | (uint64_t)state;
}

/* What the words of a participant have of its id. */
static inline uint64_t cell_owner(uint64_t id)
{
    uint64_t generation = id >> 33 & ((1u << CELL_GENERATION_BITS) - 1);

    return (generation << CELL_SLOT_BITS | region_id_slot(id)) << CELL_OWNER_SHIFT;
}

/* The same lap in another state. */
static inline uint64_t cell_in_state(uint64_t word, enum cell_state state)
{
    return word >> CELL_LAP_SHIFT << CELL_LAP_SHIFT | (uint64_t)state;
}

static inline uint64_t cell_owned(uint64_t word, enum cell_state state, uint64_t owner)
{
    return cell_in_state(word, state) | owner;
}

/* The id of the participant that a word names; if that is gone, of one that is gone. */
static inline uint64_t cell_id(const struct heald_region *region, uint64_t word)
{
    unsigned slot = (unsigned)(word >> CELL_OWNER_SHIFT) & ((1u << CELL_SLOT_BITS) - 1);
    uint32_t kept = (uint32_t)(word >> (CELL_OWNER_SHIFT + CELL_SLOT_BITS)) << 1;
    uint32_t mask = ((1u << CELL_GENERATION_BITS) - 1) << 1;

    if (slot >= region->slot_count)
        return 0;
    /* Acquire: as generation_of() of region/register.c. */
    uint32_t now = __atomic_load_n(&region->slots[slot].generation, __ATOMIC_ACQUIRE);
    uint32_t generation = (now & ~mask) | (kept & mask) | 1;
    return (uint64_t)generation << 32 | (uint64_t)(slot + 1) << REGION_ID_SHIFT;
}

static inline uint64_t cell_load(const struct queue_cell *cell)
{
    /* Seq_cst: pairs with cell_change(); one that has prepared to wait and then reads the cell sees
     * the change, or the other finds that it waits (hand_over.h). */
    return __atomic_load_n(&cell->word, __ATOMIC_SEQ_CST);
}

/* Seq_cst: as cell_load(). */
static inline bool cell_change(struct queue_cell *cell, uint64_t from, uint64_t to)
{
    return __atomic_compare_exchange_n(&cell->word, &from, to, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_RELAXED);
}

#endif
