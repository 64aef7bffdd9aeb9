/* test/aio/close.c: descriptors that are closed while requests on them are in flight, and whose
 * numbers are given to other files. A request is its file's, not its number's. */
#include "aio/suite.h"

enum { ROUNDS = 500, BATCH = 4, SIZE = 4096, LARGE = 1 << 20, QUEUED = 5 };

/* Those from WAYS on a library that is put before the C library does not see. */
enum way { CLOSE, DUP2, DUP3, CLOSE_RANGE, WAYS, FCLOSE, RAW_CLOSE, RAW_DUP3, WAYS_END };

/* The lowest number that is free goes to the other file; if it is not the one that was closed, for
 * it was never really free, that one does as well. */
static void take_number(int number, int other)
{
    int next = dup(other);

    must(next >= 0);
    if (next != number) {
        must_be(dup2(next, number), number);
        close(next);
    }
}

/* The number is taken from its file and given to another one. */
static void change_hands(int number, int other, enum way way)
{
    switch (way) {
    case CLOSE: must_be(close(number), 0); break;
    case CLOSE_RANGE: must_be(close_range((unsigned)number, (unsigned)number, 0), 0); break;
    case FCLOSE:
        must_be(fclose(fdopen(number, fcntl(number, F_GETFL) & O_WRONLY ? "w" : "r")), 0);
        break;
    case RAW_CLOSE: must_be(syscall(SYS_close, number), 0); break;
    case DUP2: must_be(dup2(other, number), number); return;
    case DUP3: must_be(dup3(other, number, O_CLOEXEC), number); return;
    case RAW_DUP3: must_be(syscall(SYS_dup3, other, number, O_CLOEXEC), number); return;
    case WAYS:
    case WAYS_END: return;
    }
    take_number(number, other);
}

/* Instead of a result. */
static void must_be_or_given_up(ssize_t result, ssize_t want)
{
    if (!was_given_up(result))
        must_be(result, want);
}

static void write_round(int fd, int other, enum way way, unsigned salt)
{
    static char data[BATCH * SIZE], copy[SIZE];
    struct aiocb blocks[BATCH];
    int number = dup(fd);

    must(number >= 0);
    must_be(ftruncate(fd, 0), 0);
    pattern_fill(data, sizeof data, 0, salt);
    for (int i = 0; i < BATCH; i++)
        start_write(&blocks[i], number, data + i * SIZE, SIZE, i * SIZE);
    change_hands(number, other, way);
    for (int i = 0; i < BATCH; i++) {
        ssize_t n = result_of(&blocks[i]);
        if (was_given_up(n))
            continue;
        must_be(n, SIZE);
        must_be(pread(fd, copy, SIZE, i * SIZE), SIZE);
        must(pattern_is(copy, SIZE, (size_t)i * SIZE, salt));
    }
    must_be(lseek(other, 0, SEEK_END), 0);
    close(number);
}

static void write_rounds(enum way way)
{
    int fd = file_make(), other = file_make();

    for (int i = 0; i < ROUNDS; i++)
        write_round(fd, other, way, (unsigned)i);
    close(fd);
    close(other);
}

HEALD_CASE(closed_writes_stay_with_their_file)
{
    write_rounds(CLOSE);
}

HEALD_CASE(replaced_writes_stay_with_their_file)
{
    write_rounds(DUP2);
    write_rounds(DUP3);
}

HEALD_CASE(writes_of_a_closed_range_stay_with_their_file)
{
    write_rounds(CLOSE_RANGE);
}

/* What takes long may be done by another thread, later. */
static void large_round(int fd, int other, enum way way, char *data)
{
    struct aiocb write, sync, read;
    int number = dup(fd);

    must(number >= 0);
    must_be(ftruncate(fd, LARGE), 0);
    start_write(&write, number, data, LARGE, LARGE);
    start_read(&read, number, data + LARGE, LARGE, 0);
    sync = block(number, NULL, 0, 0);
    must_be(aio_fsync(O_DSYNC, &sync), 0);
    change_hands(number, other, way);
    must_be_or_given_up(result_of(&write), LARGE);
    must_be_or_given_up(result_of(&read), LARGE);
    must_be_or_given_up(result_of(&sync), 0);
    must_be(lseek(other, 0, SEEK_END), 0);
    close(number);
}

