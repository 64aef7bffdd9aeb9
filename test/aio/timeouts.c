/*
 * test/aio/timeouts.c: what a descriptor itself says of how long a call waits, and for how much:
 * SO_RCVTIMEO, SO_SNDTIMEO and SO_RCVLOWAT of sockets, VMIN and VTIME of terminals in raw mode. A
 * request keeps to it as read(2) and write(2) do.
 */
#include "aio/types.h"

#include <termios.h>

enum { WAIT = 200, TENTHS = 2, LARGE = 4 << 20, EARLY = 20, LIMIT = 12 };

static void begin(const struct type *type, int fds[2])
{
    alarm(LIMIT * (unsigned)harness_slow());
    type->make(fds);
}

static void set_timeout(int fd, int option)
{
    struct timeval time = {0, WAIT * 1000};

    must_be(setsockopt(fd, SOL_SOCKET, option, &time, sizeof time), 0);
}

static void set_low_water(int fd, int bytes)
{
    must_be(setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes), 0);
}

/* The end of a wait that began then; the clock of the kernel is coarser than ours. */
static void must_have_waited(int64_t since, int ms)
{
    must(now() - since >= (ms - EARLY) * (int64_t)MS);
}

static void file_goes_on(void)
{
    int fd = file_with("0123456789");
    int64_t since = now();
    char buf[10];

    must_be(read_now(fd, buf, 10, 0), 10);
    must(now() - since < (int64_t)SECOND * harness_slow());
    close(fd);
}

/* Each of the two waits its time; what comes before the time is up is a result. */
static void receive_timeout(const struct type *type)
{
    char buf[2][100];
    struct aiocb blocks[2];
    int fds[2];

    begin(type, fds);
    set_timeout(fds[0], SO_RCVTIMEO);
    int64_t since = now();
    for (int i = 0; i < 2; i++)
        start_read(&blocks[i], fds[0], buf[i], 100, 0);
    file_goes_on();
    must_be(result_of(&blocks[0]), -EAGAIN);
    must_have_waited(since, WAIT);
    must_be(result_of(&blocks[1]), -EAGAIN);
    since = now();
    start_read(&blocks[0], fds[0], buf[0], 100, 0);
    must_be(write(fds[1], "abc", 3), 3);
    must_be(result_of(&blocks[0]), 3);
    must_be(read_now(fds[0], buf[0], 100, 0), -EAGAIN);
    must_have_waited(since, WAIT);
    pair_close(fds);
}

HEALD_CASE(receive_timeout_of_a_stream)
{
    receive_timeout(&type_stream);
}

HEALD_CASE(receive_timeout_of_a_datagram_socket)
{
    receive_timeout(&type_datagram);
}

HEALD_CASE(receive_timeout_of_a_packet_socket)
{
    receive_timeout(&type_packet);
}

HEALD_CASE(receive_timeout_of_tcp)
{
    receive_timeout(&type_tcp);
}

/* The time-out is set while the socket is in use: the next request has it. */
HEALD_CASE(receive_timeout_of_a_socket_in_use)
{
    char buf[100];
    struct aiocb cb;
    int fds[2];

    begin(&type_stream, fds);
    start_read(&cb, fds[0], buf, 100, 0);
    must_hang(&cb);
    must_be(write(fds[1], "abc", 3), 3);
    must_be(result_of(&cb), 3);
    set_timeout(fds[0], SO_RCVTIMEO);
    must_be(read_now(fds[0], buf, 100, 0), -EAGAIN);
    pair_close(fds);
}

/* First the part for which there was room, then nothing. */
static void send_timeout(const struct type *type)
{
    char *data = calloc(1, LARGE);
    struct aiocb cb;
    int fds[2];

    begin(type, fds);
    set_timeout(fds[0], SO_SNDTIMEO);
    int64_t since = now();
    start_write(&cb, fds[0], data, LARGE, 0);
    file_goes_on();
    ssize_t n = result_of(&cb);
    must(n > 0 && n < LARGE);
    must_have_waited(since, WAIT);
    type->fill(fds[0]);
    since = now();
    must_be(write_now(fds[0], data, 100, 0), -EAGAIN);
    must_have_waited(since, WAIT);
    free(data);
    pair_close(fds);
}

