/* test/aio/cancel.c: aio_cancel. */
#include "aio/suite.h"

enum { QUEUED = 8, RECORDS = 4000, WINDOW = 16, CANCELLERS = 3, MEASURED = 200, MANY = 20000 };

static atomic_int seen, cancelled_seen;
static atomic_bool stop;

HEALD_CASE(nothing_to_cancel)
{
    int fd = file_with("0123456789"), fds[2];
    char buf[4];
    struct aiocb cb;

    pipe_make(fds);
    must_be(aio_cancel(fd, NULL), AIO_ALLDONE);
    must_be(aio_cancel(fds[0], NULL), AIO_ALLDONE);
    start_read(&cb, fd, buf, 4, 0);
    must_be(result_of(&cb), 4);
    must_be(aio_cancel(fd, NULL), AIO_ALLDONE);
    must_be(aio_cancel(fd, &cb), AIO_ALLDONE);
    must_be(aio_error(&cb), 0);
    must_be(aio_return(&cb), 4);
    pair_close(fds);
    close(fd);
}

HEALD_CASE(no_such_descriptor)
{
    int fd = file_with("abc");
    struct aiocb cb = block(fd, NULL, 0, 0);

    close(fd);
    must_be(aio_cancel(fd, NULL), -1);
    must_be(errno, EBADF);
    must_be(aio_cancel(-1, NULL), -1);
    must_be(errno, EBADF);
    must_be(aio_cancel(fd, &cb), -1);
    must_be(errno, EBADF);
}

HEALD_CASE(block_of_another_descriptor)
{
    int fds[2];
    char byte;
    struct aiocb cb;

    pipe_make(fds);
    start_read(&cb, fds[0], &byte, 1, 0);
    must_be(aio_cancel(fds[1], &cb), -1);
    must_be(errno, EINVAL);
    must_be(aio_error(&cb), EINPROGRESS);
    must_be(write(fds[1], "x", 1), 1);
    must_be(result_of(&cb), 1);
    pair_close(fds);
}

/* A stream that is full, a write in it that has started, and some that wait behind it. */
struct jam {
    int fds[2];
    size_t full;
    char data[1 << 20];
    struct aiocb head, queued[QUEUED];
};

static void jam_make(struct jam *jam, int is_socket)
{
    if (is_socket)
        pair_make(SOCK_STREAM, jam->fds);
    else
        pipe_make(jam->fds);
    jam->full = fill(jam->fds[1]);
    pattern_fill(jam->data, sizeof jam->data, 0, 1);
    start_write(&jam->head, jam->fds[1], jam->data, sizeof jam->data, 0);
    /* Half of it goes in: it has surely started. */
    drain(jam->fds[0], jam->full);
    must_hang(&jam->head);
}

static void jam_queue(struct jam *jam, void (*prepare)(struct aiocb *))
{
    for (int i = 0; i < QUEUED; i++) {
        jam->queued[i] = block(jam->fds[1], &"0123456789"[i], 1, 0);
        if (prepare)
            prepare(&jam->queued[i]);
        must_be(aio_write(&jam->queued[i]), 0);
    }
}

/* The head is whole, then come these bytes and nothing else. */
static void jam_end(struct jam *jam, const char *rest)
{
    char *copy = malloc(sizeof jam->data);
    size_t have = 0;

    while (have < sizeof jam->data) {
        ssize_t n = read(jam->fds[0], copy + have, sizeof jam->data - have);
        must(n > 0);
        have += (size_t)n;
    }
    must(pattern_is(copy, have, 0, 1));
    must_be(result_of(&jam->head), sizeof jam->data);
    for (const char *next = rest; *next; next++) {
        must_be(read(jam->fds[0], copy, 1), 1);
        must_be(*copy, *next);
    }
    set_nonblocking(jam->fds[0], true);
    must_be(read(jam->fds[0], copy, 1), -1);
    free(copy);
    pair_close(jam->fds);
}

static void must_be_cancelled(struct aiocb *cb)
{
    must_be(aio_error(cb), ECANCELED);
    must_be(aio_return(cb), -1);
}

