/* test/aio/life.c: the life of a request and of its block. */
#include "aio/suite.h"

enum { ROUNDS = 3000, SMALL = 64 };

static atomic_int seen;
static int noticed_error;

HEALD_CASE(in_progress_until_done)
{
    int fds[2];
    char buf[8];
    struct aiocb cb;

    pipe_make(fds);
    start_read(&cb, fds[0], buf, sizeof buf, 0);
    must_hang(&cb);
    must_be(write(fds[1], "abc", 3), 3);
    must_be(result_of(&cb), 3);
    must_be(memcmp(buf, "abc", 3), 0);
    pair_close(fds);
}

struct race {
    struct aiocb cb;
    atomic_int round; /* that has been submitted */
    atomic_int checked;
};

static void *spin(void *arg)
{
    struct race *race = arg;

    for (int i = 1; i <= ROUNDS; i++) {
        while (atomic_load(&race->round) < i)
            ;
        while (aio_error(&race->cb) == EINPROGRESS)
            ;
        must_be(aio_error(&race->cb), 0);
        must_be(aio_return(&race->cb), 1 + i % SMALL);
        atomic_store(&race->checked, i);
    }
    return NULL;
}

HEALD_CASE(value_before_status)
{
    struct race race = {0};
    int fd = file_make();
    char buf[SMALL + 1] = {0};

    must_be(write(fd, buf, sizeof buf), sizeof buf);
    pthread_t thread = thread_start(spin, &race);
    for (int i = 1; i <= ROUNDS; i++) {
        start_read(&race.cb, fd, buf, 1 + (size_t)i % SMALL, 0);
        atomic_store(&race.round, i);
        while (atomic_load(&race.checked) < i)
            ;
    }
    thread_end(thread);
    close(fd);
}

static void count_signal(int signo, siginfo_t *info, void *context)
{
    (void)signo, (void)info, (void)context;
    atomic_fetch_add(&seen, 1);
}

static void count_thread(union sigval value)
{
    (void)value;
    atomic_fetch_add(&seen, 1);
}

static void spin_and_drop(struct aiocb *cb, ssize_t want)
{
    while (aio_error(cb) == EINPROGRESS)
        ;
    must_be(aio_return(cb), want);
    page_drop(cb);
}

/* An access to a block that was unmapped kills the case. */
static void drop_rounds(int notify, int rounds)
{
    int fd = file_with("0123456789");
    char buf[16];

    handle(SIGRTMIN, count_signal, SA_RESTART);
    for (int i = 0; i < rounds; i++) {
        struct aiocb *cb = page_make();
        *cb = block(fd, buf, 10, 0);
        if (notify == SIGEV_SIGNAL)
            notify_by_signal(cb, SIGRTMIN, 0);
        else if (notify == SIGEV_THREAD)
            notify_by_thread(cb, count_thread, NULL);
        must_be(i % 2 ? aio_read(cb) : aio_write(cb), 0);
        spin_and_drop(cb, 10);
    }
    if (notify != SIGEV_NONE)
        until(&seen, rounds);
    close(fd);
}

HEALD_CASE(block_unmapped_when_done)
{
    drop_rounds(SIGEV_NONE, ROUNDS);
}

HEALD_CASE(block_unmapped_when_done_then_signal)
{
    drop_rounds(SIGEV_SIGNAL, ROUNDS);
}

HEALD_CASE(block_unmapped_when_done_then_thread)
{
    drop_rounds(SIGEV_THREAD, ROUNDS / 3);
}

HEALD_CASE(block_of_a_pipe_unmapped_when_done)
{
    int fds[2];
    char buf[4];

    pipe_make(fds);
    for (int i = 0; i < ROUNDS / 3; i++) {
        struct aiocb *cb = page_make();
        start_read(cb, fds[0], buf, sizeof buf, 0);
        must_be(write(fds[1], "wxyz", 4), 4);
        spin_and_drop(cb, 4);
    }
    pair_close(fds);
}

