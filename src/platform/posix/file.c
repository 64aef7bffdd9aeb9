/* platform/posix/file.c: calls on files, by POSIX alone. These block, so they belong to an engine.
 */
#include "platform/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#ifdef __APPLE__
#define st_atim st_atimespec
#define st_mtim st_mtimespec
#define st_ctim st_ctimespec
#endif

int heald__plat_open_beneath(int dirfd, const char *path, int flags, mode_t mode)
{
    return heald__plat_open_walk(dirfd, path, flags, mode);
}

static struct heald_time time_of(struct timespec ts)
{
    return (struct heald_time){.sec = ts.tv_sec, .nsec = (uint32_t)ts.tv_nsec};
}

/* The number of a device has no parts by POSIX: the high and the low half stand in for them. */
static void fill(struct heald_stat *to, const struct stat *st)
{
    uint64_t dev = (uint64_t)st->st_dev, rdev = (uint64_t)st->st_rdev;

    memset(to, 0, sizeof *to);
    to->blksize = (uint32_t)st->st_blksize;
    to->nlink = (uint32_t)st->st_nlink;
    to->uid = st->st_uid;
    to->gid = st->st_gid;
    to->mode = (uint16_t)st->st_mode;
    to->ino = st->st_ino;
    to->size = (uint64_t)st->st_size;
    to->blocks = (uint64_t)st->st_blocks;
    to->atime = time_of(st->st_atim);
    to->mtime = time_of(st->st_mtim);
    to->ctime = time_of(st->st_ctim);
    to->dev_major = (uint32_t)(dev >> 32);
    to->dev_minor = (uint32_t)dev;
    to->rdev_major = (uint32_t)(rdev >> 32);
    to->rdev_minor = (uint32_t)rdev;
}

int heald__plat_stat(int dirfd, const char *path, int flags, struct heald_stat *ret_stat)
{
    struct stat st;
    /* AT_EMPTY_PATH is Linux's; by itself an empty path is no error here either. */
    int err = *path ? fstatat(dirfd, path, &st, flags & AT_SYMLINK_NOFOLLOW) : fstat(dirfd, &st);

    if (err < 0)
        return -errno;
    fill(ret_stat, &st);
    return 0;
}