static void cancel_started(int is_socket)
{
    static struct jam jam;

    jam_make(&jam, is_socket);
    must_be(aio_cancel(jam.fds[1], &jam.head), AIO_NOTCANCELED);
    must_be(aio_error(&jam.head), EINPROGRESS);
    must_be(aio_cancel(jam.fds[1], NULL), AIO_NOTCANCELED);
    jam_end(&jam, "");
}

HEALD_CASE(started_write_to_a_pipe)
{
    cancel_started(false);
}

HEALD_CASE(started_write_to_a_socket)
{
    cancel_started(true);
}

static void cancel_queued_and_started(int is_socket)
{
    static struct jam jam;

    jam_make(&jam, is_socket);
    jam_queue(&jam, NULL);
    must_be(aio_cancel(jam.fds[1], NULL), AIO_NOTCANCELED);
    for (int i = 0; i < QUEUED; i++)
        must_be_cancelled(&jam.queued[i]);
    jam_end(&jam, "");
}

HEALD_CASE(started_and_queued_writes_to_a_pipe)
{
    cancel_queued_and_started(false);
}

HEALD_CASE(started_and_queued_writes_to_a_socket)
{
    cancel_queued_and_started(true);
}

HEALD_CASE(one_of_those_that_wait)
{
    static struct jam jam;

    jam_make(&jam, false);
    jam_queue(&jam, NULL);
    must_be(aio_cancel(jam.fds[1], &jam.queued[QUEUED - 1]), AIO_CANCELED);
    must_be(aio_cancel(jam.fds[1], &jam.queued[2]), AIO_CANCELED);
    must_be(aio_cancel(jam.fds[1], &jam.queued[0]), AIO_CANCELED);
    must_be(aio_cancel(jam.fds[1], &jam.queued[2]), AIO_ALLDONE);
    must_be_cancelled(&jam.queued[0]);
    must_be_cancelled(&jam.queued[2]);
    must_be_cancelled(&jam.queued[QUEUED - 1]);
    must_be(aio_error(&jam.queued[1]), EINPROGRESS);
    jam_end(&jam, "13456");
    must_be(result_of(&jam.queued[1]), 1);
    must_be(result_of(&jam.queued[QUEUED - 2]), 1);
}

static void on_signal(int signo, siginfo_t *info, void *context)
{
    (void)signo, (void)info, (void)context;
    atomic_fetch_add(&seen, 1);
}

static void on_thread(union sigval value)
{
    (void)value;
    atomic_fetch_add(&seen, 1);
}

static void by_signal(struct aiocb *cb)
{
    notify_by_signal(cb, SIGRTMIN, 0);
}

static void by_thread(struct aiocb *cb)
{
    notify_by_thread(cb, on_thread, NULL);
}

static void cancel_and_hear(void (*prepare)(struct aiocb *))
{
    static struct jam jam;

    handle(SIGRTMIN, on_signal, SA_RESTART);
    jam_make(&jam, false);
    jam_queue(&jam, prepare);
    must_be(aio_cancel(jam.fds[1], &jam.queued[3]), AIO_CANCELED);
    until(&seen, 1);
    must_be(aio_cancel(jam.fds[1], NULL), AIO_NOTCANCELED);
    until(&seen, QUEUED);
    nap(20);
    must_be(atomic_load(&seen), QUEUED);
    jam_end(&jam, "");
}

HEALD_CASE(cancelled_ones_signal)
{
    cancel_and_hear(by_signal);
}

HEALD_CASE(cancelled_ones_call)
{
    cancel_and_hear(by_thread);
}

HEALD_CASE(cancelled_one_wakes_who_waits)
{
    static struct jam jam;
    struct aiocb *list[QUEUED];

    jam_make(&jam, false);
    jam_queue(&jam, NULL);
    must_be(aio_cancel(jam.fds[1], &jam.queued[0]), AIO_CANCELED);
    const struct aiocb *one = &jam.queued[0];
    must_be(aio_suspend(&one, 1, NULL), 0);
    must_be(aio_cancel(jam.fds[1], NULL), AIO_NOTCANCELED);
    for (int i = 0; i < QUEUED; i++) {
        list[i] = &jam.queued[i];
        must_be_cancelled(list[i]);
    }
    must_be(aio_suspend((const struct aiocb *const *)list, QUEUED, NULL), 0);
    jam_end(&jam, "");
}

