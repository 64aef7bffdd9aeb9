/* base/alloc.c: the default allocator. Any thread. */
#include "base/alloc.h"

#include <stdlib.h>

static void *resize_with_libc(void *ctx, void *ptr, size_t old_size, size_t size)
{
    (void)ctx;
    (void)old_size;
    if (size)
        return realloc(ptr, size);
    free(ptr);
    return NULL;
}

const struct heald_allocator heald__alloc_libc = {.resize = resize_with_libc};
