/* test/aio/threads.c: requests belong to the process, not to the thread that asked; many threads
 * at once; and what other calls of a thread must not notice. */
#include "aio/suite.h"

#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/sem.h>

enum { THREADS = 16, OWN = 1 << 16, UNIT = 512, ITEMS = 4, REQUESTS = 100000, PIPES = 10 };
enum { COLD = 32, COLD_SIZE = 1 << 16 };

enum { ASKERS = 4, VAIN = 2000, NOBODY = 65534 };

static atomic_long done_requests;
static pthread_barrier_t start;

struct asked {
    int fds[PIPES][2];
    int file;
    char bytes[PIPES];
    char data[COLD][COLD_SIZE];
    struct aiocb reads[PIPES], cold[COLD];
};

static void *ask_and_go(void *arg)
{
    struct asked *asked = arg;

    for (int i = 0; i < PIPES; i++)
        start_read(&asked->reads[i], asked->fds[i][0], &asked->bytes[i], 1, 0);
    for (int i = 0; i < COLD; i++)
        start_read(&asked->cold[i], asked->file, asked->data[i], COLD_SIZE, (off_t)i * COLD_SIZE);
    return NULL;
}

HEALD_CASE(requests_outlive_their_thread)
{
    struct asked *asked = calloc(1, sizeof *asked);

    asked->file = file_make();
    pattern_fill(asked->data, sizeof asked->data, 0, 2);
    must_be(pwrite(asked->file, asked->data, sizeof asked->data, 0), sizeof asked->data);
    for (int i = 0; i < PIPES; i++)
        pipe_make(asked->fds[i]);
    for (int round = 0; round < 10; round++) {
        must_be(fdatasync(asked->file), 0);
        must_be(posix_fadvise(asked->file, 0, 0, POSIX_FADV_DONTNEED), 0);
        memset(asked->data, 0, sizeof asked->data);
        thread_end(thread_start(ask_and_go, asked));
        for (int i = 0; i < COLD; i++)
            must_be(result_of(&asked->cold[i]), COLD_SIZE);
        must(pattern_is(asked->data, sizeof asked->data, 0, 2));
        for (int i = 0; i < PIPES; i++) {
            must_be(aio_error(&asked->reads[i]), EINPROGRESS);
            must_be(write(asked->fds[i][1], "x", 1), 1);
            must_be(result_of(&asked->reads[i]), 1);
        }
    }
    for (int i = 0; i < PIPES; i++)
        pair_close(asked->fds[i]);
    close(asked->file);
    free(asked);
}

/* One of the threads of the storm: its part of the file, and what should be in there. */
struct worker {
    int fd, number;
    long requests;
    uint32_t random;
    unsigned char model[OWN], buf[ITEMS][UNIT];
    atomic_int notified;
};

static uint32_t draw(struct worker *w, uint32_t below)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 17;
    w->random ^= w->random << 5;
    return w->random % below;
}

static void notified(union sigval value)
{
    atomic_fetch_add(&((struct worker *)value.sival_ptr)->notified, 1);
}

static void finish(struct worker *w, struct aiocb *cb, size_t at, bool is_write)
{
    must_be(aio_return(cb), UNIT);
    if (!is_write)
        must_be(memcmp((void *)(uintptr_t)cb->aio_buf, w->model + at, UNIT), 0);
    atomic_fetch_add(&done_requests, 1);
}

/* Places of one batch are apart: requests that overlap have no order. */
static size_t prepare(struct worker *w, struct aiocb *cb, int item, bool is_write)
{
    size_t at = (draw(w, OWN / UNIT / ITEMS) * ITEMS + (uint32_t)item) * UNIT;

    *cb = block(w->fd, w->buf[item], UNIT, (off_t)w->number * OWN + (off_t)at);
    cb->aio_lio_opcode = is_write ? LIO_WRITE : LIO_READ;
    if (is_write) {
        pattern_fill(w->buf[item], UNIT, at, w->random);
        memcpy(w->model + at, w->buf[item], UNIT);
    }
    return at;
}

static void one(struct worker *w)
{
    bool is_write = draw(w, 2);
    struct aiocb cb;
    size_t at = prepare(w, &cb, 0, is_write);
    const struct aiocb *list[] = {&cb};
    bool polls = draw(w, 4) == 0;

    must_be(is_write ? aio_write(&cb) : aio_read(&cb), 0);
    while (aio_error(&cb) == EINPROGRESS)
        if (polls)
            sched_yield();
        else
            must_be(aio_suspend(list, 1, NULL), 0);
    must_be(aio_error(&cb), 0);
    finish(w, &cb, at, is_write);
}

