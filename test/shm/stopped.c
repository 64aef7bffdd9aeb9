/* test/shm/stopped.c: participants that are stopped: they hold up only those that want what they
 * have, and none takes that from them. */
#include "harness/seeds.h"
#include "shm/step.h"

#include <limits.h>

enum { MINE, THEIRS, LOCKS };
enum { PLACES = 40, ROUNDS = 150, STAY_MS = 160 };

struct shared {
    struct heald_mutex mutex[LOCKS];
    int ready, over;
};

/* There a death is found by acquiring the lifeline, and recorded after that: in between a process
 * may be stopped (region/register.c). */
static const char portable[] = "cannot see a death before it takes the lifeline";

static struct fixture open_region(void)
{
    return fixture_open_with(
        &(struct heald_region_options){.participants = 4, .size = sizeof(struct shared)});
}

/* Locks what a dead process may have left. */
static void lock_and_mend(struct fixture *f, struct heald_mutex *mutex)
{
    int err = heald_mutex_lock(mutex, f->me, HEALD_FOREVER);

    must(err == 0 || err == -EOWNERDEAD);
    must(!err || heald_mutex_consistent(mutex, f->me) == 0);
}

static bool hold_both(struct fixture *f)
{
    struct shared *s = f->data;

    lock_and_mend(f, &s->mutex[MINE]);
    lock_and_mend(f, &s->mutex[THEIRS]);
    set_flag(&s->ready);
    return true;
}

static pid_t holder_start(struct fixture *f)
{
    struct shared *s = f->data;

    s->ready = 0;
    pid_t pid = child_start(f, hold_both);
    until_set(&s->ready);
    return pid;
}

/* The holder has died; which other one is stopped now does not matter. */
static void not_held_up(struct fixture *f)
{
    struct shared *s = f->data;
    struct heald_participant *again;
    int64_t begin = heald_clock_now(HEALD_CLOCK_MONOTONIC);

    ck_assert_int_eq(heald_mutex_lock(&s->mutex[MINE], f->me, in_ms(10000)), -EOWNERDEAD);
    ck_assert_int_eq(heald_attach(f->region, &again), 0);
    heald_detach(again);
    ck_assert_int_lt(heald_clock_now(HEALD_CLOCK_MONOTONIC) - begin,
                     500 * HEALD_MS * harness_slow());
    ck_assert_int_eq(heald_mutex_consistent(&s->mutex[MINE], f->me), 0);
    ck_assert_int_eq(heald_mutex_unlock(&s->mutex[MINE], f->me), 0);
}

static void lock_theirs(struct fixture *f)
{
    struct shared *s = f->data;

    lock_and_mend(f, &s->mutex[THEIRS]);
    must(heald_mutex_unlock(&s->mutex[THEIRS], f->me) == 0);
}

static void attach_again(struct fixture *f)
{
    struct heald_participant *second;

    must(heald_attach(f->region, &second) == 0);
    heald_detach(second);
}

/* Finds a death, and records it. */
static void (*const ways[])(struct fixture *) = {lock_theirs, attach_again};

/* Has one stopped after so many instructions. How many they were. */
static int stop_after(struct fixture *f, void (*way)(struct fixture *), int count)
{
    pid_t holder = holder_start(f), sweeper = step_start(f, way);

    child_kill(holder);
    int made = step_on(sweeper, count);
    not_held_up(f);
    step_end(sweeper);
    return made;
}

HEALD_CASE(one_who_is_stopped_while_he_settles_a_death_holds_up_nobody)
{
    skip_on_portable(portable);
    struct fixture f = open_region();
    int length = stop_after(&f, ways[_i], INT_MAX);

    ck_assert_int_gt(length, PLACES);
    for (int n = 0; n < length; n += length / PLACES)
        stop_after(&f, ways[_i], n);
    fixture_close(&f);
}

static bool sweep_all_the_time(struct fixture *f)
{
    struct shared *s = f->data;

    set_flag(&s->ready);
    while (!__atomic_load_n(&s->over, __ATOMIC_ACQUIRE)) {
        if (heald_mutex_trylock(&s->mutex[THEIRS], f->me) == -EOWNERDEAD)
            must(heald_mutex_consistent(&s->mutex[THEIRS], f->me) == 0);
        heald_mutex_unlock(&s->mutex[THEIRS], f->me);
        attach_again(f);
    }
    return false;
}

