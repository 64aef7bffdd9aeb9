/* test/shm/inversion.c: whose order is recorded: memory that is used again, ops, tries, locks that
 * are held more than once. And one that no other could unlock. */
#include "shm/shm.h"

enum { MANY = 300, READS = HEALD_RWLOCK_READERS };

struct shared {
    struct heald_mutex a, b, recursive;
    struct heald_rwlock rwlock, other;
    uint64_t place[2];
};

static int notified;

static void count(const struct heald_inversion *inversion, void *ctx)
{
    (void)inversion;
    (void)ctx;
    notified++;
}

static struct fixture open_traced(void)
{
    struct fixture f = fixture_open_with(
        &(struct heald_region_options){.size = sizeof(struct shared), .heap = 65536, .trace = 1});

    heald_region_on_inversion(f.region, count, NULL);
    notified = 0;
    return f;
}

static void lock_two(struct fixture *f, struct heald_mutex *first, struct heald_mutex *second)
{
    ck_assert_int_eq(heald_mutex_lock(first, f->me, HEALD_FOREVER), 0);
    ck_assert_int_eq(heald_mutex_lock(second, f->me, HEALD_FOREVER), 0);
    ck_assert_int_eq(heald_mutex_unlock(second, f->me), 0);
    ck_assert_int_eq(heald_mutex_unlock(first, f->me), 0);
}

HEALD_CASE(one_that_is_made_anew_has_no_past)
{
    struct fixture f = open_traced();
    struct shared *s = f.data;

    lock_two(&f, &s->a, &s->b);
    ck_assert_int_eq(heald_mutex_init(&s->b, 0), 0);
    lock_two(&f, &s->b, &s->a);
    ck_assert_int_eq(notified, 0);
    lock_two(&f, &s->a, &s->b);
    ck_assert_int_eq(notified, 1);
    /* Nor has its conflict been reported before. */
    memset(&s->a, 0, sizeof s->a);
    lock_two(&f, &s->a, &s->b);
    ck_assert_int_eq(notified, 1);
    lock_two(&f, &s->b, &s->a);
    ck_assert_int_eq(notified, 2);
    fixture_close(&f);
}

HEALD_CASE(nor_one_in_memory_that_was_freed)
{
    struct fixture f = open_traced();
    struct heald_object_options o = {.type = HEALD_OBJECT_MUTEX};
    struct shared *s = f.data;
    void *first, *second;

    ck_assert_int_eq(heald_object_open(f.me, "one", &o, &first, NULL), 0);
    lock_two(&f, &s->a, first);
    ck_assert_int_eq(heald_object_remove(f.me, "one"), 0);
    ck_assert_int_eq(heald_object_open(f.me, "two", &o, &second, NULL), 0);
    ck_assert_ptr_eq(first, second);
    lock_two(&f, second, &s->a);
    ck_assert_int_eq(notified, 0);
    lock_two(&f, &s->a, second);
    ck_assert_int_eq(notified, 1);
    fixture_close(&f);
}

/* What is freed while it is held is held no more. */
HEALD_CASE(nor_is_it_held_still)
{
    struct fixture f = open_traced();
    struct shared *s = f.data;

    ck_assert_int_eq(heald_mutex_lock(&s->a, f.me, HEALD_FOREVER), 0);
    ck_assert_int_eq(heald_mutex_init(&s->a, 0), 0);
    ck_assert_int_eq(heald_mutex_lock(&s->b, f.me, HEALD_FOREVER), 0);
    ck_assert_int_eq(heald_mutex_lock(&s->a, f.me, HEALD_FOREVER), 0);
    ck_assert_int_eq(notified, 0);
    fixture_close(&f);
}

