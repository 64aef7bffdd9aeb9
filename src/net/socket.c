/*
 * net/socket.c: sockets, pipes and FIFOs by textual address. Plain calls; thread-safe.
 *
 * Two processes listen at one path of a Unix socket, and a file lies there already: exactly one
 * must succeed, and the file of a living socket must never be unlinked.
 *
 *   1. bind(2) makes the file and fails where there is one: of two that bind, one succeeds. Only to
 *      replace a stale file needs more.
 *   2. A file is stale when its socket is closed. It never becomes valid again, since bind(2)
 *      always makes a new file. A connect of the listener's own type does not show that: it is
 *      refused as well between bind(2) and listen(2), and it takes a place in the backlog. So a
 *      *datagram* socket connects. It is refused with ECONNREFUSED only when no socket has the
 *      file. A socket of another type, listening or not, whatever its backlog, is EPROTOTYPE; a
 *      datagram socket is 0, or EPERM.
 *   3. Between the check and unlink(2) another process may replace the file, and then a valid one
 *      would be unlinked. So a process that unlinks holds flock(2) on the directory of the file,
 *      and checks again under it. No other process that follows this rule unlinks in between, and a
 *      path that names a stale file keeps doing so: nothing but unlinking makes room for another. A
 *      process that binds between our unlink(2) and our bind(2) has won; ours fails with
 *      EADDRINUSE.
 *
 * A process that is killed in here leaves its lock to the kernel and no file but, after bind(2), a
 * stale one, which is what this is for. One that is stopped while it holds the lock delays
 * processes that find a stale file by LOCK_TRIES pauses, after which they return -EADDRINUSE; where
 * nothing lies they need no lock. There is no recovery, and -EADDRINUSE, in a directory that cannot
 * be read or on a file system without flock(2). A program that unlinks a socket file without this
 * lock, as many do when they end, can hit the file of its successor: nothing here can keep it from
 * that.
 */
#include "net/listen.h"
#include "net/name.h"
#include "platform/shm.h"
#include "platform/sys.h"

#include <heald/net.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* About a second. */
enum { LOCK_TRIES = 1000, LOCK_PAUSE_NS = 1000 * 1000 };

