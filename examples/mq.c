/* mq NAME [TEXT]...: sends each text to a message queue of POSIX, with its length as priority; or,
 * without a text, receives the messages in the queue and all that come until it is interrupted. */
#include <heald/heald.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

struct reader {
    struct heald_op receive, interrupt;
    unsigned priority;
    char buf[8192];
};

static void on_message(struct heald_op *op)
{
    struct reader *r = op->data;

    if (op->result < 0) {
        if (op->result != -ECANCELED)
            fprintf(stderr, "mq: %s\n", heald_strerror((int)op->result));
        return;
    }
    printf("%u: %.*s\n", r->priority, (int)op->result, r->buf);
    fflush(stdout);
    heald_submit(op->loop, op, on_message);
}

static void on_interrupt(struct heald_op *op)
{
    struct reader *r = op->data;

    if (op->flags & HEALD_MORE) {
        heald_cancel(&r->receive);
        heald_cancel(op);
    }
}

static int read_all(struct heald_loop *loop, int fd)
{
    struct reader r = {.receive.data = &r, .interrupt.data = &r};
    int err;

    heald_prep_signal(&r.interrupt, SIGINT, NULL);
    heald_op_background(&r.interrupt, 1);
    heald_prep_mq_receive(&r.receive, fd, r.buf, sizeof r.buf, &r.priority);
    if (!(err = heald_submit(loop, &r.interrupt, on_interrupt)) &&
        !(err = heald_submit(loop, &r.receive, on_message)))
        err = heald_loop_run(loop);
    return err;
}

int main(int argc, char **argv)
{
    struct heald_why why = {""};
    struct heald_op send = {0};
    struct heald_loop *loop;
    int fd, err;

    if (argc < 2 || heald_mq_open(argv[1], O_RDWR | O_CREAT, 0600, NULL, &fd, &why) ||
        heald_loop_open(&loop, &(struct heald_loop_options){.ret_why = &why}))
        return fprintf(stderr, "mq: %s\n", argc < 2 ? "which queue?" : why.text), 1;
    err = argc == 2 ? read_all(loop, fd) : 0;
    for (int i = 2; i < argc && !err; i++) {
        heald_prep_mq_send(&send, fd, argv[i], strlen(argv[i]), (unsigned)strlen(argv[i]));
        if (!(err = heald_submit(loop, &send, NULL)) && !(err = heald_loop_run(loop)))
            err = (int)send.result; /* it waits while the queue is full */
    }
    if (err)
        fprintf(stderr, "mq: %s: %s\n", argv[1], heald_strerror(err));
    heald_close(loop, fd);
    heald_loop_close(loop);
    return err != 0;
}
