/* platform/common/copy_range.c: a part of a file is copied into another, by POSIX alone: for
 * systems and file systems that cannot do it themselves. It blocks, so it belongs to an engine. */
#include "platform/sys.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER = 64 << 10, COPY_MAX = 1 << 20 /* at a time, so that it can be cancelled */ };

/* As copy_file_range(2): between regular files, and parts that do not overlap. */
static int check(int from, int64_t from_at, int to, int64_t to_at, uint64_t len)
{
    uint64_t distance = (uint64_t)(from_at < to_at ? to_at - from_at : from_at - to_at);
    struct stat in, out;

    if (fstat(from, &in) < 0 || fstat(to, &out) < 0)
        return -errno;
    if (!S_ISREG(in.st_mode) || !S_ISREG(out.st_mode))
        return -EINVAL;
    bool same = in.st_dev == out.st_dev && in.st_ino == out.st_ino;
    return same && distance < len ? -EINVAL : 0;
}

/* From the offset, or where the descriptor stands. */
static int64_t place_of(int fd, int64_t offset)
{
    off_t at = offset < 0 ? lseek(fd, 0, SEEK_CUR) : (off_t)offset;
    return at < 0 ? -errno : at;
}

static int64_t copy_part(int from, int64_t from_at, int to, int64_t to_at, size_t len)
{
    char buf[BUFFER];
    ssize_t n = pread(from, buf, len < sizeof buf ? len : sizeof buf, (off_t)from_at);

    if (n > 0)
        n = pwrite(to, buf, (size_t)n, (off_t)to_at);
    return n < 0 ? -errno : n;
}

int64_t heald__plat_copy_by_buffer(int from, int64_t from_offset, int to, int64_t to_offset,
                                   uint64_t len)
{
    int64_t from_at = place_of(from, from_offset), to_at = place_of(to, to_offset), done = 0, n = 0;

    if (from_at < 0 || to_at < 0)
        return from_at < 0 ? from_at : to_at;
    int err = check(from, from_at, to, to_at, len);
    if (err)
        return err;
    for (uint64_t left = len < COPY_MAX ? len : COPY_MAX; left; left -= (uint64_t)n) {
        n = copy_part(from, from_at + done, to, to_at + done, left);
        if (n <= 0)
            break;
        done += n;
    }
    if (from_offset < 0)
        lseek(from, (off_t)(from_at + done), SEEK_SET);
    if (to_offset < 0)
        lseek(to, (off_t)(to_at + done), SEEK_SET);
    return done ? done : n;
}
