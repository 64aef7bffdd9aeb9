/* test/aio/types.c: types of descriptors; see types.h. */
#include "aio/types.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <termios.h>

enum { SMALL = 16 << 10, FILE_SIZE = 100 };

static void terminal_open(int fds[2])
{
    fds[1] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    must(fds[1] >= 0);
    must_be(grantpt(fds[1]), 0);
    must_be(unlockpt(fds[1]), 0);
    fds[0] = open(ptsname(fds[1]), O_RDWR | O_NOCTTY | O_CLOEXEC);
    must(fds[0] >= 0);
}

void terminal_make(int fds[2])
{
    struct termios mode;

    terminal_open(fds);
    must_be(tcgetattr(fds[0], &mode), 0);
    cfmakeraw(&mode);
    must_be(tcsetattr(fds[0], TCSANOW, &mode), 0);
}

static void line_terminal_make(int fds[2])
{
    struct termios mode;

    terminal_open(fds);
    must_be(tcgetattr(fds[0], &mode), 0);
    mode.c_lflag &= ~(tcflag_t)ECHO;
    must_be(tcsetattr(fds[0], TCSANOW, &mode), 0);
}

void fifo_make(int fds[2])
{
    char path[64];

    must_be(mkfifo(name_make(path), 0600), 0);
    fds[0] = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    fds[1] = open(path, O_WRONLY | O_CLOEXEC);
    must(fds[0] >= 0 && fds[1] >= 0);
    set_nonblocking(fds[0], false);
    unlink(path);
}

static void stream_make(int fds[2])
{
    pair_make(SOCK_STREAM, fds);
}

static void datagram_make(int fds[2])
{
    pair_make(SOCK_DGRAM, fds);
}

static void packet_make(int fds[2])
{
    pair_make(SOCK_SEQPACKET, fds);
}

