/* echo-suspend PORT: a TCP echo server without callbacks: a list of ops and heald_suspend(). */
#include <heald/heald.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>

enum { CONNS = 64 };

static struct conn {
    struct heald_op op; /* accepts, receives, or sends what was received */
    int fd;             /* -1: accepts */
    char *at;           /* what is left to send */
    size_t left;
    char buf[4096];
} conns[CONNS];
static struct heald_loop *loop;

static void on_signal(int signo)
{
    (void)signo;
    heald_loop_stop(loop); /* safe in a handler; heald_suspend() returns -ECANCELED */
}

/* The op of a connection has completed with n: submits what comes next. 0 or -errno. */
static int step(struct conn *c, int64_t n, int listener)
{
    if (c->fd < 0) {
        if ((c->fd = (int)n) < 0)
            return (int)n;
    } else if (n < 0 || (n == 0 && !c->left)) {
        heald_close(loop, c->fd);
        c->fd = -1;
        c->left = 0;
    } else {
        c->at = c->left ? c->at + n : c->buf;
        c->left = c->left ? c->left - (size_t)n : (size_t)n;
    }
    if (c->fd < 0)
        heald_prep_accept(&c->op, listener, NULL, NULL);
    else if (c->left)
        heald_prep_send(&c->op, c->fd, c->at, c->left, 0);
    else
        heald_prep_recv(&c->op, c->fd, c->buf, sizeof c->buf, 0);
    return heald_submit(loop, &c->op, NULL);
}

int main(int argc, char **argv)
{
    char at[HEALD_ADDR_TEXT];
    struct heald_addr addr;
    struct heald_op *ops[CONNS];

    snprintf(at, sizeof at, "127.0.0.1:%s", argc > 1 ? argv[1] : "7007");
    int fd = heald_listen(at, SOCK_STREAM, 0), err = fd < 0 ? fd : heald_loop_open(&loop, NULL);
    if (err || (err = heald_local_addr(fd, &addr))) {
        fprintf(stderr, "echo-suspend: %s: %s\n", at, heald_strerror(err));
        return 1;
    }
    heald_addr_format(&addr, at, sizeof at);
    printf("listening on %s\n", at);
    fflush(stdout);
    signal(SIGTERM, on_signal);
    for (int i = 0; i < CONNS; i++) {
        ops[i] = &conns[i].op;
        conns[i].fd = -1;
        heald_prep_accept(ops[i], fd, NULL, NULL);
        err = err ? err : heald_submit(loop, ops[i], NULL);
    }
    while (!err && heald_suspend(loop, ops, CONNS, 1, HEALD_FOREVER) > 0)
        for (int i = 0; i < CONNS && !err; i++)
            if (heald_op_error(ops[i]) != -EINPROGRESS)
                err = step(&conns[i], heald_op_result(ops[i]), fd);
    for (int i = 0; i < CONNS; i++)
        heald_close(loop, conns[i].fd);
    heald_close(loop, fd);
    heald_loop_run(loop); /* until the last op has completed */
    return heald_loop_close(loop) < 0 || err;
}
