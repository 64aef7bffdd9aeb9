/* test/shm/named.c: named semaphores, looking at a region from outside, and names nobody uses. */
#include "shm/shm.h"

#include <sched.h>

enum { CREATE = HEALD_REGION_CREATE };

static const char *name; /* of the case's region */

HEALD_CASE(a_named_semaphore)
{
    struct heald_named_sem a, b;

    name = fresh_name();
    ck_assert_int_eq(heald_sem_open(&a, name, 0, 0), -ENOENT);
    ck_assert_int_eq(heald_sem_open(&a, name, CREATE, 0), -EINVAL);
    ck_assert_int_eq(heald_sem_open(&a, name, CREATE, 2), 0);
    ck_assert_int_eq(heald_sem_open(&b, name, CREATE, 3), -EPROTOTYPE);
    ck_assert_int_eq(heald_sem_open(&b, name, CREATE, 1), -EPROTOTYPE);
    ck_assert_int_eq(heald_sem_open(&b, name, CREATE | HEALD_SEM_COUNTING, 2), -EPROTOTYPE);
    ck_assert_int_eq(heald_sem_open(&b, name, 0, 0), 0);
    ck_assert_int_eq(heald_sem_wait(a.sem, a.me, 0), 0);
    ck_assert_int_eq(heald_sem_wait(b.sem, b.me, 0), 0);
    ck_assert_int_eq(heald_sem_trywait(b.sem, b.me), -EAGAIN);
    ck_assert_int_eq(heald_sem_close(&a), 0);
    /* Its permit came back. */
    ck_assert_int_eq(heald_sem_trywait(b.sem, b.me), 0);
    ck_assert_int_eq(heald_sem_close(&b), 0);
    ck_assert_int_eq(heald_sem_unlink(name), 0);
    ck_assert_int_eq(heald_sem_unlink(name), -ENOENT);
}

HEALD_CASE(a_named_semaphore_that_counts)
{
    struct heald_named_sem a, b;
    int flags = CREATE | HEALD_SEM_COUNTING | HEALD_REGION_TEMPORARY;

    name = fresh_name();
    ck_assert_int_eq(heald_sem_open(&a, name, flags, 1), 0);
    ck_assert_int_eq(heald_sem_open(&b, name, flags, 1), 0);
    ck_assert_int_eq(heald_sem_post(b.sem, b.me), 0);
    ck_assert_int_eq(heald_sem_value(a.sem, a.me), 2);
    heald_sem_close(&a);
    heald_sem_close(&b);
    ck_assert_int_eq(heald_sem_open(&a, name, 0, 0), -ENOENT);
}

/* What a program keeps there is read by one that cannot change it, from the region or the file. */
HEALD_CASE(data_read_from_outside)
{
    const int ways[] = {HEALD_REGION_READ_ONLY, HEALD_REGION_READ_ONLY | HEALD_REGION_SNAPSHOT};
    struct heald_region *r, *outside;
    uint64_t words[2] = {0};

    name = fresh_name();
    ck_assert_int_eq(heald_region_open(&r, name, CREATE, NULL), 0);
    uint64_t *data = heald_region_data(r), at = heald_offset(r, data), end = heald_region_size(r);
    data[0] = 7;
    data[1] = 8;
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(heald_region_open(&outside, name, ways[i], NULL), 0);
        memset(words, 0, sizeof words);
        ck_assert_int_eq(heald_object_read(outside, at, words, sizeof words), 0);
        ck_assert_uint_eq(words[0], 7);
        ck_assert_uint_eq(words[1], 8);
        ck_assert_int_eq(heald_object_read(outside, at + 4, words, 8), -EINVAL);
        ck_assert_int_eq(heald_object_read(outside, at, words, 12), -EINVAL);
        ck_assert_int_eq(heald_object_read(outside, at + end, words, 16), -EINVAL);
        ck_assert_int_eq(heald_object_read(outside, UINT64_MAX - 7, words, 16), -EINVAL);
        heald_region_close(outside);
    }
    heald_region_close(r);
    heald_region_unlink(name);
}

HEALD_CASE(something_else_of_that_name)
{
    struct heald_region *r;
    struct heald_named_sem s;

    name = fresh_name();
    ck_assert_int_eq(heald_region_open(&r, name, CREATE, NULL), 0);
    ck_assert_int_eq(heald_sem_open(&s, name, 0, 0), -EPROTOTYPE);
    ck_assert_int_eq(heald_sem_open(&s, name, CREATE, 2), -EPROTOTYPE);
    heald_region_close(r);
    heald_region_unlink(name);
}

