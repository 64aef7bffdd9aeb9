/*
 * test/soak/each.c: the killer. A case is an object and a way to wait for it; HEALD_SOAK_KILLS
 * kills (40) an object, shared out among the ways that there are here, from the seed HEALD_SEED.
 * After each kill the others must make progress; and now and then, while none dies, none may wait
 * long. Each case prints a line: what ran, and the result.
 */
#include "soak/each.h"

#include "shm/shm.h"

#include <time.h>

enum { KILLS = 40, HANG_MS = 5000, QUIET_MS = 70, QUIET_EVERY = 24, BUSY_MS = 10, ENOUGH = 300 };

static const struct way {
    const char *name, *backend, *await;
} ways[] = {{"blocking", NULL, NULL},
            {"ring on uring", "uring", "ring"},
            {"ring on epoll", "epoll", "ring"},
            {"thread on epoll", "epoll", "thread"},
            {"thread on uring", "uring", "thread"}};

static const struct soak_object *const objects[] = {&soak_mutex,   &soak_fair_mutex,    &soak_cond,
                                                    &soak_rwlock,  &soak_writers_first, &soak_sem,
                                                    &soak_barrier, &soak_once};

enum { WAYS = sizeof ways / sizeof ways[0], OBJECTS = sizeof objects / sizeof objects[0] };

struct row {
    const struct soak_object *object;
    const struct way *way;
    struct fixture f;
    struct shared *s;
    struct rng rng;
    uint64_t seed;
    pid_t pids[WORKERS];
    uint32_t lives[WORKERS]; /* how many each had */
    int64_t slowest;
    long kills, quiet, unwoken; /* the last: when it was quiet, and a worker waited long */
};

static uint64_t number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

static struct fixture open_region(void)
{
    return fixture_open_with(&(struct heald_region_options){.size = sizeof(struct shared)});
}

/* 0, or why nothing can wait so here. */
static int refusal(const struct way *way, struct fixture *f)
{
    struct heald_loop_options o = {.backend = way->backend, .engine = "sync"};
    struct heald_loop *loop;
    struct heald_op op = {0};
    /* A semaphore without permits, in zeroed memory. */
    struct heald_sem *sem = f->data;

    if (!way->backend)
        return 0;
    setenv("HEALD_AWAIT", way->await, 1);
    int err = heald_loop_open(&loop, &o);
    if (err)
        return err;
    /* The waiter is opened by the first op that has to wait. */
    heald_prep_sem_wait(&op, sem, f->me);
    err = heald_submit(loop, &op, NULL);
    if (!err)
        heald_cancel(&op);
    while (heald_op_error(&op) == -EINPROGRESS && heald_loop_turn(loop, HEALD_FOREVER) >= 0)
        ;
    heald_loop_close(loop);
    return err;
}

/* How many kills the case has: for each object as many as were asked for. */
static long kills_of_case(struct fixture *f)
{
    long kills = (long)number("HEALD_SOAK_KILLS", KILLS), here = 0;

    for (int i = 0; i < WAYS; i++)
        here += refusal(&ways[i], f) == 0;
    return (kills + here - 1) / here;
}

static long load(const long *counter)
{
    return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}

static int64_t now_ns(void)
{
    return heald_clock_now(HEALD_CLOCK_MONOTONIC);
}

static int64_t hang_ns(void)
{
    return HANG_MS * HEALD_MS * harness_slow();
}

static void nap_us(unsigned us)
{
    nanosleep(&(struct timespec){.tv_nsec = us * 1000L}, NULL);
}

static void start(struct row *r, unsigned which)
{
    struct worker w = {.shared = r->s, .object = r->object};

    w.life = (struct life){which, ++r->lives[which]};
    w.rng = rng_of(r->seed, (uint64_t)w.life.number * WORKERS + which);
    for (int i = 0; i < PLACES; i++)
        __atomic_store_n(&r->s->since[which][i], 0, __ATOMIC_RELEASE);
    fflush(stdout);
    r->pids[which] = fork();
    /* The worker says nothing to Check: it may be killed in the middle of that. */
    if (r->pids[which] == 0)
        soak_work(&w, r->f.region, r->way->backend);
    ck_assert_int_ge(r->pids[which], 0);
}

/* Seq_cst: what others find of this life from now on is that of a dead process. */
static void end_life(struct row *r, unsigned which)
{
    int status;

    __atomic_store_n(&r->s->killed[which], r->lives[which], __ATOMIC_SEQ_CST);
    kill(r->pids[which], SIGKILL);
    ck_assert_int_eq(waitpid(r->pids[which], &status, 0), r->pids[which]);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        soak_wrong(r->s, "a worker ended by itself: status %d", status);
}

static bool all_got_on(const struct row *r, const long before[])
{
    for (int i = 0; i < (r->way->backend ? PLACES : 1); i++)
        if (load(&r->s->got[i]) == before[i])
            return false;
    return true;
}

/* Does anybody wait for so long already? */
static bool is_awaited(const struct row *r, int64_t ns)
{
    for (unsigned i = 0; i < WORKERS; i++)
        for (int k = 0; k < PLACES; k++) {
            int64_t since = __atomic_load_n(&r->s->since[i][k], __ATOMIC_ACQUIRE);
            if (since && now_ns() - since > ns)
                return true;
        }
    return false;
}

static bool is_wrong(const struct row *r)
{
    return __atomic_load_n(&r->s->wrong, __ATOMIC_ACQUIRE);
}

static void tend(const struct row *r)
{
    for (int i = 0; r->object->tend && i < PLACES; i++)
        r->object->tend(r->s, &r->s->places[i]);
}

