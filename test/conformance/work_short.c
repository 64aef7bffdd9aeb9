/* test/conformance/work_short.c: many short functions, and long ones among them: results are not
 * held up, ops do not wait behind a long function, and who waits long uses no processor. */
#include "conformance/conformance.h"

#include <pthread.h>
#include <time.h>

enum { SHORT = 300 };

static struct {
    int begun, go, done; /* atomic */
} world;

static int get(const int *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void wait_for(const int *word, int value)
{
    int64_t end = now() + 10 * harness_slow() * HEALD_SEC;

    while (get(word) < value) {
        must(now() < end);
        usleep(100);
    }
}

static int64_t brief(struct heald_op *op)
{
    (void)op;
    return __atomic_add_fetch(&world.done, 1, __ATOMIC_ACQ_REL) > 0;
}

/* Runs until `go`. */
static int64_t hang(struct heald_op *op)
{
    (void)op;
    __atomic_fetch_add(&world.begun, 1, __ATOMIC_ACQ_REL);
    wait_for(&world.go, 1);
    return 7;
}

static void submit(struct heald_loop *loop, struct probe *p, heald_work_fn *fn,
                   struct heald_workers *workers)
{
    ck_assert_int_eq(heald_prep_work(&p->op, fn, workers), 0);
    probe_start(loop, p);
}

static struct heald_workers *workers_of(unsigned threads)
{
    struct heald_workers *workers;
    struct heald_workers_options options = {.threads = threads};

    ck_assert_int_eq(heald_workers_open(&workers, &options), 0);
    return workers;
}

static void finish(struct heald_loop *loop, struct heald_workers *workers)
{
    loop_end(loop);
    ck_assert_int_eq(heald_workers_close(workers), 0);
}

/* Results that come in great number do not wake a loop that naps: not even the last of them waits
 * for a long function behind it, while more are queued. */
HEALD_CASE(results_before_a_long_function_arrive)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_workers *workers = workers_of(1);
    struct probe p[SHORT] = {0}, stuck = {0}, behind = {0};

    for (int i = 0; i < SHORT; i++)
        submit(loop, &p[i], brief, workers);
    submit(loop, &stuck, hang, workers);
    submit(loop, &behind, brief, workers);
    for (int i = 0; i < SHORT; i++)
        ck_assert_int_eq(probe_end(&p[i]), 1);
    ck_assert_int_eq(stuck.calls + behind.calls, 0);
    __atomic_store_n(&world.go, 1, __ATOMIC_RELEASE);
    ck_assert_int_eq(probe_end(&stuck), 7);
    ck_assert_int_eq(probe_end(&behind), 1);
    finish(loop, workers);
}

/* What waits is taken by the threads that are free. */
HEALD_CASE(none_waits_behind_a_long_function)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_workers *workers = workers_of(3);
    struct probe stuck[2] = {0}, p[SHORT] = {0};

    for (int i = 0; i < SHORT; i++) {
        if (i % (SHORT / 2) == 10)
            submit(loop, &stuck[i / (SHORT / 2)], hang, workers);
        submit(loop, &p[i], brief, workers);
    }
    wait_for(&world.done, SHORT);
    for (int i = 0; i < SHORT; i++)
        ck_assert_int_eq(probe_end(&p[i]), 1);
    ck_assert_int_eq(stuck[0].calls + stuck[1].calls, 0);
    __atomic_store_n(&world.go, 1, __ATOMIC_RELEASE);
    ck_assert_int_eq(probe_end(&stuck[0]), 7);
    ck_assert_int_eq(probe_end(&stuck[1]), 7);
    finish(loop, workers);
}

/* Ops that no thread has looked at yet. */
HEALD_CASE(cancelled_while_another_runs)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_workers *workers = workers_of(1);
    struct probe stuck = {0}, p[SHORT] = {0};

    submit(loop, &stuck, hang, workers);
    wait_for(&world.begun, 1);
    for (int i = 0; i < SHORT; i++)
        submit(loop, &p[i], brief, workers);
    for (int i = 0; i < SHORT; i += 2) {
        ck_assert_int_eq(heald_cancel(&p[i].op), 0);
        ck_assert_int_eq(probe_end(&p[i]), -ECANCELED);
    }
    ck_assert_int_eq(stuck.calls + get(&world.done), 0);
    __atomic_store_n(&world.go, 1, __ATOMIC_RELEASE);
    for (int i = 1; i < SHORT; i += 2)
        ck_assert_int_eq(probe_end(&p[i]), 1);
    ck_assert_int_eq(get(&world.done), SHORT / 2);
    ck_assert_int_eq(probe_end(&stuck), 7);
    finish(loop, workers);
}

static int64_t sleep_long(struct heald_op *op)
{
    while (!heald_work_cancelled(op))
        usleep(20000);
    return -ECANCELED;
}

static int64_t cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * HEALD_SEC + t.tv_nsec;
}

/* A loop with a function that takes long, and threads that have nothing to do. */
HEALD_CASE(who_waits_uses_no_processor)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_workers *workers = workers_of(2);
    struct probe p[SHORT] = {0}, slow = {0};

    for (int i = 0; i < SHORT; i++) {
        submit(loop, &p[i], brief, workers);
        ck_assert_int_eq(probe_end(&p[i]), 1);
    }
    submit(loop, &slow, sleep_long, workers);
    int64_t cpu = cpu_ns(), wall = now();
    while (now() < wall + 100 * HEALD_MS)
        heald_loop_turn(loop, wall + 100 * HEALD_MS);
    ck_assert_int_lt(cpu_ns() - cpu, (now() - wall) / 4);
    heald_cancel(&slow.op);
    ck_assert_int_eq(probe_end(&slow), -ECANCELED);
    finish(loop, workers);
}

void add_work_short(TCase *group)
{
    add_everywhere(group, results_before_a_long_function_arrive);
    add_everywhere(group, none_waits_behind_a_long_function);
    add_everywhere(group, cancelled_while_another_runs);
    add_on_backends(group, who_waits_uses_no_processor);
}
