/*
 * await/waiter.h: how a loop waits for words of shared memory: the table of a waiter. `ring`: the
 * kernel waits for them, in an io_uring; `thread`: threads do.
 *
 * The ops that wait stand in wait queues (queue.h), one for each word. A waiter waits for the words
 * of the queues that it was given and says which of them ended, whatever the reason:
 * heald__wait_queue_ended(). While ops wait it calls heald__locks_tick() every
 * heald__locks_tick_ns(). All calls are made on the loop's thread.
 */
#ifndef HEALD_SRC_AWAIT_WAITER_H
#define HEALD_SRC_AWAIT_WAITER_H

#include "loop/loop.h"

#include <heald/futex.h>

#include "region/region.h"

struct heald_wait_queue;
struct heald_waiter_ops;

/* What an op waits for: what a participant does, or (region.me is NULL) words that others made.
 * Each op on those is notified by itself: the index of the one that was woken, plus 1, is left in
 * op->result. */
struct heald_wait {
    struct region_wait region;
    unsigned count; /* of the words; of one it is `few`, of more `words`, which stay there */
    struct heald_word few;
    const struct heald_futex *words;
};

static inline bool wait_is_futex(const struct heald_wait *wait)
{
    return !wait->region.me;
}

struct heald_waiter {
    const struct heald_waiter_ops *ops;
    struct heald_locks *locks;
    void *priv;
};

struct heald_waiter_ops {
    const char *name;
    size_t queue_size; /* of what it keeps of a queue, at whose beginning that is */

    /* 0; -ENOSYS: does not work here; -errno. */
    int (*open)(struct heald_waiter *waiter);
    void (*close)(struct heald_waiter *waiter);

    /* A new queue, whose memory is zeroed; and before that is freed. */
    void (*prepare)(struct heald_waiter *waiter, struct heald_wait_queue *queue);
    void (*release)(struct heald_waiter *waiter, struct heald_wait_queue *queue);

    /* Room for so many words more, all in this queue, or (NULL) each in another. 0, -ENOMEM,
     * -EAGAIN. */
    int (*reserve)(struct heald_waiter *waiter, struct heald_wait_queue *queue, unsigned words);

    /* Waits for the words of the queue until one is woken or differs. False: there is no room. */
    bool (*arm)(struct heald_waiter *waiter, struct heald_wait_queue *queue);

    /* Asks for the end of that; heald__wait_queue_ended() reports it, perhaps before this
     * returns. */
    void (*disarm)(struct heald_waiter *waiter, struct heald_wait_queue *queue);

    /* Makes all that was asked for happen, and reports what has ended already, if it can. */
    void (*flush)(struct heald_waiter *waiter);
};

extern const struct heald_waiter_ops heald__waiter_ring, heald__waiter_thread;

/* Is what HEALD_AWAIT names known? As heald__choice_check(). */
int heald__waiter_check(struct heald_why *ret_why);

/* The waiter of HEALD_AWAIT, or the first that works. 0 or -errno; -EINVAL: there is no such
 * waiter. */
int heald__waiter_open(struct heald_waiter *waiter, struct heald_locks *locks);

#endif