/* Until something was had at each place: how long it took. */
static int64_t await_progress(struct row *r)
{
    long before[PLACES];
    int64_t begin = now_ns();

    for (int i = 0; i < PLACES; i++)
        before[i] = load(&r->s->got[i]);
    while (!all_got_on(r, before) && !is_wrong(r)) {
        tend(r);
        if (now_ns() - begin > hang_ns())
            soak_wrong(r->s, "nobody gets on");
        nap_us(20);
    }
    return now_ns() - begin;
}

/* A while without a death, which would have all try again: does a worker wait although it could go
 * on? What took long while the machine let none run, as is seen here, too, does not count. */
static void be_quiet(struct row *r)
{
    int64_t begin = now_ns(), last = begin, pause = 0;
    long before = load(&r->s->late);

    while (last - begin < QUIET_MS * HEALD_MS && !is_wrong(r)) {
        tend(r);
        nap_us(500);
        int64_t now = now_ns();
        pause = now - last > pause ? now - last : pause;
        last = now;
    }
    if (pause > BUSY_MS * HEALD_MS)
        return;
    r->quiet++;
    r->unwoken += load(&r->s->late) > before || is_awaited(r, SOAK_LATE_MS * HEALD_MS);
}

/* Kills one, which may be stopped at that moment, and has the others make progress, by themselves
 * or with its successor; another may be stopped meanwhile, for a while. */
static void kill_one(struct row *r)
{
    unsigned victim = rng_below(&r->rng, WORKERS), other = (victim + 1) % WORKERS;
    bool early = r->object->needs_all || rng_one_in(&r->rng, 2);
    bool is_stopped = rng_one_in(&r->rng, 8), stops_other = rng_one_in(&r->rng, 8);

    nap_us(rng_range(&r->rng, 20, 700));
    if (is_stopped) {
        kill(r->pids[victim], SIGSTOP);
        nap_us(rng_range(&r->rng, 20, 700));
        if (rng_one_in(&r->rng, 2)) {
            kill(r->pids[victim], SIGCONT);
            nap_us(rng_range(&r->rng, 20, 300));
        }
    }
    if (stops_other)
        kill(r->pids[other], SIGSTOP);
    end_life(r, victim);
    if (early)
        start(r, victim);
    if (stops_other) {
        nap_us(rng_range(&r->rng, 20, 700));
        kill(r->pids[other], SIGCONT);
    }
    int64_t took = await_progress(r);
    if (!early)
        start(r, victim);
    if (is_awaited(r, hang_ns()))
        soak_wrong(r->s, "somebody waits in vain");
    if (r->kills % QUIET_EVERY == 0)
        be_quiet(r);
    r->slowest = took > r->slowest ? took : r->slowest;
    r->kills++;
}

static void report(const struct row *r)
{
    const struct shared *s = r->s;

    printf("     %-22s %-16s %6ld kills %8ld ops %7ld recovered %7ld timed out %7ld cancelled, "
           "slowest %.1f ms, late in %ld of %ld\n",
           r->object->name, r->way->name, r->kills, s->ops, s->recovered, s->timed_out,
           s->cancelled, (double)r->slowest / (double)HEALD_MS, r->unwoken, r->quiet);
    ck_assert_msg(!s->wrong, "%s, %s: %s (HEALD_SEED=%llu)", r->object->name, r->way->name, s->why,
                  (unsigned long long)r->seed);
    /* On a busy machine one may wait long for what is not fair, although it is woken. */
    ck_assert_msg(r->unwoken * 4 <= r->quiet * 3 + 4,
                  "%s, %s: in %ld of %ld whiles nobody was woken", r->object->name, r->way->name,
                  r->unwoken, r->quiet);
    ck_assert_msg(r->kills < ENOUGH || s->recovered > 0, "%s, %s: nobody died with it",
                  r->object->name, r->way->name);
}

static void end_row(struct row *r)
{
    for (unsigned i = 0; i < WORKERS; i++)
        end_life(r, i);
    for (int i = 0; i < (r->way->backend ? PLACES : 1) && !is_wrong(r); i++) {
        const char *why = r->object->end(&r->s->places[i], r->f.me,
                                         now_ns() + HANG_MS * HEALD_MS * harness_slow());
        if (why)
            soak_wrong(r->s, "%s, at the end", why);
    }
    report(r);
    fixture_close(&r->f);
}

/* _i: the object, and the way. */
HEALD_CASE(killed_at_random)
{
    struct row r = {.object = objects[_i / WAYS], .way = &ways[_i % WAYS], .f = open_region()};
    long kills = kills_of_case(&r.f);
    int err = refusal(r.way, &r.f);

    if (err)
        harness_skip("%s: no loop here waits so: %s", r.way->name, strerror(-err));
    r.s = r.f.data;
    memset(r.s, 0, sizeof *r.s);
    r.seed = number("HEALD_SEED", (uint64_t)getpid());
    r.rng = rng_of(r.seed, 0);
    for (int i = 0; i < PLACES; i++)
        r.object->init(&r.s->places[i]);
    for (unsigned i = 0; i < WORKERS; i++)
        start(&r, i);
    await_progress(&r);
    while (r.kills < kills && !is_wrong(&r))
        kill_one(&r);
    end_row(&r);
}

int main(void)
{
    Suite *suite = suite_create("soak");
    TCase *group = harness_group(suite, "soak");

    harness_limit(group, 60 + (int)(number("HEALD_SOAK_KILLS", KILLS) / 20));
    harness_add_range(group, killed_at_random, 0, OBJECTS * WAYS);
    return harness_run(suite);
}
