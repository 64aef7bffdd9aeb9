/*
 * loop/backend/epoll.c: epoll(7). A descriptor is registered once and changed only when more events
 * are needed; the key is in the event's data, so an event of a closed descriptor is discarded.
 *
 * The kernel's quirks: regular files are refused (-EPERM); a registration belongs to the open file,
 * so it goes with the last descriptor of it and comes back as -ENOENT or -EEXIST when a number was
 * closed and used again behind our back.
 */
#include "loop/ready.h"

#include <errno.h>
#include <sys/epoll.h>

_Static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT && EPOLLPRI == POLLPRI &&
                   EPOLLERR == POLLERR && EPOLLHUP == POLLHUP && HEALD_EDGE == (unsigned)EPOLLET,
               "epoll's bits are those of poll");

struct epoll_set {
    int fd;
    struct epoll_event events[];
};

static size_t size_of(const struct heald_backend *b)
{
    return sizeof(struct epoll_set) + b->entries * sizeof(struct epoll_event);
}

static int epoll_open(struct heald_backend *b)
{
    int fd = b->sys->queue_open();
    struct epoll_set *s;

    if (fd < 0)
        return fd;
    if (!(s = alloc_new(b->alloc, size_of(b)))) {
        b->sys->close(fd);
        return -ENOMEM;
    }
    s->fd = fd;
    b->priv = s;
    return 0;
}

static void epoll_close(struct heald_backend *b)
{
    struct epoll_set *s = b->priv;

    b->sys->close(s->fd);
    alloc_free(b->alloc, s, size_of(b));
}

static int epoll_arm(struct heald_backend *b, int fd, uint32_t key, unsigned old, unsigned events)
{
    struct epoll_set *s = b->priv;
    struct epoll_event ev = {.events = events, .data.u64 = (uint64_t)key << 32 | (unsigned)fd};

    if (!events) {
        /* The descriptor may be closed already, and its registration gone with it. */
        b->sys->epoll_ctl(s->fd, EPOLL_CTL_DEL, fd, &ev);
        return 0;
    }
    int err = b->sys->epoll_ctl(s->fd, old ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &ev);
    if (err == -ENOENT || err == -EEXIST)
        err = b->sys->epoll_ctl(s->fd, old ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &ev);
    return err;
}

static int epoll_backend_wait(struct heald_backend *b, int64_t deadline_ns)
{
    struct heald_loop *loop = b->loop;
    int64_t left = heald__time_left(loop, deadline_ns);
    struct epoll_set *s = b->priv;
    int n = b->sys->epoll_wait(s->fd, s->events, (int)b->entries, left);

    if (n < 0)
        return n;
    for (const struct epoll_event *ev = s->events; n > 0; n--, ev++)
        heald__ready_event(loop, (int)(uint32_t)ev->data.u64, (uint32_t)(ev->data.u64 >> 32),
                           ev->events);
    return 0;
}

static int epoll_fd(struct heald_backend *b)
{
    return ((struct epoll_set *)b->priv)->fd;
}

const struct heald_backend_ops heald__backend_epoll = {
    .name = "epoll",
    .about = "epoll(7): readiness, remembered; each wait costs what happened",
    .edge = true,
    .turns_edge = true,
    .open = epoll_open,
    .close = epoll_close,
    .arm = epoll_arm,
    .wait = epoll_backend_wait,
    .fd = epoll_fd,
};
