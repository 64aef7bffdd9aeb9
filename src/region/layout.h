/*
 * region/layout.h: what lies in a region, in this order: head, slots, the order of locks where it
 * is recorded, names, data, heap.
 *
 * The head is written once, before the region has a name, and carries its own checksum; only what
 * stands behind that changes. The slots change hands by their lifelines. A reader copies the head
 * first and then checks and uses the copy alone.
 */
#ifndef HEALD_SRC_REGION_LAYOUT_H
#define HEALD_SRC_REGION_LAYOUT_H

#include <heald/object.h>

#include "platform/lifeline.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    REGION_VERSION = 8,
    REGION_ALIGN = 4096,
    REGION_SLOTS_MAX = 4096,
    REGION_NAMES_MAX = 65536,
    REGION_PLACES = 4,
    REGION_NOTES = 8,
    REGION_AT_LEAST = 1,
    REGION_ORDER_MAX = 64
};

#define REGION_MAGIC UINT64_C(0x6e6f676572646c68) /* "hldregon" on little-endian machines */

/* A place in the queue for an object. Written by its participant alone, read by any. */
struct region_place {
    uint64_t object; /* atomic: where it is; 0: this is no place */
    uint64_t ticket; /* atomic: the order in the queue */
    uint32_t kind;   /* atomic: enum heald_object_type */
    uint32_t flags;  /* atomic: enum heald_wait_flag */
    /* For people; atomic, each by itself: */
    int64_t since, deadline; /* by the clock of its participant; HEALD_FOREVER: it has none */
    uint64_t site;           /* where it waits, or the callback of the op: an address; 0 */
};

/* Where and when a participant took an object last: for people (region_note_taken()). Atomic, each
 * by itself; written by its participant alone, but for an unknown `since`. */
struct region_note {
    uint64_t object; /* where it is; 0: nothing is noted */
    uint64_t site;   /* as that of a place */
    int64_t since;   /* 0: not known; | REGION_AT_LEAST: perhaps longer: it may have it twice */
};

/* One participant, or the place for one. */
struct region_slot {
    struct heald_lifeline life; /* held by the participant; guards what follows up to `bell` */
    uint32_t generation;        /* atomic: odd while a participant is attached; never decreases */
    uint32_t bell;              /* an event count: a participant has died, check again */
    int64_t pid;
    uint64_t thread, pid_space, time_space;
    uint64_t unlisted; /* atomic: for how many objects it waits without a place; its own */
    struct region_place places[REGION_PLACES];
    struct region_note notes[REGION_NOTES]; /* region_note_of() says which */
};

/* A lock was taken while another was held, first by `who` at `site`. */
struct region_edge {
    uint64_t locks;    /* atomic: which two: held << 32 | wanted; 0: none */
    uint64_t reported; /* atomic: the two whose inversion was reported */
    uint64_t site;     /* atomic */
    uint64_t who;      /* atomic: pid << 32 | thread */
};

/* In which order locks are taken (sync/lockdep.c). */
struct region_order {
    uint64_t drawn; /* atomic: how many numbers were given to locks */
    /* Atomic: where they are, in units of REGION_ORDER_UNIT, << 32 | their numbers
     * (heald_mutex.order); 0: free. */
    uint64_t locks[REGION_ORDER_MAX];
    struct region_edge edges[REGION_ORDER_MAX][REGION_ORDER_MAX]; /* of [held][wanted] */
};

/* A place is kept in units of this many bytes. */
enum { REGION_ORDER_UNIT = 8 };

static inline uint64_t region_order_place(uint64_t word)
{
    return (word >> 32) * REGION_ORDER_UNIT;
}

/* One name of the directory (heap/names.c). */
struct region_name {
    uint64_t at; /* atomic: what has the name; 0: this is no name */
    uint64_t size;
    uint32_t type;
    uint32_t is_allocated; /* from the heap */
    char name[HEALD_NAME_MAX + 1];
};

enum { REGION_TRACED = 1 };

struct region_head {
    uint64_t magic;
    uint32_t version;
    uint32_t abi; /* of what the C library puts into a slot */
    uint64_t slots_at, order_at, names_at, data_at, heap_at;
    uint64_t first_size, max_size; /* as it was made, and as large as it may become */
    uint32_t slots, slot_size, names, flags;
    int64_t creator_pid;
    uint64_t creator_start_time, creator_pid_space;
    uint64_t checksum; /* of all above */
    uint64_t size;     /* atomic: now; a file that is longer was being made so */
    uint64_t deaths;   /* atomic */
    uint64_t boot;     /* heald__plat_boot() of the participants */
    uint64_t tickets;  /* atomic: how many were drawn */
    uint32_t vacant;   /* atomic: where attaching begins to look for a slot */
    uint32_t unused;
    /* Atomic: a bit for each slot, set by its participant while it may have a place in a line, or
     * wait without one (line.c). The dead leave it set. */
    uint64_t waiting[REGION_SLOTS_MAX / 64];
};

_Static_assert(sizeof(struct region_head) <= REGION_ALIGN, "slots begin on the second page");
_Static_assert(sizeof(struct region_slot) % 8 == 0, "slots follow each other");
_Static_assert(sizeof(struct region_name) % 8 == 0, "names follow each other");

/* What the sizes follow from. */
struct region_shape {
    unsigned slots, names;
    uint64_t data, heap, heap_max;
    bool is_traced;
};

void heald__region_layout(struct region_head *head, const struct region_shape *shape);

/* Closes the head: magic, version and checksum. */
void heald__region_seal(struct region_head *head);

/* Is it a head that describes a region in a file of this size? 0, -ENOEXEC, -EPROTONOSUPPORT,
 * -EBADMSG, and which check it was. */
int heald__region_check(const struct region_head *head, uint64_t file_size, const char **ret_why);

#endif
