/* test/sync/lockdep.c: locks that are fair, and locks that are taken in two orders. */
#include "shm/shm.h"

#include <pthread.h>
#include <sched.h>

enum { LOCKS = 4 };

struct shared {
    struct heald_mutex mutex[LOCKS], another;
    struct heald_rwlock rwlock;
    int next, came[8], order[8];
    int notified;
};

static struct fixture open_region(int trace)
{
    return fixture_open_with(&(struct heald_region_options){.trace = trace});
}

static int number;

/* Enters the queue, and records when it was its turn. */
static bool stand_in_line(struct fixture *f)
{
    struct shared *s = f->data;
    int mine = number;

    set_flag(&s->came[mine]);
    int err = heald_mutex_lock(&s->mutex[0], f->me, HEALD_FOREVER);
    must(err == 0);
    s->order[s->next++] = mine;
    must(heald_mutex_unlock(&s->mutex[0], f->me) == 0);
    return false;
}

/* Until that process waits. */
static void until_it_waits(struct fixture *f, pid_t pid)
{
    struct heald_participant_info p;
    int64_t end = in_ms(10000 * harness_slow());

    for (unsigned cursor = 0;;) {
        if (!heald_participant_next(f->region, &cursor, &p)) {
            ck_assert_int_lt(heald_clock_now(HEALD_CLOCK_MONOTONIC), end);
            cursor = 0;
            usleep(200);
        } else if (p.thread.pid == pid && p.wait_count) {
            return;
        }
    }
}

static void fill_line(struct fixture *f, pid_t pids[], int count)
{
    struct shared *s = f->data;

    ck_assert_int_eq(heald_mutex_init(&s->mutex[0], HEALD_MUTEX_FAIR), 0);
    ck_assert_int_eq(heald_mutex_lock(&s->mutex[0], f->me, HEALD_FOREVER), 0);
    for (number = 0; number < count; number++) {
        pids[number] = child_start(f, stand_in_line);
        until_it_waits(f, pids[number]);
    }
}

enum { OVERTAKES_MAX = 512 };

HEALD_CASE(who_came_first_is_first)
{
    struct fixture f = open_region(0);
    struct shared *s = f.data;
    pid_t pids[6];

    fill_line(&f, pids, 6);
    ck_assert_int_eq(heald_mutex_unlock(&s->mutex[0], f.me), 0);
    /* A newcomer may have it until one of those is awake, but not again and again. */
    int overtakes = 0;
    for (; s->next < 6; overtakes++) {
        ck_assert_int_eq(heald_mutex_lock(&s->mutex[0], f.me, in_ms(10000 * harness_slow())), 0);
        ck_assert_int_eq(heald_mutex_unlock(&s->mutex[0], f.me), 0);
    }
    ck_assert_int_le(overtakes, 6 * (OVERTAKES_MAX + 1));
    for (int i = 0; i < 6; i++) {
        child_end(pids[i]);
        ck_assert_int_eq(s->order[i], i);
    }
    /* And then it is as good as new. */
    ck_assert_int_eq(heald_mutex_trylock(&s->mutex[0], f.me), 0);
    ck_assert_int_eq(heald_mutex_unlock(&s->mutex[0], f.me), 0);
    fixture_close(&f);
}

