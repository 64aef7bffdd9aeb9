/* test/aio/stepping.c: a child process that is stepped through a call; see stepping.h. */
#include "aio/stepping.h"

#include <sys/ptrace.h>

enum { PLACES = 24, LONGEST = 200 * 1000 };

void stepping_begin(void)
{
    must_be(ptrace(PTRACE_TRACEME, 0, NULL, NULL), 0);
    signal(SIGALRM, SIG_DFL);
    alarm(STEPPING_LIMIT * (unsigned)harness_slow());
    raise(SIGSTOP);
}

/* The signal is ignored unless the process is traced. */
void stepping_end(void)
{
    raise(SIGWINCH);
}

static int next_stop(pid_t pid, int request, int signo)
{
    int status;

    must_be(ptrace(request, pid, NULL, (long)signo), 0);
    must_be(waitpid(pid, &status, 0), pid);
    return status;
}

static bool is_stopped_by(int status, int signo)
{
    return WIFSTOPPED(status) && WSTOPSIG(status) == signo;
}

/* How many instructions it made: fewer than asked for if its call is that short. */
static long step(pid_t pid, long steps)
{
    int status;
    long made = 0;

    must_be(waitpid(pid, &status, 0), pid);
    must(is_stopped_by(status, SIGSTOP));
    while (made < steps) {
        status = next_stop(pid, PTRACE_SINGLESTEP, 0);
        if (is_stopped_by(status, SIGWINCH))
            break;
        must(is_stopped_by(status, SIGTRAP));
        made++;
    }
    return made;
}

static long play(void (*actor)(void *), void *arg, long steps)
{
    pid_t pid = child_start(actor, arg);
    long made = step(pid, steps);
    int status = next_stop(pid, PTRACE_CONT, made == steps ? SIGUSR1 : 0);

    while (WIFSTOPPED(status))
        status = next_stop(pid, PTRACE_CONT, WSTOPSIG(status));
    if (status)
        fprintf(stderr, "the signal came at instruction %ld\n", made);
    must_be(status, 0);
    return made;
}

void step_through(void (*actor)(void *), void *arg)
{
    const char *text = getenv("HEALD_AIO_STRIDE");
    long length = play(actor, arg, LONGEST), stride = text ? atol(text) : length / PLACES + 1;

    must(stride > 0);
    for (long n = 0; n < length; n += stride)
        play(actor, arg, n);
}
