/*
 * test/shm/standstill.c: one is stopped after any instruction of a call; all that others do to the
 * same object returns in its time: what does not wait at once, what has a deadline then, and in a
 * loop the other ops go on.
 *
 * HEALD_CRASH_STRIDE=N stops N instructions further each time, 1 misses none, and tries each way in
 * which a loop waits. Without it a call is stopped at places spread over it, and one way is tried.
 */
#include "shm/standstill.h"

struct shared {
    HEALD_SEM(1) one;
    struct heald_sem count;
    struct heald_rwlock lock;
    struct heald_barrier barrier;
    struct heald_mutex mutex, fair;
    struct heald_cond cond;
    struct heald_once once;
    _Alignas(8) uint64_t ring[192], lane[192]; /* queues */
};

/* What the others do, which have nothing of the object before and after. */

static void give_permit(struct stage *st, int err)
{
    ck_assert(err == 0 || err == -EAGAIN || err == -ETIMEDOUT);
    if (!err)
        ck_assert_int_eq(AT_ONCE(st, heald_sem_post(&st->s->one.sem, st->f->me)), 0);
}

static void use_sem(struct stage *st)
{
    struct heald_participant *me = st->f->me;
    struct heald_op op = {0};

    give_permit(st, AT_ONCE(st, heald_sem_trywait(&st->s->one.sem, me)));
    give_permit(st, IN_TIME(st, heald_sem_wait, &st->s->one.sem, me));
    give_permit(st, awaited(st, &op, heald_prep_sem_wait(&op, &st->s->one.sem, me)));
}

static void use_count(struct stage *st)
{
    struct heald_participant *me = st->f->me;
    struct heald_op op = {0};

    ck_assert_int_eq(AT_ONCE(st, heald_sem_post(&st->s->count, me)), 0);
    AT_ONCE(st, heald_sem_trywait(&st->s->count, me));
    IN_TIME(st, heald_sem_wait, &st->s->count, me);
    ck_assert_int_eq(AT_ONCE(st, heald_sem_post(&st->s->count, me)), 0);
    awaited(st, &op, heald_prep_sem_wait(&op, &st->s->count, me));
}

static void unlock(struct stage *st, int err)
{
    ck_assert(err == 0 || err == -EBUSY || err == -ETIMEDOUT);
    if (!err)
        ck_assert_int_eq(AT_ONCE(st, heald_rwlock_unlock(&st->s->lock, st->f->me)), 0);
}

static void use_lock(struct stage *st)
{
    struct heald_rwlock *lock = &st->s->lock;
    struct heald_participant *me = st->f->me;
    struct heald_op op = {0};

    unlock(st, AT_ONCE(st, heald_rwlock_tryrdlock(lock, me)));
    unlock(st, AT_ONCE(st, heald_rwlock_trywrlock(lock, me)));
    unlock(st, IN_TIME(st, heald_rwlock_rdlock, lock, me));
    unlock(st, IN_TIME(st, heald_rwlock_wrlock, lock, me));
    unlock(st, awaited(st, &op, heald_prep_rwlock_wrlock(&op, lock, me)));
    unlock(st, awaited(st, &op, heald_prep_rwlock_rdlock(&op, lock, me)));
}

static void use_barrier(struct stage *st)
{
    struct heald_barrier *b = &st->s->barrier;
    struct heald_op op = {0};
    uint32_t round;

    st->what = "heald_barrier_wait";
    st->begin = heald_clock_now(HEALD_CLOCK_MONOTONIC);
    back(st, heald_barrier_wait(b, st->f->me, st->begin + SHORT_MS * HEALD_MS, &round));
    awaited(st, &op, heald_prep_barrier_wait(&op, b, st->f->me, &round));
    ck_assert_int_eq(AT_ONCE(st, heald_barrier_reset(b, st->f->me, round)), 0);
}

static void unlock_mutex(struct stage *st, struct heald_mutex *mutex, int err)
{
    ck_assert(err == 0 || err == -EBUSY || err == -ETIMEDOUT);
    if (!err)
        ck_assert_int_eq(AT_ONCE(st, heald_mutex_unlock(mutex, st->f->me)), 0);
}

static void use_any_mutex(struct stage *st, struct heald_mutex *mutex)
{
    struct heald_participant *me = st->f->me;
    struct heald_op op = {0};

    unlock_mutex(st, mutex, AT_ONCE(st, heald_mutex_trylock(mutex, me)));
    unlock_mutex(st, mutex, IN_TIME(st, heald_mutex_lock, mutex, me));
    unlock_mutex(st, mutex, awaited(st, &op, heald_prep_mutex_lock(&op, mutex, me)));
}

static void use_mutex(struct stage *st)
{
    use_any_mutex(st, &st->s->mutex);
}

static void use_fair(struct stage *st)
{
    use_any_mutex(st, &st->s->fair);
}

/* A wait for a signal would lock the mutex again afterwards, for as long as that takes. */
static void use_cond(struct stage *st)
{
    soon(st, "heald_cond_signal");
    heald_cond_signal(&st->s->cond);
    back(st, 0);
    use_mutex(st);
}