/* The same where the waiters have slots far apart: between two of them 64 others are idle. */
HEALD_CASE(order_holds_over_all_slots)
{
    enum { IDLE = 65, WAITERS = 3 };
    if (harness_has_tsan())
        harness_skip("ThreadSanitizer follows 64 locks of a thread, and each place has one");
    struct fixture f =
        fixture_open_with(&(struct heald_region_options){.participants = WAITERS * IDLE + 1});
    struct shared *s = f.data;
    struct heald_participant *idle[(WAITERS - 1) * (IDLE - 1)];
    int attached = 0;
    pid_t pids[WAITERS];

    ck_assert_int_eq(heald_mutex_init(&s->mutex[0], HEALD_MUTEX_FAIR), 0);
    ck_assert_int_eq(heald_mutex_lock(&s->mutex[0], f.me, HEALD_FOREVER), 0);
    for (number = 0; number < WAITERS; number++) {
        pids[number] = child_start(&f, stand_in_line);
        until_it_waits(&f, pids[number]);
        for (int i = 1; i < IDLE && number < WAITERS - 1; i++)
            ck_assert_int_eq(heald_attach(f.region, &idle[attached++]), 0);
    }
    ck_assert_int_eq(heald_mutex_unlock(&s->mutex[0], f.me), 0);
    for (int i = 0; i < WAITERS; i++) {
        ck_assert_int_eq(child_end(pids[i]), 0);
        ck_assert_int_eq(s->order[i], i);
    }
    while (attached)
        heald_detach(idle[--attached]);
    fixture_close(&f);
}

/* The only waiter cannot run: as one that gets no processor. */
HEALD_CASE(nobody_is_overtaken_without_end)
{
    struct fixture f = open_region(0);
    struct shared *s = f.data;
    pid_t pid;
    int overtakes = 0;

    fill_line(&f, &pid, 1);
    kill(pid, SIGSTOP);
    ck_assert_int_eq(heald_mutex_unlock(&s->mutex[0], f.me), 0);
    for (; heald_mutex_lock(&s->mutex[0], f.me, in_ms(50)) == 0; overtakes++) {
        ck_assert_int_le(overtakes, OVERTAKES_MAX);
        ck_assert_int_eq(heald_mutex_unlock(&s->mutex[0], f.me), 0);
    }
    ck_assert_int_gt(overtakes, 0);
    ck_assert_int_eq(s->next, 0);
    kill(pid, SIGCONT);
    ck_assert_int_eq(child_end(pid), 0);
    ck_assert_int_eq(s->next, 1);
    fixture_close(&f);
}

/* Waits with all its places taken: by ops for the other locks. */
static bool stand_unlisted(struct fixture *f)
{
    struct shared *s = f->data;
    struct heald_loop *loop;
    struct heald_op ops[LOCKS] = {0};

    must(heald_loop_open(&loop, NULL) == 0);
    for (int i = 0; i < LOCKS; i++) {
        must(heald_prep_mutex_lock(&ops[i], i ? &s->mutex[i] : &s->another, f->me) == 0);
        must(heald_submit(loop, &ops[i], NULL) == 0);
    }
    set_flag(&s->came[0]);
    must(heald_mutex_lock(&s->mutex[0], f->me, HEALD_FOREVER) == 0);
    s->next++;
    return true;
}

/* One that has no place in the queue is woken as all others: how long it took. */
static int64_t wake_the_unlisted(void)
{
    struct fixture f = open_region(0);
    struct shared *s = f.data;
    pid_t first;

    ck_assert_int_eq(heald_mutex_lock(&s->another, f.me, 0), 0);
    for (int i = 1; i < LOCKS; i++)
        ck_assert_int_eq(heald_mutex_lock(&s->mutex[i], f.me, 0), 0);
    fill_line(&f, &first, 1);
    s->came[0] = 0;
    pid_t pid = child_start(&f, stand_unlisted);
    until_set(&s->came[0]);
    usleep(5000);
    int64_t begin = heald_clock_now(HEALD_CLOCK_MONOTONIC);
    ck_assert_int_eq(heald_mutex_unlock(&s->mutex[0], f.me), 0);
    while (__atomic_load_n(&s->next, __ATOMIC_RELAXED) < 2)
        usleep(100);
    int64_t took = heald_clock_now(HEALD_CLOCK_MONOTONIC) - begin;
    child_kill(pid);
    ck_assert_int_eq(child_end(first), 0);
    fixture_close(&f);
    return took;
}

