/*
 * platform/sys.h: all that heald asks of the system, in one table, so that a test can fail the Nth
 * call.
 *
 * A platform is the files of one directory (linux/, posix/) together with common/; sys.c makes the
 * table of them. Every call returns >= 0 or -errno and leaves errno alone as far as the caller is
 * concerned. Unless a comment says so no call blocks, and any thread may call it. What a platform
 * lacks returns -ENOSYS. What _open makes is above 2; what a program gets (accept, open) is not.
 */
#ifndef HEALD_SRC_PLATFORM_SYS_H
#define HEALD_SRC_PLATFORM_SYS_H

#include <heald/file.h>
#include <heald/file_lock.h>
#include <heald/map.h>
#include <heald/path.h>
#include <heald/process.h>
#include <heald/timer.h>

#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/select.h>
#include <time.h>

/* Readiness, in the bits of poll(2); RDHUP is 0 where the system has none. */
extern const unsigned heald__poll_rdhup;

/* Is a connect(2) after another that failed a question, and not a new attempt? */
extern const bool heald__connect_repeats;

/* Can a program queue a signal with a value to itself? */
extern const bool heald__can_queue_signals;

/* What a descriptor is, and how to treat it. */
enum fd_type {
    FD_UNKNOWN = 0,
    FD_FILE,     /* regular file, block device, directory: the engine's */
    FD_STREAM,   /* TCP socket: a short read means that it is empty */
    FD_LOCAL,    /* Unix stream socket: descriptors in transit cut its reads short */
    FD_PIPE,     /* pipe or FIFO */
    FD_SOCKET,   /* any other socket: seqpacket, SCTP */
    FD_DATAGRAM, /* a socket where 0 bytes are a message and not the end */
    FD_OTHER,    /* terminal, character device, eventfd, message queue, … */
    FD_HELD      /* open, and nobody has asked what it is */
};

static inline bool fd_type_is_socket(int type)
{
    return type == FD_STREAM || type == FD_LOCAL || type == FD_SOCKET || type == FD_DATAGRAM;
}

/* A socket that is a stream of bytes, with no bounds in it? */
static inline bool fd_type_is_bytes(int type)
{
    return type == FD_STREAM || type == FD_LOCAL;
}

/* Where signals are read from. fd is -1 before the first open; the rest is the platform's. */
struct heald_signal_source {
    int fd;
    int write_fd;
    bool running;
    int stop; /* atomic: the signal that stops the thread; 0: none */
    pthread_t thread;
    sigset_t set;
};

/* Calls that liburing or the C library makes for us pass a gate first, so that they can be failed,
 * too. */
enum heald_gate {
    HEALD_GATE_RING_OPEN,
    HEALD_GATE_RING_ENTER,
    HEALD_GATE_RING_RESIZE,
    HEALD_GATE_RING_MAP,
    HEALD_GATE_KQUEUE_OPEN,
    HEALD_GATE_KQUEUE_WAIT,
    HEALD_GATE_THREAD
};

/* No system's error number: there is no form of the call that cannot block. */
enum { SYS_ELSEWHERE = -4095 };

struct addrinfo;

/* From a socket into a pipe of ours, if that is empty, and on to another socket: up to `len` bytes.
 * `piped` is what the pipe holds, before and after. in, out: how much; -errno, SYS_ELSEWHERE; 0
 * where it was not tried. */
struct heald_splice {
    int from, to, pipe[2];
    size_t len, piped;
    int64_t in, out;
};

struct heald_sys {
    int (*gate)(enum heald_gate what);
    int64_t (*now)(enum heald_clock clock);

