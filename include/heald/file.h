/*
 * heald/file.h: operations on files by name. heald/io.h reads and writes their data.
 *
 * The file engine of the loop performs these operations. They do not block the loop, except on the
 * engine `sync`, which performs them in heald_submit(). The preps do not block, and return as those
 * of heald/io.h:
 *
 *   0         the op is prepared
 *   -EBUSY    the op is pending
 *   -EINVAL   path is NULL, or as below
 *
 * Paths belong to the caller and stay in place until the final completion. The result of an op is
 * that of the system call, or as below.
 */
#ifndef HEALD_FILE_H
#define HEALD_FILE_H

#include <heald/op.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A time of the real-time clock. */
struct heald_time {
    int64_t sec;
    uint32_t nsec;
    int32_t reserved;
};

/* The attributes of a file. On Linux this has the layout of struct statx, so that the kernel fills
 * it in place. */
struct heald_stat {
    uint32_t mask; /* private: the fields that the system filled */
    uint32_t blksize;
    uint64_t attributes;
    uint32_t nlink, uid, gid;
    uint16_t mode; /* type and permissions, as st_mode */
    uint16_t reserved0;
    uint64_t ino, size, blocks;
    uint64_t attributes_mask;
    struct heald_time atime, btime, ctime, mtime;
    uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
    uint64_t reserved1[14];
};

/*
 * Opens a file, as openat(2). O_CLOEXEC is always added. `dirfd` may be AT_FDCWD. The result is a
 * descriptor, which belongs to the caller, or -errno.
 */
HEALD_API int heald_prep_open(struct heald_op *op, int dirfd, const char *path, int flags,
                              mode_t mode);

/*
 * Opens a file in the directory `dirfd` or below it, as heald_prep_open(). Uses openat2(2) with
 * RESOLVE_BENEATH. If the system lacks it, heald walks the path component by component and refuses
 * symbolic links.
 *
 *   -EINVAL    (prep) dirfd is AT_FDCWD, or another negative number
 *   -EXDEV     (result) a "..", an absolute path or a symbolic link leads outside dirfd
 *   -ELOOP     (result) without openat2(2): the last component is a symbolic link
 *   -ENOTDIR   (result) without openat2(2): another component is a symbolic link
 */
HEALD_API int heald_prep_open_beneath(struct heald_op *op, int dirfd, const char *path, int flags,
                                      mode_t mode);

/*
 * Gets the attributes of a file. With an empty path it is the file that the descriptor `dirfd`
 * refers to, as fstat(2). *ret_stat stays in place until the final completion. The result is 0 or
 * -errno.
 *
 *   -EINVAL   (prep) flags is neither 0 nor AT_SYMLINK_NOFOLLOW, or ret_stat is NULL
 */
HEALD_API int heald_prep_stat(struct heald_op *op, int dirfd, const char *path, int flags,
                              struct heald_stat *ret_stat);

/*
 * fsync(2), or fdatasync(2) if `data_only` is not 0. Covers the writes that completed before the
 * submission. The result is 0 or -errno.
 */
HEALD_API int heald_prep_fsync(struct heald_op *op, int fd, int data_only);

#ifdef __cplusplus
}
#endif
#endif
