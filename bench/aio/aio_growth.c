/*
 * bench/aio/aio_growth.c: what POSIX AIO costs with so many requests pending. It is a program on
 * <aio.h> alone: on the C library as it is, on heald under `heald aio`.
 *
 * usage: aio_growth eventfd|socket|file N
 *
 * eventfd, socket: N descriptors, each with a read that waits for data. Prints `submit_ns S
 * complete_ns R cancel_ns C close_ns D cancelled P count N`: of a submit; of a completion when all
 * become ready, from the write that makes the first so until the last is known; of a cancel, each
 * of one request; of a close of a descriptor whose request waits. In an order that is shuffled.
 * file: N reads of one file that is in the page cache: `submit_ns S complete_ns R cancel_ns C
 * count N`; complete: submit and completion of each; cancel: of one of those that were just
 * submitted. All are medians of rounds.
 *
 * A phase that takes too long ends early; `count` is then how many there were, not N. Where the
 * limit of descriptors does not allow N there are as many as it allows.
 */
#define _GNU_SOURCE 1
#include "../common/common.h"

#include <aio.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    COUNT_MAX = 1000000,
    SPARE_FDS = 100,
    ROUNDS_MAX = 15,
    CANCELS_MAX = 100,
    BLOCK = 4096,
    BLOCKS = 8
};
#define ROUNDS_NS (2 * BENCH_NS_PER_S)
#define PHASE_NS  (5 * BENCH_NS_PER_S)

enum phase { SUBMIT, COMPLETE, CANCEL, CLOSE, PHASES };

struct request {
    struct aiocb cb;
    int fd, peer; /* what is written to `peer` makes fd ready */
    uint64_t word;
};

struct bench {
    struct request *all;
    long *order; /* in which they are cancelled and closed */
    long count, rounds, cancelled, cancels;
    int64_t ns[PHASES][ROUNDS_MAX]; /* of one */
    bool is_socket;
};

static void raise_limit(void)
{
    struct rlimit most = {COUNT_MAX, COUNT_MAX};

    if (setrlimit(RLIMIT_NOFILE, &most) == 0 || getrlimit(RLIMIT_NOFILE, &most))
        return;
    most.rlim_cur = most.rlim_max;
    setrlimit(RLIMIT_NOFILE, &most);
}

static long allowed(const struct bench *b)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit))
        bench_die("getrlimit", errno);
    long fds = (long)(limit.rlim_cur < COUNT_MAX ? limit.rlim_cur : COUNT_MAX) - SPARE_FDS;
    return b->count < fds / 2 ? b->count : fds / 2;
}

/* Datagrams; a pair each, for the kernel would look a name up among those of all. */
static void open_socket(struct request *r)
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, fds))
        bench_die("socketpair", errno);
    r->fd = fds[0];
    r->peer = fds[1];
}

/* A second one makes it ready after the first is closed. */
static void open_eventfd(struct request *r)
{
    r->fd = eventfd(0, 0);
    r->peer = r->fd < 0 ? -1 : dup(r->fd);
    if (r->peer < 0)
        bench_die("eventfd", errno);
}

static void open_one(const struct bench *b, struct request *r)
{
    if (b->is_socket)
        open_socket(r);
    else
        open_eventfd(r);
}

static void make_ready(const struct request *r)
{
    uint64_t one = 1;

    /* Where the other end was closed it need not be made ready. */
    if (write(r->peer, &one, sizeof one) < 0 && errno != ECONNREFUSED && errno != ECONNRESET)
        bench_die("write", errno);
}

/* Until it is complete; its result. */
static ssize_t await(struct request *r)
{
    const struct aiocb *const list[] = {&r->cb};

    while (aio_error(&r->cb) == EINPROGRESS)
        if (aio_suspend(list, 1, NULL) && errno != EINTR)
            bench_die("aio_suspend", errno);
    return aio_return(&r->cb);
}

/* Submits all, or as many as the time allows; what is left over is left alone from then on. */
static int64_t submit_all(struct bench *b)
{
    int64_t start = bench_now_ns(), now = start;

    for (long i = 0; i < b->count; i++) {
        struct request *r = &b->all[i];
        r->cb.aio_fildes = r->fd;
        if (aio_read(&r->cb))
            bench_die("aio_read", errno);
        now = bench_now_ns();
        if (now - start > PHASE_NS)
            b->count = i + 1;
    }
    return now - start;
}

static void shuffle(struct bench *b)
{
    uint64_t state = 1;

    for (long i = 0; i < b->count; i++) {
        long j = (long)(bench_random(&state) % (uint64_t)(i + 1));
        b->order[i] = b->order[j];
        b->order[j] = i;
    }
}

static int64_t complete_all(struct bench *b)
{
    int64_t start = bench_now_ns();

    for (long i = 0; i < b->count; i++)
        make_ready(&b->all[i]);
    for (long i = 0; i < b->count; i++)
        if (await(&b->all[i]) != sizeof(uint64_t))
            bench_die("a read did not get what was written", 0);
    return bench_now_ns() - start;
}

