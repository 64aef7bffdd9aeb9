/*
 * message/ring.c: see ring.h.
 *
 * A position is claimed in the cell that it falls on, if the cell is free since the lap before; so
 * positions are claimed in order and without gaps, and one that claims has seen that those before
 * are claimed. A message is taken in the same order, but for those that a receiver left. A cell
 * whose owner is gone is dealt with by whoever meets it: a claim becomes a free cell, which
 * receivers skip; a message that was taken is taken over, or, by a sender who needs the cell,
 * becomes full again.
 *
 * A receiver that finds nothing looks back over the cells that are still taken (from `first`) for
 * one whose owner is gone: so a message that was left is found before anybody sleeps, and otherwise
 * within a lap, by a sender.
 */
#include "message/ring.h"

#include "message/hand_over.h"

/* So many positions are passed at most: a hint is less than a lap behind, but for what others do
 * meanwhile. Cells that are corrupt may lead round without end. */
static uint64_t tries(const struct ring *r)
{
    return 8 * (r->mask + 1) + 4096;
}

/* The first position that may be free to send, after one whose cell is so many laps ahead. */
static uint64_t next_to_send(const struct ring *r, uint64_t position, int32_t ahead)
{
    return position + ((uint64_t)ahead << r->shift) + 1;
}

/* The first that may not have been received: those behind it may be one lap back. */
static uint64_t next_to_receive(const struct ring *r, uint64_t position, int32_t ahead)
{
    return position + ((uint64_t)(ahead > 0 ? ahead - 1 : 0) << r->shift) + 1;
}

/* Is the owner of a cell gone? Else it is one to watch. 0, -EOWNERDEAD, -EBADMSG. */
static int check_owner(const struct ring *r, uint64_t word, struct ring_holder *holder)
{
    uint64_t id = cell_id(r->me->region, word);
    int err = ring_is_gone(r->me, id, holder);

    /* No other releases what the caller has itself. */
    if (err || (cell_state(word) == CELL_TAKEN && id == r->me->id))
        return err;
    ring_watch(holder, id);
    return 0;
}

/* A receiver has died with a message. The flag before the change: who takes it sees both. One that
 * is stopped in between, and is late, may mark another message of this cell: that one is said to be
 * received again, and is not. The other order would lose the mark if it is killed in between. */
static void give_again(const struct ring *r, struct queue_cell *cell, uint64_t word,
                       uint64_t position)
{
    __atomic_store_n(&cell->flags, CELL_REDELIVERED, __ATOMIC_RELAXED);
    if (!cell_change(cell, word, cell_in_state(word, CELL_FULL)))
        return;
    if (ring_hint(&r->hints->head) > position)
        ring_set_hint(&r->hints->head, position);
    eventcount_notify(&r->bells->arrived);
}

static void set_free(struct queue_cell *cell, uint64_t word, uint32_t *bell)
{
    if (cell_change(cell, word, cell_in_state(word, CELL_FREE)))
        eventcount_notify(bell);
}

/* A sender needs a cell that is in use. 0: look at it again; -EAGAIN: it is in use; -EBADMSG. */
static int make_room(const struct ring *r, struct queue_cell *cell, uint64_t word,
                     uint64_t position, struct ring_holder *holder)
{
    enum cell_state state = cell_state(word);

    if (state == CELL_FULL)
        return -EAGAIN;
    int err = check_owner(r, word, holder);
    if (err != -EOWNERDEAD)
        return err ? err : -EAGAIN;
    if (state == CELL_TAKEN && !r->at_most_once)
        give_again(r, cell, word, position - r->mask - 1);
    else
        set_free(cell, word, &r->bells->room);
    return 0;
}

int heald__ring_claim(const struct ring *r, struct ring_cell *ret, struct ring_holder *holder)
{
    uint64_t p = ring_hint(&r->hints->tail), owner = r->owner;

    for (uint64_t left = tries(r); left;) {
        struct queue_cell *cell = ring_cell_at(r, p);
        uint64_t word = cell_load(cell), lap = ring_lap(r, p);
        int32_t ahead = cell_ahead(word, lap);
        if (ahead >= 0) {
            p = next_to_send(r, p, ahead);
            left--;
            continue;
        }
        if (ahead < -1)
            return -EBADMSG;
        bool drop = r->drops && cell_state(word) == CELL_FULL;
        if (cell_state(word) != CELL_FREE && !drop) {
            int err = make_room(r, cell, word, p, holder);
            if (err)
                return err;
            continue;
        }
        uint64_t mine = cell_word(lap, CELL_CLAIMED) | owner;
        if (!cell_change(cell, word, mine))
            continue;
        if (drop)
            __atomic_fetch_add(&r->bells->dropped, 1, __ATOMIC_RELAXED);
        ring_set_hint(&r->hints->tail, p + 1);
        *ret = (struct ring_cell){.cell = cell, .word = mine, .position = p};
        return 0;
    }
    return -EBADMSG;
}