    /*
     * Descriptors. Those that end in _now never wait: -EAGAIN, whatever O_NONBLOCK says, which
     * others may change at any time, and change no flag; SYS_ELSEWHERE: there is no such form of
     * the call, and nothing happened.
     */
    int (*fd_type)(int fd);
    bool (*seeks)(int fd);
    bool (*lingers)(int fd);    /* its close(2) may block */
    bool (*listens)(int fd);    /* may be accepted from */
    bool (*pipes_nowait)(void); /* do pipes know how not to wait? */
    int (*duplicate)(int fd);   /* close-on-exec, above 2 */
    int (*open_again)(int fd);  /* the same terminal, non-blocking: a new open file; -errno */
    int64_t (*readv_now)(int fd, const struct iovec *iov, int count);
    int64_t (*writev_now)(int fd, const struct iovec *iov, int count);
    int64_t (*pread_now)(int fd, void *buf, size_t len, int64_t offset); /* of the disk, too */
    int64_t (*recv_now)(int fd, void *buf, size_t len, int flags);
    int64_t (*send_now)(int fd, const void *buf, size_t len, int flags);
    int64_t (*recvmsg_now)(int fd, struct msghdr *msg, int flags);
    int64_t (*sendmsg_now)(int fd, const struct msghdr *msg, int flags);
    /* Several, each for itself, and without SIGPIPE. `from` was polled, and nobody has read it
     * since: it waits where there is nothing. */
    void (*splice)(struct heald_splice *v, unsigned count);
    int (*pipe_open)(int ret_fds[2]);              /* non-blocking, above 2 */
    int (*fifo_open)(const char *path, int flags); /* HEALD_FIFO_…; -EINVAL: it is no FIFO */
    /* On a message queue of System V; flags: HEALD_MSGRCV_… */
    int (*msgsnd_now)(int queue, const void *message, size_t size);
    int64_t (*msgrcv_now)(int queue, void *message, size_t size, long type, int flags);
    /* On a message queue; -EBADF: it is none. A send returns 0. */
    int64_t (*mq_send_now)(int fd, const void *buf, size_t len, unsigned priority);
    int64_t (*mq_receive_now)(int fd, void *buf, size_t len, unsigned *ret_priority);
    /* What it returns is close-on-exec and non-blocking. */
    int (*accept_now)(int fd, struct sockaddr *addr, socklen_t *len);
    int (*connect_now)(int fd, const struct sockaddr *addr, socklen_t len); /* -EINPROGRESS */
    /* 0, the connection's error, -EAGAIN: not yet known. */
    int (*connect_end)(int fd, const struct sockaddr *addr, socklen_t len);
    /* The same, but these block. */
    int (*accept)(int fd, struct sockaddr *addr, socklen_t *len);
    int (*connect)(int fd, const struct sockaddr *addr, socklen_t len);
    int (*shutdown)(int fd, int how);
    int (*close)(int fd);

    /* Files. These block for as long as the disk takes. offset -1: from where the descriptor
     * stands. */
    int64_t (*preadv)(int fd, const struct iovec *iov, int count, int64_t offset);
    int64_t (*pwritev)(int fd, const struct iovec *iov, int count, int64_t offset);
    int (*open)(int dirfd, const char *path, int flags, mode_t mode);
    int (*open_beneath)(int dirfd, const char *path, int flags, mode_t mode);
    int (*stat)(int dirfd, const char *path, int flags, struct heald_stat *ret_stat);
    int (*fsync)(int fd, bool data_only);
    /* The same, as heald/file.h says; an empty path is the file of dirfd. link_fd: gives the file
     * of a descriptor a name. */
    int (*unlink)(int dirfd, const char *path, int flags);
    int (*mkdir)(int dirfd, const char *path, mode_t mode);
    int (*symlink)(const char *target, int dirfd, const char *path);
    int (*link)(int from_dirfd, const char *from, int to_dirfd, const char *to, int flags);
    int (*link_fd)(int fd, int to_dirfd, const char *to);
    int (*rename)(int from_dirfd, const char *from, int to_dirfd, const char *to, int flags);
    int64_t (*readlink)(int dirfd, const char *path, char *buf, size_t len);
    int (*chmod)(int dirfd, const char *path, mode_t mode, int flags);
    int (*chown)(int dirfd, const char *path, uid_t uid, gid_t gid, int flags);
    int (*utimens)(int dirfd, const char *path, const struct heald_time *times, int flags);
    int (*ftruncate)(int fd, int64_t size);
    int (*fallocate)(int fd, int mode, int64_t offset, int64_t size);
    int (*statfs)(int dirfd, const char *path, struct heald_statfs *ret_statfs);

