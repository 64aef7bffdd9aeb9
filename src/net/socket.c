/* net/socket.c: sockets, pipes and FIFOs by text. Plain calls; thread-safe. */
#include "platform/sys.h"

#include <heald/net.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int heald_socket(const struct heald_addr *addr, int type)
{
    if (addr->len)
        return heald_plat_socket(addr->u.sa.sa_family, type);
    int fd = open(addr->u.un.sun_path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int heald_fifo(const char *path, mode_t mode)
{
    struct stat st;

    if (mkfifo(path, mode) == 0)
        return 0;
    if (errno == EEXIST && stat(path, &st) == 0)
        return S_ISFIFO(st.st_mode) ? 0 : -EEXIST;
    return -errno;
}

/* Open for writing as well, so that it never ends while writers come and go. */
static int listen_fifo(const char *path)
{
    int err = heald_fifo(path, 0600);
    int fd = err ? -1 : open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);

    if (err)
        return err;
    return fd < 0 ? -errno : fd;
}

/* Is the socket file of this address left over from a process that is gone? */
static bool is_stale(const struct heald_addr *addr, int type)
{
    struct stat st;

    if (addr->u.sa.sa_family != AF_UNIX || !addr->u.un.sun_path[0])
        return false;
    if (lstat(addr->u.un.sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return false;
    int fd = heald_plat_socket(AF_UNIX, type);
    if (fd < 0)
        return false;
    bool stale = connect(fd, &addr->u.sa, addr->len) < 0 && errno == ECONNREFUSED;
    close(fd);
    return stale;
}

static int bind_to(int fd, const struct heald_addr *addr, int type)
{
    int on = 1;

    if (addr->u.sa.sa_family != AF_UNIX && type == SOCK_STREAM &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0)
        return -errno;
    if (bind(fd, &addr->u.sa, addr->len) == 0)
        return 0;
    if (errno != EADDRINUSE || !is_stale(addr, type))
        return -errno;
    if (unlink(addr->u.un.sun_path) < 0 || bind(fd, &addr->u.sa, addr->len) < 0)
        return -errno;
    return 0;
}

int heald_listen(const char *text, int type, int backlog)
{
    struct heald_addr addr;
    int err = heald_addr_parse(text, &addr);

    if (err)
        return err;
    if (!addr.len)
        return listen_fifo(addr.u.un.sun_path);
    int fd = heald_plat_socket(addr.u.sa.sa_family, type);
    if (fd < 0)
        return fd;
    err = bind_to(fd, &addr, type);
    if (!err && type != SOCK_DGRAM && listen(fd, backlog > 0 ? backlog : SOMAXCONN) < 0)
        err = -errno;
    if (err) {
        close(fd);
        return err;
    }
    return fd;
}

int heald_local_addr(int fd, struct heald_addr *ret_addr)
{
    struct heald_addr a = {.len = sizeof a.u};
    if (getsockname(fd, &a.u.sa, &a.len) < 0)
        return -errno;
    *ret_addr = a;
    return 0;
}

int heald_peer_addr(int fd, struct heald_addr *ret_addr)
{
    struct heald_addr a = {.len = sizeof a.u};
    if (getpeername(fd, &a.u.sa, &a.len) < 0)
        return -errno;
    *ret_addr = a;
    return 0;
}

int heald_socketpair(int type, int ret_fds[2])
{
    return heald_plat_socketpair(type, ret_fds);
}

int heald_pipe(int ret_fds[2])
{
    return heald_plat_pipe(ret_fds);
}

int heald_peer_cred(int fd, struct heald_cred *ret_cred)
{
    struct heald_cred c;
    int err = heald_plat_peer_cred(fd, &c.pid, &c.uid, &c.gid);
    if (!err)
        *ret_cred = c;
    return err;
}
