/* stream/buffer.c: a buffer that grows by doubling. What was dropped from its front is used again
 * when the end is reached and half of it is free: a byte is moved once for each that is dropped. */
#include "stream/stream.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum { BUFFER_FIRST = 512 };

static void move_to_front(struct heald_stream_buffer *b)
{
    if (!b->lead)
        return;
    char *base = b->data - b->lead;
    if (b->len)
        memmove(base, b->data, b->len);
    b->data = base;
    b->lead = 0;
}

static int make_room(struct heald_stream_buffer *b, const struct heald_allocator *a, size_t len)
{
    size_t size = b->size ? b->size : BUFFER_FIRST;

    if (len > SIZE_MAX / 2 - b->len)
        return -ENOMEM;
    if (b->lead + b->len + len <= b->size)
        return 0;
    move_to_front(b);
    while (size < b->len + len || size / 2 < b->len)
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
    int err = len ? make_room(b, a, len) : 0;

    if (err || !len)
        return err;
    assert(b->data);
    memcpy(b->data + b->len, data, len);
    b->len += len;
    return 0;
}

void heald__buffer_drop(struct heald_stream_buffer *b, size_t len)
{
    b->len -= len;
    b->lead += len;
    b->data += len;
    if (!b->len)
        move_to_front(b);
}

void heald__buffer_free(struct heald_stream_buffer *b, const struct heald_allocator *a)
{
    move_to_front(b);
    alloc_free(a, b->data, b->size);
    *b = (struct heald_stream_buffer){0};
}