/* Takes a cell that is full, or was left: `word`. 0; -EBUSY: it has changed; -EMSGSIZE. */
static int take_cell(const struct ring *r, struct queue_cell *cell, uint64_t word, size_t size,
                     uint64_t position, struct ring_cell *ret)
{
    /* Read before it is the caller's: right if the word is then still the same. */
    uint32_t bytes = __atomic_load_n(&cell->size, __ATOMIC_RELAXED);
    uint64_t mine = cell_owned(word, CELL_TAKEN, r->owner);

    if (bytes > size)
        return cell_load(cell) == word ? -EMSGSIZE : -EBUSY;
    if (!cell_change(cell, word, mine))
        return -EBUSY;
    bool left = cell_state(word) == CELL_TAKEN;
    *ret = (struct ring_cell){
        .cell = cell,
        .word = mine,
        .position = position,
        .size = bytes,
        .redelivered = left || __atomic_load_n(&cell->flags, __ATOMIC_RELAXED) & CELL_REDELIVERED};
    return 0;
}

/* A receiver meets a cell of its lap that has an owner. 0: taken; -EBUSY: look at it again;
 * -EAGAIN: the owner is there; -EMSGSIZE, -EBADMSG. */
static int meet(const struct ring *r, struct queue_cell *cell, uint64_t word, size_t size,
                uint64_t position, struct ring_cell *ret, struct ring_holder *holder)
{
    int err = check_owner(r, word, holder);

    if (err != -EOWNERDEAD)
        return err ? err : -EAGAIN;
    if (cell_state(word) == CELL_TAKEN && !r->at_most_once)
        return take_cell(r, cell, word, size, position, ret);
    set_free(cell, word, &r->bells->room);
    return -EBUSY;
}

/* Looks at the positions before `end` that are not free again: as heald__ring_take(). */
static int look_back(const struct ring *r, uint64_t end, size_t size, struct ring_cell *ret,
                     struct ring_holder *holder)
{
    uint64_t p = ring_hint(&r->hints->first), lowest = end;

    if (end - p > r->mask + 1)
        p = end > r->mask ? end - r->mask - 1 : 0;
    while (p < end) {
        struct queue_cell *cell = ring_cell_at(r, p);
        uint64_t word = cell_load(cell);
        enum cell_state state = cell_state(word);
        int err = -EAGAIN;
        if (cell_ahead(word, ring_lap(r, p)) == 0 && state != CELL_FREE) {
            err = state == CELL_FULL ? take_cell(r, cell, word, size, p, ret)
                                     : meet(r, cell, word, size, p, ret, holder);
            lowest = p < lowest ? p : lowest;
        }
        if (err == -EAGAIN)
            p++;
        else if (err != -EBUSY)
            return err;
    }
    ring_set_hint(&r->hints->first, lowest);
    return -EAGAIN;
}

int heald__ring_take(const struct ring *r, size_t size, bool thoroughly, struct ring_cell *ret,
                     struct ring_holder *holder)
{
    uint64_t p = ring_hint(&r->hints->head), left = tries(r);

    for (; left; left--) {
        struct queue_cell *cell = ring_cell_at(r, p);
        uint64_t word = cell_load(cell);
        int32_t ahead = cell_ahead(word, ring_lap(r, p));
        enum cell_state state = cell_state(word);
        int err = -EBUSY;
        if (ahead < -1)
            return -EBADMSG;
        if (ahead < 0)
            break;
        if (ahead == 0 && state == CELL_FULL)
            err = take_cell(r, cell, word, size, p, ret);
        else if (ahead == 0 && state == CELL_CLAIMED)
            err = meet(r, cell, word, size, p, ret, holder);
        else
            p = next_to_receive(r, p, ahead);
        if (err == 0)
            ring_set_hint(&r->hints->head, p + 1);
        if (err == -EAGAIN)
            break;
        if (err != -EBUSY)
            return err;
    }
    if (!left)
        return -EBADMSG;
    return thoroughly ? look_back(r, p, size, ret, holder) : -EAGAIN;
}

int heald__ring_return(const struct ring *r, const struct ring_cell *taken)
{
    if (cell_load(taken->cell) != taken->word)
        return -EPROTO;
    give_again(r, taken->cell, taken->word, taken->position);
    return 0;
}
