/* test/conformance/stop.c: heald_loop_stop() from callbacks, threads and signal handlers. */
#include "conformance/conformance.h"

#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

static struct heald_loop *present;

static void on_stop(struct heald_op *op)
{
    probe_completed(op);
    heald_loop_stop(op->loop);
}

HEALD_CASE(after_the_callback_that_runs)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p[3] = {0};

    for (int i = 0; i < 3; i++) {
        heald_prep_timer(&p[i].op, 0);
        ck_assert_int_eq(heald_submit(loop, &p[i].op, i == 1 ? on_stop : probe_completed), 0);
    }
    ck_assert_int_eq(heald_loop_run(loop), 1);
    ck_assert_int_eq(p[0].finals, 1);
    ck_assert_int_eq(p[1].finals, 1);
    ck_assert_int_eq(p[2].finals, 0);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    ck_assert_int_eq(p[2].finals, 1);
    loop_end(loop);
}

HEALD_CASE(before_it_runs)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};

    heald_prep_timer(&p.op, HEALD_FOREVER);
    probe_start(loop, &p);
    heald_loop_stop(loop);
    heald_loop_stop(loop);
    ck_assert_int_eq(heald_loop_run(loop), 1);
    ck_assert_int_eq(heald_cancel(&p.op), 0);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    loop_end(loop);
}

static void *stop_later(void *arg)
{
    usleep(*(int *)arg ? 2000 : 0);
    heald_loop_stop(present);
    return NULL;
}

HEALD_CASE(from_another_thread)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};

    present = loop;
    heald_prep_timer(&p.op, HEALD_FOREVER);
    probe_start(loop, &p);
    for (int late = 0; late < 20; late++) {
        pthread_t thread;
        int sleeps = late % 4 == 0;
        ck_assert_int_eq(pthread_create(&thread, NULL, stop_later, &sleeps), 0);
        ck_assert_int_eq(heald_loop_run(loop), 1);
        pthread_join(thread, NULL);
    }
    ck_assert_int_eq(heald_cancel(&p.op), 0);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    loop_end(loop);
}

/*
 * valgrind (3.19) frees its copy of pselect6's last argument when a signal comes just before the
 * call, and then makes the call with it: -EFAULT, to the caller.
 */
static void skip_where_select_breaks(int combination)
{
    const char *preload = getenv("LD_PRELOAD");

    if (strcmp(backend_of(combination), "select") == 0 && preload && strstr(preload, "vgpreload"))
        harness_skip("pselect(2) says EFAULT under valgrind where a signal comes just before it");
}

static void on_alarm(int signo)
{
    (void)signo;
    heald_loop_stop(present);
}

HEALD_CASE(from_a_signal_handler)
{
    skip_where_select_breaks(_i);
    struct heald_loop *loop = loop_on(_i);
    struct sigaction action = {.sa_handler = on_alarm}, old;
    struct probe p = {0};

    present = loop;
    ck_assert_int_eq(sigaction(SIGALRM, &action, &old), 0);
    heald_prep_timer(&p.op, HEALD_FOREVER);
    probe_start(loop, &p);
    for (int i = 0; i < 5; i++) {
        struct itimerval soon = {.it_value.tv_usec = i * 700 + 1};
        ck_assert_int_eq(setitimer(ITIMER_REAL, &soon, NULL), 0);
        ck_assert_int_eq(heald_loop_run(loop), 1);
    }
    sigaction(SIGALRM, &old, NULL);
    ck_assert_int_eq(heald_cancel(&p.op), 0);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    loop_end(loop);
}

/* A signal that only interrupts the wait is nobody's business. */
static void on_nothing(int signo)
{
    (void)signo;
}

HEALD_CASE(an_interrupted_wait_goes_on)
{
    skip_where_select_breaks(_i);
    struct heald_loop *loop = loop_on(_i);
    struct sigaction action = {.sa_handler = on_nothing}, old;
    struct itimerval often = {.it_value.tv_usec = 300, .it_interval.tv_usec = 300}, never = {0};
    struct probe p = {0};

    ck_assert_int_eq(sigaction(SIGALRM, &action, &old), 0);
    int64_t when = now() + 10 * HEALD_MS;
    heald_prep_timer(&p.op, when);
    probe_start(loop, &p);
    ck_assert_int_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    setitimer(ITIMER_REAL, &never, NULL);
    signal(SIGALRM, SIG_IGN); /* drops one in flight: the old handler is libcheck's, and kills */
    sigaction(SIGALRM, &old, NULL);
    ck_assert_int_ge(now(), when);
    ck_assert_int_eq(p.finals, 1);
    loop_end(loop);
}

void add_stop(TCase *group)
{
    add_everywhere(group, after_the_callback_that_runs);
    add_everywhere(group, before_it_runs);
    add_everywhere(group, from_another_thread);
    add_everywhere(group, from_a_signal_handler);
    add_everywhere(group, an_interrupted_wait_goes_on);
}
