/*
 * test/shm/clocks.c: one region, and participants whose clocks differ: a process in a time name
 * space of its own, whose monotonic clock is far ahead.
 */
#include "shm/shm.h"

#include <heald/inspect.h>

#include <fcntl.h>
#ifdef __linux__
#include <sched.h>
#endif

enum { NOT_PERMITTED = 77, AHEAD_S = 100000 };

struct shared {
    struct heald_mutex mutex, held;
    int next, order[2], came[2], over, looked;
};

/* The children of the caller will have a clock that is ahead. */
static int new_time_space(void)
{
#ifdef CLONE_NEWTIME
    char text[32];
    int fd, n = snprintf(text, sizeof text, "monotonic %d 0\n", (int)AHEAD_S);

    if (unshare(geteuid() == 0 ? CLONE_NEWTIME : CLONE_NEWTIME | CLONE_NEWUSER) < 0)
        return -1;
    fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, (size_t)n) != n)
        return -1;
    close(fd);
    return 0;
#else
    return -1;
#endif
}

/* As child_start(), there; what fn returns is the status. */
static pid_t child_ahead(struct fixture *f, bool (*fn)(struct fixture *))
{
    pid_t pid = fork();
    int status;

    ck_assert_int_ge(pid, 0);
    if (pid > 0)
        return pid;
    if (new_time_space() < 0)
        _exit(NOT_PERMITTED);
    pid = fork();
    if (pid == 0) {
        must(heald_attach(f->region, &f->me) == 0);
        _exit(fn(f));
    }
    must(pid > 0 && waitpid(pid, &status, 0) == pid);
    _exit(!WIFEXITED(status) || WEXITSTATUS(status));
}

/* Waits for a flag that such a child sets. */
static void until_set_there(pid_t pid, const int *flag)
{
    int status;

    while (!__atomic_load_n(flag, __ATOMIC_ACQUIRE)) {
        if (waitpid(pid, &status, WNOHANG) == pid) {
            ck_assert_int_eq(WEXITSTATUS(status), NOT_PERMITTED);
            harness_skip("no time name space can be made here");
        }
        usleep(500);
    }
}

static bool stand_in_line(struct fixture *f, int number)
{
    struct shared *s = f->data;

    set_flag(&s->came[number]);
    must(heald_mutex_lock(&s->mutex, f->me, HEALD_FOREVER) == 0);
    s->order[s->next++] = number;
    must(heald_mutex_unlock(&s->mutex, f->me) == 0);
    return false;
}

static bool stand_first(struct fixture *f)
{
    return stand_in_line(f, 0);
}

static bool stand_second(struct fixture *f)
{
    return stand_in_line(f, 1);
}

/* How many wait, and the latest time since when one of them has; *ret_ticket: of the slot's. */
static int count_waits(struct fixture *f, int64_t *ret_since, uint64_t tickets[2])
{
    struct heald_participant_info info;
    unsigned cursor = 0;
    int n = 0;

    *ret_since = 0;
    while (heald_participant_next(f->region, &cursor, &info))
        for (unsigned i = 0; i < info.wait_count && n < 2; i++) {
            tickets[n++] = info.waits[i].ticket;
            if (info.waits[i].since_ns > *ret_since)
                *ret_since = info.waits[i].since_ns;
        }
    return n;
}

static void until_waiting(struct fixture *f, int count)
{
    int64_t since, end = in_ms(10000 * harness_slow());
    uint64_t tickets[2];

    while (count_waits(f, &since, tickets) < count) {
        ck_assert_int_lt(heald_clock_now(HEALD_CLOCK_MONOTONIC), end);
        usleep(500);
    }
}

static struct fixture open_held(void)
{
    struct fixture f = fixture_open_with(&(struct heald_region_options){.trace = 1});
    struct shared *s = f.data;

    ck_assert_int_eq(heald_mutex_init(&s->mutex, HEALD_MUTEX_FAIR), 0);
    ck_assert_int_eq(heald_mutex_lock(&s->mutex, f.me, HEALD_FOREVER), 0);
    return f;
}

