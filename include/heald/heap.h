/*
 * heald/heap.h: memory in a region, allocated and freed.
 *
 * An allocation is an offset, kept in a word of the region itself: a call changes the heap and
 * that word together or, whoever is killed and when, neither. So nothing is lost between
 * "allocated" and "stored somewhere". The heap grows, up to heald_region_options.heap_max, when it
 * is full.
 *
 * Two-level segregated fit, after Masmano, Ripoll, Crespo and Real, "TLSF: a new dynamic memory
 * allocator for real-time systems" (2004): a bounded number of steps; neighbours that are free are
 * made one. 16 bytes come on top of each block, and blocks are multiples of 16.
 *
 * Calls are for the thread of the participant, and may block while another is in the heap. None is
 * safe in a signal handler.
 */
#ifndef HEALD_HEAP_H
#define HEALD_HEAP_H

#include <heald/region.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Allocates `size` zeroed bytes, aligned to 16, and writes their offset to *where, which lies in
 * the region, aligned to 8. 0; -EINVAL: no size, or *where is elsewhere; -ENOMEM: the heap is full;
 * -ENOSPC: it may grow and the file system has no room; -ENOSYS: the region was made without a
 * heap; -ESTALE: see heald_mutex_lock(); -EBADMSG: the heap is corrupt.
 */
HEALD_API int heald_alloc(struct heald_participant *me, size_t size, uint64_t *where);

/* Frees what *where refers to, and makes it 0. Nothing happens if it is 0. -EINVAL: that is no
 * block that was allocated; others as above. */
HEALD_API int heald_free(struct heald_participant *me, uint64_t *where);

struct heald_heap_stats {
    uint64_t size;    /* bytes of the heap, as it is now */
    uint64_t max;     /* bytes that it may grow to */
    uint64_t used;    /* bytes allocated, with what comes on top */
    uint64_t largest; /* that could be allocated without growing */
    uint64_t blocks;  /* allocated */
};

/* Walks the whole heap, checks every block, and adds up. -EBADMSG: it is corrupt. */
HEALD_API int heald_heap_stats(struct heald_participant *me, struct heald_heap_stats *ret_stats);

#ifdef __cplusplus
}
#endif
#endif
