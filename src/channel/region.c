/*
 * channel/region.c: a region handed over a Unix socket: one byte, with the descriptor. Any thread.
 *
 * What comes is hostile until it is checked: all descriptors of the message are counted and closed,
 * but for the one that is checked and then duplicated.
 */
#include "platform/sys.h"

#include <heald/net.h>
#include <heald/region.h>

#include <errno.h>
#include <unistd.h>

static const char region_byte = 'R';

int heald_region_send(int fd, const struct heald_region *region)
{
    int region_fd = heald_region_fd(region);
    struct heald_fd_msg m;
    int64_t n;

    heald_fd_msg_send(&m, &region_byte, 1, &region_fd, 1);
    do
        n = heald__plat_sendmsg_now(fd, &m.msg, 0);
    while (n == -EINTR);
    return n < 0 ? (int)n : 0;
}

/* The one descriptor of a message, or -errno. */
static int receive(int fd)
{
    struct heald_fd_msg m;
    int got[2] = {-1, -1};
    char byte = 0;
    int64_t n;

    heald_fd_msg_recv(&m, &byte, 1);
    do
        n = heald__plat_recvmsg_now(fd, &m.msg, 0);
    while (n == -EINTR);
    if (n < 0)
        return (int)n;
    bool cut = m.msg.msg_flags & MSG_TRUNC;
    int count = heald_fd_msg_fds(&m, got, 2);
    if (n == 0 && count == 0)
        return -ECONNRESET;
    if (n == 1 && !cut && count == 1 && byte == region_byte)
        return got[0];
    for (int i = 0; i < count; i++)
        heald__plat_close_passed(got[i]);
    return -EPROTO;
}

int heald_region_recv(int fd, const struct heald_region_limits *limits,
                      struct heald_region **ret_region)
{
    if (!limits || !limits->size_max || limits->may_grow & ~1)
        return -EINVAL; /* before a message is lost for it */
    int got = receive(fd);
    if (got < 0)
        return got;
    int err = heald_region_open_sealed(ret_region, got, limits);
    heald__plat_close_passed(got);
    return err;
}
