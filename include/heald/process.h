/* heald/process.h: signals and child processes as operations. */
#ifndef HEALD_PROCESS_H
#define HEALD_PROCESS_H

#include <heald/op.h>

#include <sys/resource.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What came with a signal: the fields of siginfo_t that all platforms share. */
struct heald_siginfo {
    int signo;
    int code;        /* SI_USER, SI_QUEUE, CLD_EXITED, … */
    int status;      /* SIGCHLD: exit status or signal */
    pid_t pid;       /* sender, or the child */
    uid_t uid;       /* sender's real user */
    int value_int;   /* sival_int and sival_ptr of what sigqueue(3) or a timer passed; */
    void *value_ptr; /* 0 and NULL without */
};

/*
 * Waits for a signal, again and again (HEALD_MORE), until it is cancelled: the result is its
 * number, and *ret_info, if not NULL, is filled for each callback. No handler is installed: the
 * signal is blocked in the calling thread from submit on. When the last op for it in this thread
 * has completed, of whatever loop, the thread's mask is as it was before the first. In a program
 * with threads, block it in all of them before they start, or the kernel may pick one that does not
 * wait. Of several loops that wait for the same signal one receives it; of several ops in a loop,
 * all. -EINVAL: not a signal, or SIGKILL, SIGSTOP, or one that the program's own fault raises
 * (SIGSEGV, SIGBUS, SIGFPE, SIGILL). heald_submit() returns -EBUSY for the real-time signal by
 * which the library interrupts its own threads (heald(7), Threads).
 */
HEALD_API int heald_prep_signal(struct heald_op *op, int signo, struct heald_siginfo *ret_info);

/* How a child ended. */
struct heald_child_status {
    pid_t pid;
    int status; /* as waitpid(2): WIFEXITED, WEXITSTATUS, WTERMSIG */
    struct rusage usage;
};

/*
 * Waits for the child process `pid` to end and reaps it: 0 and *ret_status (if not NULL), or
 * -ECHILD if it is not a child of this process that can be waited for. Cancelled, the child is not
 * reaped. Where the system has no process descriptors, a thread waits for each child. -EINVAL: pid
 * is 0 or negative.
 */
HEALD_API int heald_prep_child(struct heald_op *op, pid_t pid,
                               struct heald_child_status *ret_status);

/*
 * What a standard stream of a new child shall be. Zero, and so a zeroed struct, is the caller's own
 * stream; HEALD_STDIO_FD(fd) is a descriptor of the caller.
 */
enum {
    HEALD_STDIO_INHERIT = 0,
    HEALD_STDIO_NULL = -1, /* /dev/null */
    HEALD_STDIO_PIPE = -2  /* a pipe, whose other end is in heald_child.stdio */
};
#define HEALD_STDIO_FD(fd) ((fd) + 1)

struct heald_spawn {
    const char *file;  /* looked up in PATH unless it has a slash */
    char *const *argv; /* argv[0] … NULL; NULL: { file, NULL } */
    char *const *envp; /* NULL: the caller's environment */
    const char *cwd;   /* NULL: the caller's; else -ENOSYS where the system cannot */
    int stdio[3];
    int keep_ignored; /* 1: signals that the caller ignores are ignored in the child, too */
    /* Not 0: the kernel sends this signal to the child when the thread that called heald_spawn()
     * ends, in whatever way. The child's own children do not get it, nor does a program with the
     * set-user-ID or set-group-ID bit or capabilities. -ENOSYS where the system cannot. */
    int death_signal;
};

struct heald_child {
    pid_t pid;
    int stdio[3]; /* our ends of the pipes, close-on-exec and non-blocking; -1 where there is none
                   */
};

/*
 * Starts a program: 0 and *ret_child, or -errno (-ENOENT: no such program; -EINVAL: no file, or no
 * such stream or signal) with nothing left behind. The child has default signal handling (but see
 * keep_ignored) and an empty signal mask. May block for as long as the system needs to start it.
 * Thread-safe. Await its end with heald_prep_child(); close the pipes with heald_close().
 */
HEALD_API int heald_spawn(const struct heald_spawn *spawn, struct heald_child *ret_child);

#ifdef __cplusplus
}
#endif
#endif
