/*
 * region/layout.h: what lies in a region: head, slots, data, in this order.
 *
 * The head is written once, before the region has a name, and carries its own checksum; the slots
 * change hands by their lifelines. A reader copies the head first and then checks and uses the copy
 * alone.
 */
#ifndef HEALD_SRC_REGION_LAYOUT_H
#define HEALD_SRC_REGION_LAYOUT_H

#include "platform/lifeline.h"

#include <stdint.h>

enum { REGION_VERSION = 1, REGION_ALIGN = 4096, REGION_SLOTS_MAX = 4096 };

#define REGION_MAGIC UINT64_C(0x6e6f676572646c68) /* "hldregon" on little-endian machines */

/* One participant, or the place for one. */
struct region_slot {
    struct heald_lifeline life; /* held by the participant; guards all below but `bell` */
    uint32_t generation;        /* atomic: odd while somebody is attached; never goes back */
    uint32_t bell;              /* atomic: changes when somebody has died: look again */
    int64_t pid;
    uint64_t thread, pid_space;
};

struct region_head {
    uint64_t magic;
    uint32_t version;
    uint32_t abi; /* of what the C library puts into a slot */
    uint64_t size;
    uint64_t slots_at, data_at;
    uint32_t slots, slot_size;
    int64_t creator_pid;
    uint64_t creator_start_time;
    uint64_t checksum; /* of all above */
    uint64_t deaths;   /* atomic */
};

_Static_assert(sizeof(struct region_head) <= REGION_ALIGN, "slots begin on the second page");
_Static_assert(sizeof(struct region_slot) % 8 == 0, "slots follow each other");

/* Fills in what follows from the number of slots and the size of the data. */
void region_layout(struct region_head *head, unsigned slots, uint64_t data_size);

/* Closes the head: magic, version and checksum. */
void region_seal(struct region_head *head);

/* Is it a head that describes a region of this size? 0, -ENOEXEC, -EPROTONOSUPPORT, -EBADMSG. */
int region_check(const struct region_head *head, uint64_t size);

#endif
