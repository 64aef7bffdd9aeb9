/*
 * test/aio/numbers.c: descriptors of the library's own, beside the program's: none of them is in
 * the program's way, and none stands for a file of the program's. Each in a child process.
 */
#include "aio/suite.h"

enum { FROM = 60, LAST = 1023, CHILDREN = 30, OPENS = 300, FEW = 64, SIZE = 60000 };
enum way { ONE_BY_ONE, RANGE, ALL_FROM, WAYS };

static void close_unknown(enum way way)
{
    switch (way) {
    case ONE_BY_ONE:
        for (int fd = FROM; fd <= LAST; fd++)
            close(fd);
        break;
    case RANGE: must_be(close_range(FROM, ~0U, 0), 0); break;
    case ALL_FROM:
    case WAYS: closefrom(FROM); break;
    }
}

/* A number that is not to be had is somebody else's. */
static void take_all(int file, bool mine[LAST + 1])
{
    for (int fd = FROM; fd <= LAST; fd++)
        mine[fd] = dup2(file, fd) == fd;
}

static void must_have_all(int file, const bool mine[LAST + 1])
{
    struct stat want, have;

    must_be(fstat(file, &want), 0);
    for (int fd = FROM; fd <= LAST; fd++) {
        if (!mine[fd])
            continue;
        must_be(fstat(fd, &have), 0);
        must(have.st_ino == want.st_ino && have.st_dev == want.st_dev);
    }
}

static bool was_given_up(ssize_t result)
{
    return result == -ECANCELED || result == -EBADF;
}

/* The second read waits for the first, on a number that is closed with all the others. */
static void closes_under_requests(void *arg)
{
    static bool mine[LAST + 1];
    int fds[2], file = file_with("not the pipe's"), number;
    char bytes[2] = "";
    struct aiocb blocks[2];

    pipe_make(fds);
    number = fcntl(fds[0], F_DUPFD_CLOEXEC, FROM);
    must(number >= 0);
    for (int i = 0; i < 2; i++)
        start_read(&blocks[i], number, &bytes[i], 1, 0);
    nap(20);
    close_unknown(*(enum way *)arg);
    take_all(file, mine);
    must_be(write(fds[1], "ab", 2), 2);
    for (int i = 0; i < 2; i++) {
        ssize_t n = result_of(&blocks[i]);
        must(was_given_up(n) || (n == 1 && bytes[i] < 'c'));
    }
    nap(20); /* after an end the library may close what was its own */
    must_have_all(file, mine);
}

HEALD_CASE(all_that_is_unknown_is_closed_under_requests)
{
    for (enum way way = 0; way < WAYS; way++)
        in_child(closes_under_requests, &way);
}

static void wants_the_lowest(void *arg)
{
    int fds[2];
    char byte;
    struct aiocb cb;

    (void)arg;
    pipe_make(fds);
    close(0);
    start_read(&cb, fds[0], &byte, 1, 0);
    for (int i = 0; i < OPENS; i++) {
        must_be(open("/dev/null", O_RDONLY | O_CLOEXEC), 0);
        close(0);
    }
}

HEALD_CASE(the_first_request_leaves_the_lowest_number)
{
    for (int i = 0; i < CHILDREN; i++)
        in_child(wants_the_lowest, NULL);
}

/* What comes now finds no number that is free. */
static void take_the_last_number(void)
{
    struct rlimit limit;

    must_be(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = FEW;
    must_be(setrlimit(RLIMIT_NOFILE, &limit), 0);
    while (dup(0) >= 0)
        ;
    must_be(errno, EMFILE);
}

/* With the I/O thread there, or without. */
static void one_request(void)
{
    int fd = file_with("0123456789");
    char buf[8];
    struct aiocb cb = block(fd, NULL, 0, 0);

    must_be(aio_fsync(O_SYNC, &cb), 0);
    must_be(result_of(&cb), 0);
    must_be(read_now(fd, buf, 4, 0), 4);
    close(fd);
}

static size_t drain_to_the_end(int fd)
{
    static char chunk[4096];
    size_t size = 0;

    for (ssize_t n; (n = read(fd, chunk, sizeof chunk)) > 0;)
        size += (size_t)n;
    return size;
}

static void writes_without_a_number(void *arg)
{
    static char data[2][SIZE];
    struct aiocb blocks[2];
    size_t sum;
    int fds[2];

    (void)arg;
    one_request();
    pipe_make(fds);
    sum = fill(fds[1]);
    take_the_last_number();
    for (int i = 0; i < 2; i++)
        start_write(&blocks[i], fds[1], data[i], SIZE / (i ? 2 : 1), 0);
    nap(20);
    must_be(close(fds[1]), 0);
    int file = file_make();
    must_be(file, fds[1]);
    size_t have = drain_to_the_end(fds[0]);
    for (int i = 0; i < 2; i++) {
        ssize_t n = result_of(&blocks[i]);
        must(n > 0 || was_given_up(n));
        sum += n > 0 ? (size_t)n : 0;
    }
    must_be(lseek(file, 0, SEEK_END), 0);
    must_be(have, sum);
}

HEALD_CASE(writes_for_which_no_number_is_free)
{
    in_child(writes_without_a_number, NULL);
}

static void reads_without_a_number(void *arg)
{
    struct aiocb blocks[2];
    char bytes[2] = "";
    int fds[2], file = file_with("not the pipe's"), number;

    (void)arg;
    one_request();
    pipe_make(fds);
    number = dup(fds[0]);
    take_the_last_number();
    for (int i = 0; i < 2; i++)
        start_read(&blocks[i], number, &bytes[i], 1, 0);
    nap(20);
    must_be(close(number), 0);
    must_be(dup(file), number);
    must_be(write(fds[1], "ab", 2), 2);
    for (int i = 0; i < 2; i++) {
        ssize_t n = result_of(&blocks[i]);
        must(was_given_up(n) || (n == 1 && bytes[i] < 'c'));
    }
}

HEALD_CASE(reads_for_which_no_number_is_free)
{
    in_child(reads_without_a_number, NULL);
}

/* A child of vfork(2) has numbers of its own and its parent's memory. */
static void closes_in_a_borrowed_memory(void *arg)
{
    struct aiocb cb;
    int fds[2], status;
    char byte;

    (void)arg;
    pipe_make(fds);
    start_read(&cb, fds[0], &byte, 1, 0);
    nap(10);
    pid_t pid = vfork();
    must(pid >= 0);
    if (pid == 0) {
        close(fds[0]);
        _exit(0);
    }
    must_be(waitpid(pid, &status, 0), pid);
    must(aio_cancel(fds[0], &cb) != AIO_ALLDONE);
    must_be(write(fds[1], "x", 1), 1);
    ssize_t n = result_of(&cb);
    must(n == 1 || n == -ECANCELED);
}

HEALD_CASE(a_child_of_vfork_closes)
{
    in_child(closes_in_a_borrowed_memory, NULL);
}

void add_numbers(TCase *group)
{
    add(group, all_that_is_unknown_is_closed_under_requests);
    add(group, the_first_request_leaves_the_lowest_number);
    add(group, writes_for_which_no_number_is_free);
    add(group, reads_for_which_no_number_is_free);
    add(group, a_child_of_vfork_closes);
}
