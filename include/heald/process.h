/*
 * heald/process.h: signals and child processes as operations.
 *
 * A prep does not block and is called by the thread that uses the op. It returns 0, -EBUSY if the
 * op is pending, and -EINVAL as below. No function is async-signal-safe.
 */
#ifndef HEALD_PROCESS_H
#define HEALD_PROCESS_H

#include <heald/op.h>

#include <sys/resource.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A signal: the members of siginfo_t that all platforms have. */
struct heald_siginfo {
    int signo;
    int code;        /* SI_USER, SI_QUEUE, CLD_EXITED, ... */
    int status;      /* SIGCHLD: exit status or signal */
    pid_t pid;       /* the sender, or the child */
    uid_t uid;       /* the real user of the sender */
    int value_int;   /* sival_int of the value that sigqueue(3) or a timer passed, or 0 */
    void *value_ptr; /* sival_ptr of that value, or NULL */
};

/*
 * Waits for a signal repeatedly, until it is cancelled. For each signal the callback runs with
 * HEALD_MORE: the result is the number of the signal, and *ret_info is filled if it is not NULL. If
 * several loops wait for one signal, one of them gets it; if several ops of a loop do, all get it.
 *
 *   -EINVAL   (prep) signo is not a signal, or is SIGKILL or SIGSTOP
 *   -EINVAL   (prep) signo is raised by a fault: SIGSEGV, SIGBUS, SIGFPE, SIGILL
 *   -EBUSY    (heald_submit()) the library interrupts its own threads with this real-time signal
 *             (heald(7), Threads)
 *
 * heald installs no handler. It blocks the signal in the submitting thread. When the last op for
 * this signal in this thread has completed, in whatever loop, the mask is as before the first. A
 * program with threads blocks the signal in all of them before they start; otherwise the kernel may
 * deliver it to a thread that does not wait for it.
 */
HEALD_API int heald_prep_signal(struct heald_op *op, int signo, struct heald_siginfo *ret_info);

/* The end of a child. */
struct heald_child_status {
    pid_t pid;
    int status; /* as waitpid(2): WIFEXITED, WEXITSTATUS, WTERMSIG */
    struct rusage usage;
};

/*
 * Waits until the child process `pid` ends, and reaps it. *ret_status is filled if it is not NULL.
 * A cancel does not reap the child. If the system has no process descriptors, one thread waits for
 * each child.
 *
 *   0         (result) the child has ended and is reaped
 *   -EINVAL   (prep) pid is 0 or negative
 *   -ECHILD   (result) pid is not a child of this process, or cannot be waited for
 */
HEALD_API int heald_prep_child(struct heald_op *op, pid_t pid,
                               struct heald_child_status *ret_status);

/* What a standard stream of a new child is. */
enum {
    HEALD_STDIO_INHERIT = 0, /* the stream of the caller */
    HEALD_STDIO_NULL = -1,   /* /dev/null */
    HEALD_STDIO_PIPE = -2,   /* a pipe; its other end is in heald_child.stdio */
    HEALD_STDIO_PTY = -3,    /* a terminal, so that the program writes line by line; its master is
                                heald_child.pty. The child leads a session with it */
    HEALD_STDIO_SOCKET = -4  /* one of two Unix stream sockets that are connected; the other is in
                                heald_child.stdio. A write to it after the child has ended is -EPIPE
                                or -ECONNRESET, and sends no SIGPIPE; heald_stream_shutdown() sends
                                the end of the input. Not for a program that opens its /dev/stdin */
};
#define HEALD_STDIO_FD(fd) ((fd) + 1) /* the descriptor `fd` of the caller */

/* The same as stream `n` of the child: 2>&1 is stdio[2] = HEALD_STDIO_SAME(1). */
#define HEALD_STDIO_SAME(n) (-16 - (n))

