/* test/fault/scenes_channel.c: scenes with message queues of POSIX and of System V, and with a
 * FIFO. */
#include "fault/scene.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <unistd.h>

enum { MESSAGE = 8 };

/* Two receives and two sends; a third receive times out. */
static void queue(struct scene *s)
{
    static const struct heald_mq_attributes one = {.max_messages = 1, .message_size = MESSAGE};
    char name[64];
    struct entry *e;
    int fd;

    snprintf(name, sizeof name, "/heald-fault-%ld", (long)getpid());
    if (heald_mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &one, &fd, NULL))
        return;
    heald_mq_unlink(name);
    scene_keep(s, fd);
    for (int i = 0; i < 2; i++) {
        heald_prep_mq_receive(&(e = scene_op(s, NULL))->op, fd, s->room[i].bytes, MESSAGE, NULL);
        scene_go(e);
    }
    for (int i = 0; i < 2; i++) {
        heald_prep_mq_send(&(e = scene_op(s, NULL))->op, fd, "message", MESSAGE, (unsigned)i);
        scene_go(e);
    }
    heald_prep_mq_receive(&(e = scene_op(s, NULL))->op, fd, s->room[2].bytes, MESSAGE, NULL);
    e->op.deadline_ns = heald_clock_now(HEALD_CLOCK_MONOTONIC) + 300 * HEALD_US;
    e->cancelled = true; /* nothing more comes */
    scene_go(e);
}

const struct scene_kind scene_queue = {"queue", queue, NULL};

/* Two wait for a reader, which comes; a third times out; the two write ends are closed. */
struct fifo {
    char path[64], none[72];
};

static void fifo_opened(struct entry *e)
{
    if (e->op.result >= 0)
        close((int)e->op.result);
}

static void fifo_read(struct entry *e)
{
    struct fifo *f = e->scene->own;

    scene_keep(e->scene, heald_fifo_open(f->path, HEALD_FIFO_READ));
}

static void fifo(struct scene *s)
{
    struct fifo *f = s->own = calloc(1, sizeof *f);
    struct entry *e;

    snprintf(f->path, sizeof f->path, "/tmp/heald-fault-%ld", (long)getpid());
    snprintf(f->none, sizeof f->none, "%s-none", f->path);
    if (heald_fifo(f->path, 0600) || heald_fifo(f->none, 0600))
        abort();
    for (int i = 0; i < 2; i++) {
        heald_prep_fifo_open(&(e = scene_op(s, fifo_opened))->op, f->path, HEALD_FIFO_WRITE);
        scene_go(e);
    }
    heald_prep_timer(&(e = scene_op(s, fifo_read))->op,
                     heald_clock_now(HEALD_CLOCK_MONOTONIC) + 300 * HEALD_US);
    scene_go(e);
    heald_prep_fifo_open(&(e = scene_op(s, fifo_opened))->op, f->none, HEALD_FIFO_WRITE);
    e->op.deadline_ns = heald_clock_now(HEALD_CLOCK_MONOTONIC) + 300 * HEALD_US;
    e->cancelled = true; /* nobody reads it */
    scene_go(e);
}

static void fifo_stop(struct scene *s)
{
    struct fifo *f = s->own;

    unlink(f->path);
    unlink(f->none);
    free(f);
}

const struct scene_kind scene_fifo = {"fifo", fifo, fifo_stop};

struct sysv {
    int queue;
    struct {
        long type;
        char text[MESSAGE];
    } out, in[2];
};

/* A receive, a send, and a receive that times out. */
static void sysv(struct scene *s)
{
    struct sysv *v = s->own = calloc(1, sizeof *v);
    struct entry *e;

    v->queue = msgget(IPC_PRIVATE, 0600);
    if (v->queue < 0)
        return;
    v->out.type = 1;
    heald_prep_msgrcv(&(e = scene_op(s, NULL))->op, v->queue, &v->in[0], MESSAGE, 0, 0);
    scene_go(e);
    heald_prep_msgsnd(&(e = scene_op(s, NULL))->op, v->queue, &v->out, MESSAGE);
    scene_go(e);
    heald_prep_msgrcv(&(e = scene_op(s, NULL))->op, v->queue, &v->in[1], MESSAGE, 2, 0);
    e->op.deadline_ns = heald_clock_now(HEALD_CLOCK_MONOTONIC) + 300 * HEALD_US;
    e->cancelled = true; /* nobody sends this type */
    scene_go(e);
}

static void sysv_stop(struct scene *s)
{
    struct sysv *v = s->own;

    if (v->queue >= 0)
        msgctl(v->queue, IPC_RMID, NULL);
    free(v);
}

const struct scene_kind scene_sysv = {"sysv", sysv, sysv_stop};