/* Those that are no more leave room for others. */
HEALD_CASE(the_dead_do_not_fill_the_table)
{
    struct fixture f = open_traced();
    struct shared *s = f.data;

    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(heald_alloc(f.me, 64 + (size_t)(i % 7) * 64, &s->place[0]), 0);
        lock_two(&f, &s->recursive, heald_at(f.region, s->place[0]));
        ck_assert_int_eq(heald_free(f.me, &s->place[0]), 0);
        ck_assert_int_eq(heald_mutex_init(&s->a, 0), 0);
        lock_two(&f, &s->a, &s->b);
    }
    ck_assert_int_eq(notified, 0);
    lock_two(&f, &s->b, &s->a);
    ck_assert_int_eq(notified, 1);
    fixture_close(&f);
}

static void by_op(struct heald_loop *loop, struct heald_op *op, int prepared)
{
    struct heald_op *ops[1] = {op};

    ck_assert_int_eq(prepared, 0);
    ck_assert_int_eq(heald_submit_all(loop, ops, 1, NULL), 1);
    ck_assert_int_eq(heald_suspend(loop, ops, 1, 1, HEALD_FOREVER), 1);
    ck_assert_int_eq(op->result, 0);
}

static void lock_by_op(struct fixture *f, struct heald_loop *loop, struct heald_mutex *mutex)
{
    struct heald_op op = {0};

    by_op(loop, &op, heald_prep_mutex_lock(&op, mutex, f->me));
}

HEALD_CASE(mutexes_that_ops_lock)
{
    struct fixture f = open_traced();
    struct shared *s = f.data;
    struct heald_loop *loop;

    ck_assert_int_eq(heald_loop_open(&loop, NULL), 0);
    lock_by_op(&f, loop, &s->a);
    lock_by_op(&f, loop, &s->b);
    ck_assert_int_eq(heald_mutex_unlock(&s->a, f.me), 0);
    ck_assert_int_eq(notified, 0);
    lock_by_op(&f, loop, &s->a);
    ck_assert_int_eq(notified, 1);
    ck_assert_int_eq(heald_loop_close(loop), 0);
    fixture_close(&f);
}

HEALD_CASE(read_write_locks_that_ops_lock)
{
    struct fixture f = open_traced();
    struct shared *s = f.data;
    struct heald_op op[4] = {0};
    struct heald_loop *loop;

    ck_assert_int_eq(heald_loop_open(&loop, NULL), 0);
    by_op(loop, &op[0], heald_prep_rwlock_rdlock(&op[0], &s->rwlock, f.me));
    by_op(loop, &op[1], heald_prep_rwlock_wrlock(&op[1], &s->other, f.me));
    ck_assert_int_eq(heald_rwlock_unlock(&s->rwlock, f.me), 0);
    ck_assert_int_eq(notified, 0);
    by_op(loop, &op[2], heald_prep_rwlock_wrlock(&op[2], &s->rwlock, f.me));
    ck_assert_int_eq(notified, 1);
    ck_assert_int_eq(heald_loop_close(loop), 0);
    fixture_close(&f);
}

/* A try cannot hang, but what it has got is held. */
HEALD_CASE(what_a_try_got_is_held)
{
    struct fixture f = open_traced();
    struct shared *s = f.data;

    ck_assert_int_eq(heald_rwlock_trywrlock(&s->rwlock, f.me), 0);
    ck_assert_int_eq(heald_mutex_lock(&s->a, f.me, HEALD_FOREVER), 0);
    ck_assert_int_eq(heald_rwlock_unlock(&s->rwlock, f.me), 0);
    ck_assert_int_eq(heald_rwlock_rdlock(&s->rwlock, f.me, HEALD_FOREVER), 0);
    ck_assert_int_eq(notified, 1);
    fixture_close(&f);
}