/* A further descriptor of a new child. */
struct heald_spawn_fd {
    int fd;       /* of the caller */
    int child_fd; /* its number in the child: 3 to HEALD_SPAWN_FD_MAX */
};

enum { HEALD_SPAWN_FD_MAX = 255, HEALD_SPAWN_FDS = 32 /* at most so many */ };

/* A limit of a new child, as setrlimit(2). */
struct heald_spawn_limit {
    int resource; /* RLIMIT_NOFILE, ... */
    struct rlimit limit;
};

/* Bits of heald_spawn.set: which of the members after it count. */
enum heald_spawn_set {
    HEALD_SPAWN_SESSION = 1, /* the child leads a new session, without a terminal */
    HEALD_SPAWN_GROUP = 2,   /* `group` */
    HEALD_SPAWN_USER = 4,    /* `uid`, `gid`, `groups` */
    HEALD_SPAWN_UMASK = 8,   /* `umask` */
    HEALD_SPAWN_NICE = 16,   /* `nice` */
    HEALD_SPAWN_CWD_FD = 32, /* `cwd_fd` */
    HEALD_SPAWN_HANDLE = 64  /* heald_child.handle is opened */
};

/* What heald_spawn() starts. A member that is 0 or NULL has its default, except `file`. */
struct heald_spawn {
    const char *file;  /* looked up in PATH unless it contains a slash */
    char *const *argv; /* argv[0] ... NULL; default: { file, NULL } */
    char *const *envp; /* default: the environment of the caller */
    const char *cwd;   /* default: the directory of the caller; -ENOSYS if the system cannot change
                          it */
    int stdio[3];      /* one of the above each */
    int keep_ignored;  /* 1: signals that the caller ignores are ignored in the child */
    /* Not 0: the kernel sends this signal to the child when the thread that called heald_spawn()
     * ends, in whatever way. The children of the child do not get it, nor does a program with the
     * set-user-ID or set-group-ID bit or capabilities. -ENOSYS if the system does not support it.
     */
    int death_signal;
    unsigned set;                           /* bits of enum heald_spawn_set */
    pid_t group;                            /* 0: a process group of its own; else one to join */
    uid_t uid;                              /* the user that the child becomes */
    gid_t gid;                              /* and its group */
    const gid_t *groups;                    /* its supplementary groups; default: none */
    unsigned group_count;                   /* of these */
    mode_t umask;                           /* as umask(2) */
    int nice;                               /* -20 to 19 */
    int cwd_fd;                             /* a descriptor of the directory; not with `cwd` */
    const struct heald_spawn_fd *fds;       /* further descriptors */
    const struct heald_spawn_limit *limits; /* resource limits */
    unsigned fd_count, limit_count;         /* of these; 64 limits at most */
    unsigned short rows, columns;           /* of a terminal; default: 24, 80 */
};

/* A child that heald_spawn() has started. */
struct heald_child {
    pid_t pid;
    int stdio[3]; /* the caller's ends of the pipes and sockets, close-on-exec and non-blocking; -1:
                     neither */
    int pty;      /* the master of its terminal, the same; -1: none */
    int handle;   /* a descriptor of the process; -1: none. See heald_child_kill() */
};

/*
 * Starts a program, by posix_spawn(3), or by fork(2) if it needs more than that can do: a
 * death_signal, a terminal, `set` (but HEALD_SPAWN_HANDLE), `fds` or `limits`. The child has
 * default signal handling (see keep_ignored), an empty signal mask, and no descriptor that heald
 * opened. Its ends of the pipes and sockets are blocking. The caller waits for its end with
 * heald_prep_child() and closes the descriptors of *ret_child with heald_close(). May block while
 * the system starts the program. Thread-safe. On failure no resource remains, and *ret_child is
 * untouched.
 *
 * In the child the limits come first, then the descriptors, umask and nice, then the user, and last
 * the directory, which that user must be allowed to enter.
 *
 *   0         *ret_child is the child
 *   -EINVAL   file is NULL; a stream, death_signal, a number, or a bit of `set` is invalid; two
 *             descriptors have the same number in the child; both cwd and cwd_fd are given;
 *             HEALD_STDIO_SAME() of the stream itself, or of one that has it as well
 *   -ENOENT   there is no such program
 *   -ENOSYS   cwd or death_signal is set, and the system does not support it
 *   -EPERM    the caller may not become that user, or raise that limit or priority
 *   -errno    an error of the system
 */
