/* platform/common/path.c: what changes directories and attributes, by POSIX alone. These block, so
 * they belong to an engine. Where a path may be empty it is the file of the descriptor itself. */
#include "platform/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int result_of(int result)
{
    return result < 0 ? -errno : result;
}

int heald__plat_unlink(int dirfd, const char *path, int flags)
{
    return result_of(unlinkat(dirfd, path, flags));
}

int heald__plat_mkdir(int dirfd, const char *path, mode_t mode)
{
    return result_of(mkdirat(dirfd, path, mode));
}

int heald__plat_symlink(const char *target, int dirfd, const char *path)
{
    return result_of(symlinkat(target, dirfd, path));
}

int heald__plat_link(int from_dirfd, const char *from, int to_dirfd, const char *to, int flags)
{
    return result_of(linkat(from_dirfd, from, to_dirfd, to, flags));
}

int64_t heald__plat_readlink(int dirfd, const char *path, char *buf, size_t len)
{
    ssize_t n = readlinkat(dirfd, path, buf, len);
    return n < 0 ? -errno : n;
}

int heald__plat_chmod(int dirfd, const char *path, mode_t mode, int flags)
{
    return result_of(*path ? fchmodat(dirfd, path, mode, flags) : fchmod(dirfd, mode));
}

int heald__plat_chown(int dirfd, const char *path, uid_t uid, gid_t gid, int flags)
{
    return result_of(*path ? fchownat(dirfd, path, uid, gid, flags) : fchown(dirfd, uid, gid));
}

static struct timespec timespec_of(const struct heald_time *t)
{
    struct timespec ts = {.tv_sec = (time_t)t->sec, .tv_nsec = (long)t->nsec};

    if (t->nsec == HEALD_TIME_NOW)
        ts.tv_nsec = UTIME_NOW;
    else if (t->nsec == HEALD_TIME_OMIT)
        ts.tv_nsec = UTIME_OMIT;
    return ts;
}

int heald__plat_utimens(int dirfd, const char *path, const struct heald_time *times, int flags)
{
    struct timespec ts[2];

    for (int i = 0; times && i < 2; i++) {
        ts[i] = timespec_of(&times[i]);
        if (ts[i].tv_sec != times[i].sec)
            return -EOVERFLOW;
    }
    return result_of(*path ? utimensat(dirfd, path, times ? ts : NULL, flags)
                           : futimens(dirfd, times ? ts : NULL));
}

int heald__plat_ftruncate(int fd, int64_t size)
{
    if ((off_t)size != size)
        return -EFBIG;
    return result_of(ftruncate(fd, (off_t)size));
}
