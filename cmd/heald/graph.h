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
    unsigned holder_count;
    unsigned *holders; /* of that object: participants of the graph */
};

/* From a stuck thread to one that it waits for, and that is stuck as well. */
struct graph_step {
    unsigned to;
    const struct graph_wait *wait; /* NULL: there is none */
};

/* The arrays are indexed by enum graph_kind. */
struct graph_participant {
    struct heald_thread_info thread;
    bool holds_something;
    unsigned wait_count;
    struct graph_wait *waits;
    unsigned dependents; /* who waits for it: index of a graph_edge, from 1; 0: nobody */
    bool is_stuck[2];    /* waits only for threads that are stuck as well */
    struct graph_step step[2];
    unsigned circle[2]; /* the length of the cycle of which it is the first; 0: of none */
};

/* An element of a list of dependents. */
struct graph_edge {
    unsigned waiter, next;
};

struct graph {
    unsigned count;
    struct graph_participant *participants;
    unsigned edge_count;
    struct graph_edge *edges;
    unsigned table_size; /* a power of 2 */
    unsigned *table;     /* the participants by their threads, hashed: indexes from 1; 0: free */
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
void graph_free(struct graph *g);

/* The participant that is this thread; NULL: none. */
const struct graph_participant *graph_find(const struct graph *g,
                                           const struct heald_thread_info *thread);

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
