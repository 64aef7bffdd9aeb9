/*
 * platform/linux/mq.c: message queues of POSIX. A queue descriptor is a file descriptor, and can be
 * polled.
 *
 * There is no flag by which one call does not wait, and O_NONBLOCK belongs to the open file. But a
 * call whose absolute time has passed does not wait either, and gets what is there.
 */
#include "platform/mq.h"

#include "platform/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { MQUEUE_FS_MAGIC = 0x19800202, QUEUE_FILE_SIZE = 80 /* FILENT_SIZE of the kernel */ };

int heald__plat_mq_open(const char *name, int flags, mode_t mode,
                        const struct heald_mq_shape *shape)
{
    struct mq_attr attr = {0};

    if (shape) {
        attr.mq_maxmsg = shape->messages;
        attr.mq_msgsize = shape->size;
    }
    int fd = mq_open(name, flags | O_NONBLOCK | O_CLOEXEC, mode, shape ? &attr : NULL);
    return fd < 0 ? -errno : fd;
}

int heald__plat_mq_unlink(const char *name)
{
    return mq_unlink(name) < 0 ? -errno : 0;
}

int heald__plat_mq_shape(int fd, struct heald_mq_shape *ret_shape)
{
    struct mq_attr attr;

    if (mq_getattr(fd, &attr) < 0)
        return -errno;
    *ret_shape = (struct heald_mq_shape){
        .messages = attr.mq_maxmsg, .size = attr.mq_msgsize, .current = attr.mq_curmsgs};
    return 0;
}

static long number_in(const char *path)
{
    char text[32] = "";
    int fd = heald__plat_own(open(path, O_RDONLY | O_CLOEXEC));
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

    if (fd >= 0)
        close(fd);
    return n > 0 ? strtol(text, NULL, 10) : -1;
}

static long long limit_of(int resource)
{
    struct rlimit limit;

    return getrlimit(resource, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY
               ? -1
               : (long long)limit.rlim_cur;
}

void heald__plat_mq_limits(struct heald_mq_limits *ret_limits)
{
    *ret_limits =
        (struct heald_mq_limits){.messages = number_in("/proc/sys/fs/mqueue/msg_max"),
                                 .size = number_in("/proc/sys/fs/mqueue/msgsize_max"),
                                 .queues = number_in("/proc/sys/fs/mqueue/queues_max"),
                                 .default_messages = number_in("/proc/sys/fs/mqueue/msg_default"),
                                 .default_size = number_in("/proc/sys/fs/mqueue/msgsize_default"),
                                 .bytes = limit_of(RLIMIT_MSGQUEUE),
                                 .descriptors = limit_of(RLIMIT_NOFILE)};
}

/* The file system is asked only for a file of that size without a device. */
bool heald__plat_is_mq(int fd, const struct stat *st)
{
    struct statfs fs;

    return st->st_size == QUEUE_FILE_SIZE && !major(st->st_dev) && fstatfs(fd, &fs) == 0 &&
           fs.f_type == MQUEUE_FS_MAGIC;
}

int64_t heald__plat_mq_send_now(int fd, const void *buf, size_t len, unsigned priority)
{
    struct timespec passed = {0}; /* an emulator writes to it */

    if (mq_timedsend(fd, buf, len, priority, &passed) == 0)
        return 0;
    return errno == ETIMEDOUT ? -EAGAIN : -errno;
}

int64_t heald__plat_mq_receive_now(int fd, void *buf, size_t len, unsigned *ret_priority)
{
    struct timespec passed = {0};
    ssize_t n = mq_timedreceive(fd, buf, len, ret_priority, &passed);

    if (n >= 0)
        return n;
    return errno == ETIMEDOUT ? -EAGAIN : -errno;
}
