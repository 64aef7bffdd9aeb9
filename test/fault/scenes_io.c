/* test/fault/scenes_io.c: scenes with descriptors and files. */
#include "fault/scene.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void group_portion(struct entry *e)
{
    if (e->op.flags & HEALD_MORE)
        heald_buf_return(e->scene->group, e->op.buffer);
}

static void streams(struct scene *s)
{
    static const char text[] = "stream";
    int fds[2], more[2];
    struct entry *e;

    scene_pair(s, SOCK_STREAM, fds);
    scene_pair(s, SOCK_STREAM, more);
    for (int i = 0; i < 2; i++) {
        heald_prep_recv(&(e = scene_op(s, NULL))->op, fds[0], s->room[i].bytes, 6, 0);
        scene_go(e);
    }
    heald_prep_poll(&(e = scene_op(s, NULL))->op, fds[0], POLLIN);
    scene_go(e);
    if (heald_buf_group_open(&s->group, s->loop, s->memory, 4, 64) == 0) {
        heald_prep_recv_multishot(&(e = scene_op(s, group_portion))->op, more[0], s->group, 0);
        scene_go(e);
    }
    heald_prep_send(&(e = scene_op(s, NULL))->op, fds[1], text, 6, 0);
    scene_go(e);
    heald_prep_write(&(e = scene_op(s, NULL))->op, fds[1], text, 6, HEALD_NO_OFFSET);
    scene_go(e);
    heald_prep_send(&(e = scene_op(s, NULL))->op, more[1], text, 6, 0);
    scene_go(e);
    heald_prep_shutdown(&(e = scene_op(s, NULL))->op, more[1], SHUT_WR);
    scene_go(e);
}

static void streams_stop(struct scene *s)
{
    if (s->group)
        heald_buf_group_close(s->group);
}

const struct scene_kind scene_streams = {"streams", streams, streams_stop};

static void pipes(struct scene *s)
{
    static const char text[] = "piped";
    int fds[2];
    struct entry *e;

    if (heald_pipe(fds))
        return;
    scene_keep(s, fds[0]);
    scene_keep(s, fds[1]);
    fcntl(fds[0], F_SETFL, 0); /* this end waits, the other does not */
    heald_prep_read(&(e = scene_op(s, NULL))->op, fds[0], s->room[0].bytes, 5, HEALD_NO_OFFSET);
    scene_go(e);
    heald_prep_poll(&(e = scene_op(s, NULL))->op, fds[1], POLLOUT);
    scene_go(e);
    heald_prep_write(&(e = scene_op(s, NULL))->op, fds[1], text, 5, HEALD_NO_OFFSET);
    scene_go(e);
    heald_prep_read(&(e = scene_op(s, NULL))->op, fds[0], s->room[1].bytes, 5, HEALD_NO_OFFSET);
    e->op.deadline_ns = heald_clock_now(HEALD_CLOCK_MONOTONIC) + 300 * HEALD_US;
    e->cancelled = true; /* it times out: nothing more comes */
    scene_go(e);
}

const struct scene_kind scene_pipes = {"pipes", pipes, NULL};

struct net {
    struct heald_addr addr;
    int client[2];
    unsigned accepted;
};

static void net_closed(struct entry *e)
{
    (void)e;
}

static void net_accepted(struct entry *e)
{
    struct scene *s = e->scene;
    struct net *n = s->own;

    if (e->op.result < 0)
        return;
    struct entry *c = scene_op(s, net_closed);
    heald_prep_close(&c->op, (int)e->op.result);
    scene_go(c);
    if (!c->accepted)
        close((int)e->op.result);
    if (++n->accepted == 2 && e->op.flags & HEALD_MORE)
        scene_cancel(e);
}

static void net(struct scene *s)
{
    struct net *n = s->own = calloc(1, sizeof *n);
    int listener = scene_keep(s, heald_listen("127.0.0.1:0", SOCK_STREAM, 0));
    struct entry *e;

    if (listener < 0 || heald_local_addr(listener, &n->addr))
        abort();
    heald_prep_accept_multishot(&(e = scene_op(s, net_accepted))->op, listener);
    scene_go(e);
    for (int i = 0; i < 2; i++) {
        n->client[i] = scene_keep(s, heald_socket(&n->addr, SOCK_STREAM));
        heald_prep_connect(&(e = scene_op(s, NULL))->op, n->client[i], &n->addr.u.sa, n->addr.len);
        scene_go(e);
    }
}

