/* nng: pair sockets over ipc; from many to many push and pull sockets, each to each. */
#include "message.h"

#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>

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

static void dial(nng_socket s, const char *name)
{
    while (nng_dial(s, name, NULL, 0) != 0)
        usleep(1000);
}

/* The first process listens, and the second dials; each waits for the other. */
static void attach(int process)
{
    for (int i = 0; i < MESSAGE_CHANNELS; i++) {
        message_must(nng_pair0_open(&sockets[i]) == 0, "open");
        if (process == 0) {
            message_must(nng_listen(sockets[i], names[i], NULL, 0) == 0, "listen");
        } else {
            dial(sockets[i], names[i]);
        }
    }
}

static void attach_many(int process)
{
    if (process >= MESSAGE_SENDERS) {
        message_must(nng_pull0_open(&sockets[0]) == 0, "open");
        const char *name = names[process - MESSAGE_SENDERS];
        message_must(nng_listen(sockets[0], name, NULL, 0) == 0, "listen");
        return;
    }
    message_must(nng_push0_open(&sockets[0]) == 0, "open");
    for (int i = 0; i < MESSAGE_RECEIVERS; i++)
        dial(sockets[0], names[i]);
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
    static const struct message_peer peer = {.open = open_names,
                                             .attach = attach,
                                             .send = send_one,
                                             .recv = recv_one,
                                             .try_recv = try_recv,
                                             .close = close_all,
                                             .attach_many = attach_many};

    return message_main(&peer, argc, argv);
}
