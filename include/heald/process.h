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
    HEALD_STDIO_PIPE = -2    /* a pipe; its other end is in heald_child.stdio */
};
#define HEALD_STDIO_FD(fd) ((fd) + 1) /* the descriptor `fd` of the caller */

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
};

/* A child that heald_spawn() has started. */
struct heald_child {
    pid_t pid;
    int stdio[3]; /* the caller's ends of the pipes, close-on-exec and non-blocking; -1: no pipe */
};

/*
 * Starts a program, by posix_spawn(3), or with a death_signal by fork(2). The child has default
 * signal handling (see keep_ignored), an empty signal mask, and no descriptor that heald opened.
 * Its ends of the pipes are blocking. The caller waits for its end with heald_prep_child() and
 * closes the pipes with heald_close(). May block while the system starts the program. Thread-safe.
 * On failure no resource remains, and *ret_child is untouched.
 *
 *   0         *ret_child is the child
 *   -EINVAL   file is NULL, or a stream or death_signal is invalid
 *   -ENOENT   there is no such program
 *   -ENOSYS   cwd or death_signal is set, and the system does not support it
 *   -errno    an error of the system
 */
HEALD_API int heald_spawn(const struct heald_spawn *spawn, struct heald_child *ret_child);

#ifdef __cplusplus
}
#endif
#endif
