/*
 * sync/lockdep.c: the order of locks. Any thread, as the participant it is.
 *
 * A graph in the region: an edge leads from each lock that a participant held to each that it
 * requested meanwhile, and says which did so first, and where. A new edge that closes a circle is
 * an inversion; it is reported once, since only one exchanges the word that says so. This is for
 * people: an edge that is lost because its writer died is found the next time. As in lockdep of the
 * Linux kernel, two orders need only be seen, at any time and by any participant, for their
 * conflict to be reported; none need hang.
 *
 * A lock is not its address: memory is used again. It has a number, drawn when it is first recorded
 * and kept in the lock itself, where the initialization of a new lock clears it. The table has a
 * row for each number, which another lock gets when no lock of that number exists any more. An edge
 * names the two numbers it is of, so what was recorded in the rows before has no effect, in one
 * step and whichever process dies. The 32 bits wrap around after 2^32 locks that were made anew;
 * the 64 that were last seen would have to be among them to be mistaken.
 */
#include "sync/lockdep.h"

#include <heald/once.h>
#include <heald/rwlock.h>

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

enum { NONE = REGION_ORDER_MAX, UNIT = REGION_ORDER_UNIT };

/* Whatever is recorded has its number where a mutex has it. */
_Static_assert(offsetof(struct heald_rwlock, order) == offsetof(struct heald_mutex, order) &&
                   offsetof(struct heald_once, mutex) == 0,
               "the number of a lock is where that of a mutex is");

/* Relaxed throughout: the number says nothing of what else is in the lock. */
static uint32_t number_of(struct region_order *order, void *object)
{
    uint32_t *number = &((struct heald_mutex *)object)->order;
    uint32_t seen = __atomic_load_n(number, __ATOMIC_RELAXED), drawn = 0;

    if (seen)
        return seen;
    while (!drawn)
        drawn = (uint32_t)__atomic_add_fetch(&order->drawn, 1, __ATOMIC_RELAXED);
    return __atomic_compare_exchange_n(number, &seen, drawn, false, __ATOMIC_RELAXED,
                                       __ATOMIC_RELAXED)
               ? drawn
               : seen;
}

/* Is the lock of that number there still? */
static bool is_there(const struct heald_region *region, uint64_t at, uint32_t lock)
{
    const struct heald_mutex *mutex = heald_at(region, at);

    return mutex && at % UNIT == 0 &&
           region_has(region, mutex, offsetof(struct heald_mutex, order) + sizeof mutex->order) &&
           __atomic_load_n(&mutex->order, __ATOMIC_RELAXED) == lock;
}

static uint64_t word_of(const struct region_order *order, unsigned row)
{
    return __atomic_load_n(&order->locks[row], __ATOMIC_RELAXED);
}

/* A row says in one word which lock it has and where that is: so a check whether it still exists
 * never takes one lock for another. */
static uint64_t make_word(uint64_t at, uint32_t lock)
{
    return at / UNIT << 32 | lock;
}

static bool is_in_use(const struct heald_region *region, uint64_t word)
{
    return word && is_there(region, region_order_place(word), (uint32_t)word);
}

/* The row of a lock, given to it now if need be; NONE: there are too many. */
static unsigned row_of(struct heald_region *region, uint32_t lock, uint64_t at)
{
    struct region_order *order = region->order;
    uint64_t word = make_word(at, lock);
    unsigned row = 0;

    if (at / UNIT > UINT32_MAX || at % UNIT)
        return NONE;
    while (row < REGION_ORDER_MAX && word_of(order, row) != word)
        row++;
    if (row < REGION_ORDER_MAX)
        return row;
    for (row = 0; row < REGION_ORDER_MAX; row++) {
        uint64_t seen = word_of(order, row);
        if (seen == word)
            return row;
        /* Another may give it to the same lock just now. */
        if (!is_in_use(region, seen) &&
            (__atomic_compare_exchange_n(&order->locks[row], &seen, word, false, __ATOMIC_RELAXED,
                                         __ATOMIC_RELAXED) ||
             seen == word))
            return row;
    }
    return NONE;
}

static uint64_t pair(uint32_t held, uint32_t wanted)
{
    return (uint64_t)held << 32 | wanted;
}

/* Between the locks that have the two rows now. Acquire: pairs with note_edge(). */
static bool has_edge(const struct region_order *order, unsigned from, unsigned to)
{
    uint32_t held = (uint32_t)word_of(order, from), wanted = (uint32_t)word_of(order, to);

    return held && wanted &&
           __atomic_load_n(&order->edges[from][to].locks, __ATOMIC_ACQUIRE) == pair(held, wanted);
}

/* False: it was there. */
static bool note_edge(struct region_edge *edge, uint64_t locks, uint64_t who, uint64_t site)
{
    if (__atomic_load_n(&edge->locks, __ATOMIC_RELAXED) == locks)
        return false;
    __atomic_store_n(&edge->site, site, __ATOMIC_RELAXED);
    __atomic_store_n(&edge->who, who, __ATOMIC_RELAXED);
    __atomic_store_n(&edge->locks, locks, __ATOMIC_RELEASE);
    return true;
}

