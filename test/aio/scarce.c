/*
 * test/aio/scarce.c: where threads are scarce: no call spins, no request is forgotten, and the
 * process ends. Each case has a user of its own, whose processes are counted.
 */
#include "aio/types.h"

enum { FIRST_USER = 100000, SIZE = 1 << 20, BUSY_MS = 300, ATTEMPTS = 4 };

static void become_somebody(void)
{
    become_user(FIRST_USER + (unsigned)getpid());
}

/* So many beside those that there are. */
static void leave_room(long threads)
{
    struct rlimit limit;

    must_be(getrlimit(RLIMIT_NPROC, &limit), 0);
    limit.rlim_cur = (rlim_t)(status_of("Threads:") + threads);
    must_be(setrlimit(RLIMIT_NPROC, &limit), 0);
}

static int64_t processor_time(void)
{
    struct timespec t;

    must_be(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), 0);
    return (int64_t)t.tv_sec * SECOND + t.tv_nsec;
}

static void *cancelled_reader(void *arg)
{
    struct aiocb *cb = arg;

    pthread_cancel(pthread_self());
    if (aio_read(cb))
        cb->aio_fildes = -1;
    pthread_testcancel();
    return NULL;
}

/* Whatever there is room for: a thread that is cancelled while it starts it leaves nothing half
 * done. */
static void start_by_a_cancelled_thread(void *arg)
{
    static char buf[SIZE];
    int room = *(int *)arg, fd = file_make();
    struct aiocb cb = block(fd, buf, sizeof buf, 0);
    pthread_t thread;

    must_be(ftruncate(fd, SIZE), 0);
    become_somebody();
    leave_room(room + 1);
    must_be(pthread_create(&thread, NULL, cancelled_reader, &cb), 0);
    must_be(pthread_join(thread, NULL), 0);
    if (cb.aio_fildes >= 0)
        must_be(result_of(&cb), SIZE);
    leave_room(ATTEMPTS);
    must_be(read_now(fd, buf, sizeof buf, 0), SIZE);
}

HEALD_CASE(a_cancelled_thread_starts_it)
{
    if (!is_root())
        harness_skip("only root can become another user");
    for (int room = 1; room <= ATTEMPTS; room++)
        in_child(start_by_a_cancelled_thread, &room);
}

static void never_called(union sigval value)
{
    (void)value;
    abort();
}

/* No thread can have such a stack. */
static void ask_for_a_call(struct aiocb *cb)
{
    static pthread_attr_t attr;

    must_be(pthread_attr_init(&attr), 0);
    must_be(pthread_attr_setstacksize(&attr, (size_t)1 << 46), 0);
    cb->aio_sigevent.sigev_notify = SIGEV_THREAD;
    cb->aio_sigevent.sigev_notify_function = never_called;
    cb->aio_sigevent.sigev_notify_attributes = &attr;
}

static void call_that_cannot_be_made(void *arg)
{
    static struct aiocb cb;
    int fd = file_make();

    (void)arg;
    cb = block(fd, "x", 1, 0);
    ask_for_a_call(&cb);
    must_be(aio_write(&cb), 0);
    must_be(result_of(&cb), 1);
    int64_t before = processor_time();
    nap(BUSY_MS);
    must(processor_time() - before < (int64_t)BUSY_MS * MS / 2);
    pthread_exit(NULL);
}

HEALD_CASE(call_that_cannot_be_made_keeps_nothing_busy)
{
    if (harness_is_sanitized())
        harness_skip("the leak check looks for the test's memory on a stack that is gone");
    in_child(call_that_cannot_be_made, NULL);
}

/* The one thread for streams waits; the next read gets one when there is room. */
static void read_that_finds_no_thread(void *arg)
{
    char bytes[2];
    struct aiocb cb[2];
    int fds[2][2];

    (void)arg;
    for (int i = 0; i < 2; i++)
        terminal_make(fds[i]);
    become_somebody();
    start_read(&cb[0], fds[0][0], &bytes[0], 1, 0);
    must_hang(&cb[0]);
    leave_room(0);
    start_read(&cb[1], fds[1][0], &bytes[1], 1, 0);
    must_be(write(fds[1][1], "x", 1), 1);
    must_hang(&cb[1]);
    leave_room(ATTEMPTS);
    must_be(result_of(&cb[1]), 1);
    must_be(write(fds[0][1], "x", 1), 1);
    must_be(result_of(&cb[0]), 1);
}

HEALD_CASE(read_gets_a_thread_when_there_is_room)
{
    if (!is_root())
        harness_skip("only root can become another user");
    in_child(read_that_finds_no_thread, NULL);
}

void add_scarce(TCase *group)
{
    add(group, a_cancelled_thread_starts_it);
    add(group, call_that_cannot_be_made_keeps_nothing_busy);
    add(group, read_gets_a_thread_when_there_is_room);
}
