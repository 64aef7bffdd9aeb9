/*
 * test/shm/hostile.c: objects with wrong bytes in them: each byte turned round, and several at
 * once, from a seed. Whatever is then done with the object ends, by its deadline, with an error or
 * without, and touches nothing outside; an object beside it is as it was.
 */
#include "harness/seeds.h"
#include "shm/shm.h"

#include <heald/inspect.h>

enum {
    PERMITS = 4,
    MANY = 70, /* more than there is room for in an object that is not sized */
    PATIENCE_MS = 1,
    HANG_MS = 2000,
    SEEDS = 300,
    BYTES_AT_ONCE = 24,
    WORDS_BESIDE = 1024
};

/* Beside each object, from its first byte and its last on, lie words that must not change: the id
 * of one that is gone, which is taken for a place that is free, wherever one is searched. */
static uint64_t guard;

union object {
    struct heald_mutex mutex;
    struct {
        struct heald_cond cond;
        struct heald_mutex mutex;
    } cond;
    HEALD_SEM(PERMITS) sem;
    struct heald_rwlock rwlock;
    struct heald_barrier barrier;
    struct heald_once once;
    uint64_t queue[160];
};

struct shared {
    uint64_t before[8];
    union object object; /* or a larger or smaller one */
    uint64_t after[WORDS_BESIDE];
};

static int64_t soon(void)
{
    return in_ms(PATIENCE_MS);
}

static void set_mutex(union object *o)
{
    must(heald_mutex_init(&o->mutex, 0) == 0);
}

static void set_recursive_and_fair(union object *o)
{
    must(heald_mutex_init(&o->mutex, HEALD_MUTEX_RECURSIVE | HEALD_MUTEX_FAIR) == 0);
}

static void use_mutex(union object *o, struct heald_participant *me)
{
    heald_mutex_trylock(&o->mutex, me);
    heald_mutex_unlock(&o->mutex, me);
    heald_mutex_lock(&o->mutex, me, soon());
    heald_mutex_consistent(&o->mutex, me);
    heald_mutex_unlock(&o->mutex, me);
    heald_mutex_unlock(&o->mutex, me);
}

static void set_cond(union object *o)
{
    memset(&o->cond, 0, sizeof o->cond);
}

/* Its mutex is in order: a condition waits for that without a deadline. */
static void use_cond(union object *o, struct heald_participant *me)
{
    if (heald_mutex_lock(&o->cond.mutex, me, soon()) != 0)
        return;
    heald_cond_wait(&o->cond.cond, &o->cond.mutex, me, soon());
    heald_cond_signal(&o->cond.cond);
    heald_cond_broadcast(&o->cond.cond);
    must(heald_mutex_unlock(&o->cond.mutex, me) == 0);
}

static void set_sem(union object *o)
{
    must(heald_sem_init(&o->sem.sem, PERMITS) == 0);
}

static void set_sem_of_one(union object *o)
{
    must(heald_sem_init(&o->sem.sem, 1) == 0);
}

static void set_sem_of_many(union object *o)
{
    must(heald_sem_init(&o->sem.sem, MANY) == 0);
}

static void set_counting(union object *o)
{
    must(heald_sem_init_counting(&o->sem.sem, 3) == 0);
}

static void use_sem(union object *o, struct heald_participant *me)
{
    struct heald_sem *sem = &o->sem.sem;

    for (int i = 0; i < MANY + 1; i++)
        heald_sem_trywait(sem, me);
    heald_sem_value(sem, me);
    heald_sem_wait(sem, me, soon());
    for (int i = 0; i < MANY + 1; i++)
        heald_sem_post(sem, me);
}

static void set_rwlock(union object *o)
{
    must(heald_rwlock_init(&o->rwlock, HEALD_RWLOCK_PREFER_WRITER) == 0);
}

static void set_rwlock_of_one(union object *o)
{
    must(heald_rwlock_init_sized(&o->rwlock, HEALD_RWLOCK_SIZE(1), 0) == 0);
}

static void set_rwlock_of_few(union object *o)
{
    must(heald_rwlock_init_sized(&o->rwlock, HEALD_RWLOCK_SIZE(4), 0) == 0);
}

