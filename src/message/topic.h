/*
 * message/topic.h: a topic as it lies in a region, and what the calls share.
 *
 * The ring: cells as those of a queue (cell.h), whose `size` is the number of a chunk. Position p
 * lies in cell p mod n, in lap p / n + 1. A cell of the lap before is claimed for the next sample,
 * whatever is in it: subscribers have no part in that.
 *
 *   FULL or FREE (l) -> CLAIMED(l + 1, publisher) -> FULL(l + 1), or, if that died, FREE(l + 1)
 *
 * The chunks: a cell each, whose `size` is the bytes of the sample; its lap counts how often the
 * chunk was on loan.
 *
 *   FREE(n) -> CLAIMED(n + 1, publisher) -> FULL(n + 1) -> FREE(n + 1)
 *
 * Who may have a chunk that is FULL, and when it becomes free, is in topic_chunk.c.
 */
#ifndef HEALD_SRC_MESSAGE_TOPIC_H
#define HEALD_SRC_MESSAGE_TOPIC_H

#include <heald/await.h>
#include <heald/topic.h>

#include "base/round.h"
#include "message/ring.h"

#include <errno.h>
#include <stdalign.h>

/* Bits of topic_subscriber.owner, beside the id of the owner: it is ready; how often the record was
 * in use counts above that. */
enum { TOPIC_READY = 1, TOPIC_USE = 2 };

/* A subscriber. Written by its owner alone, except that one that finds it without an owner, or with
 * one that is gone, may become its owner. All members are atomic. */
struct topic_subscriber {
    alignas(64) uint64_t owner; /* 0: nobody */
    uint64_t cursor;            /* the next position to take */
    uint64_t lost;              /* positions that it has not taken, and is not to take any more */
    uint64_t told;              /* how many of these the samples that it took have reported */
    uint32_t policy;
    alignas(64) uint64_t holds[HEALD_TOPIC_HOLDS_MAX]; /* topic_hold(); 0: none */
};

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): what changes together shares a line */
struct topic {
    /* As it was made. */
    uint32_t capacity, history, chunks, subscribers, holds, type_align;
    uint64_t sample_max, type_size;
    char version[HEALD_TOPIC_VERSION_MAX + 1];
    uint64_t check; /* of all of the above */
    /* Atomic. Hints: all truth is in the cells. */
    alignas(64) uint64_t tail; /* all positions below were claimed */
    uint32_t next;             /* where to look for a free chunk */
    uint32_t joined;           /* all subscribers have a lower index; never decreases */
    /* Event counts: of those that wait for a sample; for a chunk, or for a subscriber to take one;
     * for a subscriber, or its end. */
    alignas(64) uint32_t arrived;
    alignas(64) uint32_t room;
    uint32_t presence;
};

/* A topic that was checked, in the hands of a participant; as struct queue_view. */
struct topic_view {
    struct topic *t;
    uint64_t check;
    struct heald_participant *me;
    struct queue_cell *cells, *chunks;
    struct topic_subscriber *subscribers;
    char *data;
    size_t stride, sample_max, type_size;
    uint32_t mask;  /* of a position: the number of its cell */
    uint32_t shift; /* a position in laps */
    uint32_t chunk_count, subscriber_count, holds, history;
    bool is_fenced; /* takes part in heavy barriers (platform/fence.h) */
};

_Static_assert(sizeof(struct topic_view) <= sizeof(uint64_t[15]), "a memo has room");

/* The memory of a topic begins at the first cache line in it. */
static inline struct topic *topic_at(const struct heald_topic *topic)
{
    return (struct topic *)(((uintptr_t)topic + 63) & ~(uintptr_t)63);
}

/* The options of a topic, complete. */
struct topic_made {
    uint32_t capacity, history, chunks, subscribers, holds, align;
    uint64_t sample_max, type_size;
    char version[HEALD_TOPIC_VERSION_MAX + 1];
};

/* Where the parts of a topic are, from its beginning. */
struct topic_parts {
    uint64_t cells, chunks, subscribers, data, stride, end;
};

/* The samples that a ring has room for. */
static inline uint32_t topic_ring_of(uint32_t capacity, uint32_t history)
{
    return (uint32_t)round_to_power(capacity + history);
}

