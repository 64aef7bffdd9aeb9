/*
 * heald/file.h: operations on files by name. Data is read and written with heald/io.h.
 *
 * They go to the loop's file engine and never block the loop but on the engine `sync`, which does
 * each one in heald_submit(). Paths stay in place until the final completion. Preps return 0,
 * -EBUSY or -EINVAL as in io.h; a path that is NULL is -EINVAL.
 */
#ifndef HEALD_FILE_H
#define HEALD_FILE_H

#include <heald/op.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A point in time on the real-time clock. */
struct heald_time {
    int64_t sec;
    uint32_t nsec;
    int32_t reserved;
};

/* What is known of a file. On Linux this is the layout of struct statx, so that the kernel fills it
 * in place. */
struct heald_stat {
    uint32_t mask; /* private: which fields the system filled */
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

/* openat(2), with O_CLOEXEC always: a descriptor or -errno. dirfd may be AT_FDCWD. */
HEALD_API int heald_prep_open(struct heald_op *op, int dirfd, const char *path, int flags,
                              mode_t mode);

/*
 * The same, but whatever `path` says, it leads to nothing outside the directory `dirfd`: no "..",
 * absolute path or symbolic link may leave it (-EXDEV). By openat2(2) with RESOLVE_BENEATH; where
 * that is missing, component by component, and symbolic links are refused (-ELOOP, or -ENOTDIR
 * within the path). -EINVAL: `dirfd` is AT_FDCWD, or another negative number.
 */
HEALD_API int heald_prep_open_beneath(struct heald_op *op, int dirfd, const char *path, int flags,
                                      mode_t mode);

/*
 * Facts about a file. An empty path means the descriptor `dirfd` itself, as fstat(2). -EINVAL:
 * flags other than 0 and AT_SYMLINK_NOFOLLOW, or ret_stat is NULL.
 */
HEALD_API int heald_prep_stat(struct heald_op *op, int dirfd, const char *path, int flags,
                              struct heald_stat *ret_stat);

/* fsync(2); with `data_only` not 0, fdatasync(2). Covers what had completed before it was
 * submitted. */
HEALD_API int heald_prep_fsync(struct heald_op *op, int fd, int data_only);

#ifdef __cplusplus
}
#endif
#endif
