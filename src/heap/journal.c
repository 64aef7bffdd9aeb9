/*
 * heap/journal.c: entering the heap, and the journal. Any thread, as the participant it is.
 *
 * An undo journal: before a word is changed, its place and its old value are recorded, and then
 * counted. A process that is killed inside leaves the mutex to the next with -EOWNERDEAD, which
 * restores, last first, all that is counted, and begins anew; if it is killed too, the next does it
 * once more, with the same result. The change is committed when the count is 0 again: one store.
 *
 * Order: a process is killed between two instructions, and what it stored before is in memory, so
 * the compiler alone must be kept from moving stores: a signal fence. The mutex carries them from
 * one processor to another.
 */
#include "heap/journal.h"

#include <errno.h>

/* Is it the place of a word that the journal may speak of? */
static bool is_word(const struct heald_region *region, uint64_t at)
{
    return at >= region->names_at && at % sizeof(uint64_t) == 0 &&
           at + sizeof(uint64_t) <= region_size(region);
}

static void put(struct heald_region *region, uint64_t at, uint64_t value)
{
    /* Release: pairs with readers of names from outside. */
    __atomic_store_n((uint64_t *)(void *)(region->base + at), value, __ATOMIC_RELEASE);
}

static void in_this_order(void)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* Nothing that is counted was done. */
static int roll_back(struct journal *v)
{
    struct heap *s = v->heap;
    uint64_t count = s->change_count;

    if (count > HEAP_JOURNAL)
        return -EBADMSG;
    for (uint64_t i = count; i-- > 0;) {
        struct journal_change c = {__atomic_load_n(&s->changes[i].at, __ATOMIC_RELAXED),
                                   s->changes[i].old};
        if (is_word(v->region, c.at))
            put(v->region, c.at, c.old);
    }
    in_this_order();
    s->change_count = 0;
    in_this_order();
    return 0;
}

int heald__journal_begin(struct journal *v, struct heald_participant *me)
{
    *v = (struct journal){.me = me};
    if (!me->id)
        return -ESTALE;
    v->region = me->region;
    if (v->region->heap_at == v->region->first_size)
        return -ENOSYS;
    v->heap = (struct heap *)(void *)(v->region->base + v->region->heap_at);
    int err = heald_mutex_lock(&v->heap->mutex, me, HEALD_FOREVER);
    if (err == -EOWNERDEAD)
        err = heald_mutex_consistent(&v->heap->mutex, me);
    if (err)
        return err == -ENOTRECOVERABLE || err == -EDEADLK ? -EBADMSG : err;
    err = roll_back(v);
    return err ? heald__journal_end(v, err) : 0;
}

void heald__journal_set(struct journal *v, uint64_t *word, uint64_t value)
{
    struct heap *s = v->heap;
    uint64_t at = (uint64_t)((char *)word - v->region->base);

    if (!is_word(v->region, at) || s->change_count >= HEAP_JOURNAL) {
        v->is_corrupt = true;
        return;
    }
    s->changes[s->change_count] = (struct journal_change){at, *word};
    in_this_order();
    s->change_count++;
    in_this_order();
    put(v->region, at, value);
}

void heald__journal_commit(struct journal *v)
{
    in_this_order();
    if (!v->is_corrupt)
        v->heap->change_count = 0;
    /* What is written down next takes the place of what was counted. */
    in_this_order();
}

int heald__journal_end(struct journal *v, int err)
{
    if (v->is_corrupt)
        err = -EBADMSG;
    if (err)
        roll_back(v);
    else
        heald__journal_commit(v);
    heald_mutex_unlock(&v->heap->mutex, v->me);
    return err;
}
