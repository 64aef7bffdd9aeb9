/*
 * heald/io.h: operations on descriptors.
 *
 * Every heald_prep_* fills an idle op and makes no system call. It returns 0; -EBUSY if the op is
 * pending (nothing is changed); -EINVAL for an invalid argument (the op then cannot be submitted:
 * heald_submit() returns -EINVAL too, so that ignoring the result here loses nothing, as long as
 * the result of heald_submit() is looked at: heald_op_error() of such an op is 0). Buffers,
 * addresses and messages belong to the caller and stay in place until the final completion. The
 * results are those of the system call of the same name: a byte count, a descriptor, or -errno; a
 * count may be short, and 0 from a read or receive is the end of the stream.
 *
 * Any of these operations may have the results -ECANCELED (it was cancelled, or its descriptor was
 * closed or forgotten), -ETIMEDOUT (its deadline has passed), -EBADF (not an open descriptor, not
 * open for this, or being closed), and -EMFILE, -ENFILE, -ENOMEM, -ENOSPC or -EAGAIN where the
 * system lacks a descriptor, memory, a place in epoll or a thread for it. -EINTR is not a result.
 *
 * Operations in the same direction on one descriptor are done in the order of their submission,
 * reads and writes independently of each other. Receives with MSG_OOB or MSG_ERRQUEUE wait for no
 * other.
 *
 * A descriptor may be blocking or not, and others who share it may change that at any time. The
 * loop does not block on it, and changes no flag of it. By back end, who makes the call:
 *
 *                            uring   another, with   another, without io_uring
 *                                    engine uring
 *   socket                   ring    loop            loop
 *   accept, connect          ring    ring            loop if O_NONBLOCK is set, else thread
 *   pipe since Linux 6.4     ring    loop            loop
 *   pipe before Linux 6.4    worker  worker          thread
 *   terminal                 worker  worker          loop, on the terminal opened once more
 *   other device             worker  loop or worker  loop or thread
 *   poll, shutdown           ring    loop            loop
 *   regular file             as the engine does: heald/file.h
 *
 *   ring     an io_uring, which waits for the descriptor itself
 *   worker   a thread of the kernel's, for an io_uring
 *   loop     the loop's thread, in a form that does not block (MSG_DONTWAIT, RWF_NOWAIT); of other
 *            devices where the device has it
 *   thread   a thread of the loop's, on a duplicate, once the descriptor is ready; a connect at
 *            once
 *
 * Such a thread may find that another process was faster, and wait for more; a cancel, a deadline
 * or a close interrupts it (heald(7), Threads). Without an io_uring a listener or socket with
 * O_NONBLOCK is accepted from or connected on the loop's thread until it has been seen without: a
 * process that takes O_NONBLOCK away, and the connection, in the same microsecond blocks the loop.
 * So does, on the portable platform layer, one that does that to a pipe or terminal. There pipes,
 * terminals and other devices are treated as an accept is.
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

/* The maximum of bytes that one operation moves; a larger length is cut to it, as the system call
 * does. */
#define HEALD_MAX_LEN 0x7ffff000u

/*
 * Read and write. With an offset >= 0 it is pread(2), for what can seek (-ESPIPE: this cannot);
 * with HEALD_NO_OFFSET it is read(2) on anything: regular files go to the loop's file engine, the
 * rest is awaited. With len 0 a pipe or file gives 0 at once; on a socket a read is as a receive.
 * -EINVAL: offset < -1, NULL buf with a length, NULL iov, iovcnt outside 1..1024.
 * A write to a broken pipe gives -EPIPE, and the SIGPIPE that the system sends: ignore that signal.
 * A write to a broken socket gives -EPIPE and no signal.
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
 * loop's business. -EINVAL: NULL buf with a length, NULL msg. -ENOTSOCK: not a socket. A receive
 * with len 0 waits until there is something: of a stream it takes nothing, of other sockets the
 * next message.
 *
 * MSG_ERRQUEUE: the receive completes when the error queue of the socket has a message. Data, a
 * hang-up, and an error without a message (of a socket without IP_RECVERR, say) do not complete it.
 * Such an error stays for the next operation on the socket.
 *
 * MSG_OOB: -EINVAL while no urgent byte is announced; await POLLPRI first. On the back end uring a
 * receive that waits takes the mark of an urgent byte away: a MSG_OOB beside it gives -EINVAL.
 */
