/*
 * heald/io.h: operations on descriptors.
 *
 * A heald_prep_* function fills an idle op. It makes no system call and does not block. Only the
 * thread that uses the op calls it. None is async-signal-safe. It returns:
 *
 *   0         the op is prepared
 *   -EBUSY    the op is pending; nothing is changed
 *   -EINVAL   an argument is invalid; heald_submit() refuses this op too
 *
 * A program may ignore this value if it checks that of heald_submit(). heald_op_error() of an op
 * whose prep was refused is 0.
 *
 * Buffers, addresses and messages belong to the caller. They stay in place until the final
 * completion. The result of an op is that of the system call of the same name: a byte count, a
 * descriptor, or -errno. A count may be short. A count of 0 from a read or a receive is the end of
 * the stream. -EINTR is never a result. Each of these operations may have the results:
 *
 *   -ECANCELED   the op was cancelled, or its descriptor was closed or forgotten
 *   -ETIMEDOUT   its deadline has passed
 *   -EBADF       the descriptor is not open, not open for this, or is being closed
 *   -EMFILE, -ENFILE, -ENOMEM, -ENOSPC, -EAGAIN
 *                the system has no descriptor, memory, place in epoll or thread for the op
 *
 * Operations in one direction on one descriptor are performed in the order of their submission.
 * Reads and writes are independent. Receives with MSG_OOB or MSG_ERRQUEUE wait for no other
 * operation.
 *
 * A descriptor may be blocking or non-blocking, and a process that shares it may change that at any
 * time. The loop does not block on it and changes no flag of it. Who makes the system call:
 *
 *                            uring   another back end,    another back end,
 *                                    engine uring         no io_uring
 *   socket                   ring    loop                 loop
 *   accept, connect          ring    ring                 loop if O_NONBLOCK is set, else thread
 *   pipe since Linux 6.4     ring    loop                 loop
 *   pipe before Linux 6.4    worker  worker               thread
 *   terminal                 worker  worker               loop, on the terminal opened once more
 *   other device             worker  loop or worker       loop or thread
 *   poll, shutdown           ring    loop                 loop
 *   regular file             the engine: heald/file.h
 *
 *   ring     an io_uring, which waits for the descriptor itself
 *   worker   a kernel thread of an io_uring
 *   loop     the loop's thread, with a call that does not block (MSG_DONTWAIT, RWF_NOWAIT); for
 *            other devices only where the device supports such a call
 *   thread   a thread of the loop, on a duplicate of the descriptor; it starts when the descriptor
 *            is ready, and at once for a connect
 *
 * If another process is faster, such a thread waits for more. A cancel, a deadline or a close
 * interrupts it (heald(7), Threads).
 *
 * Without an io_uring the loop's thread accepts from a listener and connects a socket as long as it
 * sees O_NONBLOCK set. A process that clears O_NONBLOCK and takes the connection in the same
 * microsecond blocks the loop. On the portable platform layer the same is true of a pipe or a
 * terminal; that layer treats pipes, terminals and other devices as it treats an accept.
 *
 * An op belongs to the open file that its descriptor refers to at the submission. Close a
 * descriptor that is in use in a loop with heald_prep_close() or heald_close(), or remove it with
 * heald_forget() before other code closes it.
 */
#ifndef HEALD_IO_H
#define HEALD_IO_H

#include <heald/op.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The file position, as in read(2). The only valid offset for a descriptor that cannot seek. */
#define HEALD_NO_OFFSET ((int64_t)-1)

/* The maximum number of bytes that one op transfers. A larger length is reduced to this, as the
 * system call does. */
#define HEALD_MAX_LEN 0x7ffff000u

/*
 * Read and write. With HEALD_NO_OFFSET these are read(2) and write(2), for any descriptor. With an
 * offset >= 0 they are pread(2) and pwrite(2), for a descriptor that can seek. The file engine of
 * the loop performs those on regular files. With a length of 0 an op on a pipe or a file completes
 * at once with 0; a read on a socket then behaves like a receive. Those at the file position of one
 * descriptor go one after another, in the order of submission.
 *
 *   -EINVAL   (prep) offset is below -1; buf is NULL and len is not 0; iov is NULL; iovcnt is
 *             outside 1 to 1024
 *   -ESPIPE   (result) an offset is given and the descriptor cannot seek
 *   -EPIPE    (result) the other end is closed for reading; for a pipe the system also sends
 *             SIGPIPE, which the program should ignore; for a socket there is no signal
 *             (HEALD_STDIO_SOCKET, heald/process.h)
 */