HEALD_API int heald_spawn(const struct heald_spawn *spawn, struct heald_child *ret_child);

/*
 * Sends a signal to a child, and never to another process that has got its number. With a handle
 * any thread may reap the child meanwhile; without one the thread that calls this must be the one
 * that reaps. Does not block. Not async-signal-safe.
 *
 *   0         sent; also if the child has ended and was not reaped
 *   -ESRCH    the child was reaped
 *   -EINVAL   signo is not a signal
 *   -EPERM    the caller may not signal it
 */
HEALD_API int heald_child_kill(const struct heald_child *child, int signo);

/*
 * Sends a signal with a value to a process: by pidfd, a descriptor of it (heald_peer_identity(),
 * heald_child.handle), which never stands for another process; with a pidfd of -1 by its number.
 * The receiver finds it in value_ptr of its struct heald_siginfo, with SI_QUEUE as the code;
 * value_int is the first bytes of it, as in a union sigval. A pointer means something only to the
 * process that it belongs to. A signal that is not real-time (SIGRTMIN to SIGRTMAX) is dropped,
 * with its value, while another of its number is pending there. signo 0 sends nothing and checks
 * the rest. Does not block. Not async-signal-safe.
 *
 *   0         sent, or dropped as above
 *   -EAGAIN   the receiver has RLIMIT_SIGPENDING signals pending
 *   -EINVAL   signo is not a signal; without a pidfd, pid is 0 or negative
 *   -ESRCH    there is no such process
 *   -EPERM    the caller may not signal it
 *   -EBADF    pidfd is not open, or no descriptor of a process
 *   -ENOSYS   the system cannot queue signals, or has no descriptors of processes
 */
HEALD_API int heald_kill_value(pid_t pid, int pidfd, int signo, void *value);

/* Closes the handle, and sets it to -1. */
HEALD_API void heald_child_release(struct heald_child *child);

/* The end of a child, step by step. The caller sets `data` and `to_group`; `status` is filled. */
struct heald_child_stop {
    void *data;
    int to_group; /* 1: signals go to the process group that the child leads */
    struct heald_child_status status;
    struct heald_op op; /* private, as all that follow */
    struct heald_child child;
    void (*fn)(struct heald_child_stop *stop, int err);
    int64_t deadline_ns;
    int group; /* a descriptor of it, or -1 */
    int is_killed;
};

/*
 * Asks a child to end: sends SIGTERM, and SIGCONT for one that is stopped; after grace_ns without
 * an end SIGKILL. Reaps it, and runs fn(stop, 0). No other op may wait for the child. *stop stays
 * in place until fn runs. The caller releases the handle of the child after that. With to_group the
 * members of the group that outlive the child have the rest of grace_ns to end, and get SIGKILL
 * then; fn runs when all have ended and were reaped by their parents, or were killed. That needs
 * Linux 6.9: elsewhere the number may be another group's by then, and they get no SIGKILL. The
 * loop's thread. Does not block.
 *
 *   0         fn will run; its err is 0, or -ECHILD: another reaped the child
 *   -EINVAL   fn is NULL or grace_ns is negative
 *   -errno    an error of heald_submit() or heald_child_kill()
 */
HEALD_API int heald_child_stop(struct heald_child_stop *stop, struct heald_loop *loop,
                               const struct heald_child *child, int64_t grace_ns,
                               void (*fn)(struct heald_child_stop *stop, int err));

#ifdef __cplusplus
}
#endif
#endif
