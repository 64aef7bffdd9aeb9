/*
 * file_send.c: see file_send.h.
 *
 * The head is written at the start of c->out and the first portion of the file read in behind it,
 * so that a small file goes out with its head in one send. Only what was opened beneath the
 * directory is ever read, only if it is a regular file, and only as many bytes as the head
 * promised: a file that grew is cut, one that shrank ends the connection.
 */
#include "serve/file_send.h"

#include "serve/content_type.h"
#include "serve/directory_list.h"
#include "serve/http_conn.h"
#include "serve/http_target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* A FIFO would block the open until it has a writer; O_NONBLOCK does nothing to a regular file. */
enum { OPEN_FLAGS = O_RDONLY | O_NONBLOCK | O_NOCTTY };

static void on_sent(struct heald_op *op);
static void on_file_open(struct heald_op *op);
static void on_directory_open(struct heald_op *op);
static void on_index_open(struct heald_op *op);

static void send_out(struct conn *c)
{
    heald_prep_send(&c->op, c->fd, c->out_at, c->out_len, 0);
    conn_submit(c, on_sent, c->deadline);
}

/* A time for the whole buffer, however small the steps: so a client has a least speed. */
static void send_buffer(struct conn *c, size_t len)
{
    c->out_at = c->out;
    c->out_len = len;
    c->deadline = heald_now(c->server->loop) + c->server->config->timeout_ns;
    send_out(c);
}

/* Writes the head to the start of c->out; returns its length. */
static size_t put_head(struct conn *c)
{
    const struct http_request *r = &c->parser.request;
    struct text head;
    http_clock_update(&c->server->clock);
    c->response.keep_alive = r->keep_alive;
    text_init(&head, c->out, CONN_HEAD);
    http_response_head(&c->response, c->server->clock.date, r->minor, &head);
    c->head_left = head.len;
    return head.len;
}

/* Sends c->response with the text that lies in c->out at CONN_HEAD. */
static void send_text(struct conn *c, const char *type, size_t len)
{
    c->response.type = type;
    c->response.length = len;
    size_t head = put_head(c);
    if (c->parser.request.is_head)
        len = 0;
    memmove(c->out + head, c->out + CONN_HEAD, len);
    c->file_left = 0;
    send_buffer(c, head + len);
}

/* Sends a line that says what the status says; file and location of c->response stay. */
static void send_reason(struct conn *c, unsigned status)
{
    struct text body;
    c->response.status = status;
    text_init(&body, c->out + CONN_HEAD, CONN_BODY);
    text_addf(&body, "%u %s\n", status, http_reason(status));
    send_text(c, "text/plain; charset=utf-8", body.len);
}

static void send_status(struct conn *c, unsigned status)
{
    c->response.file = NULL;
    c->response.location = NULL;
    send_reason(c, status);
}

/* To the same directory with its slash. */
static void send_redirect(struct conn *c)
{
    struct text location;
    char *room = c->out + CONN_HEAD + CONN_BODY / 2;
    text_init(&location, room, CONN_HEAD - HTTP_RESPONSE_HEAD_MAX);
    http_response_location(&c->parser.request, &location);
    if (location.is_cut) {
        send_status(c, 414);
        return;
    }
    c->response.location = room;
    send_reason(c, 301);
}

static unsigned status_of(int error)
{
    switch (-error) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
    case ELOOP:
    case EXDEV: return 404; /* what lies outside is not there */
    case EACCES:
    case EPERM:
    case ENXIO:
    case ENODEV: return 403;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
    case EAGAIN: return 503;
    default: return 500;
    }
}

static void on_file_read(struct heald_op *op);

/* Reads the next portion to c->out behind `used` bytes. */
static void read_file(struct conn *c, size_t used)
{
    size_t room = sizeof c->out - used;
    size_t len = c->file_left < room ? (size_t)c->file_left : room;
    c->out_len = used;
    heald_prep_read(&c->op, c->file_fd, c->out + used, len, (int64_t)c->file_at);
    conn_submit(c, on_file_read, HEALD_FOREVER);
}

static void on_file_read(struct heald_op *op)
{
    struct conn *c = conn_of(op);
    if (op->result <= 0 || c->server->phase == SERVER_CLOSING) {
        /* Nothing of the response has gone out if its head has not. */
        if (c->head_left > 0 && c->sent == 0 && c->server->phase != SERVER_CLOSING)
            send_status(c, 500);
        else
            conn_close(c);
        return;
    }
    c->file_at += (uint64_t)op->result;
    c->file_left -= (uint64_t)op->result;
    send_buffer(c, c->out_len + (size_t)op->result);
}

static void on_sent(struct heald_op *op)
{
    struct conn *c = conn_of(op);
    if (op->result <= 0 || c->server->phase == SERVER_CLOSING) {
        conn_close(c);
        return;
    }
    size_t sent = (size_t)op->result;
    size_t of_head = sent < c->head_left ? sent : c->head_left;
    c->head_left -= of_head;
    c->sent += sent - of_head;
    c->out_at += sent;
    c->out_len -= sent;
    if (c->out_len > 0)
        send_out(c);
    else if (c->file_left > 0)
        read_file(c, 0);
    else
        conn_answered(c);
}

