/* test/shm/step.h: a participant that is stopped after any number of instructions. */
#ifndef HEALD_TEST_STEP_H
#define HEALD_TEST_STEP_H

#include "shm/shm.h"

#include <sys/ptrace.h>

enum { STEP_SKIPPED = 77 };

/* Attached, and stopped before it does something. It stops once more afterwards. */
static inline pid_t step_start(struct fixture *f, void (*way)(struct fixture *))
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
            _exit(STEP_SKIPPED);
        must(heald_attach(f->region, &f->me) == 0);
        raise(SIGSTOP);
        way(f);
        raise(SIGSTOP);
        heald_detach(f->me);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == STEP_SKIPPED)
        harness_skip("no process may be traced here");
    ck_assert(WIFSTOPPED(status));
    return pid;
}

/* So many instructions further, or until it is through. How many it made. */
static inline int step_on(pid_t pid, int count)
{
    int status;

    for (int i = 0; i < count; i++) {
        ck_assert_int_eq(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_msg(WIFSTOPPED(status), "it ended: status %d", status);
        if (WSTOPSIG(status) == SIGSTOP)
            return i;
    }
    return count;
}

/* It goes on to its end. */
static inline void step_end(pid_t pid)
{
    int status = 0;

    ck_assert_int_eq(ptrace(PTRACE_DETACH, pid, NULL, NULL), 0);
    kill(pid, SIGCONT);
    /* The second stop is one that SIGCONT ends. */
    while (waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status))
        kill(pid, SIGCONT);
    ck_assert_int_eq(status, 0);
}

#endif
