/* platform/linux/socket.c: sockets and pipes with their flags set from the start, and who is at the
 * other end. */
#include "platform/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static bool listens(int fd)
{
    int on = 0;
    socklen_t size = sizeof on;

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &size) == 0 && on;
}

int heald_plat_accept_now(int fd, bool nonblocking, struct sockaddr *addr, socklen_t *len)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    /* Between this and the call another process may take the connection: share non-blocking
     * listeners only. A socket that does not listen is refused at once. */
    if (!nonblocking && poll(&p, 1, 0) == 0 && listens(fd))
        return -EAGAIN;
    int got = accept4(fd, addr, len, SOCK_CLOEXEC | SOCK_NONBLOCK);
    return got < 0 ? -errno : got;
}

int64_t heald_plat_recvmsg_now(int fd, struct msghdr *msg, int flags)
{
    ssize_t n = recvmsg(fd, msg, flags | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    return n < 0 ? -errno : n;
}

/* connect(2) knows no MSG_DONTWAIT: a blocking socket is non-blocking for the length of the call.
 */
int heald_plat_connect_now(int fd, bool nonblocking, const struct sockaddr *addr, socklen_t len)
{
    int flags = 0;

    if (!nonblocking &&
        ((flags = fcntl(fd, F_GETFL)) < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0))
        return -errno;
    int err = connect(fd, addr, len) < 0 ? -errno : 0;
    if (!nonblocking)
        fcntl(fd, F_SETFL, flags);
    return err;
}

int heald_plat_socket(int family, int type)
{
    int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd < 0 ? -errno : fd;
}

int heald_plat_socketpair(int type, int ret_fds[2])
{
    return socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ret_fds) < 0 ? -errno : 0;
}

int heald_plat_pipe(int ret_fds[2])
{
    return pipe2(ret_fds, O_CLOEXEC | O_NONBLOCK) < 0 ? -errno : 0;
}

int heald_plat_peer_cred(int fd, pid_t *ret_pid, uid_t *ret_uid, gid_t *ret_gid)
{
    struct ucred cred;
    socklen_t size = sizeof cred;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0)
        return -errno;
    *ret_pid = cred.pid;
    *ret_uid = cred.uid;
    *ret_gid = cred.gid;
    return 0;
}