HEALD_CASE(a_killed_holder_of_a_named_one)
{
    struct heald_named_sem s;
    int fds[2];
    char byte;

    name = fresh_name();
    ck_assert_int_eq(heald_sem_open(&s, name, CREATE, 1), 0);
    ck_assert_int_eq(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct heald_named_sem mine;
        must(heald_sem_open(&mine, name, 0, 1) == 0);
        must(heald_sem_wait(mine.sem, mine.me, HEALD_FOREVER) == 0);
        must(write(fds[1], "x", 1) == 1);
        for (;;)
            pause();
    }
    ck_assert_int_eq(read(fds[0], &byte, 1), 1);
    ck_assert_int_eq(heald_sem_trywait(s.sem, s.me), -EAGAIN);
    child_kill(pid);
    ck_assert_int_eq(heald_sem_wait(s.sem, s.me, in_ms(5000)), 0);
    close(fds[0]);
    close(fds[1]);
    heald_sem_close(&s);
    heald_sem_unlink(name);
}

struct shared {
    struct heald_mutex mutex;
    struct heald_rwlock rwlock;
    struct heald_barrier barrier;
    struct heald_once once;
    struct heald_cond cond;
    HEALD_SEM(3) sem;
    HEALD_SEM(1) one;
    int ready;
    int way; /* atomic */
};

static struct heald_object_state look(struct fixture *f, const void *object,
                                      enum heald_object_type type)
{
    struct heald_object_state s;

    ck_assert_int_eq(heald_object_inspect(f->region, heald_offset(f->region, object), type, &s), 0);
    return s;
}

static bool wait_for_mutex(struct fixture *f)
{
    struct shared *s = f->data;

    set_flag(&s->ready);
    heald_mutex_lock(&s->mutex, f->me, in_ms(60000));
    return true;
}

/* The one participant that waits; false: none does. */
static bool find_waiter(struct fixture *f, struct heald_participant_info *ret_info)
{
    unsigned cursor = 0;

    while (heald_participant_next(f->region, &cursor, ret_info))
        if (ret_info->wait_count)
            return true;
    return false;
}

HEALD_CASE(who_holds_and_who_waits)
{
    struct fixture f = fixture_open();
    struct shared *s = f.data;
    struct heald_object_state state = look(&f, &s->mutex, HEALD_OBJECT_MUTEX);
    struct heald_participant_info p;

    ck_assert_int_eq(state.condition, HEALD_OBJECT_FREE);
    ck_assert_int_eq(heald_mutex_lock(&s->mutex, f.me, HEALD_FOREVER), 0);
    state = look(&f, &s->mutex, HEALD_OBJECT_MUTEX);
    ck_assert_int_eq(state.condition, HEALD_OBJECT_HELD);
    ck_assert_uint_eq(state.holder_count, 1);
    ck_assert_uint_ne(state.holders[0].site, 0);
    ck_assert_int_eq(state.last[0].pid, getpid());
    ck_assert(!find_waiter(&f, &p));
    pid_t pid = child_start(&f, wait_for_mutex);
    until_set(&s->ready);
    for (int64_t end = in_ms(10000 * harness_slow()); !find_waiter(&f, &p); usleep(200))
        ck_assert_int_lt(heald_clock_now(HEALD_CLOCK_MONOTONIC), end);
    ck_assert_int_eq(p.thread.pid, pid);
    ck_assert_uint_eq(p.waits[0].offset, heald_offset(f.region, &s->mutex));
    ck_assert_int_eq(p.waits[0].type, HEALD_OBJECT_MUTEX);
    ck_assert_uint_eq(p.waits[0].flags, HEALD_WAIT_DEADLINE);
    child_kill(pid);
    unsigned cursor = 0, gone = 0;
    while (heald_participant_next(f.region, &cursor, &p))
        gone += p.is_gone != 0;
    if (heald_clock_now(HEALD_CLOCK_BOOT) >= 0)
        ck_assert_uint_eq(gone, 1);
    ck_assert_int_eq(heald_mutex_unlock(&s->mutex, f.me), 0);
    ck_assert_int_eq(look(&f, &s->mutex, HEALD_OBJECT_MUTEX).condition, HEALD_OBJECT_FREE);
    fixture_close(&f);
}

enum { WAYS_TO_HOLD = 4 };

/* Takes one of them; try: without waiting. */
static int hold(struct shared *s, struct heald_participant *me, int way, bool try)
{
    switch (way) {
    case 0: return try ? heald_mutex_trylock(&s->mutex, me) : heald_mutex_lock(&s->mutex, me, 0);
    case 1:
        return try ? heald_rwlock_tryrdlock(&s->rwlock, me)
                   : heald_rwlock_rdlock(&s->rwlock, me, 0);
    case 2:
        return try ? heald_rwlock_trywrlock(&s->rwlock, me)
                   : heald_rwlock_wrlock(&s->rwlock, me, 0);
    default: return try ? heald_sem_trywait(&s->one.sem, me) : heald_sem_wait(&s->one.sem, me, 0);
    }
}

