/* test/aio/sync.c: aio_fsync. */
#include "aio/suite.h"

enum { WRITES = 32, SIZE = 1 << 18, SYNCS = 20, FILES = 40, PARTS = 4, PART = 1 << 18 };

static atomic_int seen;

static void start_sync(struct aiocb *cb, int op, int fd)
{
    *cb = block(fd, NULL, 0, 0);
    must_be(aio_fsync(op, cb), 0);
}

/* Once the sync is done, so is what came before it. */
static void after_the_writes(int op, int flags)
{
    static struct aiocb writes[WRITES];
    struct aiocb sync;
    char *data = calloc(1, SIZE);
    int fd = file_make();

    must_be(fcntl(fd, F_SETFL, flags), 0);
    for (int i = 0; i < WRITES; i++)
        start_write(&writes[i], fd, data, SIZE, (off_t)i * SIZE);
    start_sync(&sync, op, fd);
    while (aio_error(&sync) == EINPROGRESS)
        sched_yield();
    for (int i = 0; i < WRITES; i++)
        must_be(aio_error(&writes[i]), 0);
    must_be(aio_return(&sync), 0);
    for (int i = 0; i < WRITES; i++)
        must_be(aio_return(&writes[i]), SIZE);
    free(data);
    close(fd);
}

HEALD_CASE(after_the_writes_before_it)
{
    after_the_writes(O_SYNC, 0);
}

HEALD_CASE(data_only_after_the_writes)
{
    after_the_writes(O_DSYNC, 0);
}

HEALD_CASE(after_the_appends_before_it)
{
    after_the_writes(O_SYNC, O_APPEND);
}

HEALD_CASE(between_two_lots_of_writes)
{
    struct aiocb early[SYNCS], late[SYNCS], syncs[SYNCS];
    int fd = file_make();

    for (int i = 0; i < SYNCS; i++) {
        start_write(&early[i], fd, "early", 5, i * 10);
        start_sync(&syncs[i], i % 2 ? O_SYNC : O_DSYNC, fd);
        start_write(&late[i], fd, "later", 5, i * 10 + 5);
    }
    for (int i = SYNCS; i-- > 0;) {
        must_be(result_of(&syncs[i]), 0);
        for (int j = 0; j <= i; j++)
            must_be(aio_error(&early[j]), 0);
        for (int j = 0; j < i; j++)
            must_be(aio_error(&late[j]), 0);
    }
    for (int i = 0; i < SYNCS; i++) {
        must_be(result_of(&early[i]), 5);
        must_be(result_of(&late[i]), 5);
    }
    close(fd);
}

HEALD_CASE(not_held_up_by_a_pipe)
{
    int fd = file_with("abc"), fds[2];
    char buf[4];
    struct aiocb pending, sync;

    pipe_make(fds);
    start_read(&pending, fds[0], buf, 4, 0);
    must_be(write_now(fd, "xyz", 3, 0), 3);
    start_sync(&sync, O_SYNC, fd);
    must_be(result_of(&sync), 0);
    must_be(aio_error(&pending), EINPROGRESS);
    must_be(write(fds[1], "done", 4), 4);
    must_be(result_of(&pending), 4);
    pair_close(fds);
    close(fd);
}

HEALD_CASE(a_pipe_cannot)
{
    int fds[2];
    struct aiocb sync;

    pipe_make(fds);
    start_sync(&sync, O_SYNC, fds[0]);
    must_be(result_of(&sync), -EINVAL);
    start_sync(&sync, O_DSYNC, fds[1]);
    must_be(result_of(&sync), -EINVAL);
    pair_close(fds);
}

HEALD_CASE(a_pipe_that_is_read_cannot_and_says_so)
{
    int fds[2];
    char buf[4];
    struct aiocb pending, sync;

    pipe_make(fds);
    start_read(&pending, fds[0], buf, 4, 0);
    start_sync(&sync, O_SYNC, fds[0]);
    must_be(result_of(&sync), -EINVAL);
    must_be(aio_error(&pending), EINPROGRESS);
    must_be(write(fds[1], "done", 4), 4);
    must_be(result_of(&pending), 4);
    pair_close(fds);
}

HEALD_CASE(bad_operation)
{
    int fd = file_with("abc"), bad[] = {0, -1, 77, O_RDWR, O_APPEND};

    for (int i = 0; i < 5; i++) {
        struct aiocb cb = block(fd, NULL, 0, 0);
        must_be(aio_fsync(bad[i], &cb), -1);
        must_be(errno, EINVAL);
    }
    close(fd);
}

HEALD_CASE(refused_call_leaves_its_error)
{
    int fd = file_with("abc");
    struct aiocb cb;

    start_sync(&cb, O_SYNC, fd);
    must_be(result_of(&cb), 0);
    must_be(aio_fsync(77, &cb), -1);
    must_be(aio_error(&cb), EINVAL);
    close(fd);
    must_be(aio_fsync(O_SYNC, &cb), -1);
    must_be(aio_error(&cb), EBADF);
}