/* The first step on a way from one lock to another along the edges; NONE: there is no way. */
static unsigned way(const struct region_order *order, unsigned from, unsigned to)
{
    unsigned first[REGION_ORDER_MAX], queue[REGION_ORDER_MAX], head = 0, tail = 0;
    bool seen[REGION_ORDER_MAX] = {false};

    seen[from] = true;
    queue[tail++] = from;
    while (head < tail) {
        unsigned at = queue[head++];
        for (unsigned next = 0; next < REGION_ORDER_MAX; next++) {
            if (seen[next] || !has_edge(order, at, next))
                continue;
            seen[next] = true;
            first[next] = at == from ? next : first[at];
            if (next == to)
                return first[next];
            queue[tail++] = next;
        }
    }
    return NONE;
}

static void print(const struct heald_inversion *v)
{
    char text[256];
    int n = snprintf(text, sizeof text,
                     "heald: wrong order of locks: pid %ld holds +0x%llx and locks +0x%llx at "
                     "0x%llx; pid %ld locked them the other way round, at 0x%llx\n",
                     (long)getpid(), (unsigned long long)v->held, (unsigned long long)v->wanted,
                     (unsigned long long)v->site, (long)v->other_pid,
                     (unsigned long long)v->other_site);
    ssize_t written = write(STDERR_FILENO, text, (size_t)n);
    (void)written;
}

/* A lock, and its row. */
struct node {
    uint64_t at;
    uint32_t lock;
    unsigned row;
};

static void tell(struct heald_participant *me, const struct node *held, const struct node *wanted,
                 unsigned step, uint64_t site)
{
    struct heald_region *region = me->region;
    const struct region_edge *edge = &region->order->edges[wanted->row][step];
    uint64_t who = __atomic_load_n(&edge->who, __ATOMIC_RELAXED);
    struct heald_inversion inversion = {
        .held = held->at,
        .wanted = wanted->at,
        .site = site,
        .other_site = __atomic_load_n(&edge->site, __ATOMIC_RELAXED),
        .other_pid = (pid_t)(who >> 32),
        .other_thread = (uint32_t)who,
    };

    if (region->on_inversion)
        region->on_inversion(&inversion, region->inversion_ctx);
    else
        print(&inversion);
}

static void check_edge(struct heald_participant *me, const struct node *held,
                       const struct node *wanted, uint64_t site)
{
    struct region_order *order = me->region->order;
    struct region_edge *edge = &order->edges[held->row][wanted->row];
    uint64_t locks = pair(held->lock, wanted->lock);
    bool is_known = __atomic_load_n(&edge->locks, __ATOMIC_ACQUIRE) == locks;
    unsigned step = is_known ? NONE : way(order, wanted->row, held->row);
    bool is_noted = note_edge(edge, locks, me->who, site);

    /* Two participants close a circle at once: one of them sees the edge of the other. To check
     * only now would lose the inversion to a death before it is reported. Seq_cst: pairs with the
     * other's. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (step == NONE && is_noted)
        step = way(order, wanted->row, held->row);
    if (step != NONE && __atomic_exchange_n(&edge->reported, locks, __ATOMIC_RELAXED) != locks)
        tell(me, held, wanted, step, site);
}

/* Where among those that are held; held_count: it is not. */
static unsigned find_held(const struct region_seat *seat, uint32_t lock)
{
    unsigned i = 0;

    while (i < seat->held_count && seat->held[i].lock != lock)
        i++;
    return i;
}

/* What was made anew while it was held is held no more. */
static void forget_the_gone(const struct heald_region *region, struct region_seat *seat)
{
    for (unsigned i = seat->held_count; i-- > 0;)
        if (!is_there(region, seat->held[i].at, seat->held[i].lock))
            seat->held[i] = seat->held[--seat->held_count];
}

void heald__lockdep_acquire(struct heald_participant *me, void *object, uint64_t site)
{
    struct node wanted = {.at = me->id ? heald_offset(me->region, object) : 0};

    if (!wanted.at || !me->seat->held_count)
        return;
    forget_the_gone(me->region, me->seat);
    wanted.lock = number_of(me->region->order, object);
    if (find_held(me->seat, wanted.lock) < me->seat->held_count)
        return;
    wanted.row = row_of(me->region, wanted.lock, wanted.at);
    for (unsigned i = 0; i < me->seat->held_count; i++) {
        const struct region_held *h = &me->seat->held[i];
        struct node held = {h->at, h->lock, row_of(me->region, h->lock, h->at)};
        if (held.row != NONE && wanted.row != NONE)
            check_edge(me, &held, &wanted, site);
    }
}

void heald__lockdep_acquired(struct heald_participant *me, void *object)
{
    struct region_seat *seat = me->seat;
    uint64_t at = heald_offset(me->region, object);

    if (!at)
        return;
    forget_the_gone(me->region, seat);
    uint32_t lock = number_of(me->region->order, object);
    unsigned i = find_held(seat, lock);
    if (i < seat->held_count)
        seat->held[i].times++;
    else if (i < REGION_HELD_MAX)
        seat->held[seat->held_count++] = (struct region_held){at, lock, 1};
}

void heald__lockdep_release(struct heald_participant *me, void *object)
{
    struct region_seat *seat = me->seat;

    if (!seat->held_count || !heald_offset(me->region, object))
        return;
    unsigned i = find_held(seat, number_of(me->region->order, object));
    if (i < seat->held_count && --seat->held[i].times == 0)
        seat->held[i] = seat->held[--seat->held_count];
}
