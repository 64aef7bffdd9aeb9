/* platform/linux/socket.c: sockets and pipes with their flags set from the start, and the peer. */
#include "platform/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The headers of the system may be older. These numbers are those of all machines but PA-RISC and
 * SPARC. */
#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

const bool heald__connect_repeats = true;
const int heald__scm_pidfd = 4; /* SCM_PIDFD, Linux 6.5 */

int heald__plat_accept(int fd, struct sockaddr *addr, socklen_t *len)
{
    int got = accept4(fd, addr, len, SOCK_CLOEXEC | SOCK_NONBLOCK);
    return got < 0 ? -errno : got;
}

int64_t heald__plat_recvmsg_now(int fd, struct msghdr *msg, int flags)
{
    ssize_t n = recvmsg(fd, msg, flags | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    return n < 0 ? -errno : n;
}

void heald__plat_refuse_fds(int fd)
{
    int off = 0;
    (void)setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof off);
}

int heald__plat_socket(int family, int type)
{
    int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd < 0 ? -errno : fd;
}

int heald__plat_socketpair(int type, int ret_fds[2])
{
    return socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ret_fds) < 0 ? -errno : 0;
}

int heald__plat_pipe(int ret_fds[2])
{
    return pipe2(ret_fds, O_CLOEXEC | O_NONBLOCK) < 0 ? -errno : 0;
}

int heald__plat_peer_cred(int fd, pid_t *ret_pid, uid_t *ret_uid, gid_t *ret_gid)
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

/* More than there is room for is asked for once more, with room for all. */
static int many_groups(int fd, gid_t *ret_groups, int max, socklen_t size)
{
    gid_t *all = malloc(size);
    int count = -1;

    if (all && getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, all, &size) == 0) {
        count = (int)(size / sizeof *all);
        memcpy(ret_groups, all, sizeof *all * (size_t)(count < max ? count : max));
    }
    free(all);
    return count;
}

int heald__plat_peer_groups(int fd, gid_t *ret_groups, int max)
{
    socklen_t size = (socklen_t)max * sizeof *ret_groups;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, ret_groups, &size) == 0)
        return (int)(size / sizeof *ret_groups);
    return errno == ERANGE ? many_groups(fd, ret_groups, max, size) : -1;
}

void heald__plat_peer_label(int fd, char *ret_label, size_t size)
{
    socklen_t length = (socklen_t)size - 1;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERSEC, ret_label, &length) < 0)
        length = 0;
    ret_label[length] = 0;
}

/* Linux 6.5. Since 6.16 also of a process that has ended. */
int heald__plat_peer_handle(int fd)
{
    int handle = -1;
    socklen_t size = sizeof handle;

    return getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &handle, &size) < 0 ? -1 : handle;
}

static int64_t move(int from, int to, size_t len)
{
    ssize_t n = splice(from, NULL, to, NULL, len, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    return n < 0 ? -errno : n;
}

/* On the socket's side it may wait for what only O_NONBLOCK prevents, which others may clear at any
 * time. One that has just been polled has something to take. */
static void pass(struct heald_splice *s)
{
    if (!s->piped) {
        s->in = move(s->from, s->pipe[1], s->len);
        if (s->in <= 0)
            return;
        s->piped = (size_t)s->in;
    }
    s->out = heald__plat_nonblocking(s->to) ? move(s->pipe[0], s->to, s->piped) : SYS_ELSEWHERE;
    s->piped -= s->out > 0 ? (size_t)s->out : 0;
}

static void take_signal(const sigset_t *signal)
{
    const struct timespec now = {0};

    while (sigtimedwait(signal, NULL, &now) < 0 && errno == EINTR)
        ;
}

/* May it have made SIGPIPE? If it has sent a part before that, it says only how much. */
static bool may_be_broken(const struct heald_splice *s)
{
    return s->out == -EPIPE || (s->out > 0 && s->piped);
}

/* Without SIGPIPE, which splice(2) has no flag for: it is blocked meanwhile, once for all of them,
 * and one that they make is taken out. One that was pending before stays. */
void heald__plat_splice(struct heald_splice *v, unsigned count)
{
    sigset_t pipe, before, pending;
    bool broken = false;

    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigemptyset(&pending);
    pthread_sigmask(SIG_BLOCK, &pipe, &before);
    if (sigismember(&before, SIGPIPE))
        sigpending(&pending);
    for (unsigned i = 0; i < count; i++) {
        pass(&v[i]);
        broken = broken || may_be_broken(&v[i]);
    }
    if (broken && !sigismember(&pending, SIGPIPE))
        take_signal(&pipe);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}
