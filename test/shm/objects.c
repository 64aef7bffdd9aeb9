/* test/shm/objects.c: semaphores, read-write locks, barriers and once between processes, some of
 * which die. */
#include "shm/shm.h"

enum { PERMITS = 3, PARTIES = 4, ROUNDS = 300, KILLS = 30 };

struct shared {
    HEALD_SEM(PERMITS) tickets;
    struct heald_sem count;
    struct heald_rwlock lock;
    struct heald_barrier barrier;
    struct heald_once once;
    int ready, done, inside, times;
    long a, b;
};

static struct shared *shared_of(struct fixture *f)
{
    return f->data;
}

static bool take_and_stay(struct fixture *f)
{
    struct shared *s = shared_of(f);

    must(heald_sem_wait(&s->tickets.sem, f->me, HEALD_FOREVER) == 0);
    must(heald_sem_wait(&s->tickets.sem, f->me, HEALD_FOREVER) == 0);
    set_flag(&s->ready);
    return true;
}

HEALD_CASE(permits_of_the_dead_come_back)
{
    struct fixture f = fixture_open();
    struct shared *s = f.data;
    struct heald_sem *sem = &s->tickets.sem;

    ck_assert_int_eq(heald_sem_init(sem, 0), -EINVAL);
    ck_assert_int_eq(heald_sem_init(sem, HEALD_SEM_PERMITS_MAX + 1), -EINVAL);
    ck_assert_int_eq(heald_sem_init(sem, PERMITS), 0);
    ck_assert_int_eq(heald_sem_post(sem, f.me), -EPERM);
    pid_t pid = child_start(&f, take_and_stay);
    until_set(&s->ready);
    ck_assert_int_eq(heald_sem_value(sem, f.me), 1);
    ck_assert_int_eq(heald_sem_trywait(sem, f.me), 0);
    ck_assert_int_eq(heald_sem_trywait(sem, f.me), -EAGAIN);
    ck_assert_int_eq(heald_sem_wait(sem, f.me, in_ms(120)), -ETIMEDOUT);
    child_kill(pid);
    ck_assert_int_eq(heald_sem_wait(sem, f.me, in_ms(5000)), 0);
    ck_assert_int_eq(heald_sem_value(sem, f.me), 1);
    ck_assert_int_eq(heald_sem_post(sem, f.me), 0);
    ck_assert_int_eq(heald_sem_post(sem, f.me), 0);
    ck_assert_int_eq(heald_sem_post(sem, f.me), -EPERM);
    ck_assert_int_eq(heald_sem_value(sem, f.me), PERMITS);
    fixture_close(&f);
}

static bool take_turns(struct fixture *f)
{
    struct shared *s = shared_of(f);

    for (int i = 0; i < ROUNDS; i++) {
        must(heald_sem_wait(&s->tickets.sem, f->me, HEALD_FOREVER) == 0);
        must(__atomic_add_fetch(&s->inside, 1, __ATOMIC_SEQ_CST) <= PERMITS);
        __atomic_sub_fetch(&s->inside, 1, __ATOMIC_SEQ_CST);
        must(heald_sem_post(&s->tickets.sem, f->me) == 0);
    }
    return false;
}

HEALD_CASE(no_more_than_there_are_permits)
{
    struct fixture f = fixture_open();
    pid_t pids[PARTIES];

    ck_assert_int_eq(heald_sem_init(&shared_of(&f)->tickets.sem, PERMITS), 0);
    for (int i = 0; i < PARTIES; i++)
        pids[i] = child_start(&f, take_turns);
    for (int i = 0; i < PARTIES; i++)
        ck_assert_int_eq(child_end(pids[i]), 0);
    fixture_close(&f);
}

static bool post_many(struct fixture *f)
{
    for (int i = 0; i < ROUNDS; i++)
        must(heald_sem_post(&shared_of(f)->count, f->me) == 0);
    return false;
}