static void end_once(struct stage *st, int err)
{
    ck_assert(err == 0 || err == 1 || err == -ETIMEDOUT);
    if (err == 1)
        ck_assert_int_eq(AT_ONCE(st, heald_once_end(&st->s->once, st->f->me, 0)), 0);
}

static void use_once(struct stage *st)
{
    struct heald_op op = {0};

    end_once(st, IN_TIME(st, heald_once_begin, &st->s->once, st->f->me));
    end_once(st, awaited(st, &op, heald_prep_once_begin(&op, &st->s->once, st->f->me)));
}

static struct heald_queue *ring_of(struct shared *s)
{
    return (struct heald_queue *)s->ring;
}

static struct heald_queue *lane_of(struct shared *s)
{
    return (struct heald_queue *)s->lane;
}

/* One who is stopped with a message, or with a slot, may hold up both directions. */
static void use_any_queue(struct stage *st, struct heald_queue *queue)
{
    struct heald_participant *me = st->f->me;
    struct heald_queue_message m = {.data = &m.priority, .size = sizeof m.priority};
    struct heald_op op = {0};
    int64_t number;

    AT_ONCE(st, (int)heald_queue_tryrecv(queue, me, &number, sizeof number, NULL));
    AT_ONCE(st, heald_queue_trysend(queue, me, &number, sizeof m.priority, 0));
    soon(st, "heald_queue_recv");
    back(st, (int)heald_queue_recv(queue, me, &number, sizeof number, NULL,
                                   st->begin + SHORT_MS * HEALD_MS));
    soon(st, "heald_queue_send");
    back(st, heald_queue_send(queue, me, &number, sizeof m.priority, 0,
                              st->begin + SHORT_MS * HEALD_MS));
    awaited(st, &op, heald_prep_queue_recv(&op, queue, me, &m));
    m.size = sizeof m.priority;
    awaited(st, &op, heald_prep_queue_send(&op, queue, me, &m));
}

static void use_ring(struct stage *st)
{
    use_any_queue(st, ring_of(st->s));
}

static void use_lane(struct stage *st)
{
    use_any_queue(st, lane_of(st->s));
}

/* What the stopped one does. */

static struct shared *shared_of(struct fixture *f)
{
    return f->data;
}

static void take_and_post(struct fixture *f)
{
    struct heald_sem *sem = &shared_of(f)->one.sem;

    if (heald_sem_wait(sem, f->me, in_a_moment()) == 0)
        heald_sem_post(sem, f->me);
    if (heald_sem_trywait(sem, f->me) == 0)
        heald_sem_post(sem, f->me);
}

static void count_up_and_down(struct fixture *f)
{
    heald_sem_post(&shared_of(f)->count, f->me);
    heald_sem_wait(&shared_of(f)->count, f->me, in_a_moment());
    heald_sem_wait(&shared_of(f)->count, f->me, in_a_moment());
}

static void read_and_unlock(struct fixture *f)
{
    struct heald_rwlock *lock = &shared_of(f)->lock;

    if (heald_rwlock_rdlock(lock, f->me, in_a_moment()) == 0)
        heald_rwlock_unlock(lock, f->me);
    if (heald_rwlock_tryrdlock(lock, f->me) == 0)
        heald_rwlock_unlock(lock, f->me);
}

static void write_and_unlock(struct fixture *f)
{
    struct heald_rwlock *lock = &shared_of(f)->lock;

    if (heald_rwlock_wrlock(lock, f->me, in_a_moment()) == 0)
        heald_rwlock_unlock(lock, f->me);
    if (heald_rwlock_trywrlock(lock, f->me) == 0)
        heald_rwlock_unlock(lock, f->me);
}

static void come_and_reset(struct fixture *f)
{
    uint32_t round;

    heald_barrier_wait(&shared_of(f)->barrier, f->me, in_a_moment(), &round);
    heald_barrier_reset(&shared_of(f)->barrier, f->me, round);
}

static void lock_and_unlock(struct fixture *f)
{
    if (heald_mutex_lock(&shared_of(f)->mutex, f->me, in_a_moment()) == 0)
        heald_mutex_unlock(&shared_of(f)->mutex, f->me);
}

static void lock_the_fair(struct fixture *f)
{
    if (heald_mutex_lock(&shared_of(f)->fair, f->me, in_a_moment()) == 0)
        heald_mutex_unlock(&shared_of(f)->fair, f->me);
}

static void await_signal(struct fixture *f)
{
    struct shared *s = f->data;

    must(heald_mutex_lock(&s->mutex, f->me, HEALD_FOREVER) == 0);
    heald_cond_wait(&s->cond, &s->mutex, f->me, in_a_moment());
    heald_cond_signal(&s->cond);
    must(heald_mutex_unlock(&s->mutex, f->me) == 0);
}

static void begin_and_end(struct fixture *f)
{
    if (heald_once_begin(&shared_of(f)->once, f->me, in_a_moment()) == 1)
        heald_once_end(&shared_of(f)->once, f->me, 0);
}

