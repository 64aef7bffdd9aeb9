/* test/fault/fault.c: see fault.h. Pool threads call in here, so what they count is atomic. */
#include "fault/fault.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

static struct {
    enum fault_call call;
    int err;
    int left;   /* atomic: calls until the one that fails */
    int struck; /* atomic */
    size_t bytes;
} fault;

static const char *const names[] = {
#define FAULT_NAME(name, errors) #name,
    FAULT_CALLS(FAULT_NAME)};

static const char *const errors_of[] = {
#define FAULT_ERRORS(name, errors) errors,
    FAULT_CALLS(FAULT_ERRORS)};

const char *fault_name(enum fault_call call)
{
    return names[call];
}

const char *fault_errors(enum fault_call call)
{
    return errors_of[call];
}

void fault_set(enum fault_call call, unsigned nth, int err)
{
    fault.call = call;
    fault.err = err;
    /* No other thread of ours runs while this is set. */
    __atomic_store_n(&fault.struck, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&fault.left, (int)nth, __ATOMIC_RELEASE);
}

bool fault_struck(void)
{
    return __atomic_load_n(&fault.struck, __ATOMIC_ACQUIRE);
}

/* 0, or what this call is to fail with. */
static int strike(enum fault_call call)
{
    if (fault.call != call || __atomic_load_n(&fault.left, __ATOMIC_ACQUIRE) <= 0 ||
        __atomic_sub_fetch(&fault.left, 1, __ATOMIC_ACQ_REL) != 0)
        return 0;
    __atomic_store_n(&fault.struck, 1, __ATOMIC_RELEASE);
    return -fault.err;
}

static void *resize(void *ctx, void *ptr, size_t old_size, size_t size)
{
    (void)ctx;
    if (size && strike(FAULT_allocate))
        return NULL;
    if (!size) {
        free(ptr);
        __atomic_fetch_sub(&fault.bytes, old_size, __ATOMIC_RELAXED);
        return NULL;
    }
    /* A new place each time, so that a use of the old one is found. */
    void *p = malloc(size);
    if (!p)
        return NULL;
    if (ptr)
        memcpy(p, ptr, old_size < size ? old_size : size);
    free(ptr);
    __atomic_fetch_add(&fault.bytes, size - old_size, __ATOMIC_RELAXED);
    return p;
}

const struct heald_allocator fault_allocator = {.resize = resize};

size_t fault_bytes(void)
{
    return __atomic_load_n(&fault.bytes, __ATOMIC_RELAXED);
}

static int gate(enum heald_gate what)
{
    static const enum fault_call calls[] = {[HEALD_GATE_RING_OPEN] = FAULT_gate_ring_open,
                                            [HEALD_GATE_RING_ENTER] = FAULT_gate_ring_enter,
                                            [HEALD_GATE_RING_RESIZE] = FAULT_gate_ring_resize,
                                            [HEALD_GATE_RING_MAP] = FAULT_gate_ring_map,
                                            [HEALD_GATE_THREAD] = FAULT_gate_thread};
    return strike(calls[what]);
}

