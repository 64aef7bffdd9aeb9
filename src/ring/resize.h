/*
 * ring/resize.h: a ring that opens small and grows when it is full (Linux 6.13). The thread that
 * owns the ring.
 */
#ifndef HEALD_SRC_RING_RESIZE_H
#define HEALD_SRC_RING_RESIZE_H

#include "ring/ring.h"

/* How many completions a ring of so many entries has. */
unsigned heald__ring_completions(unsigned entries);

/* How many entries to open a ring with that may grow to so many. */
unsigned heald__ring_first(unsigned entries);

/* Will the kernel resize this ring? Asks it, and changes nothing. */
bool heald__ring_resizes(const struct io_uring *ring);

/* Hands over what is there and makes the ring larger, up to r->limit. Where that is refused, now or
 * by the kernel, the ring stays as it is. May block for some milliseconds. */
void heald__ring_grow(struct heald_ring *r);

/* Maps a ring that the kernel has resized and that could not be mapped. 0 or -errno: not yet. */
int heald__ring_map_again(struct heald_ring *r);

#endif
