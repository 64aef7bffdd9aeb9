/*
 * test/fault/fault.h: a table of system calls in which the Nth call of a kind fails, and an
 * allocator whose Nth call does.
 *
 * One fault at a time, in this process: the table's functions get no pointer of ours, which is why
 * there is file-scope state behind it.
 */
#ifndef HEALD_TEST_FAULT_H
#define HEALD_TEST_FAULT_H

#include "platform/sys.h"

#include <heald/loop.h>

/* X(call, errors): what can be made to fail, and how. */
#define FAULT_CALLS(X)                                  \
    X(gate_ring_open, "ENOMEM EMFILE EIO")              \
    X(gate_ring_enter, "EINTR EAGAIN EBUSY ENOMEM EIO") \
    X(gate_ring_resize, "ENOMEM EINVAL EACCES")         \
    X(gate_ring_map, "ENOMEM")                          \
    X(gate_thread, "EAGAIN ENOMEM")                     \
    X(fd_type, "ENOMEM EIO")                            \
    X(duplicate, "EMFILE EIO")                          \
    X(readv_now, "EINTR EAGAIN ENOMEM EIO")             \
    X(writev_now, "EINTR EAGAIN ENOMEM EIO")            \
    X(recv_now, "EINTR EAGAIN ENOMEM ENOBUFS EIO")      \
    X(send_now, "EINTR EAGAIN ENOMEM ENOBUFS EIO")      \
    X(recvmsg_now, "EINTR EAGAIN ENOMEM ENOBUFS EIO")   \
    X(sendmsg_now, "EINTR EAGAIN ENOMEM ENOBUFS EIO")   \
    X(splice_in, "EINTR EAGAIN ENOMEM EINVAL EIO")      \
    X(splice_out, "EINTR EAGAIN ENOMEM EINVAL EIO")     \
    X(pipe_open, "EMFILE ENOMEM")                       \
    X(fifo_open, "EINTR EMFILE EIO")                    \
    X(msgsnd_now, "EINTR EAGAIN ENOMEM EIO")            \
    X(msgrcv_now, "EINTR EAGAIN EIO")                   \
    X(mq_send_now, "EINTR EAGAIN ENOMEM EIO")           \
    X(mq_receive_now, "EINTR EAGAIN EIO")               \
    X(accept_now, "EINTR EAGAIN ENOMEM EMFILE ENOBUFS") \
    X(connect_now, "EINTR EAGAIN ENOMEM ENOBUFS EIO")   \
    X(connect_end, "EINTR EAGAIN ENOBUFS EIO")          \
    X(accept, "EINTR EAGAIN ENOMEM EMFILE ENOBUFS")     \
    X(connect, "EINTR ENOMEM ENOBUFS EIO")              \
    X(shutdown, "EIO")                                  \
    X(close, "EIO")                                     \
    X(preadv, "EINTR ENOMEM EIO")                       \
    X(pwritev, "EINTR ENOMEM EIO")                      \
    X(open, "EINTR ENOMEM EMFILE EIO")                  \
    X(open_beneath, "EINTR EAGAIN ENOMEM EMFILE EIO")   \
    X(stat, "EINTR ENOMEM EIO")                         \
    X(fsync, "EINTR ENOMEM EIO")                        \
    X(resolve, "ENOMEM EIO")                            \
    X(unlink, "EINTR EIO")                              \
    X(mkdir, "EINTR EIO")                               \
    X(symlink, "EINTR EIO")                             \
    X(link, "EINTR EIO")                                \
    X(link_fd, "EINTR EIO")                             \
    X(rename, "EINTR EIO")                              \
    X(readlink, "EINTR EIO")                            \
    X(chmod, "EINTR EIO")                               \
    X(chown, "EINTR EIO")                               \
    X(utimens, "EINTR EIO")                             \
    X(ftruncate, "EINTR EIO")                           \
    X(fallocate, "EINTR EIO")                           \
    X(statfs, "EINTR EIO")                              \
    X(tempfile, "EINTR EMFILE EIO")                     \
    X(tempfile_unnamed, "EINTR EMFILE EIO")             \
    X(copy_range, "EINTR EIO")                          \
    X(pread_now, "EINTR EAGAIN EIO")                    \
    X(readdir, "EINTR EIO")                             \
    X(file_lock, "EINTR EAGAIN EIO")                    \
    X(flock, "EINTR EAGAIN EIO")                        \
    X(poll, "EINTR EAGAIN ENOMEM EIO")                  \
    X(select, "EINTR ENOMEM EIO")                       \
    X(queue_open, "EMFILE ENOMEM EIO")                  \
    X(epoll_ctl, "ENOMEM EIO")                          \
    X(epoll_wait, "EINTR ENOMEM EIO")                   \
    X(mirror_open, "EMFILE ENOMEM EIO")                 \
    X(mirror_set, "ENOMEM EIO")                         \
    X(mirror_get, "EINTR ENOMEM EIO")                   \
    X(bell_open, "EMFILE ENOMEM EIO")                   \
    X(bell_drain, "EINTR EAGAIN")                       \
    X(alarm_open, "EMFILE ENOMEM EIO")                  \
    X(alarm_set, "ENOMEM EIO")                          \
    X(alarm_drain, "EINTR EAGAIN")                      \
    X(signals_open, "EMFILE ENOMEM EIO")                \
    X(signals_read, "EINTR EAGAIN EIO")                 \
    X(signal_queue, "EAGAIN")                           \
    X(child_open, "EMFILE ENOMEM EIO")                  \
    X(child_reap, "EINTR EAGAIN")                       \
    X(allocate, "ENOMEM")

enum fault_call {
#define FAULT_ENUM(name, errors) FAULT_##name,
    FAULT_CALLS(FAULT_ENUM) FAULT_COUNT
};

extern const struct heald_sys fault_sys;
extern const struct heald_allocator fault_allocator;

/* The name of a call, and the errors that it is given, as text. */
const char *fault_name(enum fault_call call);
const char *fault_errors(enum fault_call call);

/* Has the `nth` call from here on fail with -err, once; nth 0: none. */
void fault_set(enum fault_call call, unsigned nth, int err);

/* Did it come to that? */
bool fault_struck(void);

/* What fault_allocator has allocated and what was not freed. */
size_t fault_bytes(void);

#endif
