/*
 * test/aio/locks.c: record locks (fcntl(2)) that a program takes after it closed a descriptor with
 * unfinished requests and opened the file anew. A close(2) of any descriptor of the file drops all
 * locks of the process: what the implementation keeps open for its requests must not be closed
 * while the program has the file open.
 */
#include "aio/suite.h"

enum { SIZE = 8 << 20, WRITES = 16, PLACES = 4, SYNCS = 30, LIMIT = 18 };
enum way { CLOSE, CLOSE_RANGE, DUP2, WAYS };

static char *data;

static int file_named(const char *path, int flags)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | flags, 0600);

    must(fd >= 0);
    return fd;
}

static void begin(char path[static 64])
{
    alarm(LIMIT * (unsigned)harness_slow());
    name_make(path);
    data = malloc(SIZE);
    pattern_fill(data, SIZE, 0, 5);
}

static void end(const char *path)
{
    unlink(path);
    free(data);
}

static void close_by(int fd, enum way way)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    switch (way) {
    case CLOSE: must_be(close(fd), 0); break;
    case CLOSE_RANGE: must_be(close_range((unsigned)fd, (unsigned)fd, 0), 0); break;
    case DUP2:
    case WAYS: must_be(dup2(null, fd), fd); break;
    }
    close(null);
}

static int lock(int fd, int type)
{
    struct flock wish = {.l_type = (short)type, .l_whence = SEEK_SET, .l_len = 10};

    return fcntl(fd, F_SETLK, &wish);
}

static void must_be_refused(void *arg)
{
    must_be(lock(*(int *)arg, F_WRLCK), -1);
    must(errno == EAGAIN || errno == EACCES);
}

/* Takes the lock on the file that is open anew; it stays until all requests have ended. */
static void lock_stays(int fd, struct aiocb *blocks, int count)
{
    must_be(lock(fd, F_WRLCK), 0);
    for (int i = 0; i < count; i++) {
        ssize_t n = result_of(&blocks[i]);
        must(n >= 0 || n == -ECANCELED || n == -EBADF);
    }
    in_child(must_be_refused, &fd);
    nap(50); /* after an end the library may close what was its own */
    in_child(must_be_refused, &fd);
    must_be(lock(fd, F_UNLCK), 0);
}

/* Each piece that a request wrote is in the file. */
static void pieces_are_there(int fd, struct aiocb *blocks, off_t last)
{
    char *copy = malloc(SIZE);

    for (int i = 0; i < WRITES; i++)
        if (aio_error(&blocks[i]) == 0 && blocks[i].aio_offset <= last) {
            must_be(pread(fd, copy, SIZE, blocks[i].aio_offset), SIZE);
            must_be(memcmp(copy, data, SIZE), 0);
        }
    free(copy);
}

static void after_writes(enum way way)
{
    struct aiocb blocks[WRITES];
    char path[64];

    begin(path);
    int fd = file_named(path, 0);
    for (int i = 0; i < WRITES; i++)
        start_write(&blocks[i], fd, data, SIZE, (off_t)(i % PLACES) * SIZE);
    close_by(fd, way);
    int again = file_named(path, 0);
    lock_stays(again, blocks, WRITES);
    pieces_are_there(again, blocks, (off_t)PLACES * SIZE);
    close(again);
    if (way == DUP2)
        close(fd);
    end(path);
}

HEALD_CASE(lock_after_writes_and_a_close)
{
    after_writes(CLOSE);
}

HEALD_CASE(lock_after_writes_and_a_close_range)
{
    after_writes(CLOSE_RANGE);
}

HEALD_CASE(lock_after_writes_and_a_dup2)
{
    after_writes(DUP2);
}

/* All pieces are the same, so that the file is as long as what was written. */
static void after_appends(enum way way)
{
    struct aiocb blocks[WRITES];
    char path[64];
    off_t size = 0;

    begin(path);
    int fd = file_named(path, O_APPEND);
    for (int i = 0; i < WRITES; i++)
        start_write(&blocks[i], fd, data, SIZE, 0);
    close_by(fd, way);
    int again = file_named(path, O_APPEND);
    lock_stays(again, blocks, WRITES);
    for (int i = 0; i < WRITES; i++)
        size += aio_error(&blocks[i]) == 0 ? SIZE : 0;
    must_be(lseek(again, 0, SEEK_END), size);
    close(again);
    if (way == DUP2)
        close(fd);
    end(path);
}

