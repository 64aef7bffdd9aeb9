/* chat ADDRESS: a chat server: what one client writes, a line, all others get. */
#include <heald/heald.h>

#include <stdio.h>
#include <stdlib.h>

static struct client {
    struct heald_stream stream;
    struct client *next;
} * clients;

static struct heald_listener listener;

static void on_closed(struct heald_stream *stream, int err)
{
    (void)err;
    free(heald_container_of(stream, struct client, stream));
    heald_listener_done(&listener);
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

static void on_connection(struct heald_listener *l, int fd)
{
    const struct heald_stream_options options = {.idle_ns = 600 * HEALD_SEC};
    struct client *c = fd >= 0 ? calloc(1, sizeof *c) : NULL;

    if (c && heald_stream_open(&c->stream, l->loop, fd, &events, &options) == 0) {
        heald_stream_read_until(&c->stream, '\n');
        c->next = clients;
        clients = c;
    } else if (fd >= 0) {
        heald_close(l->loop, fd);
        heald_listener_done(l);
        free(c);
    }
}

int main(int argc, char **argv)
{
    struct heald_loop *loop;
    struct heald_why why = {"no loop"};
    const struct heald_listener_options options = {.max_connections = 10000, .ret_why = &why};
    const char *at = argc > 1 ? argv[1] : "localhost:7008";

    if (heald_loop_open(&loop, NULL) ||
        heald_listener_open(&listener, loop, &at, 1, &options, on_connection)) {
        fprintf(stderr, "chat: %s\n", why.text);
        return 1;
    }
    return heald_loop_run(loop) < 0;
}