    int (*tempfile)(int dirfd, const char *pattern, int flags, char *ret_path);
    int (*tempfile_unnamed)(int dirfd, const char *directory, int flags);
    int64_t (*copy_range)(int from, int64_t from_offset, int to, int64_t to_offset, uint64_t len);
    int64_t (*readdir)(int fd, void *buf, size_t len, int64_t position);
    /* Locks: an enum heald_file_lock_mode. Without `waits` they do not block, but for the server of
     * a network file system: -EAGAIN. With it a signal interrupts them. */
    int (*file_lock)(int fd, int mode, int64_t offset, int64_t size, bool waits);
    int (*flock)(int fd, int mode, bool waits);

    /*
     * Mapped memory. Whole pages: `addr` and `offset` begin one. flags as of heald_map_open().
     * map_sync and map_populate block for as long as the disk takes; populate: -EFAULT where a
     * touch would be SIGBUS. resident: a byte a page, of which the lowest bit counts.
     */
    int (*map)(int fd, int64_t offset, size_t size, unsigned flags, void **ret_addr);
    int (*unmap)(void *addr, size_t size);
    int (*map_sync)(void *addr, size_t size);
    int (*map_populate)(void *addr, size_t size, bool writing);
    int (*map_resident)(void *addr, size_t size, unsigned char *ret_pages);
    /* A copy that the kernel makes, from any address to any: how many bytes came over; -EFAULT, and
     * no signal, where there is not even the first. Blocks as a touch of the memory does. */
    int64_t (*copy)(void *to, const void *from, size_t len);

    /* getaddrinfo(3), with its result. Blocks for as long as that does. freeaddrinfo(3) frees. */
    int (*resolve)(const char *host, const char *service, const struct addrinfo *hints,
                   struct addrinfo **ret_list);

    /* Waiting. They block for timeout_ns (-1: indefinitely) and may return early with -EINTR. */
    int (*poll)(struct pollfd *fds, unsigned count, int64_t timeout_ns);
    int (*select)(int count, void *rd, void *wr, void *ex,
                  int64_t timeout_ns);  /* bitmaps of any length */
    unsigned (*descriptor_limit)(void); /* how many descriptors the process may have now */
    int (*queue_open)(void);            /* the system's own queue of events: epoll or kqueue */

    /* epoll. `events` is struct epoll_event. */
    int (*epoll_ctl)(int epfd, int how, int fd, void *event);
    int (*epoll_wait)(int epfd, void *events, int count, int64_t timeout_ns);

    /* A descriptor that shows the readiness of others (guest mode): set 0 takes one out. */
    int (*mirror_open)(void);
    int (*mirror_set)(int mirror, int fd, unsigned old_events, unsigned events);
    /* What it shows now: fills fd and revents of at most `max`, and returns how many. */
    int (*mirror_get)(int mirror, struct pollfd *ret, unsigned max);

    /* A doorbell: fds[0] is readable after a ring, until it is drained. Both may be the same
     * descriptor. */
    int (*bell_open)(int ret_fds[2]);
    int (*bell_ring)(int fd); /* signal-safe */
    int (*bell_drain)(int fd);

    /* A descriptor that becomes readable when a clock reaches a time (0: never). */
    int (*alarm_open)(enum heald_clock clock);
    int (*alarm_set)(int fd, int64_t when_ns);
    int (*alarm_drain)(int fd);

    /* A descriptor (src->fd) that is readable when a signal of a set has come; opened again to
     * change the set. */
    int (*signals_open)(struct heald_signal_source *src, const sigset_t *set);
    int (*signals_read)(struct heald_signal_source *src,
                        struct heald_siginfo *ret_info); /* -EAGAIN */
    void (*signals_close)(struct heald_signal_source *src);
    int (*signal_queue)(int signo, void *value); /* to this process, si_code SI_ASYNCIO */

    /* A descriptor that is readable once a child has ended. */
    int (*child_open)(pid_t pid);
    int (*child_reap)(pid_t pid,
                      struct heald_child_status *ret_status); /* -EAGAIN: still running */
};

/* The real table. */
extern const struct heald_sys heald__sys_native;

static inline void sys_bell_close(const struct heald_sys *sys, const int bell[2])
{
    if (bell[1] != bell[0])
        sys->close(bell[1]);
    sys->close(bell[0]);
}