HEALD_CASE(cancelled_block_unmapped_when_done)
{
    int fds[2];
    char buf[4];
    size_t full;

    pipe_make(fds);
    full = fill(fds[1]);
    struct aiocb first;
    start_write(&first, fds[1], "1", 1, 0);
    for (int i = 0; i < ROUNDS / 10; i++) {
        struct aiocb *cb = page_make();
        start_write(cb, fds[1], buf, sizeof buf, 0);
        must_be(aio_cancel(fds[1], cb), AIO_CANCELED);
        must_be(aio_error(cb), ECANCELED);
        page_drop(cb);
    }
    drain(fds[0], full);
    must_be(result_of(&first), 1);
    pair_close(fds);
}

static void drop_in_handler(int signo, siginfo_t *info, void *context)
{
    struct aiocb *cb = info->si_value.sival_ptr;

    (void)signo, (void)context;
    noticed_error = aio_error(cb);
    must(aio_return(cb) == (noticed_error ? -1 : 10));
    munmap(cb, page_size());
    atomic_fetch_add(&seen, 1);
}

static void drop_in_thread(union sigval value)
{
    struct aiocb *cb = value.sival_ptr;

    noticed_error = aio_error(cb);
    must(aio_return(cb) == (noticed_error ? -1 : 10));
    page_drop(cb);
    atomic_fetch_add(&seen, 1);
}

/* The error is there when the notification comes, and the block is its owner's again. */
static void notified_rounds(bool by_thread, int fd, int want, int rounds)
{
    char buf[16];

    handle(SIGRTMIN, drop_in_handler, SA_RESTART);
    for (int i = 0; i < rounds; i++) {
        struct aiocb *cb = page_make();
        *cb = block(fd, buf, 10, 0);
        if (by_thread)
            notify_by_thread(cb, drop_in_thread, cb);
        else
            notify_by_signal(cb, SIGRTMIN, 0);
        cb->aio_sigevent.sigev_value.sival_ptr = cb;
        noticed_error = -1;
        must_be(aio_read(cb), 0);
        until(&seen, i + 1);
        must_be(noticed_error, want);
    }
}

HEALD_CASE(block_unmapped_by_the_handler)
{
    int fd = file_with("0123456789");

    notified_rounds(false, fd, 0, ROUNDS);
    close(fd);
}

HEALD_CASE(block_unmapped_by_the_thread)
{
    int fd = file_with("0123456789");

    notified_rounds(true, fd, 0, ROUNDS / 10);
    close(fd);
}

HEALD_CASE(error_stored_before_the_handler)
{
    notified_rounds(false, -1, EBADF, 100);
}

HEALD_CASE(error_stored_before_the_thread)
{
    notified_rounds(true, -1, EBADF, 100);
}

HEALD_CASE(block_overwritten_when_done)
{
    static struct aiocb blocks[ROUNDS / 10];
    int fd = file_with("0123456789"), count = ROUNDS / 10;
    char buf[16];
    const unsigned char *bytes = (const unsigned char *)blocks;

    for (int i = 0; i < count; i++) {
        start_read(&blocks[i], fd, buf, 10, 0);
        while (aio_error(&blocks[i]) == EINPROGRESS)
            ;
        memset(&blocks[i], 0xa5, sizeof blocks[i]);
    }
    nap(20);
    for (size_t i = 0; i < sizeof blocks; i++)
        must_be(bytes[i], 0xa5);
    close(fd);
}

HEALD_CASE(block_reused_without_return)
{
    int fd = file_with("0123456789");
    char buf[16];
    struct aiocb cb = block(fd, buf, 4, 0);

    for (int i = 0; i < 200; i++) {
        cb.aio_nbytes = (size_t)(1 + i % 9);
        must_be(aio_read(&cb), 0);
        must_be(wait_for(&cb), 0);
    }
    must_be(aio_return(&cb), 1 + 199 % 9);
    close(fd);
}

HEALD_CASE(result_taken_twice)
{
    int fd = file_with("0123456789");
    char buf[16];
    struct aiocb cb;

    start_read(&cb, fd, buf, 7, 0);
    must_be(wait_for(&cb), 0);
    must_be(aio_return(&cb), 7);
    must_be(aio_return(&cb), 7);
    must_be(aio_error(&cb), 0);
    close(fd);
}

HEALD_CASE(zeroed_block_is_done)
{
    struct aiocb cb;

    memset(&cb, 0, sizeof cb);
    must_be(aio_error(&cb), 0);
    must_be(aio_return(&cb), 0);
}

