/*
 * test/aio/numbers.c: descriptors of the library's own, beside the program's: none of them is in
 * the program's way, and none stands for a file of the program's. Each in a child process.
 */
#include "aio/suite.h"

#include <sys/un.h>

enum { FROM = 60, LAST = 1023, CHILDREN = 30, OPENS = 300, FEW = 64, SIZE = 60000 };
enum { SOCKETS = 700, OWN = 24, NARROW = 256 };
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

/* A number that is in use belongs to another. */
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

/* Until it is killed, or its parent has failed. */
static void stay(void)
{
    alarm(20 * (unsigned)harness_slow());
    for (;;)
        pause();
}

/* Connects many times, and keeps all. */
static void connects(void *arg)
{
    const struct sockaddr_un *address = arg;

    for (int i = 0; i < SOCKETS; i++) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        must(fd >= 0);
        must_be(connect(fd, (const struct sockaddr *)address, sizeof *address), 0);
    }
    stay();
}

static int listener_make(struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(address->sun_path + 1, sizeof address->sun_path - 1, "heald-aio-%d", getpid());
    must_be(bind(fd, (struct sockaddr *)address, sizeof *address), 0);
    must_be(listen(fd, SOCKETS), 0);
    return fd;
}

static void limit_numbers(rlim_t limit)
{
    struct rlimit lower = {limit, limit};

    must_be(setrlimit(RLIMIT_NOFILE, &lower), 0);
}

/* How many more the program can have; they are closed again. */
static int numbers_left(void)
{
    static int fds[LAST + 1];
    int count = 0;

    while ((fds[count] = dup(0)) >= 0)
        count++;
    for (int i = 0; i < count; i++)
        close(fds[i]);
    return count;
}

static void reads_of_many_sockets(void *arg)
{
    static struct aiocb blocks[SOCKETS];
    static char bytes[SOCKETS];
    struct sockaddr_un address;

    (void)arg;
    limit_numbers(LAST + 1);
    int left = numbers_left(), listener = listener_make(&address);
    pid_t peer = child_start(connects, &address);
    for (int i = 0; i < SOCKETS; i++) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        must(fd >= 0);
        start_read(&blocks[i], fd, &bytes[i], 1, 0);
        nap(i % 10 == 0); /* the library has its time to start what it wants to */
    }
    must(numbers_left() >= left - SOCKETS - 1 - OWN);
    must_be(aio_error(&blocks[SOCKETS - 1]), EINPROGRESS);
    must_be(kill(peer, SIGKILL), 0);
    must_be(waitpid(peer, NULL, 0), peer);
    for (int i = 0; i < SOCKETS; i++)
        must_be(result_of(&blocks[i]), 0);
}

HEALD_CASE(sockets_up_to_the_limit)
{
    in_child(reads_of_many_sockets, NULL);
}

static bool is_free(int fd)
{
    return fcntl(fd, F_GETFD) < 0;
}

/* Of the lower half all that were free before the requests are free now; any free one is had. */
static void wants_each_number(void *arg)
{
    struct aiocb blocks[2];
    char bytes[2];
    int fds[2], null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    bool before[NARROW];

    (void)arg;
    limit_numbers(NARROW);
    pipe_make(fds);
    for (int fd = 0; fd < NARROW; fd++)
        before[fd] = is_free(fd);
    for (int i = 0; i < 2; i++)
        start_read(&blocks[i], fds[0], &bytes[i], 1, 0);
    nap(50);
    for (int fd = 0; fd < NARROW / 2; fd++)
        must_be(is_free(fd), before[fd]);
    for (int fd = 0; fd < NARROW; fd++)
        if (is_free(fd))
            must_be(dup2(null, fd), fd);
    must_be(write(fds[1], "ab", 2), 2);
    for (int i = 0; i < 2; i++)
        must_be(result_of(&blocks[i]), 1);
}

/* The library of the child starts under the limit. */
HEALD_CASE(each_free_number_is_to_be_had)
{
    in_child(wants_each_number, NULL);
}

/* What waits for the process that has a copy of all numbers but those of the pair. */
static pid_t bystander_start(pid_t (*how)(void), int fds[2])
{
    pid_t pid = how();

    must(pid >= 0);
    if (pid == 0) {
        close(fds[0]);
        close(fds[1]);
        stay();
    }
    return pid;
}

/* The peer sees the end of file once the parent has closed its end, whatever was forked before. */
static void closes_beside_a_child(pid_t (*how)(void))
{
    struct timeval time = {2 * harness_slow(), 0};
    struct aiocb blocks[2];
    char buf[2][8];
    int fds[2];

    pair_make(SOCK_STREAM, fds);
    for (int i = 0; i < 2; i++)
        start_read(&blocks[i], fds[0], buf[i], 8, 0);
    nap(30);
    pid_t pid = bystander_start(how, fds);
    for (int i = 0; i < 2; i++) {
        must_be(write(fds[1], "12345678", 8), 8);
        must_be(result_of(&blocks[i]), 8);
    }
    must_be(close(fds[0]), 0);
    must_be(setsockopt(fds[1], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time), 0);
    must_be(read(fds[1], buf[0], 8), 0);
    close(fds[1]);
    must_be(kill(pid, SIGKILL), 0);
    must_be(waitpid(pid, NULL, 0), pid);
}

HEALD_CASE(a_child_keeps_no_end_open)
{
    closes_beside_a_child(fork);
    closes_beside_a_child(_Fork);
}

/* The requests are still waiting when the parent closes. */
HEALD_CASE(a_child_keeps_no_pipe_of_waiting_writes)
{
    struct aiocb blocks[2];
    char *data = calloc(1, SIZE);
    int fds[2];

    pipe_make(fds);
    size_t size = fill(fds[1]);
    for (int i = 0; i < 2; i++)
        start_write(&blocks[i], fds[1], data, SIZE, 0);
    nap(30);
    pid_t pid = bystander_start(fork, fds);
    drain(fds[0], size + 2 * (size_t)SIZE);
    for (int i = 0; i < 2; i++)
        must_be(result_of(&blocks[i]), SIZE);
    must_be(close(fds[1]), 0);
    alarm(5 * (unsigned)harness_slow());
    must_be(read(fds[0], data, 1), 0);
    alarm(0);
    close(fds[0]);
    free(data);
    must_be(kill(pid, SIGKILL), 0);
    must_be(waitpid(pid, NULL, 0), pid);
}

void add_numbers(TCase *group)
{
    add(group, all_that_is_unknown_is_closed_under_requests);
    add(group, the_first_request_leaves_the_lowest_number);
    add(group, writes_for_which_no_number_is_free);
    add(group, reads_for_which_no_number_is_free);
    add(group, a_child_of_vfork_closes);
    add(group, sockets_up_to_the_limit);
    add(group, each_free_number_is_to_be_had);
    add(group, a_child_keeps_no_end_open);
    add(group, a_child_keeps_no_pipe_of_waiting_writes);
}
