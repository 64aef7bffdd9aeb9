/*
 * channel/broadcast.c: one publisher, whose segment any number of subscribers read; see follow.c.
 * Its owner's thread. Of each subscriber it reads one word, whether it waits, in a segment of that
 * subscriber's own: the channel to it.
 */
#include "channel/channel.h"

#include "base/alloc.h"
#include "base/round.h"

#include <heald/broadcast.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

struct heald_broadcast {
    struct segment_map own;
    int segment_fd; /* to be passed on */
    uint32_t stride, sample_max, cells;
    uint64_t published;
    unsigned count, max;
    unsigned gone; /* of the subscribers, those that remove_gone() removes */
    unsigned next; /* where it looks next: it goes round */
    struct heald_channel *subscribers[];
};

static size_t bytes_of(unsigned subscribers)
{
    return sizeof(struct heald_broadcast) + subscribers * sizeof(struct heald_channel *);
}

/* The defaults, and the size of the room: 0 if an option is out of range. */
static uint64_t set_defaults(struct heald_broadcast_options *o)
{
    if (!o->samples)
        o->samples = HEALD_BROADCAST_SAMPLES_DEFAULT;
    if (!o->sample_max)
        o->sample_max = HEALD_BROADCAST_SAMPLE_MAX_DEFAULT;
    if (!o->subscribers)
        o->subscribers = HEALD_BROADCAST_SUBSCRIBERS_DEFAULT;
    if (o->sample_max > HEALD_CHANNEL_ROOM_MAX || o->samples > HEALD_CHANNEL_ROOM_MAX ||
        o->subscribers > HEALD_BROADCAST_SUBSCRIBERS_MAX)
        return 0;
    uint64_t cells = round_to_power(o->samples < 2 ? 2 : o->samples);
    uint64_t room = cells * round_to_power(CELL_HEAD + (uint64_t)o->sample_max);
    if (room < HEALD_CHANNEL_ROOM_MIN)
        room = HEALD_CHANNEL_ROOM_MIN;
    return room <= HEALD_CHANNEL_ROOM_MAX ? room : 0;
}

int heald_broadcast_open(struct heald_broadcast **ret_broadcast,
                         const struct heald_broadcast_options *options)
{
    struct heald_broadcast_options o = options ? *options : (struct heald_broadcast_options){0};
    uint64_t room = set_defaults(&o);
    if (!room)
        return -EINVAL;
    struct heald_broadcast *b = alloc_new(&heald__alloc_libc, bytes_of(o.subscribers));
    if (!b)
        return -ENOMEM;

    int err = b->segment_fd = heald__segment_make(&b->own, (uint32_t)room);
    if (err < 0) {
        alloc_free(&heald__alloc_libc, b, bytes_of(o.subscribers));
        return err;
    }
    b->stride = (uint32_t)round_to_power(CELL_HEAD + (uint64_t)o.sample_max);
    b->sample_max = (uint32_t)o.sample_max;
    b->cells = (uint32_t)room / b->stride;
    b->max = o.subscribers;
    *ret_broadcast = b;
    return 0;
}

/* The own segment is not the channel's. */
static void end(struct heald_channel *c)
{
    heald__segment_unmap(&c->peer);
    alloc_free(&heald__alloc_libc, c, sizeof *c);
}

void heald_broadcast_close(struct heald_broadcast *broadcast)
{
    if (!broadcast)
        return;
    for (unsigned i = 0; i < broadcast->count; i++)
        end(broadcast->subscribers[i]);
    close(broadcast->segment_fd);
    heald__segment_unmap(&broadcast->own);
    alloc_free(&heald__alloc_libc, broadcast, bytes_of(broadcast->max));
}

static bool is_gone(const struct heald_channel *c)
{
    return c->has_ended || c->why;
}

int heald_broadcast_admit(struct heald_broadcast *broadcast, int fd)
{
    if (broadcast->count == broadcast->max)
        return -EUSERS;
    struct heald_channel *c = alloc_new(&heald__alloc_libc, sizeof *c);
    if (!c)
        return -ENOMEM;

    c->own = broadcast->own;
    c->own_stride = broadcast->stride;
    c->peer_room_max = HEALD_CHANNEL_ROOM_MAX; /* which is not mapped */
    int err = heald__channel_begin(c, fd, broadcast->segment_fd);
    if (err) {
        end(c);
        return err;
    }
    broadcast->subscribers[broadcast->count++] = c;
    broadcast->gone += is_gone(c);
    return 0;
}

static void remove_at(struct heald_broadcast *b, unsigned i)
{
    b->gone -= is_gone(b->subscribers[i]);
    end(b->subscribers[i]);
    b->subscribers[i] = b->subscribers[--b->count];
}

int heald_broadcast_remove(struct heald_broadcast *broadcast, int fd)
{
    for (unsigned i = 0; i < broadcast->count; i++)
        if (broadcast->subscribers[i]->fd == fd) {
            remove_at(broadcast, i);
            return 0;
        }
    return -ENOENT;
}

int heald_broadcast_remove_gone(struct heald_broadcast *broadcast, const char **ret_why)
{
    struct heald_broadcast *b = broadcast;

    if (!b->gone)
        return -ENOENT;
    /* One is found. Calls that remove all of them go round once. */
    if (b->next >= b->count)
        b->next = 0;
    while (!is_gone(b->subscribers[b->next]))
        b->next = b->next + 1 < b->count ? b->next + 1 : 0;
    const struct heald_channel *c = b->subscribers[b->next];
    int fd = c->fd;
    if (ret_why)
        *ret_why = c->why;
    remove_at(b, b->next);
    return fd;
}

/* Release: each store pairs with an acquire of follow.c. */
static void write_sample(struct heald_broadcast *b, const void *data, uint32_t size)
{
    uint64_t n = b->published++;
    struct cell *cell = (struct cell *)(void *)(b->own.room + (n & (b->cells - 1)) * b->stride);

    __atomic_store_n(&cell->sequence, 2 * n + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    __atomic_store_n(&cell->size, size, __ATOMIC_RELAXED);
    if (size)
        memcpy((char *)cell + CELL_HEAD, data, size);
    __atomic_store_n(&cell->sequence, 2 * n + 2, __ATOMIC_RELEASE);
    __atomic_store_n(&b->own.segment->published, n + 1, __ATOMIC_RELEASE);
}

int heald_broadcast_publish(struct heald_broadcast *broadcast, const void *data, size_t size)
{
    if (size > broadcast->sample_max)
        return -EMSGSIZE;
    write_sample(broadcast, data, (uint32_t)size);
    for (unsigned i = 0; i < broadcast->count; i++) {
        struct heald_channel *c = broadcast->subscribers[i];
        if (is_gone(c))
            continue;
        heald__bell_ring(c, BELL_IN);
        broadcast->gone += is_gone(c);
    }
    return 0;
}
