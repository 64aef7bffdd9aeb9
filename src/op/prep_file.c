/*
 * op/prep_file.c: the preps of operations on files. Pure, and as those of prep.c.
 */
#include "op/op.h"

#include <heald/file.h>
#include <heald/file_lock.h>
#include <heald/map.h>
#include <heald/path.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

static int prep_map(struct heald_op *op, enum op_kind kind, struct heald_map *map, size_t offset,
                    size_t size)
{
    int err = op_prepare_kind(op, kind, map);

    if (err)
        return err;
    op->u.map.map = map;
    op->u.map.offset = offset;
    op->u.map.size = size;
    return 0;
}

int heald_prep_map_sync(struct heald_op *op, struct heald_map *map, size_t offset, size_t size)
{
    return prep_map(op, OP_MAP_SYNC, map, offset, size);
}

int heald_prep_map_prefault(struct heald_op *op, struct heald_map *map, size_t offset, size_t size,
                            unsigned access)
{
    return prep_map(op, access == HEALD_MAP_WRITE ? OP_MAP_WRITE : OP_MAP_READ,
                    access <= HEALD_MAP_WRITE ? map : NULL, offset, size);
}

static int prep_path(struct heald_op *op, enum op_kind kind, int dirfd, const char *path, int flags)
{
    int err = op_prepare_kind(op, kind, path && (kind != OP_OPEN_BENEATH || dirfd >= 0));
    if (err)
        return err;
    op->u.path.dirfd = dirfd;
    op->u.path.flags = flags;
    op->u.path.path = path;
    return 0;
}

int heald_prep_open(struct heald_op *op, int dirfd, const char *path, int flags, mode_t mode)
{
    int err = prep_path(op, OP_OPEN, dirfd, path, flags | O_CLOEXEC);
    if (!err)
        op->u.path.u.mode = mode;
    return err;
}

int heald_prep_open_beneath(struct heald_op *op, int dirfd, const char *path, int flags,
                            mode_t mode)
{
    int err = prep_path(op, OP_OPEN_BENEATH, dirfd, path, flags | O_CLOEXEC);
    if (!err)
        op->u.path.u.mode = mode;
    return err;
}

int heald_prep_stat(struct heald_op *op, int dirfd, const char *path, int flags,
                    struct heald_stat *ret_stat)
{
    bool is_valid = ret_stat && !(flags & ~AT_SYMLINK_NOFOLLOW);
    int err = prep_path(op, OP_STAT, dirfd, is_valid ? path : NULL, flags);
    if (!err)
        op->u.path.u.ret = ret_stat;
    return err;
}

int heald_prep_fsync(struct heald_op *op, int fd, int data_only)
{
    int err = op_prepare_kind(op, OP_FSYNC, true);

    if (err)
        return err;
    op->u.poll.fd = fd;
    op->u.poll.events = data_only != 0;
    return 0;
}

static int prep_name(struct heald_op *op, enum op_kind kind, int dirfd, const char *path)
{
    return prep_path(op, kind, dirfd, path, 0);
}

int heald_prep_unlink(struct heald_op *op, int dirfd, const char *path)
{
    return prep_name(op, OP_UNLINK, dirfd, path);
}

int heald_prep_rmdir(struct heald_op *op, int dirfd, const char *path)
{
    return prep_path(op, OP_RMDIR, dirfd, path, AT_REMOVEDIR);
}

int heald_prep_mkdir(struct heald_op *op, int dirfd, const char *path, mode_t mode)
{
    int err = prep_name(op, OP_MKDIR, dirfd, path);
    if (!err)
        op->u.path.u.mode = mode;
    return err;
}

int heald_prep_symlink(struct heald_op *op, const char *target, int dirfd, const char *path)
{
    int err = prep_name(op, OP_SYMLINK, dirfd, target ? path : NULL);
    if (!err)
        op->u.path.u.target = target;
    return err;
}

