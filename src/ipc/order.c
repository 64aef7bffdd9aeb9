/*
 * ipc/order.c: the order of locks. Any thread, as the participant it is.
 *
 * A graph in the region: an edge leads from each lock that somebody held to each that he asked for
 * meanwhile, and says who did so first, and where. A new edge that closes a circle is an inversion;
 * it is told once, since the bit that says so is set by one. What is here is for people: an edge
 * that is lost because its writer died is found the next time. As in lockdep of the Linux kernel,
 * two orders need only be seen, at any time and by anybody, for their conflict to be told; nobody
 * need hang.
 */
#include "ipc/order.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum { NONE = REGION_ORDER_MAX };

/* The number of a lock, given to it now if need be; NONE: there are too many. */
static unsigned number_of(struct region_order *order, uint64_t lock)
{
    for (unsigned i = 0; i < REGION_ORDER_MAX; i++) {
        uint64_t seen = __atomic_load_n(&order->locks[i], __ATOMIC_RELAXED);
        if (!seen && __atomic_compare_exchange_n(&order->locks[i], &seen, lock, false,
                                                 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            return i;
        if (seen == lock)
            return i;
    }
    return NONE;
}

/* Acquire: pairs with note_edge(): its site is there. */
static bool has_edge(const struct region_order *order, unsigned from, unsigned to)
{
    return __atomic_load_n(&order->edges[from][to].who, __ATOMIC_ACQUIRE);
}

/* False: it was there. */
static bool note_edge(struct region_order *order, unsigned from, unsigned to, uint64_t who,
                      uint64_t site)
{
    if (has_edge(order, from, to))
        return false;
    __atomic_store_n(&order->edges[from][to].site, site, __ATOMIC_RELAXED);
    __atomic_store_n(&order->edges[from][to].who, who, __ATOMIC_RELEASE);
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

static void tell(struct heald_participant *me, unsigned held, unsigned wanted, unsigned step,
                 uint64_t site)
{
    struct heald_region *region = me->region;
    const struct region_order *order = region->order;
    const struct region_edge *edge = &order->edges[wanted][step];
    uint64_t who = __atomic_load_n(&edge->who, __ATOMIC_ACQUIRE);
    struct heald_inversion inversion = {
        .held = order->locks[held],
        .wanted = order->locks[wanted],
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

static void check_edge(struct heald_participant *me, unsigned held, unsigned wanted, uint64_t site)
{
    struct region_order *order = me->region->order;
    uint64_t bit = UINT64_C(1) << wanted;
    unsigned step = has_edge(order, held, wanted) ? NONE : way(order, wanted, held);
    bool is_noted = note_edge(order, held, wanted, me->who, site);

    /* Two who close a circle at once: one of them sees the edge of the other. Looking only now
     * would lose the inversion to a death before it is told. Seq_cst: pairs with the other's. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (step == NONE && is_noted)
        step = way(order, wanted, held);
    if (step != NONE && !(__atomic_fetch_or(&order->reported[held], bit, __ATOMIC_RELAXED) & bit))
        tell(me, held, wanted, step, site);
}

/* Where among those that are held; held_count: it is not. */
static unsigned find_held(const struct heald_participant *me, uint64_t lock)
{
    unsigned i = 0;

    while (i < me->seat->held_count && me->seat->held[i] != lock)
        i++;
    return i;
}

void ipc_order_wants(struct heald_participant *me, const void *object, uint64_t site)
{
    uint64_t lock = me->id ? heald_offset(me->region, object) : 0;

    if (!lock || find_held(me, lock) < me->seat->held_count)
        return;
    unsigned wanted = number_of(me->region->order, lock);
    for (unsigned i = 0; i < me->seat->held_count; i++) {
        unsigned held = number_of(me->region->order, me->seat->held[i]);
        if (held != NONE && wanted != NONE)
            check_edge(me, held, wanted, site);
    }
}

void ipc_order_took(struct heald_participant *me, const void *object)
{
    uint64_t lock = heald_offset(me->region, object);

    if (lock && me->seat->held_count < REGION_HELD_MAX &&
        find_held(me, lock) == me->seat->held_count)
        me->seat->held[me->seat->held_count++] = lock;
}

void ipc_order_gave(struct heald_participant *me, const void *object)
{
    unsigned i = find_held(me, heald_offset(me->region, object));

    if (i < me->seat->held_count)
        me->seat->held[i] = me->seat->held[--me->seat->held_count];
}
