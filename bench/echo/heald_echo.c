/*
 * The echo server on heald: callbacks, one struct and one op a connection, the same on every back
 * end, which HEALD_BACKEND chooses.
 */
#define _GNU_SOURCE 1
#include "../common/common.h"

#include <heald/heald.h>
#include <signal.h>

enum { ROOM = 2048 };

struct conn {
    struct heald_op op;
    int fd;
    size_t have, sent;
    char room[ROOM];
};

static void on_sent(struct heald_op *op);

static void conn_end(struct conn *c)
{
    heald_close(c->op.loop, c->fd);
    free(c);
}

static void on_received(struct heald_op *op)
{
    struct conn *c = heald_container_of(op, struct conn, op);

    if (op->result <= 0) {
        conn_end(c);
        return;
    }
    c->have = (size_t)op->result;
    c->sent = 0;
    heald_prep_send(op, c->fd, c->room, c->have, 0);
    heald_submit(op->loop, op, on_sent);
}

static void on_sent(struct heald_op *op)
{
    struct conn *c = heald_container_of(op, struct conn, op);

    if (op->result < 0) {
        conn_end(c);
        return;
    }
    c->sent += (size_t)op->result;
    if (c->sent == c->have) {
        heald_prep_recv(op, c->fd, c->room, ROOM, 0);
        heald_submit(op->loop, op, on_received);
    } else {
        heald_prep_send(op, c->fd, c->room + c->sent, c->have - c->sent, 0);
        heald_submit(op->loop, op, on_sent);
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
    heald_prep_recv(&c->op, c->fd, c->room, ROOM, 0);
    heald_submit(op->loop, &c->op, on_received);
}

static void on_term(struct heald_op *op)
{
    heald_loop_stop(op->loop);
}

int main(int argc, char **argv)
{
    struct heald_op accepter = {.name = "accepter"}, term = {.name = "term"};
    struct heald_loop *loop;
    struct heald_addr addr;
    char text[HEALD_ADDR_TEXT];
    int fd, err = heald_loop_open(&loop, NULL);

    if (err)
        return err == -ENOSYS ? BENCH_SKIP : 1;
    snprintf(text, sizeof text, "127.0.0.1:%s", argc > 1 ? argv[1] : "0");
    fd = heald_listen(text, SOCK_STREAM, 0);
    if (fd < 0 || heald_local_addr(fd, &addr))
        bench_die(text, -fd);
    heald_addr_format(&addr, text, sizeof text);
    printf("port %s\n", strrchr(text, ':') + 1);
    fflush(stdout);
    heald_prep_signal(&term, SIGTERM, NULL);
    heald_submit(loop, &term, on_term);
    heald_prep_accept_multishot(&accepter, fd);
    heald_submit(loop, &accepter, on_accepted);
    return heald_loop_run(loop) < 0;
}
