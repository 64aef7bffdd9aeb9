/* platform/common/file.c: calls on files, by POSIX and preadv(2), which all have. They block, so
 * they belong to an engine. */
#include "platform/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

int heald__plat_open(int dirfd, const char *path, int flags, mode_t mode)
{
    int fd = openat(dirfd, path, flags, mode);
    return fd < 0 ? -errno : fd;
}

int heald__plat_fsync(int fd, bool data_only)
{
    return (data_only ? fdatasync(fd) : fsync(fd)) < 0 ? -errno : 0;
}

int64_t heald__plat_preadv(int fd, const struct iovec *iov, int count, int64_t offset)
{
    ssize_t n = offset < 0 ? readv(fd, iov, count) : preadv(fd, iov, count, (off_t)offset);
    return n < 0 ? -errno : n;
}

int64_t heald__plat_pwritev(int fd, const struct iovec *iov, int count, int64_t offset)
{
    ssize_t n = offset < 0 ? writev(fd, iov, count) : pwritev(fd, iov, count, (off_t)offset);
    return n < 0 ? -errno : n;
}

/* Splits the next component off a path into `name`. Returns its length, 0 at the end, or -errno. */
static int next_component(const char **path, char name[NAME_MAX + 1])
{
    *path += strspn(*path, "/");
    size_t n = strcspn(*path, "/");
    if (n > NAME_MAX)
        return -ENAMETOOLONG;
    memcpy(name, *path, n);
    name[n] = 0;
    *path += n;
    return (int)n;
}

/*
 * Opens a path beneath a directory without the kernel's help: one component at a time, no "..", no
 * absolute path, no symbolic link at all, so that nothing can lead outside while another process
 * renames directories under us.
 */
int heald__plat_open_walk(int dirfd, const char *path, int flags, mode_t mode)
{
    char name[NAME_MAX + 1];
    int at = dirfd, fd, n;

    if (path[0] == '/')
        return -EXDEV;
    while ((n = next_component(&path, name)) > 0) {
        bool last = path[strspn(path, "/")] == 0;
        if (strcmp(name, "..") == 0) {
            fd = -EXDEV;
        } else if (last) {
            fd = heald__plat_open(at, name, flags | O_NOFOLLOW | (*path ? O_DIRECTORY : 0), mode);
        } else {
            fd = heald__plat_open(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
            /* O_NOFOLLOW with O_DIRECTORY calls a link "not a directory". */
        }
        if (at != dirfd)
            close(at);
        if (fd < 0 || last)
            return fd;
        at = fd;
    }
    if (at != dirfd)
        close(at);
    return n < 0 ? n : -ENOENT;
}
