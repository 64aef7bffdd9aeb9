/*
 * platform/common/type.c: what kind of descriptor one is. Not every system can be asked for the
 * family and the protocol of a socket: then its own address says the first, and no stream is taken
 * for one that keeps messages apart.
 */
#include "platform/mq.h"
#include "platform/sys.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/stat.h>

/* An int of SOL_SOCKET: it, or -errno. */
static int option(int fd, int name)
{
    int value;
    socklen_t size = sizeof value;

    return getsockopt(fd, SOL_SOCKET, name, &value, &size) < 0 ? -errno : value;
}

static int family_of(int fd)
{
#ifdef SO_DOMAIN
    return option(fd, SO_DOMAIN);
#else
    struct sockaddr_storage ss = {0};
    socklen_t size = sizeof ss;

    return getsockname(fd, (struct sockaddr *)&ss, &size) < 0 ? -errno : ss.ss_family;
#endif
}

static int protocol_of(int fd)
{
#ifdef SO_PROTOCOL
    return option(fd, SO_PROTOCOL);
#else
    (void)fd;
    return IPPROTO_TCP;
#endif
}

static int socket_type(int fd)
{
    int type = option(fd, SO_TYPE), family = type < 0 ? type : family_of(fd);

    if (family < 0)
        return family;
    if (type == SOCK_DGRAM || type == SOCK_RAW)
        return FD_DATAGRAM;
    if (type == SOCK_STREAM && family == AF_UNIX)
        return FD_LOCAL;
    if (type != SOCK_STREAM || (family != AF_INET && family != AF_INET6))
        return FD_SOCKET;
    /* SCTP keeps messages apart, also on a stream: a short read does not empty it. */
    int protocol = protocol_of(fd);
    if (protocol < 0)
        return protocol;
    return protocol == IPPROTO_TCP ? FD_STREAM : FD_SOCKET;
}

int heald__plat_fd_type(int fd)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (S_ISSOCK(st.st_mode))
        return socket_type(fd);
    if (S_ISREG(st.st_mode) && heald__plat_is_mq(fd, &st))
        return FD_OTHER;
    if (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode) || S_ISDIR(st.st_mode))
        return FD_FILE;
    return S_ISFIFO(st.st_mode) ? FD_PIPE : FD_OTHER;
}
