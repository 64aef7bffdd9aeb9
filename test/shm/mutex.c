/* test/shm/mutex.c: the mutex and the condition variable between threads and processes, some of
 * which die. */
#include "shm/shm.h"

#include <pthread.h>

enum { THREADS = 4, ROUNDS = 20000, WAITERS = 4, KILLS = 60, TURNS = 500 };

struct shared {
    struct heald_mutex mutex, other;
    struct heald_cond cond;
    int ready, count, go, woken;
    long sum;
};

static bool lock_and_stay(struct fixture *f)
{
    struct shared *s = f->data;

    if (heald_mutex_lock(&s->mutex, f->me, HEALD_FOREVER) != 0)
        _exit(1);
    set_flag(&s->ready);
    return true;
}

HEALD_CASE(errors_of_the_holder_and_of_others)
{
    struct fixture f = fixture_open();
    struct shared *s = f.data;

    ck_assert_int_eq(heald_mutex_unlock(&s->mutex, f.me), -EPERM);
    ck_assert_int_eq(heald_mutex_consistent(&s->mutex, f.me), -EPERM);
    ck_assert_int_eq(heald_mutex_lock(&s->mutex, f.me, 0), 0);
    ck_assert_int_eq(heald_mutex_lock(&s->mutex, f.me, HEALD_FOREVER), -EDEADLK);
    ck_assert_int_eq(heald_mutex_trylock(&s->mutex, f.me), -EDEADLK);
    ck_assert_int_eq(heald_mutex_consistent(&s->mutex, f.me), -EINVAL);
    ck_assert_int_eq(heald_mutex_unlock(&s->mutex, f.me), 0);
    ck_assert_int_eq(heald_mutex_init(&s->mutex, 8), -EINVAL);
    fixture_close(&f);
}

HEALD_CASE(recursive_by_choice)
{
    struct fixture f = fixture_open();
    struct shared *s = f.data;

    ck_assert_int_eq(heald_mutex_init(&s->mutex, HEALD_MUTEX_RECURSIVE), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(heald_mutex_lock(&s->mutex, f.me, HEALD_FOREVER), 0);
    ck_assert_int_eq(heald_cond_wait(&s->cond, &s->mutex, f.me, 0), -EINVAL);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(heald_mutex_unlock(&s->mutex, f.me), 0);
    ck_assert_int_eq(heald_mutex_unlock(&s->mutex, f.me), -EPERM);
    fixture_close(&f);
}

HEALD_CASE(a_deadline_and_a_try)
{
    struct fixture f = fixture_open();
    struct shared *s = f.data;
    pid_t pid = child_start(&f, lock_and_stay);
    int64_t before, after;

    until_set(&s->ready);
    ck_assert_int_eq(heald_mutex_trylock(&s->mutex, f.me), -EBUSY);
    before = heald_clock_now(HEALD_CLOCK_MONOTONIC);
    ck_assert_int_eq(heald_mutex_lock(&s->mutex, f.me, before + 120 * HEALD_MS), -ETIMEDOUT);
    after = heald_clock_now(HEALD_CLOCK_MONOTONIC);
    ck_assert_int_ge(after - before, 120 * HEALD_MS);
    ck_assert_int_eq(heald_mutex_lock(&s->mutex, f.me, 0), -ETIMEDOUT);
    child_kill(pid);
    ck_assert_int_eq(heald_mutex_trylock(&s->mutex, f.me), -EOWNERDEAD);
    ck_assert_int_eq(heald_mutex_consistent(&s->mutex, f.me), 0);
    ck_assert_int_eq(heald_mutex_unlock(&s->mutex, f.me), 0);
    fixture_close(&f);
}

static void *kill_soon(void *arg)
{
    usleep(30000);
    kill(*(pid_t *)arg, SIGKILL);
    return NULL;
}

HEALD_CASE(a_waiter_hears_of_the_death)
{
    struct fixture f = fixture_open();
    struct shared *s = f.data;
    struct heald_region_stats stats;
    pid_t pid = child_start(&f, lock_and_stay);
    pthread_t killer;

    until_set(&s->ready);
    ck_assert_int_eq(pthread_create(&killer, NULL, kill_soon, &pid), 0);
    ck_assert_int_eq(heald_mutex_lock(&s->mutex, f.me, in_ms(10000)), -EOWNERDEAD);
    pthread_join(killer, NULL);
    heald_region_stats(f.region, &stats);
    ck_assert_uint_eq(stats.deaths, 1);
    ck_assert_uint_eq(stats.participants, 1);
    /* Given up: nobody gets it again. */
    ck_assert_int_eq(heald_mutex_unlock(&s->mutex, f.me), 0);
    ck_assert_int_eq(heald_mutex_lock(&s->mutex, f.me, HEALD_FOREVER), -ENOTRECOVERABLE);
    ck_assert_int_eq(heald_mutex_trylock(&s->mutex, f.me), -ENOTRECOVERABLE);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    fixture_close(&f);
}

HEALD_CASE(a_stopped_holder_is_not_dead)
{
    struct fixture f = fixture_open();
    struct shared *s = f.data;
    pid_t pid = child_start(&f, lock_and_stay);

    until_set(&s->ready);
    kill(pid, SIGSTOP);
    ck_assert_int_eq(heald_mutex_lock(&s->mutex, f.me, in_ms(250)), -ETIMEDOUT);
    kill(pid, SIGCONT);
    ck_assert_int_eq(heald_mutex_trylock(&s->mutex, f.me), -EBUSY);
    child_kill(pid);
    ck_assert_int_eq(heald_mutex_trylock(&s->mutex, f.me), -EOWNERDEAD);
    fixture_close(&f);
}

static void *add_up(void *arg)
{
    struct fixture *f = arg;
    struct shared *s = f->data;
    struct heald_participant *me;

    must(heald_attach(f->region, &me) == 0);
    for (int i = 0; i < ROUNDS; i++) {
        must(heald_mutex_lock(&s->mutex, me, HEALD_FOREVER) == 0);
        s->sum++;
        must(heald_mutex_unlock(&s->mutex, me) == 0);
    }
    heald_detach(me);
    return NULL;
}

HEALD_CASE(threads_exclude_each_other)
{
    struct fixture f = fixture_open();
    struct shared *s = f.data;
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, add_up, &f), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(s->sum, (long)THREADS * ROUNDS);
    fixture_close(&f);
}

