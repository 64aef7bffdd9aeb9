/*
 * region/wait_queue.c: which participant waits for what, since when. A place is written by the
 * thread that is the participant alone, and read by any.
 *
 * The order is that of tickets, which are drawn from a counter of the region: no two are the same,
 * and one that comes after another has its place has a greater one. No clock decides: those of two
 * name spaces differ. One that has drawn a ticket and has no place is not waited for: if it dies
 * between the two, or is stopped, it holds up no other; nor is the number missed. 2^64 are never
 * drawn: at one a nanosecond they last for 580 years.
 *
 * A search of a queue reads only the slots whose bit is set in `waiting` of the header: so it costs
 * the number of waiters, and a word for each 64 slots. A participant sets its bit before its first
 * place, and clears it after its last: so one whose place is seen is not skipped. One that dies
 * leaves the bit, and the next one in that slot clears it.
 *
 * A reader may find a place half written, or given up a moment ago. Tools then show an old state. A
 * fair lock checks again whenever something has changed: one that leaves wakes those behind, and a
 * death is detected.
 */
#include "platform/sys.h"
#include "region/region.h"

#define NONE UINT64_MAX

/* Relaxed: two that draw need no more than two numbers. */
static uint64_t draw_ticket(struct heald_region *region)
{
    return __atomic_fetch_add(&region_head_of(region)->tickets, 1, __ATOMIC_RELAXED);
}

static uint64_t *waiting_of(const struct heald_region *region, unsigned slot)
{
    return &region_head_of(region)->waiting[slot / 64];
}

static uint64_t waiting_bit(unsigned slot)
{
    return UINT64_C(1) << slot % 64;
}

static unsigned slot_index(const struct heald_participant *me)
{
    return (unsigned)(me->slot - me->region->slots);
}

/* Before the participant has a place. Seq_cst: pairs with next_waiting(): a search that does not
 * see it comes before this one compares the word that it is about to sleep on. */
static void set_waiting(const struct heald_participant *me)
{
    unsigned slot = slot_index(me);

    __atomic_fetch_or(waiting_of(me->region, slot), waiting_bit(slot), __ATOMIC_SEQ_CST);
}

/* Release: after the places that were emptied. */
static void clear_waiting(struct heald_region *region, unsigned slot)
{
    __atomic_fetch_and(waiting_of(region, slot), ~waiting_bit(slot), __ATOMIC_RELEASE);
}

/* The first slot from this one on whose participant may wait for something; slot_count: none. */
static unsigned next_waiting(const struct heald_region *region, unsigned slot)
{
    while (slot < region->slot_count) {
        /* Seq_cst: pairs with set_waiting(). */
        uint64_t word = __atomic_load_n(waiting_of(region, slot), __ATOMIC_SEQ_CST) >> slot % 64;

        if (word) {
            slot += (unsigned)__builtin_ctzll(word);
            return slot < region->slot_count ? slot : region->slot_count;
        }
        slot = (slot / 64 + 1) * 64;
    }
    return region->slot_count;
}

/* Relaxed: the object is stored last, with release, and loaded first, with acquire. */
static void fill(struct region_place *place, const struct heald_participant *me, uint64_t object,
                 enum heald_object_type kind, unsigned flags, int64_t deadline_ns)
{
    __atomic_store_n(&place->ticket, draw_ticket(me->region), __ATOMIC_RELAXED);
    __atomic_store_n(&place->since, heald__plat_now(HEALD_CLOCK_MONOTONIC), __ATOMIC_RELAXED);
    __atomic_store_n(&place->deadline, deadline_ns, __ATOMIC_RELAXED);
    __atomic_store_n(&place->site, me->site, __ATOMIC_RELAXED);
    __atomic_store_n(&place->kind, kind, __ATOMIC_RELAXED);
    __atomic_store_n(&place->flags, flags, __ATOMIC_RELAXED);
    __atomic_store_n(&place->object, object, __ATOMIC_RELEASE);
}

static uint64_t object_of(const struct region_place *place)
{
    return __atomic_load_n(&place->object, __ATOMIC_ACQUIRE);
}

unsigned heald__region_enqueue(struct heald_participant *me, const void *object,
                               enum heald_object_type kind, unsigned flags, int64_t deadline_ns)
{
    uint64_t offset = heald_offset(me->region, object);

    if (!offset)
        return 0;
    set_waiting(me);
    for (unsigned i = 0; i < REGION_PLACES; i++)
        if (!object_of(&me->slot->places[i])) {
            fill(&me->slot->places[i], me, offset, kind, flags, deadline_ns);
            return i + 1;
        }
    /* Seq_cst: pairs with is_anybody_unlisted(): as a place that is filled. */
    __atomic_fetch_add(&me->slot->unlisted, 1, __ATOMIC_SEQ_CST);
    return REGION_PLACES + 1;
}

void heald__region_set_deadline(const struct heald_participant *me, unsigned place,
                                int64_t deadline_ns)
{
    if (!place || place > REGION_PLACES)
        return;
    struct region_place *p = &me->slot->places[place - 1];
    unsigned flags = __atomic_load_n(&p->flags, __ATOMIC_RELAXED) & ~(unsigned)HEALD_WAIT_DEADLINE;

    if (deadline_ns != HEALD_FOREVER)
        flags |= HEALD_WAIT_DEADLINE;
    /* Relaxed: for people. A tool that reads between the two sees one of the old. */
    __atomic_store_n(&p->deadline, deadline_ns, __ATOMIC_RELAXED);
    __atomic_store_n(&p->flags, flags, __ATOMIC_RELAXED);
}

