/*
 * platform/posix/socket.c: sockets and pipes where flags can only be set after they were made: a
 * fork in another thread may come between, which only the systems of their own close.
 */
#include "platform/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Close-on-exec and non-blocking, or closed: the descriptor, or -errno. */
static int set_flags(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
        int err = -errno;
        close(fd);
        return err;
    }
    return fd;
}

static int set_flags_both(int fds[2])
{
    int err = set_flags(fds[0]);

    if (err < 0) {
        close(fds[1]);
        return err;
    }
    err = set_flags(fds[1]);
    if (err < 0) {
        close(fds[0]);
        return err;
    }
    return 0;
}

/* By Linux a failed one is forgotten when it was asked for once more; elsewhere it might begin
 * anew. */
#ifdef __linux__
const bool heald__connect_repeats = true;
#else
const bool heald__connect_repeats = false;
#endif

int heald__plat_accept(int fd, struct sockaddr *addr, socklen_t *len)
{
    int got = accept(fd, addr, len);
    return got < 0 ? -errno : set_flags(got);
}

static void close_on_exec(struct msghdr *msg)
{
    int fd;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof fd;
        for (size_t i = 0; i < n; i++) {
            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            fcntl(fd, F_SETFD, FD_CLOEXEC);
        }
    }
}

int64_t heald__plat_recvmsg_now(int fd, struct msghdr *msg, int flags)
{
    ssize_t n = recvmsg(fd, msg, flags | MSG_DONTWAIT);

    if (n < 0)
        return -errno;
    if (msg->msg_control)
        close_on_exec(msg);
    return n;
}

int heald__plat_socket(int family, int type)
{
    int fd = socket(family, type, 0);
    return fd < 0 ? -errno : set_flags(fd);
}

void heald__plat_refuse_fds(int fd)
{
    (void)fd;
}

int heald__plat_socketpair(int type, int ret_fds[2])
{
    int fds[2];

    if (socketpair(AF_UNIX, type, 0, fds) < 0)
        return -errno;
    int err = set_flags_both(fds);
    if (!err)
        memcpy(ret_fds, fds, sizeof fds);
    return err;
}

int heald__plat_pipe(int ret_fds[2])
{
    int fds[2];

    if (pipe(fds) < 0)
        return -errno;
    int err = set_flags_both(fds);
    if (!err)
        memcpy(ret_fds, fds, sizeof fds);
    return err;
}

int heald__plat_peer_cred(int fd, pid_t *ret_pid, uid_t *ret_uid, gid_t *ret_gid)
{
#if defined(__APPLE__) || defined(__FreeBSD__) || defined(__NetBSD__) || defined(__OpenBSD__)
    if (getpeereid(fd, ret_uid, ret_gid) < 0)
        return -errno;
    *ret_pid = 0;
    return 0;
#else
    (void)fd;
    (void)ret_pid;
    (void)ret_uid;
    (void)ret_gid;
    return -ENOSYS;
#endif
}

int heald__plat_peer_groups(int fd, gid_t *ret_groups, int max)
{
    (void)fd;
    (void)ret_groups;
    (void)max;
    return -1;
}

void heald__plat_peer_label(int fd, char *ret_label, size_t size)
{
    (void)fd;
    if (size)
        ret_label[0] = 0;
}

int heald__plat_peer_handle(int fd)
{
    (void)fd;
    return -1;
}

const int heald__scm_pidfd = -1;

void heald__plat_splice(struct heald_splice *v, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        v[i].in = v[i].out = SYS_ELSEWHERE;
}
