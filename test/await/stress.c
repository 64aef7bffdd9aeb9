/*
 * test/await/stress.c: a thousand locks that processes await in loops, cancel, have deadlines on,
 * hold for a while and release, while these processes are killed and stopped at random. No two ever
 * have the same, and none waits in vain. On each back end, with each waiter.
 */
#include "harness/harness.h"
#include "harness/seeds.h"

#include <heald/heald.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LOCKS = 1000, WORKERS = 3, KILLS = 30, HELD_MAX = 40 };

#define LAST_NS (8 * HEALD_SEC) /* nobody waits for so long */

static const struct {
    const char *backend, *await;
} ways[] = {{"uring", "ring"},
            {"epoll", "ring"},
            {"select", "ring"},
            {"epoll", "thread"},
            {"uring", "thread"}};

enum { WAYS = sizeof ways / sizeof ways[0] };

struct shared {
    int wrong;        /* atomic: how often two had the same, or one waited for too long */
    long got, died;   /* atomic */
    int users[LOCKS]; /* atomic: the one inside, plus 1 */
    struct heald_mutex locks[LOCKS];
};

struct waiter {
    struct heald_op op;
    int64_t since;
};

static struct heald_region *region;
static struct heald_participant *me;
static struct shared *shared;
static struct heald_loop *loop;
static struct waiter waiters[LOCKS];
static int held[HELD_MAX], held_count, self;
static struct rng rng;

static void give_back(int k)
{
    int lock = held[k];

    held[k] = held[--held_count];
    __atomic_store_n(&shared->users[lock], 0, __ATOMIC_RELAXED);
    if (heald_mutex_unlock(&shared->locks[lock], me))
        __atomic_fetch_add(&shared->wrong, 1, __ATOMIC_RELAXED);
}

static void on_locked(struct heald_op *op)
{
    struct waiter *w = heald_container_of(op, struct waiter, op);
    int lock = (int)(w - waiters), was;

    if (heald_clock_now(HEALD_CLOCK_MONOTONIC) - w->since > LAST_NS * harness_slow())
        __atomic_fetch_add(&shared->wrong, 1, __ATOMIC_RELAXED);
    if (op->result == -ECANCELED || op->result == -ETIMEDOUT)
        return;
    was = __atomic_exchange_n(&shared->users[lock], self + 1, __ATOMIC_RELAXED);
    if ((op->result != 0 || was != 0) && op->result != -EOWNERDEAD)
        __atomic_fetch_add(&shared->wrong, 1, __ATOMIC_RELAXED);
    if (op->result == -EOWNERDEAD) {
        heald_mutex_consistent(&shared->locks[lock], me);
        __atomic_fetch_add(&shared->died, 1, __ATOMIC_RELAXED);
    }
    __atomic_fetch_add(&shared->got, 1, __ATOMIC_RELAXED);
    if (held_count == HELD_MAX)
        give_back((int)rng_below(&rng, HELD_MAX));
    held[held_count++] = lock;
}

static void submit(int lock, int64_t deadline_ns)
{
    struct waiter *w = &waiters[lock];

    heald_prep_mutex_lock(&w->op, &shared->locks[lock], me);
    w->op.deadline_ns = deadline_ns;
    w->since = heald_clock_now(HEALD_CLOCK_MONOTONIC);
    if (heald_submit(loop, &w->op, on_locked))
        _exit(2);
}

static bool is_held(int lock)
{
    for (int k = 0; k < held_count; k++)
        if (held[k] == lock)
            return true;
    return false;
}

static void act(int64_t now)
{
    int lock = (int)rng_below(&rng, LOCKS);
    bool waits = heald_op_error(&waiters[lock].op) == -EINPROGRESS;

    if (!waits && !is_held(lock))
        submit(lock,
               rng_below(&rng, 4) ? HEALD_FOREVER : now + (int64_t)rng_below(&rng, 20) * HEALD_MS);
    else if (waits && !rng_below(&rng, 20))
        heald_cancel(&waiters[lock].op);
    if (held_count && !rng_below(&rng, 4))
        give_back((int)rng_below(&rng, (unsigned)held_count));
}

static _Noreturn void work(int way, uint64_t seed)
{
    struct heald_loop_options o = {.backend = ways[way].backend, .engine = "sync"};

    rng = rng_of(seed, 0);
    if (heald_attach(region, &me) || heald_loop_open(&loop, &o))
        _exit(2);
    for (;;) {
        int64_t now = heald_clock_now(HEALD_CLOCK_MONOTONIC);
        for (int i = 0; i < 20; i++)
            act(now);
        if (heald_loop_turn(loop, now + HEALD_MS) < 0)
            _exit(2);
    }
}

