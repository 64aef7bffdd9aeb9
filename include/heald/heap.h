/*
 * heald/heap.h: memory that is allocated in a region.
 *
 * An allocation is an offset in a word of the region. A call changes the heap and that word in one
 * step. If a process is killed in a call, either both have changed or neither has: no block is
 * leaked between its allocation and the store of its offset. A full heap grows, up to
 * heald_region_options.heap_max.
 *
 * The algorithm is two-level segregated fit: Masmano, Ripoll, Crespo and Real, "TLSF: a new dynamic
 * memory allocator for real-time systems" (2004). The number of steps is bounded, and adjacent free
 * blocks are merged. A block is a multiple of 16 bytes, plus 16 bytes.
 *
 * A call is made on the thread of the participant. It may block while another participant uses the
 * heap. None is async-signal-safe. Each of them returns, besides the errors below:
 *
 *   -ENOSYS    the region has no heap
 *   -ESTALE    `me` is detached, or belongs to the parent of this process
 *   -EBADMSG   the heap is corrupt
 */
#ifndef HEALD_HEAP_H
#define HEALD_HEAP_H

#include <heald/region.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Allocates `size` zeroed bytes, aligned to 16, and writes their offset to *where. That is no local
 * variable: it lies in the region, as in a block that refers to this one, and is aligned to 8.
 *
 *   0         *where is the offset; heald_at() returns the address
 *   -EINVAL   size is 0, or where is not such a word
 *   -ENOMEM   the heap is full
 *   -ENOSPC   the heap must grow, and the file system has no space
 */
HEALD_API int heald_alloc(struct heald_participant *me, size_t size, uint64_t *where);

/*
 * Frees the block at the offset *where, and sets *where to 0. Has no effect if *where is 0.
 *
 *   0         freed
 *   -EINVAL   *where is not the offset of an allocated block, or where is not such a word
 */
HEALD_API int heald_free(struct heald_participant *me, uint64_t *where);

/* Counters of a heap. */
struct heald_heap_stats {
    uint64_t size;    /* bytes of the heap now */
    uint64_t max;     /* the maximum of that */
    uint64_t used;    /* allocated bytes, with 16 for each block */
    uint64_t largest; /* largest block that can be allocated without growth */
    uint64_t blocks;  /* allocated blocks */
};

/* Checks every block of the heap, and fills *ret_stats. Takes time in proportion to the number of
 * blocks. */
HEALD_API int heald_heap_stats(struct heald_participant *me, struct heald_heap_stats *ret_stats);

#ifdef __cplusplus
}
#endif
#endif