HEALD_CASE(large_ones_stay_with_their_file)
{
    int fd = file_make(), other = file_make();
    char *data = calloc(2, LARGE);

    for (int i = 0; i < 100; i++)
        large_round(fd, other, (enum way)(i % WAYS), data);
    free(data);
    close(fd);
    close(other);
}

HEALD_CASE(closed_appends_stay_with_their_file)
{
    int fd = file_make(), other = file_make();

    must_be(fcntl(fd, F_SETFL, O_APPEND), 0);
    for (int i = 0; i < ROUNDS; i++)
        write_round(fd, other, (enum way)(i % WAYS), (unsigned)i);
    close(fd);
    close(other);
}

static void read_round(int fd, int other, enum way way)
{
    char bufs[BATCH][64];
    struct aiocb blocks[BATCH];
    int number = dup(fd);

    must(number >= 0);
    memset(bufs, 0, sizeof bufs);
    for (int i = 0; i < BATCH; i++)
        start_read(&blocks[i], number, bufs[i], 10, 0);
    change_hands(number, other, way);
    for (int i = 0; i < BATCH; i++) {
        ssize_t n = result_of(&blocks[i]);
        if (was_given_up(n))
            continue;
        must_be(n, 10);
        must_be(memcmp(bufs[i], "its own...", 10), 0);
    }
    close(number);
}

HEALD_CASE(closed_reads_stay_with_their_file)
{
    int fd = file_with("its own..."), other = file_with("another's!");

    for (int i = 0; i < 4 * ROUNDS; i++)
        read_round(fd, other, (enum way)(i % WAYS));
    close(fd);
    close(other);
}

/* Requests wait behind a full pipe while their number becomes a file's. */
static void queued_writes(enum way way)
{
    int fds[2], other = file_make(), number, done = 0;
    struct aiocb blocks[QUEUED];
    char bytes[QUEUED + 1] = "abcde", buf[QUEUED];

    pipe_make(fds);
    size_t full = fill(fds[1]);
    number = dup(fds[1]);
    for (int i = 0; i < QUEUED; i++)
        start_write(&blocks[i], number, bytes + i, 1, 0);
    change_hands(number, other, way);
    drain(fds[0], full);
    for (int i = 0; i < QUEUED; i++) {
        ssize_t n = result_of(&blocks[i]);
        must_be_or_given_up(n, 1);
        if (n == 1)
            bytes[done++] = bytes[i];
    }
    set_nonblocking(fds[0], true);
    must_be(read(fds[0], buf, QUEUED), done ? done : -1);
    must_be(memcmp(buf, bytes, (size_t)done), 0);
    must_be(lseek(other, 0, SEEK_END), 0);
    close(number);
    close(other);
    pair_close(fds);
}

HEALD_CASE(queued_writes_stay_with_their_pipe)
{
    for (int i = 0; i < WAYS; i++)
        queued_writes((enum way)i);
}

HEALD_CASE(queued_reads_stay_with_their_pipe)
{
    for (int way = 0; way < WAYS; way++) {
        int fds[2], others[2], number;
        struct aiocb blocks[QUEUED];
        char buf[QUEUED] = "", left[QUEUED];

        pipe_make(fds);
        pipe_make(others);
        must_be(write(others[1], "12345", QUEUED), QUEUED);
        number = dup(fds[0]);
        for (int i = 0; i < QUEUED; i++)
            start_read(&blocks[i], number, &buf[i], 1, 0);
        change_hands(number, others[0], (enum way)way);
        must_be(write(fds[1], "abcde", QUEUED), QUEUED);
        for (int i = 0; i < QUEUED; i++) {
            ssize_t n = result_of(&blocks[i]);
            must(was_given_up(n) || (n == 1 && buf[i] >= 'a'));
        }
        set_nonblocking(others[0], true);
        must_be(read(others[0], left, QUEUED), QUEUED);
        close(number);
        pair_close(fds);
        pair_close(others);
    }
}

