/*
 * test/shm/converge.c: a process is killed after any instruction of an operation, and all others do
 * the obvious thing, at once: what the header of the object says for one that gets -EOWNERDEAD.
 * Each of them gets through, in a bounded number of calls and a bounded time.
 *
 * HEALD_CRASH_STRIDE=N kills N instructions further each time, or as many as make 500 places;
 * without it one is killed at some places spread over what it does.
 */
#include "shm/step.h"

#include <limits.h>

enum {
    OTHERS = 4,
    ROUNDS = 3,
    PLACES = 5,
    PLACES_FEW = 3, /* of what is longer than LONG */
    LONG = 10000,
    PLACES_MAX = 500,
    PERMITS = 2,
    GET_THROUGH_MS = 5000
};

struct other {
    int through, calls, notified; /* atomic: rounds, and until the last of them: calls, deaths */
};

struct shared {
    struct heald_mutex mutex, fair;
    struct heald_cond cond;
    struct heald_rwlock lock;
    HEALD_SEM(PERMITS) sem;
    HEALD_BARRIER(OTHERS) barrier;
    struct heald_once once[ROUNDS];
    int ready, go, over; /* atomic */
    int turn, made[ROUNDS];
    uint64_t thing[ROUNDS]; /* atomic: where the object with a name is; 0: nobody has it yet */
    struct other others[OTHERS];
};

static const char *name; /* of a region of its own */

/* One of the others. */
struct actor {
    struct fixture *f;
    struct shared *s;
    struct other *counts;
    int number, round;
};

static struct shared *shared_of(struct fixture *f)
{
    return f->data;
}

/* Nobody waits for so long. */
static int64_t limit(void)
{
    return in_ms(GET_THROUGH_MS * harness_slow());
}

/* A call, counted, and what it returned. Relaxed: read when the round has ended. */
static int count(struct actor *a, int err)
{
    __atomic_fetch_add(&a->counts->calls, 1, __ATOMIC_RELAXED);
    if (err == -EOWNERDEAD)
        __atomic_fetch_add(&a->counts->notified, 1, __ATOMIC_RELAXED);
    return err;
}

/* What the others do, once through. */

static void lock_mutex(struct actor *a, struct heald_mutex *mutex)
{
    int err = count(a, heald_mutex_lock(mutex, a->f->me, limit()));

    must(err == 0 || err == -EOWNERDEAD);
    if (err)
        must(count(a, heald_mutex_consistent(mutex, a->f->me)) == 0);
}

static void through_mutex(struct actor *a)
{
    lock_mutex(a, &a->s->mutex);
    must(count(a, heald_mutex_unlock(&a->s->mutex, a->f->me)) == 0);
}

static void through_fair(struct actor *a)
{
    lock_mutex(a, &a->s->fair);
    must(count(a, heald_mutex_unlock(&a->s->fair, a->f->me)) == 0);
}

/* One after another, in turn: each waits for the one before. */
static void through_cond(struct actor *a)
{
    struct heald_mutex *mutex = &a->s->mutex;

    lock_mutex(a, mutex);
    while (a->s->turn != a->round * OTHERS + a->number) {
        int err = count(a, heald_cond_wait(&a->s->cond, mutex, a->f->me, limit()));
        must(err == 0 || err == -EOWNERDEAD);
        if (err)
            must(count(a, heald_mutex_consistent(mutex, a->f->me)) == 0);
    }
    a->s->turn++;
    must(count(a, heald_cond_signal_unlock(&a->s->cond, mutex, a->f->me)) == 0);
}

static void through_writing(struct actor *a)
{
    struct heald_rwlock *lock = &a->s->lock;
    int err = count(a, heald_rwlock_wrlock(lock, a->f->me, limit()));

    must(err == 0 || err == -EOWNERDEAD);
    if (err)
        must(count(a, heald_rwlock_consistent(lock, a->f->me)) == 0);
    must(count(a, heald_rwlock_unlock(lock, a->f->me)) == 0);
}

static void through_reading(struct actor *a)
{
    struct heald_rwlock *lock = &a->s->lock;
    int err;

    while ((err = count(a, heald_rwlock_rdlock(lock, a->f->me, limit()))) == -EOWNERDEAD)
        through_writing(a);
    must(err == 0);
    must(count(a, heald_rwlock_unlock(lock, a->f->me)) == 0);
}

