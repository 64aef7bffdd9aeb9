/* append FILE TEXT: adds a line to a file under an exclusive lock, which it awaits for a second at
 * most, beside whatever else the loop has to do. */
#include <heald/heald.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct append {
    struct heald_op op;
    struct heald_loop *loop;
    int fd;
    const char *text;
    char line[512];
};

/* The close releases the lock, as the end of the process does. */
static void written(struct heald_op *op)
{
    struct append *a = op->data;

    if (op->result < 0)
        printf("write: %s\n", heald_strerror((int)op->result));
    else
        printf("added %d bytes\n", (int)op->result);
    heald_close(a->loop, a->fd);
}

static void locked(struct heald_op *op)
{
    struct append *a = op->data;

    if (op->result < 0) {
        printf("lock: %s\n", heald_strerror((int)op->result));
        heald_close(a->loop, a->fd);
        return;
    }
    snprintf(a->line, sizeof a->line, "%ld %s\n", (long)getpid(), a->text);
    heald_prep_write(op, a->fd, a->line, strlen(a->line), HEALD_NO_OFFSET);
    heald_submit(a->loop, op, written);
}

static void opened(struct heald_op *op)
{
    struct append *a = op->data;

    if (op->result < 0) {
        printf("open: %s\n", heald_strerror((int)op->result));
        return;
    }
    a->fd = (int)op->result;
    heald_prep_flock(op, a->fd, HEALD_FILE_EXCLUSIVE);
    op->deadline_ns = heald_now(a->loop) + HEALD_SEC;
    heald_submit(a->loop, op, locked);
}

int main(int argc, char **argv)
{
    struct append a = {.text = argc == 3 ? argv[2] : ""};

    if (argc != 3 || heald_loop_open(&a.loop, NULL) < 0)
        return 1;
    a.op.data = &a;
    heald_prep_open(&a.op, AT_FDCWD, argv[1], O_WRONLY | O_CREAT | O_APPEND, 0666);
    heald_submit(a.loop, &a.op, opened);
    heald_loop_run(a.loop);
    return heald_loop_close(a.loop) < 0;
}
