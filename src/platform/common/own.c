/*
 * platform/common/own.c: the descriptors that the library keeps for itself are above 2.
 *
 * A program that was started without 0, 1 or 2 gets these numbers from its next open(2), and then
 * what anybody prints goes there: a message for people into a region or a ring's eventfd.
 */
#include "platform/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { OWN_FROM = STDERR_FILENO + 1 };

int heald__plat_own(int fd)
{
    if (fd < 0)
        return -errno;
    if (fd >= OWN_FROM)
        return fd;
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, OWN_FROM);
    int err = moved < 0 ? -errno : moved;
    close(fd);
    return err;
}

int heald__plat_own_pipe(int ret_fds[2])
{
    int fds[2], err = heald__plat_pipe(fds);

    if (err)
        return err;
    int from = heald__plat_own(fds[0]), to = heald__plat_own(fds[1]);
    if (from >= 0 && to >= 0) {
        ret_fds[0] = from;
        ret_fds[1] = to;
        return 0;
    }
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
    return from < 0 ? from : to;
}
