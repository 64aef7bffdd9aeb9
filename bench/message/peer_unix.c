/* Unix sockets that keep messages apart, as long as a message fits into one. */
#include "fds.h"

#include <sys/socket.h>

enum { MESSAGE_MAX = 1 << 16 };

static void open_pairs(size_t size)
{
    int type = size <= MESSAGE_MAX ? SOCK_SEQPACKET : SOCK_STREAM;

    for (int i = 0; i < MESSAGE_CHANNELS; i++)
        message_must(socketpair(AF_UNIX, type, 0, fds[i]) == 0, "socketpair");
}

int main(int argc, char **argv)
{
    return fds_main(open_pairs, argc, argv);
}