/* A call that fails does nothing … */
#define WRAP(type, name, parameters, arguments)                    \
    static type name##_faulty parameters                           \
    {                                                              \
        int err = strike(FAULT_##name);                            \
        return err ? (type)err : heald__sys_native.name arguments; \
    }

/* … but for a close: the descriptor is gone all the same. */
static int close_faulty(int fd)
{
    int result = heald__sys_native.close(fd), err = strike(FAULT_close);
    return err ? err : result;
}

/* … and for a connect, which goes on when it was interrupted. */
static int connect_now_faulty(int fd, const struct sockaddr *addr, socklen_t len)
{
    int err = strike(FAULT_connect_now);

    if (!err || err == -EINTR) {
        int result = heald__sys_native.connect_now(fd, addr, len);
        err = err && (!result || result == -EINPROGRESS) ? err : result;
    }
    return err;
}

/* … and for a look-up, which has its own errors. */
static int resolve_faulty(const char *host, const char *service, const struct addrinfo *hints,
                          struct addrinfo **ret_list)
{
    int err = strike(FAULT_resolve);

    if (err == -ENOMEM)
        return EAI_MEMORY;
    errno = -err;
    return err ? EAI_SYSTEM : heald__sys_native.resolve(host, service, hints, ret_list);
}

/* … and for what is two calls for each of several: without its target only the first is made. */
static void splice_faulty(struct heald_splice *v, unsigned count)
{
    for (; count; count--, v++) {
        int err = v->piped ? 0 : strike(FAULT_splice_in), to = v->to;
        if ((v->in = err))
            continue;
        err = strike(FAULT_splice_out);
        v->to = err ? -1 : to;
        heald__sys_native.splice(v, 1);
        if (err && v->piped)
            v->out = err;
        v->to = to;
    }
}

WRAP(int, fd_type, (int fd), (fd))
WRAP(int, duplicate, (int fd), (fd))
WRAP(int64_t, readv_now, (int fd, const struct iovec *v, int n), (fd, v, n))
WRAP(int64_t, writev_now, (int fd, const struct iovec *v, int n), (fd, v, n))
WRAP(int64_t, recv_now, (int fd, void *buf, size_t len, int flags), (fd, buf, len, flags))
WRAP(int64_t, send_now, (int fd, const void *buf, size_t len, int flags), (fd, buf, len, flags))
WRAP(int64_t, recvmsg_now, (int fd, struct msghdr *msg, int flags), (fd, msg, flags))
WRAP(int64_t, sendmsg_now, (int fd, const struct msghdr *msg, int flags), (fd, msg, flags))
WRAP(int, pipe_open, (int fds[2]), (fds))
WRAP(int, fifo_open, (const char *path, int flags), (path, flags))
WRAP(int, msgsnd_now, (int queue, const void *m, size_t n), (queue, m, n))
WRAP(int64_t, msgrcv_now, (int queue, void *m, size_t n, long type, int flags),
     (queue, m, n, type, flags))
WRAP(int64_t, mq_send_now, (int fd, const void *b, size_t n, unsigned prio), (fd, b, n, prio))
WRAP(int64_t, mq_receive_now, (int fd, void *b, size_t n, unsigned *prio), (fd, b, n, prio))
WRAP(int, accept_now, (int fd, struct sockaddr *a, socklen_t *n), (fd, a, n))
WRAP(int, connect_end, (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n))
WRAP(int, accept, (int fd, struct sockaddr *a, socklen_t *n), (fd, a, n))
WRAP(int, connect, (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n))
WRAP(int, shutdown, (int fd, int how), (fd, how))
WRAP(int64_t, preadv, (int fd, const struct iovec *v, int n, int64_t off), (fd, v, n, off))
WRAP(int64_t, pwritev, (int fd, const struct iovec *v, int n, int64_t off), (fd, v, n, off))
WRAP(int, open, (int dir, const char *path, int flags, mode_t mode), (dir, path, flags, mode))
WRAP(int, open_beneath, (int dir, const char *p, int flags, mode_t m), (dir, p, flags, m))
WRAP(int, stat, (int dir, const char *path, int flags, struct heald_stat *st),
     (dir, path, flags, st))
WRAP(int, fsync, (int fd, bool data_only), (fd, data_only))
WRAP(int, unlink, (int dirfd, const char *path, int flags), (dirfd, path, flags))
WRAP(int, mkdir, (int dirfd, const char *path, mode_t mode), (dirfd, path, mode))
WRAP(int, symlink, (const char *target, int dirfd, const char *path), (target, dirfd, path))
WRAP(int, link, (int from_dirfd, const char *from, int to_dirfd, const char *to, int flags),
     (from_dirfd, from, to_dirfd, to, flags))
WRAP(int, link_fd, (int fd, int to_dirfd, const char *to), (fd, to_dirfd, to))
WRAP(int, rename, (int from_dirfd, const char *from, int to_dirfd, const char *to, int flags),
     (from_dirfd, from, to_dirfd, to, flags))
WRAP(int64_t, readlink, (int dirfd, const char *path, char *buf, size_t len),
     (dirfd, path, buf, len))
WRAP(int, chmod, (int dirfd, const char *path, mode_t mode, int flags), (dirfd, path, mode, flags))
WRAP(int, chown, (int dirfd, const char *path, uid_t uid, gid_t gid, int flags),
     (dirfd, path, uid, gid, flags))
WRAP(int, utimens, (int dirfd, const char *path, const struct heald_time *times, int flags),
     (dirfd, path, times, flags))
WRAP(int, ftruncate, (int fd, int64_t size), (fd, size))
WRAP(int, fallocate, (int fd, int mode, int64_t offset, int64_t size), (fd, mode, offset, size))
WRAP(int, statfs, (int dirfd, const char *path, struct heald_statfs *ret_statfs),
     (dirfd, path, ret_statfs))
WRAP(int, tempfile, (int dirfd, const char *pattern, int flags, char *path),
     (dirfd, pattern, flags, path))
WRAP(int, tempfile_unnamed, (int dirfd, const char *path, int flags), (dirfd, path, flags))
WRAP(int64_t, copy_range, (int from, int64_t in, int to, int64_t out, uint64_t len),
     (from, in, to, out, len))
WRAP(int64_t, pread_now, (int fd, void *buf, size_t len, int64_t offset), (fd, buf, len, offset))
WRAP(int64_t, readdir, (int fd, void *buf, size_t len, int64_t position), (fd, buf, len, position))
WRAP(int, file_lock, (int fd, int mode, int64_t at, int64_t size, bool waits),
     (fd, mode, at, size, waits))
WRAP(int, flock, (int fd, int mode, bool waits), (fd, mode, waits))
WRAP(int, poll, (struct pollfd * fds, unsigned n, int64_t timeout), (fds, n, timeout))
WRAP(int, select, (int n, void *r, void *w, void *x, int64_t timeout), (n, r, w, x, timeout))
WRAP(int, queue_open, (void), ())
WRAP(int, epoll_ctl, (int ep, int how, int fd, void *event), (ep, how, fd, event))
WRAP(int, epoll_wait, (int ep, void *events, int n, int64_t timeout), (ep, events, n, timeout))
WRAP(int, mirror_open, (void), ())
WRAP(int, mirror_set, (int mirror, int fd, unsigned old, unsigned now), (mirror, fd, old, now))
WRAP(int, mirror_get, (int mirror, struct pollfd *ret, unsigned max), (mirror, ret, max))
WRAP(int, bell_open, (int fds[2]), (fds))
WRAP(int, bell_drain, (int fd), (fd))
WRAP(int, alarm_open, (enum heald_clock clock), (clock))
WRAP(int, alarm_set, (int fd, int64_t when), (fd, when))
WRAP(int, alarm_drain, (int fd), (fd))
WRAP(int, signals_open, (struct heald_signal_source * src, const sigset_t *set), (src, set))
WRAP(int, signals_read, (struct heald_signal_source * src, struct heald_siginfo *info), (src, info))
WRAP(int, signal_queue, (int signo, void *value), (signo, value))
WRAP(int, child_open, (pid_t pid), (pid))
WRAP(int, child_reap, (pid_t pid, struct heald_child_status *status), (pid, status))

const struct heald_sys fault_sys = {
    .gate = gate,
    .now = heald__plat_now,
    .fd_type = fd_type_faulty,
    .seeks = heald__plat_seeks,
    .lingers = heald__plat_lingers,
    .listens = heald__plat_listens,
    .pipes_nowait = heald__plat_pipes_nowait,
    .duplicate = duplicate_faulty,
    .open_again = heald__plat_open_again,
    .readv_now = readv_now_faulty,
    .writev_now = writev_now_faulty,
    .recv_now = recv_now_faulty,
    .send_now = send_now_faulty,
    .recvmsg_now = recvmsg_now_faulty,
    .sendmsg_now = sendmsg_now_faulty,
    .splice = splice_faulty,
    .pipe_open = pipe_open_faulty,
    .fifo_open = fifo_open_faulty,
    .msgsnd_now = msgsnd_now_faulty,
    .msgrcv_now = msgrcv_now_faulty,
    .mq_send_now = mq_send_now_faulty,
    .mq_receive_now = mq_receive_now_faulty,
    .accept_now = accept_now_faulty,
    .connect_now = connect_now_faulty,
    .connect_end = connect_end_faulty,
    .accept = accept_faulty,
    .connect = connect_faulty,
    .shutdown = shutdown_faulty,
    .close = close_faulty,
    .preadv = preadv_faulty,
    .pwritev = pwritev_faulty,
    .open = open_faulty,
    .open_beneath = open_beneath_faulty,
    .stat = stat_faulty,
    .fsync = fsync_faulty,
    .resolve = resolve_faulty,
    .unlink = unlink_faulty,
    .mkdir = mkdir_faulty,
    .symlink = symlink_faulty,
    .link = link_faulty,
    .link_fd = link_fd_faulty,
    .rename = rename_faulty,
    .readlink = readlink_faulty,
    .chmod = chmod_faulty,
    .chown = chown_faulty,
    .utimens = utimens_faulty,
    .ftruncate = ftruncate_faulty,
    .fallocate = fallocate_faulty,
    .statfs = statfs_faulty,
    .tempfile = tempfile_faulty,
    .tempfile_unnamed = tempfile_unnamed_faulty,
    .copy_range = copy_range_faulty,
    .pread_now = pread_now_faulty,
    .readdir = readdir_faulty,
    .file_lock = file_lock_faulty,
    .flock = flock_faulty,
    .poll = poll_faulty,
    .select = select_faulty,
    .descriptor_limit = heald__plat_descriptor_limit,
    .queue_open = queue_open_faulty,
    .epoll_ctl = epoll_ctl_faulty,
    .epoll_wait = epoll_wait_faulty,
    .mirror_open = mirror_open_faulty,
    .mirror_set = mirror_set_faulty,
    .mirror_get = mirror_get_faulty,
    .bell_open = bell_open_faulty,
    .bell_ring = heald__plat_bell_ring,
    .bell_drain = bell_drain_faulty,
    .alarm_open = alarm_open_faulty,
    .alarm_set = alarm_set_faulty,
    .alarm_drain = alarm_drain_faulty,
    .signals_open = signals_open_faulty,
    .signals_read = signals_read_faulty,
    .signals_close = heald__plat_signals_close,
    .signal_queue = signal_queue_faulty,
    .child_open = child_open_faulty,
    .child_reap = child_reap_faulty,
};
