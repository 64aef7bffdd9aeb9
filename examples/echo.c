/* echo PORT: a TCP echo server: a struct and one op for each connection, and callbacks. */
#include <heald/heald.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

struct conn {
    struct heald_op op;        /* one at a time: a receive, or the send of what it brought */
    struct heald_transfer out; /* len 0: it receives */
    int fd;
    char buf[4096];
};

static void on_done(struct heald_op *op)
{
    struct conn *c = heald_container_of(op, struct conn, op);

    if (op->result <= 0) { /* the end, or an error */
        heald_close(op->loop, c->fd);
        free(c);
        return;
    }
    c->out = (struct heald_transfer){.buf = c->buf, .len = c->out.len ? 0 : (size_t)op->result};
    if (c->out.len)
        heald_prep_send_all(op, c->fd, &c->out, 0);
    else
        heald_prep_recv(op, c->fd, c->buf, sizeof c->buf, 0);
    heald_submit(op->loop, op, on_done); /* cannot fail: the loop knows the descriptor */
}

static void on_accepted(struct heald_op *op)
{
    struct conn *c = op->result >= 0 ? calloc(1, sizeof *c) : NULL;

    if (op->result < 0)
        return; /* on_signal() has closed the listener */
    if (c)
        heald_prep_recv(&c->op, c->fd = (int)op->result, c->buf, sizeof c->buf, 0);
    if (!c || heald_submit(op->loop, &c->op, on_done) < 0) {
        heald_close(op->loop, (int)op->result);
        free(c);
    }
}

/* Accepts no more; the loop ends with the last connection. */
static void on_signal(struct heald_op *op)
{
    if (op->flags & HEALD_MORE) {
        heald_close(op->loop, *(int *)op->data);
        heald_cancel(op);
    }
}

int main(int argc, char **argv)
{
    char at[HEALD_ADDR_TEXT];
    struct heald_addr addr;
    struct heald_loop *loop = NULL;

    snprintf(at, sizeof at, "127.0.0.1:%s", argc > 1 ? argv[1] : "7007");
    int fd = heald_listen(at, SOCK_STREAM, 0), err = fd < 0 ? fd : heald_loop_open(&loop, NULL);
    struct heald_op acceptor = {.name = "acceptor"}, term = {.name = "SIGTERM", .data = &fd};

    heald_prep_accept_persistent(&acceptor, fd); /* goes on when descriptors are lacking */
    heald_prep_signal(&term, SIGTERM, NULL);
    if (err || (err = heald_submit(loop, &acceptor, on_accepted)) ||
        (err = heald_submit(loop, &term, on_signal)) || (err = heald_local_addr(fd, &addr))) {
        fprintf(stderr, "echo: %s: %s\n", at, heald_strerror(err));
        return 1;
    }
    heald_addr_format(&addr, at, sizeof at);
    printf("listening on %s\n", at);
    fflush(stdout);
    err = heald_loop_run(loop);
    return heald_loop_close(loop) || err;
}