static pid_t start(int way, int which, uint64_t seed)
{
    pid_t pid = fork();

    if (pid)
        return pid;
    self = which;
    work(way, seed);
}

static void open_region(void)
{
    struct heald_region_options o = {.size = sizeof *shared};
    char name[64];

    snprintf(name, sizeof name, "/heald-stress-%ld", (long)getpid());
    ck_assert_int_eq(heald_region_open(&region, name, HEALD_REGION_CREATE, &o), 0);
    ck_assert_int_eq(heald_region_unlink(name), 0);
    shared = heald_region_data(region);
    for (int i = 0; i < LOCKS; i++)
        ck_assert_int_eq(
            heald_mutex_init(&shared->locks[i], (unsigned)(i % 10 ? 0 : HEALD_MUTEX_FAIR)), 0);
}

/* Those that are left hold and wait for as much as they like; the rest is awaited by this one. */
static void take_all(int way)
{
    struct heald_loop_options o = {.backend = ways[way].backend, .engine = "sync"};
    int64_t end = heald_clock_now(HEALD_CLOCK_MONOTONIC) + LAST_NS * harness_slow();

    ck_assert_int_eq(heald_attach(region, &me), 0);
    ck_assert_int_eq(heald_loop_open(&loop, &o), 0);
    for (int i = 0; i < LOCKS; i++) {
        submit(i, HEALD_FOREVER);
        while (held_count)
            give_back(0);
    }
    while (heald_loop_turn(loop, end) >= 0 && heald_clock_now(HEALD_CLOCK_MONOTONIC) < end) {
        while (held_count)
            give_back(0);
        int left = 0;
        for (int i = 0; i < LOCKS; i++)
            left += heald_op_error(&waiters[i].op) == -EINPROGRESS;
        if (!left)
            break;
    }
    for (int i = 0; i < LOCKS; i++)
        ck_assert_int_ne(heald_op_error(&waiters[i].op), -EINPROGRESS);
    while (held_count)
        give_back(0);
    ck_assert_int_eq(heald_loop_close(loop), 0);
    heald_detach(me);
}

HEALD_CASE(killed_and_stopped)
{
    const char *text = getenv("HEALD_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 0) : (uint64_t)getpid();
    struct rng draws = rng_of(seed, 1);
    struct heald_loop_options o = {.backend = ways[_i].backend, .engine = "sync"};
    pid_t pids[WORKERS];

    setenv("HEALD_AWAIT", ways[_i].await, 1);
    if (heald_loop_open(&loop, &o))
        harness_skip("no back end %s here", ways[_i].backend);
    ck_assert_int_eq(heald_loop_close(loop), 0);
    open_region();
    for (int i = 0; i < WORKERS; i++)
        pids[i] = start(_i, i, seed + (uint64_t)i);
    for (int kill_no = 0; kill_no < KILLS; kill_no++) {
        int victim = (int)rng_below(&draws, WORKERS), status;
        usleep((useconds_t)rng_below(&draws, 80000));
        kill(pids[(victim + 1) % WORKERS], SIGSTOP);
        usleep((useconds_t)rng_below(&draws, 20000));
        kill(pids[victim], SIGKILL);
        ck_assert_int_eq(waitpid(pids[victim], &status, 0), pids[victim]);
        ck_assert_msg(WIFSIGNALED(status), "a worker ended: %d", WEXITSTATUS(status));
        usleep((useconds_t)rng_below(&draws, 20000));
        kill(pids[(victim + 1) % WORKERS], SIGCONT);
        pids[victim] = start(_i, victim, seed + 100 + (uint64_t)kill_no);
    }
    long before = __atomic_load_n(&shared->got, __ATOMIC_RELAXED);
    usleep(300000);
    ck_assert_int_gt(__atomic_load_n(&shared->got, __ATOMIC_RELAXED), before);
    for (int i = 0; i < WORKERS; i++) {
        kill(pids[i], SIGKILL);
        ck_assert_int_eq(waitpid(pids[i], NULL, 0), pids[i]);
    }
    take_all(_i);
    ck_assert_msg(shared->wrong == 0, "wrong %d times, got %ld, of the dead %ld (seed %llu)",
                  shared->wrong, shared->got, shared->died, (unsigned long long)seed);
    ck_assert_int_gt(shared->died, 0);
    ck_assert_int_eq(heald_region_close(region), 0);
}

int main(void)
{
    Suite *suite = suite_create("await");
    TCase *group = harness_group(suite, "stress");

    harness_limit(group, 60);
    harness_add_range(group, killed_and_stopped, 0, WAYS);
    return harness_run(suite);
}
