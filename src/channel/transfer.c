/*
 * channel/transfer.c: messages through a room that the sender alone writes to. Its owner's thread.
 *
 * Release and acquire: the sender's store of `sent` pairs with the receiver's load, so that the
 * bytes are there; the receiver's store of `received` with the sender's load, so that the bytes
 * were copied before they are overwritten. A peer that keeps to neither hurts its own messages.
 */
#include "channel/channel.h"

#include "platform/sys.h"

#include <heald/timer.h>

#include <errno.h>
#include <poll.h>
#include <string.h>

/* Bytes that a message takes. */
static uint32_t record_bytes(uint32_t size)
{
    return RECORD_HEAD + ((size + 7) & ~7u);
}

static int failure(const struct heald_channel *c)
{
    return c->why ? -EPROTO : c->has_ended ? -EPIPE : 0;
}

/* How far the peer has received: not back, and not beyond what was sent. */
static int see_received(struct heald_channel *c)
{
    if (!c->peer.segment)
        return 0;
    uint32_t received = segment_read(&c->peer.segment->received);
    uint32_t freed = received - c->peer_received;
    if (freed > c->sent - c->peer_received || freed % RECORD_HEAD)
        return heald__channel_break(c, "the peer received what was not sent");
    c->words_freed += freed / RECORD_HEAD;
    c->peer_received = received;
    return 0;
}

int heald__channel_has_room(struct heald_channel *c, uint32_t want)
{
    int err = failure(c);

    if (!err && c->own.size - (c->sent - c->peer_received) < want)
        err = see_received(c);
    return err ? err : c->own.size - (c->sent - c->peer_received) >= want;
}

/* A position may be in the last bytes of the room, so that a message is in two pieces. */
static void copy_in(const struct segment_map *map, uint32_t position, const char *data, size_t size)
{
    size_t at = position & (map->size - 1), first = map->size - at;

    if (first > size)
        first = size;
    if (first)
        memcpy(map->room + at, data, first);
    if (size > first)
        memcpy(map->room, data + first, size - first);
}

static void copy_out(const struct segment_map *map, uint32_t position, char *buf, size_t size)
{
    size_t at = position & (map->size - 1), first = map->size - at;

    if (first > size)
        first = size;
    if (first)
        memcpy(buf, map->room + at, first);
    if (size > first)
        memcpy(buf + first, map->room, size - first);
}

static bool is_too_long(const struct heald_channel *c, size_t size)
{
    return size > c->own.size - RECORD_HEAD ||
           (c->peer.segment && c->peer_recv_max && size > c->peer_recv_max);
}

/* Why such a message cannot be sent, whatever room there is: first the peer, which may have come,
 * says what it accepts. */
static int why_not(struct heald_channel *c, size_t size)
{
    if (!failure(c))
        heald__bell_meet(c);
    int err = failure(c);
    if (err)
        return err;
    return c->peer_stride ? -EOPNOTSUPP : is_too_long(c, size) ? -EMSGSIZE : 0;
}

bool heald__channel_may_send(struct heald_channel *c)
{
    return why_not(c, c->want_size) || heald__channel_has_room(c, c->want);
}

int heald_channel_trysend(struct heald_channel *channel, const void *data, size_t size)
{
    struct heald_channel *c = channel;
    int err = why_not(c, size);

    if (err)
        return err;
    uint32_t bytes = record_bytes((uint32_t)size), head = (uint32_t)size;
    int room = heald__channel_has_room(c, bytes);
    if (room <= 0) {
        c->want = bytes;
        c->want_size = (uint32_t)size;
        return room ? room : -EAGAIN;
    }
    memcpy(c->own.room + (c->sent & (c->own.size - 1)), &head, sizeof head);
    copy_in(&c->own, c->sent + RECORD_HEAD, data, size);
    c->sent += bytes;
    c->messages_sent++;
    segment_write(&c->own.segment->sent, c->sent);
    heald__bell_ring(c, BELL_IN);
    return 0;
}

