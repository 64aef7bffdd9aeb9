/* platform/linux/file.c: what Linux has of its own for files. These block, so they belong to an
 * engine. */
#include "platform/linux/libc.h"
#include "platform/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>

_Static_assert(sizeof(struct heald_stat) == sizeof(struct statx),
               "heald_stat has the layout of statx");
_Static_assert(offsetof(struct heald_stat, size) == offsetof(struct statx, stx_size), "size");
_Static_assert(offsetof(struct heald_stat, mtime) == offsetof(struct statx, stx_mtime), "mtime");
_Static_assert(offsetof(struct heald_stat, dev_minor) == offsetof(struct statx, stx_dev_minor),
               "dev");

int heald__plat_open_beneath(int dirfd, const char *path, int flags, mode_t mode)
{
    /* openat2 is strict where openat is not: no mode without a file to make. */
    struct open_how how = {.flags = (uint64_t)(unsigned)flags,
                           .mode = flags & (O_CREAT | O_TMPFILE) ? mode & 07777 : 0,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    long fd = syscall(SYS_openat2, dirfd, path, &how, sizeof how);

    if (fd >= 0)
        return (int)fd;
    if (errno == ENOSYS || errno == EPERM)
        return heald__plat_open_walk(dirfd, path, flags, mode);
    return -errno;
}

int heald__plat_stat(int dirfd, const char *path, int flags, struct heald_stat *ret_stat)
{
    struct statx *stx = (struct statx *)(void *)ret_stat;

    if (!*path)
        flags |= AT_EMPTY_PATH;
    return statx(dirfd, path, flags, STATX_BASIC_STATS | STATX_BTIME, stx) < 0 ? -errno : 0;
}