/* A time, or a time-out, for the C library, whose seconds may have 32 bits: then as many as they
 * hold, and the waiter is woken early and waits again. */
static inline struct timespec sys_timespec(int64_t ns)
{
    int64_t sec = ns / HEALD_SEC, most = sizeof(time_t) < sizeof sec ? INT32_MAX : INT64_MAX;

    return (struct timespec){.tv_sec = (time_t)(sec < most ? sec : most),
                             .tv_nsec = (long)(ns % HEALD_SEC)};
}

static inline int64_t sys_nanoseconds(const struct timespec *ts)
{
    return (int64_t)ts->tv_sec * HEALD_SEC + ts->tv_nsec;
}

/* A positive time-out in milliseconds, rounded up: to wake early would be to spin until the time
 * has come. */
static inline int sys_milliseconds(int64_t ns)
{
    if (ns < 0)
        return -1;
    int64_t ms = ns / HEALD_MS + (ns % HEALD_MS != 0);
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

/* What lies before the name of an entry of a directory: `size` is of all of it. The layout is that
 * of getdents64(2), so that the kernel fills it in. */
struct heald_dirent_head {
    uint64_t ino;
    int64_t position;
    uint16_t size;
    uint8_t type;
    uint8_t name; /* its first byte */
};

enum { HEALD_DIRENT_NAME = offsetof(struct heald_dirent_head, name) };

/* Functions of every platform, and functions that common/ makes of POSIX alone; sys.c puts them
 * together. */
int64_t heald__plat_now(enum heald_clock clock);

/* The monotonic clock as it was at the last tick of the system, some milliseconds ago, for some
 * nanoseconds; 0: the system has no such clock. */
int64_t heald__plat_now_coarse(void);
int heald__plat_fd_type(int fd);
bool heald__plat_seeks(int fd);
bool heald__plat_lingers(int fd);

/* Closes what a peer passed: a socket without waiting for what it may still have to send. */
void heald__plat_close_passed(int fd);

bool heald__plat_listens(int fd);
bool heald__plat_pipes_nowait(void);
int heald__plat_duplicate(int fd);
int heald__plat_open_again(int fd);
int64_t heald__plat_readv_now(int fd, const struct iovec *iov, int count);
int64_t heald__plat_pread_now(int fd, void *buf, size_t len, int64_t offset);
int64_t heald__plat_writev_now(int fd, const struct iovec *iov, int count);
bool heald__plat_nonblocking(int fd);
int64_t heald__plat_recv_now(int fd, void *buf, size_t len, int flags);
int64_t heald__plat_send_now(int fd, const void *buf, size_t len, int flags);
int64_t heald__plat_recvmsg_now(int fd, struct msghdr *msg, int flags);
int64_t heald__plat_sendmsg_now(int fd, const struct msghdr *msg, int flags);
int heald__plat_accept(int fd, struct sockaddr *addr, socklen_t *len);
int heald__plat_accept_now(int fd, struct sockaddr *addr, socklen_t *len);
int heald__plat_connect(int fd, const struct sockaddr *addr, socklen_t len);
int heald__plat_connect_now(int fd, const struct sockaddr *addr, socklen_t len);
int heald__plat_connect_end(int fd, const struct sockaddr *addr, socklen_t len);
int heald__plat_shutdown(int fd, int how);
int heald__plat_close(int fd);
int64_t heald__plat_preadv(int fd, const struct iovec *iov, int count, int64_t offset);
int64_t heald__plat_pwritev(int fd, const struct iovec *iov, int count, int64_t offset);
int heald__plat_open(int dirfd, const char *path, int flags, mode_t mode);
int heald__plat_open_beneath(int dirfd, const char *path, int flags, mode_t mode);
int heald__plat_open_walk(int dirfd, const char *path, int flags, mode_t mode);
int heald__plat_stat(int dirfd, const char *path, int flags, struct heald_stat *ret_stat);
int heald__plat_fsync(int fd, bool data_only);
int heald__plat_unlink(int dirfd, const char *path, int flags);
int heald__plat_mkdir(int dirfd, const char *path, mode_t mode);
int heald__plat_symlink(const char *target, int dirfd, const char *path);
int heald__plat_link(int from_dirfd, const char *from, int to_dirfd, const char *to, int flags);
int heald__plat_link_fd(int fd, int to_dirfd, const char *to);
int heald__plat_rename(int from_dirfd, const char *from, int to_dirfd, const char *to, int flags);
int64_t heald__plat_readlink(int dirfd, const char *path, char *buf, size_t len);
int heald__plat_chmod(int dirfd, const char *path, mode_t mode, int flags);
int heald__plat_chown(int dirfd, const char *path, uid_t uid, gid_t gid, int flags);
int heald__plat_utimens(int dirfd, const char *path, const struct heald_time *times, int flags);
int heald__plat_ftruncate(int fd, int64_t size);
int heald__plat_fallocate(int fd, int mode, int64_t offset, int64_t size);
int heald__plat_statfs(int dirfd, const char *path, struct heald_statfs *ret_statfs);
int heald__plat_tempfile(int dirfd, const char *pattern, int flags, char *ret_path);
int heald__plat_tempfile_unnamed(int dirfd, const char *directory, int flags);
int64_t heald__plat_readdir(int fd, void *buf, size_t len, int64_t position);
int64_t heald__plat_copy_range(int from, int64_t from_offset, int to, int64_t to_offset,
                               uint64_t len);
int heald__plat_file_lock(int fd, int mode, int64_t offset, int64_t size, bool waits);
int heald__plat_flock(int fd, int mode, bool waits);
int heald__plat_map(int fd, int64_t offset, size_t size, unsigned flags, void **ret_addr);
int heald__plat_unmap(void *addr, size_t size);
int heald__plat_map_sync(void *addr, size_t size);
int heald__plat_map_populate(void *addr, size_t size, bool writing);
int heald__plat_map_resident(void *addr, size_t size, unsigned char *ret_pages);
int64_t heald__plat_copy(void *to, const void *from, size_t len);
int64_t heald__plat_copy_by_pipe(void *to, const void *from, size_t len);
int heald__plat_resolve(const char *host, const char *service, const struct addrinfo *hints,
                        struct addrinfo **ret_list);
int heald__plat_poll(struct pollfd *fds, unsigned count, int64_t timeout_ns);
int heald__plat_select(int count, void *rd, void *wr, void *ex, int64_t timeout_ns);
unsigned heald__plat_descriptor_limit(void);
int heald__plat_queue_open(void);
int heald__plat_epoll_ctl(int epfd, int how, int fd, void *event);
int heald__plat_epoll_wait(int epfd, void *events, int count, int64_t timeout_ns);
int heald__plat_mirror_open(void);
int heald__plat_mirror_set(int mirror, int fd, unsigned old_events, unsigned events);
int heald__plat_mirror_get(int mirror, struct pollfd *ret, unsigned max);
int heald__plat_bell_open(int ret_fds[2]);
int heald__plat_bell_ring(int fd);
int heald__plat_bell_drain(int fd);
int heald__plat_alarm_open(enum heald_clock clock);
int heald__plat_alarm_set(int fd, int64_t when_ns);
int heald__plat_alarm_drain(int fd);
int heald__plat_signals_open(struct heald_signal_source *src, const sigset_t *set);
int heald__plat_signals_read(struct heald_signal_source *src, struct heald_siginfo *ret_info);
void heald__plat_signals_close(struct heald_signal_source *src);
int heald__plat_signal_queue(int signo, void *value);
int heald__plat_child_open(pid_t pid);
int heald__plat_child_watch(pid_t pid);
int heald__plat_child_reap(pid_t pid, struct heald_child_status *ret_status);

/*
 * A descriptor for the library's own use is above 2, whatever the program has closed. Takes what a
 * system call returned, which set errno if that is -1: the descriptor, which may have moved, or
 * -errno, and then it is closed.
 */
int heald__plat_own(int fd);
int heald__plat_own_pipe(int ret_fds[2]);
void heald__plat_splice(struct heald_splice *v, unsigned count);
int heald__plat_msgsnd_now(int queue, const void *message, size_t size);
int64_t heald__plat_msgrcv_now(int queue, void *message, size_t size, long type, int flags);
int heald__plat_fifo_open(const char *path, int flags);
int64_t heald__plat_mq_send_now(int fd, const void *buf, size_t len, unsigned priority);
int64_t heald__plat_mq_receive_now(int fd, void *buf, size_t len, unsigned *ret_priority);

/* A power of 2. */
size_t heald__plat_page_size(void);

/* How many processors there are for threads: 1 to `max`. */
unsigned heald__plat_processors(unsigned max);
/* May the calling thread, and those that it starts, run on several of them? */
bool heald__plat_parallel(void);
/* A mutex that is held for some instructions at a time: 0 or an error number. */
int heald__plat_mutex_init_short(pthread_mutex_t *mutex);
/* At most 256 random bytes. 0 or -errno. */
int heald__plat_random(void *buf, size_t len);

/* copy_range() of a system that has none: at most 1 MiB at a time. */
int64_t heald__plat_copy_by_buffer(int from, int64_t from_offset, int to, int64_t to_offset,
                                   uint64_t len);

/* An unnamed temporary file where the system has none: it is made and unlinked. */
int heald__plat_tempfile_unlinked(int dirfd, const char *directory, int flags);

/* A thread in which every signal is blocked. 0 or -errno. */
int heald__plat_thread_start(pthread_t *ret_thread, void *(*main)(void *), void *arg);
/* The same with a stack of so many bytes. */
int heald__plat_thread_start_small(pthread_t *ret_thread, size_t stack, void *(*main)(void *),
                                   void *arg);

/*
 * The signal that makes a call in which such a thread waits return -EINTR: the thread allows it,
 * and then pthread_kill(3) sends it. Its action is set, for good, when it is first asked for. 0:
 * there is none to be had. is_interrupt: has it been taken for that?
 */
int heald__plat_interrupt_signal(void);
void heald__plat_interrupt_allow(int signo);
bool heald__plat_is_interrupt(int signo);

/* Has a new program start in another directory; -ENOSYS where posix_spawn(3) cannot. */
int heald__plat_spawn_chdir(posix_spawn_file_actions_t *actions, const char *path);

/* A terminal: its master, which does not block; the other end of it. -errno. */
int heald__plat_pty_open(void);
int heald__plat_pty_peer(int master);
int heald__pty_name(int master, char *buf, size_t size); /* 0 or -errno */

/* A descriptor of a process, of a child that was not reaped; -1: there is none here. A signal to
 * its process: 0 or -errno. */
int heald__plat_handle_open(pid_t pid);
int heald__plat_handle_kill(int handle, int signo);
/* A signal with a value: to the process of a handle, or of a number. */
int heald__plat_handle_queue(int handle, int signo, void *value);
int heald__plat_process_queue(pid_t pid, int signo, void *value);
/* The same to the process group that the process leads or led, which is never another one that has
 * got its number. 0; -ESRCH: nobody is in it; -EINVAL, -ENOSYS: the system cannot (Linux 6.9 can).
 */
int heald__plat_handle_kill_group(int handle, int signo);

/* Has the calling process get a signal when the thread that made it ends; -ENOSYS where the system
 * cannot. */
int heald__plat_die_with_parent(int signo);

/* Waits for the end of a child, and reaps it. */
void heald__plat_child_wait(pid_t pid);

/* Sockets and pipes that are close-on-exec and non-blocking from the start; used by net/ and
 * child/. */
int heald__plat_socket(int family, int type);
int heald__plat_socketpair(int type, int ret_fds[2]);

/* No more descriptors are passed to this Unix socket (Linux 6.16; elsewhere no effect). The close
 * of one that a receiver did not expect might wait for a peer of its sender's choice. */
void heald__plat_refuse_fds(int fd);
int heald__plat_pipe(int ret_fds[2]);
int heald__plat_peer_cred(int fd, pid_t *ret_pid, uid_t *ret_uid, gid_t *ret_gid);
/* How many groups it is in, and the first `max` of them; -1: not known. */
int heald__plat_peer_groups(int fd, gid_t *ret_groups, int max);
/* Its security label, or an empty text. */
void heald__plat_peer_label(int fd, char *ret_label, size_t size);
/* A descriptor of its process, close-on-exec; -1: there is none. */
int heald__plat_peer_handle(int fd);

/* The type of a control message that has a descriptor of a process; -1: there is none. */
extern const int heald__scm_pidfd;

#endif