HEALD_CASE(lock_after_appends_and_a_close)
{
    after_appends(CLOSE);
}

HEALD_CASE(lock_after_appends_and_a_dup2)
{
    after_appends(DUP2);
}

HEALD_CASE(lock_after_syncs)
{
    struct aiocb blocks[SYNCS];
    char path[64];

    begin(path);
    int fd = file_named(path, 0);
    start_write(&blocks[0], fd, data, SIZE, 0);
    for (int i = 1; i < SYNCS; i++) {
        blocks[i] = block(fd, NULL, 0, 0);
        must_be(aio_fsync(O_SYNC, &blocks[i]), 0);
    }
    must_be(close(fd), 0);
    int again = file_named(path, 0);
    lock_stays(again, blocks, SYNCS);
    close(again);
    end(path);
}

HEALD_CASE(lock_after_reads)
{
    struct aiocb blocks[WRITES];
    char path[64], *copies = malloc((size_t)WRITES * SIZE);

    begin(path);
    int fd = file_named(path, 0);
    must_be(write_now(fd, data, SIZE, 0), SIZE);
    for (int i = 0; i < WRITES; i++)
        start_read(&blocks[i], fd, copies + (size_t)i * SIZE, SIZE, 0);
    must_be(close(fd), 0);
    int again = file_named(path, 0);
    lock_stays(again, blocks, WRITES);
    close(again);
    free(copies);
    end(path);
}

/* Two numbers of one open file, each with requests, closed one after the other. */
HEALD_CASE(lock_after_two_duplicates)
{
    struct aiocb blocks[WRITES];
    char path[64];

    begin(path);
    int fd = file_named(path, 0), twin = dup(fd);
    for (int i = 0; i < WRITES; i++)
        start_write(&blocks[i], i % 2 ? twin : fd, data, SIZE, (off_t)(i % PLACES) * SIZE);
    must_be(close(twin), 0);
    must_be(close(fd), 0);
    int again = file_named(path, 0);
    lock_stays(again, blocks, WRITES);
    close(again);
    end(path);
}

/* The file is open all the time, by a number that has no requests. */
HEALD_CASE(lock_beside_a_closed_duplicate)
{
    struct aiocb blocks[WRITES];
    char path[64];

    begin(path);
    int fd = file_named(path, 0), other = file_named(path, 0);
    for (int i = 0; i < WRITES; i++)
        start_write(&blocks[i], other, data, SIZE, (off_t)(i % PLACES) * SIZE);
    must_be(close(other), 0);
    lock_stays(fd, blocks, WRITES);
    close(fd);
    end(path);
}

/* Small requests that end while the program locks and unlocks. */
HEALD_CASE(locks_while_requests_end)
{
    struct aiocb blocks[SYNCS];
    char path[64];

    begin(path);
    for (int round = 0; round < 10; round++) {
        int fd = file_named(path, 0);
        for (int i = 0; i < SYNCS; i++)
            start_write(&blocks[i], fd, data, 1 << 16, (off_t)i << 16);
        must_be(close(fd), 0);
        int again = file_named(path, 0);
        must_be(lock(again, F_WRLCK), 0);
        for (int i = 0; i < SYNCS; i++)
            wait_for(&blocks[i]);
        nap(2);
        in_child(must_be_refused, &again);
        close(again);
    }
    end(path);
}

void add_locks(TCase *group)
{
    add(group, lock_after_writes_and_a_close);
    add(group, lock_after_writes_and_a_close_range);
    add(group, lock_after_writes_and_a_dup2);
    add(group, lock_after_appends_and_a_close);
    add(group, lock_after_appends_and_a_dup2);
    add(group, lock_after_syncs);
    add(group, lock_after_reads);
    add(group, lock_after_two_duplicates);
    add(group, lock_beside_a_closed_duplicate);
    add(group, locks_while_requests_end);
}
