/*
 * test/aio/steps.c: a signal at an instruction of aio_read, whichever it is (stepping.h). What its
 * handler waits for must come, and the call must go on afterwards.
 */
#include "aio/stepping.h"

enum { READS = 20 };

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
    second = block(stepped[0], &bytes[1], 1, 0);
    stepping_begin();
    must_be(aio_read(&second), 0);
    stepping_end();
    scene->end();
}

static void play_all(const struct scene *which)
{
    scene = which;
    step_through(actor, NULL);
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
        alarm(STEPPING_LIMIT * (unsigned)harness_slow());
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
