/*
 * graph.c: see graph.h.
 *
 * Who is stuck: at first all who wait for something that has holders. Then whoever may get on is
 * taken out, again and again: of a semaphore it is enough that one of its holders is not stuck, of
 * all else no holder may be; one who waits in a loop for several things at once is stuck only if
 * every one of them is. What is left can only wait for itself.
 */
#include "graph.h"

#include <heald/heald.h>

#include <stdlib.h>

static bool is_same(const struct heald_thread_info *a, const struct heald_thread_info *b)
{
    return a->pid == b->pid && a->thread == b->thread && a->is_here == b->is_here;
}

static unsigned person_of(struct graph *g, const struct heald_thread_info *thread)
{
    unsigned i = 0;

    while (i < g->count && !is_same(&g->people[i].thread, thread))
        i++;
    if (i == g->count) {
        g->people = census_grow(g->people, g->count, sizeof *g->people);
        g->people[g->count++].thread = *thread;
    }
    return i;
}

static void add_wait(struct graph *g, const struct census_region *r, const struct census_object *o,
                     const struct census_wait *w)
{
    struct graph_person *p = &g->people[person_of(g, &r->people[w->person].thread)];

    p->waits = census_grow(p->waits, p->wait_count, sizeof *p->waits);
    p->waits[p->wait_count++] = (struct graph_wait){r, o, w->wait};
}

/* The holder with this number of what is waited for; NULL. */
static const struct graph_person *holder(const struct graph *g, const struct graph_wait *w,
                                         unsigned i)
{
    const struct heald_participant_info *p = census_holder(w->region, &w->object->state, i);

    for (unsigned k = 0; p && k < g->count; k++)
        if (is_same(&g->people[k].thread, &p->thread))
            return &g->people[k];
    return NULL;
}

static bool is_hopeless(const struct graph *g, const struct graph_wait *w)
{
    const struct heald_object_state *s = &w->object->state;
    unsigned stuck = 0;

    if (s->condition != HEALD_OBJECT_HELD || w->object->info.type == HEALD_OBJECT_BARRIER ||
        w->object->info.type == HEALD_OBJECT_COND)
        return false;
    for (unsigned i = 0; i < s->holder_count; i++) {
        const struct graph_person *p = holder(g, w, i);
        stuck += p && p->is_stuck;
    }
    return w->object->info.type == HEALD_OBJECT_SEM ? stuck && stuck == s->holder_count : stuck;
}

static bool is_stuck(const struct graph *g, const struct graph_person *p)
{
    for (unsigned i = 0; i < p->wait_count; i++)
        if (!is_hopeless(g, &p->waits[i]))
            return false;
    return p->wait_count;
}

void graph_make(struct graph *g, const struct census *c)
{
    bool changed = true;

    *g = (struct graph){0};
    for (unsigned i = 0; i < c->region_count; i++) {
        const struct census_region *r = &c->regions[i];
        for (unsigned k = 0; k < r->person_count; k++)
            person_of(g, &r->people[k].thread);
        for (unsigned k = 0; k < r->object_count; k++)
            for (unsigned w = 0; w < r->objects[k].wait_count; w++)
                add_wait(g, r, &r->objects[k], &r->objects[k].waits[w]);
    }
    for (unsigned i = 0; i < g->count; i++)
        g->people[i].is_stuck = g->people[i].wait_count;
    while (changed) {
        changed = false;
        for (unsigned i = 0; i < g->count; i++)
            if (g->people[i].is_stuck && !is_stuck(g, &g->people[i])) {
                g->people[i].is_stuck = false;
                changed = true;
            }
    }
}

void graph_free(struct graph *g)
{
    for (unsigned i = 0; i < g->count; i++)
        free(g->people[i].waits);
    free(g->people);
}

/* One who is stuck and holds what this one waits for. */
static const struct graph_person *next_of(const struct graph *g, const struct graph_person *p,
                                          const struct graph_wait **ret_wait)
{
    for (unsigned i = 0; i < p->wait_count; i++)
        for (unsigned k = 0; k < p->waits[i].object->state.holder_count; k++) {
            const struct graph_person *next = holder(g, &p->waits[i], k);
            if (next && next->is_stuck) {
                *ret_wait = &p->waits[i];
                return next;
            }
        }
    return NULL;
}

/* Everybody goes to one other, so whoever starts comes into a circle; it is told by the first of it
 * alone. */
unsigned graph_circle(const struct graph *g, unsigned *cursor, unsigned circle[])
{
    const struct graph_wait *wait;

    while (*cursor < g->count) {
        const struct graph_person *start = &g->people[(*cursor)++], *p = start;
        unsigned n = 0;
        bool is_first = true;
        if (!start->is_stuck)
            continue;
        do {
            is_first = is_first && p >= start;
            circle[n++] = (unsigned)(p - g->people);
            p = next_of(g, p, &wait);
        } while (p && p != start && n < g->count);
        if (p == start && is_first)
            return n;
    }
    return 0;
}

const struct graph_wait *graph_between(const struct graph *g, unsigned from, unsigned to)
{
    const struct graph_wait *wait = NULL;
    const struct graph_person *next = next_of(g, &g->people[from], &wait);

    return next == &g->people[to] ? wait : NULL;
}
