/*
 * message/lane.h: a ring with one sender and one receiver. A send is one store of the cell's word,
 * which is then one above the position, and a receive one store of `head`: a participant that is
 * killed has done it or not. Whoever is killed or stopped in between holds up the other side only.
 *
 * The receiver looks at nothing but the cell: so a message costs it the lines of that, and none for
 * a word that both sides share. `tail` is the sender's own. If it is killed between the two stores
 * `tail` is one behind, and the next sender finds that (lane_recover()).
 *
 * Nobody sleeps in vain. A waiter prepares, makes all processors that run one of the two processes
 * pass a barrier (platform/fence.h), and looks. One that changes the other's word reads the bell
 * afterwards, with no more than the compiler's barrier between, where its process takes part in
 * that. So the change comes before the look, or the bell is seen. If it is killed between the two
 * the waiter finds that out, since it watches the only one who can change what it waits for.
 */
#ifndef HEALD_SRC_MESSAGE_LANE_H
#define HEALD_SRC_MESSAGE_LANE_H

#include "message/ring.h"
#include "platform/fence.h"

#include <errno.h>

enum { LANE_UNIT = 64 }; /* bytes of a cell in a lane whose messages take several */

static inline uint64_t lane_own(const uint64_t *at)
{
    return __atomic_load_n(at, __ATOMIC_RELAXED);
}

