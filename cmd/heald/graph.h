/*
 * graph.h: who waits for whom, across all regions: a thread is one person wherever it is attached.
 */
#ifndef HEALD_CMD_GRAPH_H
#define HEALD_CMD_GRAPH_H

#include "snapshot.h"

/* A wait for an object that others hold. */
struct graph_wait {
    const struct snapshot_region *region;
    const struct snapshot_object *object;
    const struct heald_wait_info *wait;
    const struct snapshot_site *site;
    bool is_new; /* since the graph before */
};

struct graph_person {
    struct heald_thread_info thread;
    unsigned wait_count;
    struct graph_wait *waits;
    bool is_stuck[2]; /* waits for those alone who wait in the same way: see enum graph_kind */
};

struct graph {
    unsigned count;
    struct graph_person *people;
};

enum graph_kind {
    GRAPH_DEADLOCK, /* nobody in it has a deadline: it never ends */
    GRAPH_ENDING    /* somebody has, and gives up then */
};

/*
 * before: NULL, or the graph of an earlier snapshot. A snapshot reads one object after the other,
 * so it may contain a cycle that never existed. A participant that waits for the same and holds the
 * same in both has done so all the time between. So a wait that began after `before` is not part
 * of a cycle.
 */
void graph_make(struct graph *g, const struct snapshot *c, const struct graph *before);
/* Are they one? */
bool graph_is_same(const struct heald_thread_info *a, const struct heald_thread_info *b);

void graph_free(struct graph *g);

/*
 * A circle of this kind, of those who are stuck, each of whom waits for the next, in `circle`,
 * which has room for all; how many; 0: there is none further. *cursor is 0 at first. Each circle
 * comes once.
 */
unsigned graph_circle(const struct graph *g, enum graph_kind kind, unsigned *cursor,
                      unsigned circle[]);

/* What the first waits for so that the second, who holds it, keeps it stuck. */
const struct graph_wait *graph_between(const struct graph *g, unsigned from, unsigned to);

#endif