HEALD_CASE(one_that_counts)
{
    struct fixture f = fixture_open();
    struct heald_sem *sem = &shared_of(&f)->count;

    ck_assert_int_eq(heald_sem_init_counting(sem, 1), 0);
    ck_assert_int_eq(heald_sem_trywait(sem, f.me), 0);
    ck_assert_int_eq(heald_sem_trywait(sem, f.me), -EAGAIN);
    pid_t pid = child_start(&f, post_many);
    for (int i = 0; i < ROUNDS; i++)
        ck_assert_int_eq(heald_sem_wait(sem, f.me, in_ms(10000)), 0);
    ck_assert_int_eq(heald_sem_value(sem, f.me), 0);
    ck_assert_int_eq(child_end(pid), 0);
    ck_assert_int_eq(heald_sem_init_counting(sem, UINT32_MAX), 0);
    ck_assert_int_eq(heald_sem_post(sem, f.me), -EOVERFLOW);
    /* More permits than there is room for in the region. */
    sem->permits = HEALD_SEM_PERMITS_MAX * 4;
    ck_assert_int_eq(heald_sem_trywait(sem, f.me), -EBADMSG);
    ck_assert_int_eq(heald_sem_post(sem, f.me), -EBADMSG);
    fixture_close(&f);
}

static bool read_and_stay(struct fixture *f)
{
    must(heald_rwlock_rdlock(&shared_of(f)->lock, f->me, HEALD_FOREVER) == 0);
    set_flag(&shared_of(f)->ready);
    return true;
}

static bool write_and_stay(struct fixture *f)
{
    must(heald_rwlock_wrlock(&shared_of(f)->lock, f->me, HEALD_FOREVER) == 0);
    set_flag(&shared_of(f)->ready);
    return true;
}

HEALD_CASE(readers_that_die_are_forgotten)
{
    struct fixture f = fixture_open();
    struct shared *s = f.data;
    pid_t pid = child_start(&f, read_and_stay);

    until_set(&s->ready);
    ck_assert_int_eq(heald_rwlock_unlock(&s->lock, f.me), -EPERM);
    ck_assert_int_eq(heald_rwlock_rdlock(&s->lock, f.me, 0), 0);
    ck_assert_int_eq(heald_rwlock_rdlock(&s->lock, f.me, 0), 0);
    ck_assert_int_eq(heald_rwlock_wrlock(&s->lock, f.me, 0), -EDEADLK);
    ck_assert_int_eq(heald_rwlock_unlock(&s->lock, f.me), 0);
    ck_assert_int_eq(heald_rwlock_unlock(&s->lock, f.me), 0);
    ck_assert_int_eq(heald_rwlock_trywrlock(&s->lock, f.me), -EBUSY);
    ck_assert_int_eq(heald_rwlock_wrlock(&s->lock, f.me, in_ms(120)), -ETIMEDOUT);
    child_kill(pid);
    ck_assert_int_eq(heald_rwlock_wrlock(&s->lock, f.me, in_ms(5000)), 0);
    ck_assert_int_eq(heald_rwlock_rdlock(&s->lock, f.me, 0), -EDEADLK);
    ck_assert_int_eq(heald_rwlock_consistent(&s->lock, f.me), -EINVAL);
    ck_assert_int_eq(heald_rwlock_unlock(&s->lock, f.me), 0);
    fixture_close(&f);
}

HEALD_CASE(a_writer_that_dies_leaves_it_to_the_next)
{
    struct fixture f = fixture_open();
    struct shared *s = f.data;

    for (int round = 0; round < 2; round++) {
        s->ready = 0;
        pid_t pid = child_start(&f, write_and_stay);
        until_set(&s->ready);
        ck_assert_int_eq(heald_rwlock_tryrdlock(&s->lock, f.me), -EBUSY);
        child_kill(pid);
        ck_assert_int_eq(heald_rwlock_rdlock(&s->lock, f.me, in_ms(5000)), -EOWNERDEAD);
        ck_assert_int_eq(heald_rwlock_wrlock(&s->lock, f.me, in_ms(5000)), -EOWNERDEAD);
        if (round == 0)
            ck_assert_int_eq(heald_rwlock_consistent(&s->lock, f.me), 0);
        ck_assert_int_eq(heald_rwlock_unlock(&s->lock, f.me), 0);
    }
    ck_assert_int_eq(heald_rwlock_rdlock(&s->lock, f.me, HEALD_FOREVER), -ENOTRECOVERABLE);
    ck_assert_int_eq(heald_rwlock_wrlock(&s->lock, f.me, HEALD_FOREVER), -ENOTRECOVERABLE);
    fixture_close(&f);
}

