/*
 * loop/pause.c: a descriptor that is not asked for a while, because it would answer the same again
 * and again: one that is reported ready and is not (a full Unix datagram peer), and a listener
 * while descriptors or memory are lacking. Also the time until what waits for a lock of a file is
 * tried again, or its thread interrupted again (DIR_FILES). The loop's thread.
 *
 * The pause is short at first, eight times as long each time, and short again after a success.
 *
 * It is allocated when a descriptor first needs one, and kept for another when that is closed: a
 * program that reads one new pipe after the other, where pipes cannot be read without waiting,
 * allocates once.
 */
#include "loop/loop.h"

#include <errno.h>

enum { PAUSE_FIRST_MS = 1, PAUSE_GROWTH = 8, PAUSE_MAX_MS = 250 };

static struct heald_pause *make(struct heald_loop *loop, struct heald_fd *e)
{
    struct heald_pause *p = loop->fds.spare;

    if (p)
        loop->fds.spare = p->next;
    else if (!(p = alloc_new(&loop->alloc, sizeof *p)))
        return NULL;
    *p = (struct heald_pause){.next_ms = PAUSE_FIRST_MS};
    p->op.kind = OP_PAUSE;
    p->op.loop = loop;
    p->op.u.poll.fd = (int)(e - loop->fds.v);
    return e->pause = p;
}

int heald__pause_reserve(struct heald_loop *loop, struct heald_fd *e)
{
    return e->pause || make(loop, e) ? 0 : -ENOMEM;
}

int heald__pause(struct heald_loop *loop, struct heald_fd *e, int dir)
{
    if (heald__pause_reserve(loop, e))
        return -ENOMEM;
    struct heald_pause *p = e->pause;
    p->dirs |= (uint8_t)(1u << dir);
    if (list_linked(&p->op.timer))
        return 0;
    p->op.deadline_ns = heald_now(loop) + p->next_ms * HEALD_MS;
    p->next_ms *= PAUSE_GROWTH;
    if (p->next_ms > PAUSE_MAX_MS)
        p->next_ms = PAUSE_MAX_MS;
    heald__timers_add(loop, &p->op);
    return 0;
}

void heald__pause_stop(struct heald_loop *loop, struct heald_fd *e, int dir)
{
    struct heald_pause *p = e->pause;

    if (!p || !(p->dirs & 1u << dir))
        return;
    p->dirs &= (uint8_t) ~(1u << dir);
    p->next_ms = PAUSE_FIRST_MS;
    if (!p->dirs && list_linked(&p->op.timer))
        heald__wheel_remove(&loop->timers, &p->op);
}

void heald__pause_success(struct heald_fd *e)
{
    e->pause->next_ms = PAUSE_FIRST_MS;
}

void heald__pause_expired(struct heald_loop *loop, struct heald_op *op)
{
    int fd = op_fd(op);
    unsigned dirs = loop->fds.v[fd].pause->dirs;

    loop->fds.v[fd].pause->dirs = 0;
    for (int dir = DIR_IN; dir <= DIR_OUT; dir++)
        if (dirs & 1u << dir)
            heald__ready_retry(loop, &loop->fds.v[fd], dir);
    if (dirs & 1u << DIR_FILES)
        heald__file_lock_retry(loop, fd);
}

void heald__pause_end(struct heald_loop *loop, struct heald_fd *e)
{
    if (list_linked(&e->pause->op.timer))
        heald__wheel_remove(&loop->timers, &e->pause->op);
    e->pause->next = loop->fds.spare;
    loop->fds.spare = e->pause;
    e->pause = NULL;
}

void heald__pauses_free(struct heald_loop *loop)
{
    struct heald_pause *p;

    while ((p = loop->fds.spare)) {
        loop->fds.spare = p->next;
        alloc_free(&loop->alloc, p, sizeof *p);
    }
}