HEALD_CASE(send_timeout_of_a_stream)
{
    send_timeout(&type_stream);
}

HEALD_CASE(send_timeout_of_tcp)
{
    send_timeout(&type_tcp);
}

HEALD_CASE(send_timeout_of_a_datagram_socket)
{
    int fds[2];

    begin(&type_datagram, fds);
    set_timeout(fds[0], SO_SNDTIMEO);
    fill(fds[0]);
    int64_t since = now();
    must_be(write_now(fds[0], "abc", 3, 0), -EAGAIN);
    must_have_waited(since, WAIT);
    pair_close(fds);
}

/*
 * Fewer bytes than the mark do not end a read. TCP hands over the first two at once, and wakes the
 * reader once the mark is reached by what came after them.
 */
static void low_water(const struct type *type)
{
    char buf[100];
    struct aiocb cb;
    int fds[2];

    begin(type, fds);
    set_low_water(fds[0], 4);
    start_read(&cb, fds[0], buf, 100, 0);
    must_be(write(fds[1], "ab", 2), 2);
    must_hang(&cb);
    file_goes_on();
    must_be(write(fds[1], "cdefgh", 6), 6);
    must_be(result_of(&cb), 8);
    must_be(memcmp(buf, "abcdefgh", 8), 0);
    pair_close(fds);
}

HEALD_CASE(low_water_of_a_stream)
{
    low_water(&type_stream);
}

/* TCP does not wake such a reader when it waits already. */
HEALD_CASE(low_water_above_the_size_of_a_read)
{
    char buf[2];
    int fds[2];

    begin(&type_stream, fds);
    set_low_water(fds[0], 4);
    must_be(write(fds[1], "ef", 2), 2);
    must_be(read_now(fds[0], buf, 2, 0), 2);
    must_be(memcmp(buf, "ef", 2), 0);
    pair_close(fds);
}

HEALD_CASE(low_water_of_tcp)
{
    low_water(&type_tcp);
}

/* When the time is up, what is there counts. */
static void low_water_and_timeout(const struct type *type)
{
    char buf[100];
    struct aiocb cb;
    int fds[2];

    begin(type, fds);
    set_low_water(fds[0], 4);
    set_timeout(fds[0], SO_RCVTIMEO);
    int64_t since = now();
    start_read(&cb, fds[0], buf, 100, 0);
    must_be(write(fds[1], "ab", 2), 2);
    must_be(result_of(&cb), 2);
    must_have_waited(since, WAIT);
    pair_close(fds);
}

HEALD_CASE(low_water_and_timeout_of_a_stream)
{
    low_water_and_timeout(&type_stream);
}

HEALD_CASE(low_water_and_timeout_of_tcp)
{
    low_water_and_timeout(&type_tcp);
}

static void raw_terminal(int fds[2], int min, int tenths)
{
    struct termios mode;

    begin(&type_terminal, fds);
    must_be(tcgetattr(fds[0], &mode), 0);
    mode.c_cc[VMIN] = (cc_t)min;
    mode.c_cc[VTIME] = (cc_t)tenths;
    must_be(tcsetattr(fds[0], TCSANOW, &mode), 0);
}

static void type_in(const int fds[2], const char *text)
{
    must_be(write(fds[1], text, strlen(text)), strlen(text));
}

/* VMIN 0, VTIME 0: what is there, or nothing. */
HEALD_CASE(terminal_that_never_waits)
{
    char buf[100];
    int fds[2];

    raw_terminal(fds, 0, 0);
    must_be(read_now(fds[0], buf, 100, 0), 0);
    type_in(fds, "abc");
    wait_readable(fds[0]);
    must_be(read_now(fds[0], buf, 100, 0), 3);
    must_be(read_now(fds[0], buf, 100, 0), 0);
    pair_close(fds);
}