/* Whether the first has started is not ours to say; the answer and the end must agree. */
static int settled(struct aiocb *cb, int answer, int writer)
{
    if (answer == AIO_CANCELED) {
        must_be_cancelled(cb);
        return 0;
    }
    must_be(answer, AIO_NOTCANCELED);
    must_be(aio_error(cb), EINPROGRESS);
    must_be(write(writer, "x", 1), 1);
    must_be(result_of(cb), 1);
    return 1;
}

static void cancel_reads(int fds[2])
{
    struct aiocb reads[QUEUED];
    char bytes[QUEUED];

    for (int i = 0; i < QUEUED; i++)
        start_read(&reads[i], fds[0], &bytes[i], 1, 0);
    nap(20);
    for (int i = QUEUED; i-- > 1;) {
        must_be(aio_cancel(fds[0], &reads[i]), AIO_CANCELED);
        must_be_cancelled(&reads[i]);
    }
    settled(&reads[0], aio_cancel(fds[0], &reads[0]), fds[1]);
    for (int i = 0; i < QUEUED; i++)
        start_read(&reads[i], fds[0], &bytes[i], 1, 0);
    nap(20);
    int answer = aio_cancel(fds[0], NULL);
    for (int i = 1; i < QUEUED; i++)
        must_be_cancelled(&reads[i]);
    settled(&reads[0], answer, fds[1]);
    must_be(aio_cancel(fds[0], NULL), AIO_ALLDONE);
    pair_close(fds);
}

HEALD_CASE(reads_of_a_pipe)
{
    int fds[2];

    pipe_make(fds);
    cancel_reads(fds);
}

HEALD_CASE(reads_of_a_socket)
{
    int fds[2];

    pair_make(SOCK_STREAM, fds);
    cancel_reads(fds);
}

/* What comes after a cancelled read is for the next one, whole. */
HEALD_CASE(cancelled_reads_take_nothing)
{
    int fds[2], given = 0, taken = 0;
    char byte;

    pipe_make(fds);
    for (int i = 0; i < 500; i++) {
        struct aiocb cb;
        start_read(&cb, fds[0], &byte, 1, 0);
        given += write(fds[1], "x", 1) == 1;
        int answer = aio_cancel(fds[0], &cb);
        if (answer == AIO_CANCELED)
            must_be(aio_error(&cb), ECANCELED);
        if (answer == AIO_ALLDONE)
            must_be(aio_error(&cb), 0);
        ssize_t n = result_of(&cb);
        must(n == 1 || (n == -ECANCELED && answer == AIO_CANCELED));
        taken += n == 1;
    }
    set_nonblocking(fds[0], true);
    while (read(fds[0], &byte, 1) == 1)
        taken++;
    must_be(taken, given);
    pair_close(fds);
}

/* Reads in a row, some of which are cancelled by other threads while a writer sends numbers. */
struct race {
    int fds[2];
    struct aiocb blocks[WINDOW];
    uint32_t words[WINDOW];
};

static void *send_numbers(void *arg)
{
    struct race *race = arg;

    for (uint32_t i = 0; i < RECORDS; i++) {
        must_be(write(race->fds[1], &i, sizeof i), sizeof i);
        if (i % 64 == 0)
            sched_yield();
    }
    return NULL;
}

static void *cancel_some(void *arg)
{
    struct race *race = arg;

    for (unsigned i = 0; !atomic_load(&stop); i++) {
        struct aiocb *one = i % 7 ? &race->blocks[i * 5 % WINDOW] : NULL;
        int answer = aio_cancel(race->fds[0], one);
        must(answer == AIO_CANCELED || answer == AIO_NOTCANCELED || answer == AIO_ALLDONE);
        if (i % 16 == 0)
            sched_yield();
    }
    return NULL;
}

static uint32_t take(struct race *race, int slot, uint32_t next)
{
    ssize_t n = result_of(&race->blocks[slot]);

    if (n == -ECANCELED) {
        atomic_fetch_add(&cancelled_seen, 1);
        return next;
    }
    must_be(n, sizeof next);
    must_be(race->words[slot], next);
    return next + 1;
}

