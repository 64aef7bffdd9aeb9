/* platform/common/pty.c: a terminal for a child, by POSIX. */
#include "platform/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int set_flags(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return -errno;
    return 0;
}

int heald__plat_pty_open(void)
{
    int fd = heald__plat_own(posix_openpt(O_RDWR | O_NOCTTY));

    if (fd < 0)
        return fd;
    int err = grantpt(fd) < 0 || unlockpt(fd) < 0 ? -errno : set_flags(fd);
    if (err)
        close(fd);
    return err ? err : fd;
}

int heald__plat_pty_peer(int master)
{
    char path[64];
    int err = heald__pty_name(master, path, sizeof path);

    return err ? err : heald__plat_own(open(path, O_RDWR | O_NOCTTY | O_CLOEXEC));
}
