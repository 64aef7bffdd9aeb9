/*
 * test/shm/spaces.c: one region, and participants in two PID name spaces: the numbers of the one
 * mean nothing in the other, or another process.
 *
 * The process in the other name space is the first there (1), or a later one (2, 3, …), and
 * attaches to a region that it opened itself, or that its parent had open before the name space was
 * made.
 */
#include "shm/shm.h"

#include <heald/inspect.h>

#ifdef __linux__
#include <sched.h>
#endif

enum { NOT_PERMITTED = 77, GENERATIONS = 20, HELD_MS = 160 };

struct shared {
    struct heald_mutex mutex, other;
    int ready, over, pid;
};

enum { OPENED_ANEW = 1, NOT_THE_FIRST = 2, VARIANTS = 4 };

/* Else all participants are taken to be of one. */
static bool tells_spaces(void)
{
    return heald_clock_now(HEALD_CLOCK_BOOT) >= 0;
}

static int new_space(void)
{
#ifdef CLONE_NEWPID
    return unshare(geteuid() == 0 ? CLONE_NEWPID : CLONE_NEWPID | CLONE_NEWUSER);
#else
    return -1;
#endif
}

/* Its numbers are those of a process outside that has long gone, or of one that has nothing to do
 * with it. */
static void be_a_later_one(void)
{
    for (int i = 0; i < GENERATIONS; i++) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(0);
        must(pid > 0 && waitpid(pid, NULL, 0) == pid);
    }
}

static void live_there(struct fixture *f, int variant, void (*live)(struct fixture *))
{
    struct heald_region *region;

    if (variant & OPENED_ANEW) {
        must(heald_region_open_fd(&region, heald_region_fd(f->region)) == 0);
        f->region = region;
        f->data = heald_region_data(region);
    }
    must(heald_attach(f->region, &f->me) == 0);
    ((struct shared *)f->data)->pid = (int)getpid();
    live(f);
    for (;;)
        pause();
}

/* The process that stands between, in the outer name space. With its end all those within end. */
static pid_t space_start(struct fixture *f, int variant, void (*live)(struct fixture *))
{
    struct shared *s = f->data;
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        if (new_space() < 0)
            _exit(NOT_PERMITTED);
        pid_t first = fork(), later = 0;
        if (first == 0 && variant & NOT_THE_FIRST) {
            be_a_later_one();
            later = fork();
            if (later > 0)
                _exit(waitpid(later, NULL, 0) != later);
        }
        if (first == 0)
            live_there(f, variant, live);
        /* On request: ends it, without ending itself first. */
        while (first > 0 && !__atomic_load_n(&s->over, __ATOMIC_ACQUIRE)) {
            if (waitpid(first, NULL, WNOHANG) == first)
                _exit(1);
            usleep(500);
        }
        if (first > 0) {
            kill(first, SIGKILL);
            waitpid(first, NULL, 0);
        }
        _exit(first < 0 ? NOT_PERMITTED : 0);
    }
    while (!__atomic_load_n(&s->ready, __ATOMIC_ACQUIRE)) {
        if (waitpid(pid, &status, WNOHANG) == pid) {
            ck_assert_int_eq(WEXITSTATUS(status), NOT_PERMITTED);
            harness_skip("no PID name space can be made here");
        }
        usleep(500);
    }
    return pid;
}

static void end_space(struct fixture *f, pid_t pid)
{
    set_flag(&((struct shared *)f->data)->over);
    ck_assert_int_eq(child_end(pid), 0);
}

static void hold(struct fixture *f)
{
    struct shared *s = f->data;

    must(heald_mutex_lock(&s->mutex, f->me, HEALD_FOREVER) == 0);
    set_flag(&s->ready);
}

/* Tries all that would take it for gone: a wait for it, an attach, and a look. */
static void is_seen_alive(struct fixture *f)
{
    struct shared *s = f->data;
    struct heald_participant *again;
    struct heald_participant_info info;
    struct heald_region_stats stats;
    unsigned there = 0, here = 0;

    ck_assert_int_eq(heald_mutex_lock(&s->mutex, f->me, in_ms(HELD_MS)), -ETIMEDOUT);
    ck_assert_int_eq(heald_attach(f->region, &again), 0);
    heald_detach(again);
    ck_assert_int_eq(heald_mutex_trylock(&s->mutex, f->me), -EBUSY);
    heald_region_stats(f->region, &stats);
    ck_assert_uint_eq(stats.deaths, 0);
    for (unsigned cursor = 0; heald_participant_next(f->region, &cursor, &info) == 1;) {
        ck_assert_int_eq(info.is_gone, 0);
        here += info.thread.is_here && info.thread.pid == getpid();
        there += !info.thread.is_here && info.thread.pid == (pid_t)s->pid;
    }
    if (tells_spaces())
        ck_assert_uint_eq(here + there, 2);
    ck_assert_uint_eq(here, 1);
}

