/* Unix sockets that keep messages apart. */
#include "fds.h"

#include <sys/socket.h>

static void open_pairs(size_t size)
{
    (void)size;
    for (int i = 0; i < MESSAGE_CHANNELS; i++)
        message_must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds[i]) == 0, "socketpair");
}

int main(int argc, char **argv)
{
    return fds_main(open_pairs, argc, argv);
}