static bool read_and_write(struct fixture *f)
{
    struct shared *s = shared_of(f);

    for (int i = 0; i < ROUNDS; i++) {
        if (i % 4 == 0) {
            must(heald_rwlock_wrlock(&s->lock, f->me, HEALD_FOREVER) == 0);
            s->a++;
            s->b++;
        } else {
            must(heald_rwlock_rdlock(&s->lock, f->me, HEALD_FOREVER) == 0);
            must(s->a == s->b);
        }
        must(heald_rwlock_unlock(&s->lock, f->me) == 0);
    }
    return false;
}

static void readers_and_writers(unsigned flags)
{
    struct fixture f = fixture_open();
    struct shared *s = f.data;
    pid_t pids[PARTIES];

    ck_assert_int_eq(heald_rwlock_init(&s->lock, flags), 0);
    for (int i = 0; i < PARTIES; i++)
        pids[i] = child_start(&f, read_and_write);
    for (int i = 0; i < PARTIES; i++)
        ck_assert_int_eq(child_end(pids[i]), 0);
    ck_assert_int_eq(s->a, PARTIES * ROUNDS / 4);
    fixture_close(&f);
}

HEALD_CASE(readers_and_writers_exclude_each_other)
{
    readers_and_writers(0);
}

HEALD_CASE(the_same_with_writers_preferred)
{
    readers_and_writers(HEALD_RWLOCK_PREFER_WRITER);
}

static bool write_once(struct fixture *f)
{
    struct shared *s = shared_of(f);

    set_flag(&s->ready);
    must(heald_rwlock_wrlock(&s->lock, f->me, HEALD_FOREVER) == 0);
    set_flag(&s->done);
    must(heald_rwlock_unlock(&s->lock, f->me) == 0);
    return false;
}

HEALD_CASE(a_waiting_writer_keeps_new_readers_out)
{
    struct fixture f = fixture_open();
    struct shared *s = f.data;
    struct heald_participant *other;

    ck_assert_int_eq(heald_rwlock_init(&s->lock, 2), -EINVAL);
    ck_assert_int_eq(heald_rwlock_init(&s->lock, HEALD_RWLOCK_PREFER_WRITER), 0);
    ck_assert_int_eq(heald_attach(f.region, &other), 0);
    ck_assert_int_eq(heald_rwlock_rdlock(&s->lock, f.me, 0), 0);
    pid_t pid = child_start(&f, write_once);
    until_set(&s->ready);
    while (heald_rwlock_tryrdlock(&s->lock, other) == 0) {
        ck_assert_int_eq(heald_rwlock_unlock(&s->lock, other), 0);
        usleep(1000);
    }
    /* A participant that reads already may do so again. */
    ck_assert_int_eq(heald_rwlock_tryrdlock(&s->lock, f.me), 0);
    ck_assert_int_eq(heald_rwlock_unlock(&s->lock, f.me), 0);
    ck_assert_int_eq(s->done, 0);
    ck_assert_int_eq(heald_rwlock_unlock(&s->lock, f.me), 0);
    ck_assert_int_eq(child_end(pid), 0);
    ck_assert_int_eq(heald_rwlock_rdlock(&s->lock, other, in_ms(5000)), 0);
    heald_detach(other);
    fixture_close(&f);
}

static bool meet(struct fixture *f)
{
    struct shared *s = shared_of(f);

    for (int i = 0; i < ROUNDS; i++) {
        __atomic_add_fetch(&s->inside, 1, __ATOMIC_SEQ_CST);
        int last = heald_barrier_wait(&s->barrier, f->me, HEALD_FOREVER, NULL);
        must(last == 0 || last == 1);
        must(__atomic_load_n(&s->inside, __ATOMIC_SEQ_CST) >= (i + 1) * PARTIES);
        if (last)
            __atomic_add_fetch(&s->times, 1, __ATOMIC_SEQ_CST);
    }
    return false;
}

