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
 */
#include "graph.h"

#include <heald/heald.h>

#include <stdlib.h>
#include <string.h>

bool graph_is_same(const struct heald_thread_info *a, const struct heald_thread_info *b)
{
    return a->pid == b->pid && a->thread == b->thread && a->is_here == b->is_here;
}

static unsigned participant_of(struct graph *g, const struct heald_thread_info *thread)
{
    unsigned i = 0;

    while (i < g->count && !graph_is_same(&g->participants[i].thread, thread))
        i++;
    if (i == g->count) {
        g->participants = snapshot_grow(g->participants, g->count, sizeof *g->participants);
        g->participants[g->count++].thread = *thread;
    }
    return i;
}

/* A ticket is given once. */
static bool has_wait(const struct graph *g, const struct heald_thread_info *thread,
                     const struct snapshot_region *r, const struct heald_wait_info *wait)
{
    unsigned i = 0;

    while (i < g->count && !graph_is_same(&g->participants[i].thread, thread))
        i++;
    for (unsigned k = 0; i < g->count && k < g->participants[i].wait_count; k++) {
        const struct graph_wait *w = &g->participants[i].waits[k];
        if (w->wait->ticket == wait->ticket && w->wait->offset == wait->offset &&
            strcmp(w->region->name, r->name) == 0)
            return true;
    }
    return false;
}

static void add_wait(struct graph *g, const struct snapshot_region *r,
                     const struct snapshot_object *o, const struct snapshot_wait *w,
                     const struct graph *before)
{
    const struct heald_thread_info *thread = &r->participants[w->participant].thread;
    bool is_new = before && !has_wait(before, thread, r, w->wait);
    struct graph_participant *p = &g->participants[participant_of(g, thread)];

    p->waits = snapshot_grow(p->waits, p->wait_count, sizeof *p->waits);
    p->waits[p->wait_count++] = (struct graph_wait){r, o, w->wait, &w->site, is_new};
}

/* The holder with this number of what is waited for; NULL. */
static const struct graph_participant *holder(const struct graph *g, const struct graph_wait *w,
                                              unsigned i)
{
    const struct heald_participant_info *p = snapshot_holder(w->region, &w->object->state, i);

    for (unsigned k = 0; p && k < g->count; k++)
        if (graph_is_same(&g->participants[k].thread, &p->thread))
            return &g->participants[k];
    return NULL;
}

static bool is_hopeless(const struct graph *g, const struct graph_wait *w, enum graph_kind kind)
{
    const struct heald_object_state *s = &w->object->state;
    unsigned stuck = 0;

    if (w->is_new || s->condition != HEALD_OBJECT_HELD ||
        w->object->info.type == HEALD_OBJECT_BARRIER || w->object->info.type == HEALD_OBJECT_COND ||
        (kind == GRAPH_DEADLOCK && w->wait->flags & HEALD_WAIT_DEADLINE))
        return false;
    for (unsigned i = 0; i < s->holder_count; i++) {
        const struct graph_participant *p = holder(g, w, i);
        stuck += p && p->is_stuck[kind];
    }
    return w->object->info.type == HEALD_OBJECT_SEM ? stuck && stuck == s->holder_count : stuck;
}

static bool is_stuck(const struct graph *g, const struct graph_participant *p, enum graph_kind kind)
{
    for (unsigned i = 0; i < p->wait_count; i++)
        if (!is_hopeless(g, &p->waits[i], kind))
            return false;
    return p->wait_count;
}

static void find_stuck(struct graph *g, enum graph_kind kind)
{
    bool changed = true;

    for (unsigned i = 0; i < g->count; i++)
        g->participants[i].is_stuck[kind] = g->participants[i].wait_count;
    while (changed) {
        changed = false;
        for (unsigned i = 0; i < g->count; i++)
            if (g->participants[i].is_stuck[kind] && !is_stuck(g, &g->participants[i], kind)) {
                g->participants[i].is_stuck[kind] = false;
                changed = true;
            }
    }
}

void graph_make(struct graph *g, const struct snapshot *c, const struct graph *before)
{
    *g = (struct graph){0};
    for (unsigned i = 0; i < c->region_count; i++) {
        const struct snapshot_region *r = &c->regions[i];
        for (unsigned k = 0; k < r->participant_count; k++)
            participant_of(g, &r->participants[k].thread);
        for (unsigned k = 0; k < r->object_count; k++)
            for (unsigned w = 0; w < r->objects[k].wait_count; w++)
                add_wait(g, r, &r->objects[k], &r->objects[k].waits[w], before);
    }
    find_stuck(g, GRAPH_DEADLOCK);
    find_stuck(g, GRAPH_ENDING);
}

void graph_free(struct graph *g)
{
    for (unsigned i = 0; i < g->count; i++)
        free(g->participants[i].waits);
    free(g->participants);
}

/* A stuck thread that holds what this one waits for. */
static const struct graph_participant *next_of(const struct graph *g,
                                               const struct graph_participant *p,
                                               enum graph_kind kind,
                                               const struct graph_wait **ret_wait)
{
    for (unsigned i = 0; i < p->wait_count; i++)
        for (unsigned k = 0; k < p->waits[i].object->state.holder_count; k++) {
            const struct graph_participant *next = holder(g, &p->waits[i], k);
            if (next && next->is_stuck[kind]) {
                *ret_wait = &p->waits[i];
                return next;
            }
        }
    return NULL;
}

/* From here round to here again; 0: it leads elsewhere, or this is not the first of the circle, or
 * the circle is of the other kind. */
static unsigned follow(const struct graph *g, const struct graph_participant *start,
                       enum graph_kind kind, unsigned circle[])
{
    const struct graph_participant *p = start;
    const struct graph_wait *wait = NULL;
    bool is_first = true, is_ending = false;
    unsigned n = 0;

    do {
        is_first = is_first && p >= start;
        circle[n++] = (unsigned)(p - g->participants);
        p = next_of(g, p, kind, &wait);
        is_ending = is_ending || (p && wait->wait->flags & HEALD_WAIT_DEADLINE);
    } while (p && p != start && n < g->count);
    return p == start && is_first && is_ending == (kind == GRAPH_ENDING) ? n : 0;
}

/* Each stuck thread leads to one other, so every start reaches a cycle. It is reported only for the
 * first thread in it. */
unsigned graph_circle(const struct graph *g, enum graph_kind kind, unsigned *cursor,
                      unsigned circle[])
{
    while (*cursor < g->count) {
        const struct graph_participant *start = &g->participants[(*cursor)++];
        unsigned n = start->is_stuck[kind] ? follow(g, start, kind, circle) : 0;
        if (n)
            return n;
    }
    return 0;
}

/* A thread that is stuck in the first kind is stuck in the second. */
const struct graph_wait *graph_between(const struct graph *g, unsigned from, unsigned to)
{
    for (enum graph_kind kind = GRAPH_DEADLOCK; kind <= GRAPH_ENDING; kind++) {
        const struct graph_wait *wait = NULL;
        if (next_of(g, &g->participants[from], kind, &wait) == &g->participants[to])
            return wait;
    }
    return NULL;
}
