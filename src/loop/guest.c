/*
 * loop/guest.c: heald inside somebody else's loop. The loop's thread.
 *
 * epoll, kqueue and io_uring are descriptors that can be polled. For poll and select the
 * descriptors are mirrored into a queue of the system's, from the moment on that somebody asks for
 * it.
 */
#include "loop/loop.h"

#include <errno.h>

static int mirror_open(struct heald_loop *loop)
{
    int mirror = loop->sys->mirror_open();

    if (mirror < 0)
        return mirror;
    for (unsigned fd = 0; fd < loop->fds.size; fd++) {
        struct heald_fd *e = &loop->fds.v[fd];
        int err = e->type && e->armed ? loop->sys->mirror_set(mirror, (int)fd, 0, e->armed) : 0;
        if (err) {
            loop->sys->close(mirror);
            return err;
        }
    }
    loop->mirror = mirror;
    return mirror;
}

int heald_loop_fd(struct heald_loop *loop)
{
    if (loop->backend.ops->fd)
        return loop->backend.ops->fd(&loop->backend);
    return loop->mirror >= 0 ? loop->mirror : mirror_open(loop);
}

int heald_loop_prepare(struct heald_loop *loop, int64_t *ret_deadline_ns)
{
    if (loop->running)
        return -EBUSY;
    loop->now_ns = 0;
    int err = heald_engine_flush(loop);
    /* A back end that takes whole ops holds them until it is asked for something. */
    if (!err && loop->backend.ops->submit)
        err = loop->backend.ops->wait(&loop->backend, 0);
    if (err && err != -EINTR)
        return err;
    bool quiet = heald_mailbox_sleep(loop) && !heald_due_any(&loop->due) && !loop->flush;
    *ret_deadline_ns = quiet ? heald_timers_next(loop) : 0;
    return 0;
}
