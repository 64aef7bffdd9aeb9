/*
 * server.c: see server.h. One thread.
 *
 * The server always accepts, so that a client gets the same answer on every back end. At the cap
 * the connection that has been idle longest is closed for the new one; when none is idle, the new
 * one gets status 503. The cap leaves a descriptor for the file of each connection. When the system
 * has none left all the same, an idle connection is closed, too, and the server accepts again when
 * one has gone, or after a moment, by a timer, as the socket stays readable all the while.
 *
 * The end: SIGTERM or SIGINT moves RUNNING to DRAINING. Requests that have arrived are answered:
 * those in flight, those in the buffers of sockets, those of connections in the listener's queue,
 * which is emptied, as room allows, before it is closed. Idle connections are closed; a new one,
 * which has sent nothing yet, has FIRST_NS for its first request, as a client cannot know that it
 * was in vain. A second signal, or grace_ns, begins CLOSING. When the last connection has gone the
 * remaining ops are cancelled, and with the last op the loop ends.
 */
#include "serve/server.h"

#include "commands.h"
#include "serve/descriptors.h"
#include "serve/http_conn.h"
#include "serve/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAUSE_NS (100 * HEALD_MS)
#define FIRST_NS (1 * HEALD_SEC)

static void accept_more(struct server *server);

/* Ends what is still open when the last connection has gone. */
static void end_ops(struct server *server)
{
    heald_cancel(&server->drain);
    heald_cancel(&server->term);
    heald_cancel(&server->intr);
    heald_cancel(&server->hup);
    access_log_stop(&server->log);
}

static void on_pause_over(struct heald_op *op)
{
    struct server *server = heald_container_of(op, struct server, pause);
    server->is_paused = false;
    accept_more(server);
}

/* As the server ends there is one at most, which the queue would have kept. */
static void admit(struct server *server, int fd)
{
    bool is_full = server->connections >= server->cap && server->phase == SERVER_RUNNING;
    if (is_full && !conn_drop_idle(server))
        conn_refuse(server, fd);
    else
        conn_open(server, fd);
}

/*
 * The accept ended by itself: of a lack of descriptors or memory, which may pass. It goes on when
 * the timer has expired, or before that when a connection has gone.
 */
static void on_accept_failed(struct server *server, int64_t error)
{
    if (error == -EMFILE || error == -ENFILE)
        conn_drop_idle(server);
    heald_prep_timer(&server->pause, heald_now(server->loop) + PAUSE_NS);
    server->is_paused = heald_submit(server->loop, &server->pause, on_pause_over) == 0;
}

/* The next connection of the listener's queue; -EAGAIN when it is empty. */
static int accept_now(struct server *server)
{
    int fd;
    do
        fd = accept(server->listen_fd, NULL, NULL);
    while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
    if (fd < 0)
        return -errno;
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    return fd;
}

/*
 * Serves what is in the queue, as far as there is room. True: the queue is empty. A dropped
 * connection counts until it is closed: it may come back with a request.
 */
static bool empty_queue(struct server *server)
{
    while (server->connections + server->dropped < server->cap) {
        int fd = accept_now(server);
        if (fd < 0)
            return fd != -EMFILE && fd != -ENFILE;
        conn_open(server, fd);
    }
    conn_drop_idle(server);
    return false;
}

/* The accept has ended for good. The rest of a long queue is taken as connections go. */
static void close_listener(struct server *server)
{
    if (server->listen_fd < 0 || server->is_accepting || server->is_emptying)
        return;
    server->is_emptying = true;
    bool is_empty = server->phase == SERVER_CLOSING || empty_queue(server);
    server->is_emptying = false;
    if (!is_empty)
        return;
    heald_close(server->loop, server->listen_fd);
    server->listen_fd = -1;
}

/* Goes on with the end, as far as it can. */
static void go_on_ending(struct server *server)
{
    close_listener(server);
    if (server->listen_fd < 0 && server->connections + server->refused + server->dropped == 0)
        end_ops(server);
}

