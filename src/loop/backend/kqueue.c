/*
 * loop/backend/kqueue.c: kqueue(2), of the BSDs and macOS, and of libkqueue elsewhere.
 *
 * A filter each for reading and writing; the key travels as user data, so what an event of a closed
 * descriptor says is nobody's. A close takes the filters out by itself on the systems of its own,
 * but not in libkqueue, so they are always deleted first. Urgent data (POLLPRI) has no filter that
 * all these systems share.
 */
#include "config.h"
#include "loop/ready.h"

#include <errno.h>
#include <sys/event.h>
#include <sys/time.h>
#include <sys/types.h>

struct kqueue_set {
    int fd;
    struct kevent events[];
};

static size_t size_of(const struct heald_backend *b)
{
    return sizeof(struct kqueue_set) + b->entries * sizeof(struct kevent);
}

static int kqueue_open(struct heald_backend *b)
{
    int err = b->sys->gate(HEALD_GATE_KQUEUE_OPEN), fd = err ? err : kqueue();
    struct kqueue_set *s;

    if (fd < 0)
        return err ? err : -errno;
    if ((fd = heald__plat_own(fd)) < 0)
        return fd;
    if (!(s = alloc_new(b->alloc, size_of(b)))) {
        b->sys->close(fd);
        return -ENOMEM;
    }
    s->fd = fd;
    b->priv = s;
    return 0;
}

static void kqueue_close(struct heald_backend *b)
{
    struct kqueue_set *s = b->priv;

    b->sys->close(s->fd);
    alloc_free(b->alloc, s, size_of(b));
}

static int change(struct kqueue_set *s, int fd, int filter, unsigned flags, uint32_t key)
{
    struct kevent kev;
    struct timespec now = {0, 0};

    EV_SET(&kev, (uintptr_t)fd, (short)filter, (unsigned short)flags, 0, 0, (void *)(uintptr_t)key);
    return kevent(s->fd, &kev, 1, NULL, 0, &now) < 0 ? -errno : 0;
}

static int change_one(struct kqueue_set *s, int fd, int filter, uint32_t key, unsigned old,
                      unsigned want, unsigned edge)
{
    if (want && !old)
        return change(s, fd, filter, EV_ADD | (edge ? EV_CLEAR : 0), key);
    /* The descriptor may be closed already, and its filter gone with it. */
    if (old && !want)
        change(s, fd, filter, EV_DELETE, key);
    return 0;
}

static int kqueue_arm(struct heald_backend *b, int fd, uint32_t key, unsigned old, unsigned events)
{
    struct kqueue_set *s = b->priv;
    unsigned edge = events & HEALD_EDGE, in = POLLIN | POLLPRI | POLLERR | heald__poll_rdhup;
    int err = change_one(s, fd, EVFILT_READ, key, old & in, events & in, edge);

    if (!err)
        err = change_one(s, fd, EVFILT_WRITE, key, old & POLLOUT, events & POLLOUT, edge);
    /* What has no filter is always ready, as epoll says it. */
    return err == -EINVAL || err == -ENODEV ? -EPERM : err;
}

static unsigned events_of(const struct kevent *kev)
{
    unsigned end = kev->flags & EV_EOF;

    if (kev->flags & EV_ERROR)
        return POLLERR;
    if (kev->filter == EVFILT_READ)
        return POLLIN | (end ? heald__poll_rdhup | HEALD_END : 0);
    return POLLOUT | (end ? POLLHUP : 0);
}

static int kqueue_wait(struct heald_backend *b, int64_t deadline_ns)
{
    struct kqueue_set *s = b->priv;
    int64_t timeout_ns = heald__time_left(b->loop, deadline_ns);
    struct timespec ts = {.tv_sec = (time_t)(timeout_ns / HEALD_SEC),
                          .tv_nsec = (long)(timeout_ns % HEALD_SEC)};
    int err = b->sys->gate(HEALD_GATE_KQUEUE_WAIT);

    if (err)
        return err;
    int n = kevent(s->fd, NULL, 0, s->events, (int)b->entries, timeout_ns < 0 ? NULL : &ts);
    for (int i = 0; i < n; i++)
        heald__ready_event(b->loop, (int)s->events[i].ident,
                           (uint32_t)(uintptr_t)s->events[i].udata, events_of(&s->events[i]));
    return n < 0 ? -errno : 0;
}

static int kqueue_fd(struct heald_backend *b)
{
    return ((struct kqueue_set *)b->priv)->fd;
}

const struct heald_backend_ops heald__backend_kqueue = {
    .name = "kqueue",
    .about = "kqueue(2): readiness, remembered; each wait costs what happened",
    .edge = true,
    .one_way = true,
    .by_offset = true,
    .open = kqueue_open,
    .close = kqueue_close,
    .arm = kqueue_arm,
    .wait = kqueue_wait,
    .fd = HEALD_LIBKQUEUE ? NULL : kqueue_fd,
};
