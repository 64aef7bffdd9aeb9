/*
 * message/queue.h: a queue as it lies in a region, and what the calls share.
 *
 * A queue with several priorities has a ring for each. All rings have the same two bells: a
 * receiver waits for any of them.
 */
#ifndef HEALD_SRC_MESSAGE_QUEUE_H
#define HEALD_SRC_MESSAGE_QUEUE_H

#include <heald/await.h>
#include <heald/queue.h>

#include "message/ring.h"

#include <errno.h>

enum { QUEUE_SENDERS = HEALD_QUEUE_SENDERS_MAX };

struct queue {
    /* As it was made. */
    uint32_t capacity, priorities, message_max, flags;
    uint64_t check; /* all of the above */
    /* Atomic: the ids of the only sender and receiver, of a queue that has one of them. */
    uint64_t sender, receiver;
    uint32_t has_senders;            /* atomic: one has joined */
    uint64_t senders[QUEUE_SENDERS]; /* atomic: the ids of those that have joined; 0 */
    uint64_t id;                     /* atomic: heald_queue_identify(); 0: not asked for yet */
    struct queue_bells bells;
    struct queue_hints rings[];
};

/* What follows from how a queue was made. */
struct queue_shape {
    uint32_t capacity, priorities, message_max, flags;
    size_t stride;    /* bytes from cell to cell */
    uint64_t size;    /* bytes of the queue */
    uint64_t check;   /* that of its head */
    bool is_lane;     /* one sender, one receiver: message/lane.h */
    bool is_variable; /* a lane whose messages take several cells */
};

/* False: no queue has such numbers. */
bool heald__queue_shape(struct queue_shape *ret, uint32_t capacity, uint32_t priorities,
                        uint32_t message_max, uint32_t flags);

/* A queue that was checked, in the hands of a participant; it is kept in a memo, as the check takes
 * longer than a message. */
struct queue_view {
    struct queue *q;
    uint64_t check;
    struct ring ring; /* that of priority 0 */
    uint32_t priorities, message_max, flags;
    uint32_t usual_end; /* usual.h sends and receives messages below that size; 0: none */
    bool is_lane;       /* one sender, one receiver: message/lane.h */
    bool is_variable;
};

_Static_assert(sizeof(struct queue_view) <= sizeof(uint64_t[15]), "a memo has room");

/* The memory of a queue begins at the first cache line in it. */
static inline struct queue *queue_at(const struct heald_queue *queue)
{
    return (struct queue *)(((uintptr_t)queue + 63) & ~(uintptr_t)63);
}

/* Checks a queue. 0; -ESTALE, -EBADMSG. */
int heald__queue_check(const struct queue_view **ret, const struct heald_queue *queue,
                       struct heald_participant *me);

static inline const struct queue_view *queue_view_in(const struct region_memo *memo)
{
    return (const struct queue_view *)(const void *)memo->words;
}

/* A queue that the caller has used before, and that is as it was then; NULL: it is another. */
static inline const struct queue_view *queue_view_kept(const struct heald_queue *queue,
                                                       struct heald_participant *me)
{
    const struct queue *q = queue_at(queue);

    /* `id` before anything else: the region of a stale handle may be closed. */
    if (__builtin_expect(!__atomic_load_n(&me->id, __ATOMIC_RELAXED), 0))
        return NULL;
    const struct region_memo *memo = region_memo_of(me, q);
    const struct queue_view *v = queue_view_in(memo);
    bool is_kept = memo->object == q && v->ring.me == me &&
                   __atomic_load_n(&q->check, __ATOMIC_RELAXED) == v->check;
    return __builtin_expect(is_kept, 1) ? v : NULL;
}

/* Checks a queue that the caller has not used before. */
static inline int queue_view(const struct queue_view **ret, const struct heald_queue *queue,
                             struct heald_participant *me)
{
    *ret = queue_view_kept(queue, me);
    return __builtin_expect(*ret != NULL, 1) ? 0 : heald__queue_check(ret, queue, me);
}

/* The ring of a priority, which is valid; `other` is memory for it. */
static inline const struct ring *queue_ring(const struct queue_view *v, unsigned priority,
                                            struct ring *other)
{
    if (__builtin_expect(priority == 0, 1))
        return &v->ring;
    *other = v->ring;
    other->hints += priority;
    other->cells += priority * ((v->ring.mask + 1) * v->ring.stride);
    return other;
}

/* The caller is the only sender, or receiver, from now on. 0; -EPERM: another one is. */
int heald__queue_become(uint64_t *word, struct heald_participant *me);

/*
 * Neither waits. claim: a slot to send `size` bytes in. take: a message of at most `size` bytes;
 * thoroughly: also one that a receiver has left. 0; -EAGAIN: the queue is full, or empty, and whose
 * end is to be watched; errors as heald_queue_reserve() and heald_queue_peek().
 */
int heald__queue_claim(const struct queue_view *v, unsigned priority, size_t size,
                       struct heald_queue_slot *ret, struct ring_holder *holder);
int heald__queue_take(const struct queue_view *v, size_t size, bool thoroughly,
                      struct heald_queue_slot *ret, struct ring_holder *holder);

/* Nothing is there to receive. May a sender that has joined, or any if none has, still send?
 * -EAGAIN: yes, and whom to watch; -EPIPE; -EBADMSG. */
int heald__queue_any_sender(const struct queue_view *v, struct ring_holder *holder);

/* As heald_queue_commit(), heald_queue_abandon() and heald_queue_release(), of a slot that is the
 * caller's. 0, -EPROTO: it is not. */
int heald__queue_commit(const struct queue_view *v, const struct heald_queue_slot *slot,
                        size_t size);
int heald__queue_abandon(const struct queue_view *v, const struct heald_queue_slot *slot);
int heald__queue_release(const struct queue_view *v, const struct heald_queue_slot *slot);
int heald__queue_return(const struct queue_view *v, const struct heald_queue_slot *slot);

/* Does the caller have that slot, in that state? */
bool heald__queue_has_slot(const struct queue_view *v, const struct heald_queue_slot *slot,
                           enum cell_state state);

#endif
