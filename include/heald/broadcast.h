/*
 * heald/broadcast.h: one publisher, and subscribers that trust neither it nor each other.
 *
 * The publisher has the last samples in memory of its own, which subscribers read and cannot write
 * to. It waits for nobody: a subscriber that does not keep up loses the oldest samples, and gets
 * how many. A sample is copied into that memory, and out of it.
 *
 * A subscriber opens a channel (heald/channel.h) over its socket to the publisher, and receives
 * from it. heald_channel_next() says how long the next sample is, which may be overwritten before
 * it is received: a buffer of `recv_max` bytes (heald_channel_describe()) is always enough.
 * heald_channel_trysend() fails with -EOPNOTSUPP.
 *
 * A broadcast belongs to one thread at a time. A child of fork(2) does not use it. None of these
 * functions is async-signal-safe, and none blocks. Linux 5.1 or later; elsewhere -ENOSYS.
 */
#ifndef HEALD_BROADCAST_H
#define HEALD_BROADCAST_H

#include <heald/channel.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    HEALD_BROADCAST_SAMPLES_DEFAULT = 64,
    HEALD_BROADCAST_SAMPLE_MAX_DEFAULT = 1008, /* bytes: with its head a sample has 1024 */
    HEALD_BROADCAST_SUBSCRIBERS_DEFAULT = 64,
    HEALD_BROADCAST_SUBSCRIBERS_MAX = 1 << 16
};

/* A member that is 0 has its default. The memory has room for `samples` samples of `sample_max`
 * bytes and a head of 16, both rounded up to powers of two: at most HEALD_CHANNEL_ROOM_MAX. */
struct heald_broadcast_options {
    size_t samples;       /* that are kept */
    size_t sample_max;    /* bytes of the longest */
    unsigned subscribers; /* at a time */
};

struct heald_broadcast;

/*
 * Opens a broadcast. `options` may be NULL: then each member has its default.
 *
 *   0         *ret_broadcast is the broadcast; the caller closes it
 *   -EINVAL   an option is out of range
 *   -ENOSYS   the system has no memory that can be sealed so
 *   -ENOMEM, -ENOSPC, -EMFILE, -ENFILE
 */
HEALD_API int heald_broadcast_open(struct heald_broadcast **ret_broadcast,
                                   const struct heald_broadcast_options *options);

/* Closes a broadcast; NULL is allowed. The sockets stay with the caller. */
HEALD_API void heald_broadcast_close(struct heald_broadcast *broadcast);

/*
 * Admits a subscriber, over a connected Unix socket, which stays with the caller. Fails as
 * heald_channel_open(), and:
 *
 *   -EUSERS   there are as many as there can be
 */
HEALD_API int heald_broadcast_admit(struct heald_broadcast *broadcast, int fd);

/* Removes a subscriber, by its socket. 0; -ENOENT: there is none with it. */
HEALD_API int heald_broadcast_remove(struct heald_broadcast *broadcast, int fd);

/*
 * Removes one subscriber that has closed its socket or broke its channel, as far as a publish found
 * out: returns its socket, which the caller closes. *ret_why is why the channel is broken, static;
 * NULL: it is not. ret_why may be NULL. A subscriber that never waits is found by polling its
 * socket.
 *
 *   >= 0      a socket
 *   -ENOENT   there is no such subscriber
 */
HEALD_API int heald_broadcast_remove_gone(struct heald_broadcast *broadcast, const char **ret_why);

/*
 * Publishes a sample of `size` bytes, and wakes the subscribers that wait: one system call for each
 * of these. `data` may be NULL if size is 0.
 *
 *   0           published
 *   -EMSGSIZE   size is above sample_max
 */
HEALD_API int heald_broadcast_publish(struct heald_broadcast *broadcast, const void *data,
                                      size_t size);

#ifdef __cplusplus
}
#endif
#endif