static void set_rwlock_of_many(union object *o)
{
    must(heald_rwlock_init_sized(&o->rwlock, HEALD_RWLOCK_SIZE(MANY), 0) == 0);
}

static void use_rwlock(union object *o, struct heald_participant *me)
{
    struct heald_rwlock *lock = &o->rwlock;

    /* One for each place that there is, or is said to be. */
    for (int i = 0; i < 2 * MANY; i++)
        heald_rwlock_tryrdlock(lock, me);
    for (int i = 0; i < 2 * MANY; i++)
        heald_rwlock_unlock(lock, me);
    heald_rwlock_trywrlock(lock, me);
    heald_rwlock_unlock(lock, me);
    heald_rwlock_rdlock(lock, me, soon());
    heald_rwlock_unlock(lock, me);
    heald_rwlock_wrlock(lock, me, soon());
    heald_rwlock_consistent(lock, me);
    heald_rwlock_unlock(lock, me);
}

static void set_barrier(union object *o)
{
    must(heald_barrier_init(&o->barrier, 2) == 0);
}

static void set_barrier_of_two(union object *o)
{
    must(heald_barrier_init_sized(&o->barrier, HEALD_BARRIER_SIZE(2), 2) == 0);
}

static void set_barrier_of_many(union object *o)
{
    must(heald_barrier_init_sized(&o->barrier, HEALD_BARRIER_SIZE(MANY), MANY) == 0);
}

static void use_barrier(union object *o, struct heald_participant *me)
{
    heald_barrier_wait(&o->barrier, me, soon(), NULL);
    heald_barrier_reset(&o->barrier, me, heald_barrier_round(&o->barrier));
    heald_barrier_wait(&o->barrier, me, soon(), NULL);
}

static void set_once(union object *o)
{
    memset(&o->once, 0, sizeof o->once);
}

static void use_once(union object *o, struct heald_participant *me)
{
    heald_once_begin(&o->once, me, soon());
    heald_once_end(&o->once, me, 0);
    heald_once_begin(&o->once, me, soon());
    heald_once_end(&o->once, me, 1);
}

static void set_queue_with(union object *o, unsigned flags)
{
    struct heald_queue_options options = {.capacity = 4, .message_max = 16, .flags = flags};

    must(heald_queue_size(&options) <= sizeof o->queue);
    must(heald_queue_init((struct heald_queue *)o->queue, &options) == 0);
}

static void set_queue(union object *o)
{
    set_queue_with(o, 0);
}

static void set_lane(union object *o)
{
    set_queue_with(o, HEALD_QUEUE_ONE_SENDER | HEALD_QUEUE_ONE_RECEIVER);
}

static void set_variable_lane(union object *o)
{
    set_queue_with(o, HEALD_QUEUE_ONE_SENDER | HEALD_QUEUE_ONE_RECEIVER | HEALD_QUEUE_VARIABLE);
}

static void use_queue(union object *o, struct heald_participant *me)
{
    struct heald_queue *queue = (struct heald_queue *)o->queue;
    struct heald_queue_slot slot;
    struct heald_queue_info info;
    char text[16];
    uint64_t id;

    heald_queue_trysend(queue, me, "one", 4, 0);
    heald_queue_send(queue, me, "two", 4, 0, soon());
    heald_queue_tryrecv(queue, me, text, sizeof text, NULL);
    heald_queue_recv(queue, me, text, sizeof text, NULL, soon());
    if (heald_queue_reserve(queue, me, 0, &slot, 0) == 0)
        heald_queue_commit(&slot, me, 16);
    if (heald_queue_peek(queue, me, &slot, 0) == 0)
        heald_queue_release(&slot, me);
    heald_queue_identify(queue, me, &id);
    heald_queue_join(queue, me);
    heald_queue_describe(queue, me, &info);
    heald_queue_close(queue, me);
}