static bool add_up_in_a_child(struct fixture *f)
{
    add_up(f);
    return false;
}

HEALD_CASE(processes_exclude_each_other)
{
    struct fixture f = fixture_open();
    struct shared *s = f.data;
    pid_t pids[THREADS];

    for (int i = 0; i < THREADS; i++)
        pids[i] = child_start(&f, add_up_in_a_child);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(child_end(pids[i]), 0);
    ck_assert_int_eq(s->sum, (long)THREADS * ROUNDS);
    fixture_close(&f);
}

/* A lock that repairs what a dead holder left: nothing here. */
static void lock(struct shared *s, struct heald_participant *me)
{
    int err = heald_mutex_lock(&s->mutex, me, HEALD_FOREVER);

    if (err == -EOWNERDEAD)
        err = heald_mutex_consistent(&s->mutex, me);
    must(err == 0);
}

static bool wait_for_turns(struct fixture *f)
{
    struct shared *s = f->data;

    lock(s, f->me);
    for (int seen = 0;; seen = s->count) {
        while (s->count == seen) {
            int err = heald_cond_wait(&s->cond, &s->mutex, f->me, HEALD_FOREVER);
            if (err == -EOWNERDEAD)
                err = heald_mutex_consistent(&s->mutex, f->me);
            must(err == 0);
        }
        s->woken++;
        if (s->go < 0)
            break;
    }
    heald_mutex_unlock(&s->mutex, f->me);
    return false;
}

HEALD_CASE(a_signal_wakes_who_waits)
{
    struct fixture f = fixture_open();
    struct shared *s = f.data;
    pid_t pids[WAITERS];

    for (int i = 0; i < WAITERS; i++)
        pids[i] = child_start(&f, wait_for_turns);
    for (int round = 0; round < 500; round++) {
        lock(s, f.me);
        s->count++;
        heald_mutex_unlock(&s->mutex, f.me);
        heald_cond_broadcast(&s->cond);
    }
    lock(s, f.me);
    s->go = -1;
    s->count++;
    heald_cond_signal(&s->cond);
    heald_mutex_unlock(&s->mutex, f.me);
    for (int i = 0; i < WAITERS; i++)
        ck_assert_int_eq(child_end(pids[i]), 0);
    ck_assert_int_ge(s->woken, WAITERS);
    fixture_close(&f);
}

/* The case that hangs glibc's: waiters killed between broadcasts. */
HEALD_CASE(killed_waiters_hang_nobody)
{
    struct fixture f = fixture_open();
    struct shared *s = f.data;
    pid_t pids[WAITERS];
    unsigned seed = 1;

    for (int i = 0; i < WAITERS; i++)
        pids[i] = child_start(&f, wait_for_turns);
    for (int round = 0; round < KILLS; round++) {
        int victim = rand_r(&seed) % WAITERS;
        usleep((useconds_t)(rand_r(&seed) % 3000));
        kill(pids[victim], SIGKILL);
        lock(s, f.me);
        s->count++;
        heald_mutex_unlock(&s->mutex, f.me);
        heald_cond_broadcast(&s->cond);
        ck_assert_int_eq(waitpid(pids[victim], NULL, 0), pids[victim]);
        pids[victim] = child_start(&f, wait_for_turns);
    }
    lock(s, f.me);
    s->go = -1;
    s->count++;
    heald_mutex_unlock(&s->mutex, f.me);
    heald_cond_broadcast(&s->cond);
    for (int i = 0; i < WAITERS; i++) {
        /* One that has only just started has nothing to wait for. */
        int status;
        while (waitpid(pids[i], &status, WNOHANG) == 0) {
            lock(s, f.me);
            s->count++;
            heald_mutex_unlock(&s->mutex, f.me);
            heald_cond_broadcast(&s->cond);
            usleep(1000);
        }
        ck_assert_int_eq(status, 0);
    }
    fixture_close(&f);
}