HEALD_API int heald_prep_recv(struct heald_op *op, int fd, void *buf, size_t len, int flags);
HEALD_API int heald_prep_send(struct heald_op *op, int fd, const void *buf, size_t len, int flags);
HEALD_API int heald_prep_recvmsg(struct heald_op *op, int fd, struct msghdr *msg, int flags);
HEALD_API int heald_prep_sendmsg(struct heald_op *op, int fd, const struct msghdr *msg, int flags);

/*
 * A group of buffers of one size that receives draw from: `count` (a power of two, at most 32768)
 * buffers of `size` bytes in the caller's `memory`, which outlives the group. A multishot receive
 * waits without holding a buffer, so ten thousand idle connections need the buffers of the busy
 * ones only. Belongs to one loop, whose close closes it: do not close it afterwards. Blocks never.
 * heald_buf_group_open: -EINVAL: no memory, a size of 0 or above HEALD_MAX_LEN, or a count that is
 * not valid; -ENOMEM; what the system returns. heald_buf_group_close: -EBUSY while an op uses the
 * group.
 */
HEALD_API int heald_buf_group_open(struct heald_buf_group **ret_group, struct heald_loop *loop,
                                   void *memory, unsigned count, size_t size);
HEALD_API int heald_buf_group_close(struct heald_buf_group *group);

/* op->buffer where there is none: of an empty datagram, of an error. */
#define HEALD_NO_BUFFER 0xffffu

/* The bytes of buffer `index` (op->buffer in the callback); they belong to the caller until
 * heald_buf_return(). NULL: no such buffer. */
HEALD_API void *heald_buf_data(const struct heald_buf_group *group, unsigned index);

/* Releases a buffer to its group, in the callback or later. -EINVAL: no such buffer, or it is in
 * the group already. HEALD_NO_BUFFER does nothing; op->buffer is that in the callback without
 * HEALD_MORE. */
HEALD_API int heald_buf_return(struct heald_buf_group *group, unsigned index);

/*
 * Receives again and again, each time into a buffer of the group: calls back with HEALD_MORE for
 * each portion of data (result bytes in op->buffer), and without it at the end: 0 (end of stream),
 * -ENOBUFS (no buffer is free: release some and submit again; nothing is lost), another -errno, or
 * -ECANCELED. In a ring one op may fill all free buffers before its first callback runs; what it
 * has filled is told after a cancel, too. An empty datagram is a portion of 0 bytes in no buffer.
 * -EINVAL: no group, or MSG_DONTWAIT, MSG_WAITALL, MSG_PEEK, MSG_OOB or MSG_ERRQUEUE.
 */
HEALD_API int heald_prep_recv_multishot(struct heald_op *op, int fd, struct heald_buf_group *group,
                                        int flags);

/*
 * Accept one connection: the result is a descriptor, close-on-exec and non-blocking. `ret_addr` and
 * `ret_len` as in accept(2), or both NULL (-EINVAL: only one is). The multishot form accepts until
 * it is cancelled or fails. Results: -EINVAL (the socket does not listen), -EOPNOTSUPP, -ENOTSOCK,
 * and what accept(2) returns. A connection that was reset before it was accepted (-ECONNABORTED) is
 * passed over silently.
 *
 * The loop must have free descriptors: -EMFILE, -ENFILE, -ENOBUFS, -ENOMEM end an accept, and the
 * next one that is submitted on that listener begins after a pause of 1 ms, which grows to 250 ms
 * until one succeeds. With an io_uring an accept has the RLIMIT_NOFILE of the time at which it was
 * handed to the kernel: a change concerns those that are submitted after it.
 */
HEALD_API int heald_prep_accept(struct heald_op *op, int fd, struct sockaddr *ret_addr,
                                socklen_t *ret_len);