/* Acquire: pairs with lane_publish(). What the other side wrote, or read, before is done. */
static inline uint64_t lane_other(const uint64_t *at)
{
    return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

static inline void lane_publish(uint64_t *at, uint64_t position, const struct ring *r,
                                uint32_t *bell)
{
    __atomic_store_n(at, position, __ATOMIC_RELEASE);
    heald__plat_fence_light(r->is_fenced);
    eventcount_notify(bell);
}

/* The caller is the only sender. 0: the position; -EAGAIN: the lane is full. */
static inline int lane_claim(const struct ring *r, uint64_t *ret_position)
{
    struct queue_hints *h = r->hints;
    uint64_t tail = lane_own(&h->tail);

    if (tail - lane_own(&h->seen_head) > r->mask) {
        uint64_t head = lane_other(&h->head);
        __atomic_store_n(&h->seen_head, head, __ATOMIC_RELAXED);
        if (tail - head > r->mask)
            return -EAGAIN;
    }
    *ret_position = tail;
    return 0;
}

/* Has the message of a position been sent? Acquire: pairs with lane_commit(). */
static inline bool lane_has(const struct ring *r, uint64_t position)
{
    return __atomic_load_n(&ring_cell_at(r, position)->word, __ATOMIC_ACQUIRE) == position + 1;
}

/* Where the next message is sent, also if the last sender was killed before it had stored that. */
static inline uint64_t lane_tail(const struct ring *r)
{
    uint64_t tail = lane_other(&r->hints->tail);

    return tail + lane_has(r, tail);
}

/* The caller has become the only sender. */
static inline void lane_recover(const struct ring *r)
{
    __atomic_store_n(&r->hints->tail, lane_tail(r), __ATOMIC_RELEASE);
}

static inline void lane_commit(const struct ring *r, uint64_t position, uint32_t size)
{
    struct queue_cell *cell = ring_cell_at(r, position);

    __atomic_store_n(&cell->size, size, __ATOMIC_RELAXED);
    /* Release: pairs with lane_has(). */
    __atomic_store_n(&cell->word, position + 1, __ATOMIC_RELEASE);
    lane_publish(&r->hints->tail, position + 1, r, &r->bells->arrived);
}

/* The caller is the only receiver. 0: the position and size of the next message; -EAGAIN: the lane
 * is empty; -EMSGSIZE. */
static inline int lane_take(const struct ring *r, size_t size, uint64_t *ret_position,
                            size_t *ret_size)
{
    uint64_t head = lane_own(&r->hints->head);

    if (!lane_has(r, head))
        return -EAGAIN;
    *ret_size = __atomic_load_n(&ring_cell_at(r, head)->size, __ATOMIC_RELAXED);
    *ret_position = head;
    return *ret_size > size ? -EMSGSIZE : 0;
}

static inline void lane_release(const struct ring *r, uint64_t position)
{
    lane_publish(&r->hints->head, position + 1, r, &r->bells->room);
}

/*
 * A lane whose messages take several cells (HEALD_QUEUE_VARIABLE). A send is the store of `tail`
 * here, as the word of a cell may be bytes of a message. The head of the first cell is
 * that of the message, and its bytes run on through the others. A message lies in one piece; what
 * is left at the end of the ring, if it does not fit, is a cell with LANE_SKIP. That is written
 * before the store of `tail` that sends the message behind it.
 */
#define LANE_SKIP UINT32_MAX

static inline uint64_t lane_cells(uint32_t size)
{
    return (sizeof(struct queue_cell) + (uint64_t)size + LANE_UNIT - 1) / LANE_UNIT;
}

/* The cells from a position to the end of the ring. */
static inline uint64_t lane_rest(const struct ring *r, uint64_t position)
{
    return r->mask + 1 - (position & r->mask);
}

static inline uint32_t lane_size(const struct ring *r, uint64_t position)
{
    return __atomic_load_n(&ring_cell_at(r, position)->size, __ATOMIC_RELAXED);
}

/* As lane_claim(), for `size` bytes. */
static inline int lane_claim_cells(const struct ring *r, uint32_t size, uint64_t *ret_position)
{
    struct queue_hints *h = r->hints;
    uint64_t tail = lane_own(&h->tail), cells = lane_cells(size), rest = lane_rest(r, tail);
    uint64_t need = rest < cells ? rest + cells : cells;

    if (tail + need - lane_own(&h->seen_head) > r->mask + 1) {
        uint64_t head = lane_other(&h->head);
        __atomic_store_n(&h->seen_head, head, __ATOMIC_RELAXED);
        if (tail + need - head > r->mask + 1)
            return -EAGAIN;
    }
    if (rest < cells)
        __atomic_store_n(&ring_cell_at(r, tail)->size, LANE_SKIP, __ATOMIC_RELAXED);
    *ret_position = tail + need - cells;
    return 0;
}

static inline void lane_commit_cells(const struct ring *r, uint64_t position, uint32_t size)
{
    struct queue_hints *h = r->hints;

    __atomic_store_n(&ring_cell_at(r, position)->size, size, __ATOMIC_RELAXED);
    __atomic_store_n(&h->messages, lane_own(&h->messages) + 1, __ATOMIC_RELAXED);
    lane_publish(&h->tail, position + lane_cells(size), r, &r->bells->arrived);
}

/* The first message between *position and `tail`. 0; -EAGAIN: there is none; -EBADMSG. */
static inline int lane_find(const struct ring *r, uint64_t tail, uint64_t *position,
                            uint32_t *ret_size)
{
    uint64_t p = *position;

    if (p == tail)
        return -EAGAIN;
    uint32_t size = lane_size(r, p);
    if (size == LANE_SKIP) {
        p += lane_rest(r, p);
        size = lane_size(r, p);
    }
    uint64_t cells = lane_cells(size);
    if (tail - *position > r->mask + 1 || cells > tail - p || tail - p > r->mask + 1 ||
        cells > lane_rest(r, p))
        return -EBADMSG;
    *position = p;
    *ret_size = size;
    return 0;
}

/* As lane_take(). */
static inline int lane_take_cells(const struct ring *r, size_t size, uint64_t *ret_position,
                                  size_t *ret_size)
{
    struct queue_hints *h = r->hints;
    uint64_t position = lane_own(&h->head), tail = lane_own(&h->seen_tail);
    uint32_t found;

    if (position == tail) {
        tail = lane_other(&h->tail);
        __atomic_store_n(&h->seen_tail, tail, __ATOMIC_RELAXED);
    }
    int err = lane_find(r, tail, &position, &found);
    if (err)
        return err;
    *ret_position = position;
    *ret_size = found;
    return found > size ? -EMSGSIZE : 0;
}

static inline void lane_release_cells(const struct ring *r, uint64_t position, uint32_t size)
{
    lane_publish(&r->hints->head, position + lane_cells(size), r, &r->bells->room);
}

#endif
