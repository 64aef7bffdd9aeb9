/*
 * heald/file.h: operations on files and directories. heald/io.h reads and writes their data.
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

/* In heald_time.nsec, for heald_prep_utimens(): the time now; the time as it is. */
#define HEALD_TIME_NOW  0x3fffffffu
#define HEALD_TIME_OMIT 0x3ffffffeu

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

/* A file system. What the system does not report is 0. */
struct heald_statfs {
    uint64_t type;       /* f_type of statfs(2), such as EXT4_SUPER_MAGIC; Linux alone */
    uint64_t fsid;       /* differs between file systems that are mounted */
    uint64_t block_size; /* of `blocks` and the next two, in bytes */
    uint64_t blocks, blocks_free, blocks_avail; /* avail: to users without privileges */
    uint64_t files, files_free, files_avail;    /* inodes */
    uint64_t name_max;
    uint64_t read_only; /* 1: it is mounted so */
    uint64_t reserved[5];
};

/* Flags of heald_prep_rename(). */
enum {
    HEALD_RENAME_NOREPLACE = 1, /* fail with -EEXIST where the new name exists */
    HEALD_RENAME_EXCHANGE = 2   /* exchange the two, which must both exist */
};

/* Bits of the mode of heald_prep_fallocate(), as of fallocate(2). */
enum {
    HEALD_FALLOC_KEEP_SIZE = 0x01,
    HEALD_FALLOC_PUNCH_HOLE = 0x02, /* with KEEP_SIZE */
    HEALD_FALLOC_COLLAPSE_RANGE = 0x08,
    HEALD_FALLOC_ZERO_RANGE = 0x10,
    HEALD_FALLOC_INSERT_RANGE = 0x20,
    HEALD_FALLOC_UNSHARE_RANGE = 0x40
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

/*
 * Change a directory, as unlinkat(2), mkdirat(2), symlinkat(2), linkat(2) and renameat2(2).
 * `dirfd` may be AT_FDCWD. The result is 0 or -errno. If one is cancelled after it began, it
 * completes with its own result.
 *
 * Of two descriptors the op belongs to the first: `from_dirfd`. `to_dirfd` stays open until the
 * final completion.
 *
 * heald_prep_unlink: removes a name that is not a directory. heald_prep_rmdir: removes an empty
 * directory.
 *
 * heald_prep_symlink: `path` becomes a symbolic link with the text `target`.
 *
 * heald_prep_link: `flags` is 0 or AT_SYMLINK_FOLLOW. If `from` is empty, the file that the
 * descriptor `from_dirfd` refers to gets a name; that file may be one that has none yet
 * (O_TMPFILE).
 *
 * heald_prep_rename: `flags` is 0, HEALD_RENAME_NOREPLACE or HEALD_RENAME_EXCHANGE.
 *
 *   -EINVAL   (prep) flags is none of these, or target or one of the paths is NULL
 *   -ENOSYS   (result) the system has no rename with these flags
 */
HEALD_API int heald_prep_unlink(struct heald_op *op, int dirfd, const char *path);
HEALD_API int heald_prep_rmdir(struct heald_op *op, int dirfd, const char *path);
HEALD_API int heald_prep_mkdir(struct heald_op *op, int dirfd, const char *path, mode_t mode);
HEALD_API int heald_prep_symlink(struct heald_op *op, const char *target, int dirfd,
                                 const char *path);
HEALD_API int heald_prep_link(struct heald_op *op, int from_dirfd, const char *from, int to_dirfd,
                              const char *to, int flags);
HEALD_API int heald_prep_rename(struct heald_op *op, int from_dirfd, const char *from, int to_dirfd,
                                const char *to, int flags);

/*
 * Reads the text of a symbolic link, as readlinkat(2). The result is its length, or -errno. The
 * text is not terminated, and it is cut to `len` bytes. `buf` stays in place until the final
 * completion.
 *
 *   -EINVAL   (prep) buf is NULL, or len is 0
 *   -EINVAL   (result) path is not a symbolic link
 */
HEALD_API int heald_prep_readlink(struct heald_op *op, int dirfd, const char *path, char *buf,
                                  size_t len);

/*
 * Change attributes of a file: its permissions, its owner, its times of access and of change of
 * data. With an empty path it is the file that the descriptor `dirfd` refers to. `flags` is 0 or
 * AT_SYMLINK_NOFOLLOW. The result is 0 or -errno, as of fchmodat(2), fchownat(2) and utimensat(2).
 *
 * heald_prep_chown: a uid or gid of -1 is not changed.
 *
 * heald_prep_utimens: times[0] is the time of access, times[1] that of change; NULL: both are now.
 * The array stays in place until the final completion.
 *
 *   -EINVAL       (prep) flags is neither 0 nor AT_SYMLINK_NOFOLLOW, or mode has bits beyond 07777,
 *                 or the nsec of a time is neither below 1,000,000,000 nor one of the two constants
 *   -EOPNOTSUPP   (result) path is a symbolic link, and its permissions cannot be changed
 */
HEALD_API int heald_prep_chmod(struct heald_op *op, int dirfd, const char *path, mode_t mode,
                               int flags);
HEALD_API int heald_prep_chown(struct heald_op *op, int dirfd, const char *path, uid_t uid,
                               gid_t gid, int flags);
HEALD_API int heald_prep_utimens(struct heald_op *op, int dirfd, const char *path,
                                 const struct heald_time times[2], int flags);

/*
 * Change the space that an open file has, as ftruncate(2) and fallocate(2). The result is 0 or
 * -errno. `mode` of heald_prep_fallocate() is 0, to allocate and to extend the file if it is
 * shorter, or bits HEALD_FALLOC_….
 *
 *   -EINVAL       (prep) size, or offset, is negative; the size of an fallocate is 0; mode has
 *                 other bits
 *   -EOPNOTSUPP   (result) the file system does not have the mode
 *   -ENOSYS       (result) the system has the mode 0 alone
 */
HEALD_API int heald_prep_ftruncate(struct heald_op *op, int fd, int64_t size);
HEALD_API int heald_prep_fallocate(struct heald_op *op, int fd, int mode, int64_t offset,
                                   int64_t size);

/*
 * Gets facts about the file system that a file is on, as statfs(2). With an empty path it is the
 * file that the descriptor `dirfd` refers to. *ret_statfs stays in place until the final
 * completion. The result is 0 or -errno.
 *
 *   -EINVAL   (prep) ret_statfs is NULL
 */
HEALD_API int heald_prep_statfs(struct heald_op *op, int dirfd, const char *path,
                                struct heald_statfs *ret_statfs);

#ifdef __cplusplus
}
#endif
#endif
