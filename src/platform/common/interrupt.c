/*
 * platform/common/interrupt.c: a thread of the library's own that waits in a system call is made to
 * return from it: by a signal whose handler does nothing, and which only such threads unblock.
 *
 * The signal is a real-time one that the program does not use: its action is the default one, and
 * the calling thread does not block it, as it would for sigwait(3) or signalfd(2). The table of
 * actions, which is the kernel's, says which one has been taken; so nothing is kept here, and all
 * loops of a process take the same. In a thread that blocks all of them the mask is no sign. From
 * SIGRTMAX - 2 downwards, as other runtimes do: programs count from SIGRTMIN upwards.
 */
#include "platform/sys.h"

#ifdef SIGRTMAX

enum { INTERRUPT_BELOW_MAX = 2 };

static void nothing(int signo)
{
    (void)signo;
}

static bool is_taken(int signo)
{
    struct sigaction action;

    return sigaction(signo, NULL, &action) == 0 && !(action.sa_flags & SA_SIGINFO) &&
           action.sa_handler == nothing;
}

static bool is_free(int signo, const sigset_t *blocked)
{
    struct sigaction action;

    return sigismember(blocked, signo) != 1 && sigaction(signo, NULL, &action) == 0 &&
           !(action.sa_flags & SA_SIGINFO) && action.sa_handler == SIG_DFL;
}

/* Without SA_RESTART: the call is to end. */
static bool take(int signo)
{
    struct sigaction action = {.sa_handler = nothing};

    sigemptyset(&action.sa_mask);
    return sigaction(signo, &action, NULL) == 0;
}

/* Nobody's, as far as one can see. */
static int choose(const sigset_t *blocked)
{
    for (int signo = SIGRTMAX - INTERRUPT_BELOW_MAX; signo > SIGRTMIN; signo--)
        if (is_taken(signo) || (is_free(signo, blocked) && take(signo)))
            return signo;
    return 0;
}

int heald__plat_interrupt_signal(void)
{
    sigset_t blocked;
    int signo;

    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    if ((signo = choose(&blocked)))
        return signo;
    /* A thread that blocks all of them does not show by that which ones are waited for. */
    sigemptyset(&blocked);
    return choose(&blocked);
}

bool heald__plat_is_interrupt(int signo)
{
    return signo > SIGRTMIN && signo <= SIGRTMAX - INTERRUPT_BELOW_MAX && is_taken(signo);
}

#else

int heald__plat_interrupt_signal(void)
{
    return 0;
}

bool heald__plat_is_interrupt(int signo)
{
    (void)signo;
    return false;
}

#endif

void heald__plat_interrupt_allow(int signo)
{
    sigset_t one;

    sigemptyset(&one);
    sigaddset(&one, signo);
    pthread_sigmask(SIG_UNBLOCK, &one, NULL);
}
