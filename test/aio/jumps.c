/*
 * test/aio/jumps.c: siglongjmp(3) out of calls that are async-signal-safe, at each instruction
 * (stepping.h) and out of a wait. The frames of the call are overwritten then: nobody may keep a
 * pointer into them, a lock or a record of the waiter.
 */
#include "aio/stepping.h"

#include <setjmp.h>

enum { FRAMES = 1 << 16, ROUNDS = 3000, WARM_UP = 1000, WAITS = 400, GROWTH_KB = 1 << 10 };
enum { LAST = 1023, SPARE = 2 };

/* What the child has in flight while the signal comes. */
static sigjmp_buf place;
static volatile sig_atomic_t armed, jumped;
static struct aiocb pending, queued, other, done;
static char bytes[4];
static int fds[2], others[2];

static void jump(int signo, siginfo_t *info, void *context)
{
    (void)signo, (void)info, (void)context;
    if (!armed)
        return;
    armed = 0;
    jumped++;
    siglongjmp(place, 1);
}

static char __attribute__((noinline)) overwrite_the_stack(void)
{
    volatile char frames[FRAMES];

    for (int i = 0; i < FRAMES; i++)
        frames[i] = (char)0xa5;
    return frames[FRAMES / 2];
}

static void begin(void)
{
    int file = file_with("0123456789");

    signal(SIGPIPE, SIG_IGN);
    handle(SIGUSR1, jump, 0);
    pipe_make(fds);
    pipe_make(others);
    start_read(&done, file, &bytes[3], 1, 0);
    must_be(wait_for(&done), 0);
    start_read(&pending, fds[0], &bytes[0], 1, 0);
    start_read(&queued, fds[0], &bytes[1], 1, 0);
    start_read(&other, others[0], &bytes[2], 1, 0);
    nap(3);
}

static void must_end(struct aiocb *cb)
{
    ssize_t n = result_of(cb);

    must(n == 0 || n == 1 || n == -ECANCELED || n == -EBADF);
}

/* Requests end, those that were there and new ones; a descriptor with one can be closed. */
static void all_goes_on(void)
{
    int more[2], file = file_with("0123456789");
    struct aiocb cb;
    char byte;

    must(write(fds[1], "ab", 2) == 2 || errno == EPIPE);
    must_end(&pending);
    must_end(&queued);
    must_be(write(others[1], "c", 1), 1);
    must_be(result_of(&other), 1);
    must_be(read_now(file, &byte, 1, 3), 1);
    must_be(byte, '3');
    pipe_make(more);
    start_read(&cb, more[0], &byte, 1, 0);
    must_be(close(more[0]), 0);
    must_be(close(more[1]), 0);
    must_end(&cb);
    must_be(close(file), 0);
}

/* The call is made again after the jump. */
static void actor(void *arg)
{
    void (*call)(void) = *(void (**)(void))arg;

    begin();
    if (!sigsetjmp(place, 1)) {
        armed = 1;
        stepping_begin();
        call();
    }
    armed = 0;
    stepping_end();
    overwrite_the_stack();
    call();
    overwrite_the_stack();
    all_goes_on();
}

static void out_of(void (*call)(void))
{
    step_through(actor, &call);
}

static void close_the_pipe(void)
{
    close(fds[0]);
}

HEALD_CASE(out_of_close)
{
    out_of(close_the_pipe);
}

static void replace_the_pipe(void)
{
    dup2(others[1], fds[0]);
}

HEALD_CASE(out_of_dup2)
{
    out_of(replace_the_pipe);
}

static void wait_in_vain(void)
{
    const struct aiocb *list[] = {&pending, NULL, &other};
    struct timespec soon = {0, MS};

    must_be(aio_suspend(list, 3, &soon), -1);
}

HEALD_CASE(out_of_suspend)
{
    out_of(wait_in_vain);
}

static void wait_for_what_is_done(void)
{
    const struct aiocb *list[] = {&pending, &done};

    must_be(aio_suspend(list, 2, NULL), 0);
}

HEALD_CASE(out_of_suspend_of_one_that_is_done)
{
    out_of(wait_for_what_is_done);
}

static void ask_for_errors(void)
{
    must_be(aio_error(&pending), EINPROGRESS);
    must_be(aio_error(&done), 0);
}

HEALD_CASE(out_of_error)
{
    out_of(ask_for_errors);
}

/* The second time the result may be gone. */
static void ask_for_the_result(void)
{
    aio_return(&done);
}

HEALD_CASE(out_of_return)
{
    out_of(ask_for_the_result);
}

static int open_numbers(void)
{
    int count = 0;

    for (int fd = 0; fd <= LAST; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void signal_after(long us)
{
    struct itimerval timer = {{0, 0}, {0, us}};

    must_be(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

/* The call is left after `us`, if it takes that long. */
static void __attribute__((noinline)) jump_out_of(void (*call)(void), long us)
{
    if (!sigsetjmp(place, 1)) {
        armed = 1;
        signal_after(us);
        call();
    }
    armed = 0;
    signal_after(0);
}

static void close_round(int round)
{
    pipe_make(fds);
    start_read(&pending, fds[0], &bytes[0], 1, 0);
    start_read(&queued, fds[0], &bytes[1], 1, 0);
    jump_out_of(close_the_pipe, 1 + round % 50);
    overwrite_the_stack();
    close_the_pipe(); /* it may be closed already */
    must_be(close(fds[1]), 0);
    must_end(&pending);
    must_end(&queued);
}

static void jumps_out_of_close(void *arg)
{
    (void)arg;
    handle(SIGALRM, jump, 0);
    for (int i = 0; i < WARM_UP; i++)
        close_round(i);
    long memory = status_of("VmRSS:"), threads = status_of("Threads:");
    int numbers = open_numbers();
    for (int i = 0; i < ROUNDS; i++)
        close_round(i);
    must(status_of("VmRSS:") <= memory + GROWTH_KB);
    must(status_of("Threads:") <= threads + SPARE);
    must(open_numbers() <= numbers + SPARE);
}

HEALD_CASE(many_jumps_out_of_close)
{
    if (harness_is_sanitized())
        harness_skip("the sanitizer keeps freed memory");
    in_child(jumps_out_of_close, NULL);
}

static void wait_without_end(void)
{
    const struct aiocb *list[] = {&pending, &other};

    aio_suspend(list, 2, NULL);
}

/* The waiter that has gone is not woken, and not counted. */
static void jumps_out_of_a_wait(void *arg)
{
    (void)arg;
    begin();
    handle(SIGALRM, jump, 0);
    for (int i = 0; i < WARM_UP; i++) {
        jump_out_of(wait_without_end, 200 + i % 300);
        overwrite_the_stack();
    }
    must_be(jumped, WARM_UP);
    long memory = status_of("VmRSS:");
    for (int i = 0; i < WAITS; i++) {
        jump_out_of(wait_without_end, 200 + i % 300);
        overwrite_the_stack();
    }
    must(status_of("VmRSS:") <= memory + GROWTH_KB);
    all_goes_on();
}

HEALD_CASE(many_jumps_out_of_a_wait)
{
    if (harness_is_sanitized())
        harness_skip("the sanitizer keeps freed memory");
    in_child(jumps_out_of_a_wait, NULL);
}

void add_jumps(TCase *group)
{
    add(group, out_of_close);
    add(group, out_of_dup2);
    add(group, out_of_suspend);
    add(group, out_of_suspend_of_one_that_is_done);
    add(group, out_of_error);
    add(group, out_of_return);
    add(group, many_jumps_out_of_close);
    add(group, many_jumps_out_of_a_wait);
}