/* What was asked of the file that had the number before is none of the new one's. */
HEALD_CASE(cancel_means_the_new_file)
{
    int fds[2], other = file_make();
    struct aiocb blocks[QUEUED];
    ssize_t sum = 0;

    pipe_make(fds);
    size_t full = fill(fds[1]);
    int number = dup(fds[1]);
    for (int i = 0; i < QUEUED; i++)
        start_write(&blocks[i], number, "x", 1, 0);
    change_hands(number, other, DUP2);
    must_be(aio_cancel(number, NULL), AIO_ALLDONE);
    drain(fds[0], full);
    for (int i = 0; i < QUEUED; i++) {
        ssize_t n = result_of(&blocks[i]);
        must_be_or_given_up(n, 1);
        sum += n == 1;
    }
    set_nonblocking(fds[0], true);
    char buf[QUEUED];
    must_be(read(fds[0], buf, QUEUED), sum ? sum : -1);
    close(number);
    close(other);
    pair_close(fds);
}

/* A sync that was asked of one file is not one of another. */
HEALD_CASE(queued_syncs_end)
{
    int fd = file_make(), fds[2];
    struct aiocb write, sync;
    char *data = calloc(1, 1 << 20);

    pipe_make(fds);
    for (int i = 0; i < 50; i++) {
        int number = dup(fd);
        start_write(&write, number, data, 1 << 20, 0);
        sync = block(number, NULL, 0, 0);
        must_be(aio_fsync(O_DSYNC, &sync), 0);
        change_hands(number, fds[0], DUP2);
        must_be_or_given_up(result_of(&sync), 0);
        must_be_or_given_up(result_of(&write), 1 << 20);
        close(number);
    }
    free(data);
    pair_close(fds);
    close(fd);
}

/* The reader that is asked for is not the last to hold its pipe: it must not hang on. */
HEALD_CASE(close_is_a_close_once_all_is_done)
{
    int fds[2];
    char byte;
    struct aiocb cb;

    pipe_make(fds);
    start_write(&cb, fds[1], "x", 1, 0);
    must_be(result_of(&cb), 1);
    close(fds[1]);
    must_be(read(fds[0], &byte, 1), 1);
    int64_t end = now() + patience();
    set_nonblocking(fds[0], true);
    while (read(fds[0], &byte, 1) < 0)
        must(errno == EAGAIN && now() < end);
    close(fds[0]);
}

/* What such a request finds is left open; it ends, and with it nothing else. */
HEALD_CASE(requests_end_after_an_unseen_close)
{
    char byte = 'x', bytes[QUEUED];

    for (int i = 0; i < 3 * 50; i++) {
        int fds[2], fd = file_with("0123456789"), other = file_make();
        struct aiocb blocks[QUEUED], write;
        enum way way = (enum way)(WAYS + 1 + i % 3);

        pipe_make(fds);
        int reader = dup(fds[0]), writer = dup(fd);
        for (int j = 0; j < QUEUED; j++)
            start_read(&blocks[j], reader, &bytes[j], 1, 0);
        start_write(&write, writer, &byte, 1, 0);
        change_hands(reader, other, way);
        change_hands(writer, other, way);
        must_be(write_now(fds[1], "abcdefgh", 8, 0), 8);
        for (int j = 0; j < QUEUED; j++)
            wait_for(&blocks[j]);
        wait_for(&write);
        close(reader);
        close(writer);
        close(fd);
        close(other);
        pair_close(fds);
    }
}

void add_close(TCase *group)
{
    add(group, closed_writes_stay_with_their_file);
    add(group, replaced_writes_stay_with_their_file);
    add(group, writes_of_a_closed_range_stay_with_their_file);
    add(group, large_ones_stay_with_their_file);
    add(group, closed_appends_stay_with_their_file);
    add(group, closed_reads_stay_with_their_file);
    add(group, queued_writes_stay_with_their_pipe);
    add(group, queued_reads_stay_with_their_pipe);
    add(group, cancel_means_the_new_file);
    add(group, queued_syncs_end);
    add(group, close_is_a_close_once_all_is_done);
    add(group, requests_end_after_an_unseen_close);
}
