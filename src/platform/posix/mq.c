/* platform/posix/mq.c: POSIX does not say that a queue descriptor can be polled, nor that it is a
 * file descriptor at all. */
#include "platform/mq.h"

#include "platform/sys.h"

#include <errno.h>

int heald__plat_mq_open(const char *name, int flags, mode_t mode,
                        const struct heald_mq_shape *shape)
{
    (void)name;
    (void)flags;
    (void)mode;
    (void)shape;
    return -ENOSYS;
}

int heald__plat_mq_unlink(const char *name)
{
    (void)name;
    return -ENOSYS;
}

int heald__plat_mq_shape(int fd, struct heald_mq_shape *ret_shape)
{
    (void)fd;
    (void)ret_shape;
    return -ENOSYS;
}

void heald__plat_mq_limits(struct heald_mq_limits *ret_limits)
{
    *ret_limits = (struct heald_mq_limits){-1, -1, -1, -1, -1, -1, -1};
}

bool heald__plat_is_mq(int fd, const struct stat *st)
{
    (void)fd;
    (void)st;
    return false;
}

int64_t heald__plat_mq_send_now(int fd, const void *buf, size_t len, unsigned priority)
{
    (void)fd;
    (void)buf;
    (void)len;
    (void)priority;
    return -ENOSYS;
}

int64_t heald__plat_mq_receive_now(int fd, void *buf, size_t len, unsigned *ret_priority)
{
    (void)fd;
    (void)buf;
    (void)len;
    (void)ret_priority;
    return -ENOSYS;
}