HEALD_CASE(nobody_passes_before_all_have_come)
{
    struct fixture f = fixture_open();
    struct shared *s = f.data;
    pid_t pids[PARTIES];

    ck_assert_int_eq(heald_barrier_init(&s->barrier, 0), -EINVAL);
    ck_assert_int_eq(heald_barrier_init(&s->barrier, HEALD_BARRIER_MAX + 1), -EINVAL);
    ck_assert_int_eq(heald_barrier_init(&s->barrier, PARTIES), 0);
    for (int i = 0; i < PARTIES; i++)
        pids[i] = child_start(&f, meet);
    for (int i = 0; i < PARTIES; i++)
        ck_assert_int_eq(child_end(pids[i]), 0);
    ck_assert_int_eq(s->times, ROUNDS);
    fixture_close(&f);
}

/* An op that a loop cannot take, since nothing can wait for it, has done nothing. */
HEALD_CASE(a_submit_that_fails_leaves_nothing)
{
    struct fixture f = fixture_open();
    struct shared *s = f.data;
    struct heald_participant *other;
    struct heald_object_state state;
    struct heald_loop *loop;
    struct heald_op op = {0};

    ck_assert_int_eq(heald_loop_open(&loop, NULL), 0);
    setenv("HEALD_AWAIT", "nothing", 1);
    ck_assert_int_eq(heald_attach(f.region, &other), 0);
    ck_assert_int_eq(heald_barrier_init(&s->barrier, 2), 0);
    ck_assert_int_eq(heald_prep_barrier_wait(&op, &s->barrier, f.me, NULL), 0);
    ck_assert_int_eq(heald_submit(loop, &op, NULL), -EINVAL);
    ck_assert_int_eq(heald_object_inspect(f.region, heald_offset(f.region, &s->barrier),
                                          HEALD_OBJECT_BARRIER, &state),
                     0);
    ck_assert_uint_eq(state.free, 2);
    ck_assert_int_eq(heald_rwlock_init(&s->lock, HEALD_RWLOCK_PREFER_WRITER), 0);
    ck_assert_int_eq(heald_rwlock_tryrdlock(&s->lock, other), 0);
    ck_assert_int_eq(heald_prep_rwlock_wrlock(&op, &s->lock, f.me), 0);
    ck_assert_int_eq(heald_submit(loop, &op, NULL), -EINVAL);
    ck_assert_int_eq(heald_rwlock_unlock(&s->lock, other), 0);
    ck_assert_int_eq(heald_rwlock_tryrdlock(&s->lock, other), 0);
    heald_detach(other);
    ck_assert_int_eq(heald_loop_close(loop), 0);
    fixture_close(&f);
}

static bool come_and_wait(struct fixture *f)
{
    set_flag(&shared_of(f)->ready);
    heald_barrier_wait(&shared_of(f)->barrier, f->me, HEALD_FOREVER, NULL);
    return false;
}

static bool come_and_be_sent_away(struct fixture *f)
{
    struct shared *s = shared_of(f);

    must(heald_barrier_wait(&s->barrier, f->me, HEALD_FOREVER, NULL) == -EOWNERDEAD);
    return false;
}

HEALD_CASE(who_waits_there_hears_of_a_reset)
{
    struct fixture f = fixture_open();
    struct shared *s = f.data;
    struct heald_object_state state = {0};

    ck_assert_int_eq(heald_barrier_init(&s->barrier, 3), 0);
    pid_t pid = child_start(&f, come_and_be_sent_away);
    do {
        usleep(200);
        ck_assert_int_eq(heald_object_inspect(f.region, heald_offset(f.region, &s->barrier),
                                              HEALD_OBJECT_BARRIER, &state),
                         0);
    } while (state.free == 3);
    ck_assert_uint_eq(state.max, 3);
    ck_assert_uint_eq(state.holder_count, 1);
    ck_assert_int_eq(heald_barrier_reset(&s->barrier, f.me, heald_barrier_round(&s->barrier)), 0);
    ck_assert_int_eq(child_end(pid), 0);
    fixture_close(&f);
}

