/* test/fault/scenes_stream.c: a scene with streams: much passes from one to another. */
#include "fault/scene.h"
#include "harness/harness.h"

#include <stdlib.h>
#include <sys/socket.h>

enum { MUCH = 60000 };

struct piped {
    struct heald_stream from, to;
    struct heald_transfer transfer;
    char data[MUCH];
};

static const struct heald_stream_events events;

/* All has arrived, or it was given up. */
static void piped_over(struct entry *e)
{
    struct piped *p = e->scene->own;

    heald_stream_close(&p->from, NULL);
    heald_stream_close(&p->to, NULL);
}

static void piped(struct scene *s)
{
    struct piped *p = s->own = calloc(1, sizeof *p);
    struct entry *e = scene_op(s, piped_over);
    int from[2], to[2];

    ck_assert_int_eq(heald_socketpair(SOCK_STREAM, from), 0);
    ck_assert_int_eq(heald_socketpair(SOCK_STREAM, to), 0);
    scene_keep(s, from[1]);
    scene_keep(s, to[1]);
    p->transfer = (struct heald_transfer){.buf = p->data, .len = MUCH};
    heald_prep_recv_all(&e->op, to[1], &p->transfer, 0);
    scene_go(e);
    if (heald_stream_open(&p->from, s->loop, from[0], &events, NULL))
        scene_keep(s, from[0]);
    if (heald_stream_open(&p->to, s->loop, to[0], &events, NULL))
        scene_keep(s, to[0]);
    heald_stream_pipe(&p->from, &p->to);
    ck_assert_int_eq(send(from[1], p->data, MUCH, 0), MUCH);
    if (!e->accepted)
        piped_over(e);
}

static void piped_stop(struct scene *s)
{
    free(s->own);
}

const struct scene_kind scene_piped = {"piped", piped, piped_stop};
