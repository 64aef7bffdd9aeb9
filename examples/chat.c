/* chat ADDRESS: a chat server: what one client writes, a line, all others get. */
#include <heald/heald.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static struct client {
    struct heald_stream stream;
    struct client *next;
} * clients;

static void on_closed(struct heald_stream *stream)
{
    free(heald_container_of(stream, struct client, stream));
}

static void leave(struct heald_stream *stream)
{
    for (struct client **c = &clients; *c; c = &(*c)->next)
        if (&(*c)->stream == stream) {
            *c = (*c)->next;
            break;
        }
    heald_stream_close(stream, on_closed);
}

static void on_error(struct heald_stream *stream, int err)
{
    (void)err;
    leave(stream);
}

static void on_line(struct heald_stream *from, char *line, size_t len)
{
    for (struct client *c = clients, *next; c; c = next) {
        next = c->next;
        /* One who does not read has a full queue, and goes. */
        if (&c->stream != from && heald_stream_write(&c->stream, line, len) < 0)
            leave(&c->stream);
    }
}

static const struct heald_stream_events events = {.data = on_line, .end = leave, .error = on_error};

static void on_accepted(struct heald_op *op)
{
    struct client *c = op->result >= 0 ? calloc(1, sizeof *c) : NULL;

    if (c && heald_stream_open(&c->stream, op->loop, (int)op->result, &events, op->data) == 0) {
        heald_stream_read_until(&c->stream, '\n');
        c->next = clients;
        clients = c;
    } else if (op->result >= 0) {
        heald_close(op->loop, (int)op->result);
        free(c);
    }
}

int main(int argc, char **argv)
{
    struct heald_loop *loop;
    struct heald_stream_options options = {.idle_ns = 600 * HEALD_SEC};
    struct heald_op acceptor = {.data = &options};
    const char *at = argc > 1 ? argv[1] : "127.0.0.1:7008";
    int fd = heald_listen(at, SOCK_STREAM, 0), err = fd < 0 ? fd : heald_loop_open(&loop, NULL);

    heald_prep_accept_persistent(&acceptor, fd);
    if (err || (err = heald_submit(loop, &acceptor, on_accepted))) {
        fprintf(stderr, "chat: %s: %s\n", at, heald_strerror(err));
        return 1;
    }
    return heald_loop_run(loop) < 0;
}