static void several(struct worker *w)
{
    struct aiocb cbs[ITEMS], *list[ITEMS];
    size_t at[ITEMS];
    bool waits = draw(w, 8);
    struct sigevent event = {.sigev_notify = SIGEV_THREAD};
    int before = atomic_load(&w->notified);

    event.sigev_notify_function = notified;
    event.sigev_value.sival_ptr = w;
    for (int i = 0; i < ITEMS; i++) {
        at[i] = prepare(w, &cbs[i], i, i % 2);
        list[i] = &cbs[i];
    }
    must_be(lio_listio(waits ? LIO_WAIT : LIO_NOWAIT, list, ITEMS, &event), 0);
    if (!waits)
        until(&w->notified, before + 1);
    for (int i = 0; i < ITEMS; i++) {
        must_be(aio_error(&cbs[i]), 0);
        finish(w, &cbs[i], at[i], i % 2);
    }
}

static void *work(void *arg)
{
    struct worker *w = arg;

    while (w->requests > 0)
        if (draw(w, 8)) {
            one(w);
            w->requests--;
        } else {
            several(w);
            w->requests -= ITEMS;
        }
    return NULL;
}

static long requests(void)
{
    const char *text = getenv("HEALD_AIO_REQUESTS");

    return text ? atol(text) : REQUESTS / harness_slow();
}

HEALD_CASE(a_storm_of_sixteen_threads)
{
    struct worker *workers = calloc(THREADS, sizeof *workers);
    pthread_t threads[THREADS];
    int fd = file_make();

    must_be(ftruncate(fd, THREADS * OWN), 0);
    for (int i = 0; i < THREADS; i++) {
        workers[i].fd = fd;
        workers[i].number = i;
        workers[i].requests = requests() / THREADS;
        workers[i].random = 88172645u + (uint32_t)i * 7919u;
        threads[i] = thread_start(work, &workers[i]);
    }
    for (int i = 0; i < THREADS; i++)
        thread_end(threads[i]);
    must(atomic_load(&done_requests) >= requests() / THREADS * THREADS);
    for (int i = 0; i < THREADS; i++) {
        unsigned char part[OWN];
        must_be(pread(fd, part, OWN, (off_t)i * OWN), OWN);
        must_be(memcmp(part, workers[i].model, OWN), 0);
    }
    free(workers);
    close(fd);
}

/* The other calls of a thread that has asked: they end when their time has passed, and not before.
 */
static void *feed_often(void *arg)
{
    int writer = *(int *)arg;

    for (int i = 0; i < 5; i++) {
        nap(10);
        must_be(write(writer, "x", 1), 1);
    }
    return NULL;
}

static void undisturbed(int (*call)(int), int err)
{
    int fds[2];
    char bytes[5];
    struct aiocb blocks[5];

    pipe_make(fds);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 5; i++)
            start_read(&blocks[i], fds[0], &bytes[i], 1, 0);
        pthread_t thread = thread_start(feed_often, &fds[1]);
        errno = 0;
        int result = call(100), have = errno;
        must_be(result, err ? -1 : 0);
        must_be(have, err);
        thread_end(thread);
        for (int i = 0; i < 5; i++)
            must_be(result_of(&blocks[i]), 1);
    }
    pair_close(fds);
}

static int call_epoll(int ms)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event;
    int result = epoll_wait(fd, &event, 1, ms), err = errno;

    close(fd);
    errno = err;
    return result;
}

static int call_sigtimedwait(int ms)
{
    struct timespec time = {0, ms * (long)MS};
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    return sigtimedwait(&set, NULL, &time);
}

static int call_semtimedop(int ms)
{
    struct timespec time = {0, ms * (long)MS};
    struct sembuf down = {0, -1, 0};
    int id = semget(IPC_PRIVATE, 1, 0600);

    must(id >= 0);
    int result = semtimedop(id, &down, 1, &time), err = errno;
    semctl(id, 0, IPC_RMID);
    errno = err;
    return result;
}

static int call_recv(int ms)
{
    struct timeval time = {0, ms * 1000L};
    int fds[2];
    char byte;

    pair_make(SOCK_STREAM, fds);
    must_be(setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time), 0);
    int result = (int)recv(fds[0], &byte, 1, 0), err = errno;
    pair_close(fds);
    errno = err;
    return result;
}

HEALD_CASE(epoll_wait_is_undisturbed)
{
    undisturbed(call_epoll, 0);
}

HEALD_CASE(sigtimedwait_is_undisturbed)
{
    block_signal(SIGUSR2);
    undisturbed(call_sigtimedwait, EAGAIN);
}

HEALD_CASE(semtimedop_is_undisturbed)
{
    undisturbed(call_semtimedop, EAGAIN);
}

HEALD_CASE(recv_is_undisturbed)
{
    undisturbed(call_recv, EAGAIN);
}

/* Only aio_suspend (and lio_listio, if it likes) is a place to be cancelled at. */

static void spin_until_done(struct aiocb *cb)
{
    while (aio_error(cb) == EINPROGRESS)
        sched_yield();
    aio_return(cb);
}

static void ask_to_read(struct aiocb *cb)
{
    must_be(aio_read(cb), 0);
}

