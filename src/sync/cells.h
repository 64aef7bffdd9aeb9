/*
 * sync/cells.h: cells: words that name their holders, each of which is acquired and released by one
 * change: the permits of a semaphore, the readers of a lock. The bits that an id leaves free count
 * how many more times than once it is to be released. Any thread, as the participant it is.
 */
#ifndef HEALD_SRC_SYNC_CELLS_H
#define HEALD_SRC_SYNC_CELLS_H

#include "region/region.h"

/* How many cells an object has is kept with its complement: so in one that was spoiled no cell is
 * taken in the memory behind it. In zeroed memory both are 0. */
static inline uint32_t cells_check_of(uint32_t count)
{
    return count ? ~count : 0;
}

/* Is it a number that there may be? */
static inline bool cells_are_so_many(uint32_t count, uint32_t check, uint32_t most)
{
    return count <= most && check == cells_check_of(count);
}

/* The participant of an id is there (0), or gone (-EOWNERDEAD); 0 is nobody and gone. -EBADMSG. */
int heald__cells_is_gone(const struct heald_participant *me, uint64_t id);

/* The same, with `tries` as heald__region_ask(). */
int heald__cells_ask(const struct heald_participant *me, uint64_t id, bool tries);

/* Changes a cell, if it is still `from`. */
bool heald__cells_swap(uint64_t *cell, uint64_t from, uint64_t to);

/* The first of this id, which is the caller's own; NULL. */
uint64_t *heald__cells_find(uint64_t cells[], unsigned count, uint64_t id);

/* Are all of this id, which is the caller's own? Then nobody else can give one back. */
bool heald__cells_are_all(const uint64_t cells[], unsigned count, uint64_t id);

/* A cell of the caller's is to be released once more. 0; -EAGAIN: not so often. */
int heald__cells_add(uint64_t *mine);

/* Acquires a free one, or if `thoroughly` one of a participant that is gone. Before that, if `used`
 * is not NULL, sets the bit of its number (modulo 64) there. NULL: there is none. */
uint64_t *heald__cells_claim(uint64_t cells[], unsigned count, uint64_t *used,
                             const struct heald_participant *me, bool thoroughly);

/* Releases one that was just acquired. */
void heald__cells_return(uint64_t *cell);

/* Releases one that is the caller's, once. False: none is. */
bool heald__cells_release(uint64_t cells[], unsigned count, const struct heald_participant *me);

/* Frees those of participants that are gone, as far as their bits in `used` are set, and returns
 * what is in one of another participant; 0: there is none. tries: as heald__cells_ask(). */
uint64_t heald__cells_any(uint64_t cells[], unsigned count, const uint64_t *used,
                          const struct heald_participant *me, bool tries);

#endif
