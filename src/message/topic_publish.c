/*
 * message/topic_publish.c: a sample gets its position, and subscribers are woken.
 *
 * The publisher claims the cell of the next position, puts the number of its chunk there, and hands
 * it over as a sender of a queue does (hand_over.h, with its argument why no subscriber sleeps in
 * vain). If it dies in between, the cell has no sample, and its chunk is a loan of one that is
 * gone.
 *
 * The gate. Position p takes the cell of p - n. With HEALD_TOPIC_BLOCK it is claimed only if the
 * subscriber has passed that. A subscriber that joins is seen here, or begins behind it: it is
 * ready before it reads the tail, and begins at most n - 1 positions before it (join() of
 * topic_subscribe.c). One that passed the gate before, and claims p after that, has found all
 * positions below p claimed: the tail was p.
 *
 * One that finds the gate closed watches a subscriber that is behind. If that takes a sample, or
 * leaves, it rings `room`; if it dies before it has rung, that wakes the publisher. All that are
 * behind must move, so one is enough to watch.
 */
#include "message/hand_over.h"
#include "message/topic.h"

/* Is it a ring behind? Its end is to be watched then. 0, -EAGAIN, -EBADMSG. */
static int pass(const struct topic_view *v, const struct topic_subscriber *s, uint64_t position,
                struct ring_holder *holder)
{
    /* Seq_cst: pairs with join(). */
    uint64_t owner = __atomic_load_n(&s->owner, __ATOMIC_SEQ_CST);

    if (!(owner & TOPIC_READY) ||
        __atomic_load_n(&s->policy, __ATOMIC_RELAXED) != HEALD_TOPIC_BLOCK)
        return 0;
    /* Acquire: pairs with set_cursor() of topic_take.c. */
    uint64_t cursor = __atomic_load_n(&s->cursor, __ATOMIC_ACQUIRE);
    if ((int64_t)(position - cursor) <= (int64_t)v->mask)
        return 0;
    int err = ring_is_gone(v->me, region_id(owner), holder);
    if (err)
        return err == -EOWNERDEAD ? 0 : err;
    holder->id = region_id(owner);
    holder->several = false;
    return -EAGAIN;
}

static int pass_gate(const struct topic_view *v, uint64_t position, struct ring_holder *holder)
{
    uint32_t joined = topic_joined(v);
    int err = 0;

    for (uint32_t i = 0; i < joined && !err; i++)
        err = pass(v, &v->subscribers[i], position, holder);
    return err;
}

/* The cell of a sample that is still being published, a lap ago. 0: its publisher is gone;
 * -EAGAIN, -EBADMSG. */
static int check_publisher(const struct topic_view *v, uint64_t word, struct ring_holder *holder)
{
    uint64_t id = cell_id(v->me->region, word);
    int err = ring_is_gone(v->me, id, holder);

    if (err)
        return err == -EOWNERDEAD ? 0 : err;
    holder->id = id;
    holder->several = false;
    return -EAGAIN;
}

/* May the cell of this position, which is of the lap before, be claimed? 0, -EAGAIN, -EBADMSG. */
static int check_claim(const struct topic_view *v, uint64_t word, uint64_t position,
                       struct ring_holder *holder)
{
    if (cell_state(word) == CELL_TAKEN)
        return -EBADMSG;
    int err = cell_state(word) == CELL_CLAIMED ? check_publisher(v, word, holder) : 0;
    return err ? err : pass_gate(v, position, holder);
}

static int claim(const struct topic_view *v, struct ring_cell *ret, struct ring_holder *holder)
{
    uint64_t p = __atomic_load_n(&v->t->tail, __ATOMIC_RELAXED);
    uint64_t owner = cell_owner(v->me->id);

    for (unsigned tries = topic_tries(v); tries; tries--) {
        int err = heald__topic_tail(v, &p);
        if (err)
            return err;
        struct queue_cell *cell = topic_cell_at(v, p);
        uint64_t word = cell_load(cell), lap = topic_lap(v, p);
        if (cell_ahead(word, lap) != -1)
            continue;
        if ((err = check_claim(v, word, p, holder)))
            return err;
        uint64_t mine = cell_word(lap, CELL_CLAIMED) | owner;
        if (!cell_change(cell, word, mine))
            continue;
        __atomic_store_n(&v->t->tail, p + 1, __ATOMIC_RELAXED);
        *ret = (struct ring_cell){.cell = cell, .word = mine, .position = p};
        return 0;
    }
    return -EAGAIN;
}

int heald__topic_publish(const struct topic_view *v, struct heald_topic_loan *loan,
                         struct ring_holder *holder)
{
    struct queue_cell *chunk = &v->chunks[loan->chunk];
    struct ring_cell got;
    int err = claim(v, &got, holder);

    if (err)
        return err;
    __atomic_store_n(&chunk->size, loan->bytes, __ATOMIC_RELAXED);
    __atomic_store_n(&got.cell->size, loan->chunk, __ATOMIC_RELAXED);
    if (cell_hand_over(got.cell, got.word, CELL_FULL, &v->t->arrived))
        return -EBADMSG;
    /* After the cell: see topic_chunk.c. */
    if (cell_hand_over_quietly(chunk, loan->word, CELL_FULL))
        return -EBADMSG;
    loan->data = NULL;
    /* The sample that was in the cell may have left a chunk. */
    eventcount_notify(&v->t->room);
    return 0;
}