static int prep_paths(struct heald_op *op, enum op_kind kind, int from_dirfd, const char *from,
                      int to_dirfd, const char *to)
{
    int err = op_prepare_kind(op, kind, from && to);
    if (err)
        return err;
    op->u.paths.dirfd = from_dirfd;
    op->u.paths.to_dirfd = to_dirfd;
    op->u.paths.path = from;
    op->u.paths.to = to;
    return 0;
}

int heald_prep_link(struct heald_op *op, int from_dirfd, const char *from, int to_dirfd,
                    const char *to, int flags)
{
    bool is_valid = !(flags & ~AT_SYMLINK_FOLLOW);
    int err = prep_paths(op, from && !*from ? OP_LINK_FD : OP_LINK, from_dirfd, from, to_dirfd,
                         is_valid ? to : NULL);
    if (!err)
        op->buffer = (uint16_t)flags;
    return err;
}

int heald_prep_rename(struct heald_op *op, int from_dirfd, const char *from, int to_dirfd,
                      const char *to, int flags)
{
    bool is_valid = flags == 0 || flags == HEALD_RENAME_NOREPLACE || flags == HEALD_RENAME_EXCHANGE;
    int err = prep_paths(op, OP_RENAME, from_dirfd, from, to_dirfd, is_valid ? to : NULL);
    if (!err)
        op->buffer = (uint16_t)flags;
    return err;
}

int heald_prep_readlink(struct heald_op *op, int dirfd, const char *path, char *buf, size_t len)
{
    int err = prep_path(op, OP_READLINK, dirfd, buf && len ? path : NULL,
                        len > INT_MAX ? INT_MAX : (int)len);
    if (!err)
        op->u.path.u.buf = buf;
    return err;
}

/* What changes an attribute of a path, or of what it leads to. */
static int prep_change(struct heald_op *op, enum op_kind kind, int dirfd, const char *path,
                       int flags)
{
    return prep_path(op, kind, dirfd, flags & ~AT_SYMLINK_NOFOLLOW ? NULL : path, flags);
}

int heald_prep_chmod(struct heald_op *op, int dirfd, const char *path, mode_t mode, int flags)
{
    int err = prep_change(op, OP_CHMOD, dirfd, mode & ~(mode_t)07777 ? NULL : path, flags);
    if (!err)
        op->u.path.u.mode = mode;
    return err;
}

int heald_prep_chown(struct heald_op *op, int dirfd, const char *path, uid_t uid, gid_t gid,
                     int flags)
{
    int err = prep_change(op, OP_CHOWN, dirfd, path, flags);
    if (!err) {
        op->u.path.u.owner.uid = uid;
        op->u.path.u.owner.gid = gid;
    }
    return err;
}

static bool is_time(const struct heald_time *t)
{
    return t->nsec < HEALD_SEC || t->nsec == HEALD_TIME_NOW || t->nsec == HEALD_TIME_OMIT;
}

int heald_prep_utimens(struct heald_op *op, int dirfd, const char *path,
                       const struct heald_time times[2], int flags)
{
    bool is_valid = !times || (is_time(&times[0]) && is_time(&times[1]));
    int err = prep_change(op, OP_UTIMENS, dirfd, is_valid ? path : NULL, flags);
    if (!err)
        op->u.path.u.times = times;
    return err;
}

int heald_prep_statfs(struct heald_op *op, int dirfd, const char *path,
                      struct heald_statfs *ret_statfs)
{
    int err = prep_name(op, OP_STATFS, dirfd, ret_statfs ? path : NULL);
    if (!err)
        op->u.path.u.statfs = ret_statfs;
    return err;
}

static bool is_offset(int64_t offset)
{
    return offset >= 0 || offset == HEALD_NO_OFFSET;
}

int heald_prep_copy_range(struct heald_op *op, int from_fd, int to_fd,
                          const struct heald_copy *copy)
{
    bool is_valid = copy && is_offset(copy->from_offset) && is_offset(copy->to_offset);
    int err = op_prepare_kind(op, OP_COPY_RANGE, is_valid);
    if (err)
        return err;
    op->u.copy.fd = from_fd;
    op->u.copy.to = to_fd;
    op->u.copy.copy = copy;
    return 0;
}

