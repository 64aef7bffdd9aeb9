/* chat PORT: a chat server on libuv: what one client writes, a line, all others get. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { LONGEST = 65536, MOST_QUEUED = 1 << 20, MOST_CLIENTS = 2000 };
#define IDLE_MS 600000

struct client {
    uv_tcp_t tcp;
    uv_timer_t idle;
    struct client *next;
    char *line;
    size_t len, size;
    int closing, handles;
};

/* A line on its way to several clients. */
struct message {
    unsigned users;
    char text[];
};

struct sending {
    uv_write_t write;
    struct message *message;
};

static struct client *clients;
static unsigned count;

static void on_closed(uv_handle_t *handle)
{
    struct client *c = handle->data;

    if (--c->handles)
        return;
    free(c->line);
    free(c);
    count--;
}

static void leave(struct client *client)
{
    if (client->closing)
        return;
    client->closing = 1;
    for (struct client **c = &clients; *c; c = &(*c)->next)
        if (*c == client) {
            *c = client->next;
            break;
        }
    uv_close((uv_handle_t *)&client->tcp, on_closed);
    uv_close((uv_handle_t *)&client->idle, on_closed);
}

static void on_idle(uv_timer_t *timer)
{
    leave(timer->data);
}

static void release(struct message *m)
{
    if (--m->users == 0)
        free(m);
}

static void on_written(uv_write_t *write, int status)
{
    struct sending *s = (struct sending *)write;

    if (status < 0)
        leave(write->handle->data);
    release(s->message);
    free(s);
}

static void send_to(struct client *c, struct message **m, const char *text, size_t len)
{
    uv_buf_t buf = uv_buf_init((char *)text, (unsigned)len);
    size_t queued = uv_stream_get_write_queue_size((uv_stream_t *)&c->tcp);
    int sent = queued ? 0 : uv_try_write((uv_stream_t *)&c->tcp, &buf, 1);

    if (sent == (int)len) {
        uv_timer_again(&c->idle);
        return;
    }
    sent = sent == UV_EAGAIN ? 0 : sent;
    struct sending *s = sent < 0 || queued > MOST_QUEUED ? NULL : malloc(sizeof *s);
    if (s && !*m && (*m = malloc(sizeof **m + len))) {
        (*m)->users = 1;
        memcpy((*m)->text, text, len);
    }
    if (!s || !*m) {
        free(s);
        leave(c);
        return;
    }
    (*m)->users++;
    s->message = *m;
    buf = uv_buf_init((*m)->text + sent, (unsigned)(len - (size_t)sent));
    if (uv_write(&s->write, (uv_stream_t *)&c->tcp, &buf, 1, on_written)) {
        release(*m);
        free(s);
        leave(c);
    }
}

static void on_line(struct client *from, const char *line, size_t len)
{
    struct message *m = NULL;

    for (struct client *c = clients, *next; c; c = next) {
        next = c->next;
        if (c != from)
            send_to(c, &m, line, len);
    }
    if (m)
        release(m);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
    struct client *c = handle->data;

    (void)suggested;
    if (c->len == c->size && c->size < LONGEST) {
        char *more = realloc(c->line, c->size ? 2 * c->size : 4096);
        if (more) {
            c->line = more;
            c->size = c->size ? 2 * c->size : 4096;
        }
    }
    *ret_buf = uv_buf_init(c->line + c->len, (unsigned)(c->size - c->len));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct client *c = stream->data;
    char *end, *line = c->line;

    (void)buf;
    if (n < 0) {
        leave(c);
        return;
    }
    uv_timer_again(&c->idle);
    c->len += (size_t)n;
    while (!c->closing && (end = memchr(line, '\n', c->len - (size_t)(line - c->line)))) {
        on_line(c, line, (size_t)(end + 1 - line));
        line = end + 1;
    }
    c->len -= (size_t)(line - c->line);
    memmove(c->line, line, c->len);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct client *c = status < 0 || count >= MOST_CLIENTS ? NULL : calloc(1, sizeof *c);

    if (!c)
        return;
    count++;
    c->handles = 2;
    uv_tcp_init(listener->loop, &c->tcp);
    uv_timer_init(listener->loop, &c->idle);
    c->tcp.data = c->idle.data = c;
    c->next = clients;
    clients = c;
    uv_timer_start(&c->idle, on_idle, IDLE_MS, IDLE_MS);
    if (uv_accept(listener, (uv_stream_t *)&c->tcp) ||
        uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read))
        leave(c);
}

int main(int argc, char **argv)
{
    uv_loop_t *loop = uv_default_loop();
    struct sockaddr_in addr;
    uv_tcp_t listener;
    int err;

    uv_ip4_addr("127.0.0.1", argc > 1 ? atoi(argv[1]) : 7008, &addr);
    uv_tcp_init(loop, &listener);
    if ((err = uv_tcp_bind(&listener, (struct sockaddr *)&addr, 0)) ||
        (err = uv_listen((uv_stream_t *)&listener, 128, on_connection))) {
        fprintf(stderr, "chat: %s\n", uv_strerror(err));
        return 1;
    }
    return uv_run(loop, UV_RUN_DEFAULT);
}
