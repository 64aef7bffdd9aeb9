/*
 * The echo server on heald: callbacks, one struct a connection, the same on every back end, which
 * HEALD_BACKEND chooses.
 *
 * A reply that is sent at once needs no callback (heald_op_notify_deferred()). What is received
 * next goes to the other half of the buffer, so the send may still be on its way. One that had to
 * wait has its callback, and until then nothing more is received.
 */
#define _GNU_SOURCE 1
#include "../common/common.h"
#include "heald_serve.h"

enum { ROOM = 2048 };

struct conn {
    struct heald_op recv, send;
    int fd;
    int half;    /* of `room`, that is received into */
    int sending; /* the last reply was not done at once; in a ring it may be by now */
    int waits;   /* received, and not sent before the last reply is */
    int closed;
    char room[2][ROOM];
};

static void on_received(struct heald_op *op);

static void on_late(struct heald_op *op);

static int is_sending(struct conn *c)
{
    return c->sending && (c->sending = heald_op_error(&c->send) == -EINPROGRESS);
}

static void conn_end(struct conn *c)
{
    if (!c->closed)
        heald_close(c->recv.loop, c->fd);
    c->closed = 1;
    if (!is_sending(c))
        free(c);
}

static void receive(struct conn *c)
{
    heald_prep_recv(&c->recv, c->fd, c->room[c->half], ROOM, 0);
    heald_submit(c->recv.loop, &c->recv, on_received);
}

static void reply(struct conn *c, char *data, size_t len)
{
    heald_prep_send(&c->send, c->fd, data, len, 0);
    c->sending = heald_submit(c->recv.loop, &c->send, on_late) == 0;
}

/* What was received goes back, and more is received, by the same op again if to the same place. */
static void echo(struct conn *c)
{
    reply(c, c->room[c->half], (size_t)c->recv.result);
    if (c->sending) {
        c->half ^= 1;
        receive(c);
    } else {
        heald_submit(c->recv.loop, &c->recv, on_received);
    }
}

static void on_received(struct heald_op *op)
{
    struct conn *c = heald_container_of(op, struct conn, recv);

    if (op->result <= 0)
        conn_end(c);
    else if (is_sending(c))
        c->waits = 1;
    else
        echo(c);
}

/* A reply had to wait, or fell short. */
static void on_late(struct heald_op *op)
{
    struct conn *c = heald_container_of(op, struct conn, send);

    if (op->result < 0 || c->closed) {
        conn_end(c);
    } else if ((uint64_t)op->result < c->send.u.rw.len) {
        reply(c, (char *)c->send.u.rw.buf + op->result, c->send.u.rw.len - (size_t)op->result);
    } else if (c->waits) {
        c->waits = 0;
        echo(c);
    }
}

static void on_accepted(struct heald_op *op)
{
    struct conn *c;

    if (op->result < 0)
        bench_die("accept", (int)-op->result);
    c = calloc(1, sizeof *c);
    if (!c)
        bench_die("calloc", errno);
    c->fd = (int)op->result;
    c->recv.loop = op->loop;
    heald_op_notify_deferred(&c->send);
    receive(c);
}

int main(int argc, char **argv)
{
    struct heald_loop *loop;
    int err = heald_loop_open(&loop, NULL);

    if (err)
        return err == -ENOSYS ? BENCH_SKIP : 1;
    return serve(loop, argc > 1 ? argv[1] : "0", on_accepted);
}