int64_t heald__region_stamp(const struct heald_participant *me)
{
    int64_t now = me->is_traced ? heald__plat_now(HEALD_CLOCK_MONOTONIC) : heald__plat_now_coarse();

    return now & ~(int64_t)REGION_AT_LEAST;
}

void heald__region_note_wait(const struct heald_participant *me, uint64_t holder, int64_t *since)
{
    unsigned slot = region_id_slot(holder);
    int64_t none = 0;

    if (slot >= me->region->slot_count || __atomic_load_n(since, __ATOMIC_RELAXED) ||
        !heald__region_is_clock_of(me->region, &me->region->slots[slot]))
        return;
    __atomic_compare_exchange_n(since, &none,
                                heald__plat_now(HEALD_CLOCK_MONOTONIC) | REGION_AT_LEAST, false,
                                __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

void heald__region_note_wait_for(const struct heald_participant *me, uint64_t holder,
                                 const void *object)
{
    uint64_t at = (uint64_t)((const char *)object - me->region->base);
    unsigned slot = region_id_slot(holder);

    if (slot >= me->region->slot_count)
        return;
    struct region_note *note = region_note_of(&me->region->slots[slot], at);
    if (__atomic_load_n(&note->object, __ATOMIC_ACQUIRE) == at)
        heald__region_note_wait(me, holder, &note->since);
}

static bool has_place(const struct region_slot *slot)
{
    for (unsigned i = 0; i < REGION_PLACES; i++)
        if (object_of(&slot->places[i]))
            return true;
    return __atomic_load_n(&slot->unlisted, __ATOMIC_RELAXED) != 0;
}

void heald__region_dequeue(struct heald_participant *me, unsigned place)
{
    if (!place || !me->id)
        return;
    if (place > REGION_PLACES)
        __atomic_fetch_sub(&me->slot->unlisted, 1, __ATOMIC_RELEASE);
    else
        __atomic_store_n(&me->slot->places[place - 1].object, 0, __ATOMIC_RELEASE);
    if (!has_place(me->slot))
        clear_waiting(me->region, slot_index(me));
}

void heald__region_queue_clear(struct heald_region *region, unsigned slot)
{
    struct region_place *places = region->slots[slot].places;

    for (unsigned i = 0; i < REGION_PLACES; i++)
        __atomic_store_n(&places[i].object, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&region->slots[slot].unlisted, 0, __ATOMIC_RELAXED);
    if (__atomic_load_n(waiting_of(region, slot), __ATOMIC_RELAXED) & waiting_bit(slot))
        clear_waiting(region, slot);
}

/* The ticket with which this slot's participant waits for the object; NONE: it does not. */
static uint64_t ticket_of(const struct region_slot *slot, uint64_t object)
{
    uint64_t ticket = NONE;

    for (unsigned i = 0; i < REGION_PLACES; i++) {
        const struct region_place *place = &slot->places[i];
        if (object_of(place) != object)
            continue;
        uint64_t t = __atomic_load_n(&place->ticket, __ATOMIC_RELAXED);
        ticket = t < ticket ? t : ticket;
    }
    return ticket;
}

/* The first of the others in the queue whose ticket is not below `from`: its id, and the ticket;
 * NONE: there is none. */
static uint64_t first_in_queue(const struct heald_participant *me, uint64_t object, uint64_t from,
                               uint64_t *ret_id)
{
    const struct heald_region *region = me->region;
    uint64_t first = NONE;

    for (unsigned i = next_waiting(region, 0); i < region->slot_count;
         i = next_waiting(region, i + 1)) {
        const struct region_slot *slot = &region->slots[i];
        uint64_t ticket = slot == me->slot ? NONE : ticket_of(slot, object);
        if (ticket < from || ticket >= first)
            continue;
        first = ticket;
        *ret_id = heald__region_id_of(region, slot);
    }
    return first;
}

/* Does anybody wait for anything without a place? */
static bool is_anybody_unlisted(const struct heald_region *region)
{
    for (unsigned i = next_waiting(region, 0); i < region->slot_count;
         i = next_waiting(region, i + 1))
        if (__atomic_load_n(&region->slots[i].unlisted, __ATOMIC_SEQ_CST) &&
            heald__region_id_of(region, &region->slots[i]))
            return true;
    return false;
}

uint64_t heald__region_first_waiter(struct heald_participant *me, const void *object,
                                    bool *ret_behind)
{
    uint64_t offset = heald_offset(me->region, object), id = 0, first = 0;
    uint64_t mine = ticket_of(me->slot, offset);

    *ret_behind = false;
    /* Only the first living one is checked. No more are dead than there are slots. */
    for (unsigned i = 0; i < me->region->slot_count; i++) {
        first = first_in_queue(me, offset, first, &id);
        if (first == NONE)
            break;
        if (!id || heald__region_is_gone(me->region, id)) {
            first++;
            continue;
        }
        *ret_behind = first > mine;
        return *ret_behind ? 0 : id;
    }
    *ret_behind = is_anybody_unlisted(me->region);
    return 0;
}
