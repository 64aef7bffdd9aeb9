/* server.h: a listening socket, its connections, and their end. */
#ifndef HEALD_CMD_SERVER_H
#define HEALD_CMD_SERVER_H

#include "serve/access_log.h"
#include "serve/http_date.h"
#include "serve/http_request.h"

struct server_config {
    const char *directory;
    const char *listen;
    unsigned port; /* SERVER_NO_PORT: the one of `listen` */
    const char *backend, *engine;
    unsigned max_connections;
    unsigned max_requests; /* on a connection */
    int64_t timeout_ns;    /* for a whole request head, and for each buffer of a response */
    int64_t idle_ns;       /* between requests */
    int64_t grace_ns;      /* for what is in flight when the server ends */
    const char *log_path;  /* NULL: none */
    bool is_listing;
    bool has_dot_files; /* names that begin with a point are served and listed */
};

enum { SERVER_NO_PORT = 65536 };

/* Where the server stands; only ever moves on. */
enum server_phase {
    SERVER_RUNNING,
    SERVER_DRAINING, /* what has arrived is answered, each connection is then closed */
    SERVER_CLOSING   /* every op is cancelled, and its connection closed */
};

struct conn;

/* Linked by conn.next and conn.prev; the newest is the last. */
struct conn_list {
    struct conn *first, *last;
};

struct server {
    const struct server_config *config;
    struct heald_loop *loop;
    int directory_fd;
    int listen_fd;
    enum server_phase phase;
    struct heald_op accept, pause, drain, term, intr, hup;
    bool is_accepting, is_paused, is_emptying;
    int64_t drain_end_ns;  /* when CLOSING begins */
    unsigned cap;          /* max_connections, or fewer where descriptors lack */
    unsigned connections;  /* that count: those in `idle` and `busy`, but for the refused ones */
    unsigned dropped;      /* that were idle and are being closed; not in `connections` */
    unsigned refused;      /* that are told so and wait for their end */
    struct conn_list idle; /* await a request; the first has been idle longest */
    struct conn_list busy; /* all the others */
    struct conn *spare;    /* closed ones, for the next */
    unsigned spares;
    struct http_clock clock;
    llhttp_settings_t http;
    struct access_log log;
};

/*
 * Opens the directory, the loop and the socket; on failure says why on stderr, in one line, and
 * returns the exit status, else 0. ret_text gets what a client connects to:
 * "http://127.0.0.1:8080/".
 */
int server_open(struct server *server, const struct server_config *config, char *ret_url,
                size_t size);

/* Serves until a signal ends it: 0, or -errno when the loop failed. */
int server_run(struct server *server);

void server_close(struct server *server);

/* For the connections: one has gone. */
void server_conn_gone(struct server *server);

#endif
