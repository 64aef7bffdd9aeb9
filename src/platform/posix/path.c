/* platform/posix/path.c: directories and file systems, by POSIX alone. These block, so they belong
 * to an engine. */
#include "platform/sys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#ifdef __APPLE__
#include <sys/random.h>
#endif

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

int heald__plat_random(void *buf, size_t len)
{
    return getentropy(buf, len) < 0 ? -errno : 0;
}

int heald__plat_tempfile_unnamed(int dirfd, const char *directory, int flags)
{
    return heald__plat_tempfile_unlinked(dirfd, directory, flags);
}

static uint8_t type_of(int dirfd, const char *name)
{
    static const struct {
        mode_t mode;
        enum heald_file_type type;
    } types[] = {
        {S_IFIFO, HEALD_FILE_FIFO},      {S_IFCHR, HEALD_FILE_CHARACTER_DEVICE},
        {S_IFDIR, HEALD_FILE_DIRECTORY}, {S_IFBLK, HEALD_FILE_BLOCK_DEVICE},
        {S_IFREG, HEALD_FILE_REGULAR},   {S_IFLNK, HEALD_FILE_SYMLINK},
        {S_IFSOCK, HEALD_FILE_SOCKET},
    };
    struct stat st;

    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return HEALD_FILE_UNKNOWN;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if ((st.st_mode & S_IFMT) == types[i].mode)
            return (uint8_t)types[i].type;
    return HEALD_FILE_UNKNOWN;
}

/* The bytes of an entry; 0: there is no room. */
static size_t put(int dirfd, const struct dirent *d, int64_t position, char *to, size_t room)
{
    size_t n = strlen(d->d_name) + 1, size = (HEALD_DIRENT_NAME + n + 7) & ~(size_t)7;
    struct heald_dirent_head head = {.ino = d->d_ino,
                                     .position = position,
                                     .size = (uint16_t)size,
                                     .type = type_of(dirfd, d->d_name)};

    if (size > room)
        return 0;
    memset(to, 0, size);
    memcpy(to, &head, HEALD_DIRENT_NAME);
    memcpy(to + HEALD_DIRENT_NAME, d->d_name, n);
    return size;
}

static int64_t fill_entries(DIR *dir, int fd, char *buf, size_t len, int64_t position)
{
    const struct dirent *d;
    int64_t at = 0;
    size_t used = 0;

    errno = 0;
    while ((d = readdir(dir))) {
        if (at++ < position)
            continue;
        size_t n = put(fd, d, at, buf + used, len - used);
        if (!n)
            return used ? (int64_t)used : -EINVAL;
        used += n;
        errno = 0;
    }
    return errno ? -errno : (int64_t)used;
}

/* POSIX knows no place in a directory but of an open stream, so it is opened once more, and the
 * place is the number of entries that were read. */
int64_t heald__plat_readdir(int fd, void *buf, size_t len, int64_t position)
{
    int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = again < 0 ? NULL : fdopendir(again);

    if (!dir) {
        int err = -errno;
        if (again >= 0)
            close(again);
        return err;
    }
    int64_t result = fill_entries(dir, fd, buf, len, position);
    closedir(dir);
    return result;
}

int64_t heald__plat_copy_range(int from, int64_t from_offset, int to, int64_t to_offset,
                               uint64_t len)
{
    return heald__plat_copy_by_buffer(from, from_offset, to, to_offset, len);
}