static void through_both(struct actor *a)
{
    if (a->number % 2)
        through_writing(a);
    else
        through_reading(a);
}

static void through_sem(struct actor *a)
{
    must(count(a, heald_sem_wait(&a->s->sem.sem, a->f->me, limit())) == 0);
    must(count(a, heald_sem_post(&a->s->sem.sem, a->f->me)) == 0);
}

static void through_barrier(struct actor *a)
{
    struct heald_barrier *b = heald_barrier_of(&a->s->barrier);
    uint32_t round;
    int err;

    while ((err = count(a, heald_barrier_wait(b, a->f->me, limit(), &round))) == -EOWNERDEAD)
        must(count(a, heald_barrier_reset(b, a->f->me, round)) == 0);
    must(err >= 0);
}

static void through_once(struct actor *a)
{
    struct heald_once *once = &a->s->once[a->round];
    int err = count(a, heald_once_begin(once, a->f->me, limit()));

    must(err == 0 || err == 1 || err == -EOWNERDEAD);
    if (err) {
        a->s->made[a->round] = 1;
        must(count(a, heald_once_end(once, a->f->me, 1)) == 0);
    }
    must(a->s->made[a->round] == 1);
}

static void open_and_close(struct actor *a, int flags)
{
    struct heald_region_options o = {.size = sizeof(int), .participants = OTHERS};
    struct heald_region *region;

    must(count(a, heald_region_open(&region, name, HEALD_REGION_CREATE | flags, &o)) == 0);
    must(count(a, heald_region_close(region)) == 0);
}

static void through_region(struct actor *a)
{
    open_and_close(a, 0);
}

/* Unlinked by the last, again and again. */
static void through_temporary(struct actor *a)
{
    open_and_close(a, HEALD_REGION_TEMPORARY);
}

static const char *thing_name(int round)
{
    static char text[16];

    snprintf(text, sizeof text, "thing-%d", round);
    return text;
}

static const struct heald_object_options thing = {.type = HEALD_OBJECT_MUTEX};

/* All find the same. */
static void through_thing(struct actor *a)
{
    void *object;
    uint64_t none = 0;

    must(count(a, heald_object_open(a->f->me, thing_name(a->round), &thing, &object, NULL)) == 0);
    uint64_t mine = heald_offset(a->f->region, object);
    must(__atomic_compare_exchange_n(&a->s->thing[a->round], &none, mine, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST) ||
         none == mine);
    lock_mutex(a, object);
    must(count(a, heald_mutex_unlock(object, a->f->me)) == 0);
}

/* What the victim does. */

static int64_t in_a_moment(void)
{
    return heald_clock_now(HEALD_CLOCK_MONOTONIC) + HEALD_MS;
}

static void kill_mutex(struct fixture *f)
{
    heald_mutex_lock(&shared_of(f)->mutex, f->me, HEALD_FOREVER);
    heald_mutex_unlock(&shared_of(f)->mutex, f->me);
}

static void kill_fair(struct fixture *f)
{
    heald_mutex_lock(&shared_of(f)->fair, f->me, HEALD_FOREVER);
    heald_mutex_unlock(&shared_of(f)->fair, f->me);
}

static void kill_cond(struct fixture *f)
{
    struct shared *s = f->data;

    heald_mutex_lock(&s->mutex, f->me, HEALD_FOREVER);
    heald_cond_wait(&s->cond, &s->mutex, f->me, in_a_moment());
    heald_cond_signal_unlock(&s->cond, &s->mutex, f->me);
}

static void kill_writer(struct fixture *f)
{
    heald_rwlock_wrlock(&shared_of(f)->lock, f->me, HEALD_FOREVER);
    heald_rwlock_unlock(&shared_of(f)->lock, f->me);
}

static void kill_reader(struct fixture *f)
{
    heald_rwlock_rdlock(&shared_of(f)->lock, f->me, HEALD_FOREVER);
    heald_rwlock_unlock(&shared_of(f)->lock, f->me);
}