void server_conn_gone(struct server *server)
{
    if (server->phase != SERVER_RUNNING)
        go_on_ending(server);
    else if (server->is_paused)
        heald_cancel(&server->pause);
}

static void on_accepted(struct heald_op *op)
{
    struct server *server = heald_container_of(op, struct server, accept);
    server->is_accepting = false;
    if (op->result >= 0 && server->phase == SERVER_CLOSING)
        heald_close(server->loop, (int)op->result);
    else if (op->result >= 0)
        admit(server, (int)op->result);
    else if (server->phase == SERVER_RUNNING)
        on_accept_failed(server, op->result);
    if (server->phase != SERVER_RUNNING)
        go_on_ending(server);
    accept_more(server);
}

/*
 * One at a time: a multishot accept in the kernel's hands takes descriptors as fast as clients
 * connect, also those that are kept for files.
 */
static void accept_more(struct server *server)
{
    if (server->is_accepting || server->is_paused || server->phase != SERVER_RUNNING)
        return;
    heald_prep_accept(&server->accept, server->listen_fd, NULL, NULL);
    server->is_accepting = heald_submit(server->loop, &server->accept, on_accepted) == 0;
}

/* The next connection is read first, as the call may end the one. */
static void each_conn(struct conn_list *list, void (*call)(struct conn *c))
{
    for (struct conn *c = list->first, *next; c; c = next) {
        next = c->next;
        call(c);
    }
}

static void close_all(struct server *server)
{
    server->phase = SERVER_CLOSING;
    each_conn(&server->busy, conn_cancel);
    each_conn(&server->idle, conn_cancel);
    go_on_ending(server);
}

static void on_drain_timer(struct heald_op *op);

static void set_drain_timer(struct server *server, int64_t time_ns)
{
    heald_prep_timer(&server->drain, time_ns);
    if (heald_submit(server->loop, &server->drain, on_drain_timer) < 0)
        close_all(server);
}

/* First for new connections that have sent nothing, then for all. */
static void on_drain_timer(struct heald_op *op)
{
    struct server *server = heald_container_of(op, struct server, drain);
    if (op->result == -ECANCELED || server->phase != SERVER_DRAINING)
        return;
    if (heald_now(server->loop) >= server->drain_end_ns) {
        close_all(server);
        return;
    }
    set_drain_timer(server, server->drain_end_ns);
    each_conn(&server->idle, conn_drop);
    go_on_ending(server);
}

static void begin_drain(struct server *server)
{
    const struct server_config *config = server->config;
    int64_t now = heald_now(server->loop);
    server->phase = SERVER_DRAINING;
    server->drain_end_ns = now + config->grace_ns;
    set_drain_timer(server, now + (config->grace_ns < FIRST_NS ? config->grace_ns : FIRST_NS));
    each_conn(&server->idle, conn_drain);
    if (server->is_paused)
        heald_cancel(&server->pause);
    if (server->is_accepting)
        heald_cancel(&server->accept);
    else
        go_on_ending(server);
}

static void on_signal(struct heald_op *op)
{
    struct server *server = op->data;
    if (op->result < 0)
        return;
    if (server->phase == SERVER_RUNNING)
        begin_drain(server);
    else if (server->phase == SERVER_DRAINING)
        close_all(server);
}

static void on_hangup(struct heald_op *op)
{
    struct server *server = op->data;
    if (op->result >= 0)
        access_log_reopen(&server->log);
}

static int await_signal(struct server *server, struct heald_op *op, int signo, heald_fn *fn)
{
    op->data = server;
    op->name = "signal";
    op->op_class = HEALD_URGENT;
    heald_prep_signal(op, signo, NULL);
    return heald_submit(server->loop, op, fn);
}

/* what: the option; "": an argument. */
static int fail(const char *what, const char *name, int error)
{
    return options_refuse(&command_serve, "%s%s%s: %s", what, *what ? " " : "", options_shown(name),
                          heald_strerror(error));
}

