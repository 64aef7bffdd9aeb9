/* loop/send.c: a send that is made at once, without an op. The loop's thread. */
#include "base/attr.h"
#include "loop/ready.h"

#include <heald/io.h>

/* What heald_prep_send() refuses. */
static bool is_valid(const void *buf, size_t len, int flags)
{
    return (buf || !len) && !(flags & (MSG_DONTWAIT | MSG_WAITALL));
}

static int64_t send_on(struct heald_loop *loop, struct heald_fd *e, int fd, const void *buf,
                       size_t len, int flags)
{
    int64_t n;

    if (!fds_is_socket(e))
        return -ENOTSOCK;
    if (e->queue[DIR_OUT])
        return -EAGAIN;
    do
        n = loop->sys->send_now(fd, (void *)buf, len, flags);
    while (n == -EINTR);
    if (n == -EAGAIN && !(e->flags & FDS_WHOLE))
        ready_note_nothing(e, DIR_OUT);
    return n;
}

HEALD_SEPARATE static int64_t try_other(struct heald_loop *loop, int fd, const void *buf,
                                        size_t len, int flags)
{
    int err = 0;

    if (!is_valid(buf, len, flags))
        return -EINVAL;
    struct heald_fd *e = heald__fds_get(loop, fd, &err);
    if (!e)
        return err;
    int64_t n = send_on(loop, e, fd, buf, len > HEALD_MAX_LEN ? HEALD_MAX_LEN : len, flags);
    heald__fds_release(loop, &loop->fds.v[fd]);
    return n;
}

/* The usual case: a socket that the loop knows, on which no op waits to send. */
int64_t heald_try_send(struct heald_loop *loop, int fd, const void *buf, size_t len, int flags)
{
    const struct heald_fd *e = (unsigned)fd < loop->fds.size ? &loop->fds.v[fd] : NULL;

    if (e && !flags && buf && len <= HEALD_MAX_LEN && !e->queue[DIR_OUT] &&
        (e->flags & (FDS_PLAIN | FDS_FULL)) == FDS_PLAIN) {
        int64_t n = loop->sys->send_now(fd, buf, len, 0);
        if (n >= 0)
            return n;
        if (n != -EAGAIN && n != -EINTR)
            return n;
    }
    return try_other(loop, fd, buf, len, flags);
}
