/* ZeroMQ: pair sockets over ipc; from many to many push and pull sockets, each to each. */
#include "message.h"

#include <zmq.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void *sockets[MESSAGE_CHANNELS];
static char names[MESSAGE_CHANNELS][64];

static void open_names(size_t size)
{
    (void)size;
    for (int i = 0; i < MESSAGE_CHANNELS; i++)
        snprintf(names[i], sizeof names[i], "ipc:///tmp/heald-bench-%ld-%d", (long)getpid(), i);
}

static void attach(int process)
{
    void *context = zmq_ctx_new();

    for (int i = 0; i < MESSAGE_CHANNELS; i++) {
        sockets[i] = zmq_socket(context, ZMQ_PAIR);
        int err = process == 0 ? zmq_bind(sockets[i], names[i]) : zmq_connect(sockets[i], names[i]);
        message_must(err == 0, "socket");
    }
}

static void attach_many(int process)
{
    int is_sender = process < MESSAGE_SENDERS, err = 0;

    sockets[0] = zmq_socket(zmq_ctx_new(), is_sender ? ZMQ_PUSH : ZMQ_PULL);
    if (!is_sender)
        err = zmq_bind(sockets[0], names[process - MESSAGE_SENDERS]);
    for (int i = 0; is_sender && i < MESSAGE_RECEIVERS && !err; i++)
        err = zmq_connect(sockets[0], names[i]);
    message_must(err == 0, "socket");
}

static void send_one(int channel, const void *data, size_t size)
{
    message_must(zmq_send(sockets[channel], data, size, 0) == (int)size, "send");
}

static void recv_one(int channel, void *data, size_t size)
{
    message_must(zmq_recv(sockets[channel], data, size, 0) == (int)size, "recv");
}

static int try_recv(int channel, void *data, size_t size)
{
    return zmq_recv(sockets[channel], data, size, ZMQ_DONTWAIT) == (int)size;
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