HEALD_CASE(a_holder_in_another_name_space_is_seen_alive_and_dead)
{
    struct fixture f = fixture_open();
    struct shared *s = f.data;

    pid_t pid = space_start(&f, _i, hold);
    is_seen_alive(&f);
    end_space(&f, pid);
    ck_assert_int_eq(heald_mutex_lock(&s->mutex, f.me, in_ms(5000)), -EOWNERDEAD);
    fixture_close(&f);
}

/* From within: the holder is outside, and lives; then it has died. */
static void want(struct fixture *f)
{
    struct shared *s = f->data;
    struct heald_participant *again;
    struct heald_participant_info info;
    unsigned others = 0;

    must(heald_mutex_lock(&s->mutex, f->me, in_ms(HELD_MS)) == -ETIMEDOUT);
    must(heald_attach(f->region, &again) == 0);
    heald_detach(again);
    must(heald_mutex_trylock(&s->mutex, f->me) == -EBUSY);
    for (unsigned cursor = 0; heald_participant_next(f->region, &cursor, &info) == 1;) {
        must(!info.is_gone);
        others += !info.thread.is_here;
    }
    /* The case, and the holder. */
    must(others == 2 || !tells_spaces());
    set_flag(&s->ready);
    must(heald_mutex_lock(&s->mutex, f->me, HEALD_FOREVER) == -EOWNERDEAD);
    must(heald_mutex_consistent(&s->mutex, f->me) == 0);
    must(heald_mutex_unlock(&s->mutex, f->me) == 0);
    must(heald_mutex_lock(&s->other, f->me, HEALD_FOREVER) == 0);
    s->pid = -1;
}

static bool hold_outside(struct fixture *f)
{
    struct shared *s = f->data;

    must(heald_mutex_lock(&s->mutex, f->me, HEALD_FOREVER) == 0);
    set_flag(&s->ready);
    return true;
}

HEALD_CASE(a_holder_outside_is_seen_alive_and_dead)
{
    struct fixture f = fixture_open();
    struct shared *s = f.data;

    pid_t holder = child_start(&f, hold_outside);
    until_set(&s->ready);
    s->ready = 0;
    pid_t pid = space_start(&f, _i, want);
    child_kill(holder);
    for (int64_t end = in_ms(10000 * harness_slow()); __atomic_load_n(&s->pid, 2) != -1;) {
        ck_assert_int_lt(heald_clock_now(HEALD_CLOCK_MONOTONIC), end);
        usleep(500);
    }
    end_space(&f, pid);
    ck_assert_int_eq(heald_mutex_lock(&s->mutex, f.me, in_ms(5000)), 0);
    ck_assert_int_eq(heald_mutex_lock(&s->other, f.me, in_ms(5000)), -EOWNERDEAD);
    fixture_close(&f);
}

/* Both are number 1 in their own name spaces, and so are their threads. */
HEALD_CASE(equal_numbers_are_not_the_same)
{
    struct fixture f = fixture_open();
    struct shared *s = f.data;

    pid_t first = space_start(&f, 0, hold);
    int number = s->pid;
    s->ready = 0;
    struct fixture g = f;
    pid_t second = fork();
    if (second == 0) {
        int status;
        if (new_space() < 0)
            _exit(NOT_PERMITTED);
        pid_t pid = fork();
        if (pid == 0) {
            must(heald_attach(g.region, &g.me) == 0);
            must((int)getpid() == number);
            must(heald_mutex_lock(&s->mutex, g.me, in_ms(HELD_MS)) == -ETIMEDOUT);
            must(heald_mutex_unlock(&s->mutex, g.me) == -EPERM);
            set_flag(&s->ready);
            must(heald_mutex_lock(&s->mutex, g.me, HEALD_FOREVER) == -EOWNERDEAD);
            _exit(0);
        }
        must(waitpid(pid, &status, 0) == pid);
        _exit(!WIFEXITED(status) || WEXITSTATUS(status));
    }
    until_set(&s->ready);
    end_space(&f, first);
    ck_assert_int_eq(child_end(second), 0);
    ck_assert_int_eq(heald_mutex_lock(&s->mutex, f.me, in_ms(5000)), -EOWNERDEAD);
    fixture_close(&f);
}

int main(void)
{
    Suite *suite = suite_create("spaces");
    TCase *group = harness_group(suite, "spaces");

    harness_add_range(group, a_holder_in_another_name_space_is_seen_alive_and_dead, 0, VARIANTS);
    harness_add_range(group, a_holder_outside_is_seen_alive_and_dead, 0, VARIANTS);
    harness_add(group, equal_numbers_are_not_the_same);
    return harness_run(suite);
}