static void send_file(struct conn *c, const struct stat *st)
{
    struct http_response *response = &c->response;
    c->file = (struct http_file){
        .size = (uint64_t)st->st_size,
        .mtime = (int64_t)st->st_mtim.tv_sec,
        .mtime_nsec = (uint32_t)st->st_mtim.tv_nsec,
    };
    http_response_plan(&c->parser.request, &c->file, response);
    if (response->status == 416) {
        send_reason(c, 416);
        return;
    }
    response->type = content_type(c->path);
    c->file_at = response->first;
    c->file_left = response->length;
    if (response->status == 304 || c->parser.request.is_head)
        c->file_left = 0;
    size_t head = put_head(c);
    if (c->file_left > 0)
        read_file(c, head);
    else
        send_buffer(c, head);
}

static void open_path(struct conn *c, int flags, heald_fn *fn)
{
    heald_prep_open_beneath(&c->op, c->server->directory_fd, c->path, flags, 0);
    conn_submit(c, fn, HEALD_FOREVER);
}

/* Whether an open failed for lack of descriptors, and a connection is being closed for it. */
static bool may_retry(struct server *server, int64_t result)
{
    if (result != -EMFILE && result != -ENFILE)
        return false;
    return server->dropped > 0 || conn_drop_idle(server);
}

/*
 * Takes the result of an open. False: there is none yet, or the connection was ended. An idle
 * connection is closed before a request fails for lack of descriptors.
 */
static bool take_file(struct conn *c, int flags)
{
    struct server *server = c->server;
    if (c->op.result >= 0)
        c->file_fd = (int)c->op.result;
    if (server->phase == SERVER_CLOSING) {
        conn_close(c);
        return false;
    }
    if (may_retry(server, c->op.result)) {
        open_path(c, flags, c->op.fn);
        return false;
    }
    return true;
}

/* The file is open, so fstat() has all it needs at hand and does not wait. */
static void send_opened(struct conn *c, bool may_redirect)
{
    struct stat st;
    if (fstat(c->file_fd, &st) < 0)
        send_status(c, status_of(-errno));
    else if (S_ISREG(st.st_mode))
        send_file(c, &st);
    else if (S_ISDIR(st.st_mode) && may_redirect)
        send_redirect(c);
    else
        send_status(c, 403);
}

static void on_file_open(struct heald_op *op)
{
    struct conn *c = conn_of(op);
    if (!take_file(c, OPEN_FLAGS))
        return;
    if (op->result < 0)
        send_status(c, status_of((int)op->result));
    else
        send_opened(c, true);
}

static void on_directory_open(struct heald_op *op)
{
    struct conn *c = conn_of(op);
    struct text page;
    if (!take_file(c, OPEN_FLAGS | O_DIRECTORY))
        return;
    if (op->result < 0) {
        send_status(c, status_of((int)op->result));
        return;
    }
    text_init(&page, c->out + CONN_HEAD, CONN_BODY);
    int error =
        directory_list(c->file_fd, c->parser.request.path, c->server->config->has_dot_files, &page);
    c->response.status = 200;
    if (may_retry(c->server, error)) {
        heald_close(c->server->loop, c->file_fd);
        c->file_fd = -1;
        open_path(c, OPEN_FLAGS | O_DIRECTORY, on_directory_open);
    } else if (error) {
        send_status(c, status_of(error));
    } else {
        send_text(c, "text/html; charset=utf-8", page.len);
    }
}

static void on_index_open(struct heald_op *op)
{
    struct conn *c = conn_of(op);
    const char *directory = c->parser.request.path;
    if (!take_file(c, OPEN_FLAGS))
        return;
    if (op->result >= 0) {
        send_opened(c, false);
    } else if (op->result == -ENOENT && c->server->config->is_listing) {
        snprintf(c->path, sizeof c->path, "%s", *directory ? directory : ".");
        open_path(c, OPEN_FLAGS | O_DIRECTORY, on_directory_open);
    } else {
        send_status(c, status_of((int)op->result));
    }
}

void file_send_begin(struct conn *c)
{
    const struct http_request *r = &c->parser.request;
    c->response = (struct http_response){0};
    c->sent = 0;
    if (r->status) {
        send_status(c, r->status);
    } else if (!c->server->config->has_dot_files && http_target_is_hidden(r->path)) {
        send_status(c, 404);
    } else if (r->is_directory) {
        snprintf(c->path, sizeof c->path, "%s%sindex.html", r->path, *r->path ? "/" : "");
        open_path(c, OPEN_FLAGS, on_index_open);
    } else {
        snprintf(c->path, sizeof c->path, "%s", r->path);
        open_path(c, OPEN_FLAGS, on_file_open);
    }
}
