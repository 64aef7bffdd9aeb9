/* test/aio/files.c: regular files: positions, appending, requests side by side. */
#include "aio/suite.h"

enum { WRITES = 200, RECORD = 16, DIRECT = 4096, DIRECT_WRITES = 60, PIPES = 100, MIB = 1 << 20 };

HEALD_CASE(position_never_moves)
{
    int fd = file_with("0123456789");
    char buf[8];

    must_be(lseek(fd, 3, SEEK_SET), 3);
    must_be(read_now(fd, buf, 4, 0), 4);
    must_be(lseek(fd, 0, SEEK_CUR), 3);
    must_be(write_now(fd, "abcd", 4, 5), 4);
    must_be(lseek(fd, 0, SEEK_CUR), 3);
    must_be(read_now(fd, buf, 4, 100), 0);
    must_be(lseek(fd, 0, SEEK_CUR), 3);
    must_be(fcntl(fd, F_SETFL, O_APPEND), 0);
    must_be(write_now(fd, "wxyz", 4, 0), 4);
    must_be(lseek(fd, 0, SEEK_CUR), 3);
    close(fd);
}

/* Submits all writes, each a record with its number, then compares the file; the offset lies. */
static void append_to(const int *fds, int fd_count, size_t record, int writes)
{
    static struct aiocb blocks[WRITES];
    char *data = NULL, *copy;
    size_t size = record * (size_t)writes;

    must_be(posix_memalign((void **)&data, DIRECT, size), 0);
    must_be(posix_memalign((void **)&copy, DIRECT, size), 0);
    pattern_fill(data, size, 0, 7);
    for (int i = 0; i < writes; i++)
        start_write(&blocks[i], fds[i % fd_count], data + (size_t)i * record, record,
                    (off_t)record * (writes - i));
    for (int i = 0; i < writes; i++)
        must_be(result_of(&blocks[i]), record);
    must_be(lseek(fds[0], 0, SEEK_END), size);
    must_be(pread(fds[0], copy, size, 0), size);
    must(pattern_is(copy, size, 0, 7));
    free(data);
    free(copy);
}

HEALD_CASE(appended_in_the_order_of_the_calls)
{
    for (int i = 0; i < 10; i++) {
        int fd = file_make();
        must_be(fcntl(fd, F_SETFL, O_APPEND), 0);
        append_to(&fd, 1, RECORD, WRITES);
        close(fd);
    }
}

HEALD_CASE(appended_in_order_through_duplicates)
{
    for (int i = 0; i < 10; i++) {
        int fds[3];
        fds[0] = file_make();
        must_be(fcntl(fds[0], F_SETFL, O_APPEND), 0);
        fds[1] = dup(fds[0]);
        fds[2] = dup(fds[0]);
        append_to(fds, 3, RECORD, WRITES);
        pair_close(fds);
        close(fds[2]);
    }
}

HEALD_CASE(appended_in_order_directly)
{
    for (int i = 0; i < 5; i++) {
        int fd = file_make();
        if (fcntl(fd, F_SETFL, O_APPEND | O_DIRECT)) {
            close(fd);
            harness_skip("this file system has no O_DIRECT");
        }
        append_to(&fd, 1, DIRECT, DIRECT_WRITES);
        close(fd);
    }
}

HEALD_CASE(appended_large_and_small)
{
    static struct aiocb blocks[8];
    int fd = file_make();
    char *data = malloc(4 * MIB);
    size_t at = 0;

    must_be(fcntl(fd, F_SETFL, O_APPEND), 0);
    pattern_fill(data, 4 * MIB, 0, 3);
    for (int i = 0; i < 8; i++) {
        size_t size = i % 2 ? 5 : MIB - 5;
        start_write(&blocks[i], fd, data + at, size, 0);
        at += size;
    }
    for (int i = 0; i < 8; i++)
        must_be(result_of(&blocks[i]), i % 2 ? 5 : MIB - 5);
    memset(data, 0, at);
    must_be(pread(fd, data, 4 * MIB, 0), at);
    must(pattern_is(data, at, 0, 3));
    free(data);
    close(fd);
}

HEALD_CASE(append_switched_on_and_off)
{
    int fd = file_with("0123456789");
    char buf[32];

    for (int i = 0; i < 20; i++) {
        int flags = i % 2 ? O_APPEND : 0;
        must_be(fcntl(fd, F_SETFL, flags), 0);
        must_be(write_now(fd, i % 2 ? "+" : "-", 1, i / 2 % 10), 1);
    }
    must_be(pread(fd, buf, sizeof buf, 0), 20);
    must_be(memcmp(buf, "----------++++++++++", 20), 0);
    close(fd);
}

/* Another descriptor of the open file switches it: the flag is the file's. */
HEALD_CASE(append_switched_through_a_duplicate)
{
    int fd = file_with("0123456789"), copy = dup(fd);

    must_be(write_now(fd, "a", 1, 0), 1);
    must_be(fcntl(copy, F_SETFL, O_APPEND), 0);
    must_be(write_now(fd, "b", 1, 0), 1);
    must_be(lseek(fd, 0, SEEK_END), 11);
    close(copy);
    must_be(write_now(fd, "c", 1, 0), 1);
    must_be(lseek(fd, 0, SEEK_END), 12);
    close(fd);
}

