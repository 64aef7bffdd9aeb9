/* test/shm/handle.c: after heald_detach() a participant's handle is nobody's, indefinitely. */
#include "shm/shm.h"

#include <pthread.h>

enum { CHURN = 200000, SLOT_ONLY = 1 };

struct shared {
    struct heald_mutex mutex, traced;
    struct heald_cond cond;
    HEALD_SEM(2) permits;
    struct heald_sem counting;
    struct heald_rwlock rwlock;
    struct heald_barrier barrier;
    struct heald_once once, done;
    uint64_t place;
};

/* One slot, so that the next that attaches has that of the one that is gone. */
static struct fixture open_narrow(int trace)
{
    struct fixture f = fixture_open_with(&(struct heald_region_options){
        .participants = SLOT_ONLY, .size = sizeof(struct shared), .heap = 32768, .trace = trace});
    struct shared *s = f.data;

    ck_assert_int_eq(heald_sem_init(&s->permits.sem, 2), 0);
    ck_assert_int_eq(heald_sem_init_counting(&s->counting, 5), 0);
    ck_assert_int_eq(heald_barrier_init(&s->barrier, 2), 0);
    ck_assert_int_eq(heald_once_begin(&s->done, f.me, HEALD_FOREVER), 1);
    ck_assert_int_eq(heald_once_end(&s->done, f.me, 1), 0);
    ck_assert_int_eq(heald_alloc(f.me, 64, &s->place), 0);
    return f;
}

static void refused_by_locks(struct shared *s, struct heald_participant *old)
{
    ck_assert_int_eq(heald_mutex_lock(&s->mutex, old, HEALD_FOREVER), -ESTALE);
    ck_assert_int_eq(heald_mutex_trylock(&s->mutex, old), -ESTALE);
    ck_assert_int_eq(heald_mutex_unlock(&s->mutex, old), -ESTALE);
    ck_assert_int_eq(heald_mutex_consistent(&s->mutex, old), -ESTALE);
    ck_assert_int_eq(heald_cond_wait(&s->cond, &s->mutex, old, HEALD_FOREVER), -ESTALE);
    ck_assert_int_eq(heald_rwlock_rdlock(&s->rwlock, old, HEALD_FOREVER), -ESTALE);
    ck_assert_int_eq(heald_rwlock_wrlock(&s->rwlock, old, HEALD_FOREVER), -ESTALE);
    ck_assert_int_eq(heald_rwlock_tryrdlock(&s->rwlock, old), -ESTALE);
    ck_assert_int_eq(heald_rwlock_trywrlock(&s->rwlock, old), -ESTALE);
    ck_assert_int_eq(heald_rwlock_unlock(&s->rwlock, old), -ESTALE);
    ck_assert_int_eq(heald_rwlock_consistent(&s->rwlock, old), -ESTALE);
}

static void refused_by_the_others(struct shared *s, struct heald_participant *old)
{
    ck_assert_int_eq(heald_sem_wait(&s->permits.sem, old, HEALD_FOREVER), -ESTALE);
    ck_assert_int_eq(heald_sem_trywait(&s->permits.sem, old), -ESTALE);
    ck_assert_int_eq(heald_sem_post(&s->permits.sem, old), -ESTALE);
    ck_assert_int_eq(heald_sem_value(&s->permits.sem, old), -ESTALE);
    ck_assert_int_eq(heald_sem_wait(&s->counting, old, HEALD_FOREVER), -ESTALE);
    ck_assert_int_eq(heald_sem_trywait(&s->counting, old), -ESTALE);
    ck_assert_int_eq(heald_sem_post(&s->counting, old), -ESTALE);
    ck_assert_int_eq(heald_sem_value(&s->counting, old), -ESTALE);
    ck_assert_int_eq(heald_barrier_wait(&s->barrier, old, HEALD_FOREVER, NULL), -ESTALE);
    ck_assert_int_eq(heald_barrier_reset(&s->barrier, old, 0), -ESTALE);
    ck_assert_int_eq(heald_once_begin(&s->once, old, HEALD_FOREVER), -ESTALE);
    ck_assert_int_eq(heald_once_begin(&s->done, old, HEALD_FOREVER), -ESTALE);
    ck_assert_int_eq(heald_once_end(&s->once, old, 1), -ESTALE);
}

