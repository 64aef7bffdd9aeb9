/* channel/channel.h: a side of a channel; its owner's thread alone. */
#ifndef HEALD_SRC_CHANNEL_CHANNEL_H
#define HEALD_SRC_CHANNEL_CHANNEL_H

#include "channel/segment.h"

#include <heald/channel.h>

/* Of the two bells of a side, what it knows itself. */
struct bells {
    uint32_t armed[BELLS]; /* how often this side began to wait: as in its segment */
    bool pending[BELLS];   /* the last of these has not been answered */
    uint32_t rung[BELLS];  /* how often the peer began to wait, and was answered */
    uint64_t heard[BELLS]; /* how often this side was answered */
};

struct heald_channel {
    int fd;
    struct segment_map own, peer; /* peer.segment NULL: it has not said hello */
    struct bells bells;
    uint32_t sent, received; /* positions, as in the own segment */
    uint32_t peer_received;  /* position; last seen */
    uint32_t peer_sent;      /* position; last seen */
    uint32_t peer_recv_max;  /* as the peer says */
    uint32_t recv_max, peer_room_max;
    uint32_t want;      /* bytes of room that the last send did not find */
    uint32_t want_size; /* bytes of its message */
    int64_t next_size;  /* of the message that is next; -1: not read yet */
    bool has_ended;
    uint64_t messages_sent, messages_received;
    uint64_t words_freed; /* of the room, by the peer, since the beginning; in RECORD_HEAD bytes */
    const char *why;      /* it is broken */

    /* Of broadcasts. */
    uint32_t own_stride, peer_stride; /* bytes of a cell; 0: that side is none */
    uint32_t history;
    uint64_t cursor;    /* the sample that is received next */
    uint64_t published; /* by the peer; last seen */
    uint64_t lost;
    uint32_t missed; /* samples before the first that is received, which may have rung */
};

/* Breaks the channel: -EPROTO. */
int heald__channel_break(struct heald_channel *c, const char *why);

/* Passes the own segment to the peer: 0, -errno. */
int heald__hello_send(const struct heald_channel *c, int segment_fd);

/* What came with the bytes of a message. */
struct passed {
    int count; /* descriptors, of which any after the second are closed; -EMSGSIZE: none was free */
    int fds[2];
    bool is_cut; /* the message is longer than the buffer */
};

/* Takes what is in the socket: bytes, 0, -errno; and what came with it, to be closed. */
int64_t heald__socket_take(const struct heald_channel *c, void *buf, size_t size, struct passed *p);
void heald__passed_close(const struct passed *p);

/* Takes the peer's hello from the socket: 0; -EAGAIN; -EPIPE; -EPROTO: broken. */
int heald__hello_recv(struct heald_channel *c);

/* The peer may wait for what was just changed: wakes it. */
void heald__bell_ring(struct heald_channel *c, int bell);

/* Takes the peer's hello if it has come, and wakes the peer for what was sent before. */
void heald__bell_meet(struct heald_channel *c);

/* Takes what is in the socket. */
void heald__bell_take(struct heald_channel *c);

/* From now on the socket becomes readable when the peer rings this bell. */
void heald__bell_arm(struct heald_channel *c, int bell);

/* Begins to follow the peer's broadcast. */
void heald__broadcast_follow(struct heald_channel *c, uint32_t stride);

/* As heald__channel_has_message(), heald_channel_next() and heald_channel_tryrecv(). */
int heald__broadcast_has_sample(struct heald_channel *c);
int64_t heald__broadcast_next(struct heald_channel *c);
int64_t heald__broadcast_take(struct heald_channel *c, void *buf, size_t size);

/* Connects a channel whose own segment is there. 0; the errors of heald_channel_open(). */
int heald__channel_begin(struct heald_channel *c, int fd, int segment_fd);

/* Is a message there, or room for `want` bytes? 1, 0, or the error of the call. */
int heald__channel_has_message(struct heald_channel *c);
int heald__channel_has_room(struct heald_channel *c, uint32_t want);

/* Is there room for the message that did not fit the last time, or will its send fail? */
bool heald__channel_may_send(struct heald_channel *c);

#endif
