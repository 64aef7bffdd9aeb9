/* traffic.h: what passes through the queues, topics, services and bridges of a snapshot, and how
 * fast. */
#ifndef HEALD_CMD_TRAFFIC_H
#define HEALD_CMD_TRAFFIC_H

#include "snapshot.h"

enum { TRAFFIC_DETAILS_SIZE = 512 };

struct traffic_row {
    char *region, *name; /* name "": it has none */
    uint64_t offset;     /* in the region */
    enum heald_object_type type;
    bool is_bridge; /* its counts: what it has forwarded is in `state` as what was sent */
    struct heald_object_state state;
    uint64_t dropped;               /* by a queue; that the subscribers of a topic have lost */
    bool has_rates;                 /* it was there before */
    double sent_rate, dropped_rate; /* in a second */
    pid_t slowest;                  /* subscriber of a topic; 0: none is behind */
    unsigned stopped_count;         /* processes that have something of it, or are the slowest */
    pid_t stopped[4];
    char details[TRAFFIC_DETAILS_SIZE]; /* for people */
};

struct traffic {
    int64_t taken_ns;
    double interval_s; /* since `before` */
    unsigned count;
    struct traffic_row *rows; /* the fastest first */
};

/* before: NULL, or what was taken earlier. Frees nothing. */
void traffic_take(struct traffic *t, const struct snapshot *c, const struct traffic *before);
void traffic_free(struct traffic *t);

/* A table of at most so many rows. is_clipped: the terminal cuts lines that are too wide. */
void traffic_print(const struct traffic *t, unsigned max, bool is_clipped);

/* A line of JSON. */
void traffic_print_json(const struct traffic *t);

#endif