/* It is released when it was unlocked as often. */
HEALD_CASE(what_is_held_twice_is_held_until_the_last_unlock)
{
    struct fixture f = open_traced();
    struct shared *s = f.data;

    ck_assert_int_eq(heald_mutex_init(&s->recursive, HEALD_MUTEX_RECURSIVE), 0);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(heald_mutex_lock(&s->recursive, f.me, HEALD_FOREVER), 0);
        ck_assert_int_eq(heald_rwlock_rdlock(&s->rwlock, f.me, HEALD_FOREVER), 0);
    }
    ck_assert_int_eq(heald_mutex_unlock(&s->recursive, f.me), 0);
    ck_assert_int_eq(heald_rwlock_unlock(&s->rwlock, f.me), 0);
    ck_assert_int_eq(heald_mutex_lock(&s->a, f.me, HEALD_FOREVER), 0);
    ck_assert_int_eq(heald_mutex_unlock(&s->recursive, f.me), 0);
    ck_assert_int_eq(heald_rwlock_unlock(&s->rwlock, f.me), 0);
    ck_assert_int_eq(notified, 0);
    ck_assert_int_eq(heald_mutex_lock(&s->recursive, f.me, HEALD_FOREVER), 0);
    ck_assert_int_eq(notified, 1);
    ck_assert_int_eq(heald_mutex_unlock(&s->recursive, f.me), 0);
    ck_assert_int_eq(heald_rwlock_wrlock(&s->rwlock, f.me, HEALD_FOREVER), 0);
    ck_assert_int_eq(notified, 2);
    fixture_close(&f);
}

/* Nobody else will give one back. */
HEALD_CASE(the_65th_read_lock_is_refused)
{
    for (int trace = 0; trace < 2; trace++) {
        struct fixture f = fixture_open_with(&(struct heald_region_options){.trace = trace});
        struct shared *s = f.data;
        for (int i = 0; i < READS; i++)
            ck_assert_int_eq(heald_rwlock_rdlock(&s->rwlock, f.me, in_ms(5000)), 0);
        ck_assert_int_eq(heald_rwlock_rdlock(&s->rwlock, f.me, HEALD_FOREVER), -EAGAIN);
        ck_assert_int_eq(heald_rwlock_tryrdlock(&s->rwlock, f.me), -EAGAIN);
        ck_assert_int_eq(heald_rwlock_unlock(&s->rwlock, f.me), 0);
        ck_assert_int_eq(heald_rwlock_rdlock(&s->rwlock, f.me, in_ms(5000)), 0);
        for (int i = 0; i < READS; i++)
            ck_assert_int_eq(heald_rwlock_unlock(&s->rwlock, f.me), 0);
        ck_assert_int_eq(heald_rwlock_unlock(&s->rwlock, f.me), -EPERM);
        fixture_close(&f);
    }
}

HEALD_CASE(a_recursive_lock_has_its_limit)
{
    struct fixture f = fixture_open();
    struct shared *s = f.data;
    int err, times = 0;

    ck_assert_int_eq(heald_mutex_init(&s->recursive, HEALD_MUTEX_RECURSIVE), 0);
    while ((err = heald_mutex_lock(&s->recursive, f.me, HEALD_FOREVER)) == 0)
        times++;
    ck_assert_int_eq(err, -EAGAIN);
    ck_assert_int_eq(times, 65536);
    while (times--)
        ck_assert_int_eq(heald_mutex_unlock(&s->recursive, f.me), 0);
    ck_assert_int_eq(heald_mutex_unlock(&s->recursive, f.me), -EPERM);
    fixture_close(&f);
}

int main(void)
{
    Suite *suite = suite_create("inversion");
    TCase *group = harness_group(suite, "inversion");

    harness_add(group, one_that_is_made_anew_has_no_past);
    harness_add(group, nor_one_in_memory_that_was_freed);
    harness_add(group, nor_is_it_held_still);
    harness_add(group, the_dead_do_not_fill_the_table);
    harness_add(group, mutexes_that_ops_lock);
    harness_add(group, read_write_locks_that_ops_lock);
    harness_add(group, what_a_try_got_is_held);
    harness_add(group, what_is_held_twice_is_held_until_the_last_unlock);
    harness_add(group, the_65th_read_lock_is_refused);
    harness_add(group, a_recursive_lock_has_its_limit);
    return harness_run(suite);
}
