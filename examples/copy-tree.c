/* copy-tree FROM TO: regular files and directories, and nothing else. The directory TO exists. */
#include <heald/heald.h>

#include <fcntl.h>
#include <stdio.h>

static struct heald_loop *loop;
static struct heald_op op;

/* Submits the op and waits for it: its result. */
static int64_t result(void)
{
    struct heald_op *list[] = {&op};
    int err = heald_submit(loop, &op, NULL);

    if (err >= 0)
        err = heald_suspend(loop, list, 1, 1, HEALD_FOREVER);
    return err < 0 ? err : heald_op_result(&op);
}

static int64_t open_in(int64_t dir, const char *name, int flags)
{
    heald_prep_open(&op, (int)dir, name, flags | O_NOFOLLOW, 0666);
    return result();
}

static int64_t copy_file(int from, int to)
{
    const struct heald_copy part = {HEALD_NO_OFFSET, HEALD_NO_OFFSET, 1 << 30};
    int64_t n;

    do
        heald_prep_copy_range(&op, from, to, &part);
    while ((n = result()) > 0);
    return n;
}

/* Reads a directory in parts, and copies the files and directories that are in each. */
static int64_t copy_directory(int from, int to)
{
    struct heald_dirent entry = {0};
    char buf[4096];
    int64_t n, err = 0;

    do {
        size_t at = 0;
        heald_prep_readdir(&op, from, buf, sizeof buf, entry.position);
        n = result();
        while (n > 0 && !err && heald_dirent_next(buf, (size_t)n, &at, &entry) > 0) {
            int is_dir = entry.type == HEALD_FILE_DIRECTORY;
            if (!is_dir && entry.type != HEALD_FILE_REGULAR)
                continue;
            heald_prep_mkdir(&op, to, entry.name, 0777);
            err = is_dir ? result() : 0;
            int64_t in = open_in(from, entry.name, O_RDONLY);
            int64_t out = open_in(to, entry.name, is_dir ? O_RDONLY : O_WRONLY | O_CREAT | O_EXCL);
            if (!err)
                err = in < 0 ? in : out;
            if (err >= 0)
                err = (is_dir ? copy_directory : copy_file)((int)in, (int)out);
            heald_close(loop, (int)in);
            heald_close(loop, (int)out);
        }
    } while (n > 0 && !err);
    return n < 0 ? n : err;
}

int main(int argc, char **argv)
{
    int64_t err = argc == 3 ? heald_loop_open(&loop, NULL) : -1, from, to;

    if (err < 0)
        return 1;
    from = open_in(AT_FDCWD, argv[1], O_RDONLY);
    to = open_in(AT_FDCWD, argv[2], O_RDONLY);
    err = from < 0 ? from : to < 0 ? to : copy_directory((int)from, (int)to);
    if (err)
        fprintf(stderr, "copy-tree: %s\n", heald_strerror((int)err));
    return err != 0;
}
