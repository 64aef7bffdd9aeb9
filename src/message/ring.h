/*
 * message/ring.h: a ring of cells, for any number of senders and receivers: claim, take, and what
 * becomes of cells whose owner is gone. Nothing here waits. Any thread, as the participant it is.
 */
#ifndef HEALD_SRC_MESSAGE_RING_H
#define HEALD_SRC_MESSAGE_RING_H

#include "message/cell.h"

#include <stdalign.h>

/* In the region, atomic. Hints: all truth is in the cells; but of a lane (lane.h) `head` is the
 * truth, and `tail` if its messages take several cells. */
struct queue_hints {
    alignas(64) uint64_t tail; /* all positions below were claimed */
    uint64_t seen_head;        /* of a lane: what its sender last saw */
    uint64_t messages;         /* of a lane with such messages: about so many were sent */
    alignas(64) uint64_t head; /* where receivers begin to look */
    uint64_t first;            /* all positions below are free again */
    uint64_t seen_tail;        /* of a lane with such messages: what its receiver last saw */
};

/* What the rings of a queue have in common; in the region. */
struct queue_bells {
    alignas(64) uint32_t arrived; /* an event count: that of the receivers */
    uint32_t closed;              /* atomic */
    uint64_t dropped;             /* atomic */
    alignas(64) uint32_t room;    /* an event count: that of the senders */
};

/* What a caller knows of a ring; in its own memory, and checked. */
struct ring {
    struct heald_participant *me;
    struct queue_hints *hints;
    char *cells;
    struct queue_bells *bells;
    uint64_t mask;  /* of a position: the number of its cell */
    size_t stride;  /* bytes from cell to cell */
    unsigned shift; /* a position in laps */
    bool drops, at_most_once;
    bool is_fenced; /* of a lane: takes part in heavy barriers */
    uint64_t owner; /* cell_owner() of `me` */
};

/* A cell that is the caller's. */
struct ring_cell {
    struct queue_cell *cell;
    uint64_t word, position;
    uint32_t size; /* of a message that was taken, and is not above the caller's limit */
    bool redelivered;
};

/* Whose end is to be watched while one waits. */
struct ring_holder {
    uint64_t id; /* 0: nobody's */
    bool several;
    bool tries; /* the caller does not wait */
};

static inline int ring_is_gone(const struct heald_participant *me, uint64_t id,
                               const struct ring_holder *holder)
{
    return heald__region_ask(me, id, holder->tries);
}

static inline void ring_watch(struct ring_holder *holder, uint64_t id)
{
    holder->several |= holder->id && holder->id != id;
    holder->id = holder->id ? holder->id : id;
}

static inline struct queue_cell *ring_cell_at(const struct ring *r, uint64_t position)
{
    return (struct queue_cell *)(void *)(r->cells + (position & r->mask) * r->stride);
}

/* A position in laps. */
static inline uint64_t ring_lap(const struct ring *r, uint64_t position)
{
    return (position >> r->shift) + 1;
}

/* Relaxed: a hint. */
static inline uint64_t ring_hint(const uint64_t *at)
{
    return __atomic_load_n(at, __ATOMIC_RELAXED);
}

static inline void ring_set_hint(uint64_t *at, uint64_t position)
{
    __atomic_store_n(at, position, __ATOMIC_RELAXED);
}

/* The usual case of heald__ring_claim(): the position that the hint names is free. */
static inline bool ring_claim_next(const struct ring *r, struct ring_cell *ret)
{
    uint64_t p = ring_hint(&r->hints->tail), lap = ring_lap(r, p);
    struct queue_cell *cell = ring_cell_at(r, p);
    uint64_t word = cell_load(cell), mine = cell_word(lap, CELL_CLAIMED) | r->owner;

    if (cell_state(word) != CELL_FREE || cell_ahead(word, lap) != -1 ||
        !cell_change(cell, word, mine))
        return false;
    ring_set_hint(&r->hints->tail, p + 1);
    *ret = (struct ring_cell){.cell = cell, .word = mine, .position = p};
    return true;
}

/* The usual case of heald__ring_take(): the message that the hint names is there. */
static inline bool ring_take_next(const struct ring *r, size_t size, struct ring_cell *ret)
{
    uint64_t p = ring_hint(&r->hints->head);
    struct queue_cell *cell = ring_cell_at(r, p);
    uint64_t word = cell_load(cell), mine = cell_owned(word, CELL_TAKEN, r->owner);
    /* Read before it is the caller's: right if the word is then still the same. */
    uint32_t bytes = __atomic_load_n(&cell->size, __ATOMIC_RELAXED);

    if (cell_state(word) != CELL_FULL || cell_ahead(word, ring_lap(r, p)) != 0 || bytes > size ||
        !cell_change(cell, word, mine))
        return false;
    ring_set_hint(&r->hints->head, p + 1);
    *ret = (struct ring_cell){.cell = cell,
                              .word = mine,
                              .position = p,
                              .size = bytes,
                              .redelivered = __atomic_load_n(&cell->flags, __ATOMIC_RELAXED) &
                                             CELL_REDELIVERED};
    return true;
}

/* Claims the next position to send in. 0; -EAGAIN: the ring is full, or with `drops` its oldest
 * message is being received; -EBADMSG. */
int heald__ring_claim(const struct ring *r, struct ring_cell *ret, struct ring_holder *holder);

/*
 * Takes the next message, if it has at most `size` bytes. 0; -EMSGSIZE; -EBADMSG; -EAGAIN: there is
 * none, or the next one is being sent. thoroughly: also one that a receiver left.
 */
int heald__ring_take(const struct ring *r, size_t size, bool thoroughly, struct ring_cell *ret,
                     struct ring_holder *holder);

/* A message that the caller has taken is to be received again. */
int heald__ring_return(const struct ring *r, const struct ring_cell *taken);

#endif