HEALD_API int heald_prep_accept_multishot(struct heald_op *op, int fd);

/*
 * As the multishot form, but -EMFILE, -ENFILE, -ENOBUFS and -ENOMEM do not end it: it accepts again
 * after the same pause, and no callback runs for them. Every other error ends it, also those of the
 * network that accept(2) passes on (-ENETDOWN, -EPROTO, -EPERM, …): submit it again then.
 */
HEALD_API int heald_prep_accept_persistent(struct heald_op *op, int fd);

/*
 * Connects a socket: 0, or -ECONNREFUSED, -ENETUNREACH, … as connect(2). Where the queue of a Unix
 * listener is full a socket with O_NONBLOCK gets -EAGAIN, and one without waits. -EINVAL: NULL
 * addr. A connect that was cancelled or timed out leaves the socket half-way: close it.
 */
HEALD_API int heald_prep_connect(struct heald_op *op, int fd, const struct sockaddr *addr,
                                 socklen_t len);

/* shutdown(2), after the writes that were submitted before it. -EINVAL: not a SHUT_ constant.
 * -ENOTSOCK, -ENOTCONN. */
HEALD_API int heald_prep_shutdown(struct heald_op *op, int fd, int how);

/*
 * Closes a descriptor. The operations that wait on it complete with -ECANCELED; operations on a
 * file (reads and writes of it, fsync, and what names it as a directory) are completed first. The
 * close completes after all of them. What is submitted on the descriptor meanwhile has the result
 * -EBADF. The descriptor is closed whatever the result is, also when the close is cancelled or
 * times out. Does not block, also with SO_LINGER: then a thread closes it. -EBADF: it is not open,
 * or is being closed already; another -errno as close(2).
 */
HEALD_API int heald_prep_close(struct heald_op *op, int fd);

/*
 * Waits until one of `events` (POLLIN, POLLPRI, POLLOUT, POLLRDHUP, as in poll(2)) holds; the
 * result is the mask of those that do, with POLLERR and POLLHUP where they do. With no events it
 * waits for POLLERR and POLLHUP alone (-ENOSYS: on select in the portable platform layer). Takes
 * nothing from the descriptor. Regular files are always ready. -EINVAL: another bit than these
 * six (POLLRDHUP: where the system has it). -EBADF: not a descriptor.
 */
HEALD_API int heald_prep_poll(struct heald_op *op, int fd, unsigned events);

/*
 * heald_close: cancels all operations on the descriptor in this loop, and closes it: 0 or -errno as
 * close(2); -EBADF also while it is being closed. A send whose completion has not been seen may be
 * among what is cancelled, in a ring also one that would not have to wait: to reply and close,
 * submit a shutdown behind the send, and close in its callback. The callbacks of the operations run
 * in later turns, when the number may be another file's already: identify them by the op.
 *
 * The close is deferred while a file operation is running that cannot be cancelled, with SO_LINGER,
 * and without an io_uring while a thread makes an accept, connect, read or write and has to be
 * interrupted. heald_close() returns 0, and the descriptor is closed when that has ended. Until
 * then the number is not free, what is submitted on it has the result -EBADF, and the loop counts
 * one more pending op. An error of a deferred close is not reported: use heald_prep_close() where
 * it matters.
 *
 * With an io_uring the kernel lets go of the open file of a cancelled operation in the next turn
 * only: after the close of a listener with a pending accept, listening on its port again may give
 * -EADDRINUSE until then, and some milliseconds longer after a process that ended without closing
 * it (the engine `uring` has accepts in a ring, too).
 *
 * heald_forget: the same without closing, for a descriptor that leaves the loop (handed to another
 * thread, to a library, to dup2). BLOCKS until file operations that are running have ended, and
 * such threads have been interrupted.
 *
 * A loop knows its own operations only: a descriptor that is in use in several loops is forgotten
 * in the others first. Both are called on the loop's thread.
 */
HEALD_API int heald_close(struct heald_loop *loop, int fd);
HEALD_API void heald_forget(struct heald_loop *loop, int fd);

#ifdef __cplusplus
}
#endif
#endif
