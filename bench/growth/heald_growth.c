/*
 * bench/growth/heald_growth.c: what grows with the number of what is pending.
 *
 * usage: heald_growth polls N DESCRIPTORS | crowd N | echo N | timers N | cancel N | close N |
 *                     accept N
 *
 * polls: N poll ops on DESCRIPTORS eventfds are armed, then each is cancelled: ns an op. crowd: N
 * clients connect at once, send 64 bytes, receive them, and close: the server's processor time. The
 * others: each.c. Prints "figure value" pairs.
 */
#include "growth.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BYTES = 64, RESERVE = 64 };

static struct heald_loop *loop;
static int left;

/* A process that may raise the hard limit does so. */
int growth_descriptors(int wanted)
{
    struct rlimit limit, higher = {(rlim_t)wanted + RESERVE, (rlim_t)wanted + RESERVE};

    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max >= higher.rlim_max || setrlimit(RLIMIT_NOFILE, &higher) < 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur < higher.rlim_cur ? (int)limit.rlim_cur - RESERVE : wanted;
}

static void need_descriptors(int count)
{
    if (growth_descriptors(count) < count)
        exit(BENCH_SKIP);
}

static void on_poll(struct heald_op *op)
{
    left -= op->result == -ECANCELED;
}

static void run_polls(int count, int descriptors)
{
    struct heald_op *ops = bench_alloc((size_t)count, sizeof *ops);
    int *fds = bench_alloc((size_t)descriptors, sizeof *fds);

    need_descriptors(descriptors);
    for (int i = 0; i < descriptors; i++)
        if ((fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) < 0)
            bench_die("eventfd", errno);
    int64_t start = bench_now_ns();
    for (int i = 0; i < count; i++) {
        heald_prep_poll(&ops[i], fds[i % descriptors], POLLIN);
        check(heald_submit(loop, &ops[i], on_poll), "submit");
    }
    check(heald_loop_turn(loop, 0), "turn");
    int64_t armed = bench_now_ns();
    left = count;
    for (int i = 0; i < count; i++)
        check(heald_cancel(&ops[i]), "cancel");
    check(heald_loop_run(loop), "run");
    int64_t end = bench_now_ns();
    if (left)
        bench_die("not all were cancelled", 0);
    printf("arm_ns %.0f cancel_ns %.0f cancel_s %.6f\n", (double)(armed - start) / count,
           (double)(end - armed) / count, (double)(end - armed) / BENCH_NS_PER_S);
}

struct conn {
    struct heald_op op;
    int fd;
    char buf[BYTES];
};

static struct conn *conns;
static int accepted;

static void on_conn(struct heald_op *op)
{
    struct conn *c = heald_container_of(op, struct conn, op);

    if (op->result <= 0) {
        heald_close(loop, c->fd);
        if (!--left)
            heald_loop_stop(loop);
        return;
    }
    if (heald_op_kind(op)[0] == 'r')
        heald_prep_send(op, c->fd, c->buf, (size_t)op->result, 0);
    else
        heald_prep_recv(op, c->fd, c->buf, BYTES, 0);
    check(heald_submit(loop, op, on_conn), "submit");
}

static void on_accept(struct heald_op *op)
{
    if (op->result < 0)
        bench_die("accept", (int)-op->result);
    struct conn *c = &conns[accepted++];
    c->fd = (int)op->result;
    heald_prep_recv(&c->op, c->fd, c->buf, BYTES, 0);
    check(heald_submit(loop, &c->op, on_conn), "submit");
}

/* All connect, then all send, then all receive, then all close. */
static void be_clients(const struct heald_addr *addr, int count)
{
    int *fds = bench_alloc((size_t)count, sizeof *fds);
    char buf[BYTES] = "x";

    for (int i = 0; i < count; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fds[i] < 0 || connect(fds[i], &addr->u.sa, addr->len) < 0)
            bench_die("connect", errno);
    }
    for (int i = 0; i < count; i++)
        if (send(fds[i], buf, BYTES, 0) != BYTES)
            bench_die("send", errno);
    for (int i = 0; i < count; i++)
        if (recv(fds[i], buf, BYTES, MSG_WAITALL) != BYTES)
            bench_die("recv", errno);
    _exit(0);
}

int64_t growth_processor_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * BENCH_NS_PER_S + t.tv_nsec;
}

static void run_crowd(int count)
{
    struct heald_addr addr;
    struct heald_op accept_op = {0};

    need_descriptors(count);
    conns = bench_alloc((size_t)count, sizeof *conns);
    int listener = heald_listen("127.0.0.1:0", SOCK_STREAM, 4096);
    check(listener, "listen");
    check(heald_local_addr(listener, &addr), "address");
    left = count;
    int64_t before = growth_processor_ns();
    pid_t pid = fork();
    if (pid == 0)
        be_clients(&addr, count);
    heald_prep_accept_multishot(&accept_op, listener);
    check(heald_submit(loop, &accept_op, on_accept), "submit");
    check(heald_loop_run(loop), "run");
    double ms = (double)(growth_processor_ns() - before) / BENCH_NS_PER_MS;
    printf("cpu_ms %.1f us_each %.2f\n", ms, ms * 1e3 / count);
    waitpid(pid, NULL, 0);
}

int main(int argc, char *argv[])
{
    if (argc < 3)
        return 2;
    int err = heald_loop_open(&loop, NULL);
    if (err == -ENOSYS)
        return BENCH_SKIP;
    check(err, "loop");
    if (strcmp(argv[1], "polls") == 0)
        run_polls(atoi(argv[2]), argc > 3 ? atoi(argv[3]) : 1);
    else if (strcmp(argv[1], "crowd") == 0)
        run_crowd(atoi(argv[2]));
    else if (!growth_each(loop, argv[1], atoi(argv[2])))
        return 2;
    return 0;
}
