/*
 * heald_receive MODE WRITE: receives 1 GiB of TCP into a group of buffers of 4 KiB, from a process
 * that writes so many bytes at a time. MODE: single, a buffer a callback; run, a run of them;
 * stream, a heald_stream with the group. Prints the processor time of the receiver.
 */
#define _GNU_SOURCE 1
#include "../common/common.h"

#include <heald/heald.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BUFFERS = 512, SIZE = 4096 };

#define TOTAL (1LL << 30)

static struct heald_buf_group *group;
static int64_t received, callbacks;

static void on_single(struct heald_op *op)
{
    if (op->flags & HEALD_MORE) {
        received += op->result;
        callbacks++;
        heald_buf_return(group, op->buffer);
    } else if (op->result == -ENOBUFS) {
        heald_submit(op->loop, op, on_single);
    }
}

static void on_run(struct heald_op *op)
{
    if (op->flags & HEALD_MORE) {
        received += op->result;
        callbacks++;
        heald_buf_return_run(group, op->buffer);
    } else if (op->result == -ENOBUFS) {
        heald_submit(op->loop, op, on_run);
    }
}

static void on_data(struct heald_stream *s, char *data, size_t len)
{
    (void)s;
    (void)data;
    received += (int64_t)len;
    callbacks++;
}

static void on_end(struct heald_stream *s)
{
    heald_stream_close(s, NULL);
}

static const struct heald_stream_events events = {.data = on_data, .end = on_end};

static void send_all(int fd, size_t write_size)
{
    char *data = bench_alloc(1, write_size);

    for (int64_t left = TOTAL; left > 0;) {
        ssize_t n = send(fd, data, write_size, MSG_NOSIGNAL);
        if (n < 0)
            _exit(1);
        left -= n;
    }
    _exit(0);
}

static int connected(pid_t *ret_child, size_t write_size)
{
    struct heald_addr addr;
    int listener = heald_listen("127.0.0.1:0", SOCK_STREAM, 1);

    if (listener < 0 || heald_local_addr(listener, &addr))
        bench_die("heald_listen", -listener);
    *ret_child = fork();
    if (*ret_child == 0) {
        int fd = socket(addr.u.sa.sa_family, SOCK_STREAM, 0);
        if (connect(fd, &addr.u.sa, addr.len))
            _exit(1);
        send_all(fd, write_size);
    }
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) < 0)
        usleep(1000);
    close(listener);
    return fd;
}

static int64_t cpu_ns(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * BENCH_NS_PER_S +
           (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000;
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "run";
    size_t write_size = (size_t)bench_number(argc > 2 ? argv[2] : "65536", 1, 1 << 24);
    struct heald_stream stream = {0};
    struct heald_stream_options options = {0};
    struct heald_op op = {0};
    struct heald_loop *loop;
    pid_t child;
    int status, fd = connected(&child, write_size), err = heald_loop_open(&loop, NULL);

    if (err)
        return err == -ENOSYS ? BENCH_SKIP : 1;
    if (heald_buf_group_open(&group, loop, bench_alloc(BUFFERS, SIZE), BUFFERS, SIZE))
        bench_die("heald_buf_group_open", 0);
    int64_t before = cpu_ns();
    options.group = group;
    if (strcmp(mode, "stream") == 0) {
        err = heald_stream_open(&stream, loop, fd, &events, &options);
    } else if (strcmp(mode, "run") == 0) {
        heald_prep_recv_run_multishot(&op, fd, group, 0);
        err = heald_submit(loop, &op, on_run);
    } else {
        heald_prep_recv_multishot(&op, fd, group, 0);
        err = heald_submit(loop, &op, on_single);
    }
    if (err || heald_loop_run(loop) < 0 || received != TOTAL)
        bench_die("not all was received", -err);
    printf("cpu %.0f callbacks %lld\n", (double)(cpu_ns() - before), (long long)callbacks);
    return waitpid(child, &status, 0) != child || status;
}
