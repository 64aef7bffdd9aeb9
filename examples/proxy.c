/* proxy FROM TO: passes on what arrives at one address to another, both ways. */
#include <heald/heald.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static struct heald_addr to;

struct pair {
    struct heald_op connect;
    struct heald_stream in, out;
    int in_fd, out_fd, open, ended;
};

static void on_closed(struct heald_stream *stream)
{
    if (--((struct pair *)stream->data)->open == 0)
        free(stream->data);
}

static void on_error(struct heald_stream *stream, int err)
{
    struct pair *p = stream->data;
    fprintf(stderr, "proxy: %s\n", heald_strerror(err));
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
    p->open = !heald_stream_open(&p->in, op->loop, p->in_fd, &events, NULL);
    p->open += !heald_stream_open(&p->out, op->loop, p->out_fd, &events, NULL);
    heald_stream_pipe(&p->in, &p->out);
    heald_stream_pipe(&p->out, &p->in);
    if (op->result < 0)
        on_error(&p->in, (int)op->result);
}

static void on_new(struct heald_op *op)
{
    struct pair *p = op->result >= 0 ? calloc(1, sizeof *p) : NULL;

    if (!p)
        return;
    p->in_fd = (int)op->result;
    p->out_fd = heald_socket(&to, SOCK_STREAM);
    heald_prep_connect(&p->connect, p->out_fd, &to.u.sa, to.len);
    heald_submit(op->loop, &p->connect, on_connected);
}

int main(int argc, char **argv)
{
    struct heald_loop *loop;
    struct heald_op accept = {0};
    int fd = argc == 3 ? heald_listen(argv[1], SOCK_STREAM, 0) : -EINVAL;
    int err = fd < 0 ? fd : heald_addr_parse(argv[2], &to);

    heald_prep_accept_persistent(&accept, fd);
    if (!err && !(err = heald_loop_open(&loop, NULL)) &&
        !(err = heald_submit(loop, &accept, on_new)))
        return heald_loop_run(loop) < 0;
    fprintf(stderr, "proxy: %s\n", heald_strerror(err));
    return 1;
}