static const struct kind {
    const char *name;
    enum heald_object_type type;
    size_t size; /* whose bytes are made wrong */
    void (*set)(union object *object);
    void (*use)(union object *object, struct heald_participant *me);
} kinds[] = {
    {"mutex", HEALD_OBJECT_MUTEX, sizeof(struct heald_mutex), set_mutex, use_mutex},
    {"fair mutex", HEALD_OBJECT_MUTEX, sizeof(struct heald_mutex), set_recursive_and_fair,
     use_mutex},
    {"cond", HEALD_OBJECT_COND, sizeof(struct heald_cond), set_cond, use_cond},
    {"sem", HEALD_OBJECT_SEM, HEALD_SEM_SIZE(PERMITS), set_sem, use_sem},
    {"sem of one", HEALD_OBJECT_SEM, HEALD_SEM_SIZE(1), set_sem_of_one, use_sem},
    {"sem of many", HEALD_OBJECT_SEM, HEALD_SEM_SIZE(MANY), set_sem_of_many, use_sem},
    {"counting sem", HEALD_OBJECT_SEM, sizeof(struct heald_sem), set_counting, use_sem},
    {"rwlock", HEALD_OBJECT_RWLOCK, sizeof(struct heald_rwlock), set_rwlock, use_rwlock},
    {"barrier", HEALD_OBJECT_BARRIER, sizeof(struct heald_barrier), set_barrier, use_barrier},
    {"rwlock of one", HEALD_OBJECT_RWLOCK, HEALD_RWLOCK_SIZE(1), set_rwlock_of_one, use_rwlock},
    {"rwlock of few", HEALD_OBJECT_RWLOCK, HEALD_RWLOCK_SIZE(4), set_rwlock_of_few, use_rwlock},
    {"rwlock of many", HEALD_OBJECT_RWLOCK, HEALD_RWLOCK_SIZE(MANY), set_rwlock_of_many,
     use_rwlock},
    {"barrier of two", HEALD_OBJECT_BARRIER, HEALD_BARRIER_SIZE(2), set_barrier_of_two,
     use_barrier},
    {"barrier of many", HEALD_OBJECT_BARRIER, HEALD_BARRIER_SIZE(MANY), set_barrier_of_many,
     use_barrier},
    {"once", HEALD_OBJECT_ONCE, sizeof(struct heald_once), set_once, use_once},
    {"queue", HEALD_OBJECT_QUEUE, sizeof(uint64_t[160]), set_queue, use_queue},
    {"lane", HEALD_OBJECT_QUEUE, sizeof(uint64_t[160]), set_lane, use_queue},
    {"lane of variable messages", HEALD_OBJECT_QUEUE, sizeof(uint64_t[160]), set_variable_lane,
     use_queue},
};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

/* The case is alone in it: what a living participant has is waited for, for as long as it lives,
 * and that is no wrong byte. */
static struct fixture open_region(void)
{
    struct fixture f =
        fixture_open_with(&(struct heald_region_options){.size = sizeof(struct shared)});
    struct heald_mutex *mutex = f.data;
    struct heald_participant *other;

    ck_assert_int_eq(heald_attach(f.region, &other), 0);
    ck_assert_int_eq(heald_mutex_lock(mutex, other, 0), 0);
    guard = mutex->word;
    heald_detach(other);
    ck_assert_int_eq(heald_mutex_lock(mutex, f.me, soon()), -EOWNERDEAD);
    return f;
}

/* How many bytes it has; those of a condition are not all made wrong. */
static size_t whole(const struct kind *kind)
{
    return kind->type == HEALD_OBJECT_COND ? sizeof(union object) : kind->size;
}

static void set_up(const struct kind *kind, struct shared *s)
{
    uint64_t *words = (uint64_t *)(void *)s;

    for (size_t i = 0; i < sizeof *s / sizeof *words; i++)
        words[i] = guard;
    memset(&s->object, 0, whole(kind));
    kind->set(&s->object);
}

static bool is_untouched(const struct kind *kind, struct shared *s)
{
    const uint64_t *words = (uint64_t *)(void *)s;
    size_t begin = offsetof(struct shared, object), end = begin + whole(kind);

    for (size_t i = 0; i < sizeof *s / sizeof *words; i++)
        if ((i * sizeof *words < begin || i * sizeof *words >= end) && words[i] != guard)
            return false;
    return true;
}

