/*
 * The proxy on libuv: for comparison. What was read is passed on at once by uv_try_write; only the
 * rest, if any, becomes a request, and reading stops until it is through. All connections read into
 * one scratch buffer.
 */
#define _GNU_SOURCE 1
#include "../echo/listener.h"
#include "target.h"

#include "../common/common.h"

#include <signal.h>
#include <uv.h>

enum { SCRATCH = 65536, BACKLOG = 4096 };

struct server {
    struct listener listener;
    uv_tcp_t accepting;
    uv_signal_t sigterm;
    char scratch[SCRATCH];
};

struct side {
    uv_tcp_t tcp; /* first: the callbacks are given its address */
    struct pair *pair;
    struct side *other;
    uv_write_t write;
    char *rest;
};

struct pair {
    struct side sides[2];
    struct server *server;
    int closed;
};

static void on_closed(uv_handle_t *handle)
{
    struct side *side = (struct side *)handle;

    free(side->rest);
    if (++side->pair->closed == 2)
        free(side->pair);
}

static void drop(struct pair *p)
{
    for (int i = 0; i < 2; i++)
        if (!uv_is_closing((uv_handle_t *)&p->sides[i].tcp))
            uv_close((uv_handle_t *)&p->sides[i].tcp, on_closed);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
    (void)suggested;
    *ret_buf = uv_buf_init(((struct side *)handle)->pair->server->scratch, SCRATCH);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);

static void on_written(uv_write_t *write, int status)
{
    struct side *from = write->data;

    free(from->rest);
    from->rest = NULL;
    if (status < 0 || uv_read_start((uv_stream_t *)&from->tcp, on_alloc, on_read))
        drop(from->pair);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct side *from = (struct side *)stream;
    uv_stream_t *to = (uv_stream_t *)&from->other->tcp;
    uv_buf_t out = uv_buf_init(buf->base, n > 0 ? (unsigned)n : 0);
    int sent;

    if (n == 0)
        return;
    if (n < 0) {
        drop(from->pair);
        return;
    }
    sent = uv_try_write(to, &out, 1);
    if (sent == n)
        return;
    if (sent < 0 && sent != UV_EAGAIN) {
        drop(from->pair);
        return;
    }
    out = uv_buf_init(buf->base + (sent > 0 ? sent : 0), (unsigned)(n - (sent > 0 ? sent : 0)));
    from->rest = malloc(out.len);
    if (!from->rest)
        bench_die("malloc", ENOMEM);
    memcpy(from->rest, out.base, out.len);
    out.base = from->rest;
    from->write.data = from;
    uv_read_stop(stream);
    if (uv_write(&from->write, to, &out, 1, on_written))
        drop(from->pair);
}

static void side_init(struct pair *p, int i, uv_loop_t *loop)
{
    p->sides[i].pair = p;
    p->sides[i].other = &p->sides[!i];
    uv_tcp_init(loop, &p->sides[i].tcp);
}

static void on_connection(uv_stream_t *accepting, int status)
{
    struct pair *p;

    if (status < 0)
        return;
    p = bench_alloc(1, sizeof *p);
    p->server = accepting->data;
    side_init(p, 0, accepting->loop);
    side_init(p, 1, accepting->loop);
    if (uv_accept(accepting, (uv_stream_t *)&p->sides[0].tcp) ||
        uv_tcp_open(&p->sides[1].tcp, target_connect()) ||
        uv_read_start((uv_stream_t *)&p->sides[0].tcp, on_alloc, on_read) ||
        uv_read_start((uv_stream_t *)&p->sides[1].tcp, on_alloc, on_read))
        drop(p);
}

static void on_sigterm(uv_signal_t *signal, int number)
{
    (void)number;
    uv_stop(signal->loop);
}

int main(int argc, char **argv)
{
    uv_loop_t *loop = uv_default_loop();
    struct server *s = bench_alloc(1, sizeof *s);

    uv_signal_init(loop, &s->sigterm);
    uv_signal_start(&s->sigterm, on_sigterm, SIGTERM);
    listener_open(&s->listener, argc, argv);
    uv_tcp_init(loop, &s->accepting);
    s->accepting.data = s;
    if (uv_tcp_open(&s->accepting, s->listener.fd) ||
        uv_listen((uv_stream_t *)&s->accepting, BACKLOG, on_connection))
        bench_die("uv_listen", 0);
    uv_run(loop, UV_RUN_DEFAULT);
    return 0;
}