HEALD_API int heald_prep_read(struct heald_op *op, int fd, void *buf, size_t len, int64_t offset);
HEALD_API int heald_prep_write(struct heald_op *op, int fd, const void *buf, size_t len,
                               int64_t offset);
HEALD_API int heald_prep_readv(struct heald_op *op, int fd, const struct iovec *iov, int iovcnt,
                               int64_t offset);
HEALD_API int heald_prep_writev(struct heald_op *op, int fd, const struct iovec *iov, int iovcnt,
                                int64_t offset);

/*
 * Receive from and send to a socket. `flags` are those of recv(2) and send(2). MSG_NOSIGNAL and
 * MSG_CMSG_CLOEXEC are always added. A receive with a length of 0 waits for data: it takes nothing
 * from a stream, and the next message from another socket.
 *
 * A send on a stream may be short: it transfers what the buffer of the socket has space for. An op
 * that was submitted behind it, such as another send or a shutdown, is performed regardless, and
 * the stream then lacks the rest. So a program has one send per stream pending, and sends the rest
 * in its callback; or it uses heald_prep_send_all(). The same is true of a write to a pipe.
 *
 *   -EINVAL     (prep) buf is NULL and len is not 0, or msg is NULL
 *   -EINVAL     (prep) flags has MSG_DONTWAIT or MSG_WAITALL: the loop decides how to wait
 *   -ENOTSOCK   (result) the descriptor is not a socket
 *   -EINVAL     (result) MSG_OOB, and no urgent byte is announced: wait for POLLPRI first
 *
 * With MSG_ERRQUEUE a receive completes when the error queue of the socket has a message. Data, a
 * hang-up, and an error without a message (for example of a socket without IP_RECVERR) do not
 * complete it. Such an error remains for the next op on the socket.
 *
 * On the back end uring a pending receive clears the mark of an urgent byte. A MSG_OOB receive
 * beside it fails with -EINVAL.
 */
HEALD_API int heald_prep_recv(struct heald_op *op, int fd, void *buf, size_t len, int flags);
HEALD_API int heald_prep_send(struct heald_op *op, int fd, const void *buf, size_t len, int flags);
HEALD_API int heald_prep_recvmsg(struct heald_op *op, int fd, struct msghdr *msg, int flags);
HEALD_API int heald_prep_sendmsg(struct heald_op *op, int fd, const struct msghdr *msg, int flags);

/* Bytes that are moved as a whole. The caller owns it and the buffer; both stay in place while the
 * op is pending. */
struct heald_transfer {
    void *buf;
    size_t len;
    size_t done; /* how many were moved; set to 0 by the prep; may be read at any time */
};

/*
 * As read, write, recv and send, but the op completes when all of the transfer was moved. What is
 * submitted behind it on the descriptor waits for that. A length may exceed HEALD_MAX_LEN. The
 * result is transfer->done: less than the length only if a read or receive came to the end of the
 * file or stream. After an error, a cancel or a deadline the result is -errno, and transfer->done
 * bytes were moved: a submission without a prep goes on with the rest. In an io_uring a transfer
 * on a stream socket is one entry. On sockets it is for streams: every message of another socket
 * counts as its next bytes, and an empty one as the end.
 *
 *   -EINVAL   (prep) transfer is NULL, or its buf is NULL and its len is not 0
 *   -EINVAL   (prep) the offset is below -1, or the sum of offset and len exceeds INT64_MAX
 *   -EINVAL   (prep) flags has MSG_DONTWAIT, MSG_WAITALL, MSG_OOB or MSG_ERRQUEUE; for a receive
 *             also MSG_PEEK or MSG_TRUNC
 *   others    as for read, write, recv and send
 */
HEALD_API int heald_prep_read_all(struct heald_op *op, int fd, struct heald_transfer *transfer,
                                  int64_t offset);
HEALD_API int heald_prep_write_all(struct heald_op *op, int fd, struct heald_transfer *transfer,
                                   int64_t offset);
HEALD_API int heald_prep_recv_all(struct heald_op *op, int fd, struct heald_transfer *transfer,
                                  int flags);
HEALD_API int heald_prep_send_all(struct heald_op *op, int fd, struct heald_transfer *transfer,
                                  int flags);