HEALD_CASE(who_has_no_place_is_woken)
{
    int late = 0;

    for (int i = 0; i < 8; i++)
        late += wake_the_unlisted() > 25 * HEALD_MS;
    ck_assert_int_le(late, 3); /* of a busy machine */
}

HEALD_CASE(the_dead_are_out_of_the_line)
{
    struct fixture f = open_region(0);
    struct shared *s = f.data;
    pid_t pids[4];

    fill_line(&f, pids, 4);
    child_kill(pids[0]);
    child_kill(pids[2]);
    int64_t begin = heald_clock_now(HEALD_CLOCK_MONOTONIC);
    ck_assert_int_eq(heald_mutex_unlock(&s->mutex[0], f.me), 0);
    child_end(pids[1]);
    child_end(pids[3]);
    ck_assert_int_lt(heald_clock_now(HEALD_CLOCK_MONOTONIC) - begin,
                     100 * HEALD_MS * harness_slow());
    ck_assert_int_eq(s->order[0], 1);
    ck_assert_int_eq(s->order[1], 3);
    fixture_close(&f);
}

static bool give_up(struct fixture *f)
{
    struct shared *s = f->data;

    set_flag(&s->came[7]);
    int err = heald_mutex_lock(&s->mutex[0], f->me, in_ms(60 * harness_slow()));
    must(err == -ETIMEDOUT || heald_mutex_unlock(&s->mutex[0], f->me) == 0);
    return false;
}

/* The first in the queue has only just so much time, most of which it is stopped. */
HEALD_CASE(who_is_stopped_stops_those_behind)
{
    struct fixture f = open_region(0);
    struct shared *s = f.data;
    pid_t pid, next;

    ck_assert_int_eq(heald_mutex_init(&s->mutex[0], HEALD_MUTEX_FAIR), 0);
    ck_assert_int_eq(heald_mutex_lock(&s->mutex[0], f.me, HEALD_FOREVER), 0);
    pid = child_start(&f, give_up);
    until_it_waits(&f, pid);
    number = 0;
    next = child_start(&f, stand_in_line);
    until_it_waits(&f, next);
    kill(pid, SIGSTOP);
    ck_assert_int_eq(heald_mutex_unlock(&s->mutex[0], f.me), 0);
    usleep(80000 * (useconds_t)harness_slow());
    ck_assert_int_eq(s->next, 0);
    ck_assert_int_eq(heald_mutex_trylock(&s->mutex[0], f.me), -EBUSY);
    kill(pid, SIGCONT);
    ck_assert_int_eq(child_end(next), 0);
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    fixture_close(&f);
}

enum { CROWD = 3 };

/* How often the crowd waited for a lock without a holder, until each rechecked by itself. */
struct idle {
    struct heald_region *region;
    int64_t until, given_back;
    int times;
};

static void *come_again(void *arg)
{
    struct idle *idle = arg;
    struct shared *s = heald_region_data(idle->region);
    struct heald_participant *me;
    int64_t now = 0;

    must(heald_attach(idle->region, &me) == 0);
    while (now < idle->until) {
        int64_t before = heald_clock_now(HEALD_CLOCK_MONOTONIC);
        must(heald_mutex_lock(&s->mutex[0], me, HEALD_FOREVER) == 0);
        now = heald_clock_now(HEALD_CLOCK_MONOTONIC);
        int64_t since = before > idle->given_back ? before : idle->given_back;
        idle->times += now - since > 45 * HEALD_MS && now - since < 60 * HEALD_MS;
        idle->given_back = heald_clock_now(HEALD_CLOCK_MONOTONIC);
        must(heald_mutex_unlock(&s->mutex[0], me) == 0);
    }
    heald_detach(me);
    return NULL;
}

