/*
 * channel/follow.c: the receiver of a broadcast. Its owner's thread.
 *
 * The publisher waits for nobody, and may overwrite a sample while it is copied. It makes the
 * sequence of the cell odd first, and 2 n + 2 when sample n is there. So a copy is whole if the
 * sequence is the same before and after it. Acquire: the load before pairs with the publisher's
 * release; the fence keeps the copy before the second load.
 *
 * A publisher that overwrites faster than this side copies makes it lose samples, and never makes
 * it try more than a few times in a call.
 */
#include "channel/channel.h"

#include <errno.h>
#include <string.h>

enum { TRIES = 4, MISSED_MAX = 2 };

static uint64_t cells_of(const struct heald_channel *c)
{
    return c->peer.size / c->peer_stride;
}

static struct cell *cell_at(const struct heald_channel *c, uint64_t n)
{
    return (struct cell *)(void *)(c->peer.room + (n & (cells_of(c) - 1)) * c->peer_stride);
}

/* Not below what was published before, nor so far that the sequence of a cell wraps. */
static int see_published(struct heald_channel *c)
{
    uint64_t published = __atomic_load_n(&c->peer.segment->published, __ATOMIC_ACQUIRE);

    if (published < c->published || published > UINT64_MAX / 4)
        return heald__channel_break(c, "the peer published less than before");
    c->published = published;
    return 0;
}

void heald__broadcast_follow(struct heald_channel *c, uint32_t stride)
{
    c->peer_stride = stride;
    if (see_published(c))
        return;
    uint64_t back = c->history < cells_of(c) - 1 ? c->history : cells_of(c) - 1;
    c->cursor = c->published - (back < c->published ? back : c->published);
    c->missed = c->cursor < MISSED_MAX ? (uint32_t)c->cursor : MISSED_MAX; /* see bell.c */
}

int heald__broadcast_has_sample(struct heald_channel *c)
{
    int err = c->cursor == c->published ? see_published(c) : 0;
    return err ? err : c->cursor != c->published;
}

/* Loses all but the last `keep` samples; the cursor does not go back. */
static void skip(struct heald_channel *c, uint64_t keep)
{
    uint64_t to = c->published > keep ? c->published - keep : 0;

    if (to > c->cursor) {
        c->lost += to - c->cursor;
        c->cursor = to;
    }
}

/* The sample at the cursor: its bytes, copied if they fit; -EAGAIN: it was overwritten. */
static int64_t copy(struct heald_channel *c, void *buf, size_t size)
{
    struct cell *cell = cell_at(c, c->cursor);
    uint64_t whole = 2 * c->cursor + 2;
    uint64_t before = __atomic_load_n(&cell->sequence, __ATOMIC_ACQUIRE);

    if (before < whole)
        return heald__channel_break(c, "the peer published what is not there");
    uint32_t n = __atomic_load_n(&cell->size, __ATOMIC_RELAXED);
    if (before == whole && n && n <= c->recv_max && n <= size)
        memcpy(buf, (char *)cell + CELL_HEAD, n);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (before != whole || __atomic_load_n(&cell->sequence, __ATOMIC_RELAXED) != whole)
        return -EAGAIN;
    if (n > c->recv_max)
        return heald__channel_break(c, "the peer published a sample longer than recv_max");
    return n;
}

/* The next sample that is still there; the cursor stays at it. */
static int64_t find(struct heald_channel *c, void *buf, size_t size)
{
    for (unsigned i = 0; i < TRIES; i++) {
        int64_t n = copy(c, buf, size);
        if (n != -EAGAIN)
            return n;
        int err = see_published(c);
        if (err)
            return err;
        skip(c, (cells_of(c) - 1) >> i);
    }
    skip(c, 0);
    return -EAGAIN;
}

int64_t heald__broadcast_next(struct heald_channel *c)
{
    return find(c, NULL, 0);
}

int64_t heald__broadcast_take(struct heald_channel *c, void *buf, size_t size)
{
    int64_t n = find(c, buf, size);

    if (n < 0)
        return n;
    if ((uint64_t)n > size)
        return -EMSGSIZE;
    c->cursor++;
    c->messages_received++;
    return n;
}
