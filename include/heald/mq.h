/*
 * heald/mq.h: POSIX message queues, awaited in a loop.
 *
 * A queue belongs to the kernel and has a name. Each message has a priority; the first message of
 * the highest priority is received first. A message is sent or received whole, so a process that
 * is killed leaves no part of one. Messages stay in the queue when no process has it open, until
 * it is unlinked or the machine stops. heald/queue.h is faster and has no limits of the system, but
 * its participants share memory.
 *
 * A descriptor of a queue is a file descriptor, as mqd_t of the C library, and the ops take either.
 * heald_prep_poll() waits for it without taking a message. It is close-on-exec, and the program
 * closes it with heald_close(). A duplicate, or one that was passed on, is the same open queue.
 *
 * The limits of Linux for a process without CAP_SYS_RESOURCE, each said in the text of the error
 * that it causes:
 *
 *   /proc/sys/fs/mqueue/msg_max       messages in a queue, 10 by default
 *   /proc/sys/fs/mqueue/msgsize_max   bytes of a message, 8192 by default
 *   /proc/sys/fs/mqueue/queues_max    queues of the IPC name space, 256 by default
 *   RLIMIT_MSGQUEUE                   bytes of all queues of a user, 819200 by default
 *
 * Linux only. Elsewhere, and on the portable platform layer, a descriptor of a queue cannot be
 * awaited, and every function and op here is -ENOSYS. Any thread, unless it is said otherwise. None
 * is async-signal-safe.
 */
#ifndef HEALD_MQ_H
#define HEALD_MQ_H

#include <heald/io.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { HEALD_MQ_PRIORITIES = 32768 /* a priority is less than this */ };

/* Of a new queue, where 0 is the default of the system, and of one that is open. */
struct heald_mq_attributes {
    size_t max_messages; /* in the queue at once */
    size_t message_size; /* bytes of a message at most: a buffer to receive has as many */
    size_t messages;     /* in the queue now; of a new queue without meaning */
};

/*
 * Opens or creates a queue. `flags` is O_RDONLY, O_WRONLY or O_RDWR, with O_CREAT and O_EXCL as in
 * open(2); `mode` has the permissions of a new queue, less the umask. `attributes` of a new queue,
 * or NULL; they have no effect on one that exists. On failure *ret_why has the limit that was
 * reached and its value, or the reason; it may be NULL. *ret_fd is untouched on failure. Does not
 * block.
 *
 *   0              *ret_fd is the descriptor, non-blocking
 *   -EINVAL        name does not begin with one slash, or has another; flags has another flag
 *   -EINVAL        max_messages is above msg_max, or message_size above msgsize_max
 *   -EMFILE        RLIMIT_MSGQUEUE, or RLIMIT_NOFILE
 *   -ENOSPC        queues_max
 *   -ENAMETOOLONG  the name has more than 255 bytes after the slash
 *   -ENOENT        it does not exist, and O_CREAT is not given
 *   -EEXIST        it exists, and O_CREAT and O_EXCL are given
 *   -EACCES        its permissions
 *   -ENOSYS        see above; or the kernel has no message queues
 *   -ENFILE, -ENOMEM
 *                  as open(2)
 */
HEALD_API int heald_mq_open(const char *name, int flags, mode_t mode,
                            const struct heald_mq_attributes *attributes, int *ret_fd,
                            struct heald_why *ret_why);

/*
 * Removes the name of a queue. Processes that have it open keep it. Does not block.
 *   0                  removed
 *   -EINVAL, -ENOENT   it is no name, or there is no such queue
 *   -EACCES            the queue belongs to another user
 */
HEALD_API int heald_mq_unlink(const char *name);

/* Gets the attributes of an open queue. Does not block. Returns 0; -EBADF if fd is no queue. */
HEALD_API int heald_mq_attributes(int fd, struct heald_mq_attributes *ret_attributes);

/*
 * Sends a message, and receives one into a buffer of `len` bytes, without waiting, whether the
 * descriptor is blocking or not. ret_priority may be NULL. A send returns 0, a receive the length
 * of the message, which may be 0.
 *   -EAGAIN    the queue is full, or empty
 *   -EMSGSIZE  the message is longer than message_size, or the buffer is smaller than that
 *   -EINVAL    priority is not below HEALD_MQ_PRIORITIES
 *   -EBADF     fd is no queue, or not open for this
 */
HEALD_API int heald_mq_send(int fd, const void *buf, size_t len, unsigned priority);
HEALD_API int64_t heald_mq_receive(int fd, void *buf, size_t len, unsigned *ret_priority);

/*
 * The same as ops, which wait while the queue is full, or empty. They have the results of
 * heald_mq_send() and heald_mq_receive(), but never -EAGAIN, and those of heald/io.h. The buffer,
 * and *ret_priority, stay in place until the op completes. A cancel or a deadline loses no message:
 * either it was received and is the result, or it is in the queue. Receives on one descriptor
 * complete in the order of their submission, and so do sends; where several descriptors or
 * processes wait, any of them gets the next message. On the back end kqueue of Linux, libkqueue
 * reports a queue as a regular file, which is always ready. The prep does not block, and is called
 * by the thread that uses the op.
 *
 *   0         the op is prepared
 *   -EBUSY    the op is pending
 *   -EINVAL   buf is NULL and len is not 0; len is above HEALD_MAX_LEN; the priority, as above
 */
HEALD_API int heald_prep_mq_send(struct heald_op *op, int fd, const void *buf, size_t len,
                                 unsigned priority);
HEALD_API int heald_prep_mq_receive(struct heald_op *op, int fd, void *buf, size_t len,
                                    unsigned *ret_priority);

#ifdef __cplusplus
}
#endif
#endif
