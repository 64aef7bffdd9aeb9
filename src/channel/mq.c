/*
 * channel/mq.c: POSIX message queues: open, with the limit that was in the way as text; the calls
 * that do not wait. Any thread.
 */
#include "platform/mq.h"
#include "base/choose.h"
#include "platform/sys.h"

#include <heald/mq.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

enum { DEFAULT_MESSAGES = 10, DEFAULT_SIZE = 8192 };

/* A new queue has both numbers or neither. NULL: neither. */
static const struct heald_mq_shape *shape_of(const struct heald_mq_attributes *a,
                                             struct heald_mq_shape *shape)
{
    struct heald_mq_limits limits;

    if (!a || (!a->max_messages && !a->message_size))
        return NULL;
    heald__plat_mq_limits(&limits);
    shape->messages = limits.default_messages > 0 ? limits.default_messages : DEFAULT_MESSAGES;
    shape->size = limits.default_size > 0 ? limits.default_size : DEFAULT_SIZE;
    if (a->max_messages)
        shape->messages = a->max_messages > LONG_MAX ? LONG_MAX : (long)a->max_messages;
    if (a->message_size)
        shape->size = a->message_size > LONG_MAX ? LONG_MAX : (long)a->message_size;
    return shape;
}

static bool is_name(const char *name)
{
    return name && name[0] == '/' && name[1] && !strchr(name + 1, '/');
}

static bool are_flags(int flags)
{
    int how = flags & O_ACCMODE;

    return !(flags & ~(O_ACCMODE | O_CREAT | O_EXCL)) &&
           (how == O_RDONLY || how == O_WRONLY || how == O_RDWR);
}

/* A number that is above a limit which forbids it. */
static void say_number(const char *name, const struct heald_mq_shape *shape,
                       const struct heald_mq_limits *limits, struct heald_why *why)
{
    if (shape && limits->messages >= 0 && shape->messages > limits->messages)
        heald__why_set(why, "%s: max_messages %ld: /proc/sys/fs/mqueue/msg_max is %ld", name,
                       shape->messages, limits->messages);
    else if (shape && limits->size >= 0 && shape->size > limits->size)
        heald__why_set(why, "%s: message_size %ld: /proc/sys/fs/mqueue/msgsize_max is %ld", name,
                       shape->size, limits->size);
    else
        heald__why_set(why, "%s: %s", name, heald_strerror(-EINVAL));
}

/* -EMFILE is one of two limits. Where no descriptor is left the numbers in /proc cannot be read. */
static void say_lack(const char *name, const struct heald_mq_shape *shape,
                     const struct heald_mq_limits *limits, struct heald_why *why)
{
    long messages = shape ? shape->messages : limits->default_messages;
    long size = shape ? shape->size : limits->default_size;

    if (limits->messages < 0)
        heald__why_set(why, "%s: RLIMIT_NOFILE is %lld descriptors", name, limits->descriptors);
    else
        heald__why_set(why,
                       "%s: %ld messages of %ld bytes: RLIMIT_MSGQUEUE is %lld bytes, with their "
                       "overhead, for all queues of the user",
                       name, messages, size, limits->bytes);
}

static void say(int err, const char *name, const struct heald_mq_shape *shape,
                struct heald_why *why)
{
    struct heald_mq_limits limits;

    heald__plat_mq_limits(&limits);
    if (err == -EINVAL)
        say_number(name, shape, &limits, why);
    else if (err == -EMFILE)
        say_lack(name, shape, &limits, why);
    else if (err == -ENOSPC)
        heald__why_set(why, "%s: /proc/sys/fs/mqueue/queues_max is %ld queues", name,
                       limits.queues);
    else
        heald__why_set(why, "%s: %s", name, heald_strerror(err));
}

static int refuse(struct heald_why *why, const char *text)
{
    heald__why_set(why, "%s", text);
    return -EINVAL;
}

int heald_mq_open(const char *name, int flags, mode_t mode,
                  const struct heald_mq_attributes *attributes, int *ret_fd,
                  struct heald_why *ret_why)
{
    struct heald_mq_shape room;

    if (!is_name(name))
        return refuse(ret_why, "the name of a queue begins with a slash and has no other");
    if (!are_flags(flags))
        return refuse(ret_why, "the flags are not those of heald_mq_open()");
    const struct heald_mq_shape *shape = flags & O_CREAT ? shape_of(attributes, &room) : NULL;
    int fd = heald__plat_mq_open(name, flags, mode, shape);
    if (fd < 0) {
        say(fd, name, shape, ret_why);
        return fd;
    }
    *ret_fd = fd;
    return 0;
}

int heald_mq_unlink(const char *name)
{
    return is_name(name) ? heald__plat_mq_unlink(name) : -EINVAL;
}

int heald_mq_attributes(int fd, struct heald_mq_attributes *ret_attributes)
{
    struct heald_mq_shape shape;
    int err = heald__plat_mq_shape(fd, &shape);

    if (!err)
        *ret_attributes = (struct heald_mq_attributes){.max_messages = (size_t)shape.messages,
                                                       .message_size = (size_t)shape.size,
                                                       .messages = (size_t)shape.current};
    return err;
}

int heald_mq_send(int fd, const void *buf, size_t len, unsigned priority)
{
    int64_t err;

    do
        err = heald__plat_mq_send_now(fd, buf, len, priority);
    while (err == -EINTR);
    return (int)err;
}

int64_t heald_mq_receive(int fd, void *buf, size_t len, unsigned *ret_priority)
{
    int64_t n;

    do
        n = heald__plat_mq_receive_now(fd, buf, len, ret_priority);
    while (n == -EINTR);
    return n;
}