/*
 * Sends what can be sent now, without an op: a send that need not wait costs no turn. Does not
 * block. The rest, or all after -EAGAIN, is sent with heald_prep_send(). Never overtakes an op that
 * is pending: while one waits to send on the descriptor, the result is -EAGAIN.
 *
 *   >= 0        the number of bytes that were sent
 *   -EAGAIN     no room, or an op is pending
 *   -EBADF      the descriptor is not open, or is being closed
 *   -ENOTSOCK   it is not a socket
 *   -EINVAL     the arguments are invalid, as for heald_prep_send()
 *   -errno      an error of send(2)
 */
HEALD_API int64_t heald_try_send(struct heald_loop *loop, int fd, const void *buf, size_t len,
                                 int flags);

/*
 * Open and close a group of `count` buffers of `size` bytes each, for multishot receives. `count`
 * is a power of two, at most 32768. `memory` holds count * size bytes; the caller owns it, and it
 * outlives the group. A pending multishot receive holds no buffer. A group belongs to one loop.
 * heald_loop_close() closes the groups of the loop; do not close them afterwards. The calls are
 * made on the loop's thread and do not block.
 *
 *   0         the group is open, or closed
 *   -EINVAL   (open) memory is NULL, size is 0 or above HEALD_MAX_LEN, or count is invalid
 *   -ENOMEM   (open) no memory, or all 65536 numbers of groups are in use
 *   -errno    (open) an error of the system
 *   -EBUSY    (close) an op that was submitted with the group, or a stream whose options name it,
 *             has not completed
 */
HEALD_API int heald_buf_group_open(struct heald_buf_group **ret_group, struct heald_loop *loop,
                                   void *memory, unsigned count, size_t size);
HEALD_API int heald_buf_group_close(struct heald_buf_group *group);

/* op->buffer if there is no buffer: after an empty datagram, an error or the end. */
#define HEALD_NO_BUFFER 0xffffu

/*
 * Returns the address of buffer `index`, which is op->buffer in the callback. Returns NULL if there
 * is no such buffer. The buffer belongs to the caller until heald_buf_return().
 */
HEALD_API void *heald_buf_data(const struct heald_buf_group *group, unsigned index);

/*
 * Releases a buffer to its group, in the callback or later, on the loop's thread. Does not block.
 *
 *   0         done; also for HEALD_NO_BUFFER, which has no effect
 *   -EINVAL   there is no such buffer, or it is in the group already
 */
HEALD_API int heald_buf_return(struct heald_buf_group *group, unsigned index);

/*
 * Receives repeatedly, each time into a free buffer of the group. For each portion of data the
 * callback runs with HEALD_MORE: op->result bytes are in buffer op->buffer. An empty datagram is a
 * portion of 0 bytes without a buffer. The final callback has no HEALD_MORE and no buffer. In a
 * ring one op may fill all free buffers before its first callback; these callbacks also run after
 * a cancel.
 *
 *   0         (final result) end of the stream
 *   -ENOBUFS  (final result) no buffer of the group is free; no data is lost; release buffers and
 *             submit again
 *   -EINVAL   (prep) group is NULL
 *   -EINVAL   (prep) flags has MSG_DONTWAIT, MSG_WAITALL, MSG_PEEK, MSG_TRUNC, MSG_OOB or
 *             MSG_ERRQUEUE
 *   -EINVAL   (heald_submit()) the group belongs to another loop
 */
HEALD_API int heald_prep_recv_multishot(struct heald_op *op, int fd, struct heald_buf_group *group,
                                        int flags);

/*
 * Receives repeatedly, as heald_prep_recv_multishot(), but one callback gets all that has arrived,
 * in a run of as many free buffers as that takes: op->result bytes, of which the first are in
 * buffer op->buffer and the next ones in heald_buf_next(). All buffers of a run but its last are
 * full. On a socket that keeps messages apart a run is one buffer. A receiver of a fast stream uses
 * small buffers so for a fraction of the callbacks. In an io_uring this is a receive with bundles
 * (Linux 6.10; where they do not work a run is one buffer).
 */
HEALD_API int heald_prep_recv_run_multishot(struct heald_op *op, int fd,
                                            struct heald_buf_group *group, int flags);

/* Returns the buffer behind buffer `index` in its run, or HEALD_NO_BUFFER: it is the last, or it
 * was released. */
HEALD_API unsigned heald_buf_next(const struct heald_buf_group *group, unsigned index);

