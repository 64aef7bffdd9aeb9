/* base/alloc.h: the caller's allocator. */
#ifndef HEALD_SRC_BASE_ALLOC_H
#define HEALD_SRC_BASE_ALLOC_H

#include <heald/loop.h>

#include <string.h>

static inline void *alloc_resize(const struct heald_allocator *a, void *ptr, size_t old_size,
                                 size_t size)
{
    return a->resize(a->ctx, ptr, old_size, size);
}

/* realloc() and free(). */
extern const struct heald_allocator heald__alloc_libc;

/* Zeroed memory, or NULL. */
static inline void *alloc_new(const struct heald_allocator *a, size_t size)
{
    void *p = a->resize(a->ctx, NULL, 0, size);
    return p ? memset(p, 0, size) : NULL;
}

static inline void alloc_free(const struct heald_allocator *a, void *ptr, size_t size)
{
    if (ptr)
        a->resize(a->ctx, ptr, size, 0);
}

#endif
