/*
 * file_locks.h: the locks on files of this host: of fcntl(2) and flock(2), as /proc/locks lists
 * them.
 *
 * That list has no paths, and no process of an open file description lock. These are looked for
 * among the descriptors of the processes that the caller may look into; what is not found is not
 * known.
 */
#ifndef HEALD_CMD_FILE_LOCKS_H
#define HEALD_CMD_FILE_LOCKS_H

#include <heald/inspect.h>

#include <stdbool.h>

enum { FILE_LOCK_TYPE_SIZE = 8, FILE_LOCK_DEVICE_SIZE = 24 };

#define FILE_LOCK_TO_END UINT64_MAX

/* A lock that is held, or a wait for the last such lock before it. */
struct file_lock {
    bool waits;
    bool is_write;
    char type[FILE_LOCK_TYPE_SIZE];     /* "ofd", "flock", "posix", "lease", … */
    char device[FILE_LOCK_DEVICE_SIZE]; /* major and minor number, in hexadecimal */
    uint64_t inode;
    uint64_t start, end; /* the first and the last byte */
    char *path;          /* NULL: not known */
    unsigned process_count;
    struct heald_thread_info *processes; /* that hold it; of a wait one at most */
};

struct file_locks {
    unsigned count;
    struct file_lock *locks;
};

/* False: this system does not list them. */
bool file_locks_take(struct file_locks *l);
void file_locks_free(struct file_locks *l);

/* How many of those after this one wait for it. */
unsigned file_locks_waits(const struct file_locks *l, unsigned lock);

void file_locks_print(const struct file_locks *l);

struct json;
void file_locks_put(struct json *j, const struct file_locks *l);

#endif
