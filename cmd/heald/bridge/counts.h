/* counts.h: what a bridge has forwarded, as it lies in a region, in an object of its own. */
#ifndef HEALD_CMD_BRIDGE_COUNTS_H
#define HEALD_CMD_BRIDGE_COUNTS_H

#include "json.h"

#include <heald/object.h>

/* An object of data with this prefix and the name of the queue or topic. */
#define BRIDGE_COUNTS_PREFIX "bridge."
#define BRIDGE_COUNTS_MAGIC  UINT64_C(0x3145474449524248) /* "HBRIDGE1" */

/* Words that their bridge writes, and others read, each for itself. A bridge that begins after
 * another one begins from 0. */
struct bridge_counts {
    uint64_t magic;
    uint64_t process;     /* the bridge, in its PID name space */
    uint64_t is_outward;  /* 1: from the region to the server */
    uint64_t connected;   /* 1: now */
    uint64_t forwarded;   /* messages that arrived at the target */
    uint64_t redelivered; /* that had been delivered to a bridge before, and may arrive twice */
    uint64_t duplicates;  /* that the server had already, and did not store again */
    uint64_t resent;      /* that were sent to the server again */
    uint64_t dropped;     /* that are lost: too long, or too many for at most once */
    uint64_t behind;      /* that wait at the source */
    uint64_t in_flight;   /* that are sent and not acknowledged */
    uint64_t reconnects;
};

void counts_put(struct json *j, const struct bridge_counts *c);
void counts_print(FILE *to, const struct bridge_counts *c);

/* Is the object such a copy? Then it is read. */
bool counts_read(const struct heald_region *region, const struct heald_object_info *info,
                 struct bridge_counts *ret);

/* The copy in the region for the object of that name; NULL: the region has no room. */
struct bridge_counts *counts_open(struct heald_participant *me, const char *object);
void counts_show(struct bridge_counts *shown, const struct bridge_counts *c);

#endif