HEALD_CASE(refused_call_leaves_its_error)
{
    int fd = file_with("0123456789");
    char buf[16];
    struct aiocb cb;

    start_read(&cb, fd, buf, 7, 0);
    must_be(result_of(&cb), 7);
    cb.aio_reqprio = 21;
    must_be(aio_read(&cb), -1);
    must_be(errno, EINVAL);
    must_be(aio_error(&cb), EINVAL);
    must_be(aio_return(&cb), -1);
    cb.aio_reqprio = 0;
    must_be(aio_write(&cb), 0);
    must_be(result_of(&cb), 7);
    close(fd);
}

static void scribble(struct aiocb *cb, char *elsewhere)
{
    cb->aio_buf = elsewhere;
    cb->aio_nbytes = 1;
    cb->aio_offset = 4096;
    cb->aio_fildes = -1;
    cb->aio_lio_opcode = 77;
    cb->aio_sigevent.sigev_notify = SIGEV_NONE;
    cb->aio_sigevent.sigev_signo = SIGKILL;
}

HEALD_CASE(started_request_is_a_copy)
{
    int fds[2];
    char buf[8] = "", other[8] = "";
    struct aiocb cb;

    handle(SIGRTMIN, count_signal, SA_RESTART);
    pipe_make(fds);
    cb = block(fds[0], buf, 6, 0);
    notify_by_signal(&cb, SIGRTMIN, 0);
    must_be(aio_read(&cb), 0);
    nap(10);
    scribble(&cb, other);
    must_be(write(fds[1], "abcdef", 6), 6);
    must_be(result_of(&cb), 6);
    must_be(memcmp(buf, "abcdef", 6), 0);
    until(&seen, 1);
    pair_close(fds);
}

HEALD_CASE(queued_request_is_a_copy)
{
    int fds[2];
    char buf[4] = "", other[8] = "";
    struct aiocb first, second;

    handle(SIGRTMIN, count_signal, SA_RESTART);
    pipe_make(fds);
    start_read(&first, fds[0], buf, 2, 0);
    second = block(fds[0], buf + 2, 2, 0);
    notify_by_signal(&second, SIGRTMIN, 0);
    must_be(aio_read(&second), 0);
    scribble(&second, other);
    must_be(write(fds[1], "abcd", 4), 4);
    must_be(result_of(&first), 2);
    must_be(result_of(&second), 2);
    must_be(memcmp(buf, "abcd", 4), 0);
    until(&seen, 1);
    pair_close(fds);
}

HEALD_CASE(zeroed_sigevent_sends_nothing)
{
    int fd = file_with("0123456789");
    sigset_t all;
    char buf[16];
    struct aiocb cb = block(fd, buf, 4, 0);

    sigfillset(&all);
    must_be(pthread_sigmask(SIG_SETMASK, &all, NULL), 0);
    memset(&cb.aio_sigevent, 0, sizeof cb.aio_sigevent);
    must_be(aio_read(&cb), 0);
    must_be(result_of(&cb), 4);
    nap(20);
    must_be(sigtimedwait(&all, NULL, &(struct timespec){0}), -1);
    must_be(errno, EAGAIN);
    close(fd);
}

void add_life(TCase *group)
{
    add(group, in_progress_until_done);
    add(group, value_before_status);
    add(group, block_unmapped_when_done);
    add(group, block_unmapped_when_done_then_signal);
    add(group, block_unmapped_when_done_then_thread);
    add(group, block_of_a_pipe_unmapped_when_done);
    add(group, cancelled_block_unmapped_when_done);
    add(group, block_unmapped_by_the_handler);
    add(group, block_unmapped_by_the_thread);
    add(group, error_stored_before_the_handler);
    add(group, error_stored_before_the_thread);
    add(group, block_overwritten_when_done);
    add(group, block_reused_without_return);
    add(group, result_taken_twice);
    add(group, zeroed_block_is_done);
    add(group, refused_call_leaves_its_error);
    add(group, started_request_is_a_copy);
    add(group, queued_request_is_a_copy);
    add(group, zeroed_sigevent_sends_nothing);
}
