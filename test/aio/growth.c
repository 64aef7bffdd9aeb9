/*
 * test/aio/growth.c: a million requests, from many threads: the memory after them is that after the
 * first of them. It takes a while, and is left out of what runs at every change.
 */
#include "aio/suite.h"

enum {
    THREADS = 16,
    BATCH = 16,
    FIRST = 200000,
    ALL = 1000000,
    GROWTH_KB = 1 << 10,
    SECONDS = 300 /* for all, on a slow machine */
};

static pthread_barrier_t phase;

struct asker {
    int file, pipe[2];
};

/* Writes and reads of a file, and reads that wait for a pipe; every other batch is one list. */
static void batch(const struct asker *asker, bool as_list)
{
    struct aiocb blocks[BATCH], *list[BATCH];
    char bytes[BATCH] = "";

    for (int i = 0; i < BATCH; i++) {
        bool waits = i % 4 == 3, writes = i % 2 == 0;
        blocks[i] = block(waits ? asker->pipe[0] : asker->file, &bytes[i], 1, i);
        blocks[i].aio_lio_opcode = writes ? LIO_WRITE : LIO_READ;
        list[i] = &blocks[i];
        if (!as_list)
            must_be(writes ? aio_write(&blocks[i]) : aio_read(&blocks[i]), 0);
    }
    if (as_list)
        must_be(lio_listio(LIO_NOWAIT, list, BATCH, NULL), 0);
    must_be(write(asker->pipe[1], "four", 4), 4);
    for (int i = 0; i < BATCH; i++)
        must_be(result_of(&blocks[i]), 1);
}

static void batches(const struct asker *asker, int count)
{
    for (int i = 0; i * THREADS * BATCH < count; i++)
        batch(asker, i % 2);
}

static void *ask_twice(void *arg)
{
    struct asker asker = {.file = *(int *)arg};

    pipe_make(asker.pipe);
    batches(&asker, FIRST);
    pthread_barrier_wait(&phase); /* their end */
    pthread_barrier_wait(&phase); /* measured */
    batches(&asker, ALL - FIRST);
    pthread_barrier_wait(&phase);
    pthread_barrier_wait(&phase);
    pair_close(asker.pipe);
    return NULL;
}

static long memory_after_a_phase(void)
{
    pthread_barrier_wait(&phase);
    long kb = status_of("VmRSS:");
    pthread_barrier_wait(&phase);
    return kb;
}

static void asks_a_million_times(void *arg)
{
    pthread_t threads[THREADS];
    int fd = file_with("0123456789abcdef");

    (void)arg;
    must_be(pthread_barrier_init(&phase, NULL, THREADS + 1), 0);
    for (int i = 0; i < THREADS; i++)
        threads[i] = thread_start(ask_twice, &fd);
    long first = memory_after_a_phase(), last = memory_after_a_phase();
    printf("%ld kB after %d requests, %ld kB after %d\n", first, FIRST, last, ALL);
    fflush(stdout);
    must(last < first + GROWTH_KB);
    for (int i = 0; i < THREADS; i++)
        thread_end(threads[i]);
}

HEALD_CASE(a_million_requests_take_no_memory)
{
    if (harness_is_sanitized())
        harness_skip("the sanitizer keeps freed memory");
    must_be(child_end(child_start(asks_a_million_times, NULL), SECONDS), 0);
}

void add_growth(TCase *group)
{
    harness_limit(group, SECONDS);
    add(group, a_million_requests_take_no_memory);
}
