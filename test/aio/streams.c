/* test/aio/streams.c: large and interrupted transfers, broken pipes, descriptors that do not
 * block. */
#include "aio/suite.h"

enum { MIB = 1 << 20 };

struct flow {
    int fd;
    size_t size, seen;
    unsigned salt;
};

/* Reads and compares all that comes, up to `size`. */
static void *read_flow(void *arg)
{
    struct flow *flow = arg;
    char chunk[30000];

    while (flow->seen < flow->size) {
        ssize_t n = read(flow->fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        must(n > 0);
        must(pattern_is(chunk, (size_t)n, flow->seen, flow->salt));
        flow->seen += (size_t)n;
    }
    return NULL;
}

/* `parts` requests, all at once; they come out whole and behind each other. */
static void write_flow(int writer, int reader, size_t size, int parts)
{
    struct flow flow = {reader, size, 0, 9};
    struct aiocb blocks[4];
    char *data = malloc(size);
    size_t part = size / (size_t)parts;

    pattern_fill(data, size, 0, 9);
    for (int i = 0; i < parts; i++)
        start_write(&blocks[i], writer, data + (size_t)i * part, part, 0);
    pthread_t thread = thread_start(read_flow, &flow);
    for (int i = 0; i < parts; i++)
        must_be(result_of(&blocks[i]), part);
    thread_end(thread);
    must_be(flow.seen, size);
    free(data);
}

HEALD_CASE(pipe_takes_all)
{
    int fds[2];

    pipe_make(fds);
    write_flow(fds[1], fds[0], MIB, 1);
    write_flow(fds[1], fds[0], 10 * MIB, 1);
    write_flow(fds[1], fds[0], 4 * MIB, 4);
    pair_close(fds);
}

HEALD_CASE(stream_takes_all)
{
    int fds[2];

    pair_make(SOCK_STREAM, fds);
    write_flow(fds[1], fds[0], MIB, 1);
    write_flow(fds[0], fds[1], 10 * MIB, 1);
    write_flow(fds[0], fds[1], 4 * MIB, 4);
    pair_close(fds);
}

HEALD_CASE(fifo_takes_all)
{
    char path[64];

    must_be(mkfifo(name_make(path), 0600), 0);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    unlink(path);
    must(fd >= 0);
    int writer = dup(fd);
    write_flow(writer, fd, MIB, 1);
    write_flow(writer, fd, 10 * MIB, 2);
    close(writer);
    close(fd);
}

static void nothing(int signo, siginfo_t *info, void *context)
{
    (void)signo, (void)info, (void)context;
}

HEALD_CASE(signals_do_not_interrupt_a_write)
{
    int fds[2];

    pipe_make(fds);
    handle(SIGALRM, nothing, 0);
    bombard(1000);
    for (int i = 0; i < 5; i++)
        write_flow(fds[1], fds[0], 2 * MIB, 2);
    bombard(0);
    pair_close(fds);
}

HEALD_CASE(signals_do_not_interrupt_a_read)
{
    int fds[2], fd = file_with("0123456789");
    char buf[16];
    struct aiocb cb;

    pipe_make(fds);
    handle(SIGALRM, nothing, 0);
    bombard(1000);
    for (int i = 0; i < 5; i++) {
        start_read(&cb, fds[0], buf, 4, 0);
        must_hang(&cb);
        must_be(write(fds[1], "abcd", 4), 4);
        must_be(result_of(&cb), 4);
    }
    for (int i = 0; i < 1000; i++)
        must_be(read_now(fd, buf, 16, 0), 10);
    bombard(0);
    pair_close(fds);
    close(fd);
}

/* What was written before the reader went counts; or the error does. */
static void reader_goes_midway(int fds[2])
{
    char *data = calloc(1, MIB);
    struct aiocb cb;

    start_write(&cb, fds[1], data, MIB, 0);
    drain(fds[0], 100000);
    must_hang(&cb);
    close(fds[0]);
    ssize_t n = result_of(&cb);
    must(n == -EPIPE || (n >= 100000 && n < MIB));
    must_be(write_now(fds[1], data, 10, 0), -EPIPE);
    free(data);
    close(fds[1]);
}

HEALD_CASE(reader_of_a_pipe_goes_midway)
{
    int fds[2];

    signal(SIGPIPE, SIG_DFL);
    pipe_make(fds);
    reader_goes_midway(fds);
}

HEALD_CASE(reader_of_a_socket_goes_midway)
{
    int fds[2];

    signal(SIGPIPE, SIG_DFL);
    pair_make(SOCK_STREAM, fds);
    reader_goes_midway(fds);
}

HEALD_CASE(broken_pipe_does_not_kill)
{
    int fds[2];
    struct aiocb blocks[20];

    signal(SIGPIPE, SIG_DFL);
    pipe_make(fds);
    close(fds[0]);
    for (int i = 0; i < 20; i++)
        start_write(&blocks[i], fds[1], "abc", 3, 0);
    for (int i = 0; i < 20; i++)
        must_be(result_of(&blocks[i]), -EPIPE);
    close(fds[1]);
    pair_make(SOCK_STREAM, fds);
    close(fds[0]);
    must_be(write_now(fds[1], "abc", 3, 0), -EPIPE);
    close(fds[1]);
}

/* A write that waits for room, and then for nobody. */
HEALD_CASE(full_pipe_breaks)
{
    int fds[2];
    struct aiocb first, second;

    pipe_make(fds);
    fill(fds[1]);
    start_write(&first, fds[1], "abc", 3, 0);
    start_write(&second, fds[1], "def", 3, 0);
    must_hang(&second);
    close(fds[0]);
    must_be(result_of(&first), -EPIPE);
    must_be(result_of(&second), -EPIPE);
    close(fds[1]);
}

HEALD_CASE(writer_goes_and_reads_end)
{
    int fds[2];
    char buf[8];
    struct aiocb first, second;

    pipe_make(fds);
    start_read(&first, fds[0], buf, 8, 0);
    start_read(&second, fds[0], buf, 8, 0);
    must_hang(&first);
    close(fds[1]);
    must_be(result_of(&first), 0);
    must_be(result_of(&second), 0);
    close(fds[0]);
}

HEALD_CASE(reads_take_what_is_there)
{
    int fds[2];
    char buf[100];

    pair_make(SOCK_STREAM, fds);
    must_be(write(fds[1], "0123456789", 10), 10);
    must_be(read_now(fds[0], buf, 4, 0), 4);
    must_be(read_now(fds[0], buf, sizeof buf, 0), 6);
    must_be(memcmp(buf, "456789", 6), 0);
    pair_close(fds);
}

HEALD_CASE(datagrams_keep_their_bounds)
{
    int fds[2];
    char buf[100];

    pair_make(SOCK_DGRAM, fds);
    must_be(write_now(fds[1], "0123456789", 10, 0), 10);
    must_be(write_now(fds[1], "abc", 3, 0), 3);
    must_be(write_now(fds[1], "xyz", 3, 0), 3);
    must_be(read_now(fds[0], buf, 4, 0), 4);
    must_be(read_now(fds[0], buf, sizeof buf, 0), 3);
    must_be(memcmp(buf, "abc", 3), 0);
    must_be(read_now(fds[0], buf, sizeof buf, 0), 3);
    char *large = calloc(1, 64 * MIB);
    must_be(write_now(fds[1], large, 64 * MIB, 0), -EMSGSIZE);
    free(large);
    pair_close(fds);
}

/* An empty one is sent, and ends a read with 0; it is no end of file. */
static void empty_datagrams(int type)
{
    int fds[2];
    char buf[10];

    pair_make(type, fds);
    must_be(write_now(fds[0], "", 0, 0), 0);
    must_be(write_now(fds[0], "abc", 3, 0), 3);
    must_be(write_now(fds[0], NULL, 0, 0), 0);
    must_be(recv(fds[1], buf, sizeof buf, MSG_DONTWAIT), 0);
    must_be(recv(fds[1], buf, sizeof buf, MSG_DONTWAIT), 3);
    must_be(recv(fds[1], buf, sizeof buf, MSG_DONTWAIT), 0);
    must_be(send(fds[1], "", 0, 0), 0);
    must_be(send(fds[1], "x", 1, 0), 1);
    must_be(read_now(fds[0], buf, sizeof buf, 0), 0);
    must_be(read_now(fds[0], buf, sizeof buf, 0), 1);
    pair_close(fds);
}

HEALD_CASE(empty_datagrams_are_sent)
{
    empty_datagrams(SOCK_DGRAM);
    empty_datagrams(SOCK_SEQPACKET);
}

/* What read(2) of no bytes leaves there, a request leaves there. */
static void reads_of_nothing(int type)
{
    int fds[2], twins[2];
    char buf[10];

    pair_make(type, fds);
    pair_make(type, twins);
    must_be(send(fds[1], "x", 1, 0), 1);
    must_be(send(twins[1], "x", 1, 0), 1);
    ssize_t want = read(twins[0], buf, 0);
    must_be(read_now(fds[0], buf, 0, 0), want);
    want = recv(twins[0], buf, sizeof buf, MSG_DONTWAIT);
    must_be(recv(fds[0], buf, sizeof buf, MSG_DONTWAIT), want);
    pair_close(fds);
    pair_close(twins);
}

HEALD_CASE(reads_of_nothing_are_as_the_calls)
{
    reads_of_nothing(SOCK_STREAM);
    reads_of_nothing(SOCK_DGRAM);
    reads_of_nothing(SOCK_SEQPACKET);
}

static void empty_read(int fds[2])
{
    char buf[8];
    struct aiocb blocks[5];

    set_nonblocking(fds[0], true);
    must_be(read_now(fds[0], buf, 8, 0), -EAGAIN);
    for (int i = 0; i < 5; i++)
        start_read(&blocks[i], fds[0], buf, 8, 0);
    for (int i = 0; i < 5; i++)
        must_be(result_of(&blocks[i]), -EAGAIN);
    must_be(write(fds[1], "abc", 3), 3);
    must_be(read_now(fds[0], buf, 8, 0), 3);
    pair_close(fds);
}

HEALD_CASE(empty_pipe_that_does_not_block)
{
    int fds[2];

    pipe_make(fds);
    empty_read(fds);
}

HEALD_CASE(empty_sockets_that_do_not_block)
{
    int fds[2];

    pair_make(SOCK_STREAM, fds);
    empty_read(fds);
    pair_make(SOCK_DGRAM, fds);
    empty_read(fds);
}

/* As much as write(2) takes of as much, on another of the kind. */
static void full_write(int fds[2], int twins[2])
{
    char *data = calloc(1, MIB);

    set_nonblocking(fds[1], true);
    set_nonblocking(twins[1], true);
    ssize_t want = write(twins[1], data, MIB);
    must_be(write_now(fds[1], data, MIB, 0), want);
    fill(fds[1]);
    set_nonblocking(fds[1], true);
    must_be(write_now(fds[1], data, 1, 0), -EAGAIN);
    must_be(write_now(fds[1], data, MIB, 0), -EAGAIN);
    free(data);
    pair_close(fds);
    pair_close(twins);
}

HEALD_CASE(full_pipe_that_does_not_block)
{
    int fds[2], twins[2];

    pipe_make(fds);
    pipe_make(twins);
    full_write(fds, twins);
}

HEALD_CASE(full_socket_that_does_not_block)
{
    int fds[2], twins[2];

    pair_make(SOCK_STREAM, fds);
    pair_make(SOCK_STREAM, twins);
    full_write(fds, twins);
}

void add_streams(TCase *group)
{
    add(group, pipe_takes_all);
    add(group, stream_takes_all);
    add(group, fifo_takes_all);
    add(group, signals_do_not_interrupt_a_write);
    add(group, signals_do_not_interrupt_a_read);
    add(group, reader_of_a_pipe_goes_midway);
    add(group, reader_of_a_socket_goes_midway);
    add(group, broken_pipe_does_not_kill);
    add(group, full_pipe_breaks);
    add(group, writer_goes_and_reads_end);
    add(group, reads_take_what_is_there);
    add(group, datagrams_keep_their_bounds);
    add(group, empty_datagrams_are_sent);
    add(group, reads_of_nothing_are_as_the_calls);
    add(group, empty_pipe_that_does_not_block);
    add(group, empty_sockets_that_do_not_block);
    add(group, full_pipe_that_does_not_block);
    add(group, full_socket_that_does_not_block);
}
