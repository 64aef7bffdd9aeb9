/*
 * loop/idle.c: how a socket waits in a loop on a ring. The loop's thread.
 *
 * A receive that waits in a ring is two entries and two completions for a program that cancels it
 * and submits it again, as one does that waits for one thing after another. Where there is more
 * than one cancel or time-out for four receives that bring something, the socket is waited for by
 * readiness from then on, in the queue of the system's that the back end has nested: there a cancel
 * takes the op out of a list, and the next receive finds the socket armed. Everything goes as on
 * the back ends that know readiness alone (ready.c), for FDS_WHOLE is gone, until the socket is
 * closed or has a multishot receive.
 *
 * The kernel finds what is to be cancelled in lists, of which there are as many as suit the size of
 * the ring (one for 32 completions, 256 at most), and walks along one. So a ring has the waits of
 * so many sockets and no more, and those that come then wait by readiness from the beginning.
 *
 * The kernel has the buffers of a group: a multishot receive goes to the ring, and its socket with
 * it.
 */
#include "loop/ready.h"

/* A cancel counts as four receives that bring something, and three of them are many. */
enum { CANCEL = 4, MANY = 3 * CANCEL };

/* Sockets for each entry: with four completions an entry, 128 in a list of the kernel's. */
enum { SOCKETS = 16 };

static void leave_ring(struct heald_fd *e)
{
    e->flags &= (uint16_t) ~(FDS_WHOLE | FDS_EDGE | FDS_STICKY | FDS_NESTED_IN | FDS_NESTED_OUT);
    /* Only of TCP does a short read prove that nothing is left. */
    if (e->type == FD_STREAM)
        e->flags |= FDS_EDGE;
}

void heald__idle_new(struct heald_loop *loop, struct heald_fd *e)
{
    bool many = loop->fds.whole >= loop->backend.entries * SOCKETS;

    e->flags |= FDS_WHOLE;
    if (!fds_is_socket(e))
        return;
    if (many && loop->backend.ops->arm && !loop->fds.all_whole)
        leave_ring(e);
    else
        loop->fds.whole++;
}

void heald__idle_forget(struct heald_loop *loop, struct heald_fd *e)
{
    loop->fds.whole -= e->flags & FDS_WHOLE && fds_is_socket(e);
}

void heald__idle_cancelled(struct heald_loop *loop, struct heald_fd *e)
{
    unsigned usual = FDS_PLAIN | FDS_WHOLE;

    if (!loop->backend.ops->arm || loop->fds.all_whole ||
        (e->flags & (usual | FDS_CLOSING)) != usual)
        return;
    if (e->cancels < MANY)
        e->cancels += CANCEL;
    /* Nothing of it may be in the ring. */
    if (e->cancels < MANY || e->queue[DIR_IN] || e->queue[DIR_OUT] || e->polls || e->files ||
        e->pause || e->armed)
        return;
    loop->fds.whole--;
    leave_ring(e);
}

void heald__idle_end(struct heald_loop *loop, struct heald_fd *e)
{
    int fd = (int)(e - loop->fds.v);

    loop->fds.whole++;
    e->flags |= FDS_WHOLE;
    e->flags &= (uint16_t) ~(FDS_EDGE | FDS_STICKY | FDS_FULL);
    e->cancels = 0;
    if (e->armed)
        heald__ready_unarm(loop, e, fd);
    for (int dir = DIR_IN; dir <= DIR_OUT; dir++)
        heald__ready_kick(loop, &loop->fds.v[fd], dir);
    /* What waits beside the queues, and not in the ring. */
    heald__ready_arm(loop, &loop->fds.v[fd], fd);
}
