/*
 * platform/common/fifo.c: opens a FIFO, without waiting for the other end.
 *
 * Only a FIFO is opened: to open a device may do something, and a Unix socket fails as a FIFO
 * without a reader does. Another file may take the path in between, so what was opened is checked
 * as well.
 */
#include "platform/sys.h"

#include <heald/net.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int check(int err, const struct stat *st)
{
    if (err < 0)
        return -errno;
    return S_ISFIFO(st->st_mode) ? 0 : -EINVAL;
}

/* How to open it; -EINVAL. */
static int how_to(int flags)
{
    switch (flags) {
    case HEALD_FIFO_READ: return O_RDONLY;
    case HEALD_FIFO_WRITE: return O_WRONLY;
    case HEALD_FIFO_READ | HEALD_FIFO_KEEP:
    case HEALD_FIFO_WRITE | HEALD_FIFO_KEEP: return O_RDWR;
    default: return -EINVAL;
    }
}

int heald__plat_fifo_open(const char *path, int flags)
{
    int how = how_to(flags);
    struct stat st;
    int err = how < 0 ? how : check(stat(path, &st), &st);

    if (err)
        return err;
    int fd = open(path, how | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return -errno;
    if ((err = check(fstat(fd, &st), &st)))
        close(fd);
    return err ? err : fd;
}
