/*
 * TCP echo server on libevent's raw events (no bufferevents, no locks): for comparison.
 */
#define _GNU_SOURCE 1
#include "conn.h"
#include "listener.h"

#include "../common/common.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <signal.h>

struct server {
    struct event_base *base;
    struct listener listener;
    struct event accepting, sigterm;
    char scratch[CONN_SCRATCH];
};

struct client {
    struct conn conn;
    struct event readable, writable;
    struct server *server;
};

static void on_conn(evutil_socket_t fd, short what, void *arg)
{
    struct client *c = arg;
    enum conn_want want;

    (void)fd;
    want = what & EV_WRITE ? conn_flush(&c->conn) : conn_echo(&c->conn, c->server->scratch);
    if (want == CONN_WRITE && !(what & EV_WRITE)) {
        event_del(&c->readable);
        event_add(&c->writable, NULL);
    } else if (want == CONN_MORE && (what & EV_WRITE)) {
        event_del(&c->writable);
        event_add(&c->readable, NULL);
    } else if (want == CONN_CLOSE) {
        event_del(&c->readable);
        event_del(&c->writable);
        conn_fini(&c->conn);
        free(c);
    }
}

static void on_listener(evutil_socket_t listening, short what, void *arg)
{
    struct server *s = arg;
    int fd;

    (void)listening;
    (void)what;
    while ((fd = listener_accept(&s->listener)) >= 0) {
        struct client *c = malloc(sizeof *c);

        if (!c) {
            close(fd);
            return;
        }
        conn_init(&c->conn, fd);
        c->server = s;
        event_assign(&c->readable, s->base, fd, EV_READ | EV_PERSIST, on_conn, c);
        event_assign(&c->writable, s->base, fd, EV_WRITE | EV_PERSIST, on_conn, c);
        if (event_add(&c->readable, NULL)) {
            conn_fini(&c->conn);
            free(c);
        }
    }
}

static void on_sigterm(evutil_socket_t number, short what, void *arg)
{
    struct server *s = arg;

    (void)number;
    (void)what;
    event_base_loopbreak(s->base);
}

int main(int argc, char **argv)
{
    struct event_config *config = event_config_new();
    struct server s;

    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    s.base = event_base_new_with_config(config);
    if (!s.base)
        bench_die("event_base_new_with_config", 0);
    event_config_free(config);
    evsignal_assign(&s.sigterm, s.base, SIGTERM, on_sigterm, &s);
    event_add(&s.sigterm, NULL);
    listener_open(&s.listener, argc, argv);
    event_assign(&s.accepting, s.base, s.listener.fd, EV_READ | EV_PERSIST, on_listener, &s);
    event_add(&s.accepting, NULL);
    event_base_dispatch(s.base);
    event_del(&s.accepting);
    event_del(&s.sigterm);
    event_base_free(s.base);
    listener_close(&s.listener);
    return 0;
}