int heald_prep_sendfile(struct heald_op *op, int sock, int from_fd, int64_t offset, size_t len)
{
    int err = op_prepare_kind(op, OP_SENDFILE, offset >= 0);
    if (err)
        return err;
    op->u.sendfile.fd = sock;
    op->u.sendfile.from = from_fd;
    op->u.sendfile.offset = offset;
    op->u.sendfile.len = len;
    return 0;
}

enum { TEMP_FLAGS = O_APPEND | O_SYNC | O_DSYNC };

/* mkostemp(3) wants it at the end. */
static bool is_pattern(const char *path)
{
    static const char end[] = "XXXXXX";
    size_t n = path ? strlen(path) : 0;

    return n >= sizeof end - 1 && strcmp(path + n - (sizeof end - 1), end) == 0;
}

int heald_prep_tempfile(struct heald_op *op, int dirfd, const char *pattern, int flags,
                        char *ret_path)
{
    bool is_valid = is_pattern(pattern) && ret_path && !(flags & ~TEMP_FLAGS);
    int err = prep_path(op, OP_TEMPFILE, dirfd, is_valid ? pattern : NULL, flags);
    if (!err)
        op->u.path.u.buf = ret_path;
    return err;
}

int heald_prep_tempfile_unnamed(struct heald_op *op, int dirfd, const char *directory, int flags)
{
    return prep_path(op, OP_TEMPFILE_UNNAMED, dirfd, flags & ~TEMP_FLAGS ? NULL : directory, flags);
}

int heald_prep_readdir(struct heald_op *op, int fd, void *buf, size_t len, int64_t position)
{
    int err = op_prepare_kind(op, OP_READDIR, buf && len >= HEALD_READDIR_MIN && position >= 0);
    if (err)
        return err;
    op->u.rw.fd = fd;
    op->u.rw.len = len > INT_MAX ? INT_MAX : (uint32_t)len;
    op->u.rw.buf = buf;
    op->u.rw.off = position;
    return 0;
}

static int prep_range(struct heald_op *op, enum op_kind kind, int fd, int mode, int64_t offset,
                      int64_t size)
{
    int err = op_prepare_kind(op, kind, offset >= 0 && size >= 0);
    if (err)
        return err;
    op->u.range.fd = fd;
    op->u.range.mode = mode;
    op->u.range.offset = offset;
    op->u.range.size = size;
    return 0;
}

int heald_prep_ftruncate(struct heald_op *op, int fd, int64_t size)
{
    return prep_range(op, OP_FTRUNCATE, fd, 0, 0, size);
}

int heald_prep_fallocate(struct heald_op *op, int fd, int mode, int64_t offset, int64_t size)
{
    const int known = HEALD_FALLOC_KEEP_SIZE | HEALD_FALLOC_PUNCH_HOLE |
                      HEALD_FALLOC_COLLAPSE_RANGE | HEALD_FALLOC_ZERO_RANGE |
                      HEALD_FALLOC_INSERT_RANGE | HEALD_FALLOC_UNSHARE_RANGE;

    return prep_range(op, OP_FALLOCATE, fd, mode, offset, size && !(mode & ~known) ? size : -1);
}

int heald_prep_file_lock(struct heald_op *op, int fd, enum heald_file_lock_mode mode,
                         int64_t offset, int64_t size)
{
    bool is_valid = mode == HEALD_FILE_SHARED || mode == HEALD_FILE_EXCLUSIVE;

    return prep_range(op, OP_FILE_LOCK, fd, (int)mode, offset, is_valid ? size : -1);
}

int heald_prep_file_unlock(struct heald_op *op, int fd, int64_t offset, int64_t size)
{
    return prep_range(op, OP_FILE_UNLOCK, fd, HEALD_FILE_UNLOCKED, offset, size);
}

int heald_prep_flock(struct heald_op *op, int fd, enum heald_file_lock_mode mode)
{
    bool is_valid =
        mode == HEALD_FILE_UNLOCKED || mode == HEALD_FILE_SHARED || mode == HEALD_FILE_EXCLUSIVE;

    return prep_range(op, OP_FLOCK, fd, (int)mode, 0, is_valid ? 0 : -1);
}
