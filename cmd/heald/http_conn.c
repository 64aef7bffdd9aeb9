/*
 * http_conn.c: see http_conn.h.
 *
 * A connection has one op and so is at one place at a time; the next request of a pipeline waits in
 * `in` until the response before it has gone out. Each callback first looks whether the server is
 * closing: then it ends the connection. A closed connection is kept for the next one, so that
 * serving allocates nothing once the busiest moment has been.
 */
#include "http_conn.h"

#include "file_send.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SPARES_MAX = 64 };

#define LINGER_NS (1 * HEALD_SEC)

static void on_received(struct heald_op *op);

void conn_submit(struct conn *c, heald_fn *fn, int64_t deadline_ns)
{
    c->op.deadline_ns = deadline_ns;
    if (heald_submit(c->server->loop, &c->op, fn) < 0)
        conn_close(c);
}

/* The peer without its port: "127.0.0.1", "::1", "unix". */
static void set_peer(struct conn *c)
{
    struct heald_addr addr;
    char *peer = c->peer;
    if (heald_peer_addr(c->fd, &addr) < 0 || addr.u.sa.sa_family == AF_UNIX) {
        snprintf(peer, sizeof c->peer, "unix");
        return;
    }
    heald_addr_format(&addr, peer, sizeof c->peer);
    char *colon = strrchr(peer, ':');
    if (colon)
        *colon = '\0';
    size_t len = strlen(peer);
    if (peer[0] == '[' && len > 2) {
        memmove(peer, peer + 1, len - 2);
        peer[len - 2] = '\0';
    }
}

static struct conn *take_conn(struct server *server)
{
    struct conn *c = server->spare;
    if (!c)
        return malloc(sizeof *c);
    server->spare = c->next;
    server->spares--;
    return c;
}

static void link_conn(struct server *server, struct conn *c)
{
    c->prev = NULL;
    c->next = server->conns;
    if (c->next)
        c->next->prev = c;
    server->conns = c;
    server->connections++;
}

static void unlink_conn(struct conn *c)
{
    if (c->prev)
        c->prev->next = c->next;
    else
        c->server->conns = c->next;
    if (c->next)
        c->next->prev = c->prev;
    c->server->connections--;
}

static void receive(struct conn *c, int64_t deadline_ns)
{
    c->in_at = c->in_len = 0;
    heald_prep_recv(&c->op, c->fd, c->in, sizeof c->in, 0);
    conn_submit(c, on_received, deadline_ns);
}

static void await_request(struct conn *c)
{
    c->state = CONN_IDLE;
    receive(c, heald_now(c->server->loop) + c->server->config->idle_ns);
}

void conn_open(struct server *server, int fd)
{
    struct conn *c = take_conn(server);
    if (!c) {
        heald_close(server->loop, fd);
        return;
    }
    memset(&c->op, 0, sizeof c->op);
    c->op.name = "connection";
    c->server = server;
    c->fd = fd;
    c->file_fd = -1;
    c->requests = 0;
    c->peer[0] = '\0';
    if (server->log.fd >= 0)
        set_peer(c);
    http_parser_init(&c->parser, &server->http);
    link_conn(server, c);
    await_request(c);
}

static void log_answer(struct conn *c)
{
    const struct http_request *r = &c->parser.request;
    struct server *server = c->server;
    if (server->log.fd < 0 || c->response.status == 0)
        return;
    http_clock_update(&server->clock);
    access_log_add(&server->log, &(struct access_entry){
                                     .peer = c->peer,
                                     .date = server->clock.log,
                                     .method = r->method,
                                     .target = r->target,
                                     .target_len = r->target_len,
                                     .major = r->major,
                                     .minor = r->minor,
                                     .status = c->response.status,
                                     .bytes = c->sent,
                                 });
}

static void close_file(struct conn *c)
{
    if (c->file_fd >= 0)
        heald_close(c->server->loop, c->file_fd);
    c->file_fd = -1;
}

void conn_close(struct conn *c)
{
    struct server *server = c->server;
    if (c->state == CONN_ANSWERING)
        log_answer(c);
    close_file(c);
    heald_close(server->loop, c->fd);
    unlink_conn(c);
    if (server->spares < SPARES_MAX) {
        c->next = server->spare;
        server->spare = c;
        server->spares++;
    } else {
        free(c);
    }
    server_conn_gone(server);
}

void conn_free_spares(struct server *server)
{
    while (server->spare) {
        struct conn *c = server->spare;
        server->spare = c->next;
        free(c);
    }
    server->spares = 0;
}

static void on_lingered(struct heald_op *op)
{
    struct conn *c = conn_of(op);
    if (op->result <= 0 || c->server->phase == SERVER_CLOSING) {
        conn_close(c);
        return;
    }
    heald_prep_recv(&c->op, c->fd, c->in, sizeof c->in, 0);
    conn_submit(c, on_lingered, c->deadline);
}

/*
 * The end of a connection from our side. Closing a socket that has bytes to read resets the
 * connection, and a reset can destroy the response before the client has read it; so first ours is
 * shut, then theirs is awaited.
 */
static void linger(struct conn *c)
{
    c->state = CONN_LINGERING;
    c->deadline = heald_now(c->server->loop) + LINGER_NS;
    shutdown(c->fd, SHUT_WR);
    heald_prep_recv(&c->op, c->fd, c->in, sizeof c->in, 0);
    conn_submit(c, on_lingered, c->deadline);
}

static void answer(struct conn *c)
{
    struct http_request *r = &c->parser.request;
    struct server *server = c->server;
    c->state = CONN_ANSWERING;
    c->requests++;
    if (c->requests >= server->config->max_requests || server->phase != SERVER_RUNNING)
        r->keep_alive = false;
    file_send_begin(c);
}

/* Feeds what has come to the parser; asks for more or answers. */
static void read_request(struct conn *c)
{
    size_t used = 0;
    bool is_first = !http_parser_is_inside(&c->parser);
    bool is_complete = http_parser_feed(&c->parser, c->in + c->in_at, c->in_len - c->in_at, &used);
    c->in_at += used;
    if (is_complete) {
        answer(c);
        return;
    }
    c->state = CONN_READING;
    if (is_first)
        c->deadline = heald_now(c->server->loop) + c->server->config->timeout_ns;
    receive(c, c->deadline);
}

static void on_received(struct heald_op *op)
{
    struct conn *c = conn_of(op);
    bool is_over = op->result == -ETIMEDOUT || op->result == -ECANCELED;
    if (c->server->phase == SERVER_CLOSING || (op->result <= 0 && !is_over)) {
        conn_close(c);
    } else if (op->result > 0) {
        c->in_len = (size_t)op->result;
        read_request(c);
    } else if (c->state == CONN_READING) {
        c->parser.request.status = 408;
        c->parser.request.keep_alive = false;
        answer(c);
    } else {
        linger(c); /* it was idle for too long, or the server ends */
    }
}

void conn_answered(struct conn *c)
{
    bool goes_on = c->response.keep_alive && c->server->phase == SERVER_RUNNING;
    log_answer(c);
    close_file(c);
    if (!goes_on) {
        linger(c);
        return;
    }
    http_parser_next(&c->parser);
    if (c->in_at < c->in_len)
        read_request(c);
    else
        await_request(c);
}

void conn_drain(struct conn *c)
{
    if (c->state == CONN_IDLE)
        heald_cancel(&c->op);
}

void conn_cancel(struct conn *c)
{
    heald_cancel(&c->op);
}
