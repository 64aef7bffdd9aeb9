/*
 * TCP echo server on libev: for comparison.
 */
#define _GNU_SOURCE 1
#include "conn.h"
#include "listener.h"

#include "../common/common.h"

#include <ev.h>
#include <signal.h>

struct server {
    struct listener listener;
    ev_io accepting;
    ev_signal sigterm;
    char scratch[CONN_SCRATCH];
};

struct client {
    ev_io io; /* first: the callback is given its address */
    struct conn conn;
    struct server *server;
};

static void wait_for(struct ev_loop *loop, struct client *c, int events)
{
    ev_io_stop(loop, &c->io);
    ev_io_set(&c->io, c->conn.fd, events);
    ev_io_start(loop, &c->io);
}

static void on_conn(struct ev_loop *loop, ev_io *w, int what)
{
    struct client *c = (struct client *)w;
    enum conn_want want;

    want = what & EV_WRITE ? conn_flush(&c->conn) : conn_echo(&c->conn, c->server->scratch);
    if (want == CONN_WRITE && !(what & EV_WRITE)) {
        wait_for(loop, c, EV_WRITE);
    } else if (want == CONN_MORE && (what & EV_WRITE)) {
        wait_for(loop, c, EV_READ);
    } else if (want == CONN_CLOSE) {
        ev_io_stop(loop, &c->io);
        conn_fini(&c->conn);
        free(c);
    }
}

static void on_listener(struct ev_loop *loop, ev_io *w, int what)
{
    struct server *s = w->data;
    int fd;

    (void)what;
    while ((fd = listener_accept(&s->listener)) >= 0) {
        struct client *c = malloc(sizeof *c);

        if (!c) {
            close(fd);
            return;
        }
        conn_init(&c->conn, fd);
        c->server = s;
        ev_io_init(&c->io, on_conn, fd, EV_READ);
        ev_io_start(loop, &c->io);
    }
}

static void on_sigterm(struct ev_loop *loop, ev_signal *w, int what)
{
    (void)w;
    (void)what;
    ev_break(loop, EVBREAK_ALL);
}

int main(int argc, char **argv)
{
    struct ev_loop *loop = ev_default_loop(EVBACKEND_EPOLL);
    struct server s;

    if (!loop)
        bench_die("ev_default_loop", 0);
    ev_signal_init(&s.sigterm, on_sigterm, SIGTERM);
    ev_signal_start(loop, &s.sigterm);
    listener_open(&s.listener, argc, argv);
    ev_io_init(&s.accepting, on_listener, s.listener.fd, EV_READ);
    s.accepting.data = &s;
    ev_io_start(loop, &s.accepting);
    ev_run(loop, 0);
    ev_loop_destroy(loop);
    listener_close(&s.listener);
    return 0;
}
