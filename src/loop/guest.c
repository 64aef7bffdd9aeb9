/*
 * loop/guest.c: heald inside another library's loop. The loop's thread.
 *
 * epoll and kqueue are descriptors that can be polled. For the others there is a mirror, a queue of
 * the system's that shows what the loop waits for, from the moment that it is asked for.
 *
 * For poll and select it holds what is armed. For a ring it holds the ring's bell, and besides
 * every descriptor for which the bell cannot be trusted: a ring with deferred task work that is
 * woken by an eventfd rings its own eventfd the first time only (seen on 6.18), so eventfds and
 * their like are shown directly, as long as an op waits for them.
 */
#include "loop/loop.h"

#include <errno.h>

enum { BATCH = 64 };

/* What the mirror of a ring shows of a descriptor beside the bell. */
static unsigned shown_of_ring(const struct heald_fd *e)
{
    unsigned events = e->queue[DIR_IN] ? POLLIN : 0;
    struct heald_op *op = e->polls;

    if (e->type != FD_OTHER)
        return 0;
    if (op)
        do
            events |= op_events(op) ? op_events(op) : POLLERR;
        while ((op = fds_op(op->link.next)) != e->polls);
    return events;
}

void heald__guest_show(struct heald_loop *loop, int fd)
{
    struct heald_fd *e = loop->mirror >= 0 ? fds_find(&loop->fds, fd) : NULL;
    unsigned events = e && loop->backend.ops->submit ? shown_of_ring(e) : 0;

    if (e && events != e->shown && loop->sys->mirror_set(loop->mirror, fd, e->shown, events) == 0)
        e->shown = (uint16_t)events;
}

void heald__guest_drain(struct heald_loop *loop)
{
    struct pollfd seen[BATCH];

    loop->sys->mirror_get(loop->mirror, seen, BATCH);
}

/* Puts into the mirror what the loop waits for already. */
static int fill(struct heald_loop *loop, int mirror)
{
    bool ring = loop->backend.ops->submit;

    for (unsigned fd = 0; fd < loop->fds.size; fd++) {
        struct heald_fd *e = &loop->fds.v[fd];
        unsigned edge = e->armed && e->flags & FDS_EDGE ? HEALD_EDGE : 0;
        unsigned events = !e->type ? 0 : ring ? shown_of_ring(e) : e->armed | edge;
        int err = events ? loop->sys->mirror_set(mirror, (int)fd, 0, events) : 0;
        if (err && err != -EPERM)
            return err;
        e->shown = (uint16_t)(ring && !err ? events : 0);
    }
    return 0;
}

static int mirror_open(struct heald_loop *loop)
{
    int bell = loop->backend.ops->fd ? loop->backend.ops->fd(&loop->backend) : 0;
    int mirror = bell < 0 ? bell : loop->sys->mirror_open();

    if (mirror < 0)
        return mirror;
    int err = loop->backend.ops->fd ? loop->sys->mirror_set(mirror, bell, 0, POLLIN) : 0;
    if (!err)
        err = fill(loop, mirror);
    if (err) {
        loop->sys->close(mirror);
        return err;
    }
    loop->attention.mirrored = true;
    return loop->mirror = mirror;
}

int heald_loop_fd(struct heald_loop *loop)
{
    if (loop->backend.ops->fd && !loop->backend.ops->submit)
        return loop->backend.ops->fd(&loop->backend);
    return loop->mirror >= 0 ? loop->mirror : mirror_open(loop);
}

int heald_loop_prepare(struct heald_loop *loop, int64_t *ret_deadline_ns)
{
    if (loop->running)
        return -EBUSY;
    loop->now_ns = 0;
    loop->running = true;
    heald__hooks_run(loop, HEALD_HOOK_PREPARE);
    loop->running = false;
    heald__polls_look(loop);
    int err = heald__engine_flush(loop);
    /* A back end that takes whole ops holds them until it is asked for something. */
    if (!err && loop->backend.ops->submit)
        err = loop->backend.ops->wait(&loop->backend, 0);
    if (err && err != -EINTR)
        return err;
    bool owed = heald__flush_signals(loop);
    bool quiet = heald__mailbox_sleep(loop, LOOP_SLEEPS) && !heald__due_any(&loop->due) && !owed &&
                 !loop->attention.now;
    *ret_deadline_ns = quiet ? heald__timers_next(loop) : 0;
    return 0;
}
