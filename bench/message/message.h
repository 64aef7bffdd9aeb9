/*
 * What all sides measure: messages between two processes, each on a processor of its own. The
 * sender writes the whole message, and the receiver reads all of it.
 *
 * A peer has two channels: 0 from the first process to the second, 1 back.
 */
#ifndef BENCH_MESSAGE_H
#define BENCH_MESSAGE_H

#include <stddef.h>

enum { MESSAGE_CHANNELS = 2 };

#ifdef __cplusplus
extern "C" {
#endif

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
};

/* One measurement, as the words say; prints it. */
int message_main(const struct message_peer *peer, int argc, char **argv);

/* For what must not fail. */
void message_must(int ok, const char *what);

#ifdef __cplusplus
}
#endif

#endif
