/*
 * net/fifo.c: FIFOs. Plain calls; thread-safe. None waits for the other end; await/retry.c does.
 *
 * A FIFO that is open for reading and writing has both its ends: it is opened without another
 * process, its reads never end, and no write lacks a reader. POSIX leaves such an open undefined;
 * all systems that heald knows have it.
 */
#include "platform/sys.h"

#include <heald/net.h>

#include <errno.h>
#include <sys/stat.h>

int heald_fifo(const char *path, mode_t mode)
{
    struct stat st;

    if (mkfifo(path, mode) == 0)
        return 0;
    if (errno == EEXIST && stat(path, &st) == 0)
        return S_ISFIFO(st.st_mode) ? 0 : -EEXIST;
    return -errno;
}

int heald_fifo_open(const char *path, int flags)
{
    int fd;

    if (!path)
        return -EINVAL;
    do
        fd = heald__plat_fifo_open(path, flags);
    while (fd == -EINTR);
    return fd;
}
