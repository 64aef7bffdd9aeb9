/* bench/message/fds.h: peers whose channels are pairs of descriptors: [1] sends, [0] receives. */
#ifndef BENCH_MESSAGE_FDS_H
#define BENCH_MESSAGE_FDS_H

#include "message.h"

#include <unistd.h>

static int fds[MESSAGE_CHANNELS][2];

static inline void fds_attach(int process)
{
    (void)process;
}

static inline void fds_send(int channel, const void *data, size_t size)
{
    const char *p = data;

    while (size) {
        ssize_t n = write(fds[channel][1], p, size);
        message_must(n > 0, "write");
        p += n;
        size -= (size_t)n;
    }
}

static inline void fds_recv(int channel, void *data, size_t size)
{
    char *p = data;

    while (size) {
        ssize_t n = read(fds[channel][0], p, size);
        message_must(n > 0, "read");
        p += n;
        size -= (size_t)n;
    }
}

/* A peer that opens them so. */
static inline int fds_main(void (*open)(size_t size), int argc, char **argv)
{
    const struct message_peer peer = {.open = open,
                                      .attach = fds_attach,
                                      .send = fds_send,
                                      .recv = fds_recv,
                                      .attach_many = fds_attach};

    return message_main(&peer, argc, argv);
}

#endif
