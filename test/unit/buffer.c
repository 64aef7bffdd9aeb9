/* test/unit/buffer.c: the buffer of a stream against a count of what went in and out of it. */
#include "harness/harness.h"
#include "harness/seeds.h"
#include "stream/stream.h"

enum { STEPS = 50000, PART = 700, FRAME = 8, FRAMES = 100000 };

struct model {
    struct heald_stream_buffer buffer;
    size_t in, out; /* bytes that were appended, dropped */
    size_t moved;   /* to the front */
};

static char byte_at(size_t n)
{
    return (char)(n * 31 >> 3);
}

static void append(struct model *m, size_t len)
{
    size_t lead = m->buffer.lead, old = m->buffer.len;
    char data[PART];

    for (size_t i = 0; i < len; i++)
        data[i] = byte_at(m->in + i);
    ck_assert_int_eq(heald__buffer_append(&m->buffer, &heald__alloc_libc, data, len), 0);
    m->in += len;
    if (m->buffer.lead < lead)
        m->moved += old;
}

static void drop(struct model *m, size_t len)
{
    heald__buffer_drop(&m->buffer, len);
    m->out += len;
}

static bool is_right(const struct model *m)
{
    const struct heald_stream_buffer *b = &m->buffer;

    if (b->len != m->in - m->out || b->lead + b->len > b->size)
        return false;
    return !b->len || (b->data[0] == byte_at(m->out) && b->data[b->len - 1] == byte_at(m->in - 1));
}

HEALD_CASE(random_steps)
{
    struct rng rng = rng_of((uint64_t)_i + 1, 0);
    struct model m = {.in = 0};

    for (int i = 0; i < STEPS; i++) {
        if (rng_one_in(&rng, 2))
            append(&m, rng_below(&rng, PART));
        else
            drop(&m, m.buffer.len ? rng_below(&rng, (unsigned)m.buffer.len + 1) : 0);
        if (!is_right(&m))
            ck_abort_msg("seed %d, step %d", _i, i);
    }
    for (size_t i = 0; i < m.buffer.len; i++)
        if (m.buffer.data[i] != byte_at(m.out + i))
            ck_abort_msg("seed %d, byte %zu", _i, i);
    heald__buffer_free(&m.buffer, &heald__alloc_libc);
}

/* A frame at a time out of much: no byte is moved for each frame. */
HEALD_CASE(frames_out_of_a_long_queue)
{
    struct model m = {.in = 0};

    for (int i = 0; i < FRAMES; i++)
        append(&m, FRAME);
    m.moved = 0;
    for (int i = 0; i < 10 * FRAMES; i++) {
        drop(&m, FRAME);
        append(&m, FRAME);
    }
    ck_assert(is_right(&m));
    ck_assert_uint_le(m.moved, m.out + m.buffer.len);
    heald__buffer_free(&m.buffer, &heald__alloc_libc);
    ck_assert_ptr_null(m.buffer.data);
}

int main(void)
{
    Suite *suite = suite_create("buffer");
    TCase *group = harness_group(suite, "buffer");

    harness_limit(group, 60);
    harness_add_range(group, random_steps, 0, 5);
    harness_add(group, frames_out_of_a_long_queue);
    return harness_run(suite);
}
