/* net/listen.c: see listen.h. Plain calls; thread-safe. */
#include "net/listen.h"

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { INHERITED_FIRST = 3, INHERITED_MAX = 1024 };

bool heald__listen_is_valid(const struct heald_listen_options *o)
{
    return o->defer_s >= 0 && o->fast_open >= 0 && !(o->mode & ~(mode_t)0777);
}

static int set(int fd, int level, int name, int value)
{
    if (name < 0)
        return -ENOPROTOOPT;
    return setsockopt(fd, level, name, &value, sizeof value) < 0 ? -errno : 0;
}

int heald__listen_prepare(int fd, int family, const struct heald_listen_options *o)
{
    int err = 0;

    if (family == AF_UNIX)
        return 0;
    if (o->reuse_port)
        err = set(fd, SOL_SOCKET, HEALD_SO_REUSEPORT, 1);
    if (!err && o->v6_only && family == AF_INET6)
        err = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (!err && o->defer_s)
        err = set(fd, IPPROTO_TCP, HEALD_TCP_DEFER_ACCEPT, o->defer_s);
    if (!err && o->fast_open)
        err = set(fd, IPPROTO_TCP, HEALD_TCP_FASTOPEN, o->fast_open);
    return err;
}

/* A number of the environment; -1: there is none, or it is no number. */
static long number(const char *name)
{
    const char *text = getenv(name);
    char *end;

    if (!text || *text < '0' || *text > '9')
        return -1;
    long n = strtol(text, &end, 10);
    return *end ? -1 : n;
}

/* Is this the name of the descriptor, in a list separated by colons? */
static bool is_named(const char *names, int index, const char *name)
{
    for (; names && index > 0; index--)
        if ((names = strchr(names, ':')))
            names++;
    size_t len = names ? strcspn(names, ":") : 0;
    return names && len == strlen(name) && memcmp(names, name, len) == 0;
}

static int check(int fd)
{
    int on = 0;
    socklen_t size = sizeof on;

    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &size) < 0)
        return -errno;
    return on ? 0 : -EOPNOTSUPP;
}

int heald__listen_inherited(const char *name, int ret_fds[], int max)
{
    const char *names = getenv("LISTEN_FDNAMES");
    long count = number("LISTEN_FDS");
    int n = 0;

    if (number("LISTEN_PID") != (long)getpid() || count < 1)
        return -ENOENT;
    if (count > INHERITED_MAX)
        return -EINVAL;
    for (int i = 0; i < count; i++) {
        int fd = INHERITED_FIRST + i, err;
        if (name && !is_named(names, i, name))
            continue;
        if ((err = check(fd)))
            return err;
        fcntl(fd, F_SETFD, FD_CLOEXEC); /* of this descriptor alone */
        if (n < max)
            ret_fds[n] = fd;
        n++;
    }
    return n ? n : -ENOENT;
}