/* What follows from how a topic at an address was made. False: no topic has such numbers. */
bool heald__topic_shape(const struct topic_made *m, uint64_t address, uint64_t *ret_check,
                        struct topic_parts *ret_parts);

/* What is in the head of a topic, read once. 0, -EBADMSG. */
int heald__topic_read_head(struct topic_made *m, uint64_t *ret_check, struct topic_parts *ret_parts,
                           const struct topic *t, const struct heald_region *region);

/* Checks a topic. 0; -ESTALE, -EBADMSG. */
int heald__topic_check(const struct topic_view **ret, const struct heald_topic *topic,
                       struct heald_participant *me);

/* The same, of one that the caller has used before. */
static inline int topic_view(const struct topic_view **ret, const struct heald_topic *topic,
                             struct heald_participant *me)
{
    struct topic *t = topic_at(topic);

    /* `id` before anything else: the region of a stale handle may be closed. */
    if (__builtin_expect(!__atomic_load_n(&me->id, __ATOMIC_RELAXED), 0))
        return -ESTALE;
    struct region_memo *memo = region_memo_of(me, t);
    const struct topic_view *v = (const struct topic_view *)(void *)memo->words;
    *ret = v;
    /* What the check says of the topic is what it was when it was checked. */
    if (__builtin_expect(memo->object == t && v->me == me &&
                             __atomic_load_n(&t->check, __ATOMIC_RELAXED) == v->check,
                         1))
        return 0;
    return heald__topic_check(ret, topic, me);
}

static inline struct queue_cell *topic_cell_at(const struct topic_view *v, uint64_t position)
{
    return &v->cells[position & v->mask];
}

static inline uint64_t topic_lap(const struct topic_view *v, uint64_t position)
{
    return (position >> v->shift) + 1;
}

/* How far a loop over cells goes before it gives up: they are corrupt, or others are faster. */
static inline unsigned topic_tries(const struct topic_view *v)
{
    return 4 * (v->mask + 1024);
}

static inline void *topic_data(const struct topic_view *v, uint32_t chunk)
{
    return v->data + chunk * v->stride;
}

static inline uint64_t topic_hold(uint64_t position, uint32_t chunk)
{
    return position << 32 | (chunk + 1);
}

/* How many subscribers are to be asked: those with a lower index. */
static inline uint32_t topic_joined(const struct topic_view *v)
{
    /* Seq_cst: pairs with count_in() of topic_subscribe.c. */
    uint32_t joined = __atomic_load_n(&v->t->joined, __ATOMIC_SEQ_CST);
    return joined < v->subscriber_count ? joined : v->subscriber_count;
}

/*
 * From a position of which all below were claimed, to the first that is not. 0; -EBADMSG; -EAGAIN:
 * others claim them faster than the caller looks.
 */
int heald__topic_tail(const struct topic_view *v, uint64_t *position);

/* None of these waits. 0; -EAGAIN, and whose end is to be watched; errors as the function of the
 * header. */
int heald__topic_borrow(const struct topic_view *v, struct heald_topic_loan *ret,
                        struct ring_holder *holder);
int heald__topic_publish(const struct topic_view *v, struct heald_topic_loan *loan,
                         struct ring_holder *holder);
int heald__topic_take(const struct topic_view *v, struct topic_subscriber *s,
                      const struct heald_topic_subscriber *subscriber,
                      struct heald_topic_sample *ret, struct ring_holder *holder);
int heald__topic_look_for(const struct topic_view *v, enum heald_topic_event event,
                          struct ring_holder *holder);

/* Is it the caller's, of the topic that it names? 0, -EINVAL, -ESTALE, -EBADMSG. publish: and may
 * it have this size? -EMSGSIZE. */
int heald__topic_check_loan(const struct topic_view **ret, const struct heald_topic_loan *loan,
                            struct heald_participant *me);
int heald__topic_check_publish(const struct topic_view **ret, struct heald_topic_loan *loan,
                               size_t size, struct heald_participant *me);
int heald__topic_check_subscriber(const struct topic_view **ret, struct topic_subscriber **ret_s,
                                  const struct heald_topic_subscriber *subscriber,
                                  struct heald_participant *me);

#endif
