/* children COMMAND...: runs all commands at once, passes on what they print, and how each ended. */
#include <heald/heald.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

struct child {
    struct heald_op read, end;
    struct heald_child is;
    struct heald_child_status status;
    char *command;
    char buf[4096];
};

static void on_read(struct heald_op *op)
{
    struct child *c = heald_container_of(op, struct child, read);

    if (op->result <= 0) {
        heald_close(op->loop, c->is.stdio[1]);
        return;
    }
    fwrite(c->buf, 1, (size_t)op->result, stdout);
    heald_prep_read(op, c->is.stdio[1], c->buf, sizeof c->buf, HEALD_NO_OFFSET);
    heald_submit(op->loop, op, on_read); /* cannot fail: the loop knows the descriptor */
}

static void on_end(struct heald_op *op)
{
    struct child *c = heald_container_of(op, struct child, end);
    int status = c->status.status;

    if (op->result < 0)
        printf("'%s': %s\n", c->command, heald_strerror((int)op->result));
    else if (WIFEXITED(status))
        printf("'%s' ended with status %d\n", c->command, WEXITSTATUS(status));
    else
        printf("'%s' was ended by signal %d\n", c->command, WTERMSIG(status));
}

static int start(struct heald_loop *loop, struct child *c)
{
    char *argv[] = {(char *)"sh", (char *)"-c", c->command, NULL};
    struct heald_spawn spawn = {
        .file = "sh",
        .argv = argv,
        .stdio = {HEALD_STDIO_NULL, HEALD_STDIO_PIPE, HEALD_STDIO_INHERIT},
    };
    int err = heald_spawn(&spawn, &c->is);

    if (err)
        return err;
    heald_prep_read(&c->read, c->is.stdio[1], c->buf, sizeof c->buf, HEALD_NO_OFFSET);
    heald_prep_child(&c->end, c->is.pid, &c->status);
    err = heald_submit(loop, &c->read, on_read);
    return err ? err : heald_submit(loop, &c->end, on_end);
}

int main(int argc, char **argv)
{
    struct heald_loop *loop = NULL;
    struct child *children = calloc((size_t)argc, sizeof *children);
    int err = children ? heald_loop_open(&loop, NULL) : -ENOMEM;

    for (int i = 1; i < argc && !err; i++) {
        children[i].command = argv[i];
        err = start(loop, &children[i]);
    }
    if (err)
        fprintf(stderr, "children: %s\n", heald_strerror(err));
    if (loop) {
        heald_loop_run(loop); /* those that were started, to their end */
        heald_loop_close(loop);
    }
    free(children);
    return err < 0;
}
