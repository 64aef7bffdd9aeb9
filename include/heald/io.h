/*
 * heald/io.h: operations on descriptors.
 *
 * Every heald_prep_* fills an idle op and makes no system call. It returns 0; -EBUSY if the op is
 * live (nothing is changed); -EINVAL for an argument that cannot be meant (the op then cannot be
 * submitted: heald_submit() says -EINVAL too, so that ignoring the result here loses nothing).
 * Buffers, addresses and messages belong to the caller and stay in place until the final
 * completion. The results are those of the system call of the same name: a byte count, a
 * descriptor, or -errno; a count may be short, and 0 from a read or receive is the end of the
 * stream.
 *
 * Operations in the same direction on one descriptor are done in the order of their submission,
 * reads and writes independently of each other. A descriptor may be blocking or not: heald never
 * blocks on it and changes no flag of it.
 *
 * A descriptor that a loop has waited on is closed with heald_prep_close() or heald_close(), or is
 * taken out with heald_forget() before anybody else closes it: a loop keeps what it knows of a
 * descriptor under its number.
 */
#ifndef HEALD_IO_H
#define HEALD_IO_H

#include <heald/op.h>

#ifdef __cplusplus
extern "C" {
#endif

/* "From where the descriptor stands": what read(2) does, and the only offset for what cannot seek.
 */
#define HEALD_NO_OFFSET ((int64_t)-1)

/* The most bytes that one operation moves; a larger length is cut to it, as the system call does.
 */
#define HEALD_MAX_LEN 0x7ffff000u

/*
 * Read and write. With an offset >= 0 it is pread(2), for what can seek; with HEALD_NO_OFFSET it is
 * read(2) on anything: regular files go to the loop's file engine, the rest is awaited. -EINVAL:
 * offset < -1, NULL buf, iovcnt outside 1..1024. A write to a broken pipe gives -EPIPE, and the
 * SIGPIPE that the system sends: ignore that signal. A write to a broken socket gives -EPIPE and no
 * signal.
 */
HEALD_API int heald_prep_read(struct heald_op *op, int fd, void *buf, size_t len, int64_t offset);
HEALD_API int heald_prep_write(struct heald_op *op, int fd, const void *buf, size_t len,
                               int64_t offset);
HEALD_API int heald_prep_readv(struct heald_op *op, int fd, const struct iovec *iov, int iovcnt,
                               int64_t offset);
HEALD_API int heald_prep_writev(struct heald_op *op, int fd, const struct iovec *iov, int iovcnt,
                                int64_t offset);

/*
 * Receive from and send to a socket; flags as recv(2) and send(2), MSG_NOSIGNAL and
 * MSG_CMSG_CLOEXEC always added. -EINVAL for MSG_DONTWAIT and MSG_WAITALL: how to wait is the
 * loop's business. -ENOTSOCK: not a socket.
 */
HEALD_API int heald_prep_recv(struct heald_op *op, int fd, void *buf, size_t len, int flags);
HEALD_API int heald_prep_send(struct heald_op *op, int fd, const void *buf, size_t len, int flags);
HEALD_API int heald_prep_recvmsg(struct heald_op *op, int fd, struct msghdr *msg, int flags);
HEALD_API int heald_prep_sendmsg(struct heald_op *op, int fd, const struct msghdr *msg, int flags);

/*
 * A group of buffers of one size that receives draw from: `count` (a power of two, at most 32768)
 * buffers of `size` bytes in the caller's `memory`, which outlives the group. A multishot receive
 * waits without holding a buffer, so ten thousand idle connections need the buffers of the busy
 * ones only. Belongs to one loop. Blocks never. heald_buf_group_open: -EINVAL, -ENOMEM.
 * heald_buf_group_close: -EBUSY while an op uses the group.
 */
HEALD_API int heald_buf_group_open(struct heald_buf_group **ret_group, struct heald_loop *loop,
                                   void *memory, unsigned count, size_t size);
HEALD_API int heald_buf_group_close(struct heald_buf_group *group);

/* op->buffer where there is none: of an empty datagram, of an error. */
#define HEALD_NO_BUFFER 0xffffu

/* The bytes of buffer `index` (op->buffer in the callback); they are the callback's until it gives
 * them back. NULL: no such buffer. */
HEALD_API void *heald_buf_data(const struct heald_buf_group *group, unsigned index);

/* Gives a buffer back to its group. -EINVAL: no such buffer, or it was not out. HEALD_NO_BUFFER is
 * taken, and nothing happens. */
HEALD_API int heald_buf_return(struct heald_buf_group *group, unsigned index);

/*
 * Receives again and again, each time into a buffer of the group: calls back with HEALD_MORE for
 * each portion of data (result bytes in op->buffer), and without it at the end: 0 (end of stream),
 * -ENOBUFS (no buffer is free: give some back and submit again; nothing is lost), another -errno,
 * or -ECANCELED. An empty datagram is a portion of 0 bytes in no buffer.
 */
HEALD_API int heald_prep_recv_multishot(struct heald_op *op, int fd, struct heald_buf_group *group,
                                        int flags);

/*
 * Accept one connection: the result is a descriptor, close-on-exec and non-blocking. `ret_addr` and
 * `ret_len` as in accept(2), or both NULL. The multishot form accepts until it is cancelled or
 * fails (-EMFILE, -ENFILE, …).
 */
HEALD_API int heald_prep_accept(struct heald_op *op, int fd, struct sockaddr *ret_addr,
                                socklen_t *ret_len);
HEALD_API int heald_prep_accept_multishot(struct heald_op *op, int fd);

/*
 * Connects a socket: 0, or -ECONNREFUSED, -ENETUNREACH, … A Unix socket whose listener's queue is
 * full gives -EAGAIN. A connect that was cancelled or timed out leaves the socket half-way: close
 * it.
 */
HEALD_API int heald_prep_connect(struct heald_op *op, int fd, const struct sockaddr *addr,
                                 socklen_t len);

/* shutdown(2), after the writes that were submitted before it. */
HEALD_API int heald_prep_shutdown(struct heald_op *op, int fd, int how);

/*
 * Closes a descriptor: the operations that still wait on it end with -ECANCELED, then it is closed.
 * The descriptor is gone whatever the result is.
 */
HEALD_API int heald_prep_close(struct heald_op *op, int fd);

/*
 * Waits until one of `events` (POLLIN, POLLPRI, POLLOUT, POLLRDHUP, as in poll(2)) holds; the
 * result is the mask of those that do, with POLLERR and POLLHUP where they do. Takes nothing from
 * the descriptor. Regular files are always ready. -EBADF: not a descriptor.
 */
HEALD_API int heald_prep_poll(struct heald_op *op, int fd, unsigned events);

/*
 * heald_close: cancels what waits on the descriptor in this loop and closes it now: close(2)'s
 * result, 0 or -errno. heald_forget: the same without closing, for a descriptor that leaves the
 * loop (handed to another thread, to a library, to dup2). Both are called on the loop's thread;
 * neither waits for the network.
 */
HEALD_API int heald_close(struct heald_loop *loop, int fd);
HEALD_API void heald_forget(struct heald_loop *loop, int fd);

#ifdef __cplusplus
}
#endif
#endif
