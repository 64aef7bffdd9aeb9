/* inspect/topic.h: a topic, looked at from outside: in the region, or in the file of a snapshot. */
#ifndef HEALD_SRC_INSPECT_TOPIC_H
#define HEALD_SRC_INSPECT_TOPIC_H

#include "region/region.h"

struct topic_census {
    unsigned chunks, used; /* used: on loan, or held */
    unsigned capacity, subscribers;
    uint64_t published, lost;
    uint64_t lag;     /* how many samples the slowest subscriber is behind */
    uint64_t slowest; /* the id of that; 0: none is behind */
    bool is_blocked;  /* one for which publishers wait is a ring behind */
    bool (*lives)(void *ctx, uint64_t id);
    /* Called with the id of each that has a chunk, or for which publishers wait. */
    void (*owner)(void *ctx, uint64_t id);
    void *ctx;
};

/* The topic at an offset of which so many bytes lie in the region. False: it is no topic. */
bool heald__inspect_topic(const struct heald_region *region, uint64_t offset, uint64_t room,
                          struct topic_census *census);

#endif
