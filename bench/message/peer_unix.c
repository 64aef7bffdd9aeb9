/* Unix sockets that keep messages apart. */
#include "message.h"

#include <sys/socket.h>
#include <unistd.h>

static int fds[MESSAGE_CHANNELS][2];

static void open_fds(size_t size)
{
    (void)size;
    for (int i = 0; i < MESSAGE_CHANNELS; i++)
        message_must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds[i]) == 0, "open");
}

static void attach(int process)
{
    (void)process;
}

static void send_one(int channel, const void *data, size_t size)
{
    const char *p = data;

    while (size) {
        ssize_t n = write(fds[channel][1], p, size);
        message_must(n > 0, "write");
        p += n;
        size -= (size_t)n;
    }
}

static void recv_one(int channel, void *data, size_t size)
{
    char *p = data;

    while (size) {
        ssize_t n = read(fds[channel][0], p, size);
        message_must(n > 0, "read");
        p += n;
        size -= (size_t)n;
    }
}

int main(int argc, char **argv)
{
    static const struct message_peer peer = {open_fds, attach, send_one, recv_one, NULL, NULL};

    return message_main(&peer, argc, argv);
}
