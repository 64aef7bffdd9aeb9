/*
 * http_conn.c: see http_conn.h.
 *
 * A connection has one op and so is at one place at a time; the next request of a pipeline waits in
 * `in` until the response before it has gone out. Each callback first looks whether the server is
 * closing: then it ends the connection. A closed connection is kept for the next one, so that
 * serving allocates nothing once the busiest moment has been.
 *
 * A connection is in server->idle while its state is CONN_IDLE, else in server->busy. An idle one
 * is dropped in two steps: its op is cancelled, and the callback closes it. A back end may have
 * received a request before the cancel, so the callback brings the connection back if there is one.
 */
#include "serve/http_conn.h"

#include "serve/file_send.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    SPARES_MAX = 64,
    REFUSED_MAX = 8 /* that are closed gently at a time; further ones are closed at once */
};

#define LINGER_NS (1 * HEALD_SEC)

static void on_received(struct heald_op *op);

void conn_submit(struct conn *c, heald_fn *fn, int64_t deadline_ns)
{
    c->op.deadline_ns = deadline_ns;
    if (heald_submit(c->server->loop, &c->op, fn) < 0)
        conn_close(c);
}

/* The peer without its port: "127.0.0.1", "::1", "unix". */
static void format_peer(int fd, char peer[HEALD_ADDR_TEXT])
{
    struct heald_addr addr;
    if (heald_peer_addr(fd, &addr) < 0 || addr.u.sa.sa_family == AF_UNIX) {
        snprintf(peer, HEALD_ADDR_TEXT, "unix");
        return;
    }
    heald_addr_format(&addr, peer, HEALD_ADDR_TEXT);
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

static struct conn_list *list_of(struct conn *c)
{
    return c->state == CONN_IDLE ? &c->server->idle : &c->server->busy;
}

static void link_conn(struct conn *c)
{
    struct conn_list *list = list_of(c);
    c->next = NULL;
    c->prev = list->last;
    if (c->prev)
        c->prev->next = c;
    else
        list->first = c;
    list->last = c;
}

static void unlink_conn(struct conn *c)
{
    struct conn_list *list = list_of(c);
    if (c->prev)
        c->prev->next = c->next;
    else
        list->first = c->next;
    if (c->next)
        c->next->prev = c->prev;
    else
        list->last = c->prev;
}

/* Moves a connection to another state and, with it, to the end of its list. */
static void enter(struct conn *c, enum conn_state state)
{
    unlink_conn(c);
    c->state = state;
    link_conn(c);
}

/* A connection leaves its list and the count. */
static void uncount(struct conn *c)
{
    unlink_conn(c);
    if (c->is_refused)
        c->server->refused--;
    else
        c->server->connections--;
}

static void free_conn(struct conn *c)
{
    struct server *server = c->server;
    if (server->spares == SPARES_MAX) {
        free(c);
        return;
    }
    c->next = server->spare;
    server->spare = c;
    server->spares++;
}

static void receive(struct conn *c, int64_t deadline_ns)
{
    c->in_at = c->in_len = 0;
    heald_prep_recv(&c->op, c->fd, c->in, sizeof c->in, 0);
    conn_submit(c, on_received, deadline_ns);
}

static void await_request(struct conn *c)
{
    enter(c, CONN_IDLE);
    receive(c, heald_now(c->server->loop) + c->server->config->idle_ns);
}

/* A struct for an accepted descriptor, in the list and counted. NULL: no memory; fd is closed. */
static struct conn *new_conn(struct server *server, int fd, enum conn_state state)
{
    struct conn *c = take_conn(server);
    if (!c) {
        heald_close(server->loop, fd);
        return NULL;
    }
    memset(&c->op, 0, sizeof c->op);
    c->op.name = "connection";
    c->server = server;
    c->state = state;
    c->is_refused = false;
    c->fd = fd;
    c->file_fd = -1;
    c->requests = 0;
    c->peer[0] = '\0';
    if (server->config->log_path)
        format_peer(fd, c->peer);
    http_parser_init(&c->parser, &server->http);
    link_conn(c);
    server->connections++;
    return c;
}

void conn_open(struct server *server, int fd)
{
    struct conn *c = new_conn(server, fd, CONN_IDLE);
    if (c)
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
    uncount(c);
    free_conn(c);
    server_conn_gone(server);
}

/* Whether bytes have arrived that the op of an idle connection has not brought yet. */
static bool has_arrived(struct conn *c)
{
    char byte;
    return recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/*
 * Whether a request has arrived, in the socket or with the op, whose callback is then due. If not,
 * the op is cancelled, or has ended without bytes.
 */
static bool cancel_finds_request(struct conn *c)
{
    if (has_arrived(c))
        return true;
    return heald_cancel(&c->op) == -EALREADY && c->op.result > 0;
}

/* Begins to close an idle connection. False: its request has arrived. */
static bool drop_if_idle(struct conn *c)
{
    struct server *server = c->server;
    if (cancel_finds_request(c)) {
        /* It leaves the list, so that it is not looked at a second time. */
        c->deadline = heald_now(server->loop) + server->config->timeout_ns;
        enter(c, CONN_READING);
        return false;
    }
    uncount(c);
    c->state = CONN_DROPPED;
    server->dropped++;
    return true;
}

bool conn_drop_idle(struct server *server)
{
    for (struct conn *c = server->idle.first, *next; c; c = next) {
        next = c->next;
        if (drop_if_idle(c))
            return true;
    }
    return false;
}

void conn_drop(struct conn *c)
{
    drop_if_idle(c);
}

void conn_drain(struct conn *c)
{
    if (c->requests > 0)
        drop_if_idle(c);
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
    enter(c, CONN_LINGERING);
    c->deadline = heald_now(c->server->loop) + LINGER_NS;
    shutdown(c->fd, SHUT_WR);
    heald_prep_recv(&c->op, c->fd, c->in, sizeof c->in, 0);
    conn_submit(c, on_lingered, c->deadline);
}

static void log_refused(struct server *server, int fd)
{
    char peer[HEALD_ADDR_TEXT];
    if (server->log.fd < 0)
        return;
    format_peer(fd, peer);
    http_clock_update(&server->clock);
    access_log_add(&server->log,
                   &(struct access_entry){.peer = peer, .date = server->clock.log, .status = 503});
}

void conn_refuse(struct server *server, int fd)
{
    static const char busy[] = "HTTP/1.1 503 Service Unavailable\r\nServer: heald\r\n"
                               "Retry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    ssize_t sent = send(fd, busy, sizeof busy - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)sent; /* a new socket has room; if it has not, the client sees the close */
    log_refused(server, fd);
    if (server->refused == REFUSED_MAX) {
        heald_close(server->loop, fd);
        return;
    }
    struct conn *c = new_conn(server, fd, CONN_LINGERING);
    if (!c)
        return;
    c->is_refused = true;
    server->connections--;
    server->refused++;
    linger(c);
}

/*
 * Whether bytes of a further request have arrived. Empty lines may come between requests and are
 * none.
 */
static bool has_next(struct conn *c)
{
    char room[64];
    size_t rest = c->in_len - c->in_at;
    for (size_t i = 0; i < rest; i++)
        if (c->in[c->in_at + i] != '\r' && c->in[c->in_at + i] != '\n')
            return true;
    ssize_t len = recv(c->fd, room, sizeof room, MSG_PEEK | MSG_DONTWAIT);
    for (ssize_t i = 0; i < len; i++)
        if (room[i] != '\r' && room[i] != '\n')
            return true;
    return len == sizeof room;
}

/* As the server ends, a connection is kept for the requests that have arrived and no others. */
static bool may_go_on(struct conn *c)
{
    enum server_phase phase = c->server->phase;
    return phase == SERVER_RUNNING || (phase == SERVER_DRAINING && has_next(c));
}

static void answer(struct conn *c)
{
    struct http_request *r = &c->parser.request;
    enter(c, CONN_ANSWERING);
    c->requests++;
    if (c->requests >= c->server->config->max_requests || !may_go_on(c))
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
    enter(c, CONN_READING);
    if (is_first)
        c->deadline = heald_now(c->server->loop) + c->server->config->timeout_ns;
    receive(c, c->deadline);
}

/* The cancelled op of a dropped connection has ended: closes it unless a request has arrived. */
static void on_dropped(struct conn *c)
{
    struct server *server = c->server;
    int64_t result = c->op.result;
    server->dropped--;
    if (server->phase == SERVER_CLOSING || (result <= 0 && !has_arrived(c))) {
        heald_close(server->loop, c->fd);
        free_conn(c);
        server_conn_gone(server);
        return;
    }
    c->state = CONN_READING;
    c->deadline = heald_now(server->loop) + server->config->timeout_ns;
    link_conn(c);
    server->connections++;
    if (result > 0) {
        c->in_len = (size_t)result;
        read_request(c);
    } else {
        receive(c, c->deadline);
    }
}

static void on_received(struct heald_op *op)
{
    struct conn *c = conn_of(op);
    bool is_over = op->result == -ETIMEDOUT || op->result == -ECANCELED;
    if (c->state == CONN_DROPPED) {
        on_dropped(c);
        return;
    }
    if (c->server->phase == SERVER_CLOSING || (op->result <= 0 && !is_over)) {
        conn_close(c);
    } else if (op->result > 0) {
        c->in_len = (size_t)op->result;
        read_request(c);
    } else if (http_parser_is_inside(&c->parser)) {
        c->parser.request.status = 408;
        c->parser.request.keep_alive = false;
        answer(c);
    } else {
        linger(c); /* it was idle for too long */
    }
}

void conn_answered(struct conn *c)
{
    bool goes_on = c->response.keep_alive && may_go_on(c);
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

void conn_cancel(struct conn *c)
{
    heald_cancel(&c->op);
}