HEALD_CASE(who_came_first_is_first_whatever_his_clock)
{
    struct fixture f = open_held();
    struct shared *s = f.data;
    uint64_t tickets[2];
    int64_t since;

    pid_t ahead = child_ahead(&f, stand_first);
    until_set_there(ahead, &s->came[0]);
    until_waiting(&f, 1);
    /* It has waited for no negative time, and for none of another clock. */
    ck_assert_int_eq(count_waits(&f, &since, tickets), 1);
    ck_assert_int_eq(since, 0);
    pid_t here = child_start(&f, stand_second);
    until_waiting(&f, 2);
    ck_assert_int_eq(count_waits(&f, &since, tickets), 2);
    ck_assert_int_gt(since, 0);
    ck_assert_uint_lt(tickets[0], tickets[1]);
    ck_assert_int_eq(heald_mutex_unlock(&s->mutex, f.me), 0);
    ck_assert_int_eq(child_end(ahead), 0);
    ck_assert_int_eq(child_end(here), 0);
    ck_assert_int_eq(s->order[0], 0);
    ck_assert_int_eq(s->order[1], 1);
    fixture_close(&f);
}

static int64_t held_since(struct fixture *f, const struct heald_mutex *mutex)
{
    struct heald_object_state state;

    must(heald_object_inspect(f->region, heald_offset(f->region, mutex), HEALD_OBJECT_MUTEX,
                              &state) == 0);
    return state.holders[0].since_ns;
}

/* There: what is held here, and what it holds itself. */
static bool hold_and_look(struct fixture *f)
{
    struct shared *s = f->data;
    int64_t now = heald_clock_now(HEALD_CLOCK_MONOTONIC);

    must(now > AHEAD_S * HEALD_SEC);
    must(held_since(f, &s->mutex) == 0);
    must(heald_mutex_lock(&s->held, f->me, HEALD_FOREVER) == 0);
    must(held_since(f, &s->held) >= now);
    set_flag(&s->looked);
    while (!__atomic_load_n(&s->over, __ATOMIC_ACQUIRE))
        usleep(500);
    must(heald_mutex_unlock(&s->held, f->me) == 0);
    return false;
}

HEALD_CASE(no_age_is_reported_of_another_clock)
{
    skip_on_portable("does not know name spaces of time");
    struct fixture f = open_held();
    struct shared *s = f.data;

    pid_t pid = child_ahead(&f, hold_and_look);
    until_set_there(pid, &s->looked);
    ck_assert_int_gt(held_since(&f, &s->mutex), 0);
    ck_assert_int_eq(held_since(&f, &s->held), 0);
    set_flag(&s->over);
    ck_assert_int_eq(child_end(pid), 0);
    fixture_close(&f);
}

/* As after a start of the machine, or of a clock that was set: what is to come was not. */
HEALD_CASE(no_age_is_negative)
{
    struct fixture f = open_held();
    struct shared *s = f.data;

    ck_assert_int_gt(held_since(&f, &s->mutex), 0);
    s->mutex.since = heald_clock_now(HEALD_CLOCK_MONOTONIC) + AHEAD_S * HEALD_SEC;
    ck_assert_int_eq(held_since(&f, &s->mutex), 0);
    s->mutex.since = -1;
    ck_assert_int_eq(held_since(&f, &s->mutex), 0);
    fixture_close(&f);
}

static bool hold_for_ever(struct fixture *f)
{
    struct shared *s = f->data;

    must(heald_mutex_lock(&s->held, f->me, HEALD_FOREVER) == 0);
    set_flag(&s->looked);
    return true;
}

/* What a dead process left has no holder; and the clock of its time may have been another. */
HEALD_CASE(what_is_orphaned_has_no_age)
{
    skip_on_portable("cannot see a death before it takes the lifeline");
    struct fixture f = open_held();
    struct shared *s = f.data;
    pid_t pid = child_start(&f, hold_for_ever);

    until_set(&s->looked);
    ck_assert_int_gt(held_since(&f, &s->held), 0);
    child_kill(pid);
    ck_assert_int_eq(held_since(&f, &s->held), 0);
    fixture_close(&f);
}

int main(void)
{
    Suite *suite = suite_create("clocks");
    TCase *group = harness_group(suite, "clocks");

    harness_add(group, who_came_first_is_first_whatever_his_clock);
    harness_add(group, no_age_is_reported_of_another_clock);
    harness_add(group, no_age_is_negative);
    harness_add(group, what_is_orphaned_has_no_age);
    return harness_run(suite);
}
