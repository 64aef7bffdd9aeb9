/* fetch-name HOST SERVICE TEXT: connects by name within 5 s, sends TEXT and prints the answer. */
#include <heald/heald.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct client {
    struct heald_op op;
    struct heald_connect_name name;
    int fd, err;
    const char *text;
    char buf[4096];
} client;

/* Each callback ends with this: 1, the end of the stream, or an error closes the socket. */
static void go_on(struct client *c, int err, heald_fn *fn)
{
    if (!err && !(err = heald_submit(c->op.loop, &c->op, fn)))
        return;
    c->err = err < 0 ? err : 0;
    heald_close(c->op.loop, c->fd);
}

static void on_received(struct heald_op *op)
{
    struct client *c = op->data;

    fwrite(c->buf, 1, op->result > 0 ? (size_t)op->result : 0, stdout);
    go_on(c, op->result > 0 ? 0 : op->result < 0 ? (int)op->result : 1, on_received);
}

static void on_sent(struct heald_op *op)
{
    struct client *c = op->data;
    int err = op->result < 0 ? (int)op->result : 0;

    c->text += err ? 0 : op->result;
    if (*c->text) {
        heald_prep_send(op, c->fd, c->text, strlen(c->text), 0);
    } else {
        shutdown(c->fd, SHUT_WR); /* all is sent */
        heald_prep_recv(op, c->fd, c->buf, sizeof c->buf, 0);
    }
    go_on(c, err, *c->text ? on_sent : on_received);
}

static void on_connected(struct heald_op *op)
{
    struct client *c = op->data;
    static const char *const phases[] = {"look-up", "connect"};

    if (op->result < 0) {
        fprintf(stderr, "fetch-name: %s: ", phases[c->name.phase]);
        c->err = (int)op->result;
        return;
    }
    c->fd = (int)op->result;
    op->result = 0; /* bytes that were sent */
    on_sent(op);
}

int main(int argc, char **argv)
{
    struct heald_loop *loop;
    int err = argc == 4 ? heald_loop_open(&loop, NULL) : -EINVAL;

    if (!err) {
        client = (struct client){.op = {.data = &client}, .text = argv[3]};
        if (!(err = heald_prep_connect_name(&client.op, &client.name, argv[1], argv[2]))) {
            client.op.deadline_ns = heald_now(loop) + 5 * HEALD_SEC; /* of all of it */
            err = heald_submit(loop, &client.op, on_connected);
        }
        heald_loop_run(loop);
        heald_loop_close(loop);
    }
    if (err || (err = client.err))
        fprintf(stderr, "%s\n", heald_strerror(err));
    return err != 0;
}