static void kill_sem(struct fixture *f)
{
    struct heald_sem *sem = &shared_of(f)->sem.sem;

    for (int i = 0; i < PERMITS; i++)
        heald_sem_wait(sem, f->me, HEALD_FOREVER);
    for (int i = 0; i < PERMITS; i++)
        heald_sem_post(sem, f->me);
}

static void kill_barrier(struct fixture *f)
{
    struct heald_barrier *b = heald_barrier_of(&shared_of(f)->barrier);
    uint32_t round;

    heald_barrier_wait(b, f->me, in_a_moment(), &round);
    heald_barrier_reset(b, f->me, round);
}

static void kill_once(struct fixture *f)
{
    if (heald_once_begin(&shared_of(f)->once[0], f->me, HEALD_FOREVER) == 1) {
        shared_of(f)->made[0] = 1;
        heald_once_end(&shared_of(f)->once[0], f->me, 1);
    }
}

static void kill_region(struct fixture *f)
{
    struct actor a = {.f = f, .s = f->data, .counts = &(struct other){0}};
    through_region(&a);
}

static void kill_temporary(struct fixture *f)
{
    struct actor a = {.f = f, .s = f->data, .counts = &(struct other){0}};
    through_temporary(&a);
}

static void kill_thing(struct fixture *f)
{
    void *object;

    heald_object_open(f->me, thing_name(0), &thing, &object, NULL);
    heald_mutex_lock(object, f->me, HEALD_FOREVER);
    heald_mutex_unlock(object, f->me);
    heald_object_remove(f->me, thing_name(0));
}

/* For each of the others, in all rounds: how many calls, and how many deaths are reported to it.
 * The death of a mutex's holder is reported once: to one of them. */
static const struct scene {
    const char *name;
    void (*killed)(struct fixture *f);
    void (*through)(struct actor *a);
    int calls, notified, notified_to_all;
    bool goes_on; /* the others need it until all are through */
} scenes[] = {
    {"mutex", kill_mutex, through_mutex, 2 * ROUNDS + 1, 1, 1, false},
    {"fair mutex", kill_fair, through_fair, 2 * ROUNDS + 1, 1, 1, false},
    /* A wait is ended by a signal of any of the others, or of none. */
    {"cond", kill_cond, through_cond, (2 + 2 * OTHERS) * ROUNDS + 1, 1, 1, false},
    {"writer", kill_writer, through_writing, 2 * ROUNDS + 1, 1, 1, false},
    {"writer, for readers", kill_writer, through_reading, 2 * ROUNDS + 4, 2, OTHERS + 1, false},
    {"writer, for both", kill_writer, through_both, 2 * ROUNDS + 4, 2, OTHERS + 1, false},
    {"reader", kill_reader, through_both, 2 * ROUNDS, 0, 0, false},
    {"sem", kill_sem, through_sem, 2 * ROUNDS, 0, 0, false},
    /* Of the round to which it came, and of that to which it comes before the first reset. */
    {"barrier", kill_barrier, through_barrier, ROUNDS + 4, 2, 2 * OTHERS, true},
    {"once", kill_once, through_once, 2 * ROUNDS, 1, 1, false},
    {"region", kill_region, through_region, 2 * ROUNDS, 0, 0, false},
    {"temporary region", kill_temporary, through_temporary, 2 * ROUNDS, 0, 0, false},
    {"object with a name", kill_thing, through_thing, 3 * ROUNDS + 1, 1, 1, false},
};

enum { SCENES = sizeof scenes / sizeof scenes[0] };

/* Of the case, and of a child of it. */
static const struct scene *scene;
static int own_number;

static bool goes_through(struct fixture *f)
{
    struct shared *s = shared_of(f);
    struct other after = {0};
    struct actor a = {.f = f, .s = s, .counts = &s->others[own_number], .number = own_number};

    __atomic_fetch_add(&s->ready, 1, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&s->go, __ATOMIC_ACQUIRE))
        usleep(50);
    for (; a.round < ROUNDS; a.round++) {
        scene->through(&a);
        __atomic_fetch_add(&a.counts->through, 1, __ATOMIC_RELEASE);
    }
    a.counts = &after;
    while (scene->goes_on && !__atomic_load_n(&s->over, __ATOMIC_ACQUIRE))
        scene->through(&a);
    return false;
}