HEALD_CASE(nobody_sleeps_while_it_is_free)
{
    struct fixture f = open_region(0);
    struct shared *s = f.data;
    struct idle idle = {.region = f.region,
                        .until = heald_clock_now(HEALD_CLOCK_MONOTONIC) + 2 * HEALD_SEC};
    pthread_t threads[CROWD];

    ck_assert_int_eq(heald_mutex_init(&s->mutex[0], HEALD_MUTEX_FAIR), 0);
    for (int i = 0; i < CROWD; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, come_again, &idle), 0);
    for (int i = 0; i < CROWD; i++)
        pthread_join(threads[i], NULL);
    /* A busy machine may stop the one that unlocks, or the one that is woken, for as long, now and
     * then. */
    ck_assert_int_le(idle.times, 8 * harness_slow());
    fixture_close(&f);
}

static void lock_two(struct fixture *f, int first, int second)
{
    struct shared *s = f->data;

    must(heald_mutex_lock(&s->mutex[first], f->me, HEALD_FOREVER) == 0);
    must(heald_mutex_lock(&s->mutex[second], f->me, HEALD_FOREVER) == 0);
    must(heald_mutex_unlock(&s->mutex[second], f->me) == 0);
    must(heald_mutex_unlock(&s->mutex[first], f->me) == 0);
}

static bool lock_one_way(struct fixture *f)
{
    lock_two(f, 0, 1);
    lock_two(f, 1, 2);
    return false;
}

struct notified {
    int count;
    struct heald_inversion last;
};

static void tell(const struct heald_inversion *inversion, void *ctx)
{
    struct notified *notified = ctx;

    notified->count++;
    notified->last = *inversion;
}

/* Another process locked 0, 1, 2 in this order, and has gone. */
HEALD_CASE(the_wrong_order_is_reported_once)
{
    struct fixture f = open_region(1);
    struct shared *s = f.data;
    struct notified notified = {0};

    heald_region_on_inversion(f.region, tell, &notified);
    pid_t pid = child_start(&f, lock_one_way);
    ck_assert_int_eq(child_end(pid), 0);
    lock_two(&f, 0, 2);
    lock_two(&f, 0, 1);
    ck_assert_int_eq(notified.count, 0);
    lock_two(&f, 2, 0);
    ck_assert_int_eq(notified.count, 1);
    ck_assert_ptr_eq(heald_at(f.region, notified.last.held), &s->mutex[2]);
    ck_assert_ptr_eq(heald_at(f.region, notified.last.wanted), &s->mutex[0]);
    ck_assert_uint_ne(notified.last.site, 0);
    ck_assert_uint_ne(notified.last.other_site, 0);
    lock_two(&f, 2, 0);
    ck_assert_int_eq(notified.count, 1);
    lock_two(&f, 2, 1);
    ck_assert_int_eq(notified.count, 2);
    ck_assert_int_eq(notified.last.other_pid, pid);
    fixture_close(&f);
}

HEALD_CASE(readers_and_writers_are_in_the_order_too)
{
    struct fixture f = open_region(1);
    struct shared *s = f.data;
    struct notified notified = {0};

    heald_region_on_inversion(f.region, tell, &notified);
    ck_assert_int_eq(heald_rwlock_rdlock(&s->rwlock, f.me, HEALD_FOREVER), 0);
    ck_assert_int_eq(heald_mutex_lock(&s->mutex[0], f.me, HEALD_FOREVER), 0);
    ck_assert_int_eq(heald_rwlock_unlock(&s->rwlock, f.me), 0);
    /* Neither a try nor what is held already can hang. */
    ck_assert_int_eq(heald_mutex_lock(&s->mutex[0], f.me, HEALD_FOREVER), -EDEADLK);
    ck_assert_int_eq(heald_rwlock_trywrlock(&s->rwlock, f.me), 0);
    ck_assert_int_eq(heald_rwlock_unlock(&s->rwlock, f.me), 0);
    ck_assert_int_eq(notified.count, 0);
    ck_assert_int_eq(heald_rwlock_wrlock(&s->rwlock, f.me, HEALD_FOREVER), 0);
    ck_assert_int_eq(notified.count, 1);
    fixture_close(&f);
}