static int open_listener(struct server *server, char *ret_url, size_t size)
{
    char text[HEALD_ADDR_TEXT];
    struct heald_addr addr;
    int one = 1;
    const char *why = listen_address(server->config, text, sizeof text);
    if (why)
        return options_refuse(&command_serve, "--listen %s: %s", server->config->listen, why);
    server->listen_fd = heald_listen(text, SOCK_STREAM, 0);
    if (server->listen_fd < 0)
        return fail("--listen", text, server->listen_fd);

    /* Its connections inherit it. The last portion of a file would wait for the one before it. */
    setsockopt(server->listen_fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (heald_local_addr(server->listen_fd, &addr) == 0)
        heald_addr_format(&addr, text, sizeof text);
    bool is_unix = strncmp(text, "unix:", 5) == 0;
    snprintf(ret_url, size, is_unix ? "%s" : "http://%s/", text);
    return 0;
}

/* The text names a field of the options of the loop, or a variable of the environment. */
static int refuse_loop(const char *text)
{
    bool is_option = strncmp(text, "backend=", 8) == 0 || strncmp(text, "engine=", 7) == 0;

    if (is_option)
        return options_refuse(&command_serve, "--%.*s %s", (int)strcspn(text, "="), text,
                              text + strcspn(text, "=") + 1);
    return options_refuse(&command_serve, "%s", text);
}

static int open_loop(struct server *server)
{
    const struct server_config *config = server->config;
    struct heald_why why;
    struct heald_loop_options options = {
        .backend = config->backend, .engine = config->engine, .ret_why = &why};
    int error = heald_loop_open(&server->loop, &options);
    if (error)
        return refuse_loop(why.text);
    error = await_signal(server, &server->term, SIGTERM, on_signal);
    if (!error)
        error = await_signal(server, &server->intr, SIGINT, on_signal);
    if (!error && (error = access_log_open(&server->log, server->loop, config->log_path)))
        return fail("--log", config->log_path, error);
    /* Without a file to reopen, SIGHUP keeps its meaning. */
    if (!error && server->log.path)
        error = await_signal(server, &server->hup, SIGHUP, on_hangup);
    return error ? fail("", "SIGTERM, SIGINT, SIGHUP", error) : 0;
}

/* What the limit of descriptors leaves of --max-connections. */
static int set_cap(struct server *server)
{
    unsigned wish = server->config->max_connections;
    unsigned long limit;
    server->cap = descriptors_reserve(wish, &limit);
    if (server->cap == wish)
        return 0;
    if (server->cap == 0)
        return options_refuse(&command_serve,
                              "--max-connections %u: the limit of %lu descriptors "
                              "(RLIMIT_NOFILE) is too low for one",
                              wish, limit);
    options_refuse(&command_serve,
                   "--max-connections %u: the limit of %lu descriptors (RLIMIT_NOFILE) allows %u",
                   wish, limit, server->cap);
    return 0;
}

int server_open(struct server *server, const struct server_config *config, char *ret_url,
                size_t size)
{
    memset(server, 0, sizeof *server);
    server->config = config;
    server->listen_fd = -1;
    server->log.fd = server->log.next_fd = -1;
    server->accept.name = "listener";
    server->pause.name = server->drain.name = "server";
    http_parser_settings(&server->http);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a log at RLIMIT_FSIZE is an error of the log, not the end */

    server->directory_fd = open(config->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (server->directory_fd < 0)
        return fail("", config->directory, -errno);
    int status = open_loop(server);
    if (!status)
        status = open_listener(server, ret_url, size);
    if (!status)
        status = set_cap(server);
    if (status)
        server_close(server);
    return status;
}

int server_run(struct server *server)
{
    accept_more(server);
    int result = heald_loop_run(server->loop);
    return result < 0 ? result : 0;
}

void server_close(struct server *server)
{
    if (server->loop && server->phase == SERVER_RUNNING && server->connections == 0) {
        server->phase = SERVER_CLOSING;
        end_ops(server);
        heald_loop_run(server->loop);
    }
    access_log_close(&server->log);
    conn_free_spares(server);
    if (server->listen_fd >= 0)
        close(server->listen_fd);
    if (server->loop)
        heald_loop_close(server->loop);
    close(server->directory_fd);
}