/* Describes the first `len` bytes of the run that begins with buffer `first`, for a vectored write
 * or for heald_prep_sendmsg(). Fills at most `max` entries and returns how many it has filled. */
HEALD_API int heald_buf_iov(const struct heald_buf_group *group, unsigned first, size_t len,
                            struct iovec *ret_iov, int max);

/* Releases a run: buffer `first` and those behind it. Returns as heald_buf_return(). The buffers of
 * a run may also be released one by one, front to back, each after heald_buf_next() was called with
 * it. */
HEALD_API int heald_buf_return_run(struct heald_buf_group *group, unsigned first);

/*
 * Reads repeatedly from a pipe, a terminal, a device or a socket, as heald_prep_recv_multishot()
 * receives. A pending op on a device or a terminal may hold a buffer of the group.
 *
 *   0         (final result) end of the stream
 *   -ENOBUFS  (final result) no buffer of the group is free; no data is lost; release buffers and
 *             submit again
 *   -EINVAL   (prep) group is NULL
 *   -EINVAL   (heald_submit()) the group belongs to another loop
 *   -EINVAL   (result) the descriptor is a regular file, a directory or a block device
 */
HEALD_API int heald_prep_read_multishot(struct heald_op *op, int fd, struct heald_buf_group *group);

/* What heald_prep_recvfrom_multishot() puts into a buffer; the data follow. */
struct heald_datagram {
    uint32_t addr_len; /* 0: the sender has no address */
    uint32_t reserved;
    uint32_t reserved2;
    uint32_t flags; /* MSG_TRUNC: the datagram was longer than the room for it */
    struct sockaddr_storage addr;
};

/*
 * Receives datagrams repeatedly, with the address of each sender. For each datagram the callback
 * runs with HEALD_MORE: buffer op->buffer holds a struct heald_datagram and then op->result bytes.
 * An empty datagram has a buffer, too. Otherwise as heald_prep_recv_multishot(); a cancel, a close
 * or an error ends it.
 *
 *   -EINVAL   (prep) as heald_prep_recv_multishot()
 *   -EINVAL   (heald_submit()) the group belongs to another loop, or its buffers have no room for
 *             more than a struct heald_datagram, or are not aligned to 8 bytes
 *   -EINVAL   (result) it is no datagram socket
 */
HEALD_API int heald_prep_recvfrom_multishot(struct heald_op *op, int fd,
                                            struct heald_buf_group *group, int flags);

/* Returns the datagram in buffer `index`, or NULL if there is no such buffer. Its data lie behind
 * it: (char *)(datagram + 1). */
HEALD_API struct heald_datagram *heald_buf_datagram(const struct heald_buf_group *group,
                                                    unsigned index);

/*
 * Accept a connection. The result is a descriptor that is close-on-exec and non-blocking; the
 * caller owns it. `ret_addr` and `ret_len` are as in accept(2), or both NULL. The multishot form
 * calls back for each connection, until it is cancelled or fails. A connection that was reset
 * before it was accepted (-ECONNABORTED) is skipped silently.
 *
 *   -EINVAL                 (prep) one of ret_addr and ret_len is NULL and the other is not
 *   -EINVAL                 (result) the socket does not listen
 *   -EOPNOTSUPP, -ENOTSOCK  (result) the descriptor is not a stream socket, or not a socket
 *   -EMFILE, -ENFILE, -ENOBUFS, -ENOMEM
 *                           (result) the process (RLIMIT_NOFILE) or the system has no descriptor
 *                           free, or the kernel no memory for a socket
 *   -errno                  (result) an error of accept(2)
 *
 * After one of the four errors above, the next accept on that listener starts after a pause. The
 * pause is 1 ms at first and grows to 250 ms, until an accept succeeds. An accept in an io_uring
 * has the RLIMIT_NOFILE of the time at which the kernel received it.
 */
HEALD_API int heald_prep_accept(struct heald_op *op, int fd, struct sockaddr *ret_addr,
                                socklen_t *ret_len);
HEALD_API int heald_prep_accept_multishot(struct heald_op *op, int fd);

/*
 * As the multishot form, but -EMFILE, -ENFILE, -ENOBUFS and -ENOMEM do not end it. It accepts again
 * after the pause, and no callback runs for them. Every other error ends it, also an error of the
 * network that accept(2) passes on (-ENETDOWN, -EPROTO, -EPERM, ...).
 */
HEALD_API int heald_prep_accept_persistent(struct heald_op *op, int fd);