static void let_go(struct shared *s, struct heald_participant *me, int way)
{
    ck_assert_int_eq(way == 0   ? heald_mutex_unlock(&s->mutex, me)
                     : way == 3 ? heald_sem_post(&s->one.sem, me)
                                : heald_rwlock_unlock(&s->rwlock, me),
                     0);
}

static struct heald_holder_info holder_of(struct fixture *f, int way)
{
    struct shared *s = f->data;
    struct heald_object_state state = way == 0   ? look(f, &s->mutex, HEALD_OBJECT_MUTEX)
                                      : way == 3 ? look(f, &s->one, HEALD_OBJECT_SEM)
                                                 : look(f, &s->rwlock, HEALD_OBJECT_RWLOCK);

    ck_assert_uint_eq(state.holder_count, 1);
    return state.holders[0];
}

static bool wait_for_all(struct fixture *f)
{
    struct shared *s = f->data;
    int way = __atomic_load_n(&s->way, __ATOMIC_RELAXED);

    if (way == 0)
        heald_mutex_lock(&s->mutex, f->me, in_ms(60000));
    else if (way == 3)
        heald_sem_wait(&s->one.sem, f->me, in_ms(60000));
    else
        heald_rwlock_wrlock(&s->rwlock, f->me, in_ms(60000));
    return true;
}

/* Of each kind of holder: one that finds it free does not read the clock, one that has to wait
 * does. */
HEALD_CASE(where_and_since_when)
{
    struct fixture f = fixture_open();
    struct shared *s = f.data;
    int64_t begin = heald_clock_now(HEALD_CLOCK_MONOTONIC);

    __atomic_store_n(&s->way, _i, __ATOMIC_RELAXED);
    ck_assert_int_eq(heald_sem_init(&s->one.sem, 1), 0);
    ck_assert_int_eq(hold(s, f.me, _i, false), 0);
    ck_assert_uint_ne(holder_of(&f, _i).site, 0);
    ck_assert_int_eq(holder_of(&f, _i).since_ns, 0);
    pid_t pid = child_start(&f, wait_for_all);
    for (int64_t end = in_ms(10000 * harness_slow()); !holder_of(&f, _i).since_ns; usleep(200))
        ck_assert_int_lt(heald_clock_now(HEALD_CLOCK_MONOTONIC), end);
    struct heald_holder_info holder = holder_of(&f, _i);
    ck_assert_int_eq(holder.at_least, 1);
    ck_assert_int_ge(holder.since_ns, begin - 1);
    ck_assert_uint_ne(holder.site, 0);
    child_kill(pid);
    let_go(s, f.me, _i);
    while (hold(s, f.me, _i, true))
        usleep(200); /* what the killed one had begun is undone */
    ck_assert_uint_ne(holder_of(&f, _i).site, 0);
    if (_i == 0)
        ck_assert_int_eq(holder_of(&f, _i).at_least, 0);
    let_go(s, f.me, _i);
    fixture_close(&f);
}

