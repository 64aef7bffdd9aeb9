/*
 * What all sides measure: messages between two processes, each on a processor of its own. The
 * sender writes the whole message, and the receiver reads all of it.
 *
 * A peer has two channels: 0 from the first process to the second, 1 back.
 */
#ifndef BENCH_MESSAGE_H
#define BENCH_MESSAGE_H

#include <stddef.h>

enum { MESSAGE_CHANNELS = 2, MESSAGE_SENDERS = 2, MESSAGE_RECEIVERS = 2 };

/* Messages that a sender can be ahead: of long ones fewer, so that they fit into caches. */
static inline unsigned message_capacity(size_t size)
{
    return size <= 1 << 16 ? 64 : 4;
}

#ifdef __cplusplus
extern "C" {
#endif

/* What is not there is NULL. */
struct message_peer {
    /* Before the fork, for messages of at most so many bytes. */
    void (*open)(size_t size);
    /* In each of the two processes: 0 is the first. */
    void (*attach)(int process);
    void (*send)(int channel, const void *data, size_t size);
    void (*recv)(int channel, void *data, size_t size);
    /* The same without ever sleeping: 1, or 0 when there is none; NULL: it cannot. */
    int (*try_recv)(int channel, void *data, size_t size);
    /* Removes what it made; in the first process, after the second has ended. */
    void (*close)(void);

    /* Messages in place: send() publishes what loan() returned. What was received is at held()
     * until release(). NULL: send() and recv() copy. */
    void *(*loan)(int channel, size_t size);
    const void *(*held)(int channel);
    void (*release)(int channel);

    /* Instead of attach(), in each of four processes, of which the first two send over channel 0,
     * and the others receive; NULL: it cannot. */
    void (*attach_many)(int process);

    int is_bare; /* it carries no message */
};

/* One measurement, as the words say; prints it. */
int message_main(const struct message_peer *peer, int argc, char **argv);

/* For what must not fail. */
void message_must(int ok, const char *what);

#ifdef __cplusplus
}
#endif

#endif
