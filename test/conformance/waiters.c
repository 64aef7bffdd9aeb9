/* test/conformance/waiters.c: how a loop waits for words of shared memory: by each waiter, in a
 * host loop, and where what it waits for changes all the time. */
#include "conformance/conformance.h"

#include <stdio.h>
#include <sys/wait.h>

static struct heald_region *region;
static struct heald_participant *me;

static void open_region(void)
{
    char name[64];

    snprintf(name, sizeof name, "/heald-waiters-%ld", (long)getpid());
    ck_assert_int_eq(heald_region_open(&region, name, HEALD_REGION_CREATE, NULL), 0);
    ck_assert_int_eq(heald_region_unlink(name), 0);
    ck_assert_int_eq(heald_attach(region, &me), 0);
}

static void close_region(void)
{
    heald_detach(me);
    ck_assert_int_eq(heald_region_close(region), 0);
}

/* What is waited for changes all the time, some ops wait for the same and some do not. */
HEALD_CASE(ops_that_come_and_go)
{
    enum { SEMS = 12, EACH = 3, ROUNDS = 40 };
    struct heald_loop *loop = loop_on(_i);
    struct probe p[SEMS][EACH] = {0};

    open_region();
    struct heald_sem *sems = heald_region_data(region);
    for (int i = 0; i < SEMS; i++)
        ck_assert_int_eq(heald_sem_init_counting(&sems[i], 0), 0);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < SEMS * EACH; i++) {
            struct probe *one = &p[i % SEMS][i / SEMS];
            one->finals = 0;
            ck_assert_int_eq(heald_prep_sem_wait(&one->op, &sems[i % SEMS], me), 0);
            probe_start(loop, one);
        }
        turn_for(loop, round % 3 * HEALD_MS);
        for (int i = 0; i < SEMS; i++)
            probe_cancel(&p[i][round % EACH]);
        for (int i = 0; i < SEMS * (EACH - 1); i++)
            ck_assert_int_eq(heald_sem_post(&sems[i % SEMS], me), 0);
        for (int i = 0; i < SEMS; i++)
            for (int k = 1; k < EACH; k++)
                ck_assert_int_eq(probe_end(&p[i][(round + k) % EACH]), 0);
    }
    loop_end(loop);
    close_region();
}

/* How long it took until a guest loop got a permit. */
static int64_t heard_after(struct heald_loop *loop, int fd, struct probe *p)
{
    struct heald_sem *sem = heald_region_data(region);
    struct pollfd host = {.fd = fd, .events = POLLIN};
    int64_t start, deadline;
    pid_t pid;

    p->finals = 0;
    ck_assert_int_eq(heald_prep_sem_wait(&p->op, sem, me), 0);
    probe_start(loop, p);
    start = now() + 5 * HEALD_MS;
    if ((pid = fork()) == 0) {
        usleep(5000);
        _exit(heald_attach(region, &me) || heald_sem_post(sem, me));
    }
    while (!p->finals) {
        ck_assert_int_eq(heald_loop_prepare(loop, &deadline), 0);
        int timeout = deadline == HEALD_FOREVER ? 5000 : (int)((deadline - now()) / HEALD_MS) + 1;
        ck_assert_int_ge(poll(&host, 1, deadline ? timeout : 0), deadline == HEALD_FOREVER);
        ck_assert_int_ge(heald_loop_turn(loop, 0), 0);
    }
    ck_assert_int_eq(p->result, 0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    return now() - start;
}

/* The host gets a wake, and not only the periodic recheck. */
HEALD_CASE(a_guest_hears_of_it)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    int64_t best = HEALD_FOREVER;

    int fd = heald_loop_fd(loop);
    if (fd == -ENOSYS)
        harness_skip("%s cannot be a guest here", backend_of(_i));
    open_region();
    ck_assert_int_eq(heald_sem_init_counting(heald_region_data(region), 0), 0);
    for (int i = 0; i < 5; i++) {
        int64_t took = heard_after(loop, fd, &p);
        best = took < best ? took : best;
    }
    ck_assert_int_lt(best, 25 * HEALD_MS * harness_slow());
    loop_end(loop);
    close_region();
}

HEALD_CASE(one_that_is_named)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};

    open_region();
    struct heald_mutex *mutex = heald_region_data(region);
    ck_assert_int_eq(heald_mutex_lock(mutex, me, 0), 0);
    ck_assert_int_eq(heald_prep_mutex_lock(&p.op, mutex, me), 0);
    setenv("HEALD_AWAIT", "nonsense", 1);
    ck_assert_int_eq(heald_submit(loop, &p.op, probe_completed), -EINVAL);
    setenv("HEALD_AWAIT", "", 1);
    probe_start(loop, &p);
    probe_cancel(&p);
    loop_end(loop);
    close_region();
}

void add_waiters(TCase *group)
{
    add_on_waiters(group, ops_that_come_and_go);
    add_on_waiters(group, a_guest_hears_of_it);
    add_on_backends(group, one_that_is_named);
}
