/* inspect/source.h: the words of an object, in the region or in the file of a snapshot. */
#ifndef HEALD_SRC_INSPECT_SOURCE_H
#define HEALD_SRC_INSPECT_SOURCE_H

#include "region/region.h"

struct source {
    const struct heald_region *region;
    uint64_t at; /* where the object begins */
};

static inline uint64_t source_word(const struct source *s, uint64_t at)
{
    uint64_t word = 0;

    if (s->region->is_snapshot)
        heald__region_read(s->region, s->at + at, &word, sizeof word);
    else
        word =
            __atomic_load_n((uint64_t *)(void *)(s->region->base + s->at + at), __ATOMIC_ACQUIRE);
    return word;
}

static inline uint32_t source_half(const struct source *s, uint64_t at)
{
    uint32_t word = 0;

    if (s->region->is_snapshot)
        heald__region_read(s->region, s->at + at, &word, sizeof word);
    else
        word =
            __atomic_load_n((uint32_t *)(void *)(s->region->base + s->at + at), __ATOMIC_ACQUIRE);
    return word;
}

static inline char source_byte(const struct source *s, uint64_t at)
{
    char byte = 0;

    if (s->region->is_snapshot)
        heald__region_read(s->region, s->at + at, &byte, sizeof byte);
    else
        byte = __atomic_load_n(s->region->base + s->at + at, __ATOMIC_ACQUIRE);
    return byte;
}

#endif
