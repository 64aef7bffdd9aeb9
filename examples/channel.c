/* channel: `channel TEXT...` has each text done by a worker that is not trusted, and waits for it
 * in a loop. Whatever the worker writes to its memory, this process goes on. */
#include <heald/heald.h>

#include <ctype.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LONGEST = 1000 };
static const struct heald_channel_options limits = {.recv_max = LONGEST};

static int work(int fd)
{
    struct heald_channel *channel = NULL;
    char text[LONGEST];
    ssize_t n = heald_channel_open(&channel, fd, &limits);
    while (n >= 0 && (n = heald_channel_recv(channel, text, sizeof text, HEALD_FOREVER)) >= 0) {
        for (ssize_t i = 0; i < n; i++)
            text[i] = (char)toupper((unsigned char)text[i]);
        n = heald_channel_send(channel, text, (size_t)n, HEALD_FOREVER);
    }
    return heald_channel_close(channel), 0; /* the other side has gone */
}

struct job {
    struct heald_channel *channel;
    char **texts; /* NULL: all are done */
};
static void on_bell(struct heald_op *op);

/* Receives the reply if it is there. Else the socket becomes readable as soon as it is. */
static int receive(struct heald_loop *loop, struct heald_op *op)
{
    struct job *job = op->data;
    char reply[LONGEST];
    ssize_t n = 0;

    while (n >= 0 && *job->texts && heald_channel_arm(job->channel, HEALD_CHANNEL_IN))
        if ((n = heald_channel_tryrecv(job->channel, reply, sizeof reply)) >= 0) {
            printf("%.*s\n", (int)n, reply);
            if (*++job->texts)
                n = heald_channel_trysend(job->channel, *job->texts, strlen(*job->texts));
        }
    return n < 0 ? (int)n : *job->texts ? heald_submit(loop, op, on_bell) : 0;
}

static void on_bell(struct heald_op *op)
{
    struct job *job = op->data;
    struct heald_channel_info info;
    int err = op->result < 0 ? (int)op->result : receive(op->loop, op);
    heald_channel_describe(job->channel, &info);
    if (err)
        fprintf(stderr, "channel: %s\n", info.why ? info.why : heald_strerror(err));
}

int main(int argc, char **argv)
{
    struct job job = {.texts = argv + (argc > 0)};
    struct heald_op op = {.name = "worker", .data = &job};
    struct heald_loop *loop;
    int fds[2], err = heald_socketpair(SOCK_SEQPACKET, fds);

    if (!err && fork() == 0)
        return close(fds[0]), work(fds[1]); /* the worker */
    if (err || (err = heald_loop_open(&loop, NULL)) ||
        (err = heald_channel_open(&job.channel, fds[0], &limits)))
        return fprintf(stderr, "channel: %s\n", heald_strerror(err)), 1;
    close(fds[1]);
    heald_prep_poll(&op, fds[0], POLLIN);
    if (*job.texts)
        err = heald_channel_trysend(job.channel, *job.texts, strlen(*job.texts));
    if (!err && !(err = receive(loop, &op)))
        err = heald_loop_run(loop);
    heald_channel_close(job.channel);
    heald_loop_close(loop);
    return err || *job.texts;
}
