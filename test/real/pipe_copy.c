/*
 * pipe_copy.c: copies standard input to standard output, both pipes, by POSIX AIO, several requests
 * at a time in each direction, with no call of heald: a program as anybody might have it, which
 * counts on requests on a pipe being served in the order of the calls.
 *
 *     pipe_copy DEPTH
 */
#include <aio.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEPTH_MAX = 64, BLOCK = 10000 }; /* larger than what a pipe takes as a whole */

struct block {
    struct aiocb cb;
    char data[BLOCK];
};

static int fail(const char *what, int err)
{
    fprintf(stderr, "pipe_copy: %s: %s\n", what, strerror(err));
    return 1;
}

static int read_next(struct block *b)
{
    b->cb = (struct aiocb){.aio_fildes = STDIN_FILENO, .aio_buf = b->data, .aio_nbytes = BLOCK};
    return aio_read(&b->cb);
}

static int write_it(struct block *b, size_t len)
{
    b->cb = (struct aiocb){.aio_fildes = STDOUT_FILENO, .aio_buf = b->data, .aio_nbytes = len};
    return aio_write(&b->cb);
}

/* How many bytes; -1 with errno. */
static ssize_t wait_for(struct block *b)
{
    const struct aiocb *list[] = {&b->cb};
    int err;

    while ((err = aio_error(&b->cb)) == EINPROGRESS)
        if (aio_suspend(list, 1, NULL) && errno != EINTR)
            return -1;
    errno = err;
    return aio_return(&b->cb);
}

/* In rounds: all blocks are read, then written. The total of bytes, or -1 with errno. */
static long long copy(struct block *blocks, int depth)
{
    long long total = 0;
    bool at_end = false;

    while (!at_end) {
        ssize_t len[DEPTH_MAX];
        for (int i = 0; i < depth; i++)
            if (read_next(&blocks[i]))
                return -1;
        for (int i = 0; i < depth; i++) {
            len[i] = wait_for(&blocks[i]);
            if (len[i] < 0)
                return -1;
            if (len[i] == 0)
                at_end = true;
            else if (write_it(&blocks[i], (size_t)len[i]))
                return -1;
        }
        for (int i = 0; i < depth; i++) {
            if (len[i] == 0)
                continue;
            ssize_t n = wait_for(&blocks[i]);
            if (n != len[i]) {
                errno = n < 0 ? errno : EPIPE; /* the reader went away halfway */
                return -1;
            }
            total += n;
        }
    }
    return total;
}

int main(int argc, char **argv)
{
    int depth = argc == 2 ? atoi(argv[1]) : 0;

    if (depth < 1 || depth > DEPTH_MAX)
        return fail("usage: pipe_copy DEPTH", EINVAL);
    struct block *blocks = calloc((size_t)depth, sizeof *blocks);
    if (!blocks)
        return fail("memory", ENOMEM);
    long long total = copy(blocks, depth);
    if (total < 0)
        return fail("copy", errno);
    fprintf(stderr, "%lld\n", total);
    free(blocks);
    return 0;
}
