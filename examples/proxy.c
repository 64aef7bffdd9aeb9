/* proxy FROM TO: passes on what arrives at one address to another, both ways. */
#include <heald/heald.h>

#include <stdio.h>
#include <stdlib.h>

struct pair {
    struct heald_op connect;
    struct heald_connect_name name;
    struct heald_stream in, out;
    int fd, ended;
};

static void on_closed(struct heald_stream *stream, int err)
{
    struct pair *p = stream->data;

    (void)err;
    if (!p->in.loop && !p->out.loop) /* both are closed */
        free(p);
}

static void on_error(struct heald_stream *stream, int err)
{
    struct pair *p = stream->data;

    (void)err;
    heald_stream_close(&p->in, on_closed);
    heald_stream_close(&p->out, on_closed);
}

static void on_end(struct heald_stream *stream)
{
    struct pair *p = stream->data;

    if (++p->ended == 2) {
        heald_stream_end(&p->in, on_closed);
        heald_stream_end(&p->out, on_closed);
    }
}

static const struct heald_stream_events events = {.end = on_end, .error = on_error};

static void on_connected(struct heald_op *op)
{
    struct pair *p = heald_container_of(op, struct pair, connect);

    p->in.data = p->out.data = p;
    heald_socket_set_nodelay((int)op->result, 1); /* as the listener does it */
    heald_stream_open(&p->in, op->loop, p->fd, &events, NULL);
    if (heald_stream_open(&p->out, op->loop, (int)op->result, &events, NULL))
        heald_stream_end(&p->in, on_closed); /* not connected */
    heald_stream_pipe(&p->in, &p->out);
    heald_stream_pipe(&p->out, &p->in);
}

static void on_connection(struct heald_listener *listener, int fd)
{
    struct pair *p = calloc(1, sizeof *p);

    if (!p || (p->fd = fd) < 0)
        exit(1); /* no memory, or nothing is accepted any more */
    heald_prep_connect_name(&p->connect, &p->name, listener->data, NULL);
    p->connect.deadline_ns = heald_now(listener->loop) + 5 * HEALD_SEC;
    heald_submit(listener->loop, &p->connect, on_connected);
}

int main(int argc, char **argv)
{
    const struct heald_listener_options options = {.nodelay = 1};
    struct heald_listener l = {.data = argv[argc - 1]};
    const char *const from[] = {argv[argc > 2]};
    struct heald_loop *loop;
    int err = heald_loop_open(&loop, NULL);

    if (err || (err = heald_listener_open(&l, loop, from, 1, &options, on_connection)) ||
        (err = heald_loop_run(loop)) < 0)
        fprintf(stderr, "proxy: %s: %s\n", *from, heald_strerror(err));
    return err < 0;
}