/* Does something with one after another, as long as the time allows: the time of one. */
static int64_t each_ns(struct bench *b, void (*act)(struct bench *b, struct request *r))
{
    int64_t start = bench_now_ns(), now = start;
    long done = 0;

    while (done < b->count && now - start < PHASE_NS) {
        act(b, &b->all[b->order[done++]]);
        now = bench_now_ns();
    }
    return (now - start) / done;
}

static void cancel_one(struct bench *b, struct request *r)
{
    b->cancelled += aio_cancel(r->cb.aio_fildes, &r->cb) == AIO_CANCELED;
    b->cancels++;
}

static void close_one(struct bench *b, struct request *r)
{
    (void)b;
    close(r->fd);
    r->fd = -1;
}

/* Whatever is still pending completes; all descriptors are new then. */
static void drain(struct bench *b)
{
    for (long i = 0; i < b->count; i++)
        if (aio_error(&b->all[i].cb) == EINPROGRESS)
            make_ready(&b->all[i]);
    for (long i = 0; i < b->count; i++)
        await(&b->all[i]);
    for (long i = 0; i < b->count; i++) {
        if (b->all[i].fd >= 0)
            close(b->all[i].fd);
        close(b->all[i].peer);
        open_one(b, &b->all[i]);
    }
}

static void round_of_descriptors(struct bench *b)
{
    int64_t submit = submit_all(b);

    shuffle(b);
    b->ns[SUBMIT][b->rounds] = submit / b->count;
    b->ns[COMPLETE][b->rounds] = complete_all(b) / b->count;
    submit_all(b);
    b->ns[CANCEL][b->rounds] = each_ns(b, cancel_one);
    drain(b);
    submit_all(b);
    b->ns[CLOSE][b->rounds] = each_ns(b, close_one);
    drain(b);
}

/* Complete: of both, as some complete while others are submitted. */
static void round_of_file(struct bench *b)
{
    int64_t start = bench_now_ns();
    long last;

    b->ns[SUBMIT][b->rounds] = submit_all(b) / b->count;
    for (long i = 0; i < b->count; i++)
        if (await(&b->all[i]) != BLOCK)
            bench_die("a read of the file was short", 0);
    b->ns[COMPLETE][b->rounds] = (bench_now_ns() - start) / b->count;
    submit_all(b);
    last = b->count < CANCELS_MAX ? 0 : b->count - CANCELS_MAX;
    start = bench_now_ns();
    for (long i = b->count - 1; i >= last; i--)
        cancel_one(b, &b->all[i]);
    b->ns[CANCEL][b->rounds] = (bench_now_ns() - start) / (b->count - last);
    for (long i = 0; i < b->count; i++)
        await(&b->all[i]);
}

static void open_descriptors(struct bench *b)
{
    raise_limit();
    b->count = allowed(b);
    for (long i = 0; i < b->count; i++) {
        struct request *r = &b->all[i];
        open_one(b, r);
        r->cb.aio_buf = &r->word;
        r->cb.aio_nbytes = sizeof r->word;
    }
}

/* All read the same few blocks, into the same buffer: how much memory is touched does not grow. */
static void open_file(struct bench *b)
{
    char *block = bench_alloc(1, BLOCK);
    FILE *file = tmpfile();

    if (!file)
        bench_die("tmpfile", errno);
    for (int i = 0; i < BLOCKS; i++)
        if (pwrite(fileno(file), block, BLOCK, (off_t)i * BLOCK) != BLOCK)
            bench_die("pwrite", errno);
    for (long i = 0; i < b->count; i++) {
        struct request *r = &b->all[i];
        r->fd = fileno(file);
        r->cb.aio_buf = block;
        r->cb.aio_nbytes = BLOCK;
        r->cb.aio_offset = (off_t)(i % BLOCKS) * BLOCK;
    }
}

static void print(struct bench *b, bool is_file)
{
    static const char *const names[] = {"submit", "complete", "cancel", "close"};

    for (int i = 0; i < (is_file ? CLOSE : PHASES); i++)
        printf("%s_ns %lld ", names[i], (long long)bench_median(b->ns[i], (size_t)b->rounds));
    printf("cancelled %.0f count %ld\n", 100.0 * (double)b->cancelled / (double)b->cancels,
           b->count);
}

int main(int argc, char *argv[])
{
    if (argc != 3)
        return 2;
    bool is_file = strcmp(argv[1], "file") == 0;
    struct bench b = {.count = bench_number(argv[2], 1, COUNT_MAX),
                      .is_socket = strcmp(argv[1], "socket") == 0};

    b.all = bench_alloc((size_t)b.count, sizeof *b.all);
    b.order = bench_alloc((size_t)b.count, sizeof *b.order);
    for (long i = 0; i < b.count; i++)
        b.all[i].cb.aio_sigevent.sigev_notify = SIGEV_NONE;
    if (is_file)
        open_file(&b);
    else
        open_descriptors(&b);
    for (int64_t start = bench_now_ns();
         !b.rounds || (b.rounds < ROUNDS_MAX && bench_now_ns() - start < ROUNDS_NS); b.rounds++)
        (is_file ? round_of_file : round_of_descriptors)(&b);
    print(&b, is_file);
    return 0;
}