static bool lock_many(struct fixture *f)
{
    heald_region_on_inversion(f->region, NULL, NULL);
    lock_two(f, 1, 0);
    return false;
}

HEALD_CASE(notified_on_standard_error_unless_somebody_asks)
{
    struct fixture f = open_region(1);
    int fds[2];
    char text[512] = "";

    lock_two(&f, 0, 1);
    ck_assert_int_eq(pipe(fds), 0);
    int kept = dup(STDERR_FILENO);
    dup2(fds[1], STDERR_FILENO);
    child_end(child_start(&f, lock_many));
    dup2(kept, STDERR_FILENO);
    close(kept);
    close(fds[1]);
    ck_assert_int_gt(read(fds[0], text, sizeof text - 1), 0);
    close(fds[0]);
    ck_assert_ptr_nonnull(strstr(text, "wrong order of locks"));
    fixture_close(&f);
}

enum { PAIRS = 32, ROUNDS = 8 };

struct crossing {
    struct heald_region *region;
    int mine;
};

static int crossings_notified, gates[2];

static void count_inversion(const struct heald_inversion *inversion, void *ctx)
{
    (void)inversion;
    (void)ctx;
    __atomic_fetch_add(&crossings_notified, 1, __ATOMIC_RELAXED);
}

/* Both go on at the same moment, as nearly as may be. */
static void meet(int *gate, int count)
{
    __atomic_fetch_add(gate, 1, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; __atomic_load_n(gate, __ATOMIC_SEQ_CST) < count; i++)
        if (i % 1024 == 1023)
            sched_yield();
}

static void *cross(void *arg)
{
    const struct crossing *c = arg;
    struct heald_mutex *m = heald_region_data(c->region);
    struct heald_participant *me;

    must(heald_attach(c->region, &me) == 0);
    for (int i = 0; i < PAIRS; i++) {
        struct heald_mutex *first = &m[2 * i + c->mine], *second = &m[2 * i + !c->mine];
        must(heald_mutex_lock(first, me, HEALD_FOREVER) == 0);
        meet(&gates[0], 2 * (i + 1));
        if (heald_mutex_lock(second, me, 0) == 0)
            must(heald_mutex_unlock(second, me) == 0);
        must(heald_mutex_unlock(first, me) == 0);
        meet(&gates[1], 2 * (i + 1));
    }
    heald_detach(me);
    return NULL;
}

HEALD_CASE(two_who_cross_at_once_are_reported)
{
    for (int round = 0; round < ROUNDS; round++) {
        struct fixture f = open_region(1);
        struct crossing c[2] = {{.region = f.region, .mine = 0}, {.region = f.region, .mine = 1}};
        pthread_t threads[2];
        heald_region_on_inversion(f.region, count_inversion, NULL);
        crossings_notified = gates[0] = gates[1] = 0;
        for (int i = 0; i < 2; i++)
            ck_assert_int_eq(pthread_create(&threads[i], NULL, cross, &c[i]), 0);
        for (int i = 0; i < 2; i++)
            pthread_join(threads[i], NULL);
        ck_assert_int_ge(crossings_notified, PAIRS);
        fixture_close(&f);
    }
}

int main(void)
{
    Suite *suite = suite_create("order");
    TCase *group = harness_group(suite, "order");

    harness_add(group, who_came_first_is_first);
    harness_add(group, order_holds_over_all_slots);
    harness_add(group, nobody_is_overtaken_without_end);
    harness_add(group, who_has_no_place_is_woken);
    harness_add(group, the_dead_are_out_of_the_line);
    harness_add(group, who_is_stopped_stops_those_behind);
    harness_add(group, nobody_sleeps_while_it_is_free);
    harness_add(group, the_wrong_order_is_reported_once);
    harness_add(group, readers_and_writers_are_in_the_order_too);
    harness_add(group, notified_on_standard_error_unless_somebody_asks);
    harness_add(group, two_who_cross_at_once_are_reported);
    return harness_run(suite);
}
