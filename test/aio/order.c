/* test/aio/order.c: pipes, sockets and terminals: first come, first served; and which request waits
 * for which. */
#include "aio/types.h"

#include <sys/eventfd.h>

enum kind { PIPE, FIFO, STREAM, DATAGRAM, SEQPACKET, TERMINAL };
enum {
    RECORD = 8,
    WRITES = 40,
    READS = 20,
    ROUNDS = 10,
    EVENTS = 40,
    OFFSET = 12345,
    LARGE = 60000
};

static void ends_make(enum kind kind, int fds[2])
{
    switch (kind) {
    case PIPE: pipe_make(fds); break;
    case FIFO: fifo_make(fds); break;
    case STREAM: pair_make(SOCK_STREAM, fds); break;
    case DATAGRAM: pair_make(SOCK_DGRAM, fds); break;
    case SEQPACKET: pair_make(SOCK_SEQPACKET, fds); break;
    case TERMINAL: terminal_make(fds); break;
    }
}

static void read_record(int fd, char *record)
{
    for (size_t have = 0; have < RECORD;) {
        ssize_t n = read(fd, record + have, RECORD - have);
        must(n > 0);
        have += (size_t)n;
    }
}

static void writes_in_order(int reader, const int *writers, int count)
{
    static struct aiocb blocks[WRITES];
    char records[WRITES][RECORD + 1], record[RECORD + 1] = "";

    for (int i = 0; i < WRITES; i++) {
        snprintf(records[i], sizeof records[i], "%08d", i);
        start_write(&blocks[i], writers[i % count], records[i], RECORD, OFFSET);
    }
    for (int i = 0; i < WRITES; i++) {
        read_record(reader, record);
        must_be(atoi(record), i);
    }
    for (int i = 0; i < WRITES; i++)
        must_be(result_of(&blocks[i]), RECORD);
}

static void reads_in_order(int reader, int writer)
{
    static struct aiocb blocks[READS];
    char records[READS][RECORD + 1] = {""}, record[RECORD + 1];

    for (int i = 0; i < READS; i++)
        start_read(&blocks[i], reader, records[i], RECORD, OFFSET);
    for (int i = 0; i < READS; i++) {
        snprintf(record, sizeof record, "%08d", i);
        must_be(write(writer, record, RECORD), RECORD);
        must_be(result_of(&blocks[i]), RECORD);
        must_be(atoi(records[i]), i);
        if (i + 1 < READS)
            must_be(aio_error(&blocks[i + 1]), EINPROGRESS);
    }
}

static void all_in_order(enum kind kind)
{
    int fds[2];

    ends_make(kind, fds);
    for (int i = 0; i < ROUNDS; i++) {
        writes_in_order(fds[0], &fds[1], 1);
        reads_in_order(fds[0], fds[1]);
    }
    pair_close(fds);
}

HEALD_CASE(pipe_in_order)
{
    all_in_order(PIPE);
}

HEALD_CASE(fifo_in_order)
{
    all_in_order(FIFO);
}

HEALD_CASE(stream_in_order)
{
    all_in_order(STREAM);
}

HEALD_CASE(datagrams_in_order)
{
    all_in_order(DATAGRAM);
}

HEALD_CASE(packets_in_order)
{
    all_in_order(SEQPACKET);
}

HEALD_CASE(terminal_in_order)
{
    all_in_order(TERMINAL);
}

HEALD_CASE(duplicates_in_order)
{
    int fds[2], writers[2];

    pipe_make(fds);
    writers[0] = fds[1];
    writers[1] = dup(fds[1]);
    for (int i = 0; i < ROUNDS; i++)
        writes_in_order(fds[0], writers, 2);
    close(writers[1]);
    pair_close(fds);
}

/* A read waits on a descriptor; a write on the same one goes through. */
static void both_ways(int fd, int reader, int writer)
{
    char buf[4], back[4];
    struct aiocb pending;

    start_read(&pending, fd, buf, 4, 0);
    must_hang(&pending);
    must_be(write_now(fd, "ping", 4, 0), 4);
    if (reader != fd) {
        must_be(read(reader, back, 4), 4);
        must_be(write(writer, "pong", 4), 4);
    }
    must_be(result_of(&pending), 4);
    must_be(memcmp(buf, reader != fd ? "pong" : "ping", 4), 0);
}

HEALD_CASE(reads_do_not_hold_up_writes_of_a_socket)
{
    int fds[2];

    pair_make(SOCK_STREAM, fds);
    both_ways(fds[0], fds[1], fds[1]);
    pair_close(fds);
}

HEALD_CASE(reads_do_not_hold_up_writes_of_a_datagram_socket)
{
    int fds[2];

    pair_make(SOCK_DGRAM, fds);
    both_ways(fds[0], fds[1], fds[1]);
    pair_close(fds);
}

HEALD_CASE(reads_do_not_hold_up_writes_of_a_terminal)
{
    int fds[2];

    terminal_make(fds);
    both_ways(fds[0], fds[1], fds[1]);
    pair_close(fds);
}

