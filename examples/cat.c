/* cat FILE...: regular files through the loop's engine, as lio_listio(3) would: a list of reads is
 * submitted at once, and all of them are awaited. */
#include <heald/heald.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

enum { READS = 8, CHUNK = 64 * 1024 };

static struct heald_op ops[READS];
static char chunks[READS][CHUNK];

/* Submits the first `count` ops and waits until all have completed: 0 or -errno. */
static int perform(struct heald_loop *loop, unsigned count)
{
    struct heald_op *list[READS];

    for (unsigned i = 0; i < count; i++)
        list[i] = &ops[i];
    int n = heald_submit_all(loop, list, count, NULL);
    if (n > 0)
        n = heald_suspend(loop, list, (unsigned)n, (unsigned)n, HEALD_FOREVER);
    return n < 0 ? n : 0;
}

/* Reads the next chunks of a file, and writes what came: how many bytes, or -errno. */
static int64_t copy_some(struct heald_loop *loop, int fd, int64_t offset)
{
    int64_t done = 0;

    for (unsigned i = 0; i < READS; i++)
        heald_prep_read(&ops[i], fd, chunks[i], CHUNK, offset + (int64_t)i * CHUNK);
    int err = perform(loop, READS);
    if (err)
        return err;
    for (unsigned i = 0; i < READS; i++) {
        int64_t n = heald_op_result(&ops[i]);
        if (n < 0)
            return n;
        if (fwrite(chunks[i], 1, (size_t)n, stdout) < (size_t)n)
            return -EIO;
        done += n;
        if (n < CHUNK)
            break; /* what lies behind a short read is read again, from where it ended */
    }
    return done;
}

static int copy(struct heald_loop *loop, const char *path)
{
    int64_t offset = 0, n;

    heald_prep_open(&ops[0], AT_FDCWD, path, O_RDONLY, 0);
    int err = perform(loop, 1), fd = (int)heald_op_result(&ops[0]);
    if (err || fd < 0)
        return err ? err : fd;
    while ((n = copy_some(loop, fd, offset)) > 0)
        offset += n;
    heald_close(loop, fd);
    return (int)n;
}

int main(int argc, char **argv)
{
    struct heald_loop *loop;
    struct heald_why why;
    int err = heald_loop_open(&loop, &(struct heald_loop_options){.ret_why = &why});

    if (err) {
        fprintf(stderr, "cat: %s\n", why.text);
        return 1;
    }
    for (int i = 1; i < argc && !err; i++)
        if ((err = copy(loop, argv[i])))
            fprintf(stderr, "cat: %s: %s\n", argv[i], heald_strerror(err));
    return heald_loop_close(loop) < 0 || err;
}