HEALD_CASE(bad_descriptor)
{
    int fd = file_with("abc");
    struct aiocb cb = block(-1, NULL, 0, 0);

    must_be(aio_fsync(O_SYNC, &cb), -1);
    must_be(errno, EBADF);
    close(fd);
    cb = block(fd, NULL, 0, 0);
    must_be(aio_fsync(O_DSYNC, &cb), -1);
    must_be(errno, EBADF);
}

HEALD_CASE(descriptor_for_reading)
{
    int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    struct aiocb cb;

    must(fd >= 0);
    start_sync(&cb, O_SYNC, fd);
    must_be(result_of(&cb), 0);
    start_sync(&cb, O_DSYNC, fd);
    must_be(result_of(&cb), 0);
    close(fd);
}

HEALD_CASE(priority_and_offset_do_not_matter)
{
    int fd = file_with("abc");
    struct aiocb cb = block(fd, NULL, 77, -1);

    cb.aio_reqprio = 21;
    must_be(aio_fsync(O_SYNC, &cb), 0);
    must_be(result_of(&cb), 0);
    close(fd);
}

/* The failed write keeps its error, the sync has its own result. */
HEALD_CASE(after_a_write_that_failed)
{
    int fd = file_with("abc");
    char *page = page_make();
    struct aiocb bad, sync;

    must_be(mprotect(page, page_size(), PROT_NONE), 0);
    start_write(&bad, fd, page, 4, 0);
    start_sync(&sync, O_SYNC, fd);
    must_be(result_of(&sync), 0);
    must_be(aio_error(&bad), EFAULT);
    must_be(result_of(&bad), -EFAULT);
    page_drop(page);
    close(fd);
}

static void count_signal(int signo, siginfo_t *info, void *context)
{
    (void)signo, (void)info, (void)context;
    atomic_fetch_add(&seen, 1);
}

HEALD_CASE(tells_when_it_is_done)
{
    int fd = file_with("abc");
    struct aiocb cb = block(fd, NULL, 0, 0);

    handle(SIGRTMIN, count_signal, SA_RESTART);
    notify_by_signal(&cb, SIGRTMIN, 0);
    must_be(aio_fsync(O_SYNC, &cb), 0);
    until(&seen, 1);
    must_be(aio_error(&cb), 0);
    close(fd);
}

/* Of each file: its sync ends after the writes before it, whatever the others do. */
HEALD_CASE(syncs_of_many_files)
{
    static struct aiocb writes[FILES][PARTS], syncs[FILES], pending;
    char *data = calloc(1, PART), byte;
    int fds[FILES], waiting[2];

    pipe_make(waiting);
    start_read(&pending, waiting[0], &byte, 1, 0);
    for (int i = 0; i < FILES; i++) {
        fds[i] = file_make();
        for (int j = 0; j < PARTS; j++)
            start_write(&writes[i][j], fds[i], data, PART, (off_t)j * PART);
        syncs[i] = block(fds[i], NULL, 0, 0);
        must_be(aio_fsync(i % 2 ? O_SYNC : O_DSYNC, &syncs[i]), 0);
    }
    for (int i = FILES; i-- > 0;) {
        must_be(result_of(&syncs[i]), 0);
        for (int j = 0; j < PARTS; j++)
            must_be(aio_error(&writes[i][j]), 0);
        must_be(lseek(fds[i], 0, SEEK_END), (off_t)PARTS * PART);
        close(fds[i]);
    }
    must_be(aio_error(&pending), EINPROGRESS);
    close(waiting[1]);
    must_be(result_of(&pending), 0);
    close(waiting[0]);
    free(data);
}

/* The number of the writes is closed, and the sync uses another of the same file. */
HEALD_CASE(by_a_duplicate_after_a_close)
{
    enum { LARGE = 16 << 20, SOME = 4 };

    if (harness_has_tsan())
        harness_skip("ThreadSanitizer ends itself over a number that is closed during a call");
    int fd = file_make(), twin = dup(fd);
    char *data = calloc(1, LARGE);
    struct aiocb writes[SOME], sync = block(twin, NULL, 0, 0);

    must(data != NULL);
    for (int i = 0; i < SOME; i++)
        start_write(&writes[i], fd, data, LARGE, 0);
    must_be(close(fd), 0);
    must_be(aio_fsync(O_SYNC, &sync), 0);
    must_be(result_of(&sync), 0);
    for (int i = 0; i < SOME; i++)
        must_be(aio_error(&writes[i]), 0);
    close(twin);
    free(data);
}

void add_sync(TCase *group)
{
    add(group, after_the_writes_before_it);
    add(group, data_only_after_the_writes);
    add(group, after_the_appends_before_it);
    add(group, between_two_lots_of_writes);
    add(group, not_held_up_by_a_pipe);
    add(group, a_pipe_cannot);
    add(group, a_pipe_that_is_read_cannot_and_says_so);
    add(group, bad_operation);
    add(group, refused_call_leaves_its_error);
    add(group, bad_descriptor);
    add(group, descriptor_for_reading);
    add(group, priority_and_offset_do_not_matter);
    add(group, after_a_write_that_failed);
    add(group, tells_when_it_is_done);
    add(group, syncs_of_many_files);
    add(group, by_a_duplicate_after_a_close);
}
