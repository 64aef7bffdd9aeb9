/* test/conformance/tools.c: what the cases have in common; see conformance.h. */
#include "conformance/conformance.h"

#include <dirent.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>

enum { PATIENCE_SECONDS = 5 };

static unsigned stamps;

struct heald_loop *loop_with(int combination, struct heald_loop_options options)
{
    struct heald_loop *loop = NULL;

    if (waits_by_thread(combination))
        setenv("HEALD_AWAIT", "thread", 1);
    options.backend = backend_of(combination);
    options.engine = engine_of(combination);
    int err = heald_loop_open(&loop, &options);
    ck_assert_msg(err == 0, "open %s/%s: %s", options.backend, options.engine, heald_strerror(err));
    return loop;
}

struct heald_loop *loop_on(int combination)
{
    return loop_with(combination, (struct heald_loop_options){0});
}

static void print_op(const struct heald_op *op, void *user)
{
    char line[HEALD_OP_TEXT];

    (void)user;
    heald_op_format(op, line, sizeof line);
    fprintf(stderr, "pending: %s\n", line);
}

void loop_end(struct heald_loop *loop)
{
    struct heald_loop_stats stats;

    heald_loop_stats(loop, &stats);
    ck_assert_uint_eq(heald_loop_list(loop, print_op, NULL), 0);
    ck_assert_uint_eq(stats.pending, 0);
    ck_assert_int_eq(heald_loop_close(loop), 0);
}

int64_t now(void)
{
    return heald_clock_now(HEALD_CLOCK_MONOTONIC);
}

static int64_t patience(void)
{
    return now() + PATIENCE_SECONDS * HEALD_SEC * harness_slow();
}

void probe_completed(struct heald_op *op)
{
    struct probe *p = heald_container_of(op, struct probe, op);

    must(p->finals == 0);
    p->calls++;
    p->result = op->result;
    if (op->flags & HEALD_MORE) {
        must(heald_op_error(op) == -EINPROGRESS);
        return;
    }
    must(heald_op_error(op) == (op->result < 0 ? (int)op->result : 0));
    must(heald_op_result(op) == op->result);
    ck_assert_str_eq(heald_op_state(op), "idle");
    p->finals++;
    p->stamp = ++stamps;
}

void probe_start(struct heald_loop *loop, struct probe *p)
{
    p->calls = p->finals = 0;
    p->result = 0;
    ck_assert_int_eq(heald_submit(loop, &p->op, probe_completed), 0);
    ck_assert_int_eq(p->calls, 0);
}

void turn_until(struct heald_loop *loop, const int *count, int want)
{
    int64_t end = patience();

    while (*count < want) {
        if (now() >= end)
            ck_abort_msg("waited for %d in vain, have %d", want, *count);
        int n = heald_loop_turn(loop, end);
        if (n < 0)
            ck_abort_msg("turn: %s", heald_strerror(n));
    }
}

int64_t probe_end(struct probe *p)
{
    turn_until(p->op.loop, &p->finals, 1);
    return p->result;
}

int64_t probe_do(struct heald_loop *loop, struct probe *p)
{
    probe_start(loop, p);
    return probe_end(p);
}

int64_t probe_prepared(struct heald_loop *loop, struct probe *p, int prepared)
{
    ck_assert_int_eq(prepared, 0);
    return probe_do(loop, p);
}

void probe_refused(struct heald_loop *loop, struct probe *p, int prepared)
{
    ck_assert_int_eq(prepared, -EINVAL);
    ck_assert_int_eq(heald_submit(loop, &p->op, probe_completed), -EINVAL);
}

void probe_cancel(struct probe *p)
{
    ck_assert_int_eq(p->finals, 0);
    ck_assert_int_eq(heald_cancel(&p->op), 0);
    ck_assert_int_eq(probe_end(p), -ECANCELED);
}

void turn_for(struct heald_loop *loop, int64_t ns)
{
    int64_t end = now() + ns;

    do
        must(heald_loop_turn(loop, end) >= 0);
    while (now() < end);
}

int64_t op_recv(struct heald_loop *loop, int fd, void *buf, size_t len)
{
    struct probe p = {0};

    ck_assert_int_eq(heald_prep_recv(&p.op, fd, buf, len, 0), 0);
    return probe_do(loop, &p);
}

int64_t op_send(struct heald_loop *loop, int fd, const void *buf, size_t len)
{
    struct probe p = {0};

    ck_assert_int_eq(heald_prep_send(&p.op, fd, buf, len, 0), 0);
    return probe_do(loop, &p);
}

int64_t op_read(struct heald_loop *loop, int fd, void *buf, size_t len, int64_t offset)
{
    struct probe p = {0};

    ck_assert_int_eq(heald_prep_read(&p.op, fd, buf, len, offset), 0);
    return probe_do(loop, &p);
}

