/*
 * heald/channel.h: messages in shared memory between two processes that do not trust each other.
 *
 * The participants of a region trust each other (heald/queue.h, heald/topic.h). Here each of the
 * two sides has memory of its own, which the other one can only read. Whatever the peer writes
 * there, and whenever, it cannot make this process read or write outside of its memory, wait,
 * or do more than a bounded piece of work in a call. It can be silent. One thing waits for it: the
 * close of a descriptor that it passed, of a file system that it serves itself (FUSE).
 *
 * The two sides are connected by a Unix socket (heald_socketpair(), heald_listen(), connect(2)), of
 * type SOCK_STREAM or SOCK_SEQPACKET. Over it each side passes its memory, as a sealed memfd, and
 * wakes the other one; messages themselves do not pass through it. By it each side finds out that
 * the other one has ended. The socket belongs to the caller, who keeps it open as long as the
 * channel, and neither reads it nor writes to it. Its flags do not matter, and SO_OOBINLINE is set.
 *
 * A message is a sequence of bytes. It is copied to the memory of the sender, and from there to the
 * buffer of the receiver, before anybody looks at it. Messages arrive whole and in order.
 *
 * The first thing of the peer that makes no sense breaks the channel for good, and so does a lack
 * of descriptors or memory when the peer opens its side: from then on each call fails with -EPROTO,
 * and heald_channel_describe() says why.
 *
 * A channel belongs to one thread at a time. A child of fork(2) does not use it. None of these
 * functions is async-signal-safe. Linux 5.1 or later; elsewhere -ENOSYS.
 */
#ifndef HEALD_CHANNEL_H
#define HEALD_CHANNEL_H

#include <heald/base.h>

#include <stddef.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    HEALD_CHANNEL_ROOM_MIN = 4096,    /* bytes of room for messages */
    HEALD_CHANNEL_ROOM_MAX = 1 << 30, /* a message has a head of 8 bytes, and ends at a
                                              multiple of 8 */
    HEALD_CHANNEL_ROOM_DEFAULT = 1 << 16
};

/* A member that is 0 has its default. */
struct heald_channel_options {
    size_t room;          /* bytes for messages that the peer has not received yet; rounded up to a
                             power of two */
    size_t peer_room_max; /* bytes of the peer's room that are accepted; default 16 MiB */
    size_t recv_max;      /* bytes of the longest message that is accepted; default: as many as the
                             peer's room holds. A longer one breaks the channel: one that the peer
                             sent before it could know, or a sample of a broadcast */
    unsigned history; /* of a broadcast (heald/broadcast.h): so many of the last samples first */
};

struct heald_channel;

/*
 * Opens a channel over a connected Unix socket, and sends the peer what it needs to know. The peer
 * does the same, sooner or later; messages may be sent before. Does not block. `options` may be
 * NULL: then each member has its default.
 *
 *   0           *ret_channel is the channel; the caller closes it
 *   -EINVAL     an option is out of range
 *   -ENOTSOCK, -EOPNOTSUPP
 *               the descriptor is no Unix socket of type SOCK_STREAM or SOCK_SEQPACKET
 *   -ENOTCONN   it is not connected
 *   -EAGAIN     the socket is full: something else was written to it
 *   -EPIPE      the peer has closed it
 *   -ENOSYS     the system has no memory that can be sealed so
 *   -ENOMEM, -EMFILE, -ENFILE
 */
HEALD_API int heald_channel_open(struct heald_channel **ret_channel, int fd,
                                 const struct heald_channel_options *options);

/* Unmaps what it mapped; NULL is allowed. The peer receives what was sent, and sees the end when
 * the caller has closed the socket. */
HEALD_API void heald_channel_close(struct heald_channel *channel);

/*
 * Sends a message: copies `size` bytes. heald_channel_send() blocks while there is no room, until
 * `deadline_ns` (absolute, monotonic; HEALD_FOREVER). `data` may be NULL if size is 0.
 *
 *   0            sent
 *   -EMSGSIZE    the message is longer than the room; or than the peer accepts, as far as it said
 *   -EAGAIN      (trysend) there is no room
 *   -ETIMEDOUT   (send) the deadline has passed
 *   -EOPNOTSUPP  the peer is a broadcast
 *   -EPIPE       the peer has closed the socket, or ended
 *   -EPROTO      the peer broke the channel
 */
HEALD_API int heald_channel_send(struct heald_channel *channel, const void *data, size_t size,
                                 int64_t deadline_ns);
HEALD_API int heald_channel_trysend(struct heald_channel *channel, const void *data, size_t size);

/*
 * Receives a message: copies it to `buf`, which has `size` bytes.
 *
 *   >= 0         the bytes of the message
 *   -EMSGSIZE    the message is longer than size; it stays, and heald_channel_next() says how long
 *   -EAGAIN      (tryrecv) there is no message
 *   -ETIMEDOUT   (recv) the deadline has passed
 *   -EPIPE       the peer has closed the socket, or ended, and all that it sent was received. A try
 *                does not look for that: heald_channel_arm() does
 *   -EPROTO      the peer broke the channel. What it had sent before is lost
 */
HEALD_API ssize_t heald_channel_recv(struct heald_channel *channel, void *buf, size_t size,
                                     int64_t deadline_ns);
HEALD_API ssize_t heald_channel_tryrecv(struct heald_channel *channel, void *buf, size_t size);

/* The bytes of the message that is received next, which does not change any more. Fails as
 * heald_channel_tryrecv(). Does not block. */
HEALD_API ssize_t heald_channel_next(struct heald_channel *channel);

/* What a channel is ready for. */
enum {
    HEALD_CHANNEL_IN = 1, /* a message can be received, or the receive fails */
    HEALD_CHANNEL_OUT = 2 /* there is room for the message that did not fit the last time, or the
                             send fails */
};

/*
 * Prepares to await a channel: called when a try returned -EAGAIN, and when its socket was
 * readable; and before the socket is polled the first time. `events` is what the caller waits for.
 * Takes what the peer sent to wake this process from the socket. Does not block.
 *
 *   > 0       ready for these of the events; nothing is to be awaited
 *   0         the socket becomes readable when the channel may be ready: await it with poll(2),
 *             heald_prep_poll() or a loop of any kind, and call again
 *   -EINVAL   events is 0, or has another bit
 */
HEALD_API int heald_channel_arm(struct heald_channel *channel, int events);

/* What a channel is doing. */
struct heald_channel_info {
    int is_open;         /* the peer has opened its side */
    int is_broadcast;    /* the peer is a broadcast */
    int has_ended;       /* the peer has closed its socket */
    size_t room, queued; /* bytes: of this side, and of messages that the peer has not received */
    size_t peer_room;    /* bytes; 0: the peer has not opened its side */
    size_t recv_max;     /* bytes of the longest message that is accepted */
    uint64_t sent, received; /* messages */
    uint64_t lost;           /* samples of a broadcast that were overwritten first */
    const char *why;         /* why it is broken, as part of a sentence, static; NULL: it is not */
};

/* Describes a channel. Does not look at the peer's memory. */
HEALD_API void heald_channel_describe(const struct heald_channel *channel,
                                      struct heald_channel_info *ret_info);

#ifdef __cplusplus
}
#endif
#endif