HEALD_CASE(cancelled_by_many_at_once)
{
    static struct race race;
    pthread_t threads[CANCELLERS + 1];
    int asked = WINDOW;

    handle(SIGRTMIN, on_signal, SA_RESTART);
    pipe_make(race.fds);
    for (int i = 0; i < WINDOW; i++) {
        race.blocks[i] = block(race.fds[0], &race.words[i], sizeof race.words[i], 0);
        notify_by_signal(&race.blocks[i], SIGRTMIN, 0);
        must_be(aio_read(&race.blocks[i]), 0);
    }
    for (int i = 0; i < CANCELLERS; i++)
        threads[i] = thread_start(cancel_some, &race);
    threads[CANCELLERS] = thread_start(send_numbers, &race);
    uint32_t next = 0;
    for (int slot = 0; next < RECORDS; slot = (slot + 1) % WINDOW) {
        next = take(&race, slot, next);
        must_be(aio_read(&race.blocks[slot]), 0);
        asked++;
    }
    atomic_store(&stop, true);
    for (int i = 0; i <= CANCELLERS; i++)
        thread_end(threads[i]);
    close(race.fds[1]);
    for (int i = 0; i < WINDOW; i++) {
        ssize_t n = result_of(&race.blocks[i]);
        must(n == 0 || n == -ECANCELED);
    }
    until(&seen, asked);
    must(atomic_load(&cancelled_seen) > 0);
    close(race.fds[0]);
}

/* Whatever a request to a file is doing: the answer holds. */
HEALD_CASE(requests_to_a_file)
{
    int fd = file_make();
    char *data = calloc(1, 1 << 20);

    for (int i = 0; i < 200; i++) {
        struct aiocb a, b;
        start_write(&a, fd, data, 1 << 20, 0);
        start_read(&b, fd, data, 1 << 19, 0);
        int answer = aio_cancel(fd, &b);
        int err = aio_error(&b);
        must(answer != AIO_CANCELED || err == ECANCELED);
        must(answer != AIO_ALLDONE || err == 0);
        answer = aio_cancel(fd, NULL);
        must(answer != AIO_CANCELED || aio_error(&a) != EINPROGRESS);
        ssize_t n = result_of(&a);
        must(n == 1 << 20 || n == -ECANCELED);
        n = result_of(&b);
        must(n == -ECANCELED || n >= 0);
    }
    free(data);
    close(fd);
}

static int64_t time_of_cancels(int count)
{
    struct aiocb *blocks = calloc((size_t)count, sizeof *blocks);
    char byte;
    int fds[2];

    pipe_make(fds);
    for (int i = 0; i < count; i++)
        start_read(&blocks[i], fds[0], &byte, 1, 0);
    int64_t since = now();
    for (int i = count - 1; i > count - MEASURED; i--)
        must_be(aio_cancel(fds[0], &blocks[i]), AIO_CANCELED);
    int64_t spent = now() - since;
    close(fds[1]);
    for (int i = 0; i < count; i++)
        result_of(&blocks[i]);
    close(fds[0]);
    free(blocks);
    return spent;
}

/* A block says which request is its own. */
HEALD_CASE(one_among_many_costs_no_more)
{
    int64_t few = time_of_cancels(MEASURED), many = time_of_cancels(MANY);

    for (int i = 0; i < 4 && many > 4 * few; i++) {
        few = time_of_cancels(MEASURED);
        many = time_of_cancels(MANY);
    }
    must(many <= 4 * few);
}

void add_cancel(TCase *group)
{
    add(group, one_among_many_costs_no_more);
    add(group, nothing_to_cancel);
    add(group, no_such_descriptor);
    add(group, block_of_another_descriptor);
    add(group, started_write_to_a_pipe);
    add(group, started_write_to_a_socket);
    add(group, started_and_queued_writes_to_a_pipe);
    add(group, started_and_queued_writes_to_a_socket);
    add(group, one_of_those_that_wait);
    add(group, cancelled_ones_signal);
    add(group, cancelled_ones_call);
    add(group, cancelled_one_wakes_who_waits);
    add(group, reads_of_a_pipe);
    add(group, reads_of_a_socket);
    add(group, cancelled_reads_take_nothing);
    add(group, cancelled_by_many_at_once);
    add(group, requests_to_a_file);
}