int64_t op_write(struct heald_loop *loop, int fd, const void *buf, size_t len, int64_t offset)
{
    struct probe p = {0};

    ck_assert_int_eq(heald_prep_write(&p.op, fd, buf, len, offset), 0);
    return probe_do(loop, &p);
}

int tcp_listen(int backlog, struct heald_addr *ret_addr)
{
    int fd = heald_listen("127.0.0.1:0", SOCK_STREAM, backlog);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(heald_local_addr(fd, ret_addr), 0);
    return fd;
}

int tcp_refuse(const char *host, struct heald_addr *ret_addr)
{
    char text[HEALD_ADDR_TEXT];

    snprintf(text, sizeof text, "%s:0", host);
    int fd = heald_bind(text, SOCK_STREAM);
    if (fd < 0)
        return -1;
    ck_assert_int_eq(heald_local_addr(fd, ret_addr), 0);
    return fd;
}

int tcp_connect(const struct heald_addr *addr)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, &addr->u.sa, addr->len), 0);
    set_blocking(fd, false);
    return fd;
}

/* What the other side of TCP acknowledges late makes room again, what is in a terminal moves on. */
static bool takes_more_later(int fd)
{
    int domain;
    struct stat stat;

    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &(socklen_t){sizeof domain}) == 0)
        return domain != AF_UNIX;
    return fstat(fd, &stat) || !S_ISFIFO(stat.st_mode);
}

size_t fill_up(int fd)
{
    static const char filling[1024] = "f"; /* no less room than that is left */
    size_t total = 0;
    ssize_t n;

    for (int quiet = 0; quiet < 3; quiet++) {
        while ((n = write(fd, filling, sizeof filling)) > 0) {
            total += (size_t)n;
            quiet = 0;
        }
        if (!takes_more_later(fd))
            break;
        usleep(2000 * (useconds_t)harness_slow());
    }
    return total;
}

void set_blocking(int fd, bool blocking)
{
    int flags = fcntl(fd, F_GETFL);

    ck_assert_int_ge(flags, 0);
    flags = blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
    ck_assert_int_eq(fcntl(fd, F_SETFL, flags), 0);
}

void pair_open(enum pair_kind kind, int fds[2])
{
    struct heald_addr addr;

    if (kind == PAIR_PIPE) {
        ck_assert_int_eq(heald_pipe(fds), 0);
        return;
    }
    if (kind == PAIR_UNIX) {
        ck_assert_int_eq(heald_socketpair(SOCK_STREAM, fds), 0);
        return;
    }
    int listener = tcp_listen(1, &addr);
    fds[1] = tcp_connect(&addr);
    set_blocking(listener, true);
    fds[0] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    ck_assert_int_ge(fds[0], 0);
    close(listener);
}

void pair_close(struct heald_loop *loop, int fds[2])
{
    ck_assert_int_eq(heald_close(loop, fds[0]), 0);
    ck_assert_int_eq(heald_close(loop, fds[1]), 0);
}

bool terminal_open(int fds[2])
{
    struct termios raw;

    fds[0] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fds[0] < 0 || grantpt(fds[0]) || unlockpt(fds[0]))
        return false;
    fds[1] = open(ptsname(fds[0]), O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fds[1] < 0 || tcgetattr(fds[1], &raw))
        return false;
    cfmakeraw(&raw);
    return tcsetattr(fds[1], TCSANOW, &raw) == 0;
}

static unsigned char pattern_at(size_t place)
{
    return (unsigned char)(place * 7 + place / 251);
}

void pattern_fill(void *buf, size_t len, size_t offset)
{
    for (size_t i = 0; i < len; i++)
        ((unsigned char *)buf)[i] = pattern_at(offset + i);
}

void pattern_check(const void *buf, size_t len, size_t offset)
{
    for (size_t i = 0; i < len; i++)
        if (((const unsigned char *)buf)[i] != pattern_at(offset + i))
            ck_abort_msg("byte %zu is wrong", offset + i);
}

void pattern_send(int fd, size_t offset, size_t len)
{
    char buf[4096];

    while (len) {
        size_t n = len < sizeof buf ? len : sizeof buf;
        pattern_fill(buf, n, offset);
        ck_assert_int_eq(send(fd, buf, n, 0), (ssize_t)n);
        offset += n;
        len -= n;
    }
}

int dir_make(char path[static 64])
{
    snprintf(path, 64, "/tmp/heald-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(path));
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    return fd;
}

static void remove_entries(int fd)
{
    DIR *dir = fdopendir(fd);
    struct dirent *entry;

    ck_assert_ptr_nonnull(dir);
    while ((entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (unlinkat(fd, entry->d_name, 0) == 0)
            continue;
        int below = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_ge(below, 0);
        remove_entries(below);
        ck_assert_int_eq(unlinkat(fd, entry->d_name, AT_REMOVEDIR), 0);
    }
    closedir(dir);
}

void dir_remove(int fd, const char *path)
{
    lseek(fd, 0, SEEK_SET);
    remove_entries(fd);
    ck_assert_int_eq(rmdir(path), 0);
}