/* How far the peer has sent: not back, not further than its room, and whole words. */
static int see_sent(struct heald_channel *c)
{
    uint32_t sent = segment_read(&c->peer.segment->sent), ahead = sent - c->received;

    if (ahead > c->peer.size || ahead < c->peer_sent - c->received || ahead % RECORD_HEAD)
        return heald__channel_break(c,
                                    "the peer sent more than its room holds, or less than before");
    c->peer_sent = sent;
    return 0;
}

/* The length of the next message, which is read once. */
static int see_next(struct heald_channel *c)
{
    uint32_t ahead = c->peer_sent - c->received, at = c->received & (c->peer.size - 1);
    uint32_t size = __atomic_load_n((uint32_t *)(void *)(c->peer.room + at), __ATOMIC_RELAXED);

    if (size > c->recv_max)
        return heald__channel_break(c, "the peer sent a message longer than recv_max");
    if (record_bytes(size) > ahead)
        return heald__channel_break(c, "the peer sent a part of a message");
    c->next_size = size;
    return 0;
}

/* Messages that came before the end are received before the end. */
int heald__channel_has_message(struct heald_channel *c)
{
    bool had_ended = c->has_ended;

    if (!c->why && !had_ended)
        heald__bell_meet(c); /* for those that only try */
    int err = c->why ? -EPROTO : 0;

    if (!err && c->peer_stride && (err = heald__broadcast_has_sample(c)) == 1)
        return 1;
    if (err || c->next_size >= 0)
        return err ? err : 1;
    if (!c->peer_stride && c->peer.segment && c->peer_sent == c->received)
        err = see_sent(c);
    if (!err && c->peer_sent != c->received)
        err = see_next(c);
    if (err || c->next_size >= 0)
        return err ? err : 1;
    return had_ended ? -EPIPE : 0;
}

ssize_t heald_channel_next(struct heald_channel *channel)
{
    int has = heald__channel_has_message(channel);

    if (has <= 0)
        return has ? has : -EAGAIN;
    int64_t n = channel->peer_stride ? heald__broadcast_next(channel) : channel->next_size;
    return (ssize_t)n;
}

ssize_t heald_channel_tryrecv(struct heald_channel *channel, void *buf, size_t size)
{
    struct heald_channel *c = channel;
    int has = heald__channel_has_message(c);

    if (has <= 0)
        return has ? has : -EAGAIN;
    if (c->peer_stride)
        return (ssize_t)heald__broadcast_take(c, buf, size);
    int64_t n = c->next_size;
    if ((uint64_t)n > size)
        return -EMSGSIZE;
    copy_out(&c->peer, c->received + RECORD_HEAD, buf, (size_t)n);
    c->received += record_bytes((uint32_t)n);
    c->next_size = -1;
    c->messages_received++;
    segment_write(&c->own.segment->received, c->received);
    heald__bell_ring(c, BELL_OUT);
    return (ssize_t)n;
}

/* 0: try again; -ETIMEDOUT: the last time. A broadcast that overwrites each sample before it is
 * copied is always ready: the time is looked at all the same. */
static int await(struct heald_channel *c, int events, int64_t deadline_ns)
{
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    int ready = heald_channel_arm(c, events);
    int64_t left_ns = -1;

    if (deadline_ns != HEALD_FOREVER) {
        left_ns = deadline_ns > 0 ? deadline_ns - heald__plat_now(HEALD_CLOCK_MONOTONIC) : 0;
        if (left_ns <= 0)
            return -ETIMEDOUT;
    }
    return ready || heald__plat_poll(&p, 1, left_ns) ? 0 : -ETIMEDOUT;
}

int heald_channel_send(struct heald_channel *channel, const void *data, size_t size,
                       int64_t deadline_ns)
{
    int err, late = 0;

    while ((err = heald_channel_trysend(channel, data, size)) == -EAGAIN && !late)
        late = await(channel, HEALD_CHANNEL_OUT, deadline_ns);
    return err == -EAGAIN ? late : err;
}

ssize_t heald_channel_recv(struct heald_channel *channel, void *buf, size_t size,
                           int64_t deadline_ns)
{
    ssize_t n;
    int late = 0;

    while ((n = heald_channel_tryrecv(channel, buf, size)) == -EAGAIN && !late)
        late = await(channel, HEALD_CHANNEL_IN, deadline_ns);
    return n == -EAGAIN ? late : n;
}
