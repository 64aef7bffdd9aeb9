/* fetch ADDRESS TEXT: connects, sends TEXT and prints what it receives: two ops on a connection. */
#include <heald/heald.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct conn {
    struct heald_op in, out;
    int fd;         /* -1: closed; the ops end */
    const char *at; /* what is left to send */
    char buf[4096];
};
static int err;

/* Each callback ends with this. The first error, or the end of the stream, closes the socket, which
 * cancels the other op. The callback after which no op is pending frees the connection. */
static void release(struct conn *c, int64_t result)
{
    if (result <= 0 && c->fd >= 0) {
        err = (int)result;
        heald_close(c->out.loop, c->fd);
        c->fd = -1;
    }
    if (heald_op_error(&c->in) != -EINPROGRESS && heald_op_error(&c->out) != -EINPROGRESS)
        free(c);
}

static void on_received(struct heald_op *op)
{
    struct conn *c = heald_container_of(op, struct conn, in);

    if (op->result > 0 && c->fd >= 0) {
        fwrite(c->buf, 1, (size_t)op->result, stdout);
        heald_submit(op->loop, op, on_received); /* as before: into the same buffer */
    }
    release(c, op->result);
}

static void on_sent(struct heald_op *op)
{
    struct conn *c = heald_container_of(op, struct conn, out);

    if (op->result == 0) /* of the connect; a send of something never has 0 */
        heald_submit(op->loop, &c->in, on_received); /* cannot fail: the loop knows the socket */
    if (op->result >= 0 && c->fd >= 0) {
        c->at += op->result;
        heald_prep_send(op, c->fd, c->at, strlen(c->at), 0);
        if (*c->at)
            heald_submit(op->loop, op, on_sent);
        else
            shutdown(c->fd, SHUT_WR); /* all is sent; the server may still answer */
    }
    release(c, op->result < 0 ? op->result : 1);
}

int main(int argc, char **argv)
{
    struct conn *c = calloc(1, sizeof *c);
    struct heald_addr addr;
    struct heald_loop *loop;

    err = argc < 3 || !c ? -EINVAL : heald_addr_parse(argv[1], &addr);
    if (!err && (c->fd = heald_socket(&addr, SOCK_STREAM)) < 0)
        err = c->fd;
    if (!err && !(err = heald_loop_open(&loop, NULL))) {
        c->at = argv[2];
        heald_prep_recv(&c->in, c->fd, c->buf, sizeof c->buf, 0);
        heald_prep_connect(&c->out, c->fd, &addr.u.sa, addr.len);
        c->out.deadline_ns = heald_now(loop) + 5 * HEALD_SEC;
        if (!(err = heald_submit(loop, &c->out, on_sent)))
            heald_loop_run(loop); /* until the connection has ended; err says how */
        heald_loop_close(loop);
    } else
        free(c);
    if (err)
        fprintf(stderr, "fetch: %s\n", heald_strerror(err));
    return err != 0;
}
