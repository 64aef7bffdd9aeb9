/*
 * TCP echo server on libuv: for comparison.
 *
 * What was read is sent back at once by uv_try_write; only the rest, if any, becomes a request, and
 * reading stops until it is through.  All connections read into one scratch buffer.
 */
#define _GNU_SOURCE 1
#include "listener.h"

#include "../common/common.h"

#include <signal.h>
#include <uv.h>

enum { SCRATCH = 16384, BACKLOG = 4096 };

struct server {
    struct listener listener;
    uv_tcp_t accepting;
    uv_signal_t sigterm;
    char scratch[SCRATCH];
};

struct client {
    uv_tcp_t tcp; /* first: the callbacks are given its address */
    struct server *server;
    uv_write_t write;
    char *rest; /* what the request is still sending */
};

static void on_closed(uv_handle_t *handle)
{
    struct client *c = (struct client *)handle;

    free(c->rest);
    free(c);
}

static void drop(struct client *c)
{
    if (!uv_is_closing((uv_handle_t *)&c->tcp))
        uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
    (void)suggested;
    *ret_buf = uv_buf_init(((struct client *)handle)->server->scratch, SCRATCH);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);

static void on_written(uv_write_t *write, int status)
{
    struct client *c = write->data;

    free(c->rest);
    c->rest = NULL;
    if (status < 0 || uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read))
        drop(c);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct client *c = (struct client *)stream;
    uv_buf_t out = uv_buf_init(buf->base, n > 0 ? (unsigned)n : 0);
    int sent;

    if (n == 0)
        return;
    if (n < 0) {
        drop(c);
        return;
    }
    sent = uv_try_write(stream, &out, 1);
    if (sent == n)
        return;
    if (sent < 0 && sent != UV_EAGAIN) {
        drop(c);
        return;
    }
    out = uv_buf_init(buf->base + (sent > 0 ? sent : 0), (unsigned)(n - (sent > 0 ? sent : 0)));
    c->rest = malloc(out.len);
    if (!c->rest) {
        drop(c);
        return;
    }
    memcpy(c->rest, out.base, out.len);
    out.base = c->rest;
    c->write.data = c;
    uv_read_stop(stream);
    if (uv_write(&c->write, stream, &out, 1, on_written))
        drop(c);
}

static void on_connection(uv_stream_t *accepting, int status)
{
    struct server *s = accepting->data;
    struct client *c;

    if (status < 0)
        return;
    c = bench_alloc(1, sizeof *c);
    c->server = s;
    uv_tcp_init(accepting->loop, &c->tcp);
    if (uv_accept(accepting, (uv_stream_t *)&c->tcp) ||
        uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read))
        drop(c);
}

static void on_sigterm(uv_signal_t *signal, int number)
{
    (void)number;
    uv_stop(signal->loop);
}

int main(int argc, char **argv)
{
    uv_loop_t *loop = uv_default_loop();
    struct server s;

    uv_signal_init(loop, &s.sigterm);
    uv_signal_start(&s.sigterm, on_sigterm, SIGTERM);
    listener_open(&s.listener, argc, argv);
    uv_tcp_init(loop, &s.accepting);
    s.accepting.data = &s;
    if (uv_tcp_open(&s.accepting, s.listener.fd) ||
        uv_listen((uv_stream_t *)&s.accepting, BACKLOG, on_connection))
        bench_die("uv_listen", 0);
    uv_run(loop, UV_RUN_DEFAULT);
    return 0;
}
