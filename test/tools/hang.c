/*
 * test/tools/hang.c: hang NAME PLAN...: makes the region NAME with the mutexes "a" to "d", a
 * semaphore "s" of one permit and a read-write lock "w", and starts a process for each PLAN, which
 * takes what the letters say in turn: "ab" locks a and then b, "r" and "w" the read-write lock;
 * "aB" waits for b with a deadline, of a thousand seconds. Each waits for the others before its
 * second letter, so none may wait at its first. Prints "ready" when all wait or have all, and then
 * stays.
 *
 * hang NAME N: the region has N mutexes instead, and each of N threads of this process holds one
 * and waits for the next; the last one waits for nothing.
 */
#include <heald/heald.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct shared {
    struct heald_mutex mutex[4];
    struct heald_rwlock rwlock;
    HEALD_SEM(1) sem;
    int arrived; /* atomic */
};

static void must(int err)
{
    if (err) {
        fprintf(stderr, "hang: %s\n", heald_strerror(err));
        exit(1);
    }
}

static int fill(void *data, size_t size, void *ctx)
{
    struct shared *s = data;

    (void)size;
    (void)ctx;
    return heald_sem_init(&s->sem.sem, 1);
}

/* Inlined, and named all the same. */
static inline __attribute__((always_inline)) void take(struct shared *s,
                                                       struct heald_participant *me, char letter)
{
    int64_t deadline = HEALD_FOREVER;

    if (letter < 'a') {
        deadline = heald_clock_now(HEALD_CLOCK_MONOTONIC) + 1000 * HEALD_SEC;
        letter = (char)(letter - 'A' + 'a');
    }
    if (letter == 'r')
        must(heald_rwlock_rdlock(&s->rwlock, me, deadline));
    else if (letter == 'w')
        must(heald_rwlock_wrlock(&s->rwlock, me, deadline));
    else if (letter == 's')
        must(heald_sem_wait(&s->sem.sem, me, deadline));
    else
        must(heald_mutex_lock(&s->mutex[(letter - 'a') & 3], me, deadline));
}

static void follow(struct heald_region *region, const char *plan, int others)
{
    struct shared *s = heald_region_data(region);
    struct heald_participant *me;

    must(heald_attach(region, &me));
    take(s, me, plan[0]);
    __atomic_fetch_add(&s->arrived, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&s->arrived, __ATOMIC_SEQ_CST) < others)
        usleep(1000);
    for (const char *p = plan + 1; *p; p++)
        take(s, me, *p);
    for (;;)
        pause();
}

static void give_names(struct heald_region *region)
{
    struct shared *s = heald_region_data(region);
    struct heald_participant *me;
    char name[2] = "a";

    must(heald_attach(region, &me));
    for (int i = 0; i < 4; i++) {
        name[0] = (char)('a' + i);
        must(heald_object_name(me, name, HEALD_OBJECT_MUTEX, &s->mutex[i], 0));
    }
    must(heald_object_name(me, "w", HEALD_OBJECT_RWLOCK, &s->rwlock, 0));
    must(heald_object_name(me, "s", HEALD_OBJECT_SEM, &s->sem, sizeof s->sem));
    heald_detach(me);
}

struct chain {
    struct heald_region *region;
    int count, started, arrived; /* the last two: atomic */
};

static void *hold_and_wait(void *arg)
{
    struct chain *c = arg;
    struct heald_mutex *mutexes = heald_region_data(c->region);
    struct heald_participant *me;
    int i = __atomic_fetch_add(&c->started, 1, __ATOMIC_SEQ_CST);

    must(heald_attach(c->region, &me));
    must(heald_mutex_lock(&mutexes[i], me, HEALD_FOREVER));
    __atomic_fetch_add(&c->arrived, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&c->arrived, __ATOMIC_SEQ_CST) < c->count)
        usleep(10000);
    if (i + 1 < c->count)
        must(heald_mutex_lock(&mutexes[i + 1], me, HEALD_FOREVER));
    pause();
    return NULL;
}

static int make_chain(const char *name, int count)
{
    struct heald_region_options o = {.size = (size_t)count * sizeof(struct heald_mutex),
                                     .participants = (unsigned)count};
    struct chain c = {.count = count};
    pthread_attr_t small;
    pthread_t thread;

    must(heald_region_open(&c.region, name, HEALD_REGION_CREATE | HEALD_REGION_EXCLUSIVE, &o));
    must(-pthread_attr_init(&small));
    must(-pthread_attr_setstacksize(&small, 65536));
    for (int i = 0; i < count; i++)
        must(-pthread_create(&thread, &small, hold_and_wait, &c));
    while (__atomic_load_n(&c.arrived, __ATOMIC_SEQ_CST) < count)
        usleep(10000);
    usleep(300000);
    printf("ready\n");
    fflush(stdout);
    while (getchar() != EOF)
        ;
    _exit(0);
}

int main(int argc, char **argv)
{
    struct heald_region_options o = {.heap = 1, .init = fill};
    struct heald_region *region;

    if (argc < 3)
        return 2;
    if (atoi(argv[2]) > 0)
        return make_chain(argv[1], atoi(argv[2]));
    must(heald_region_open(&region, argv[1], HEALD_REGION_CREATE | HEALD_REGION_EXCLUSIVE, &o));
    give_names(region);
    for (int i = 2; i < argc; i++)
        if (fork() == 0)
            follow(region, argv[i], argc - 2);
    struct shared *s = heald_region_data(region);
    while (__atomic_load_n(&s->arrived, __ATOMIC_SEQ_CST) < argc - 2)
        usleep(1000);
    usleep(200000);
    printf("ready\n");
    fflush(stdout);
    /* They end with this one: standard input closes. */
    while (getchar() != EOF)
        ;
    signal(SIGTERM, SIG_IGN);
    kill(0, SIGTERM);
    for (int i = 2; i < argc; i++)
        wait(NULL);
    return heald_region_close(region) != 0;
}
