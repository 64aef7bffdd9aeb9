/* heald's channels: two processes that do not trust each other. */
#include "message.h"

#include <heald/channel.h>
#include <heald/heald.h>

#include <sys/socket.h>

enum { HEAD = 16 }; /* bytes that a message occupies besides its own, at most */

static struct heald_channel *duplex;
static struct heald_channel_options options;
static int fds[2];

static void open_sockets(size_t size)
{
    options.room = message_capacity(size) * (size + HEAD);
    if (options.room < HEALD_CHANNEL_ROOM_MIN)
        options.room = HEALD_CHANNEL_ROOM_MIN;
    options.peer_room_max = 2 * options.room; /* it is rounded up */
    message_must(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0, "socketpair");
}

static void attach(int process)
{
    message_must(heald_channel_open(&duplex, fds[process], &options) == 0, "open");
}

static void send_one(int channel, const void *data, size_t size)
{
    (void)channel;
    message_must(heald_channel_send(duplex, data, size, HEALD_FOREVER) == 0, "send");
}

static void recv_one(int channel, void *data, size_t size)
{
    (void)channel;
    ssize_t n = heald_channel_recv(duplex, data, size, HEALD_FOREVER);
    message_must(n == (ssize_t)size, "recv");
}

static int try_recv(int channel, void *data, size_t size)
{
    (void)channel;
    return heald_channel_tryrecv(duplex, data, size) == (ssize_t)size;
}

int main(int argc, char **argv)
{
    static const struct message_peer peer = {.open = open_sockets,
                                             .attach = attach,
                                             .send = send_one,
                                             .recv = recv_one,
                                             .try_recv = try_recv};

    return message_main(&peer, argc, argv);
}
