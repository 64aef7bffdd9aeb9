/*
 * region/line.c: who waits for what, since when. A place is written by the thread that is the
 * participant alone, and read by anybody.
 *
 * A reader may find a place half written, or given up a moment ago. Tools then show what is not so
 * any more. A lock that is fair asks again whenever something has changed: who steps out wakes
 * those behind, and who dies is noticed.
 */
#include "platform/sys.h"
#include "region/region.h"

#include <errno.h>

/* Relaxed: the object is stored last, with release, and loaded first, with acquire. */
static void fill(struct region_place *place, uint64_t object, enum heald_object_type kind,
                 unsigned flags)
{
    __atomic_store_n(&place->since, heald_plat_now(HEALD_CLOCK_MONOTONIC), __ATOMIC_RELAXED);
    __atomic_store_n(&place->kind, kind, __ATOMIC_RELAXED);
    __atomic_store_n(&place->flags, flags, __ATOMIC_RELAXED);
    __atomic_store_n(&place->object, object, __ATOMIC_RELEASE);
}

static uint64_t object_of(const struct region_place *place)
{
    return __atomic_load_n(&place->object, __ATOMIC_ACQUIRE);
}

unsigned region_line_up(struct heald_participant *me, const void *object,
                        enum heald_object_type kind, unsigned flags)
{
    uint64_t offset = heald_offset(me->region, object);

    if (!offset)
        return 0;
    for (unsigned i = 0; i < REGION_PLACES; i++)
        if (!object_of(&me->slot->places[i])) {
            fill(&me->slot->places[i], offset, kind, flags);
            return i + 1;
        }
    return 0;
}

void region_step_out(struct heald_participant *me, unsigned place)
{
    if (place && me->id)
        __atomic_store_n(&me->slot->places[place - 1].object, 0, __ATOMIC_RELEASE);
}

/* Since when this slot's participant has waited for the object; INT64_MAX: it does not. */
static int64_t in_line_since(const struct region_slot *slot, uint64_t object)
{
    int64_t since = INT64_MAX;

    for (unsigned i = 0; i < REGION_PLACES; i++) {
        const struct region_place *place = &slot->places[i];
        if (object_of(place) != object)
            continue;
        int64_t t = __atomic_load_n(&place->since, __ATOMIC_RELAXED);
        since = t < since ? t : since;
    }
    return since;
}

uint64_t region_before_me(struct heald_participant *me, const void *object, bool *ret_behind)
{
    struct heald_region *region = me->region;
    uint64_t offset = heald_offset(region, object), before = 0;
    int64_t mine = in_line_since(me->slot, offset), first = mine;

    *ret_behind = false;
    for (unsigned i = 0; i < region->slot_count; i++) {
        struct region_slot *slot = &region->slots[i];
        int64_t since = slot == me->slot ? INT64_MAX : in_line_since(slot, offset);
        if (since == INT64_MAX)
            continue;
        uint64_t id = region_id_of(region, slot);
        if (!id || region_is_gone(region, id))
            continue;
        /* Two of the same nanosecond go in the order of their slots. */
        if (since > mine || (since == mine && slot > me->slot)) {
            *ret_behind = true;
        } else if (since <= first) {
            first = since;
            before = id;
        }
    }
    return before;
}
