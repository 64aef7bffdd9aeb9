/* test/unit/pool.c: how the threads of a pool are started, and what if none can be. */
#include "pool/pool.h"

#include "harness/harness.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { JOBS = 20, THREADS = 32 };

static atomic_uint threads_left; /* that may be started */
static atomic_uint started_here; /* by the thread that submits */
static pthread_t submitter;

static int count_threads(enum heald_gate what)
{
    if (what != HEALD_GATE_THREAD)
        return 0;
    if (pthread_equal(pthread_self(), submitter))
        atomic_fetch_add(&started_here, 1);
    if (!atomic_load(&threads_left))
        return -EAGAIN;
    atomic_fetch_sub(&threads_left, 1);
    return 0;
}

static void *resize(void *ctx, void *ptr, size_t old_size, size_t size)
{
    (void)ctx, (void)old_size;
    if (size)
        return realloc(ptr, size);
    free(ptr);
    return NULL;
}

/* Jobs wait until all of them run. */
struct bench {
    struct heald_sys sys;
    struct heald_allocator alloc;
    struct heald_pool *pool, *starter;
    struct heald_link jobs[JOBS];
    sem_t begun, go_on, refused;
};

static void wait_for_all(void *ctx, struct heald_link *job)
{
    struct bench *b = ctx;

    (void)job;
    sem_post(&b->begun);
    while (sem_wait(&b->go_on))
        continue;
}

static void grow(void *ctx, struct heald_link *job)
{
    struct bench *b = ctx;

    ck_assert(heald__pool_grow(b->pool, job));
}

static void refuse(void *ctx, struct heald_link *job)
{
    struct bench *b = ctx;

    (void)job;
    sem_post(&b->refused);
}

static void open_both(struct bench *b, unsigned threads)
{
    memset(b, 0, sizeof *b);
    sem_init(&b->begun, 0, 0);
    sem_init(&b->go_on, 0, 0);
    sem_init(&b->refused, 0, 0);
    b->sys = heald__sys_native;
    b->sys.gate = count_threads;
    b->alloc.resize = resize;
    submitter = pthread_self();
    atomic_store(&threads_left, threads + 1);
    ck_assert_int_eq(heald__pool_open(&b->starter, &b->sys, &b->alloc, 1, grow, b), 0);
    ck_assert_int_eq(heald__pool_begin(b->starter), 0);
    ck_assert_int_eq(heald__pool_open(&b->pool, &b->sys, &b->alloc, THREADS, wait_for_all, b), 0);
    heald__pool_started_by(b->pool, b->starter, refuse);
    atomic_store(&started_here, 0);
    for (int i = 0; i < JOBS; i++)
        ck_assert_int_eq(heald__pool_submit(b->pool, &b->jobs[i]), 0);
}

static void await(sem_t *sem, int count)
{
    while (count-- > 0)
        while (sem_wait(sem))
            continue;
}

static void close_both(struct bench *b)
{
    ck_assert_uint_eq(atomic_load(&started_here), 0);
    for (int i = 0; i < JOBS; i++)
        sem_post(&b->go_on);
    heald__pool_close(b->starter);
    heald__pool_close(b->pool);
}

HEALD_CASE(starter_starts_one_for_each_job)
{
    struct bench b;

    open_both(&b, THREADS);
    await(&b.begun, JOBS);
    close_both(&b);
}

HEALD_CASE(jobs_for_which_there_is_no_thread)
{
    struct bench b;

    open_both(&b, 0);
    await(&b.refused, JOBS);
    close_both(&b);
}

/* Those that are there do the rest. */
HEALD_CASE(jobs_that_find_few_threads)
{
    struct bench b;

    open_both(&b, 2);
    await(&b.begun, 2);
    close_both(&b);
    await(&b.begun, JOBS - 2);
    ck_assert_int_ne(sem_trywait(&b.refused), 0);
}

int main(void)
{
    Suite *suite = suite_create("pool");
    TCase *group = harness_group(suite, "pool");

    harness_add(group, starter_starts_one_for_each_job);
    harness_add(group, jobs_for_which_there_is_no_thread);
    harness_add(group, jobs_that_find_few_threads);
    return harness_run(suite);
}