/* VMIN 0, VTIME t: what comes first, or nothing after the time. */
HEALD_CASE(terminal_that_waits_a_time)
{
    char buf[100];
    struct aiocb cb;
    int fds[2];

    raw_terminal(fds, 0, TENTHS);
    int64_t since = now();
    start_read(&cb, fds[0], buf, 100, 0);
    file_goes_on();
    must_be(result_of(&cb), 0);
    must_have_waited(since, TENTHS * 100);
    type_in(fds, "abc");
    wait_readable(fds[0]);
    must_be(read_now(fds[0], buf, 100, 0), 3);
    pair_close(fds);
}

/* VMIN n, VTIME 0: so many bytes, or all that are asked for. */
HEALD_CASE(terminal_that_waits_for_so_many)
{
    char buf[100];
    struct aiocb cb;
    int fds[2];

    raw_terminal(fds, 4, 0);
    start_read(&cb, fds[0], buf, 100, 0);
    type_in(fds, "ab");
    must_hang(&cb);
    file_goes_on();
    type_in(fds, "cd");
    must_be(result_of(&cb), 4);
    must_be(memcmp(buf, "abcd", 4), 0);
    start_read(&cb, fds[0], buf, 2, 0);
    type_in(fds, "ef");
    must_be(result_of(&cb), 2);
    pair_close(fds);
}

/* VMIN n, VTIME t: the time begins with the first byte, and anew with each. */
HEALD_CASE(terminal_that_waits_between_bytes)
{
    char buf[100];
    struct aiocb cb;
    int fds[2];

    raw_terminal(fds, 8, TENTHS);
    start_read(&cb, fds[0], buf, 100, 0);
    for (int i = 0; i < 6; i++)
        must_hang(&cb);
    int64_t since = now();
    type_in(fds, "abc");
    file_goes_on();
    must_be(result_of(&cb), 3);
    must_have_waited(since, TENTHS * 100);
    since = now();
    start_read(&cb, fds[0], buf, 100, 0);
    type_in(fds, "12345678");
    must_be(result_of(&cb), 8);
    pair_close(fds);
}

/* A wait of 25 seconds for the second byte holds up nothing. */
HEALD_CASE(long_wait_of_a_terminal)
{
    char buf[100];
    struct aiocb cb;
    int fds[2], others[2];

    raw_terminal(fds, 8, 250);
    start_read(&cb, fds[0], buf, 100, 0);
    type_in(fds, "a");
    must_hang(&cb);
    file_goes_on();
    pipe_make(others);
    must_be(write(others[1], "x", 1), 1);
    must_be(read_now(others[0], buf + 50, 1, 0), 1);
    pair_close(others);
    type_in(fds, "bcdefgh");
    must_be(result_of(&cb), 8);
    pair_close(fds);
}

void add_timeouts(TCase *group)
{
    add(group, receive_timeout_of_a_stream);
    add(group, receive_timeout_of_a_datagram_socket);
    add(group, receive_timeout_of_a_packet_socket);
    add(group, receive_timeout_of_tcp);
    add(group, receive_timeout_of_a_socket_in_use);
    add(group, send_timeout_of_a_stream);
    add(group, send_timeout_of_tcp);
    add(group, send_timeout_of_a_datagram_socket);
    add(group, low_water_of_a_stream);
    add(group, low_water_of_tcp);
    add(group, low_water_above_the_size_of_a_read);
    add(group, low_water_and_timeout_of_a_stream);
    add(group, low_water_and_timeout_of_tcp);
    add(group, terminal_that_never_waits);
    add(group, terminal_that_waits_a_time);
    add(group, terminal_that_waits_for_so_many);
    add(group, terminal_that_waits_between_bytes);
    add(group, long_wait_of_a_terminal);
}