HEALD_CASE(every_kind_is_looked_at)
{
    struct fixture f = fixture_open();
    struct shared *s = f.data;
    struct heald_object_state state;

    ck_assert_int_eq(heald_sem_init(&s->sem.sem, 3), 0);
    ck_assert_int_eq(heald_barrier_init(&s->barrier, 2), 0);
    ck_assert_int_eq(heald_sem_wait(&s->sem.sem, f.me, 0), 0);
    state = look(&f, &s->sem, HEALD_OBJECT_SEM);
    ck_assert_uint_eq(state.free, 2);
    ck_assert_uint_eq(state.max, 3);
    ck_assert_uint_eq(state.holder_count, 1);
    ck_assert_int_eq(heald_rwlock_rdlock(&s->rwlock, f.me, 0), 0);
    ck_assert_uint_eq(look(&f, &s->rwlock, HEALD_OBJECT_RWLOCK).holder_count, 1);
    ck_assert_int_eq(look(&f, &s->barrier, HEALD_OBJECT_BARRIER).free, 2);
    ck_assert_int_eq(look(&f, &s->once, HEALD_OBJECT_ONCE).condition, HEALD_OBJECT_FREE);
    ck_assert_int_eq(heald_once_begin(&s->once, f.me, 0), 1);
    ck_assert_int_eq(look(&f, &s->once, HEALD_OBJECT_ONCE).condition, HEALD_OBJECT_HELD);
    ck_assert_int_eq(heald_once_end(&s->once, f.me, 1), 0);
    ck_assert_int_eq(look(&f, &s->once, HEALD_OBJECT_ONCE).condition, HEALD_OBJECT_DONE);
    look(&f, &s->cond, HEALD_OBJECT_COND);
    ck_assert_int_eq(heald_object_inspect(f.region, 16, HEALD_OBJECT_MUTEX, &state), -EINVAL);
    ck_assert_int_eq(
        heald_object_inspect(f.region, heald_offset(f.region, s) + 4, HEALD_OBJECT_MUTEX, &state),
        -EINVAL);
    ck_assert_int_eq(heald_object_inspect(f.region, heald_offset(f.region, s),
                                          (enum heald_object_type)(HEALD_OBJECT_TOPIC + 1), &state),
                     -EINVAL);
    s->sem.sem.permits ^= 1;
    s->rwlock.size ^= 2;
    s->barrier.needed ^= 4;
    ck_assert_int_eq(look(&f, &s->sem, HEALD_OBJECT_SEM).condition, HEALD_OBJECT_UNKNOWN);
    ck_assert_int_eq(look(&f, &s->rwlock, HEALD_OBJECT_RWLOCK).condition, HEALD_OBJECT_UNKNOWN);
    ck_assert_int_eq(look(&f, &s->barrier, HEALD_OBJECT_BARRIER).condition, HEALD_OBJECT_UNKNOWN);
    memset(s, 0xff, sizeof *s);
    for (int type = 0; type <= HEALD_OBJECT_TOPIC; type++)
        look(&f, s, (enum heald_object_type)type);
    ck_assert_str_eq(heald_object_condition_name(HEALD_OBJECT_LOST), "lost");
    fixture_close(&f);
}

HEALD_CASE(unused_is_what_nobody_has_open)
{
    struct heald_region *r;
    struct heald_region_info info;

    name = fresh_name();
    ck_assert_int_eq(heald_region_unlink_unused(name, 0), -ENOENT);
    ck_assert_int_eq(heald_region_open(&r, name, CREATE, NULL), 0);
    heald_region_inspect(r, &info);
    ck_assert_int_eq(info.creator.pid, getpid());
    ck_assert_int_eq(info.creator_is_gone, 0);
    ck_assert_int_eq(heald_region_unlink_unused(name, 1), -EBUSY);
    ck_assert_int_eq(heald_region_unlink_unused(name, 0), -EBUSY);
    heald_region_close(r);
    ck_assert_int_eq(heald_region_unlink_unused(name, 1), 0);
    ck_assert_int_eq(heald_region_unlink_unused(name, 0), 0);
    ck_assert_int_eq(heald_region_unlink_unused(name, 0), -ENOENT);
}

/* Makes a region again and again: while it has one open, that has its name. */
static bool has_its_name(struct fixture *f)
{
    struct heald_region *r, *again;

    (void)f;
    int64_t end = in_ms(3000);
    for (int i = 0; i < 2000 && heald_clock_now(HEALD_CLOCK_MONOTONIC) < end; i++) {
        must(heald_region_open(&r, name, CREATE | HEALD_REGION_TEMPORARY, NULL) == 0);
        sched_yield();
        must(heald_region_open(&again, name, 0, NULL) == 0);
        heald_region_close(again);
        heald_region_close(r);
    }
    return false;
}

HEALD_CASE(what_is_unused_is_not_taken_for_its_successor)
{
    struct fixture f = fixture_open();
    int status;

    name = fresh_name();
    pid_t pid = child_start(&f, has_its_name);
    while (waitpid(pid, &status, WNOHANG) == 0)
        heald_region_unlink_unused(name, 0);
    ck_assert_int_eq(status, 0);
    fixture_close(&f);
}

int main(void)
{
    Suite *suite = suite_create("named");
    TCase *group = harness_group(suite, "named");

    harness_add(group, a_named_semaphore);
    harness_add(group, a_named_semaphore_that_counts);
    harness_add(group, data_read_from_outside);
    harness_add(group, something_else_of_that_name);
    harness_add(group, a_killed_holder_of_a_named_one);
    harness_add(group, who_holds_and_who_waits);
    harness_add_range(group, where_and_since_when, 0, WAYS_TO_HOLD);
    harness_add(group, every_kind_is_looked_at);
    harness_add(group, unused_is_what_nobody_has_open);
    harness_add(group, what_is_unused_is_not_taken_for_its_successor);
    return harness_run(suite);
}
