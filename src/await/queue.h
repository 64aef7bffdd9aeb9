/*
 * await/queue.h: wait queues: which ops of a loop wait for which words of shared memory, and which
 * of them a wake concerns. Known to lock.c, which tries the ops, and to the waiters, which wait for
 * the words. The loop's thread, but for what a waiter's threads read of a queue
 * (heald__wait_queue_word()).
 */
#ifndef HEALD_SRC_AWAIT_QUEUE_H
#define HEALD_SRC_AWAIT_QUEUE_H

#include "await/waiter.h"
#include "base/list.h"

enum heald_queue_state {
    QUEUE_IDLE, /* nobody waits for its words */
    QUEUE_ARMED,
    QUEUE_LEAVING /* as armed, and its end was asked for */
};

/* A wait queue: a word, or the words of one op, and the entries that wait for it. Armed and
 * disarmed by queue.c alone. */
struct heald_wait_queue {
    struct heald_link all;         /* of the loop */
    struct heald_link free;        /* while nobody waits here and it is idle */
    struct heald_wait_queue *next; /* in the table of words */
    struct heald_link places;      /* of the entries that wait here */
    uint64_t holder;               /* of a lifeline: the holder found alive at the tick `asked` */
    unsigned asked;
    enum heald_queue_state state;
    bool wakes_one;                 /* a change of the word wakes one of its waiters */
    bool is_listed;                 /* in the table of words */
    unsigned count;                 /* of the words; does not change while the queue is not idle */
    struct heald_word word;         /* the word, or */
    const struct heald_futex *many; /* the words of others, or NULL */
};

/* Where an entry waits: at the queue, or (NULL) at none. */
struct heald_wait_place {
    struct heald_link link;
    struct heald_wait_queue *queue;
    struct heald_entry *entry;
};

/* A wait queue entry: an op that waits; the op's aux.next points to it. What a participant waits
 * for shows in up to REGION_WORDS words, at a queue each. */
struct heald_entry {
    struct heald_op *op;
    uint64_t number;         /* in the order of submission */
    struct heald_link due;   /* while it is to be tried; while nobody has it, of the free ones */
    struct heald_entry *all; /* of the loop */
    struct heald_wait wait;
    struct heald_wait_place places[REGION_WORDS];
};

/* The ops of a loop that wait for what lies in shared memory. */
struct heald_locks {
    struct heald_loop *loop;
    struct heald_waiter waiter;
    struct heald_link pending; /* by op->link, in the order of submission */
    unsigned ticks;
    uint64_t tries;           /* of ops that were due, for the tests */
    struct heald_link *next;  /* of `pending`: where the round of heald__locks_tick() is */
    unsigned count, others;   /* pending; and of these, on what others made */
    uint64_t number;          /* of the last entry */
    struct heald_link due;    /* entries that are to be tried; then loop->try is set */
    struct heald_link queues; /* all, and those that are free */
    struct heald_link free_queues, free_entries;
    struct heald_entry *entries; /* all */
    unsigned queue_count, table_size;
    struct heald_wait_queue **table; /* by word; table_size is a power of two, or 0 */
};

static inline struct heald_entry *entry_of(const struct heald_op *op)
{
    return heald_container_of(op->aux.next, struct heald_entry, due);
}

/* 0; -ENOMEM, or what opening a waiter gives. */
int heald__locks_open(struct heald_loop *loop);
void heald__locks_close(struct heald_locks *locks);

/* Room for one op more, of so many words, at a queue each or at one that is the op's own. 0,
 * -ENOMEM, -EAGAIN. */
int heald__locks_reserve(struct heald_locks *locks, unsigned words, bool alone);

/* An op is pending from now on, and then not any more. There is room. */
struct heald_entry *heald__locks_add(struct heald_locks *locks, struct heald_op *op);
void heald__locks_remove(struct heald_locks *locks, struct heald_op *op);

/* Puts an entry to the queues of the words of entry->wait, and takes it from others. */
void heald__entry_wait(struct heald_locks *locks, struct heald_entry *entry);

/* Asks that no wake go to this entry any more, whose words are others'. False: not yet; it is due
 * when that is so. */
bool heald__entry_withdraw(struct heald_locks *locks, struct heald_entry *entry);

/* It is to be tried. */
void heald__entry_due(struct heald_locks *locks, struct heald_entry *entry);
void heald__locks_all_due(struct heald_locks *locks);

/* Moves those that are due to an empty list, in the order of submission. */
void heald__locks_fetch_due(struct heald_locks *locks, struct heald_link *ret_batch);

/*
 * From a waiter. ended: nobody waits for the words of the queue any more; `woken` is the index of
 * the one that was woken, or negative: none was, or it is not known. tick: heald__locks_tick_ns()
 * have passed, while ops wait.
 */
void heald__wait_queue_ended(struct heald_locks *locks, struct heald_wait_queue *queue, int woken);
void heald__locks_tick(struct heald_locks *locks);
int64_t heald__locks_tick_ns(const struct heald_locks *locks);

static inline struct heald_word heald__wait_queue_word(const struct heald_wait_queue *queue,
                                                       unsigned i)
{
    return queue->many ? (struct heald_word){queue->many[i].word, queue->many[i].expected}
                       : queue->word;
}

#endif