static void refused_by_the_heap(struct shared *s, struct heald_participant *old)
{
    struct heald_object_options mutex = {.type = HEALD_OBJECT_MUTEX};
    struct heald_heap_stats stats;
    void *object;

    ck_assert_int_eq(heald_alloc(old, 16, &s->place), -ESTALE);
    ck_assert_int_eq(heald_free(old, &s->place), -ESTALE);
    ck_assert_int_eq(heald_heap_stats(old, &stats), -ESTALE);
    ck_assert_int_eq(heald_object_open(old, "m", &mutex, &object, NULL), -ESTALE);
    ck_assert_int_eq(heald_object_find(old, "m", HEALD_OBJECT_MUTEX, 0, &object), -ESTALE);
    ck_assert_int_eq(heald_object_name(old, "m", HEALD_OBJECT_MUTEX, &s->mutex, 0), -ESTALE);
    ck_assert_int_eq(heald_object_remove(old, "m"), -ESTALE);
}

static void refused(struct shared *s, struct heald_participant *old)
{
    refused_by_locks(s, old);
    refused_by_the_others(s, old);
    refused_by_the_heap(s, old);
    heald_detach(old);
}

/* All that can be held, by the participant that has come after. */
static void hold_everything(struct shared *s, struct heald_participant *me)
{
    ck_assert_int_eq(heald_mutex_lock(&s->mutex, me, HEALD_FOREVER), 0);
    ck_assert_int_eq(heald_rwlock_rdlock(&s->rwlock, me, HEALD_FOREVER), 0);
    ck_assert_int_eq(heald_sem_wait(&s->permits.sem, me, HEALD_FOREVER), 0);
    ck_assert_int_eq(heald_once_begin(&s->once, me, HEALD_FOREVER), 1);
}

static void give_everything_back(struct shared *s, struct heald_participant *me)
{
    ck_assert_int_eq(heald_once_end(&s->once, me, 0), 0);
    ck_assert_int_eq(heald_sem_post(&s->permits.sem, me), 0);
    ck_assert_int_eq(heald_rwlock_unlock(&s->rwlock, me), 0);
    ck_assert_int_eq(heald_mutex_unlock(&s->mutex, me), 0);
}

HEALD_CASE(stale_when_its_slot_has_another)
{
    for (int trace = 0; trace < 2; trace++) {
        struct fixture f = open_narrow(trace);
        struct heald_participant *old = f.me;

        heald_detach(old);
        refused(f.data, old);
        ck_assert_int_eq(heald_attach(f.region, &f.me), 0);
        hold_everything(f.data, f.me);
        refused(f.data, old);
        give_everything_back(f.data, f.me);
        fixture_close(&f);
    }
}

static void submit_stale(struct heald_loop *loop, struct heald_op *op, int prepared, int64_t want)
{
    ck_assert_int_eq(prepared, 0);
    ck_assert_int_eq(heald_submit(loop, op, NULL), 0);
    while (heald_loop_turn(loop, 0) > 0)
        continue;
    ck_assert_int_eq(op->result, want);
}

HEALD_CASE(ops_prepared_before_and_submitted_after)
{
    struct fixture f = open_narrow(0);
    struct shared *s = f.data;
    struct heald_participant *old = f.me;
    struct heald_op op[8] = {0};
    struct heald_loop *loop;

    ck_assert_int_eq(heald_loop_open(&loop, NULL), 0);
    int prepared[] = {
        heald_prep_mutex_lock(&op[0], &s->mutex, old),
        heald_prep_cond_wait(&op[1], &s->cond, &s->mutex, old),
        heald_prep_sem_wait(&op[2], &s->permits.sem, old),
        heald_prep_rwlock_rdlock(&op[3], &s->rwlock, old),
        heald_prep_rwlock_wrlock(&op[4], &s->rwlock, old),
        heald_prep_barrier_wait(&op[5], &s->barrier, old, NULL),
        heald_prep_once_begin(&op[6], &s->once, old),
        heald_prep_once_begin(&op[7], &s->done, old),
    };
    heald_detach(old);
    ck_assert_int_eq(heald_attach(f.region, &f.me), 0);
    for (int i = 0; i < 8; i++)
        submit_stale(loop, &op[i], prepared[i], -ESTALE);
    hold_everything(s, f.me);
    give_everything_back(s, f.me);
    ck_assert_int_eq(heald_loop_close(loop), 0);
    fixture_close(&f);
}