HEALD_CASE(one_that_dies_there_breaks_it)
{
    struct fixture f = fixture_open();
    struct shared *s = f.data;

    ck_assert_int_eq(heald_barrier_init(&s->barrier, 3), 0);
    ck_assert_int_eq(heald_barrier_wait(&s->barrier, f.me, in_ms(20), NULL), -ETIMEDOUT);
    pid_t pid = child_start(&f, come_and_wait);
    until_set(&s->ready);
    ck_assert_int_eq(heald_barrier_wait(&s->barrier, f.me, in_ms(200), NULL), -ETIMEDOUT);
    child_kill(pid);
    ck_assert_int_eq(heald_barrier_wait(&s->barrier, f.me, in_ms(5000), NULL), -EOWNERDEAD);
    ck_assert_int_eq(heald_barrier_wait(&s->barrier, f.me, in_ms(5000), NULL), -EOWNERDEAD);
    ck_assert_int_eq(heald_barrier_reset(&s->barrier, f.me, heald_barrier_round(&s->barrier)), 0);
    ck_assert_int_eq(heald_barrier_wait(&s->barrier, f.me, in_ms(20), NULL), -ETIMEDOUT);
    fixture_close(&f);
}

/* The obvious thing, and counts the results. */
static bool come_again_and_again(struct fixture *f)
{
    struct shared *s = shared_of(f);
    uint32_t round;

    while (!__atomic_load_n(&s->done, __ATOMIC_SEQ_CST)) {
        int err = heald_barrier_wait(&s->barrier, f->me, in_ms(5000), &round);
        if (err >= 0) {
            __atomic_add_fetch(&s->times, 1, __ATOMIC_SEQ_CST);
            continue;
        }
        must(err == -EOWNERDEAD);
        __atomic_add_fetch(&s->inside, 1, __ATOMIC_SEQ_CST);
        must(heald_barrier_reset(&s->barrier, f->me, round) == 0);
    }
    return false;
}

/* Are all let through again, after so few resets? Those that get -EOWNERDEAD get it once for the
 * round in which they arrived, and once if they arrive before the first reset. */
static void progress(const struct shared *s, int count)
{
    int let = __atomic_load_n(&s->times, __ATOMIC_SEQ_CST),
        notified = __atomic_load_n(&s->inside, __ATOMIC_SEQ_CST);

    for (int ms = 0; __atomic_load_n(&s->times, __ATOMIC_SEQ_CST) < let + 2 * count; ms++) {
        ck_assert_msg(ms < 5000 * harness_slow(), "nobody gets through");
        usleep(1000);
    }
    notified = __atomic_load_n(&s->inside, __ATOMIC_SEQ_CST) - notified;
    ck_assert_msg(notified <= 4 * count, "%d were told of one death", notified);
}

/* Index: how many come beside two. */
HEALD_CASE(all_reset_at_once_and_go_on)
{
    struct fixture f = fixture_open();
    struct shared *s = f.data;
    int count = _i + 2;
    pid_t pids[PARTIES];

    ck_assert_int_eq(heald_barrier_init(&s->barrier, (unsigned)count), 0);
    for (int i = 0; i < count; i++)
        pids[i] = child_start(&f, come_again_and_again);
    progress(s, count);
    for (int kill = 0; kill < KILLS; kill++) {
        child_kill(pids[kill % count]);
        pids[kill % count] = child_start(&f, come_again_and_again);
        progress(s, count);
    }
    set_flag(&s->done);
    for (int i = 0; i < count; i++)
        child_kill(pids[i]);
    fixture_close(&f);
}

