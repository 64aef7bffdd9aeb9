/*
 * inspect/inspect.c: looking at a region from outside. Any thread; reads only, and only atomically
 * what others write meanwhile.
 *
 * Each kind of object is a function that reads its words into a state. A word names its holder by
 * slot and generation; one whose generation has passed, or whose lifeline was released, has no
 * holder.
 *
 * Of a snapshot the object is copied first, and then the slots that it names: a participant that
 * attached since the region was opened is not taken for dead.
 */
#include <heald/barrier.h>
#include <heald/cond.h>
#include <heald/inspect.h>
#include <heald/once.h>
#include <heald/rwlock.h>
#include <heald/sem.h>

#include "inspect/queue.h"
#include "inspect/service.h"
#include "inspect/topic.h"
#include "platform/shm.h"
#include "platform/sys.h"
#include "region/region.h"
#include "sync/barrier_state.h"
#include "sync/cells.h"
#include "sync/owner.h"

#include <errno.h>
#include <stdlib.h>

static uint64_t load64(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static uint32_t load32(const uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static bool has_ended(const struct heald_region *region, const struct region_slot *slot)
{
    struct heald_lifeline *life = (struct heald_lifeline *)(uintptr_t)&slot->life;

    if (heald__plat_life_state(life) == HEALD_LIFE_ENDED)
        return true;
    uint64_t space = __atomic_load_n(&slot->pid_space, __ATOMIC_RELAXED);
    return space && space == heald__region_pid_space(region) &&
           heald__plat_thread_is_absent((pid_t)__atomic_load_n(&slot->pid, __ATOMIC_RELAXED),
                                        __atomic_load_n(&slot->thread, __ATOMIC_RELAXED));
}

/* As it is now. */
static const struct region_slot *slot_at(const struct heald_region *region, unsigned index)
{
    struct region_slot *slot = &region->slots[index];

    /* Where the file ends before, the last copy is as good as any. */
    if (region->is_snapshot)
        heald__region_read(region, (uint64_t)((char *)slot - region->base), slot, sizeof *slot);
    return slot;
}

static bool lives(const struct heald_region *region, uint64_t id)
{
    unsigned index = region_id_slot(id);

    if (index >= region->slot_count)
        return false;
    const struct region_slot *slot = slot_at(region, index);
    return heald__region_id_of(region, slot) == region_id(id) && !has_ended(region, slot);
}

/* A time that the slot's participant took, for the caller; 0: it is of another clock. */
static int64_t local_time(const struct heald_region *region, const struct region_slot *slot,
                          const int64_t *since)
{
    int64_t ns = __atomic_load_n(since, __ATOMIC_RELAXED);

    if (ns <= 0 || !heald__region_is_clock_of(region, slot))
        return 0;
    return ns <= heald__plat_now(HEALD_CLOCK_MONOTONIC) ? ns : 0;
}

/* The same of a deadline, which is still to come. */
static int64_t deadline_here(const struct heald_region *region, const struct region_slot *slot,
                             const struct region_place *place)
{
    int64_t ns = __atomic_load_n(&place->deadline, __ATOMIC_RELAXED);

    return ns == HEALD_FOREVER || (ns > 0 && heald__region_is_clock_of(region, slot)) ? ns : 0;
}

/* An object to look at, in the region or a copy of it. */
struct view {
    const struct heald_region *region;
    const void *object;
    uint64_t offset; /* in the region */
    uint64_t room;   /* bytes from there on */
};

static void tell_since(const struct view *view, struct heald_holder_info *holder,
                       const int64_t *since)
{
    const struct region_slot *slot = &view->region->slots[holder->slot];
    int64_t ns = local_time(view->region, slot, since);

    holder->at_least = (int)(ns & REGION_AT_LEAST);
    holder->since_ns = ns & ~(int64_t)REGION_AT_LEAST;
}

/* What the holder has noted of it. */
static void tell_note(const struct view *view, struct heald_holder_info *holder)
{
    const struct region_note *note =
        region_note_of(&view->region->slots[holder->slot], view->offset);
    struct heald_holder_info shown = *holder;

    if (load64(&note->object) != view->offset)
        return;
    shown.site = load64(&note->site);
    tell_since(view, &shown, &note->since);
    if (load64(&note->object) == view->offset)
        *holder = shown;
}

/* NULL: it is none that lives, or one too many. */
static struct heald_holder_info *add_holder(const struct view *view, struct heald_object_state *s,
                                            uint64_t id)
{
    struct heald_holder_info *holder = NULL;

    if (!id)
        return NULL;
    if (!lives(view->region, id)) {
        s->condition = HEALD_OBJECT_ORPHANED;
        return NULL;
    }
    if (s->holder_count < HEALD_HOLDERS_SHOWN) {
        holder = &s->holders[s->holder_count];
        holder->slot = region_id_slot(id);
    }
    s->holder_count++;
    return holder;
}

/* Is an attached participant queued for it? */
static bool is_awaited(const struct view *view)
{
    for (unsigned i = 0; i < view->region->slot_count; i++) {
        const struct region_slot *slot = &view->region->slots[i];
        for (unsigned k = 0; k < REGION_PLACES; k++)
            if (load64(&slot->places[k].object) == view->offset &&
                heald__region_id_of(view->region, slot))
                return true;
    }
    return false;
}

/* The same with what it has noted. */
static void add_noted(const struct view *view, struct heald_object_state *s, uint64_t id)
{
    struct heald_holder_info *holder = add_holder(view, s, id);

    if (holder)
        tell_note(view, holder);
}

static struct heald_holder_info *try_word(const struct view *view, uint64_t word,
                                          struct heald_object_state *s)
{
    if ((uint32_t)word == OWNER_LOST) {
        s->condition = HEALD_OBJECT_LOST;
    } else if ((uint32_t)word >> REGION_ID_SHIFT) {
        s->condition = HEALD_OBJECT_HELD;
        return add_holder(view, s, region_id(word));
    } else if (word & OWNER_WAITERS && is_awaited(view)) {
        s->condition = HEALD_OBJECT_HELD; /* handed over to the first in the queue */
    }
    return NULL;
}

static void read_mutex(const struct view *view, struct heald_object_state *s)
{
    const struct heald_mutex *m = view->object;
    unsigned turn = __atomic_load_n(&m->turn, __ATOMIC_RELAXED);

    struct heald_holder_info *holder = try_word(view, load64(&m->word), s);
    if (holder) {
        holder->site = load64(&m->site);
        tell_since(view, holder, &m->since);
    }
    for (unsigned i = 0; i < HEALD_LAST_SHOWN; i++) {
        uint64_t who = load64(&m->last[(turn - i) % HEALD_MUTEX_LAST]);
        if (who)
            s->last[s->last_count++] =
                (struct heald_thread_info){.pid = (pid_t)(who >> 32), .thread = (uint32_t)who};
    }
}

static void read_once(const struct view *view, struct heald_object_state *s)
{
    const struct heald_once *once = view->object;

    read_mutex(&(struct view){view->region, &once->mutex, view->offset, sizeof once->mutex}, s);
    if (load32(&once->done))
        s->condition = HEALD_OBJECT_DONE;
}

static void read_cond(const struct view *view, struct heald_object_state *s)
{
    (void)view;
    s->condition = HEALD_OBJECT_HELD;
}

static void read_sem(const struct view *view, struct heald_object_state *s)
{
    const struct heald_sem *sem = view->object;
    const uint64_t *permits = (const uint64_t *)(const void *)(sem + 1);
    unsigned most = load32(&sem->permits);

    if (!cells_are_so_many(most, load32(&sem->check), HEALD_SEM_PERMITS_MAX) ||
        HEALD_SEM_SIZE(most) > view->room) {
        s->condition = HEALD_OBJECT_UNKNOWN;
        return;
    }
    for (unsigned i = 0; i < most; i++)
        add_noted(view, s, load64(&permits[i]));
    s->max = most;
    s->free = most ? most - s->holder_count : load32(&sem->value);
    s->condition = s->free ? HEALD_OBJECT_FREE : HEALD_OBJECT_HELD;
}

static void read_rwlock(const struct view *view, struct heald_object_state *s)
{
    const struct heald_rwlock *lock = view->object;
    unsigned readers = __atomic_load_n(&lock->size, __ATOMIC_RELAXED);
    uint64_t writer = load64(&lock->writer);

    bool is_sound = cells_are_so_many(readers, load32(&lock->check), HEALD_RWLOCK_READERS_MAX);
    if (!readers)
        readers = HEALD_RWLOCK_READERS;
    if (!is_sound || HEALD_RWLOCK_SIZE(readers) > view->room) {
        s->condition = HEALD_OBJECT_UNKNOWN;
        return;
    }
    for (unsigned i = 0; i < readers; i++)
        add_noted(view, s, load64(&lock->readers[i]));
    s->condition = s->holder_count ? HEALD_OBJECT_HELD : HEALD_OBJECT_FREE;
    unsigned reading = s->holder_count;
    if ((uint32_t)writer == OWNER_LOST || !(writer & OWNER_PENDING)) {
        struct heald_holder_info *holder = try_word(view, writer, s);
        if (holder)
            tell_note(view, holder);
    }
    s->is_writing = s->holder_count > reading;
}

static void read_barrier(const struct view *view, struct heald_object_state *s)
{
    const struct heald_barrier *b = view->object;
    uint64_t state = load64(&b->state);
    unsigned needed = load32(&b->needed), count = barrier_count(state), counted = 0;

    if (!cells_are_so_many(needed, load32(&b->check), HEALD_BARRIER_MAX) ||
        HEALD_BARRIER_SIZE(needed) > view->room) {
        s->condition = HEALD_OBJECT_UNKNOWN;
        return;
    }
    for (unsigned i = 0; i < needed; i++) {
        uint64_t mark = load64(&b->arrived[i]);
        unsigned before = s->holder_count;
        if (barrier_is_of_round(mark, state))
            add_holder(view, s, mark);
        counted += s->holder_count > before && mark & BARRIER_COUNTED ? 1 : 0;
    }
    s->max = needed;
    s->free = needed > count ? needed - count : 0;
    bool one_is_gone = s->condition == HEALD_OBJECT_ORPHANED;
    if (state & BARRIER_BROKEN || barrier_lacks_one(one_is_gone, counted, count))
        s->condition = HEALD_OBJECT_LOST;
    else
        s->condition = HEALD_OBJECT_HELD;
}

struct object_holders {
    const struct view *view;
    struct heald_object_state *state;
};

static void add_owner(void *ctx, uint64_t id)
{
    const struct object_holders *h = ctx;

    add_noted(h->view, h->state, id);
}

static void read_queue(const struct view *view, struct heald_object_state *s)
{
    struct object_holders holders = {view, s};
    struct queue_census census = {.owner = add_owner, .ctx = &holders};

    /* Of a snapshot `room` is that of the copy, and a queue is longer: it is read word by word. */
    uint64_t room = region_size(view->region) - view->offset;

    if (!heald__inspect_queue(view->region, view->offset, room, &census)) {
        s->condition = HEALD_OBJECT_UNKNOWN;
        return;
    }
    s->max = census.slots;
    s->free = census.free;
    s->messages = census.messages;
    s->sent = census.sent;
    s->dropped = census.dropped;
    s->capacity = census.capacity;
    s->priorities = census.priorities;
    if (census.is_closed)
        s->condition = HEALD_OBJECT_DONE;
    else if (s->condition == HEALD_OBJECT_FREE && !census.free)
        s->condition = HEALD_OBJECT_HELD;
}

static bool owner_lives(void *ctx, uint64_t id)
{
    const struct object_holders *h = ctx;

    return lives(h->view->region, id);
}

/* The queue of its requests lies behind its head. */
static void read_service(const struct view *view, struct heald_object_state *s)
{
    struct object_holders holders = {view, s};
    struct service_census census = {.lives = owner_lives, .ctx = &holders};
    /* As of a queue. */
    uint64_t room = region_size(view->region) - view->offset;
    struct view requests = *view;

    if (!heald__inspect_service(view->region, view->offset, room, &census)) {
        s->condition = HEALD_OBJECT_UNKNOWN;
        return;
    }
    requests.offset += census.requests;
    read_queue(&requests, s);
    s->priorities = 0;
    s->clients = census.clients;
}

/* Once, however much it has. */
static void add_owner_once(void *ctx, uint64_t id)
{
    const struct object_holders *h = ctx;

    for (unsigned i = 0; i < h->state->holder_count && i < HEALD_HOLDERS_SHOWN; i++)
        if (h->state->holders[i].slot == region_id_slot(id))
            return;
    add_noted(h->view, h->state, id);
}

static void read_topic(const struct view *view, struct heald_object_state *s)
{
    struct object_holders holders = {view, s};
    struct topic_census census = {.lives = owner_lives, .owner = add_owner_once, .ctx = &holders};
    /* As of a queue. */
    uint64_t room = region_size(view->region) - view->offset;

    if (!heald__inspect_topic(view->region, view->offset, room, &census)) {
        s->condition = HEALD_OBJECT_UNKNOWN;
        return;
    }
    s->max = census.chunks;
    s->free = census.used < census.chunks ? census.chunks - census.used : 0;
    s->messages = census.lag;
    s->sent = census.published;
    s->capacity = census.capacity;
    s->subscribers = census.subscribers;
    s->lost = census.lost;
    s->has_slowest = census.slowest != 0;
    s->slowest = census.slowest ? region_id_slot(census.slowest) : 0;
    s->condition = census.is_blocked || !s->free ? HEALD_OBJECT_HELD : HEALD_OBJECT_FREE;
}

enum { QUEUE_LEAST = 256, TOPIC_LEAST = 512 }; /* as in heap/names.c */

static const struct {
    size_t size;
    void (*look)(const struct view *view, struct heald_object_state *s);
} kinds[] = {
    [HEALD_OBJECT_DATA] = {1, NULL},
    [HEALD_OBJECT_MUTEX] = {sizeof(struct heald_mutex), read_mutex},
    [HEALD_OBJECT_COND] = {sizeof(struct heald_cond), read_cond},
    [HEALD_OBJECT_SEM] = {sizeof(struct heald_sem), read_sem},
    [HEALD_OBJECT_RWLOCK] = {HEALD_RWLOCK_SIZE(0), read_rwlock},
    [HEALD_OBJECT_BARRIER] = {HEALD_BARRIER_SIZE(0), read_barrier},
    [HEALD_OBJECT_ONCE] = {sizeof(struct heald_once), read_once},
    [HEALD_OBJECT_QUEUE] = {QUEUE_LEAST, read_queue},
    [HEALD_OBJECT_SERVICE] = {QUEUE_LEAST, read_service},
    [HEALD_OBJECT_TOPIC] = {TOPIC_LEAST, read_topic},
};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

/* The largest that there may be. */
enum { OBJECT_MAX = 40 * 1024 };

_Static_assert(HEALD_SEM_SIZE(HEALD_SEM_PERMITS_MAX) <= OBJECT_MAX, "a copy has room");
_Static_assert(HEALD_RWLOCK_SIZE(HEALD_RWLOCK_READERS_MAX) <= OBJECT_MAX, "a copy has room");
_Static_assert(HEALD_BARRIER_SIZE(HEALD_BARRIER_MAX) <= OBJECT_MAX, "a copy has room");

static int read_copy(const struct heald_region *region, uint64_t offset, uint64_t room,
                     enum heald_object_type type, struct heald_object_state *state)
{
    size_t size = room < OBJECT_MAX ? (size_t)room : OBJECT_MAX;
    void *copy = malloc(size);
    int err = copy ? heald__region_read(region, offset, copy, size) : -ENOMEM;

    if (!err)
        kinds[type].look(&(struct view){region, copy, offset, size}, state);
    free(copy);
    return err;
}

int heald_object_inspect(const struct heald_region *region, uint64_t offset,
                         enum heald_object_type type, struct heald_object_state *ret_state)
{
    struct heald_object_state state = {.condition = HEALD_OBJECT_FREE};
    int err = 0;

    if ((unsigned)type >= KINDS || offset % sizeof(uint64_t) ||
        !region_holds(region, offset, kinds[type].size))
        return -EINVAL;
    uint64_t room = region_size(region) - offset;
    if (!kinds[type].look)
        state.condition = HEALD_OBJECT_UNKNOWN;
    else if (region->is_snapshot)
        err = read_copy(region, offset, room, type, &state);
    else
        kinds[type].look(&(struct view){region, region->base + offset, offset, room}, &state);
    if (!err)
        *ret_state = state;
    return err;
}

const char *heald_object_condition_name(enum heald_object_condition condition)
{
    static const char *const names[] = {
        [HEALD_OBJECT_FREE] = "free",         [HEALD_OBJECT_HELD] = "held",
        [HEALD_OBJECT_ORPHANED] = "orphaned", [HEALD_OBJECT_LOST] = "lost",
        [HEALD_OBJECT_DONE] = "done",         [HEALD_OBJECT_UNKNOWN] = "unknown",
    };
    return (unsigned)condition < sizeof names / sizeof names[0] ? names[condition] : NULL;
}

static void list_waits(const struct heald_region *region, const struct region_slot *slot,
                       struct heald_participant_info *info)
{
    for (unsigned i = 0; i < REGION_PLACES && info->wait_count < HEALD_WAITS_SHOWN; i++) {
        const struct region_place *place = &slot->places[i];
        uint64_t object = load64(&place->object);
        uint32_t kind = load32(&place->kind);
        if (object && kind < KINDS)
            info->waits[info->wait_count++] = (struct heald_wait_info){
                .offset = object,
                .type = (enum heald_object_type)kind,
                .flags = load32(&place->flags),
                .since_ns = local_time(region, slot, &place->since),
                .ticket = load64(&place->ticket),
                .deadline_ns = deadline_here(region, slot, place),
                .site = load64(&place->site),
            };
    }
}

int heald_participant_next(const struct heald_region *region, unsigned *cursor,
                           struct heald_participant_info *ret_info)
{
    while (*cursor < region->slot_count) {
        const struct region_slot *slot = &region->slots[*cursor];
        unsigned index = (*cursor)++;
        uint64_t id = heald__region_id_of(region, slot);
        if (!id)
            continue;
        *ret_info = (struct heald_participant_info){
            .thread = {.pid = (pid_t)__atomic_load_n(&slot->pid, __ATOMIC_RELAXED),
                       .thread = __atomic_load_n(&slot->thread, __ATOMIC_RELAXED),
                       .is_here = __atomic_load_n(&slot->pid_space, __ATOMIC_RELAXED) ==
                                  heald__region_pid_space(region)},
            .slot = index,
            .is_gone = has_ended(region, slot),
        };
        list_waits(region, slot, ret_info);
        if (heald__region_id_of(region, slot) == id)
            return 1;
    }
    return 0;
}

void heald_region_inspect(const struct heald_region *region, struct heald_region_info *ret_info)
{
    const struct region_head *head = region_head_of(region);
    pid_t pid = (pid_t)head->creator_pid;
    bool is_here =
        head->creator_pid_space && head->creator_pid_space == heald__region_pid_space(region);

    *ret_info = (struct heald_region_info){
        .creator = {.pid = pid, .is_here = is_here},
        .creator_is_gone = is_here && heald__plat_start_time(pid) != head->creator_start_time,
        .is_traced = region->order != NULL,
    };
}

const char *heald_region_directory(void)
{
    return heald__shm_directory;
}
