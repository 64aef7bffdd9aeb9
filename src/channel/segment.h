/*
 * channel/segment.h: the memory that one side of a channel writes to, and the other reads.
 *
 * Nothing that this process decides depends on its own segment: it writes there what it knows, and
 * never reads it again. Of the peer's segment each word is read once, into a local variable, and
 * checked against what is known here before it is used.
 */
#ifndef HEALD_SRC_CHANNEL_SEGMENT_H
#define HEALD_SRC_CHANNEL_SEGMENT_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SEGMENT_HEAD = 4096, /* the room begins here */
    RECORD_HEAD = 8,     /* bytes: the length, and nothing */
    CELL_HEAD = 16       /* of a broadcast: struct cell */
};

/* What a side may wait for. */
enum { BELL_IN, BELL_OUT, BELLS };

/* Written by its owner alone. Positions are bytes since the beginning, modulo 2^32. */
struct segment {
    alignas(64) uint32_t sent;     /* position behind the last message that is whole */
    alignas(64) uint32_t received; /* position in the peer's room up to which messages are copied */
    alignas(64) uint32_t armed[BELLS]; /* how often the owner began to wait */
    alignas(64) uint64_t published;    /* of a broadcast: how many */
};

/* One sample of a broadcast, at the beginning of `stride` bytes of the room. */
struct cell {
    uint64_t sequence; /* 2 n + 2: sample n is there; odd: it is being written */
    uint32_t size, zero;
};

/* The owner's own segment, or a peer's. */
struct segment_map {
    struct segment *segment;
    char *room;
    uint32_t size; /* bytes of the room, a power of two; 0: there is none */
};

static inline uint32_t segment_read(const uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline void segment_write(uint32_t *word, uint32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* Makes a segment: its descriptor, sealed, which the caller closes; or -errno. */
int heald__segment_make(struct segment_map *map, uint32_t room);

/* Maps the segment of a peer, which has `room`, for reading, after its seals and its size; of the
 * room `part` bytes: all, or 0. 0; -EPROTO and *ret_why. The descriptor stays the caller's. */
int heald__segment_map(struct segment_map *map, int fd, uint32_t room, uint32_t part,
                       const char **ret_why);

void heald__segment_unmap(struct segment_map *map);

#endif
