/* inspect/queue.h: a queue, looked at from outside: in the region, or in the file of a snapshot. */
#ifndef HEALD_SRC_INSPECT_QUEUE_H
#define HEALD_SRC_INSPECT_QUEUE_H

#include "region/region.h"

struct queue_census {
    unsigned slots, free, capacity, priorities;
    uint64_t messages, sent, dropped;
    bool is_closed;
    /* Called with the id of each participant that has a slot. */
    void (*owner)(void *ctx, uint64_t id);
    void *ctx;
};

/* The queue at an offset of which so many bytes lie in the region. False: it is no queue. */
bool heald__inspect_queue(const struct heald_region *region, uint64_t offset, uint64_t room,
                          struct queue_census *census);

#endif
