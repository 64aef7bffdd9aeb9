/*
 * test/aio/steps.c: a signal at an instruction of aio_read, whichever it is: a child process is
 * stepped through its call (ptrace(2)) so far, and gets the signal there. What its handler waits
 * for must come, and the call must go on afterwards. The threads of the implementation run freely.
 *
 * HEALD_AIO_STRIDE=N: at each Nth instruction; 1 is all of them.
 */
#include "aio/suite.h"

#include <sys/ptrace.h>

enum { PLACES = 60, LONGEST = 200 * 1000, LIMIT = 5, READS = 20 };

/* What happens in the handler, and beside it. */
struct scene {
    void (*begin)(void), (*on_signal)(void), (*end)(void);
};

static const struct scene *scene;
static int asleep[2], stepped[2], others[2]; /* pipes */
static char bytes[3];
static struct aiocb first, second, third;
static atomic_int turn; /* of the other thread */
static pid_t forked;    /* by the handler; -1: none came */

static void on_signal(int signo, siginfo_t *info, void *context)
{
    int saved = errno;

    (void)signo, (void)info, (void)context;
    scene->on_signal();
    errno = saved;
}

/* The child: the call that is stepped is not its first, and finds the I/O thread asleep. */
static void actor(void *arg)
{
    (void)arg;
    pipe_make(asleep);
    pipe_make(stepped);
    pipe_make(others);
    handle(SIGUSR1, on_signal, 0);
    forked = -1;
    scene->begin();
    start_read(&first, asleep[0], &bytes[0], 1, 0);
    nap(3);
    must_be(ptrace(PTRACE_TRACEME, 0, NULL, NULL), 0);
    second = block(stepped[0], &bytes[1], 1, 0);
    signal(SIGALRM, SIG_DFL);
    alarm(LIMIT * (unsigned)harness_slow());
    raise(SIGSTOP);
    must_be(aio_read(&second), 0);
    raise(SIGWINCH); /* seen by who steps only */
    scene->end();
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

static long play(long steps)
{
    pid_t pid = child_start(actor, NULL);
    long made = step(pid, steps);
    int status = next_stop(pid, PTRACE_CONT, made == steps ? SIGUSR1 : 0);

    while (WIFSTOPPED(status))
        status = next_stop(pid, PTRACE_CONT, WSTOPSIG(status));
    if (status)
        fprintf(stderr, "the signal came at instruction %ld\n", made);
    must_be(status, 0);
    return made;
}

static void play_all(const struct scene *which)
{
    const char *text = getenv("HEALD_AIO_STRIDE");

    scene = which;
    long length = play(LONGEST), stride = text ? atol(text) : length / PLACES + 1;
    must(stride > 0);
    for (long n = 0; n < length; n += stride)
        play(n);
}

static void nothing(void)
{
}

static void close_one_with_a_request(void)
{
    must_be(close(asleep[0]), 0);
}

HEALD_CASE(a_handler_closes)
{
    play_all(&(struct scene){nothing, close_one_with_a_request, nothing});
}

static void *ask_beside_the_handler(void *arg)
{
    while (atomic_load(&turn) != 1)
        nap(1);
    start_read(&third, others[0], &bytes[2], 1, 0);
    atomic_store(&turn, 2);
    return arg;
}

static void begin_beside(void)
{
    block_signal(SIGUSR1); /* in the other thread */
    must_be(write(others[1], "x", 1), 1);
    thread_start(ask_beside_the_handler, NULL);
    sigset_t none;
    sigemptyset(&none);
    must_be(pthread_sigmask(SIG_SETMASK, &none, NULL), 0);
}

static void rely_on_another_thread(void)
{
    const struct aiocb *list[] = {&third};

    atomic_store(&turn, 1);
    while (atomic_load(&turn) != 2)
        nap(1);
    must_be(aio_suspend(list, 1, NULL), 0);
    must_be(aio_return(&third), 1);
}

HEALD_CASE(a_handler_waits_for_another_threads)
{
    play_all(&(struct scene){begin_beside, rely_on_another_thread, nothing});
}

/* The call goes on in both processes. */
static void fork_here(void)
{
    forked = fork();
    must(forked >= 0);
    if (forked == 0)
        alarm(LIMIT * (unsigned)harness_slow());
}

static void read_anew(void)
{
    char byte;

    for (int i = 0; i < READS; i++) {
        must_be(write(others[1], "x", 1), 1);
        must_be(read_now(others[0], &byte, 1, 0), 1);
    }
}

static void end_forked(void)
{
    int status;

    if (forked < 0)
        return;
    read_anew();
    if (forked == 0)
        _exit(0);
    must_be(waitpid(forked, &status, 0), forked);
    must_be(status, 0);
}

HEALD_CASE(a_handler_forks)
{
    if (harness_is_sanitized())
        harness_skip("another thread may hold the sanitizer's allocator when it forks");
    play_all(&(struct scene){nothing, fork_here, end_forked});
}

void add_steps(TCase *group)
{
    add(group, a_handler_closes);
    add(group, a_handler_waits_for_another_threads);
    add(group, a_handler_forks);
}
