/*
 * heald/path.h: operations on directories, links and attributes of files.
 *
 * The file engine of the loop performs these operations. They do not block the loop, except on the
 * engine `sync`, which performs them in heald_submit(). A relative path starts at the directory
 * `dirfd`, which may be AT_FDCWD. The preps do not block, and return as those of heald/io.h:
 *
 *   0         the op is prepared
 *   -EBUSY    the op is pending
 *   -EINVAL   path is NULL, or as below
 *
 * Paths belong to the caller and stay in place until the final completion. The result of an op is
 * that of the system call, or as below. An op that is cancelled after it began completes with its
 * own result.
 */
#ifndef HEALD_PATH_H
#define HEALD_PATH_H

#include <heald/file.h>

#ifdef __cplusplus
extern "C" {
#endif

/* In heald_time.nsec, for heald_prep_utimens(): the time now; the time as it is. */
#define HEALD_TIME_NOW  0x3fffffffu
#define HEALD_TIME_OMIT 0x3ffffffeu

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

/* What a name in a directory is: its type, where the file system says so. */
enum heald_file_type {
    HEALD_FILE_UNKNOWN = 0,
    HEALD_FILE_FIFO = 1,
    HEALD_FILE_CHARACTER_DEVICE = 2,
    HEALD_FILE_DIRECTORY = 4,
    HEALD_FILE_BLOCK_DEVICE = 6,
    HEALD_FILE_REGULAR = 8,
    HEALD_FILE_SYMLINK = 10,
    HEALD_FILE_SOCKET = 12
};

/* An entry of a directory. */
struct heald_dirent {
    uint64_t ino;
    int64_t position; /* in the directory, after this entry */
    const char *name; /* terminated; in the buffer that was read */
    enum heald_file_type type;
};

/*
 * Change a directory, as unlinkat(2), mkdirat(2), symlinkat(2), linkat(2) and renameat2(2). The
 * result is 0 or -errno.
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
 * Gets facts about the file system that a file is on, as statfs(2). With an empty path it is the
 * file that the descriptor `dirfd` refers to. *ret_statfs stays in place until the final
 * completion. The result is 0 or -errno.
 *
 *   -EINVAL   (prep) ret_statfs is NULL
 */
HEALD_API int heald_prep_statfs(struct heald_op *op, int dirfd, const char *path,
                                struct heald_statfs *ret_statfs);

/* The smallest buffer of heald_prep_readdir(): an entry with the longest name fits. */
#define HEALD_READDIR_MIN 280

/*
 * Reads entries of a directory, as many as fit in `buf`, from `position` on: 0, or the position of
 * an entry that was read, also by another process or before. heald_dirent_next() takes them out.
 * `buf` stays in place until the final completion. The result is how many bytes were filled, 0 at
 * the end of the directory, or -errno. Reads of one open file follow one another: each moves its
 * file position. An entry that is made or removed meanwhile may be read or not.
 *
 *   -EINVAL    (prep) buf is NULL, len is less than HEALD_READDIR_MIN, or position is negative
 *   -ENOTDIR   (result) fd is not a directory
 */
HEALD_API int heald_prep_readdir(struct heald_op *op, int fd, void *buf, size_t len,
                                 int64_t position);

/*
 * Takes the next entry out of `len` bytes that heald_prep_readdir() has filled, but for "." and
 * "..". *at is where it is in them: 0 for the first, and advanced. When there is no more,
 * ret_entry->position is where the next read begins, and the rest of *ret_entry is as it was. Does
 * not block. Any thread; async-signal-safe.
 *
 *   1         *ret_entry is an entry
 *   0         there is no more
 *   -EINVAL   the bytes are not entries
 */
HEALD_API int heald_dirent_next(const void *buf, size_t len, size_t *at,
                                struct heald_dirent *ret_entry);

#ifdef __cplusplus
}
#endif
#endif
