/*
 * heald/file.h: operations on files. heald/io.h reads and writes their data, heald/path.h changes
 * directories and attributes.
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

#include <heald/io.h>

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

/* A part of a file that is copied. An offset of HEALD_NO_OFFSET is the file position, which moves.
 */
struct heald_copy {
    int64_t from_offset;
    int64_t to_offset;
    uint64_t len;
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
 * Open a temporary file, which did not exist before, for reading and writing, with the permissions
 * 0600. O_CLOEXEC is always added. The result is a descriptor, which belongs to the caller, or
 * -errno.
 *
 * heald_prep_tempfile: as mkostemp(3), but `pattern`, which ends in "XXXXXX", stays as it is. The
 * path with six random characters instead is written to `ret_path`, which has room for the length
 * of the pattern and one byte more, and stays in place until the final completion. The caller
 * unlinks it.
 *
 * heald_prep_tempfile_unnamed: a file without a name on the file system of `directory`. It is gone
 * when its last descriptor is closed. Where there is O_TMPFILE, heald_prep_link() can give it a
 * name; elsewhere a file ".heald-XXXXXX" is made in the directory, and unlinked.
 *
 *   -EINVAL   (prep) flags has other bits than O_APPEND, O_SYNC and O_DSYNC; pattern does not end
 *             in "XXXXXX"; ret_path is NULL
 *   -EEXIST   (result) no name was free in 100 attempts
 */
HEALD_API int heald_prep_tempfile(struct heald_op *op, int dirfd, const char *pattern, int flags,
                                  char *ret_path);
HEALD_API int heald_prep_tempfile_unnamed(struct heald_op *op, int dirfd, const char *directory,
                                          int flags);

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
 * Copies a part of a regular file into another, as copy_file_range(2). Where the system or the file
 * system does not do that, heald reads and writes. `copy` stays in place until the final
 * completion, and is not changed. The result is how many bytes were copied, which may be fewer; 0
 * at the end of the file; or -errno. The op belongs to `from_fd`; `to_fd` stays open until the
 * final completion.
 *
 *   -EINVAL   (prep) copy is NULL, or one of its offsets is negative and not HEALD_NO_OFFSET
 *   -EINVAL   (result) one of the files is not a regular file, or the parts overlap in one file
 */
HEALD_API int heald_prep_copy_range(struct heald_op *op, int from_fd, int to_fd,
                                    const struct heald_copy *copy);

/*
 * Sends a part of a file to a stream socket. It waits in the queue of the socket, in order with the
 * other ops that send. Neither a full socket nor the disk blocks the loop, whatever the flags of
 * the socket are. The result is how many bytes were sent, which may be fewer (256 KiB at a time); 0
 * at the end of the file; or -errno. The op belongs to `sock`; `from_fd` stays open until the final
 * completion.
 *
 *   -EINVAL     (prep) offset is negative
 *   -ENOTSOCK   (result) sock is not a socket
 *   -ESPIPE     (result) from_fd cannot be read at an offset
 *   -EPIPE      (result) the socket does not send any more; there is no SIGPIPE
 */
HEALD_API int heald_prep_sendfile(struct heald_op *op, int sock, int from_fd, int64_t offset,
                                  size_t len);

#ifdef __cplusplus
}
#endif
#endif
