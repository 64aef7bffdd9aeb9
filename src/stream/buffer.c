/* stream/buffer.c: a buffer that grows by doubling. */
#include "stream/stream.h"

#include <errno.h>
#include <string.h>

enum { BUFFER_FIRST = 512 };

static int make_room(struct heald_stream_buffer *b, const struct heald_allocator *a, size_t len)
{
    size_t size = b->size ? b->size : BUFFER_FIRST;

    if (len > SIZE_MAX / 2 - b->len)
        return -ENOMEM;
    while (size < b->len + len)
        size *= 2;
    if (size == b->size)
        return 0;
    char *data = alloc_resize(a, b->data, b->size, size);
    if (!data)
        return -ENOMEM;
    b->data = data;
    b->size = size;
    return 0;
}

int heald__buffer_append(struct heald_stream_buffer *b, const struct heald_allocator *a,
                         const char *data, size_t len)
{
    int err = make_room(b, a, len);

    if (err)
        return err;
    memcpy(b->data + b->len, data, len);
    b->len += len;
    return 0;
}

void heald__buffer_drop(struct heald_stream_buffer *b, size_t len)
{
    b->len -= len;
    if (len && b->len)
        memmove(b->data, b->data + len, b->len);
}

void heald__buffer_free(struct heald_stream_buffer *b, const struct heald_allocator *a)
{
    alloc_free(a, b->data, b->size);
    *b = (struct heald_stream_buffer){0};
}
