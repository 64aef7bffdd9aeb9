/*
 * fetch.c: see fetch.h. One thread. Each connection asks for one file after the other; one that
 * goes wrong is counted, described once, and closed.
 */
#include "serve/fetch.h"

#include <errno.h>
#include <llhttp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STEP_NS (5 * HEALD_SEC)

enum { IN_BYTES = 64 * 1024 };

struct run;

struct client {
    struct heald_op op;
    struct run *run;
    int fd;
    const struct fetch_file *file; /* that is being fetched */
    unsigned next;                 /* index of the one after */
    size_t sent;
    size_t body; /* bytes of it that have come */
    bool is_wrong, is_complete;
    llhttp_t parser;
    char in[IN_BYTES];
};

struct run {
    struct heald_loop *loop;
    const struct fetch_plan *plan;
    struct fetch_result *result;
    llhttp_settings_t settings;
    int64_t end_ns;
    unsigned open;
    bool is_ending; /* the run was aborted: no more requests */
};

static struct client *client_of(struct heald_op *op)
{
    return heald_container_of(op, struct client, op);
}

static void leave(struct client *c)
{
    heald_close(c->run->loop, c->fd);
    if (--c->run->open == 0 && !c->run->is_ending)
        heald_loop_stop(c->run->loop);
}

static void fail(struct client *c, const char *what, const char *why)
{
    struct fetch_result *result = c->run->result;
    if (result->errors++ == 0)
        snprintf(result->problem, sizeof result->problem, "%s %s: %s", what,
                 c->file ? c->file->name : "", why);
    leave(c);
}

static void submit(struct client *c, heald_fn *fn)
{
    c->op.deadline_ns = heald_now(c->run->loop) + STEP_NS;
    int error = heald_submit(c->run->loop, &c->op, fn);
    if (error)
        fail(c, "submit", heald_strerror(error));
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    struct client *c = parser->data;
    if (len > c->file->len - c->body || memcmp(c->file->data + c->body, at, len) != 0)
        c->is_wrong = true;
    else
        c->body += len;
    return c->is_wrong ? -1 : 0;
}

static int on_complete(llhttp_t *parser)
{
    struct client *c = parser->data;
    c->is_complete = true;
    return 0;
}

static void on_sent(struct heald_op *op);

static void send_rest(struct client *c)
{
    heald_prep_send(&c->op, c->fd, c->file->request + c->sent, c->file->request_len - c->sent, 0);
    submit(c, on_sent);
}

static void ask_next(struct client *c)
{
    const struct fetch_plan *plan = c->run->plan;
    c->file = &plan->files[c->next++ % plan->file_count];
    c->sent = c->body = 0;
    c->is_wrong = c->is_complete = false;
    send_rest(c);
}

static void count_response(struct client *c)
{
    struct run *run = c->run;
    if (c->parser.status_code != 200 || c->body != c->file->len) {
        fail(c, "fetch", "another status or length than expected");
        return;
    }
    run->result->requests++;
    run->result->bytes += c->body;
    if (run->is_ending || heald_now(run->loop) >= run->end_ns)
        leave(c);
    else
        ask_next(c);
}

static void on_received(struct heald_op *op)
{
    struct client *c = client_of(op);
    if (op->result <= 0) {
        fail(c, "receive", op->result ? heald_strerror((int)op->result) : "closed by the server");
        return;
    }
    llhttp_errno_t error = llhttp_execute(&c->parser, c->in, (size_t)op->result);
    if (c->is_wrong) {
        fail(c, "fetch", "the bytes are not those of the file");
    } else if (error != HPE_OK) {
        fail(c, "fetch", llhttp_errno_name(error));
    } else if (c->is_complete) {
        count_response(c);
    } else {
        heald_prep_recv(&c->op, c->fd, c->in, sizeof c->in, 0);
        submit(c, on_received);
    }
}

static void on_sent(struct heald_op *op)
{
    struct client *c = client_of(op);
    if (op->result <= 0) {
        fail(c, "send", heald_strerror((int)op->result));
        return;
    }
    c->sent += (size_t)op->result;
    if (c->sent < c->file->request_len) {
        send_rest(c);
        return;
    }
    heald_prep_recv(&c->op, c->fd, c->in, sizeof c->in, 0);
    submit(c, on_received);
}

static void on_connected(struct heald_op *op)
{
    struct client *c = client_of(op);
    if (op->result < 0)
        fail(c, "connect", heald_strerror((int)op->result));
    else
        ask_next(c);
}

static int start(struct run *run, struct client *c, unsigned index)
{
    int fd = heald_socket(&run->plan->addr, SOCK_STREAM);
    if (fd < 0)
        return fd;
    c->fd = fd;
    c->run = run;
    c->next = index;
    c->op.name = "fetch";
    llhttp_init(&c->parser, HTTP_RESPONSE, &run->settings);
    c->parser.data = c;
    run->open++;
    heald_prep_connect(&c->op, fd, &run->plan->addr.u.sa, run->plan->addr.len);
    submit(c, on_connected);
    return 0;
}

/* After an aborted run: what is still in flight. An op may complete before its cancel. */
static void end_clients(struct run *run, struct client *clients, unsigned count)
{
    run->is_ending = true;
    for (unsigned i = 0; i < count; i++)
        if (heald_op_error(&clients[i].op) == -EINPROGRESS)
            heald_cancel(&clients[i].op);
    while (run->open > 0 && heald_loop_turn(run->loop, HEALD_FOREVER) >= 0)
        ;
}

int fetch_run(struct heald_loop *loop, const struct fetch_plan *plan,
              struct fetch_result *ret_result)
{
    struct run run = {.loop = loop, .plan = plan, .result = ret_result};
    struct client *clients = calloc(plan->connections, sizeof *clients);
    int error = clients ? 0 : -ENOMEM;
    unsigned count = 0;
    memset(ret_result, 0, sizeof *ret_result);
    llhttp_settings_init(&run.settings);
    run.settings.on_body = on_body;
    run.settings.on_message_complete = on_complete;

    int64_t begin_ns = heald_clock_now(HEALD_CLOCK_MONOTONIC);
    run.end_ns = begin_ns + plan->duration_ns;
    while (!error && count < plan->connections) {
        error = start(&run, &clients[count], count);
        count++;
    }
    if (run.open > 0 && !error)
        error = heald_loop_run(loop) < 0 ? -EIO : 0;
    ret_result->elapsed_ns = heald_clock_now(HEALD_CLOCK_MONOTONIC) - begin_ns;
    if (clients)
        end_clients(&run, clients, count);
    free(clients);
    return error;
}
