/*
 * region/region.h: what the objects of ipc/ need of a region: who I am, whether somebody else still
 * lives, and to wait.
 */
#ifndef HEALD_SRC_REGION_REGION_H
#define HEALD_SRC_REGION_REGION_H

#include <heald/region.h>

#include "platform/futex.h"
#include "region/layout.h"

#include <stdbool.h>

struct heald_region {
    char *base;
    uint64_t size, data_at;
    struct region_slot *slots;
    struct region_local *local;
    uint64_t pid_space;
    unsigned slot_count;
    int fd;
};

/*
 * Lies in region_local: `id` 0 is nobody.
 *
 * id: generation << 32 | (slot + 1) << 16. The low sixteen bits are free for the flags of the words
 * that an object keeps it in, and the low half, on which others wait, is never 0.
 */
struct heald_participant {
    uint64_t id;
    struct heald_region *region;
    struct region_slot *slot;
    int pending; /* atomic: ops that wait in loops */
};

/* Of this process alone: a child of fork(2) finds it zeroed. */
struct region_local {
    int leaving;                             /* atomic: how many are in heald_detach() */
    struct heald_participant participants[]; /* one for each slot */
};

static inline size_t region_local_size(unsigned slots)
{
    return sizeof(struct region_local) + slots * sizeof(struct heald_participant);
}

enum { REGION_ID_SHIFT = 16, REGION_ID_FLAGS = 0xffff };

static inline uint64_t region_id(uint64_t word)
{
    return word & ~(uint64_t)REGION_ID_FLAGS;
}

/* The half of a word that changes with its holder and its flags. */
static inline uint32_t *region_half(uint64_t *word)
{
    const uint16_t one = 1;
    bool is_big_endian = *(const unsigned char *)&one == 0;
    return (uint32_t *)(void *)word + is_big_endian;
}

/* Is a participant of this process attached? */
bool region_in_use(struct heald_region *region);

/*
 * Whether the participant of an id is there still. -EOWNERDEAD: it is gone, and everybody who waits
 * has been told to look again. 0: it lives. -EBADMSG: there cannot be such a participant.
 */
int region_is_gone(struct heald_region *region, uint64_t id);

/* Taken before the caller looks at what it may have to wait for, and kept in what he waits for. */
static inline uint32_t region_bell(const struct heald_participant *me)
{
    /* Acquire: pairs with the ring in register.c; whoever sees the ring sees the death. */
    return __atomic_load_n(&me->slot->bell, __ATOMIC_ACQUIRE);
}

/* What a participant waits for: that the word is woken or differs from `seen`, that the participant
 * `holder` (0: nobody) dies, or that anybody was found dead since `bell`. */
struct region_wait {
    struct heald_participant *me;
    uint32_t *word;
    uint32_t seen, bell;
    uint64_t holder;
    uint64_t *guard; /* NULL, or the word of the mutex under which the one who changes what is
                        waited for may have died before he told */
    bool several;    /* there are more holders than one: look again now and then */
};

enum { REGION_WORDS = 3 };

/* The words in which all this shows. How many. */
unsigned region_words(const struct region_wait *wait, struct heald_word ret_words[REGION_WORDS]);

/* Is there a reason to look again? Asks more than the words tell: nobody may have been left to tell
 * of a death. */
bool region_is_over(const struct region_wait *wait);

/* Waits. 0: look again, perhaps for nothing; -ETIMEDOUT. */
int region_wait(const struct region_wait *wait, int64_t deadline_ns);

/* For how long words alone may be relied on; see register.c. */
#define REGION_RECHECK_NS (50 * HEALD_MS)

#endif