int heald_socket(const struct heald_addr *addr, int type)
{
    if (addr->len)
        return heald__plat_socket(addr->u.sa.sa_family, type);
    int fd = open(addr->u.un.sun_path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
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

/*
 * Is the file of this address left over? 0: its socket is gone, and so it stays; -ENOENT: there is
 * no such file; -EADDRINUSE: a process has it, or it is no socket, or that is not known. A datagram
 * socket asks, whatever the type of the other; see above.
 */
static int check_stale(const struct heald_addr *addr)
{
    struct stat st;

    if (lstat(addr->u.un.sun_path, &st) < 0)
        return errno == ENOENT ? -ENOENT : -EADDRINUSE;
    if (!S_ISSOCK(st.st_mode))
        return -EADDRINUSE;
    int fd = heald__plat_socket(AF_UNIX, SOCK_DGRAM);
    if (fd < 0)
        return fd;
    int err = connect(fd, &addr->u.sa, addr->len) < 0 ? errno : 0;
    close(fd);
    if (err == ECONNREFUSED)
        return 0;
    return err == ENOENT ? -ENOENT : -EADDRINUSE;
}

/* The directory that a path lies in, opened to be locked. */
static int open_parent(const char *path)
{
    char parent[sizeof(struct sockaddr_un)];
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) + 1 : 0;

    memcpy(parent, len ? path : ".", len ? len : 1);
    parent[len ? len : 1] = '\0';
    return heald__plat_own(open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

/* With the lock held: unlinks the file if it is still stale, and binds in its place. */
static int replace_locked(int fd, const struct heald_addr *addr)
{
    int err = check_stale(addr);

    if (err && err != -ENOENT)
        return err;
    if (!err && unlink(addr->u.un.sun_path) < 0 && errno != ENOENT)
        return -errno;
    return bind(fd, &addr->u.sa, addr->len) < 0 ? -errno : 0;
}

/* -EWOULDBLOCK: another process holds the lock. -EADDRINUSE, too, where there can be no lock. */
static int replace(int fd, const struct heald_addr *addr)
{
    int parent = open_parent(addr->u.un.sun_path);

    if (parent < 0)
        return -EADDRINUSE;
    int err = heald__plat_file_claim(parent);
    if (!err) {
        err = replace_locked(fd, addr);
        /* A child of fork(2) may have the descriptor, too. */
        heald__plat_file_release(parent);
    } else if (err != -EWOULDBLOCK) {
        err = -EADDRINUSE;
    }
    close(parent);
    return err;
}

static int bind_path(int fd, const struct heald_addr *addr)
{
    static const struct timespec pause = {.tv_nsec = LOCK_PAUSE_NS};

    for (int i = 0; i < LOCK_TRIES; i++) {
        if (bind(fd, &addr->u.sa, addr->len) == 0)
            return 0;
        if (errno != EADDRINUSE)
            return -errno;
        int err = check_stale(addr);
        if (!err)
            err = replace(fd, addr);
        if (!err || (err != -EWOULDBLOCK && err != -ENOENT))
            return err;
        if (err == -EWOULDBLOCK)
            nanosleep(&pause, NULL);
    }
    return -EADDRINUSE;
}

/* A path has its mode and owner before anybody can connect: it does not listen yet. */
static int bind_file(int fd, const struct heald_addr *addr, const struct heald_listen_options *o)
{
    const char *path = addr->u.un.sun_path;
    int err = bind_path(fd, addr);

    if (err || !o)
        return err;
    if ((o->mode && chmod(path, o->mode) < 0) ||
        (o->set_owner && chown(path, o->uid, o->gid) < 0)) {
        err = -errno;
        unlink(path);
    }
    return err;
}

static int bind_to(int fd, const struct heald_addr *addr, int type,
                   const struct heald_listen_options *o)
{
    bool is_unix = addr->u.sa.sa_family == AF_UNIX;
    int on = 1;

    if (is_unix && addr->u.un.sun_path[0])
        return bind_file(fd, addr, o);
    if (!is_unix && type == SOCK_STREAM &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0)
        return -errno;
    int err = o ? heald__listen_prepare(fd, addr->u.sa.sa_family, o) : 0;
    if (err)
        return err;
    return bind(fd, &addr->u.sa, addr->len) < 0 ? -errno : 0;
}

static int bind_parsed(const struct heald_addr *addr, int type,
                       const struct heald_listen_options *o)
{
    int fd = heald__plat_socket(addr->u.sa.sa_family, type);

    if (fd < 0)
        return fd;
    int err = bind_to(fd, addr, type, o);
    if (err)
        close(fd);
    return err ? err : fd;
}

/* Flags of socket(2) beside it are refused as well. */
static bool is_type(int type)
{
    return type == SOCK_STREAM || type == SOCK_DGRAM || type == SOCK_SEQPACKET;
}

/* The system has no address of this family. */
static bool lacks_family(int err)
{
    return err == -EAFNOSUPPORT || err == -EADDRNOTAVAIL || err == -EPROTONOSUPPORT;
}

/* An address without a host, or of localhost: at the first of the two families that is there.
 * Without a host the one socket of IPv6 is for IPv4 as well, whatever the system's default is. */
static int bind_here(const char *text, int type, const struct heald_listen_options *o)
{
    struct heald_addr addrs[NAME_NOW_ADDRS];
    int n = heald__name_here(text, addrs), err = -EINVAL, off = 0;

    for (int i = 0; i < n; i++) {
        int family = addrs[i].u.sa.sa_family, fd = heald__plat_socket(family, type);
        err = fd < 0 ? fd : 0;
        if (!err && family == AF_INET6 && text[0] == ':' &&
            setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) < 0)
            err = -errno;
        if (!err && !(err = bind_to(fd, &addrs[i], type, o)))
            return fd;
        if (fd >= 0)
            close(fd);
        if (!lacks_family(err))
            break;
    }
    return err;
}

/* Of a text that heald_addr_parse() has parsed, or has refused with `err`. */
static int bind_text(const char *text, int err, const struct heald_addr *addr, int type,
                     const struct heald_listen_options *o)
{
    if (!err)
        return bind_parsed(addr, type, o);
    return err == -EINVAL && text ? bind_here(text, type, o) : err;
}

int heald_bind_with(const char *text, int type, const struct heald_listen_options *options)
{
    struct heald_addr addr = {0};
    int err = heald_addr_parse(text, &addr);

    if ((!err && !addr.len) || !is_type(type) || (options && !heald__listen_is_valid(options)))
        return -EINVAL;
    return bind_text(text, err, &addr, type, options);
}

int heald_bind(const char *text, int type)
{
    return heald_bind_with(text, type, NULL);
}

int heald_listen_with(const char *text, int type, const struct heald_listen_options *options)
{
    struct heald_listen_options o = options ? *options : (struct heald_listen_options){0};
    struct heald_addr addr = {0};
    int err = heald_addr_parse(text, &addr);

    if (err && err != -EINVAL)
        return err;
    if (!err && !addr.len)
        return listen_fifo(addr.u.un.sun_path);
    /* Before a socket file is replaced for nothing. */
    if (!is_type(type) || !heald__listen_is_valid(&o))
        return -EINVAL;
    if (type == SOCK_DGRAM)
        return -EOPNOTSUPP;
    int fd = bind_text(text, err, &addr, type, &o);
    if (fd >= 0 && listen(fd, o.backlog > 0 ? o.backlog : SOMAXCONN) < 0) {
        err = -errno;
        close(fd);
        return err;
    }
    return fd;
}

int heald_listen(const char *text, int type, int backlog)
{
    return heald_listen_with(text, type, &(struct heald_listen_options){.backlog = backlog});
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
    return heald__plat_socketpair(type, ret_fds);
}

int heald_pipe(int ret_fds[2])
{
    return heald__plat_pipe(ret_fds);
}