/* The one descriptor of a FIFO for both: its own write ends the read. */
HEALD_CASE(reads_do_not_hold_up_writes_of_a_fifo)
{
    char path[64];

    must_be(mkfifo(name_make(path), 0600), 0);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    unlink(path);
    both_ways(fd, fd, fd);
    close(fd);
}

HEALD_CASE(writes_do_not_hold_up_reads_of_a_socket)
{
    int fds[2];
    char buf[4];
    struct aiocb stuck;

    pair_make(SOCK_STREAM, fds);
    size_t full = fill(fds[0]);
    start_write(&stuck, fds[0], "late", 4, 0);
    must_be(write(fds[1], "data", 4), 4);
    must_be(read_now(fds[0], buf, 4, 0), 4);
    must_be(memcmp(buf, "data", 4), 0);
    must_be(aio_error(&stuck), EINPROGRESS);
    drain(fds[1], full);
    must_be(result_of(&stuck), 4);
    pair_close(fds);
}

HEALD_CASE(the_ends_of_a_fifo_go_on_alone)
{
    int fds[2];
    char buf[4];
    struct aiocb pending;

    fifo_make(fds);
    start_read(&pending, fds[0], buf, 4, 0);
    must_hang(&pending);
    must_be(write_now(fds[1], "ping", 4, OFFSET), 4);
    must_be(result_of(&pending), 4);
    pair_close(fds);
}

/* All eventfds are one file by the number of the inode. */
static void events_apart(int count)
{
    static struct aiocb blocks[EVENTS];
    uint64_t values[EVENTS];
    int fds[EVENTS];

    for (int i = 0; i < count; i++) {
        fds[i] = eventfd(0, EFD_CLOEXEC);
        start_read(&blocks[i], fds[i], &values[i], sizeof values[i], 0);
    }
    for (int i = count; i-- > 0;) {
        uint64_t value = 100 + (uint64_t)i;
        must_be(aio_error(&blocks[i]), EINPROGRESS);
        must_be(write(fds[i], &value, sizeof value), sizeof value);
        must_be(result_of(&blocks[i]), sizeof value);
        must_be(values[i], value);
        close(fds[i]);
    }
}

HEALD_CASE(two_events_apart)
{
    events_apart(2);
}

HEALD_CASE(forty_events_apart)
{
    events_apart(EVENTS);
}

HEALD_CASE(two_pairs_of_sockets_apart)
{
    int a[2], b[2];
    char buf[8];
    struct aiocb first, second;

    pair_make(SOCK_STREAM, a);
    pair_make(SOCK_STREAM, b);
    start_read(&first, a[0], buf, 4, 0);
    start_read(&second, b[0], buf + 4, 4, 0);
    must_be(write(b[1], "1234", 4), 4);
    must_be(result_of(&second), 4);
    must_be(aio_error(&first), EINPROGRESS);
    must_be(write(a[1], "5678", 4), 4);
    must_be(result_of(&first), 4);
    must_be(memcmp(buf, "56781234", 8), 0);
    pair_close(a);
    pair_close(b);
}

/* The file is known by the first's number, which is closed when nothing is asked of it any more. */
HEALD_CASE(duplicates_in_order_after_a_close)
{
    int fds[2], size = 4096;
    char byte, *data = malloc((size_t)READS * LARGE), *got = malloc((size_t)READS * LARGE);
    struct aiocb read, writes[READS];

    pair_make(SOCK_STREAM, fds);
    must_be(setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
    int other = dup(fds[1]);
    pattern_fill(data, (size_t)READS * LARGE, 0, 1);
    start_read(&read, fds[1], &byte, 1, 0);
    start_write(&writes[0], other, data, LARGE, 0);
    nap(10);
    must_be(write(fds[0], "x", 1), 1);
    must_be(result_of(&read), 1);
    close(fds[1]);
    for (int i = 1; i < READS; i++)
        start_write(&writes[i], other, data + (size_t)i * LARGE, LARGE, 0);
    nap(10);
    must_be(recv(fds[0], got, (size_t)READS * LARGE, MSG_WAITALL), (ssize_t)READS * LARGE);
    must(pattern_is(got, (size_t)READS * LARGE, 0, 1));
    for (int i = 0; i < READS; i++)
        must_be(result_of(&writes[i]), LARGE);
    close(fds[0]);
    close(other);
    free(data);
    free(got);
}

void add_order(TCase *group)
{
    add(group, pipe_in_order);
    add(group, fifo_in_order);
    add(group, stream_in_order);
    add(group, datagrams_in_order);
    add(group, packets_in_order);
    add(group, terminal_in_order);
    add(group, duplicates_in_order);
    add(group, duplicates_in_order_after_a_close);
    add(group, reads_do_not_hold_up_writes_of_a_socket);
    add(group, reads_do_not_hold_up_writes_of_a_datagram_socket);
    add(group, reads_do_not_hold_up_writes_of_a_terminal);
    add(group, reads_do_not_hold_up_writes_of_a_fifo);
    add(group, writes_do_not_hold_up_reads_of_a_socket);
    add(group, the_ends_of_a_fifo_go_on_alone);
    add(group, two_events_apart);
    add(group, forty_events_apart);
    add(group, two_pairs_of_sockets_apart);
}
