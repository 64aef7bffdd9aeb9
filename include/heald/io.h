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
 * reads and writes independently of each other. Receives with MSG_OOB or MSG_ERRQUEUE wait for no
 * other.
 *
 * A descriptor may be blocking or not, and others who share it may change that at any time: the
 * loop does not block on it, and no flag of it is ever changed. What has no form that cannot block
 * (accept and connect; terminals and other devices; pipes before Linux 6.4) is done by an io_uring,
 * or, without one, by a thread once the descriptor is ready. Such a thread may find that another
 * process was faster, and wait for more; a cancel, a deadline or a close interrupts it (heald(7),
 * Threads). Without an io_uring a listener or socket with O_NONBLOCK is accepted
 * from or connected on the loop's thread until it has been seen without: a process that takes
 * O_NONBLOCK away, and the connection, in the same microsecond blocks the loop. So does, on the
 * portable platform layer, one that does that to a pipe or terminal.
 *
 * An operation belongs to the open file that its descriptor stands for when it is submitted. So a
 * descriptor that is in use in a loop is closed with heald_prep_close() or heald_close(), or is
 * taken out with heald_forget() before anybody else closes it.
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
 * Read and write. With an offset >= 0 it is pread(2), for what can seek (-ESPIPE: this cannot);
 * with HEALD_NO_OFFSET it is read(2) on anything: regular files go to the loop's file engine, the
 * rest is awaited. -EINVAL: offset < -1, NULL buf, iovcnt outside 1..1024. A write to a broken pipe
 * gives -EPIPE, and the SIGPIPE that the system sends: ignore that signal. A write to a broken
 * socket gives -EPIPE and no signal.
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
 * loop's business. -ENOTSOCK: not a socket. On the back end uring a receive that waits takes the
 * mark of an urgent byte away: a MSG_OOB beside it gives -EINVAL.
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
 * As the multishot form, but a lack of descriptors or memory (-EMFILE, -ENFILE, -ENOBUFS, -ENOMEM)
 * does not end it: it accepts again after a pause of 1 ms, which grows to 250 ms. The other forms
 * end with the error, and an accept that is submitted again on that listener begins after the same
 * pause.
 */
HEALD_API int heald_prep_accept_persistent(struct heald_op *op, int fd);

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
 * Closes a descriptor. The operations that wait on it end with -ECANCELED; operations on a file
 * (reads and writes of it, fsync, and what names it as a directory) are completed first. The close
 * completes after all of them. What is submitted on the descriptor meanwhile ends with -EBADF. The
 * descriptor is closed whatever the result is, also when the close is cancelled or times out. Does
 * not block, also with SO_LINGER: then a thread closes it. -EBADF: it is not open, or is being
 * closed already.
 */
HEALD_API int heald_prep_close(struct heald_op *op, int fd);

/*
 * Waits until one of `events` (POLLIN, POLLPRI, POLLOUT, POLLRDHUP, as in poll(2)) holds; the
 * result is the mask of those that do, with POLLERR and POLLHUP where they do. With no events it
 * waits for POLLERR and POLLHUP alone (-ENOSYS: on select in the portable platform layer). Takes
 * nothing from the descriptor. Regular files are always ready. -EINVAL: POLLNVAL, or no bit of
 * poll(2). -EBADF: not a descriptor.
 */
HEALD_API int heald_prep_poll(struct heald_op *op, int fd, unsigned events);

/*
 * heald_close: cancels all operations on the descriptor in this loop, whose callbacks run in later
 * turns, when its number may be another file's already, and closes it: 0 or -errno as
 * close(2). Where a file operation is running that cannot be cancelled, or with SO_LINGER, it
 * returns
 * 0, and the descriptor is closed when that has ended; its number is not free before. Until then
 * the loop counts one more live op.
 *
 * heald_forget: the same without closing, for a descriptor that leaves the loop (handed to another
 * thread, to a library, to dup2). It waits until file operations that are running have ended.
 *
 * Both are called on the loop's thread.
 */
HEALD_API int heald_close(struct heald_loop *loop, int fd);
HEALD_API void heald_forget(struct heald_loop *loop, int fd);

#ifdef __cplusplus
}
#endif
#endif
