/* platform/posix/path.c: directories and file systems, by POSIX alone. These block, so they belong
 * to an engine. */
#include "platform/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

int heald__plat_rename(int from_dirfd, const char *from, int to_dirfd, const char *to, int flags)
{
    if (flags)
        return -ENOSYS;
    return renameat(from_dirfd, from, to_dirfd, to) < 0 ? -errno : 0;
}

/* POSIX names no file by its descriptor. */
int heald__plat_link_fd(int fd, int to_dirfd, const char *to)
{
    (void)fd;
    (void)to_dirfd;
    (void)to;
    return -ENOSYS;
}

int heald__plat_fallocate(int fd, int mode, int64_t offset, int64_t size)
{
#ifdef __APPLE__
    (void)fd;
    (void)mode;
    (void)offset;
    (void)size;
    return -ENOSYS;
#else
    return mode ? -ENOSYS : -posix_fallocate(fd, (off_t)offset, (off_t)size);
#endif
}

static void fill(struct heald_statfs *to, const struct statvfs *from)
{
    *to = (struct heald_statfs){
        .fsid = from->f_fsid,
        .block_size = from->f_frsize ? from->f_frsize : from->f_bsize,
        .blocks = from->f_blocks,
        .blocks_free = from->f_bfree,
        .blocks_avail = from->f_bavail,
        .files = from->f_files,
        .files_free = from->f_ffree,
        .files_avail = from->f_favail,
        .name_max = from->f_namemax,
        .read_only = from->f_flag & ST_RDONLY ? 1 : 0,
    };
}

/* There is no statvfsat(): relative to a directory the file must be one that can be opened. */
int heald__plat_statfs(int dirfd, const char *path, struct heald_statfs *ret_statfs)
{
    bool opens = *path && *path != '/' && dirfd != AT_FDCWD;
    int fd = opens ? openat(dirfd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC) : dirfd;
    struct statvfs st;

    if (opens && fd < 0)
        return -errno;
    int result = *path && !opens ? statvfs(path, &st) : fstatvfs(fd, &st);
    int err = result < 0 ? -errno : 0;
    if (opens)
        close(fd);
    if (!err)
        fill(ret_statfs, &st);
    return err;
}
