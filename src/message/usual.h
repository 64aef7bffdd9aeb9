/*
 * message/usual.h: a send and a receive where nothing is in the way: the queue is neither closed,
 * full nor empty, the message has the lowest priority, the only sender or receiver of a queue that
 * has one is the caller. One pass, without a slot between its halves. What slot.c and transfer.c do
 * of it otherwise is the same, step by step.
 */
#ifndef HEALD_SRC_MESSAGE_USUAL_H
#define HEALD_SRC_MESSAGE_USUAL_H

#include "message/hand_over.h"
#include "message/lane.h"
#include "message/queue.h"

#include <string.h>

static inline void usual_copy(void *to, const void *from, size_t size)
{
    if (to && size)
        memcpy(to, from, size);
}

/* A claimed cell has its message: it is sent. */
static inline int queue_fill(const struct ring *r, struct queue_cell *cell, uint64_t mine,
                             size_t size, bool quietly)
{
    __atomic_store_n(&cell->size, (uint32_t)size, __ATOMIC_RELAXED);
    __atomic_store_n(&cell->flags, 0, __ATOMIC_RELAXED);
    return quietly ? cell_hand_over_quietly(cell, mine, CELL_FULL)
                   : cell_hand_over(cell, mine, CELL_FULL, &r->bells->arrived);
}

/* A claimed cell has none: receivers that wait for it skip it, and it is room a lap later. */
static inline int queue_abandon(const struct ring *r, struct queue_cell *cell, uint64_t mine)
{
    int err = cell_hand_over(cell, mine, CELL_FREE, &r->bells->arrived);

    eventcount_notify(&r->bells->room);
    return err;
}

/* A message was received. Others wait for its end, if the queue is closed: then it may be empty.
 * The load comes after the change: who closes later rings the bell. */
static inline int queue_free(const struct ring *r, struct queue_cell *cell, uint64_t mine)
{
    int err = cell_hand_over(cell, mine, CELL_FREE, &r->bells->room);

    if (__builtin_expect(__atomic_load_n(&r->bells->closed, __ATOMIC_SEQ_CST), 0))
        eventcount_notify(&r->bells->arrived);
    return err;
}

/* True: sent, or *ret_err. */
static inline bool usual_send(const struct queue_view *v, const void *data, size_t size,
                              int *ret_err)
{
    const struct ring *r = &v->ring;
    struct ring_cell got;
    uint64_t position;

    /* Seq_cst, here and after the claim: pairs with heald_queue_close(), as is_closed(). */
    if (__atomic_load_n(&r->bells->closed, __ATOMIC_SEQ_CST))
        return false;
    *ret_err = 0;
    if (v->is_lane) {
        if (v->is_variable || __atomic_load_n(&v->q->sender, __ATOMIC_RELAXED) != r->me->id ||
            lane_claim(r, &position) != 0)
            return false;
        usual_copy(ring_cell_at(r, position)->data, data, size);
        lane_commit(r, position, (uint32_t)size);
        return true;
    }
    if (v->flags & HEALD_QUEUE_ONE_SENDER || !ring_claim_next(r, &got))
        return false;
    if (__atomic_load_n(&r->bells->closed, __ATOMIC_SEQ_CST)) {
        queue_abandon(r, got.cell, got.word);
        return false;
    }
    usual_copy(got.cell->data, data, size);
    *ret_err = queue_fill(r, got.cell, got.word, size, false);
    return true;
}

/* True: received so many bytes, or *ret_err. */
static inline bool usual_receive(const struct queue_view *v, void *buf, size_t *size, int *ret_err)
{
    const struct ring *r = &v->ring;
    struct ring_cell got;
    uint64_t position;

    *ret_err = 0;
    if (__builtin_expect(!buf && *size, 0)) {
        *ret_err = -EINVAL;
        return true;
    }
    if (v->is_lane) {
        if (v->is_variable || __atomic_load_n(&v->q->receiver, __ATOMIC_RELAXED) != r->me->id ||
            lane_take(r, *size, &position) != 0)
            return false;
        *size = __atomic_load_n(&ring_cell_at(r, position)->size, __ATOMIC_RELAXED);
        usual_copy(buf, ring_cell_at(r, position)->data, *size);
        lane_release(r, position);
        return true;
    }
    if (v->priorities > 1 || v->flags & HEALD_QUEUE_ONE_RECEIVER || !ring_take_next(r, *size, &got))
        return false;
    *size = __atomic_load_n(&got.cell->size, __ATOMIC_RELAXED);
    usual_copy(buf, got.cell->data, *size);
    *ret_err = queue_free(r, got.cell, got.word);
    return true;
}

#endif
