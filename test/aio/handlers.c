/* test/aio/handlers.c: aio_error, aio_return and aio_suspend are safe in a handler, whatever it
 * interrupted. */
#include "aio/suite.h"

enum { SECONDS = 2, HELPERS = 3 };

static struct aiocb done, pending;
static atomic_int calls;
static atomic_bool stop;

static void look(int signo, siginfo_t *info, void *context)
{
    const struct aiocb *both[] = {&pending, NULL, &done}, *one[] = {&pending};
    struct timespec none = {0, 0}, little = {0, 20000};
    int saved = errno;

    (void)signo, (void)info, (void)context;
    must_be(aio_error(&done), 0);
    must_be(aio_return(&done), 4);
    must_be(aio_error(&pending), EINPROGRESS);
    must_be(aio_suspend(both, 3, NULL), 0);
    must_be(aio_suspend(one, 1, &none), -1);
    must_be(aio_suspend(one, 1, &little), -1);
    atomic_fetch_add(&calls, 1);
    errno = saved;
}

/* Everything that takes a lock somewhere. */
static void work(int fd, int pipe_fd)
{
    struct aiocb cb, *list[] = {&cb}, queued;
    char buf[16], *memory = malloc(4000);

    must_be(read_now(fd, buf, 4, 0), 4);
    must_be(write_now(fd, buf, 4, 0), 4);
    cb = block(fd, buf, 4, 0);
    cb.aio_lio_opcode = LIO_WRITE;
    int listed = lio_listio(LIO_WAIT, list, 1, NULL);
    must(listed == 0 || errno == EINTR);
    must_be(result_of(&cb), 4);
    start_read(&queued, pipe_fd, buf, 4, 0);
    aio_cancel(pipe_fd, &queued);
    must_be(result_of(&queued), -ECANCELED);
    free(memory);
}

struct place {
    int fd, pipe_fd;
};

static void *helper(void *arg)
{
    struct place *place = arg;

    while (!atomic_load(&stop))
        work(place->fd, place->pipe_fd);
    return NULL;
}

/* Between two signals: on a slow machine longer than 200 us, or the handler would be all that runs.
 */
static int64_t interval_us(void)
{
    int64_t start = now();

    for (int i = 0; i < 16; i++)
        look(SIGALRM, NULL, NULL);
    int64_t handler_us = (now() - start) / 16 / 1000;
    return handler_us * 4 > 200 ? handler_us * 4 : 200;
}

static void interrupted_work(int helpers)
{
    int fd = file_with("0123456789"), fds[2], others[2];
    char buf[8], byte;
    pthread_t threads[HELPERS];
    int64_t end;

    pipe_make(fds);
    pipe_make(others);
    struct aiocb head;
    start_read(&done, fd, buf, 4, 0);
    must_be(wait_for(&done), 0);
    start_read(&pending, fds[0], &byte, 1, 0);
    start_read(&head, others[0], &byte, 1, 0);
    nap(10);
    struct place place = {fd, others[0]};
    for (int i = 0; i < helpers; i++)
        threads[i] = thread_start(helper, &place);
    handle(SIGALRM, look, SA_RESTART);
    bombard(interval_us());
    for (end = now() + SECONDS * (int64_t)SECOND; now() < end;)
        work(fd, others[0]);
    atomic_store(&stop, true);
    for (int i = 0; i < helpers; i++)
        thread_end(threads[i]);
    bombard(0);
    must(atomic_load(&calls) > 100);
    must_be(write(fds[1], "x", 1), 1);
    must_be(write(others[1], "x", 1), 1);
    must_be(result_of(&pending), 1);
    must_be(result_of(&head), 1);
    pair_close(fds);
    pair_close(others);
    close(fd);
}

HEALD_CASE(handlers_interrupt_one_thread)
{
    interrupted_work(0);
}

HEALD_CASE(handlers_interrupt_several_threads)
{
    interrupted_work(HELPERS);
}

/* A handler waits whole for what the interrupted thread asked for a moment ago. */
static void wait_whole(int signo, siginfo_t *info, void *context)
{
    const struct aiocb *list[] = {info->si_value.sival_ptr};
    int saved = errno;

    (void)signo, (void)context;
    must_be(aio_suspend(list, 1, NULL), 0);
    must_be(aio_error(list[0]), 0);
    atomic_fetch_add(&calls, 1);
    errno = saved;
}

HEALD_CASE(a_handler_waits)
{
    int fd = file_with("0123456789");
    char buf[8];

    handle(SIGUSR1, wait_whole, SA_RESTART);
    for (int i = 0; i < 2000; i++) {
        struct aiocb cb;
        start_read(&cb, fd, buf, 4, 0);
        must_be(sigqueue(getpid(), SIGUSR1, (union sigval){.sival_ptr = &cb}), 0);
        until(&calls, i + 1);
        must_be(aio_return(&cb), 4);
    }
    close(fd);
}

void add_handlers(TCase *group)
{
    add(group, handlers_interrupt_one_thread);
    add(group, handlers_interrupt_several_threads);
    add(group, a_handler_waits);
}
