/* The echo server on heald's streams. HEALD_BACKEND chooses the back end. */
#define _GNU_SOURCE 1
#include "../common/common.h"
#include "heald_serve.h"

static void on_closed(struct heald_stream *s, int err)
{
    (void)err;
    free(s);
}

static void on_drain(struct heald_stream *s)
{
    heald_stream_resume(s);
}

static void on_data(struct heald_stream *s, char *data, size_t len)
{
    int err = heald_stream_write(s, data, len);

    if (err == 1)
        heald_stream_pause(s);
    else if (err < 0)
        heald_stream_close(s, on_closed);
}

static void on_end(struct heald_stream *s)
{
    heald_stream_end(s, on_closed);
}

static void on_error(struct heald_stream *s, int err)
{
    (void)err;
    heald_stream_close(s, on_closed);
}

static const struct heald_stream_events events = {
    .data = on_data, .end = on_end, .drain = on_drain, .error = on_error};

static void on_accepted(struct heald_op *op)
{
    struct heald_stream *s = calloc(1, sizeof *s);

    if (op->result < 0)
        bench_die("accept", (int)-op->result);
    if (!s || heald_stream_open(s, op->loop, (int)op->result, &events, NULL))
        bench_die("heald_stream_open", errno);
}

int main(int argc, char **argv)
{
    struct heald_loop *loop;
    int err = heald_loop_open(&loop, NULL);

    if (err)
        return err == -ENOSYS ? BENCH_SKIP : 1;
    return serve(loop, argc > 1 ? argv[1] : "0", on_accepted);
}