void tcp_make(int fds[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), small = SMALL;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    must(listener >= 0);
    must_be(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    must_be(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    must_be(listen(listener, 1), 0);
    must_be(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must_be(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    must_be(connect(fds[0], (struct sockaddr *)&address, sizeof address), 0);
    fds[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    must(fds[1] >= 0);
    close(listener);
}

static void eventfd_make(int fds[2])
{
    fds[0] = eventfd(0, EFD_CLOEXEC);
    fds[1] = dup(fds[0]);
    must(fds[1] >= 0);
}

static void timerfd_make(int fds[2])
{
    fds[0] = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    fds[1] = dup(fds[0]);
    must(fds[1] >= 0);
}

static void signalfd_make(int fds[2])
{
    sigset_t set;

    block_signal(SIGUSR1);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    fds[0] = signalfd(-1, &set, SFD_CLOEXEC);
    fds[1] = dup(fds[0]);
    must(fds[1] >= 0);
}

/* It watches a file without a name. */
static void inotify_make(int fds[2])
{
    char path[64];

    fds[1] = file_make();
    fds[0] = inotify_init1(IN_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fds[1]);
    must(inotify_add_watch(fds[0], path, IN_MODIFY) >= 0);
}

static void open_twice(const char *path, int flags, int fds[2])
{
    for (int i = 0; i < 2; i++) {
        fds[i] = open(path, flags | O_CLOEXEC, 0600);
        must(fds[i] >= 0);
    }
}

static void null_make(int fds[2])
{
    open_twice("/dev/null", O_RDWR, fds);
}

static void zero_make(int fds[2])
{
    open_twice("/dev/zero", O_RDWR, fds);
}

static void maps_make(int fds[2])
{
    open_twice("/proc/self/maps", O_RDONLY, fds);
}

static void shared_memory_make(int fds[2])
{
    char path[64];

    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "/dev/shm/heald-aio-XXXXXX");
        fds[i] = mkostemp(path, O_CLOEXEC);
        must(fds[i] >= 0);
        unlink(path);
    }
}

static void regular_file_make(int fds[2])
{
    fds[0] = file_make();
    fds[1] = file_make();
}

static void supply_bytes(const int fds[2])
{
    if (write(fds[1], "0123456789", 10) < 0)
        must(errno == EPIPE || errno == ECONNREFUSED || errno == ECONNRESET || errno == EIO);
}

static void supply_line(const int fds[2])
{
    must_be(write(fds[1], "012\n", 4), 4);
}

static void supply_event(const int fds[2])
{
    must_be(eventfd_write(fds[1], 3), 0);
}

static void supply_time(const int fds[2])
{
    struct itimerspec soon = {{0, 0}, {0, 1}};

    must_be(timerfd_settime(fds[1], 0, &soon, NULL), 0);
}

static void supply_signal(const int fds[2])
{
    (void)fds;
    must_be(kill(getpid(), SIGUSR1), 0);
}

static void fill_at_once(int fd)
{
    fill(fd);
}

/*
 * What was written to a terminal or to TCP moves on to the peer's buffer by itself, and leaves
 * room: it is full when it stays full.
 */
static void fill_until_still(int fd)
{
    for (int idle = 0; idle < 4; idle = fill(fd) ? 0 : idle + 1)
        nap(40);
}

static void fill_event(int fd)
{
    must_be(eventfd_write(fd, UINT64_MAX - 1), 0);
}

static void stop_output(int fd)
{
    must_be(tcflow(fd, TCOOFF), 0);
}

/* The number of the slave may be closed. */
static void resume_output(const int fds[2])
{
    int slave = open(ptsname(fds[1]), O_RDWR | O_NOCTTY | O_CLOEXEC);

    must(slave >= 0);
    must_be(tcflow(slave, TCOON), 0);
    close(slave);
}

#define BYTES .supply = supply_bytes, .fill = fill_at_once, .size = 1000
const struct type type_terminal = {
    .make = terminal_make, .supply = supply_bytes, .fill = fill_until_still, .size = 1000};
const struct type type_line_terminal = {
    .make = line_terminal_make, .supply = supply_line, .fill = fill_until_still, .size = 1000};
const struct type type_stopped_terminal = {
    .make = terminal_make, .fill = stop_output, .release = resume_output, .size = 1000};
const struct type type_pipe = {.make = pipe_make, BYTES, .one_way = true, .exact = true};
const struct type type_fifo = {.make = fifo_make, BYTES, .one_way = true, .exact = true};
const struct type type_stream = {.make = stream_make, BYTES, .exact = true};
const struct type type_datagram = {.make = datagram_make, BYTES};
const struct type type_packet = {.make = packet_make, BYTES};
const struct type type_tcp = {
    .make = tcp_make, .supply = supply_bytes, .fill = fill_until_still, .size = 1000};
const struct type type_eventfd = {
    .make = eventfd_make, .supply = supply_event, .fill = fill_event, .size = 8};
const struct type type_timerfd = {.make = timerfd_make, .supply = supply_time, .size = 8};
const struct type type_signalfd = {
    .make = signalfd_make, .supply = supply_signal, .size = sizeof(struct signalfd_siginfo)};
const struct type type_inotify = {.make = inotify_make, .supply = supply_bytes, .size = 1000};
const struct type type_null = {.make = null_make, .size = 100};
const struct type type_zero = {.make = zero_make, .size = 100};
const struct type type_maps = {.make = maps_make, .size = 100};
const struct type type_shared_memory = {.make = shared_memory_make, .size = 100};
const struct type type_regular_file = {.make = regular_file_make, .size = 100};

int written_end(const struct type *type, const int fds[2])
{
    return fds[type->one_way ? 1 : 0];
}

int reading_peer(const struct type *type, const int fds[2])
{
    return fds[type->one_way ? 0 : 1];
}

void wait_readable(int fd)
{
    struct pollfd wish = {fd, POLLIN, 0};

    must_be(poll(&wish, 1, (int)(patience() / MS)), 1);
}

void letters_fill(const struct type *type, char *data, size_t size)
{
    if (type->fill == fill_event) {
        memcpy(data, &(uint64_t){1}, sizeof(uint64_t));
        return;
    }
    for (size_t i = 0; i < size; i++)
        data[i] = (char)('a' + i % 26);
}

void empty_until_done(const struct type *type, const int fds[2], const struct aiocb *cb)
{
    char chunk[TYPE_CHUNK];
    int64_t end = now() + patience();
    struct pollfd wish = {reading_peer(type, fds), POLLIN, 0};

    if (type->release)
        type->release(fds);
    while (aio_error(cb) == EINPROGRESS) {
        must(now() < end);
        if (poll(&wish, 1, 5) == 1 && read(wish.fd, chunk, sizeof chunk) <= 0)
            nap(1);
    }
}

ssize_t supplied_size(const struct type *type)
{
    char chunk[TYPE_CHUNK];
    int fds[2];

    type->make(fds);
    type->supply(fds);
    wait_readable(fds[0]);
    ssize_t n = read(fds[0], chunk, type->size);
    must(n > 0);
    pair_close(fds);
    return n;
}

static void must_be_soon(int64_t since)
{
    must(now() - since < (int64_t)SECOND * harness_slow());
}

void close_soon(int fd)
{
    int64_t since = now();

    must_be(close(fd), 0);
    must_be_soon(since);
}

void others_go_on(void)
{
    char data[FILE_SIZE] = "data", copy[FILE_SIZE], byte;
    int file = file_make(), fds[2];
    struct aiocb cb;
    int64_t since = now();

    must_be(write_now(file, data, FILE_SIZE, 0), FILE_SIZE);
    must_be_soon(since);
    since = now();
    must_be(read_now(file, copy, FILE_SIZE, 0), FILE_SIZE);
    must_be_soon(since);
    must_be(memcmp(data, copy, FILE_SIZE), 0);
    close_soon(file);
    pipe_make(fds);
    start_read(&cb, fds[0], &byte, 1, 0);
    close_soon(fds[0]);
    close_soon(fds[1]);
    ssize_t n = result_of(&cb);
    must(n == 0 || was_given_up(n));
}

int close_and_take(int fd)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    close_soon(fd);
    int taken = fcntl(null, F_DUPFD_CLOEXEC, fd);
    must(taken >= 0);
    close(null);
    return taken;
}