/*
 * Connects a socket. A connect that was cancelled or timed out leaves the socket in an undefined
 * state; the caller closes it.
 *
 *   0         (result) connected
 *   -EINVAL   (prep) addr is NULL
 *   -EAGAIN   (result) the queue of a Unix listener is full, and O_NONBLOCK is set; without
 *             O_NONBLOCK the op waits
 *   -errno    (result) an error of connect(2), such as -ECONNREFUSED or -ENETUNREACH
 */
HEALD_API int heald_prep_connect(struct heald_op *op, int fd, const struct sockaddr *addr,
                                 socklen_t len);

/*
 * shutdown(2), after the writes that were submitted before it, also if they were short.
 *
 *   -EINVAL                (prep) how is not a SHUT_ constant
 *   -ENOTSOCK, -ENOTCONN   (result)
 */
HEALD_API int heald_prep_shutdown(struct heald_op *op, int fd, int how);

/*
 * Closes a descriptor. The ops that wait on it complete with -ECANCELED. Operations on a file
 * (reads, writes, fsync, and those that use the descriptor as a directory) complete first. The
 * close completes after all of them. An op that is submitted on the descriptor meanwhile has the
 * result -EBADF. The descriptor is closed whatever the result is, also if the close is cancelled or
 * times out. Does not block the loop: a thread closes a socket with SO_LINGER. But while the file
 * engine closes a file, a submit or a heald_close() with the same number BLOCKS until that has
 * ended, because the number may already belong to another file.
 *
 *   -EBADF   (result) the descriptor is not open, or is being closed
 *   -errno   (result) an error of close(2)
 */
HEALD_API int heald_prep_close(struct heald_op *op, int fd);

/*
 * Waits until one of `events` holds: POLLIN, POLLPRI, POLLOUT, POLLRDHUP, as in poll(2). The result
 * is the mask of those that hold, with POLLERR and POLLHUP. Without events it waits for POLLERR and
 * POLLHUP. It takes nothing from the descriptor. A regular file is always ready.
 *
 *   -EINVAL   (prep) events has another bit than these six (POLLRDHUP: where the system has it)
 *   -EBADF    (result) the descriptor is not open
 *   -ENOSYS   (result) no events, on select in the portable platform layer
 */
HEALD_API int heald_prep_poll(struct heald_op *op, int fd, unsigned events);

/*
 * The same repeatedly: a callback with HEALD_MORE in each turn while one of the events holds, until
 * it is cancelled or the descriptor is closed. The program takes what is there, or cancels the op:
 * otherwise the loop does not sleep.
 */
HEALD_API int heald_prep_poll_multishot(struct heald_op *op, int fd, unsigned events);

/*
 * Cancels all ops on the descriptor in this loop, and closes it. The callbacks of these ops run in
 * later turns, when the number may already belong to another file: identify them by the op. A send
 * that has not completed may be cancelled too; in a ring also one that need not wait. To reply and
 * then close: when the last send has transferred everything, submit a shutdown, and close in its
 * callback. Does not block. On the loop's thread. A descriptor that several loops use is first
 * forgotten in the other ones.
 *
 *   0        the descriptor is closed, or the close is deferred
 *   -EBADF   it is not open, or is being closed
 *   -errno   an error of close(2)
 *
 * The close is deferred in these cases:
 *   - an operation on a file is running that cannot be cancelled,
 *   - the socket has SO_LINGER,
 *   - without an io_uring: a thread makes an accept, connect, read or write, and must be
 *     interrupted.
 * Until it ends the number is not free, an op that is submitted on it has the result -EBADF, and
 * the loop counts one more pending op. An error of a deferred close is lost; heald_prep_close()
 * reports it.
 *
 * In an io_uring the kernel releases the open file of a cancelled op in the next turn. After the
 * close of a listener with a pending accept, a listen on its port may fail with -EADDRINUSE until
 * then, and for some milliseconds after a process that ended without closing it. This includes the
 * engine `uring`, which has its accepts in a ring.
 */
HEALD_API int heald_close(struct heald_loop *loop, int fd);

/*
 * Cancels all ops on the descriptor in this loop, and leaves it open: for a descriptor that another
 * thread, a library or dup2(2) gets. BLOCKS until running operations on a file have ended, and the
 * threads on this descriptor have been interrupted. On the loop's thread.
 */
HEALD_API void heald_forget(struct heald_loop *loop, int fd);

#ifdef __cplusplus
}
#endif
#endif
