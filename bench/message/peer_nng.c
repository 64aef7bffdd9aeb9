/* nng: pair sockets over ipc. */
#include "message.h"

#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static nng_socket sockets[MESSAGE_CHANNELS];
static char names[MESSAGE_CHANNELS][64];

static void open_names(size_t size)
{
    (void)size;
    for (int i = 0; i < MESSAGE_CHANNELS; i++)
        snprintf(names[i], sizeof names[i], "ipc:///tmp/heald-bench-%ld-%d", (long)getpid(), i);
}

/* The first process listens, and the second dials; each waits for the other. */
static void attach(int process)
{
    for (int i = 0; i < MESSAGE_CHANNELS; i++) {
        message_must(nng_pair0_open(&sockets[i]) == 0, "open");
        if (process == 0) {
            message_must(nng_listen(sockets[i], names[i], NULL, 0) == 0, "listen");
        } else {
            while (nng_dial(sockets[i], names[i], NULL, 0) != 0)
                usleep(1000);
        }
    }
}

static void send_one(int channel, const void *data, size_t size)
{
    message_must(nng_send(sockets[channel], (void *)data, size, 0) == 0, "send");
}

static void recv_one(int channel, void *data, size_t size)
{
    size_t n = size;
    message_must(nng_recv(sockets[channel], data, &n, 0) == 0 && n == size, "recv");
}

static int try_recv(int channel, void *data, size_t size)
{
    size_t n = size;
    return nng_recv(sockets[channel], data, &n, NNG_FLAG_NONBLOCK) == 0;
}

static void close_all(void)
{
    for (int i = 0; i < MESSAGE_CHANNELS; i++)
        unlink(names[i] + strlen("ipc://"));
}

int main(int argc, char **argv)
{
    static const struct message_peer peer = {open_names, attach,   send_one,
                                             recv_one,   try_recv, close_all};

    return message_main(&peer, argc, argv);
}