static void net_stop(struct scene *s)
{
    free(s->own);
}

const struct scene_kind scene_net = {"net", net, net_stop};

/* open; two writes; fsync and stat; two reads; close: each pair after the one before. */
struct files {
    char name[40];
    int dir, fd;
    unsigned step, left;
    struct iovec iov;
};

static void files_step(struct entry *e);

static void files_prep(struct scene *s, struct heald_op *op, unsigned step)
{
    struct files *f = s->own;

    switch (step) {
    case 0:
        f->iov = (struct iovec){.iov_base = s->memory, .iov_len = 10};
        heald_prep_writev(op, f->fd, &f->iov, 1, 5);
        break;
    case 1: heald_prep_write(op, f->fd, s->memory, 5, 0); break;
    case 2: heald_prep_fsync(op, f->fd, 1); break;
    case 3: heald_prep_stat(op, f->fd, "", 0, &s->room[1].stat); break;
    case 4: heald_prep_read(op, f->fd, s->room[2].bytes, 15, 0); break;
    case 5: heald_prep_read(op, f->fd, s->room[3].bytes, 15, HEALD_NO_OFFSET); break;
    default: heald_prep_close(op, f->fd);
    }
}

static void files_step(struct entry *e)
{
    struct scene *s = e->scene;
    struct files *f = s->own;

    if (--f->left || f->step > 6)
        return;
    unsigned end = f->step == 6 ? 7 : f->step + 2;
    f->left = end - f->step;
    while (f->step < end) {
        struct entry *n = scene_op(s, files_step);
        files_prep(s, &n->op, f->step++);
        scene_go(n);
        f->left -= !n->accepted;
    }
}

static void files_first(struct entry *e)
{
    struct files *f = e->scene->own;

    if (e->op.result < 0)
        return;
    f->fd = (int)e->op.result;
    f->left = 1;
    files_step(e);
}

static void files(struct scene *s)
{
    struct files *f = s->own = calloc(1, sizeof *f);
    const char *tmp = getenv("TMPDIR");
    struct entry *e;

    f->fd = -1;
    snprintf(f->name, sizeof f->name, "heald-fault-%ld", (long)getpid());
    f->dir = open(tmp && *tmp ? tmp : "/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int dir = scene_keep(s, f->dir);
    heald_prep_open_beneath(&(e = scene_op(s, NULL))->op, dir, ".", O_RDONLY | O_DIRECTORY, 0);
    e->op.name = "opens";
    scene_go(e);
    heald_prep_open(&(e = scene_op(s, files_first))->op, dir, f->name, O_RDWR | O_CREAT, 0600);
    scene_go(e);
}

static void files_stop(struct scene *s)
{
    struct files *f = s->own;

    /* What was opened and never got to its close. */
    for (unsigned i = 0; i < s->count; i++)
        if (s->entry[i].op.name && s->entry[i].accepted && s->entry[i].op.result >= 0)
            close((int)s->entry[i].op.result);
    if (f->fd >= 0 && fcntl(f->fd, F_GETFD) >= 0)
        close(f->fd);
    unlinkat(f->dir, f->name, 0);
    free(f);
}

const struct scene_kind scene_files = {"files", files, files_stop};

/* More ops at once than a small ring holds, half of them cancelled. */
static void crowd(struct scene *s)
{
    int fds[2];
    struct entry *e[16];

    for (int i = 0; i < 4; i++) {
        scene_pair(s, SOCK_STREAM, fds);
        for (int k = 0; k < 2; k++) {
            heald_prep_recv(&(e[4 * i + k] = scene_op(s, NULL))->op, fds[0], s->room[i].bytes, 1,
                            0);
            heald_prep_poll(&(e[4 * i + 2 + k] = scene_op(s, NULL))->op, fds[k], POLLIN);
        }
        for (int k = 0; k < 4; k++)
            scene_go(e[4 * i + k]);
    }
    for (int i = 0; i < 16; i++)
        scene_cancel(e[i]);
    if (write(fds[1], "x", 1) != 1)
        abort();
}

const struct scene_kind scene_crowd = {"crowd", crowd, NULL};
