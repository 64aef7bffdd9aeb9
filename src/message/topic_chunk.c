/*
 * message/topic_chunk.c: chunks on loan, and when a chunk is free again.
 *
 * A chunk that was published is in a cell of the ring, until that is claimed for another sample;
 * and subscribers may hold it, each of which has it in a hold cell of its own. Nothing counts these
 * uses: a chunk that is looked for is found free by looking for it in all of them (hazard pointers:
 * M. Michael, Hazard Pointers: Safe Memory Reclamation for Lock-Free Objects, 2004).
 *
 *   take                                     reclaim
 *   a  read the cell of the ring: chunk c      1  read the words of the chunks: c is FULL
 *   b  store c in a hold cell                  2  read the cells of the ring: c is in none
 *   c  read the cell of the ring again:        3  read the hold cells: c is in none of them
 *      if it is as in (a), c is held           4  compare-and-swap of the word of c that was read
 *                                                 at (1): c is FREE
 *
 * - A chunk becomes FULL after the cell that it is in, and is never put in another one in the same
 *   lap of its word. So if (4) succeeds, c was in the ring when (1) read it, or had been; and it
 *   had left the ring when (2) looked, and does not return.
 * - All of these accesses are sequentially consistent. If (3) is before (b), (2) is before (c), so
 *   (c) finds the cell changed, and c is not held. If (b) is before (3), (3) finds it.
 * - A hold cell that is stored and then not confirmed at (c) keeps a chunk from being reclaimed for
 *   as long as it is there; no more.
 *
 * Deaths. The hold cells of a subscriber whose owner is gone do not count, so nothing is cleared
 * for it: one that has died between (b) and (c) confirms nothing any more. A record
 * whose owner is found gone at (3), and which then gets a new one, is not missed: that one begins
 * with (a) after (2). A loan of a
 * participant that is gone is treated as a chunk that is FULL: if it died after its cell was FULL,
 * it is in the ring; if before, in none, and the cell never becomes FULL.
 *
 * Model: test/model/topic.pml.
 */
#include "message/hand_over.h"
#include "message/topic.h"

#include <string.h>

/* How many chunks are reclaimed with one look at the ring. */
enum { BATCH = 256 };

struct batch {
    uint32_t first, count;
    uint64_t words[BATCH]; /* of the chunks, as they were; only where they are candidates */
    uint64_t candidates[BATCH / 64];
};

static void add(struct batch *b, uint32_t i)
{
    b->candidates[i / 64] |= UINT64_C(1) << i % 64;
}

static bool is_candidate(const struct batch *b, uint32_t i)
{
    return i < b->count && b->candidates[i / 64] >> i % 64 & 1;
}

/* It is in use, or is no chunk of the batch. */
static void drop(struct batch *b, uint32_t i)
{
    if (i < b->count)
        b->candidates[i / 64] &= ~(UINT64_C(1) << i % 64);
}

static bool has_candidates(const struct batch *b)
{
    uint64_t any = 0;

    for (unsigned i = 0; i < BATCH / 64; i++)
        any |= b->candidates[i];
    return any;
}

/* Is the owner of a loan gone? Else its end is to be watched, unless it is the caller. `last` is
 * the last one that was asked, and is there. */
static bool is_left(const struct topic_view *v, uint64_t word, uint64_t *last,
                    struct ring_holder *holder)
{
    uint64_t id = cell_id(v->me->region, word);

    if (id == *last || id == v->me->id)
        return false;
    if (ring_is_gone(v->me, id, holder) == -EOWNERDEAD)
        return true;
    ring_watch(holder, id);
    *last = id;
    return false;
}

/* (1): all that are published, and the loans of those that are gone. */
static void read_words(const struct topic_view *v, struct batch *b, struct ring_holder *holder)
{
    uint64_t last = 0;

    for (uint32_t i = 0; i < b->count; i++) {
        uint64_t word = cell_load(&v->chunks[b->first + i]);
        enum cell_state state = cell_state(word);
        b->words[i] = word;
        if (state == CELL_FULL || (state == CELL_CLAIMED && is_left(v, word, &last, holder)))
            add(b, i);
    }
}

/* (2). A cell that is claimed has no chunk: what was in it has left, and what is to be in it is a
 * loan. */
static void read_ring(const struct topic_view *v, struct batch *b)
{
    for (uint32_t i = 0; i <= v->mask; i++)
        if (cell_state(cell_load(&v->cells[i])) == CELL_FULL)
            drop(b, __atomic_load_n(&v->cells[i].size, __ATOMIC_RELAXED) - b->first);
}

/* (3), of a subscriber that has this owner, or had. Whether that is gone is asked only if it
 * matters. Seq_cst: pairs with confirm() of topic_take.c. */
static void read_holds_of(const struct topic_view *v, const struct topic_subscriber *s,
                          uint64_t owner, struct batch *b, struct ring_holder *holder)
{
    bool is_there = owner == v->me->id;

    for (uint32_t k = 0; k < v->holds; k++) {
        uint32_t chunk = (uint32_t)__atomic_load_n(&s->holds[k], __ATOMIC_SEQ_CST) - 1;
        if (!is_candidate(b, chunk - b->first))
            continue;
        /* One whose owner cannot be holds as well. */
        if (!is_there && ring_is_gone(v->me, owner, holder) == -EOWNERDEAD)
            return;
        is_there = true;
        drop(b, chunk - b->first);
        ring_watch(holder, owner);
    }
}