static void ask_to_write(struct aiocb *cb)
{
    must_be(aio_write(cb), 0);
}

static void ask_to_sync(struct aiocb *cb)
{
    must_be(aio_fsync(O_DSYNC, cb), 0);
}

static void ask_and_cancel(struct aiocb *cb)
{
    must_be(aio_write(cb), 0);
    must(aio_cancel(cb->aio_fildes, cb) >= 0);
}

static void ask_for_a_list(struct aiocb *cb)
{
    struct aiocb *list[] = {cb};

    cb->aio_lio_opcode = LIO_READ;
    must_be(lio_listio(LIO_NOWAIT, list, 1, NULL), 0);
}

struct asking {
    void (*ask)(struct aiocb *);
    int fd;
    bool survived;
};

static void *ask_while_cancelled(void *arg)
{
    struct asking *asking = arg;
    char byte = 0;
    struct aiocb cb = block(asking->fd, &byte, 1, 0);

    must_be(pthread_cancel(pthread_self()), 0);
    for (int i = 0; i < 20; i++) {
        asking->ask(&cb);
        spin_until_done(&cb);
    }
    asking->survived = true;
    pthread_testcancel();
    return NULL;
}

static void no_place_to_be_cancelled(void (*ask)(struct aiocb *))
{
    struct asking asking = {ask, file_with("0123456789"), false};
    void *result;

    pthread_t thread = thread_start(ask_while_cancelled, &asking);
    must_be(pthread_join(thread, &result), 0);
    must(result == PTHREAD_CANCELED);
    must(asking.survived);
    close(asking.fd);
}

HEALD_CASE(aio_read_is_no_place_to_be_cancelled)
{
    no_place_to_be_cancelled(ask_to_read);
}

HEALD_CASE(aio_write_is_no_place_to_be_cancelled)
{
    no_place_to_be_cancelled(ask_to_write);
}

HEALD_CASE(aio_fsync_is_no_place_to_be_cancelled)
{
    no_place_to_be_cancelled(ask_to_sync);
}

HEALD_CASE(aio_cancel_is_no_place_to_be_cancelled)
{
    no_place_to_be_cancelled(ask_and_cancel);
}

HEALD_CASE(lio_listio_without_waiting_is_no_place_to_be_cancelled)
{
    no_place_to_be_cancelled(ask_for_a_list);
}

/* There is no thread for a list, nor for a call that relies on another to have started one. */
static void *ask_in_vain(void *arg)
{
    struct aiocb cb, *list[] = {&cb};
    char byte;

    for (int i = 0; i < VAIN; i++) {
        cb = block(*(int *)arg, &byte, 1, 0);
        cb.aio_lio_opcode = LIO_READ;
        struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
        bool refused = lio_listio(LIO_NOWAIT, list, 1, &event) < 0;
        must(!refused || errno == EAGAIN || errno == EIO);
        ssize_t n = result_of(&cb);
        must(n == -EAGAIN || (refused && n == 0)); /* 0: it was not looked at */
    }
    return NULL;
}

static void *wait_and_ask(void *arg)
{
    pthread_barrier_wait(&start);
    return ask_in_vain(arg);
}

static void many_ask_in_vain(void *arg)
{
    struct rlimit limit = {1, 1};
    pthread_t threads[ASKERS];
    int fds[2];

    (void)arg;
    pipe_make(fds);
    signal(SIGUSR1, SIG_IGN);
    must_be(pthread_barrier_init(&start, NULL, ASKERS + 1), 0);
    for (int i = 0; i < ASKERS; i++)
        threads[i] = thread_start(wait_and_ask, fds);
    must_be(setresuid(NOBODY, NOBODY, NOBODY), 0);
    must_be(setrlimit(RLIMIT_NPROC, &limit), 0);
    pthread_barrier_wait(&start);
    for (int i = 0; i < ASKERS; i++)
        thread_end(threads[i]);
}

HEALD_CASE(threads_ask_where_no_more_are_to_be_had)
{
    if (!is_root())
        harness_skip("only root can become another user");
    in_child(many_ask_in_vain, NULL);
}

void add_threads(TCase *group)
{
    add(group, requests_outlive_their_thread);
    add(group, a_storm_of_sixteen_threads);
    add(group, epoll_wait_is_undisturbed);
    add(group, sigtimedwait_is_undisturbed);
    add(group, semtimedop_is_undisturbed);
    add(group, recv_is_undisturbed);
    add(group, aio_read_is_no_place_to_be_cancelled);
    add(group, aio_write_is_no_place_to_be_cancelled);
    add(group, aio_fsync_is_no_place_to_be_cancelled);
    add(group, aio_cancel_is_no_place_to_be_cancelled);
    add(group, lio_listio_without_waiting_is_no_place_to_be_cancelled);
    add(group, threads_ask_where_no_more_are_to_be_had);
}
