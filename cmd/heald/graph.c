/*
 * graph.c: see graph.h.
 *
 * Which threads are stuck: at first all that wait for an object with holders. Then each thread that
 * may proceed is taken out, repeatedly. A waiter of a semaphore may proceed if one of the holders
 * is not stuck, a waiter of another object if no holder is. A thread that waits in a loop for
 * several objects is stuck only if all of these waits are. The threads that remain wait for each
 * other.
 *
 * A thread with a deadline proceeds when it expires. So this is done twice: as above, and again for
 * the cycles that such a deadline ends.
 *
 * There may be thousands of threads. So a thread is found by a hash table, and one that may proceed
 * has only those examined again that wait for it: all is linear in the number of waits and holders.
 */
#include "graph.h"

#include <assert.h>
#include <heald/heald.h>

#include <stdlib.h>
#include <string.h>

static void *allocate(unsigned count, size_t size)
{
    return memset(snapshot_grow(NULL, count, size), 0, count * size);
}

static bool is_same(const struct heald_thread_info *a, const struct heald_thread_info *b)
{
    return a->pid == b->pid && a->thread == b->thread && a->is_here == b->is_here;
}

/* The entry of a thread in the table, or the free one where it belongs. */
static unsigned *entry_of(const struct graph *g, const struct heald_thread_info *thread)
{
    uint64_t hash = ((uint64_t)thread->pid ^ thread->thread << 22) * 0x9e3779b97f4a7c15;
    unsigned at = (unsigned)(hash >> 32);

    while (true) {
        unsigned *entry = &g->table[at++ & (g->table_size - 1)];
        if (!*entry || is_same(&g->participants[*entry - 1].thread, thread))
            return entry;
    }
}

const struct graph_participant *graph_find(const struct graph *g,
                                           const struct heald_thread_info *thread)
{
    unsigned number = *entry_of(g, thread);
    return number ? &g->participants[number - 1] : NULL;
}

static struct graph_participant *add_participant(struct graph *g,
                                                 const struct heald_thread_info *thread)
{
    unsigned *entry = entry_of(g, thread);

    if (!*entry) {
        g->participants = snapshot_grow(g->participants, g->count, sizeof *g->participants);
        g->participants[g->count].thread = *thread;
        *entry = ++g->count;
    }
    return &g->participants[*entry - 1];
}

/* At least half of the table stays free. */
static void add_participants(struct graph *g, const struct snapshot *c)
{
    unsigned max = 0;

    for (unsigned i = 0; i < c->region_count; i++)
        max += c->regions[i].participant_count;
    for (g->table_size = 2; g->table_size < 2 * max;)
        g->table_size *= 2;
    g->table = allocate(g->table_size, sizeof *g->table);
    for (unsigned i = 0; i < c->region_count; i++)
        for (unsigned k = 0; k < c->regions[i].participant_count; k++)
            add_participant(g, &c->regions[i].participants[k].thread);
}

/* A ticket is given once. */
static bool has_wait(const struct graph *g, const struct heald_thread_info *thread,
                     const struct snapshot_region *r, const struct heald_wait_info *wait)
{
    const struct graph_participant *p = graph_find(g, thread);

    for (unsigned k = 0; p && k < p->wait_count; k++) {
        const struct graph_wait *w = &p->waits[k];
        if (w->wait->ticket == wait->ticket && w->wait->offset == wait->offset &&
            strcmp(w->region->name, r->name) == 0)
            return true;
    }
    return false;
}

/* Those who hold the object, of which the snapshot knows. Returns their number. */
static unsigned find_holders(struct graph *g, const struct snapshot_region *r,
                             const struct snapshot_object *o,
                             unsigned ret_holders[HEALD_HOLDERS_SHOWN])
{
    unsigned count = 0;

    for (unsigned i = 0; i < o->state.holder_count && i < HEALD_HOLDERS_SHOWN; i++) {
        const struct heald_participant_info *p = snapshot_holder(r, &o->state, i);
        if (!p)
            continue;
        struct graph_participant *holder = add_participant(g, &p->thread);
        holder->holds_something = true;
        ret_holders[count++] = (unsigned)(holder - g->participants);
    }
    return count;
}

static void add_wait(struct graph *g, const struct graph_wait *wait,
                     const struct heald_thread_info *thread)
{
    struct graph_participant *p = add_participant(g, thread);

    p->waits = snapshot_grow(p->waits, p->wait_count, sizeof *p->waits);
    p->waits[p->wait_count++] = *wait;
    for (unsigned i = 0; i < wait->holder_count; i++) {
        struct graph_participant *holder = &g->participants[wait->holders[i]];
        g->edges = snapshot_grow(g->edges, g->edge_count, sizeof *g->edges);
        g->edges[g->edge_count] =
            (struct graph_edge){(unsigned)(p - g->participants), holder->dependents};
        holder->dependents = ++g->edge_count;
    }
}

static void add_object(struct graph *g, const struct snapshot_region *r,
                       const struct snapshot_object *o, const struct graph *before)
{
    unsigned holders[HEALD_HOLDERS_SHOWN], count = find_holders(g, r, o, holders);

    for (unsigned i = 0; i < o->wait_count; i++) {
        const struct snapshot_wait *w = &o->waits[i];
        const struct heald_thread_info *thread = &r->participants[w->participant].thread;
        struct graph_wait wait = {r, o, w->wait, &w->site, .holder_count = count};
        wait.is_new = before && !has_wait(before, thread, r, w->wait);
        wait.holders = allocate(count, sizeof *holders);
        memcpy(wait.holders, holders, count * sizeof *holders);
        add_wait(g, &wait, thread);
    }
}

