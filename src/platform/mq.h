/*
 * platform/mq.h: message queues of POSIX whose descriptor can be polled. Every call returns >= 0 or
 * -errno; none blocks; any thread. Where a system's cannot be polled all return -ENOSYS.
 */
#ifndef HEALD_SRC_PLATFORM_MQ_H
#define HEALD_SRC_PLATFORM_MQ_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct stat;

struct heald_mq_shape {
    long messages, size; /* at most so many, of at most so many bytes */
    long current;        /* how many are in it now */
};

/* The limits of the system for a process without privileges; -1: not known. */
struct heald_mq_limits {
    long messages, size, queues;
    long default_messages, default_size;
    long long bytes;       /* of all queues of the user */
    long long descriptors; /* of the process */
};

/* A descriptor, non-blocking and close-on-exec. flags as of open(2); shape NULL: the default. */
int heald__plat_mq_open(const char *name, int flags, mode_t mode,
                        const struct heald_mq_shape *shape);
int heald__plat_mq_unlink(const char *name);
int heald__plat_mq_shape(int fd, struct heald_mq_shape *ret_shape);
void heald__plat_mq_limits(struct heald_mq_limits *ret_limits);

/* Is an open file, which looks like a regular one, such a queue? */
bool heald__plat_is_mq(int fd, const struct stat *st);

#endif
