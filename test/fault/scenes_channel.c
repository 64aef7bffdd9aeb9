/* test/fault/scenes_channel.c: a scene with a message queue of POSIX. */
#include "fault/scene.h"

#include <fcntl.h>
#include <stdio.h>
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