static void send_and_receive(struct fixture *f, struct heald_queue *queue)
{
    unsigned number = 0;

    heald_queue_send(queue, f->me, &number, sizeof number, 0, in_a_moment());
    heald_queue_recv(queue, f->me, &number, sizeof number, NULL, in_a_moment());
    heald_queue_recv(queue, f->me, &number, sizeof number, NULL, in_a_moment());
}

static void send_in_ring(struct fixture *f)
{
    send_and_receive(f, ring_of(shared_of(f)));
}

static void send_in_lane(struct fixture *f)
{
    send_and_receive(f, lane_of(shared_of(f)));
}

/* What the test has meanwhile: what the other is stopped over is not free. */

static bool has_permit(struct stage *st, bool take)
{
    if (take)
        return heald_sem_trywait(&st->s->one.sem, st->f->me) == 0;
    return AT_ONCE(st, heald_sem_post(&st->s->one.sem, st->f->me)) == 0;
}

static bool reads(struct stage *st, bool take)
{
    if (take)
        return heald_rwlock_tryrdlock(&st->s->lock, st->f->me) == 0;
    return AT_ONCE(st, heald_rwlock_unlock(&st->s->lock, st->f->me)) == 0;
}

static bool writes(struct stage *st, bool take)
{
    if (take)
        return heald_rwlock_trywrlock(&st->s->lock, st->f->me) == 0;
    return AT_ONCE(st, heald_rwlock_unlock(&st->s->lock, st->f->me)) == 0;
}

static bool locks(struct stage *st, bool take)
{
    if (take)
        return heald_mutex_trylock(&st->s->mutex, st->f->me) == 0;
    return AT_ONCE(st, heald_mutex_unlock(&st->s->mutex, st->f->me)) == 0;
}

static const struct scene scenes[] = {
    {"sem", take_and_post, use_sem, NULL},
    {"sem, taken", take_and_post, use_sem, has_permit},
    {"counting sem", count_up_and_down, use_count, NULL},
    {"read lock", read_and_unlock, use_lock, NULL},
    {"read lock, written", read_and_unlock, use_lock, writes},
    {"write lock", write_and_unlock, use_lock, NULL},
    {"write lock, read", write_and_unlock, use_lock, reads},
    {"write lock, written", write_and_unlock, use_lock, writes},
    {"barrier", come_and_reset, use_barrier, NULL},
    {"mutex", lock_and_unlock, use_mutex, NULL},
    {"mutex, locked", lock_and_unlock, use_mutex, locks},
    {"fair mutex", lock_the_fair, use_fair, NULL},
    {"cond", await_signal, use_cond, NULL},
    {"once", begin_and_end, use_once, NULL},
    {"queue", send_in_ring, use_ring, NULL},
    {"lane", send_in_lane, use_lane, NULL},
};

enum {
    SCENES = sizeof scenes / sizeof scenes[0],
    VARIANTS = 2 /* of a read-write lock: which goes first */
};

static void set_up(struct stage *st, unsigned flags)
{
    ck_assert_int_eq(heald_sem_init(&st->s->one.sem, 1), 0);
    ck_assert_int_eq(heald_rwlock_init(&st->s->lock, flags), 0);
    ck_assert_int_eq(heald_barrier_init(&st->s->barrier, 2), 0);
    ck_assert_int_eq(heald_mutex_init(&st->s->fair, HEALD_MUTEX_FAIR), 0);
    struct heald_queue_options o = {.capacity = 2, .message_max = 8};
    ck_assert_uint_le(heald_queue_size(&o), sizeof st->s->ring);
    ck_assert_int_eq(heald_queue_init(ring_of(st->s), &o), 0);
    o.flags = HEALD_QUEUE_ONE_SENDER | HEALD_QUEUE_ONE_RECEIVER;
    ck_assert_int_eq(heald_queue_init(lane_of(st->s), &o), 0);
}

/* _i: the scene, and the variant; or with the waiter as well. */
HEALD_CASE(nobody_waits_for_one_who_is_stopped)
{
    unsigned number = (unsigned)_i % SCENES, variant = (unsigned)_i / SCENES % VARIANTS;
    unsigned waiter = is_whole() ? (unsigned)_i / SCENES / VARIANTS : (number + variant) % WAITERS;
    const struct scene *scene = &scenes[number];

    if (harness_has_tsan())
        harness_skip("its instructions are ThreadSanitizer's");
    struct fixture f = fixture_open_with(
        &(struct heald_region_options){.participants = 4, .size = sizeof(struct shared)});
    struct stage st = {.f = &f, .s = f.data};

    set_up(&st, variant ? HEALD_RWLOCK_PREFER_WRITER : 0);
    open_loop(&st, &st.s->count, waiters[waiter].backend, waiters[waiter].await);
    play(&st, scene);
    ck_assert_int_eq(heald_loop_close(st.loop), 0);
    fixture_close(&f);
}

int main(void)
{
    Suite *suite = suite_create("standstill");
    TCase *group = harness_group(suite, "standstill");

    harness_limit(group, is_whole() ? 900 : 60);
    harness_add_range(group, nobody_waits_for_one_who_is_stopped, 0,
                      SCENES * VARIANTS * (is_whole() ? WAITERS : 1));
    return harness_run(suite);
}