/* The op of one that is gone ends, and does not keep its slot from others meanwhile. */
HEALD_CASE(an_op_that_waits_is_reported)
{
    struct fixture f = open_narrow(0);
    struct shared *s = f.data;
    struct heald_op op = {0};
    struct heald_loop *loop;

    ck_assert_int_eq(heald_loop_open(&loop, NULL), 0);
    ck_assert_int_eq(heald_prep_barrier_wait(&op, &s->barrier, f.me, NULL), 0);
    ck_assert_int_eq(heald_submit(loop, &op, NULL), 0);
    heald_detach(f.me);
    ck_assert_int_eq(heald_attach(f.region, &f.me), 0);
    hold_everything(s, f.me);
    ck_assert_int_eq(heald_region_close(f.region), -EBUSY);
    give_everything_back(s, f.me);
    heald_detach(f.me);
    ck_assert_int_eq(heald_region_close(f.region), -EBUSY);
    while (heald_loop_run(loop) > 0)
        continue;
    ck_assert_int_eq(op.result, -ESTALE);
    ck_assert_int_eq(heald_loop_close(loop), 0);
    ck_assert_int_eq(heald_region_close(f.region), 0);
}

static long resident_kib(void)
{
    char line[128];
    long kib = -1;
    FILE *file = fopen("/proc/self/status", "r");

    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmRSS: %ld", &kib) == 1)
            break;
    if (file)
        fclose(file);
    return kib;
}

/* As many as there are: each is stale, none costs memory. */
HEALD_CASE(any_number_of_them)
{
    struct fixture f = open_narrow(0);
    struct shared *s = f.data;
    struct heald_participant *first = f.me, *middle = NULL;
    long before = resident_kib();

    for (int i = 0; i < CHURN; i++) {
        middle = i == CHURN / 2 ? f.me : middle;
        heald_detach(f.me);
        ck_assert_int_eq(heald_attach(f.region, &f.me), 0);
    }
    ck_assert_int_eq(heald_mutex_lock(&s->mutex, f.me, HEALD_FOREVER), 0);
    refused(s, first);
    refused(s, middle);
    ck_assert_int_eq(heald_mutex_unlock(&s->mutex, f.me), 0);
    if (before >= 0)
        /* A sanitizer keeps more than what it watches. */
        if (!harness_is_sanitized())
            ck_assert_int_lt(resident_kib() - before, 2048 * harness_slow());
    fixture_close(&f);
}

static void *attach_and_end(void *arg)
{
    struct fixture *f = arg;

    must(heald_attach(f->region, &f->me) == 0);
    return NULL;
}

/* A thread that ends without detaching has gone, too; and a child's handles are its own. */
HEALD_CASE(of_a_thread_that_ended_and_in_a_child)
{
    struct fixture f = open_narrow(0);
    struct shared *s = f.data;
    struct heald_participant *old;
    pthread_t thread;

    heald_detach(f.me);
    ck_assert_int_eq(pthread_create(&thread, NULL, attach_and_end, &f), 0);
    pthread_join(thread, NULL);
    old = f.me;
    ck_assert_int_eq(heald_attach(f.region, &f.me), 0);
    refused(s, old);
    old = f.me;
    heald_detach(f.me);
    pid_t pid = fork();
    if (pid == 0) {
        must(heald_attach(f.region, &f.me) == 0);
        must(heald_mutex_trylock(&s->mutex, old) == -ESTALE);
        must(heald_mutex_trylock(&s->mutex, f.me) == 0);
        heald_detach(f.me);
        must(heald_region_close(f.region) == 0);
        _exit(0);
    }
    ck_assert_int_eq(child_end(pid), 0);
    ck_assert_int_eq(heald_attach(f.region, &f.me), 0);
    refused(s, old);
    fixture_close(&f);
}

int main(void)
{
    Suite *suite = suite_create("handle");
    TCase *group = harness_group(suite, "handle");

    harness_add(group, stale_when_its_slot_has_another);
    harness_add(group, ops_prepared_before_and_submitted_after);
    harness_add(group, an_op_that_waits_is_reported);
    harness_add(group, any_number_of_them);
    harness_add(group, of_a_thread_that_ended_and_in_a_child);
    return harness_run(suite);
}