/* A reset names a round: one that has ended is left alone. */
HEALD_CASE(a_late_reset_is_nothing)
{
    struct fixture f = fixture_open();
    struct shared *s = f.data;
    struct heald_object_state state = {0};
    uint32_t round = heald_barrier_round(&s->barrier);

    ck_assert_int_eq(heald_barrier_init(&s->barrier, 2), 0);
    ck_assert_int_eq(heald_barrier_reset(&s->barrier, f.me, round), 0);
    pid_t pid = child_start(&f, come_and_wait);
    while (!state.holder_count) {
        usleep(200);
        ck_assert_int_eq(heald_object_inspect(f.region, heald_offset(f.region, &s->barrier),
                                              HEALD_OBJECT_BARRIER, &state),
                         0);
    }
    for (uint32_t i = 0; i < 3; i++)
        ck_assert_int_eq(heald_barrier_reset(&s->barrier, f.me, round - i), 0);
    ck_assert_int_eq(heald_barrier_wait(&s->barrier, f.me, in_ms(5000), NULL), 1);
    ck_assert_int_eq(child_end(pid), 0);
    fixture_close(&f);
}

static bool do_once(struct fixture *f)
{
    struct shared *s = shared_of(f);
    int err = heald_once_begin(&s->once, f->me, HEALD_FOREVER);

    if (err == 1) {
        s->times++;
        must(heald_once_end(&s->once, f->me, 1) == 0);
        err = 0;
    }
    must(err == 0 && s->times == 1);
    return false;
}

static bool begin_and_stay(struct fixture *f)
{
    must(heald_once_begin(&shared_of(f)->once, f->me, HEALD_FOREVER) == 1);
    set_flag(&shared_of(f)->ready);
    return true;
}

HEALD_CASE(done_once)
{
    struct fixture f = fixture_open();
    struct shared *s = f.data;
    pid_t pids[PARTIES];

    ck_assert_int_eq(heald_once_end(&s->once, f.me, 1), -EPERM);
    for (int i = 0; i < PARTIES; i++)
        pids[i] = child_start(&f, do_once);
    for (int i = 0; i < PARTIES; i++)
        ck_assert_int_eq(child_end(pids[i]), 0);
    ck_assert_int_eq(s->times, 1);
    fixture_close(&f);
}

HEALD_CASE(done_by_another_when_one_dies_over_it)
{
    struct fixture f = fixture_open();
    struct shared *s = f.data;
    pid_t pid = child_start(&f, begin_and_stay);

    until_set(&s->ready);
    ck_assert_int_eq(heald_once_begin(&s->once, f.me, in_ms(20)), -ETIMEDOUT);
    child_kill(pid);
    ck_assert_int_eq(heald_once_begin(&s->once, f.me, in_ms(5000)), -EOWNERDEAD);
    ck_assert_int_eq(heald_once_begin(&s->once, f.me, in_ms(5000)), -EDEADLK);
    ck_assert_int_eq(heald_once_end(&s->once, f.me, 0), 0);
    ck_assert_int_eq(heald_once_begin(&s->once, f.me, 0), 1);
    ck_assert_int_eq(heald_once_end(&s->once, f.me, 1), 0);
    ck_assert_int_eq(heald_once_begin(&s->once, f.me, 0), 0);
    fixture_close(&f);
}

int main(void)
{
    Suite *suite = suite_create("objects");
    TCase *group = harness_group(suite, "sem");

    harness_add(group, permits_of_the_dead_come_back);
    harness_add(group, no_more_than_there_are_permits);
    harness_add(group, one_that_counts);
    group = harness_group(suite, "rwlock");
    harness_add(group, readers_that_die_are_forgotten);
    harness_add(group, a_writer_that_dies_leaves_it_to_the_next);
    harness_add(group, readers_and_writers_exclude_each_other);
    harness_add(group, the_same_with_writers_preferred);
    harness_add(group, a_waiting_writer_keeps_new_readers_out);
    group = harness_group(suite, "barrier");
    harness_add(group, nobody_passes_before_all_have_come);
    harness_add(group, who_waits_there_hears_of_a_reset);
    harness_add(group, one_that_dies_there_breaks_it);
    harness_add(group, a_late_reset_is_nothing);
    harness_add(group, a_submit_that_fails_leaves_nothing);
    harness_add_range(group, all_reset_at_once_and_go_on, 0, PARTIES - 1);
    group = harness_group(suite, "once");
    harness_add(group, done_once);
    harness_add(group, done_by_another_when_one_dies_over_it);
    return harness_run(suite);
}
