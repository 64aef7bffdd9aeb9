/* test/conformance/reuse_tools.c: see reuse.h. */
#include "conformance/reuse.h"

#include <netinet/in.h>
#include <sys/socket.h>

const char *const reuse_type_names[] = {"TCP",        "Unix stream", "Unix datagram", "UDP",
                                        "pipe (out)", "pipe (in)",   "file"};
const char *const reuse_how_names[] = {"heald_close", "heald_prep_close", "heald_forget"};
const char *const reuse_when_names[] = {"submitted", "armed", "due", "cancelled"};

static void open_udp(int fds[2])
{
    struct heald_addr addr[2];

    for (int i = 0; i < 2; i++) {
        fds[i] = heald_bind("127.0.0.1:0", SOCK_DGRAM);
        must(fds[i] >= 0);
        must(heald_local_addr(fds[i], &addr[i]) == 0);
    }
    for (int i = 0; i < 2; i++)
        must(connect(fds[i], &addr[!i].u.sa, addr[!i].len) == 0);
}

/* Two descriptors of one file, so that the position of the first is its own. */
static void open_file(int fds[2])
{
    char path[] = "/tmp/heald-test-XXXXXX";

    fds[1] = mkstemp(path);
    must(fds[1] >= 0);
    fds[0] = open(path, O_RDWR | O_CLOEXEC);
    must(fds[0] >= 0);
    unlink(path);
}

void reuse_open(struct reuse_end *end, enum reuse_type type)
{
    int fds[2], some = 1 << 17;
    bool out = type == REUSE_PIPE_OUT;

    switch (type) {
    case REUSE_TCP: pair_open(PAIR_TCP, fds); break;
    case REUSE_STREAM: pair_open(PAIR_UNIX, fds); break;
    case REUSE_DGRAM: must(heald_socketpair(SOCK_DGRAM, fds) == 0); break;
    case REUSE_UDP: open_udp(fds); break;
    case REUSE_PIPE_IN:
    case REUSE_PIPE_OUT: pair_open(PAIR_PIPE, fds); break;
    case REUSE_FILE:
    case REUSE_TYPES: open_file(fds); break;
    }
    *end = (struct reuse_end){.fd = fds[out], .peer = fds[!out]};
    end->reads = type != REUSE_PIPE_OUT;
    end->writes = type != REUSE_PIPE_IN && type != REUSE_FILE;
    if (type == REUSE_TCP || type == REUSE_STREAM) {
        setsockopt(end->fd, SOL_SOCKET, SO_SNDBUF, &some, sizeof some);
        setsockopt(end->peer, SOL_SOCKET, SO_RCVBUF, &some, sizeof some);
    }
}

void reuse_move(int fd, int number)
{
    if (fd == number)
        return;
    must(!reuse_is_open(number));
    must(dup3(fd, number, O_CLOEXEC) == number);
    close(fd);
}

void reuse_take(struct reuse_end *end, enum reuse_type type, int fd)
{
    reuse_open(end, type);
    if (end->peer == fd) {
        end->peer = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        must(end->peer >= 0);
        close(fd);
    }
    reuse_move(end->fd, fd);
    end->fd = fd;
    if (end->reads)
        must(write(end->peer, "new!", 4) == 4);
    if (type == REUSE_FILE)
        must(lseek(end->peer, 0, SEEK_SET) == 0);
}

bool reuse_is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

bool reuse_close(struct heald_loop *loop, int fd, enum reuse_how how, struct heald_op *close_op,
                 heald_fn *fn)
{
    if (how == REUSE_CLOSE_OP) {
        heald_prep_close(close_op, fd);
        must(heald_submit(loop, close_op, fn) == 0);
        return false;
    }
    if (how == REUSE_CLOSE) {
        must(heald_close(loop, fd) == 0);
    } else {
        heald_forget(loop, fd);
        close(fd);
    }
    return !reuse_is_open(fd);
}

size_t reuse_drain(int fd, char *text, size_t size)
{
    char buf[65536];
    size_t total = 0;
    ssize_t n;

    while ((n = read(fd, buf, sizeof buf)) > 0) {
        size_t room = total < size ? size - total : 0;
        if (text)
            memcpy(text + total, buf, (size_t)n < room ? (size_t)n : room);
        total += (size_t)n;
    }
    return text && total > size ? size : total;
}

ssize_t reuse_drain_to_end(int fd, char c, bool *ret_has)
{
    char buf[65536];
    ssize_t total = 0, n;

    *ret_has = false;
    for (;;) {
        if (poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 2000 * harness_slow()) != 1)
            return -1;
        n = read(fd, buf, sizeof buf);
        if (n <= 0)
            return n == 0 ? total : -1;
        *ret_has |= memchr(buf, c, (size_t)n) != NULL;
        total += n;
    }
}

bool reuse_await(struct heald_loop *loop, const int *count)
{
    int64_t end = now() + 2 * HEALD_SEC * harness_slow();

    while (*count == 0) {
        if (now() >= end)
            return false;
        must(heald_loop_turn(loop, end) >= 0);
    }
    return true;
}
