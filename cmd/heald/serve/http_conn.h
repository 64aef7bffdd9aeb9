/* http_conn.h: one connection: requests in, responses out, one op for all of it. */
#ifndef HEALD_CMD_HTTP_CONN_H
#define HEALD_CMD_HTTP_CONN_H

#include "serve/http_response.h"
#include "serve/server.h"

enum {
    CONN_IN = 8 * 1024,
    CONN_HEAD = 16 * 1024, /* the longest head: a redirect to a target with every byte escaped */
    CONN_BODY = 64 * 1024
};

/* What the op of a connection waits for. */
enum conn_state {
    CONN_IDLE,      /* the first byte of a request; ends in CONN_READING or with the connection */
    CONN_READING,   /* the rest of it; ends in CONN_ANSWERING */
    CONN_ANSWERING, /* file_send.c has it; ends in CONN_IDLE or CONN_LINGERING */
    CONN_LINGERING, /* our side is shut; what still comes is thrown away until the client closes */
    CONN_DROPPED    /* in no list; its op is cancelled, whose callback closes it */
};

struct conn {
    struct heald_op op;
    struct server *server;
    struct conn *next, *prev; /* in server->idle or ->busy; next alone in ->spare */
    enum conn_state state;
    bool is_refused; /* one too many; not counted in server->connections */
    int fd;
    unsigned requests;
    int64_t deadline;     /* of the head, or of the buffer that is being sent */
    size_t in_at, in_len; /* bytes of `in` that no request has taken yet */

    /* The response. */
    struct http_response response;
    struct http_file file;
    int file_fd; /* -1: none */
    uint64_t file_at, file_left;
    size_t head_left; /* bytes of the head that have not been sent */
    uint64_t sent;    /* bytes of the body that have */
    const char *out_at;
    size_t out_len;

    char peer[HEALD_ADDR_TEXT];
    struct http_parser parser;
    char path[HTTP_TARGET_MAX + 16];
    char in[CONN_IN];
    char out[CONN_HEAD + CONN_BODY];
};

/* Takes over an accepted descriptor. */
void conn_open(struct server *server, int fd);

/* Takes over an accepted descriptor, answers 503 and closes it. */
void conn_refuse(struct server *server, int fd);

/*
 * Closes the connection that has been idle longest: it does not count any more, and its descriptor
 * is closed soon; server_conn_gone() tells. False: there is none. One whose request has arrived and
 * was not read yet is not idle.
 */
bool conn_drop_idle(struct server *server);

/*
 * For the end of the server. conn_drain() closes an idle connection that has been served before;
 * one that is new may still send its first request, until conn_drop() closes it. A conn of
 * SERVER_CLOSING has its op cancelled.
 */
void conn_drain(struct conn *c);
void conn_drop(struct conn *c);
void conn_cancel(struct conn *c);

/* Frees the conns that wait for another use. */
void conn_free_spares(struct server *server);

/* For file_send.c: the response has gone out; or the connection has to end in the midst of it. */
void conn_answered(struct conn *c);
void conn_close(struct conn *c);

/* Submits the op that was prepared; a failure ends the connection. */
void conn_submit(struct conn *c, heald_fn *fn, int64_t deadline_ns);

static inline struct conn *conn_of(struct heald_op *op)
{
    return heald_container_of(op, struct conn, op);
}

#endif