/* What was done to it is said by `what`, for the report of the failure. */
static void use(const struct kind *kind, struct fixture *f, const char *what, unsigned long number)
{
    struct shared *s = f->data;
    struct heald_object_state state;
    int64_t begin = heald_clock_now(HEALD_CLOCK_MONOTONIC);

    ck_assert_int_eq(
        heald_object_inspect(f->region, heald_offset(f->region, &s->object), kind->type, &state),
        0);
    kind->use(&s->object, f->me);
    ck_assert_int_eq(
        heald_object_inspect(f->region, heald_offset(f->region, &s->object), kind->type, &state),
        0);
    int64_t took = heald_clock_now(HEALD_CLOCK_MONOTONIC) - begin;
    ck_assert_msg(took < HANG_MS * HEALD_MS * harness_slow(), "%s: took too long: %s %lu",
                  kind->name, what, number);
    ck_assert_msg(is_untouched(kind, s), "%s: wrote outside of it: %s %lu", kind->name, what,
                  number);
}

/* One bit of a byte, and all but that. */
HEALD_CASE(any_byte_of_an_object_is_wrong)
{
    static const unsigned char masks[] = {0x01, 0x81, 0xff};
    const struct kind *kind = &kinds[_i];
    struct fixture f = open_region();
    struct shared *s = f.data;

    for (size_t m = 0; m < sizeof masks; m++)
        /* Of those that are many words alike some are tried, at each place in a word. */
        for (size_t i = 0; i < kind->size; i += i < 128 ? 1 : 7) {
            set_up(kind, s);
            ((unsigned char *)&s->object)[i] ^= masks[m];
            use(kind, &f, "byte", i);
        }
    fixture_close(&f);
}

/* Bytes that mean something: a slot there is, one there is not, flags, all of them. */
static unsigned char a_byte(struct rng *random)
{
    static const unsigned char telling[] = {0, 1, 2, 3, 64, 65, 0x7f, 0x80, 0xff};
    unsigned n = rng_below(random, 2 * sizeof telling);
    return n < sizeof telling ? telling[n] : (unsigned char)rng_next(random);
}

HEALD_CASE(many_bytes_of_an_object_are_wrong)
{
    const char *one = getenv("HEALD_SEED"), *many = getenv("HEALD_SEEDS");
    uint64_t first = one ? strtoull(one, NULL, 10) : 1;
    uint64_t last = one ? first : many ? strtoull(many, NULL, 10) : SEEDS;
    const struct kind *kind = &kinds[_i];
    struct fixture f = open_region();
    struct shared *s = f.data;

    for (uint64_t seed = first; seed <= last; seed++) {
        struct rng random = rng_of(seed, (uint64_t)_i);
        unsigned count = 1 + rng_below(&random, BYTES_AT_ONCE);
        set_up(kind, s);
        for (unsigned i = 0; i < count; i++)
            ((unsigned char *)&s->object)[rng_below(&random, (unsigned)kind->size)] =
                a_byte(&random);
        use(kind, &f, "HEALD_SEED", seed);
    }
    fixture_close(&f);
}

/* Zeroed memory is a lock for 64 readers: where it has no room for so many it is none. */
HEALD_CASE(a_zeroed_lock_at_the_end_of_the_region)
{
    struct fixture f = open_region();
    struct heald_region_stats stats;
    size_t size = HEALD_RWLOCK_SIZE(1);

    heald_region_stats(f.region, &stats);
    struct heald_rwlock *lock = heald_at(f.region, stats.size - size);
    ck_assert_ptr_nonnull(lock);
    memset(lock, 0, size);
    ck_assert_int_eq(heald_rwlock_rdlock(lock, f.me, 0), -EBADMSG);
    ck_assert_int_eq(heald_rwlock_trywrlock(lock, f.me), -EBADMSG);
    ck_assert_int_eq(heald_rwlock_init_sized(lock, size, 0), 0);
    ck_assert_int_eq(heald_rwlock_rdlock(lock, f.me, 0), 0);
    ck_assert_int_eq(heald_rwlock_unlock(lock, f.me), 0);
    fixture_close(&f);
}

int main(void)
{
    Suite *suite = suite_create("hostile");
    TCase *group = harness_group(suite, "hostile");

    harness_limit(group, 120);
    harness_add_range(group, any_byte_of_an_object_is_wrong, 0, KINDS);
    harness_add_range(group, many_bytes_of_an_object_are_wrong, 0, KINDS);
    harness_add(group, a_zeroed_lock_at_the_end_of_the_region);
    return harness_run(suite);
}
