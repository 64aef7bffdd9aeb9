/*
 * graph.h: which thread waits for which, across all regions. A thread is one node, however many
 * regions it is attached to.
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

struct graph_participant {
    struct heald_thread_info thread;
    unsigned wait_count;
    struct graph_wait *waits;
    bool is_stuck[2]; /* waits only for threads that are stuck as well; by enum graph_kind */
};

struct graph {
    unsigned count;
    struct graph_participant *participants;
};

enum graph_kind {
    GRAPH_DEADLOCK, /* no thread in it has a deadline: it never ends */
    GRAPH_ENDING    /* a thread has one, and stops waiting then */
};

/*
 * before: NULL, or the graph of an earlier snapshot. A snapshot reads one object after the other,
 * so it may contain a cycle that never existed. A participant that waits for the same and holds the
 * same in both has done so all the time between. So a wait that began after `before` is not part
 * of a cycle.
 */
void graph_make(struct graph *g, const struct snapshot *c, const struct graph *before);
/* Are they the same thread? */
bool graph_is_same(const struct heald_thread_info *a, const struct heald_thread_info *b);

void graph_free(struct graph *g);

/*
 * The next cycle of this kind, of stuck threads each of which waits for the next one, in `circle`,
 * which has room for all. Returns their number; 0: there is no further cycle. *cursor is 0 at
 * first. Each cycle is returned once.
 */
unsigned graph_circle(const struct graph *g, enum graph_kind kind, unsigned *cursor,
                      unsigned circle[]);

/* The wait of the first for an object that the second holds. */
const struct graph_wait *graph_between(const struct graph *g, unsigned from, unsigned to);

#endif