HEALD_CASE(many_side_by_side)
{
    static struct aiocb blocks[WRITES];
    enum { SIZE = 4096 };
    int fd = file_make();
    char *data = malloc(WRITES * SIZE);

    pattern_fill(data, WRITES * SIZE, 0, 11);
    for (int i = 0; i < WRITES; i++) {
        int k = i * 77 % WRITES;
        start_write(&blocks[k], fd, data + k * SIZE, SIZE, (off_t)k * SIZE);
    }
    for (int i = 0; i < WRITES; i++)
        must_be(result_of(&blocks[i]), SIZE);
    memset(data, 0, WRITES * SIZE);
    for (int i = 0; i < WRITES; i++)
        start_read(&blocks[i], fd, data + i * SIZE, SIZE, (off_t)i * SIZE);
    for (int i = WRITES; i-- > 0;)
        must_be(result_of(&blocks[i]), SIZE);
    must(pattern_is(data, WRITES * SIZE, 0, 11));
    free(data);
    close(fd);
}

HEALD_CASE(a_large_one_in_one_piece)
{
    size_t size = 16 * MIB;
    char *data = malloc(size);
    int fd = file_make();

    pattern_fill(data, size, 0, 5);
    must_be(write_now(fd, data, size, 3), size);
    memset(data, 0, size);
    must_be(read_now(fd, data, size, 3), size);
    must(pattern_is(data, size, 0, 5));
    must_be(read_now(fd, data, size, MIB), size - MIB + 3);
    free(data);
    close(fd);
}

HEALD_CASE(direct_and_misaligned)
{
    int fd = file_make();
    char *data = NULL;

    must_be(posix_memalign((void **)&data, DIRECT, 2 * DIRECT), 0);
    memset(data, 'd', 2 * DIRECT);
    if (fcntl(fd, F_SETFL, O_DIRECT)) {
        close(fd);
        harness_skip("this file system has no O_DIRECT");
    }
    must_be(write_now(fd, data, DIRECT, 0), DIRECT);
    must_be(read_now(fd, data + DIRECT, DIRECT, 0), DIRECT);
    ssize_t want = pread(fd, data + 1, 100, 1);
    must_be(read_now(fd, data + 1, 100, 1), want < 0 ? -EINVAL : want);
    free(data);
    close(fd);
}

HEALD_CASE(holes_read_as_zeros)
{
    int fd = file_make();
    char buf[100];

    must_be(ftruncate(fd, (off_t)1 << 33), 0);
    must_be(write_now(fd, "end", 3, ((off_t)1 << 33) - 3), 3);
    must_be(lseek(fd, 0, SEEK_END), (off_t)1 << 33);
    memset(buf, 1, sizeof buf);
    must_be(read_now(fd, buf, sizeof buf, (off_t)1 << 32), sizeof buf);
    for (size_t i = 0; i < sizeof buf; i++)
        must_be(buf[i], 0);
    must_be(read_now(fd, buf, sizeof buf, ((off_t)1 << 33) - 3), 3);
    must_be(memcmp(buf, "end", 3), 0);
    close(fd);
}

static void finds_it_locked(void *arg)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 5};

    must_be(fcntl(*(int *)arg, F_GETLK, &lock), 0);
    must_be(lock.l_type, F_WRLCK);
    must_be(lock.l_pid, getppid());
}

/* They go when the process closes any descriptor of the file: a process that copies one loses them.
 */
HEALD_CASE(record_locks_stay)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 5};
    static struct aiocb blocks[WRITES];
    int fd = file_with("0123456789");

    must_be(fcntl(fd, F_SETLK, &lock), 0);
    for (int round = 0; round < 6; round++) {
        must_be(fcntl(fd, F_SETFL, round % 2 ? O_APPEND : 0), 0);
        for (int i = 0; i < WRITES; i++)
            start_write(&blocks[i], fd, "x", 1, i);
        struct aiocb sync = block(fd, NULL, 0, 0);
        must_be(aio_fsync(O_DSYNC, &sync), 0);
        for (int i = 0; i < WRITES; i++)
            must_be(result_of(&blocks[i]), 1);
        must_be(result_of(&sync), 0);
        in_child(finds_it_locked, &fd);
    }
    close(fd);
}

static void read_beside_pipes(int count)
{
    static struct aiocb pending[PIPES];
    static int fds[PIPES][2];
    char bytes[PIPES], buf[16];
    int fd = file_with("0123456789");

    for (int i = 0; i < count; i++) {
        pipe_make(fds[i]);
        start_read(&pending[i], fds[i][0], &bytes[i], 1, 0);
    }
    must_be(read_now(fd, buf, sizeof buf, 0), 10);
    must_be(write_now(fd, buf, 10, 10), 10);
    for (int i = 0; i < count; i++)
        must_be(aio_error(&pending[i]), EINPROGRESS);
    for (int i = count; i-- > 0;) {
        must_be(write(fds[i][1], "x", 1), 1);
        must_be(result_of(&pending[i]), 1);
        pair_close(fds[i]);
    }
    close(fd);
}

HEALD_CASE(not_held_up_by_a_pipe)
{
    read_beside_pipes(1);
}

HEALD_CASE(not_held_up_by_a_hundred_pipes)
{
    read_beside_pipes(PIPES);
}

void add_files(TCase *group)
{
    add(group, position_never_moves);
    add(group, appended_in_the_order_of_the_calls);
    add(group, appended_in_order_through_duplicates);
    add(group, appended_in_order_directly);
    add(group, appended_large_and_small);
    add(group, append_switched_on_and_off);
    add(group, append_switched_through_a_duplicate);
    add(group, many_side_by_side);
    add(group, a_large_one_in_one_piece);
    add(group, direct_and_misaligned);
    add(group, holes_read_as_zeros);
    add(group, record_locks_stay);
    add(group, not_held_up_by_a_pipe);
    add(group, not_held_up_by_a_hundred_pipes);
}