HEALD_CASE(one_who_is_stopped_at_any_moment_holds_up_nobody)
{
    const char *text = getenv("HEALD_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 10) : (uint64_t)getpid();
    struct rng random = rng_of(seed, 0);

    skip_on_portable(portable);
    struct fixture f = open_region();
    struct shared *s = f.data;

    printf("     HEALD_SEED=%llu\n", (unsigned long long)seed);
    pid_t sweeper = child_start(&f, sweep_all_the_time);
    until_set(&s->ready);
    for (int i = 0; i < ROUNDS; i++) {
        int status;
        pid_t holder = holder_start(&f);
        kill(holder, SIGKILL);
        usleep(rng_below(&random, 300));
        kill(sweeper, SIGSTOP);
        ck_assert_int_eq(waitpid(holder, NULL, 0), holder);
        ck_assert_int_eq(waitpid(sweeper, &status, WUNTRACED), sweeper);
        ck_assert(WIFSTOPPED(status));
        not_held_up(&f);
        kill(sweeper, SIGCONT);
    }
    set_flag(&s->over);
    ck_assert_int_eq(child_end(sweeper), 0);
    fixture_close(&f);
}

static const struct {
    const char *backend, *await;
} waiters[] = {{NULL, NULL}, {"uring", "ring"}, {"epoll", "thread"}, {"poll", "thread"}};

static void on_end(struct heald_op *op)
{
    ++*(int *)op->data;
}

/* Waits for the mutex until the deadline: by blocking, or by an op. */
static int lock_until(struct heald_loop *loop, struct fixture *f, int64_t deadline_ns)
{
    struct shared *s = f->data;
    struct heald_op op = {0};
    int over = 0;

    if (!loop)
        return heald_mutex_lock(&s->mutex[MINE], f->me, deadline_ns);
    ck_assert_int_eq(heald_prep_mutex_lock(&op, &s->mutex[MINE], f->me), 0);
    op.data = &over;
    op.deadline_ns = deadline_ns;
    int err = heald_submit(loop, &op, on_end);
    if (err)
        harness_skip("no loop here waits so: %s", strerror(-err));
    while (!over)
        ck_assert_int_ge(heald_loop_turn(loop, HEALD_FOREVER), 0);
    return (int)op.result;
}

static bool hold_until_notified(struct fixture *f)
{
    struct shared *s = f->data;

    hold_both(f);
    while (!__atomic_load_n(&s->over, __ATOMIC_ACQUIRE))
        usleep(1000);
    must(heald_mutex_unlock(&s->mutex[MINE], f->me) == 0);
    must(heald_mutex_unlock(&s->mutex[THEIRS], f->me) == 0);
    return false;
}

HEALD_CASE(nothing_is_taken_from_one_who_is_stopped)
{
    struct heald_loop_options o = {.backend = waiters[_i].backend};
    struct fixture f = open_region();
    struct shared *s = f.data;
    struct heald_loop *loop = NULL;
    int status;

    if (o.backend) {
        setenv("HEALD_AWAIT", waiters[_i].await, 1);
        int err = heald_loop_open(&loop, &o);
        if (err)
            harness_skip("no loop on %s: %s", o.backend, strerror(-err));
    }
    pid_t holder = child_start(&f, hold_until_notified);
    until_set(&s->ready);
    kill(holder, SIGSTOP);
    ck_assert_int_eq(waitpid(holder, &status, WUNTRACED), holder);
    ck_assert(WIFSTOPPED(status));
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(lock_until(loop, &f, in_ms(STAY_MS)), -ETIMEDOUT);
        ck_assert_int_eq(heald_mutex_trylock(&s->mutex[MINE], f.me), -EBUSY);
    }
    set_flag(&s->over);
    kill(holder, SIGCONT);
    ck_assert_int_eq(lock_until(loop, &f, in_ms(10000)), 0);
    ck_assert_int_eq(child_end(holder), 0);
    ck_assert_int_eq(heald_mutex_unlock(&s->mutex[MINE], f.me), 0);
    if (loop)
        ck_assert_int_eq(heald_loop_close(loop), 0);
    fixture_close(&f);
}

int main(void)
{
    Suite *suite = suite_create("stopped");
    TCase *group = harness_group(suite, "stopped");

    harness_limit(group, 60);
    harness_add_range(group, one_who_is_stopped_while_he_settles_a_death_holds_up_nobody, 0,
                      sizeof ways / sizeof ways[0]);
    harness_add(group, one_who_is_stopped_at_any_moment_holds_up_nobody);
    harness_add_range(group, nothing_is_taken_from_one_who_is_stopped, 0,
                      sizeof waiters / sizeof waiters[0]);
    return harness_run(suite);
}