static bool is_hopeless(const struct graph *g, const struct graph_wait *w, enum graph_kind kind)
{
    const struct heald_object_state *s = &w->object->state;
    unsigned stuck = 0;

    if (w->is_new || s->condition != HEALD_OBJECT_HELD ||
        w->object->info.type == HEALD_OBJECT_BARRIER || w->object->info.type == HEALD_OBJECT_COND ||
        (kind == GRAPH_DEADLOCK && w->wait->flags & HEALD_WAIT_DEADLINE))
        return false;
    for (unsigned i = 0; i < w->holder_count; i++)
        stuck += g->participants[w->holders[i]].is_stuck[kind];
    return w->object->info.type == HEALD_OBJECT_SEM ? stuck && stuck == s->holder_count : stuck;
}

static bool is_stuck(const struct graph *g, const struct graph_participant *p, enum graph_kind kind)
{
    for (unsigned i = 0; i < p->wait_count; i++)
        if (!is_hopeless(g, &p->waits[i], kind))
            return false;
    return p->wait_count;
}

/* Takes it out if it may proceed, and adds it to `out` then. */
static void examine(struct graph *g, unsigned participant, enum graph_kind kind, unsigned out[],
                    unsigned *count)
{
    struct graph_participant *p = &g->participants[participant];

    if (!p->is_stuck[kind] || is_stuck(g, p, kind))
        return;
    p->is_stuck[kind] = false;
    out[(*count)++] = participant;
}

static void find_stuck(struct graph *g, enum graph_kind kind)
{
    unsigned count = 0, *out = allocate(g->count, sizeof *out);

    for (unsigned i = 0; i < g->count; i++)
        g->participants[i].is_stuck[kind] = g->participants[i].wait_count;
    for (unsigned i = 0; i < g->count; i++)
        examine(g, i, kind, out, &count);
    for (unsigned i = 0; i < count; i++)
        for (unsigned e = g->participants[out[i]].dependents; e; e = g->edges[e - 1].next)
            examine(g, g->edges[e - 1].waiter, kind, out, &count);
    free(out);
}

/* To the first stuck thread that holds what this one waits for. */
static struct graph_step step_of(const struct graph *g, const struct graph_participant *p,
                                 enum graph_kind kind)
{
    for (unsigned i = 0; i < p->wait_count && p->is_stuck[kind]; i++)
        for (unsigned k = 0; k < p->waits[i].holder_count; k++)
            if (g->participants[p->waits[i].holders[k]].is_stuck[kind])
                return (struct graph_step){p->waits[i].holders[k], &p->waits[i]};
    return (struct graph_step){0};
}

/* From here round to here again: notes it at the first of the cycle, unless it is of the other
 * kind. */
static void note_circle(struct graph *g, unsigned start, enum graph_kind kind)
{
    unsigned at = start, first = start, length = 0;
    bool is_ending = false;

    do {
        const struct graph_step *step = &g->participants[at].step[kind];
        assert(step->wait); /* who is in a cycle waits for the next in it */
        is_ending = is_ending || step->wait->wait->flags & HEALD_WAIT_DEADLINE;
        at = step->to;
        first = at < first ? at : first;
        length++;
    } while (at != start);
    if (is_ending == (kind == GRAPH_ENDING))
        g->participants[first].circle[kind] = length;
}

/* Each stuck thread leads to one other, so every start reaches a cycle: a new one if it comes to a
 * thread where it has been itself, and not another start before. */
static void find_circles(struct graph *g, enum graph_kind kind)
{
    unsigned *starts = allocate(g->count, sizeof *starts);

    for (unsigned i = 0; i < g->count; i++)
        g->participants[i].step[kind] = step_of(g, &g->participants[i], kind);
    for (unsigned i = 0; i < g->count; i++) {
        unsigned at = i;
        while (!starts[at] && g->participants[at].step[kind].wait) {
            starts[at] = i + 1;
            at = g->participants[at].step[kind].to;
        }
        if (starts[at] == i + 1)
            note_circle(g, at, kind);
    }
    free(starts);
}

void graph_make(struct graph *g, const struct snapshot *c, const struct graph *before)
{
    *g = (struct graph){0};
    add_participants(g, c);
    for (unsigned i = 0; i < c->region_count; i++)
        for (unsigned k = 0; k < c->regions[i].object_count; k++)
            add_object(g, &c->regions[i], &c->regions[i].objects[k], before);
    for (enum graph_kind kind = GRAPH_DEADLOCK; kind <= GRAPH_ENDING; kind++) {
        find_stuck(g, kind);
        find_circles(g, kind);
    }
}

void graph_free(struct graph *g)
{
    for (unsigned i = 0; i < g->count; i++) {
        for (unsigned k = 0; k < g->participants[i].wait_count; k++)
            free(g->participants[i].waits[k].holders);
        free(g->participants[i].waits);
    }
    free(g->participants);
    free(g->edges);
    free(g->table);
}

unsigned graph_circle(const struct graph *g, enum graph_kind kind, unsigned *cursor,
                      unsigned circle[])
{
    while (*cursor < g->count) {
        unsigned at = (*cursor)++, length = g->participants[at].circle[kind];
        for (unsigned i = 0; i < length; i++) {
            circle[i] = at;
            at = g->participants[at].step[kind].to;
        }
        if (length)
            return length;
    }
    return 0;
}

/* A thread that is stuck in the first kind is stuck in the second. */
const struct graph_wait *graph_between(const struct graph *g, unsigned from, unsigned to)
{
    for (enum graph_kind kind = GRAPH_DEADLOCK; kind <= GRAPH_ENDING; kind++) {
        const struct graph_step *step = &g->participants[from].step[kind];
        if (step->wait && step->to == to)
            return step->wait;
    }
    return NULL;
}
