/* platform/linux/path.c: what Linux has of its own for directories and file systems. These block,
 * so they belong to an engine. */
#include "platform/linux/libc.h"
#include "platform/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

enum { RENAME_KNOWN = HEALD_RENAME_NOREPLACE | HEALD_RENAME_EXCHANGE, FD_PATH_SIZE = 40 };

#ifdef FALLOC_FL_KEEP_SIZE
_Static_assert(HEALD_FALLOC_KEEP_SIZE == FALLOC_FL_KEEP_SIZE, "the kernel's bits");
_Static_assert(HEALD_FALLOC_PUNCH_HOLE == FALLOC_FL_PUNCH_HOLE, "the kernel's bits");
#endif

int heald__plat_rename(int from_dirfd, const char *from, int to_dirfd, const char *to, int flags)
{
    long err = flags & RENAME_KNOWN
                   ? syscall(SYS_renameat2, from_dirfd, from, to_dirfd, to, (unsigned)flags)
                   : renameat(from_dirfd, from, to_dirfd, to);

    return err < 0 ? -errno : 0;
}

/* AT_EMPTY_PATH is for the privileged, before Linux 6.10. The link in /proc does the same. */
int heald__plat_link_fd(int fd, int to_dirfd, const char *to)
{
    char path[FD_PATH_SIZE];

    if (linkat(fd, "", to_dirfd, to, AT_EMPTY_PATH) == 0)
        return 0;
    if (errno != ENOENT && errno != EPERM)
        return -errno;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, path, to_dirfd, to, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

int heald__plat_fallocate(int fd, int mode, int64_t offset, int64_t size)
{
    return fallocate(fd, mode, offset, size) < 0 ? -errno : 0;
}

static void fill(struct heald_statfs *to, const struct statfs *from)
{
    uint32_t id[2];

    memcpy(id, &from->f_fsid, sizeof id);
    *to = (struct heald_statfs){
        .type = (unsigned long)from->f_type,
        .fsid = (uint64_t)id[1] << 32 | id[0],
        .block_size = (uint64_t)(from->f_frsize ? from->f_frsize : from->f_bsize),
        .blocks = from->f_blocks,
        .blocks_free = from->f_bfree,
        .blocks_avail = from->f_bavail,
        .files = from->f_files,
        .files_free = from->f_ffree,
        .files_avail = from->f_ffree,
        .name_max = (uint64_t)from->f_namelen,
        .read_only = from->f_flags & ST_RDONLY ? 1 : 0,
    };
}

/* There is no statfsat(2): an O_PATH descriptor stands for the path. */
int heald__plat_statfs(int dirfd, const char *path, struct heald_statfs *ret_statfs)
{
    int fd = *path ? openat(dirfd, path, O_PATH | O_CLOEXEC) : dirfd;
    struct statfs st;

    if (fd < 0 && *path)
        return -errno;
    int err = fstatfs(fd, &st) < 0 ? -errno : 0;
    if (*path)
        close(fd);
    if (!err)
        fill(ret_statfs, &st);
    return err;
}

int heald__plat_random(void *buf, size_t len)
{
    long n;

    /* Up to 256 bytes come whole. */
    do
        n = syscall(SYS_getrandom, buf, len, 0);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

/* Some file systems have no such file, and some kernels none: there the flag is O_DIRECTORY. */
int heald__plat_tempfile_unnamed(int dirfd, const char *directory, int flags)
{
    int fd = openat(dirfd, directory, O_TMPFILE | O_RDWR | O_CLOEXEC | flags, 0600);

    if (fd >= 0)
        return fd;
    if (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)
        return heald__plat_tempfile_unlinked(dirfd, directory, flags);
    return -errno;
}

/* What the kernel fills in. */
struct entry {
    uint64_t ino;
    int64_t off;
    uint16_t reclen;
    uint8_t type;
    char name[1];
};
_Static_assert(offsetof(struct heald_dirent_head, position) == offsetof(struct entry, off), "off");
_Static_assert(offsetof(struct heald_dirent_head, size) == offsetof(struct entry, reclen), "size");
_Static_assert(offsetof(struct heald_dirent_head, type) == offsetof(struct entry, type), "type");
_Static_assert(HEALD_DIRENT_NAME == offsetof(struct entry, name), "name");

int64_t heald__plat_readdir(int fd, void *buf, size_t len, int64_t position)
{
    if (lseek(fd, position, SEEK_SET) < 0 && errno != ESPIPE)
        return -errno;
    long n = syscall(SYS_getdents64, fd, buf, len);
    return n < 0 ? -errno : n;
}

/* By number: a C library may copy by itself where the kernel does not. What is made as it is read
 * (procfs) looks empty to the call, and only a read says whether that is the end. */
int64_t heald__plat_copy_range(int from, int64_t from_offset, int to, int64_t to_offset,
                               uint64_t len)
{
    int64_t in = from_offset, out = to_offset;
    size_t most = len < SSIZE_MAX ? (size_t)len : SSIZE_MAX;
    long n = syscall(SYS_copy_file_range, from, from_offset < 0 ? NULL : &in, to,
                     to_offset < 0 ? NULL : &out, most, 0);

    if (n > 0 || (n == 0 && !len))
        return n;
    if (n < 0 && errno != EXDEV && errno != ENOSYS && errno != EOPNOTSUPP)
        return -errno;
    return heald__plat_copy_by_buffer(from, from_offset, to, to_offset, len);
}