HEALD_CASE(a_wait_ends_by_its_deadline)
{
    struct fixture f = fixture_open();
    struct shared *s = f.data;
    int64_t before;

    ck_assert_int_eq(heald_cond_wait(&s->cond, &s->mutex, f.me, 0), -EPERM);
    ck_assert_int_eq(heald_mutex_lock(&s->mutex, f.me, 0), 0);
    before = heald_clock_now(HEALD_CLOCK_MONOTONIC);
    ck_assert_int_eq(heald_cond_wait(&s->cond, &s->mutex, f.me, before + 120 * HEALD_MS),
                     -ETIMEDOUT);
    ck_assert_int_ge(heald_clock_now(HEALD_CLOCK_MONOTONIC) - before, 120 * HEALD_MS);
    ck_assert_int_eq(heald_mutex_unlock(&s->mutex, f.me), 0);
    fixture_close(&f);
}

/* Waits for its turns, and gives each on. */
static void take_turns(struct shared *s, struct heald_participant *me, int mine)
{
    for (int i = 0; i < TURNS; i++) {
        must(heald_mutex_lock(&s->mutex, me, HEALD_FOREVER) == 0);
        while (s->go != mine)
            must(heald_cond_wait(&s->cond, &s->mutex, me, HEALD_FOREVER) == 0);
        s->go = !mine;
        must(heald_cond_signal_unlock(&s->cond, &s->mutex, me) == 0);
    }
}

static bool take_the_second_turns(struct fixture *f)
{
    take_turns(f->data, f->me, 1);
    return false;
}

/* _i: flags of the mutex. */
HEALD_CASE(a_signal_and_an_unlock_in_one)
{
    struct fixture f = fixture_open();
    struct shared *s = f.data;

    ck_assert_int_eq(heald_mutex_init(&s->mutex, (unsigned)_i), 0);
    pid_t pid = child_start(&f, take_the_second_turns);
    take_turns(s, f.me, 0);
    ck_assert_int_eq(child_end(pid), 0);
    ck_assert_int_eq(heald_mutex_trylock(&s->mutex, f.me), 0);
    fixture_close(&f);
}

static bool be_woken(struct fixture *f)
{
    struct shared *s = f->data;

    must(heald_mutex_lock(&s->mutex, f->me, HEALD_FOREVER) == 0);
    set_flag(&s->ready);
    while (!s->go)
        must(heald_cond_wait(&s->cond, &s->mutex, f->me, HEALD_FOREVER) == 0);
    must(heald_mutex_unlock(&s->mutex, f->me) == 0);
    return false;
}

HEALD_CASE(a_signal_and_an_unlock_of_a_mutex_locked_twice)
{
    struct fixture f = fixture_open();
    struct shared *s = f.data;

    ck_assert_int_eq(heald_cond_signal_unlock(&s->cond, &s->mutex, f.me), -EPERM);
    ck_assert_int_eq(heald_mutex_init(&s->mutex, HEALD_MUTEX_RECURSIVE), 0);
    pid_t pid = child_start(&f, be_woken);
    until_set(&s->ready);
    ck_assert_int_eq(heald_mutex_lock(&s->mutex, f.me, HEALD_FOREVER), 0);
    ck_assert_int_eq(heald_mutex_lock(&s->mutex, f.me, HEALD_FOREVER), 0);
    s->go = 1;
    ck_assert_int_eq(heald_cond_signal_unlock(&s->cond, &s->mutex, f.me), 0);
    usleep(2000);
    ck_assert_int_eq(heald_cond_signal_unlock(&s->cond, &s->mutex, f.me), 0);
    ck_assert_int_eq(child_end(pid), 0);
    ck_assert_int_eq(heald_cond_signal_unlock(&s->cond, &s->mutex, f.me), -EPERM);
    fixture_close(&f);
}

int main(void)
{
    Suite *suite = suite_create("mutex");
    TCase *group = harness_group(suite, "mutex");

    harness_add(group, errors_of_the_holder_and_of_others);
    harness_add(group, recursive_by_choice);
    harness_add(group, a_deadline_and_a_try);
    harness_add(group, a_waiter_hears_of_the_death);
    harness_add(group, a_stopped_holder_is_not_dead);
    harness_add(group, threads_exclude_each_other);
    harness_add(group, processes_exclude_each_other);
    group = harness_group(suite, "cond");
    harness_add(group, a_signal_wakes_who_waits);
    harness_add(group, killed_waiters_hang_nobody);
    harness_add(group, a_wait_ends_by_its_deadline);
    harness_add_range(group, a_signal_and_an_unlock_in_one, 0,
                      (HEALD_MUTEX_RECURSIVE | HEALD_MUTEX_FAIR) + 1);
    harness_add(group, a_signal_and_an_unlock_of_a_mutex_locked_twice);
    return harness_run(suite);
}