static void set_up(struct fixture *f)
{
    struct shared *s = f->data;

    memset(s, 0, sizeof *s);
    ck_assert_int_eq(heald_mutex_init(&s->fair, HEALD_MUTEX_FAIR), 0);
    ck_assert_int_eq(heald_sem_init(&s->sem.sem, PERMITS), 0);
    ck_assert_int_eq(
        heald_barrier_init_sized(heald_barrier_of(&s->barrier), sizeof s->barrier, OTHERS), 0);
    for (int i = 0; i < ROUNDS; i++)
        heald_object_remove(f->me, thing_name(i));
    heald_region_unlink(name);
}

static bool all_are_through(const struct shared *s)
{
    for (int i = 0; i < OTHERS; i++)
        if (__atomic_load_n(&s->others[i].through, __ATOMIC_ACQUIRE) < ROUNDS)
            return false;
    return true;
}

/* After so many instructions of the victim. */
static void await_all(struct shared *s, int instructions)
{
    int64_t end = in_ms(GET_THROUGH_MS * harness_slow());
    int notified = 0;

    while (!all_are_through(s) && heald_clock_now(HEALD_CLOCK_MONOTONIC) < end)
        usleep(100);
    for (int i = 0; i < OTHERS; i++) {
        const struct other *o = &s->others[i];
        ck_assert_msg(o->through == ROUNDS, "%s, %d instructions: %d through %d rounds, %d calls",
                      scene->name, instructions, i, o->through, o->calls);
        ck_assert_msg(o->calls <= scene->calls, "%s, %d instructions: %d took %d calls",
                      scene->name, instructions, i, o->calls);
        ck_assert_msg(o->notified <= scene->notified,
                      "%s, %d instructions: %d was told of %d deaths", scene->name, instructions, i,
                      o->notified);
        notified += o->notified;
    }
    ck_assert_msg(notified <= scene->notified_to_all,
                  "%s, %d instructions: %d were told of one death", scene->name, instructions,
                  notified);
}

/* The others come at once, when it is dead or, `early`, before. How many instructions it made. */
static int play(struct fixture *f, int instructions, bool early)
{
    struct shared *s = f->data;
    pid_t pids[OTHERS];

    set_up(f);
    pid_t victim = step_start(f, scene->killed);
    int made = step_on(victim, instructions);
    for (int i = 0; i < OTHERS; i++) {
        own_number = i;
        pids[i] = child_start(f, goes_through);
    }
    while (__atomic_load_n(&s->ready, __ATOMIC_ACQUIRE) < OTHERS)
        usleep(100);
    if (early) {
        set_flag(&s->go);
        usleep(2000);
    }
    child_kill(victim);
    set_flag(&s->go);
    await_all(s, made);
    set_flag(&s->over);
    for (int i = 0; i < OTHERS; i++)
        if (scene->goes_on)
            child_kill(pids[i]);
        else
            ck_assert_int_eq(child_end(pids[i]), 0);
    return made;
}

static int stride_of(struct fixture *f)
{
    const char *text = getenv("HEALD_CRASH_STRIDE");
    int least = text && atoi(text) > 0 ? atoi(text) : 1;

    set_up(f);
    pid_t pid = step_start(f, scene->killed);
    int length = step_on(pid, INT_MAX);
    child_kill(pid);
    int stride = length / (text ? PLACES_MAX : length > LONG ? PLACES_FEW : PLACES) + 1;
    return stride > least ? stride : least;
}

/* _i: the scene, and whether the others come before the death. */
HEALD_CASE(all_get_through)
{
    if (harness_has_tsan())
        harness_skip("its instructions are ThreadSanitizer's");
    scene = &scenes[_i / 2];
    name = fresh_name();
    struct fixture f = fixture_open_with(
        &(struct heald_region_options){.size = sizeof(struct shared), .heap = 64 * 1024});
    int stride = stride_of(&f);

    for (int n = 0; play(&f, n, _i % 2) == n; n += stride)
        ;
    set_up(&f);
    fixture_close(&f);
}

int main(void)
{
    Suite *suite = suite_create("converge");
    TCase *group = harness_group(suite, "converge");

    harness_limit(group, getenv("HEALD_CRASH_STRIDE") ? 3600 : 60);
    harness_add_range(group, all_get_through, 0, 2 * SCENES);
    return harness_run(suite);
}
