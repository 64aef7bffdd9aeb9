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

enum { USUAL_NOT = -9999 }; /* no error of the system */
enum { SMALL_MAX = 64 };    /* bytes that are copied without a call */

/* The first and the last bytes, some of which may be the same. No call if `piece` is constant. */
static inline void copy_ends(char *to, const char *from, size_t size, size_t piece)
{
    char first[16], last[16];

    memcpy(first, from, piece);
    memcpy(last, from + size - piece, piece);
    memcpy(to, first, piece);
    memcpy(to + size - piece, last, piece);
}

/* memcpy(3) of at most SMALL_MAX bytes: the call of that takes as long as the rest of a send. */
static inline void small_copy(char *to, const char *from, size_t size)
{
    if (size >= 16) {
        if (size > 32)
            copy_ends(to + 16, from + 16, size - 32, 16);
        copy_ends(to, from, size, 16);
    } else if (size >= 8) {
        copy_ends(to, from, size, 8);
    } else if (size >= 4) {
        copy_ends(to, from, size, 4);
    } else {
        for (size_t i = 0; i < size; i++)
            to[i] = from[i];
    }
}

static inline void usual_copy(void *to, const void *from, size_t size)
{
    if (size <= SMALL_MAX && to)
        small_copy(to, from, size);
    else if (to)
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

/* The ring of a queue with `usual_end`, of which the compiler knows more. */
static inline struct ring usual_ring(const struct queue_view *v, struct queue *q,
                                     struct heald_participant *me)
{
    struct ring r = v->ring;

    r.me = me;
    r.hints = q->rings;
    r.bells = &q->bells;
    r.is_fenced = true;
    return r;
}

/* False: something is in the way. */
static inline bool usual_send_lane(const struct queue *q, const struct ring *r, const void *data,
                                   size_t size)
{
    uint64_t position;

    /* Seq_cst: pairs with heald_queue_close(), as is_closed(). */
    if (__atomic_load_n(&r->bells->closed, __ATOMIC_SEQ_CST) ||
        __atomic_load_n(&q->sender, __ATOMIC_RELAXED) != r->me->id || lane_claim(r, &position) != 0)
        return false;
    usual_copy(ring_cell_at(r, position)->data, data, size);
    lane_commit(r, position, (uint32_t)size);
    return true;
}

/* Nothing is there to receive. Nor is it the end, which is read after that; nor a sender that has
 * joined, and may be gone. */
static inline bool usual_is_empty(const struct queue *q, const struct ring *r)
{
    return !__atomic_load_n(&r->bells->closed, __ATOMIC_SEQ_CST) &&
           !__atomic_load_n(&q->has_senders, __ATOMIC_ACQUIRE);
}

/* The size, which is below `end` and `also`; -EAGAIN: nothing is there; USUAL_NOT. */
static inline ssize_t usual_receive_lane(const struct queue *q, const struct ring *r, void *buf,
                                         size_t size, size_t end, size_t also)
{
    uint64_t position;
    size_t found;

    if (__atomic_load_n(&q->receiver, __ATOMIC_RELAXED) != r->me->id)
        return USUAL_NOT;
    int err = lane_take(r, size, &position, &found);
    if (err || found >= end || found >= also)
        return err == -EAGAIN ? err : USUAL_NOT;
    usual_copy(buf, ring_cell_at(r, position)->data, found);
    lane_release(r, position);
    return (ssize_t)found;
}

/* 0; -EPROTO; USUAL_NOT: something is in the way. */
static inline int usual_send_ring(const struct ring *r, const void *data, size_t size)
{
    struct ring_cell got;

    /* Seq_cst, here and after the claim: pairs with heald_queue_close(), as is_closed(). */
    if (__atomic_load_n(&r->bells->closed, __ATOMIC_SEQ_CST) || !ring_claim_next(r, &got))
        return USUAL_NOT;
    if (__builtin_expect(__atomic_load_n(&r->bells->closed, __ATOMIC_SEQ_CST), 0)) {
        queue_abandon(r, got.cell, got.word);
        return USUAL_NOT;
    }
    usual_copy(got.cell->data, data, size);
    return queue_fill(r, got.cell, got.word, size, false);
}

/* The size; -EPROTO; USUAL_NOT. */
static inline ssize_t usual_receive_ring(const struct ring *r, void *buf, size_t size)
{
    struct ring_cell got;

    if (!ring_take_next(r, size, &got))
        return USUAL_NOT;
    usual_copy(buf, got.cell->data, got.size);
    int err = queue_free(r, got.cell, got.word);
    return err ? err : (ssize_t)got.size;
}

/* All before the next position was received, and nothing is there. */
static inline bool usual_is_free(const struct ring *r)
{
    uint64_t p = ring_hint(&r->hints->head), word = cell_load(ring_cell_at(r, p));

    return cell_ahead(word, ring_lap(r, p)) == -1 && ring_hint(&r->hints->first) == p;
}

#endif