static void read_holds(const struct topic_view *v, struct batch *b, struct ring_holder *holder)
{
    uint32_t joined = topic_joined(v);

    for (uint32_t i = 0; i < joined; i++) {
        const struct topic_subscriber *s = &v->subscribers[i];
        /* Seq_cst: pairs with acquire() of topic_subscribe.c. */
        uint64_t owner = region_id(__atomic_load_n(&s->owner, __ATOMIC_SEQ_CST));
        if (owner)
            read_holds_of(v, s, owner, b, holder);
    }
}

static bool borrow(const struct topic_view *v, uint32_t chunk, uint64_t word,
                   struct heald_topic_loan *ret)
{
    struct queue_cell *cell = &v->chunks[chunk];
    uint64_t lap = (word >> CELL_LAP_SHIFT) + 1;
    uint64_t mine = cell_word(lap, CELL_CLAIMED) | cell_owner(v->me->id);

    if (!cell_change(cell, word, mine))
        return false;
    __atomic_store_n(&v->t->next, chunk + 1, __ATOMIC_RELAXED);
    ret->data = topic_data(v, chunk);
    ret->size = v->sample_max;
    ret->word = mine;
    ret->chunk = chunk;
    return true;
}

/* (4): one for the caller, unless it has one; the others are free. How many there were. */
static unsigned reclaim(const struct topic_view *v, const struct batch *b,
                        struct heald_topic_loan *ret)
{
    unsigned n = 0;

    for (uint32_t i = 0; i < b->count; i++) {
        if (!is_candidate(b, i))
            continue;
        if (n == 0)
            n += borrow(v, b->first + i, b->words[i], ret);
        else
            n += cell_change(&v->chunks[b->first + i], b->words[i],
                             cell_in_state(b->words[i], CELL_FREE));
    }
    return n;
}

static bool reclaim_from(const struct topic_view *v, uint32_t first, struct heald_topic_loan *ret,
                         struct ring_holder *holder)
{
    struct batch b;

    memset(b.candidates, 0, sizeof b.candidates);
    b.first = first;
    b.count = v->chunk_count - first < BATCH ? v->chunk_count - first : BATCH;
    read_words(v, &b, holder);
    if (!has_candidates(&b))
        return false;
    read_ring(v, &b);
    if (!has_candidates(&b))
        return false;
    read_holds(v, &b, holder);
    unsigned n = reclaim(v, &b, ret);
    /* The others are for those that sleep, and the caller is the only one that knows. */
    if (n > 1)
        eventcount_notify(&v->t->room);
    return n;
}

int heald__topic_borrow(const struct topic_view *v, struct heald_topic_loan *ret,
                        struct ring_holder *holder)
{
    uint32_t count = v->chunk_count;
    uint32_t next = __atomic_load_n(&v->t->next, __ATOMIC_RELAXED);

    next = next < count ? next : 0;
    for (uint32_t n = 0, i = next; n < count; n++, i = i + 1 < count ? i + 1 : 0) {
        uint64_t word = cell_load(&v->chunks[i]);
        if (cell_state(word) == CELL_FREE && borrow(v, i, word, ret))
            return 0;
    }
    uint32_t batches = (count + BATCH - 1) / BATCH;
    for (uint32_t n = 0; n < batches; n++)
        if (reclaim_from(v, (next / BATCH + n) % batches * BATCH, ret, holder))
            return 0;
    return -EAGAIN;
}

int heald__topic_check_loan(const struct topic_view **ret, const struct heald_topic_loan *loan,
                            struct heald_participant *me)
{
    if (!loan->data || !loan->topic)
        return -EINVAL;
    int err = topic_view(ret, loan->topic, me);
    if (err)
        return err;
    const struct topic_view *v = *ret;
    uint64_t word = loan->word;
    bool is_mine = loan->chunk < v->chunk_count && topic_data(v, loan->chunk) == loan->data &&
                   cell_load(&v->chunks[loan->chunk]) == word &&
                   cell_owned(word, CELL_CLAIMED, cell_owner(me->id)) == word;
    return is_mine ? 0 : -EINVAL;
}

int heald_topic_return(struct heald_topic_loan *loan, struct heald_participant *me)
{
    const struct topic_view *v;
    int err = heald__topic_check_loan(&v, loan, me);

    if (err)
        return err;
    struct queue_cell *cell = &v->chunks[loan->chunk];
    if (cell_hand_over(cell, loan->word, CELL_FREE, &v->t->room))
        return -EINVAL;
    loan->data = NULL;
    return 0;
}

int heald_topic_give(struct heald_topic_loan *loan, struct heald_participant *me,
                     struct heald_participant *to)
{
    const struct topic_view *v;
    int err = heald__topic_check_loan(&v, loan, me);

    if (err)
        return err;
    /* Relaxed: the thread that is `to` passes through what the program orders the two with. */
    uint64_t id = __atomic_load_n(&to->id, __ATOMIC_RELAXED);
    if (!id)
        return -ESRCH;
    if (to->region != me->region)
        return -EINVAL;
    uint64_t word = cell_owned(loan->word, CELL_CLAIMED, cell_owner(id));
    if (!cell_change(&v->chunks[loan->chunk], loan->word, word))
        return -EINVAL;
    loan->word = word;
    return 0;
}
