/* The proxy on heald's streams. HEALD_BACKEND chooses the back end. */
#define _GNU_SOURCE 1
#include "../common/common.h"
#include "../echo/heald_serve.h"
#include "target.h"

struct pair {
    struct heald_stream in, out;
    int ended;
};

static void on_closed(struct heald_stream *s, int err)
{
    struct pair *p = s->data;

    (void)err;
    if (!p->in.loop && !p->out.loop)
        free(p);
}

static void on_error(struct heald_stream *s, int err)
{
    struct pair *p = s->data;

    (void)err;
    heald_stream_close(&p->in, on_closed);
    heald_stream_close(&p->out, on_closed);
}

static void on_end(struct heald_stream *s)
{
    struct pair *p = s->data;

    if (++p->ended == 2)
        on_error(s, 0);
}

static const struct heald_stream_events events = {.end = on_end, .error = on_error};

static void on_accepted(struct heald_op *op)
{
    struct pair *p = calloc(1, sizeof *p);

    if (op->result < 0 || !p)
        bench_die("accept", op->result < 0 ? (int)-op->result : ENOMEM);
    p->in.data = p->out.data = p;
    heald_socket_set_nodelay((int)op->result, 1);
    if (heald_stream_open(&p->in, op->loop, (int)op->result, &events, NULL) ||
        heald_stream_open(&p->out, op->loop, target_connect(), &events, NULL) ||
        heald_stream_pipe(&p->in, &p->out) || heald_stream_pipe(&p->out, &p->in))
        bench_die("heald_stream_open", 0);
}

int main(int argc, char **argv)
{
    struct heald_loop *loop;
    int err = heald_loop_open(&loop, NULL);

    if (err)
        return err == -ENOSYS ? BENCH_SKIP : 1;
    return serve(loop, argc > 1 ? argv[1] : "0", on_accepted);
}
