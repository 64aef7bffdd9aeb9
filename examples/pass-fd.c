/* pass-fd FILE: opens a file, and hands its descriptor over a Unix socket to a child, which reads
 * it. */
#include <heald/heald.h>

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* Submits an op and waits until it has completed: its result. */
static int64_t await(struct heald_loop *loop, struct heald_op *op)
{
    int err = heald_submit(loop, op, NULL);

    if (!err && (err = heald_suspend(loop, &op, 1, 1, HEALD_FOREVER)) == 1)
        return heald_op_result(op);
    return err;
}

static int64_t hand_over(struct heald_loop *loop, int socket, const char *path)
{
    struct heald_op op = {0};
    struct heald_fd_msg message;

    heald_prep_open(&op, AT_FDCWD, path, O_RDONLY, 0);
    int fd = (int)await(loop, &op);
    if (fd < 0)
        return fd;
    heald_fd_msg_send(&message, "!", 1, &fd, 1); /* a stream carries descriptors only with bytes */
    heald_prep_sendmsg(&op, socket, &message.msg, 0);
    int64_t n = await(loop, &op);
    heald_close(loop, fd); /* the message has taken it already */
    return n;
}

static int64_t take_over(struct heald_loop *loop, int socket)
{
    struct heald_op op = {0};
    struct heald_fd_msg message;
    char buf[4096];
    int fd, count;

    heald_fd_msg_recv(&message, buf, sizeof buf);
    heald_prep_recvmsg(&op, socket, &message.msg, 0);
    int64_t n = await(loop, &op);
    if (n <= 0 || (count = heald_fd_msg_fds(&message, &fd, 1)) < 1)
        return n > 0 ? count : n; /* 0: the parent could not open it, and has said so */
    do {
        heald_prep_read(&op, fd, buf, sizeof buf, HEALD_NO_OFFSET);
        n = await(loop, &op);
    } while (n > 0 && fwrite(buf, 1, (size_t)n, stdout) == (size_t)n);
    heald_close(loop, fd);
    return n;
}

int main(int argc, char **argv)
{
    int ends[2], err = heald_socketpair(SOCK_STREAM, ends);
    pid_t child = err ? -1 : fork(); /* before the loop, which is not for a child */
    struct heald_op op = {0};
    struct heald_loop *loop;
    struct heald_why why = {"cannot fork"};

    if (child < 0 || heald_loop_open(&loop, &(struct heald_loop_options){.ret_why = &why})) {
        fprintf(stderr, "pass-fd: %s\n", err ? heald_strerror(err) : why.text);
        return 1;
    }
    close(ends[child != 0]);
    int64_t n = child ? hand_over(loop, ends[0], argv[argc - 1]) : take_over(loop, ends[1]);
    if (n < 0)
        fprintf(stderr, "pass-fd: %s\n", heald_strerror((int)n));
    heald_close(loop, ends[child == 0]);
    if (child) {
        heald_prep_child(&op, child, NULL);
        await(loop, &op);
    }
    return heald_loop_close(loop) < 0 || n < 0;
}
