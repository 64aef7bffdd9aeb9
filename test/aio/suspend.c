/* test/aio/suspend.c: aio_suspend. */
#include "aio/suite.h"

enum { HUGE_LIST = 1000000, PINGS = 10000, WAITERS = 3, GATHERINGS = 3000, CANCELS = 1000 };

static atomic_int seen, waiting;

static const struct timespec no_time = {0, 0};

static int suspend_on(const struct aiocb *cb, const struct timespec *timeout)
{
    return aio_suspend(&cb, 1, timeout);
}

static void must_refuse(int result, int err)
{
    int have = errno;

    must_be(result, -1);
    must_be(have, err);
}

/* A read that waits, and how it is given its end. */
struct pending {
    int fds[2];
    struct aiocb cb;
    char buf[4];
};

static void pending_start(struct pending *p)
{
    pipe_make(p->fds);
    start_read(&p->cb, p->fds[0], p->buf, 1, 0);
}

static void pending_feed(struct pending *p)
{
    must_be(write(p->fds[1], "x", 1), 1);
}

static void pending_end(struct pending *p)
{
    must_be(result_of(&p->cb), 1);
    pair_close(p->fds);
}

HEALD_CASE(empty_places_are_passed_over)
{
    struct pending p;
    struct aiocb done = block(0, NULL, 0, 0);
    const struct aiocb *with[] = {NULL, NULL, &done, NULL}, *without[4] = {NULL};

    must_be(aio_suspend(with, 4, NULL), 0);
    must_be(aio_suspend(without, 4, NULL), 0);
    pending_start(&p);
    with[2] = &p.cb;
    must_refuse(aio_suspend(with, 4, &no_time), EAGAIN);
    pending_feed(&p);
    must_be(aio_suspend(with, 4, NULL), 0);
    must_be(aio_error(&p.cb), 0);
    pending_end(&p);
}

HEALD_CASE(numbers_that_are_odd)
{
    struct aiocb done = block(0, NULL, 0, 0);
    const struct aiocb *list[] = {&done};

    must_refuse(aio_suspend(list, -1, NULL), EINVAL);
    must_refuse(aio_suspend(list, INT32_MIN, &no_time), EINVAL);
    int result = aio_suspend(list, 0, &no_time);
    must(result == 0 || errno == EINVAL || errno == EAGAIN);
}

static void *feed_soon(void *arg)
{
    nap(50);
    pending_feed(arg);
    return NULL;
}

HEALD_CASE(a_list_of_a_million)
{
    const struct aiocb **list = calloc(HUGE_LIST, sizeof *list);
    struct pending p;

    pending_start(&p);
    list[HUGE_LIST - 2] = &p.cb;
    must_refuse(aio_suspend(list, HUGE_LIST, &no_time), EAGAIN);
    for (int i = 0; i < HUGE_LIST; i += 1000)
        list[i] = &p.cb;
    pthread_t thread = thread_start(feed_soon, &p);
    must_be(aio_suspend(list, HUGE_LIST, NULL), 0);
    must_be(aio_error(&p.cb), 0);
    thread_end(thread);
    pending_end(&p);
    free(list);
}

HEALD_CASE(returns_at_once_when_one_is_done)
{
    struct pending p;
    struct aiocb done = block(-1, NULL, 1, 0);
    const struct aiocb *list[] = {&p.cb, &done, &p.cb};
    int64_t before;

    pending_start(&p);
    must_be(aio_read(&done), 0);
    must_be(wait_for(&done), EBADF);
    before = now();
    for (int i = 0; i < 1000; i++)
        must_be(aio_suspend(list, 3, i % 2 ? NULL : &no_time), 0);
    must(now() - before < SECOND);
    must_be(aio_error(&p.cb), EINPROGRESS);
    pending_feed(&p);
    pending_end(&p);
}

HEALD_CASE(time_passes)
{
    struct pending p;
    struct timespec timeout = {0, 60 * (long)MS};
    int64_t before;

    pending_start(&p);
    must_refuse(suspend_on(&p.cb, &no_time), EAGAIN);
    before = now();
    must_refuse(suspend_on(&p.cb, &timeout), EAGAIN);
    must(now() - before >= 60 * (int64_t)MS);
    must(now() - before < 2 * (int64_t)SECOND);
    must_be(timeout.tv_nsec, 60 * (long)MS);
    pending_feed(&p);
    pending_end(&p);
}

HEALD_CASE(times_that_are_none)
{
    struct pending p;
    struct timespec bad[] = {{0, 1000000000}, {0, -1}, {5, INT64_MAX}};

    pending_start(&p);
    for (int i = 0; i < 3; i++)
        must_refuse(suspend_on(&p.cb, &bad[i]), EINVAL);
    pending_feed(&p);
    pending_end(&p);
}

HEALD_CASE(a_time_without_end)
{
    struct pending p;
    struct timespec far = {INT64_MAX, 999999999}, year = {365L * 86400, 0};
    pthread_t thread;

    for (int i = 0; i < 2; i++) {
        pending_start(&p);
        thread = thread_start(feed_soon, &p);
        must_be(suspend_on(&p.cb, i ? &far : &year), 0);
        thread_end(thread);
        pending_end(&p);
    }
}

static void on_signal(int signo, siginfo_t *info, void *context)
{
    (void)signo, (void)info, (void)context;
    atomic_fetch_add(&seen, 1);
}

static void *interrupt_soon(void *arg)
{
    nap(50);
    pthread_kill(*(pthread_t *)arg, SIGUSR1);
    return NULL;
}

HEALD_CASE(a_handler_interrupts)
{
    struct pending p;
    struct timespec long_time = {10, 0};
    pthread_t self = pthread_self(), thread;

    handle(SIGUSR1, on_signal, 0);
    pending_start(&p);
    for (int i = 0; i < 4; i++) {
        thread = thread_start(interrupt_soon, &self);
        must_refuse(suspend_on(&p.cb, i % 2 ? NULL : &long_time), EINTR);
        thread_end(thread);
        must_be(atomic_load(&seen), i + 1);
    }
    pending_feed(&p);
    pending_end(&p);
}

static void *interrupt_and_feed(void *arg)
{
    struct pending *p = arg;

    nap(50);
    kill(getpid(), SIGUSR1);
    nap(50);
    pending_feed(p);
    return NULL;
}

/* POSIX has EINTR whatever the handler's flags; a restart is accepted as well. */
HEALD_CASE(a_handler_that_restarts)
{
    struct timespec long_time = {10, 0};

    handle(SIGUSR1, on_signal, SA_RESTART);
    for (int i = 0; i < 2; i++) {
        struct pending p;
        pending_start(&p);
        pthread_t thread = thread_start(interrupt_and_feed, &p);
        int result = suspend_on(&p.cb, i ? NULL : &long_time);
        must(result == 0 ? aio_error(&p.cb) == 0 : errno == EINTR);
        thread_end(thread);
        must_be(atomic_load(&seen), i + 1);
        pending_end(&p);
    }
}

HEALD_CASE(the_requests_own_signal)
{
    struct pending p;

    handle(SIGRTMIN, on_signal, 0);
    for (int i = 0; i < 20; i++) {
        pipe_make(p.fds);
        p.cb = block(p.fds[0], p.buf, 1, 0);
        notify_by_signal(&p.cb, SIGRTMIN, 0);
        must_be(aio_read(&p.cb), 0);
        if (i % 2)
            pending_feed(&p);
        pthread_t thread = i % 2 ? pthread_self() : thread_start(feed_soon, &p);
        int result = suspend_on(&p.cb, NULL);
        must(result == 0 || errno == EINTR);
        if (i % 2 == 0)
            thread_end(thread);
        until(&seen, i + 1);
        pending_end(&p);
    }
}

static void *wait_whole(void *arg)
{
    must_be(suspend_on(arg, NULL), 0);
    must_be(aio_error(arg), 0);
    atomic_fetch_add(&seen, 1);
    return NULL;
}

HEALD_CASE(several_wait_for_one)
{
    struct pending p;
    pthread_t threads[10];

    pending_start(&p);
    for (int i = 0; i < 10; i++)
        threads[i] = thread_start(wait_whole, &p.cb);
    must_hang(&p.cb);
    must_be(atomic_load(&seen), 0);
    pending_feed(&p);
    for (int i = 0; i < 10; i++)
        thread_end(threads[i]);
    must_be(atomic_load(&seen), 10);
    pending_end(&p);
}

/* Each round all wait without a limit for one read; it ends a moment sooner or later. */
struct gathering {
    struct pending p;
    atomic_int round;
};

static void *gather(void *arg)
{
    struct gathering *g = arg;

    for (int i = 1; i <= GATHERINGS; i++) {
        while (atomic_load(&g->round) < i)
            sched_yield();
        must_be(suspend_on(&g->p.cb, NULL), 0);
        must_be(aio_error(&g->p.cb), 0);
        atomic_fetch_add(&seen, 1);
    }
    return NULL;
}

HEALD_CASE(no_wake_is_lost_among_many)
{
    static struct gathering g;
    pthread_t threads[WAITERS];

    pipe_make(g.p.fds);
    for (int i = 0; i < WAITERS; i++)
        threads[i] = thread_start(gather, &g);
    for (int i = 1; i <= GATHERINGS; i++) {
        start_read(&g.p.cb, g.p.fds[0], g.p.buf, 1, 0);
        atomic_store(&g.round, i);
        for (int spin = i * 37 % 500; spin > 0; spin--)
            atomic_load(&seen);
        pending_feed(&g.p);
        until(&seen, i * WAITERS);
    }
    for (int i = 0; i < WAITERS; i++)
        thread_end(threads[i]);
    pair_close(g.p.fds);
}

struct player {
    int from, to, rounds;
};

static void *play(void *arg)
{
    struct player *player = arg;
    char byte = 0;
    struct aiocb in, out;

    for (int i = 0; i < player->rounds; i++) {
        start_read(&in, player->from, &byte, 1, 0);
        must_be(suspend_on(&in, NULL), 0);
        must_be(aio_return(&in), 1);
        start_write(&out, player->to, &byte, 1, 0);
        must_be(suspend_on(&out, NULL), 0);
        must_be(aio_return(&out), 1);
    }
    return NULL;
}

/* Two balls between two players each. */
HEALD_CASE(no_wake_is_lost_at_ping_pong)
{
    int fds[4][2];
    struct player players[4];
    pthread_t threads[4];

    for (int i = 0; i < 4; i++)
        pipe_make(fds[i]);
    for (int i = 0; i < 4; i++) {
        players[i] = (struct player){fds[i][0], fds[i ^ 1][1], PINGS / harness_slow()};
        threads[i] = thread_start(play, &players[i]);
    }
    must_be(write(fds[0][1], "a", 1), 1);
    must_be(write(fds[2][1], "b", 1), 1);
    for (int i = 0; i < 4; i++)
        thread_end(threads[i]);
    for (int i = 0; i < 4; i++)
        pair_close(fds[i]);
}

static void *wait_for_ever(void *arg)
{
    atomic_fetch_add(&waiting, 1);
    suspend_on(arg, NULL);
    return NULL;
}

static void cancel_waiter(struct aiocb *cb, int delay)
{
    int before = atomic_load(&waiting);
    void *result;
    pthread_t thread = thread_start(wait_for_ever, cb);

    until(&waiting, before + 1);
    if (delay)
        nap(delay);
    must_be(pthread_cancel(thread), 0);
    must_be(pthread_join(thread, &result), 0);
    must(result == PTHREAD_CANCELED);
}

HEALD_CASE(waiting_threads_are_cancelled)
{
    struct pending p;

    pending_start(&p);
    for (int i = 0; i < CANCELS; i++)
        cancel_waiter(&p.cb, i % 50 ? 0 : 5);
    must_refuse(suspend_on(&p.cb, &no_time), EAGAIN);
    pthread_t thread = thread_start(wait_whole, &p.cb);
    pending_feed(&p);
    thread_end(thread);
    pending_end(&p);
    no_wake_is_lost_at_ping_pong_body(0);
}

/* The list and the time are the caller's, and may lie in memory that cannot be written. */
HEALD_CASE(the_list_is_only_read)
{
    struct pending p;
    const struct aiocb **list = page_make();
    struct timespec *timeout = (struct timespec *)(list + 8);

    pending_start(&p);
    list[3] = &p.cb;
    *timeout = (struct timespec){0, 20 * (long)MS};
    must_be(mprotect(list, page_size(), PROT_READ), 0);
    must_refuse(aio_suspend(list, 8, timeout), EAGAIN);
    pthread_t thread = thread_start(feed_soon, &p);
    must_be(aio_suspend(list, 8, NULL), 0);
    thread_end(thread);
    pending_end(&p);
    page_drop(list);
}

void add_suspend(TCase *group)
{
    add(group, empty_places_are_passed_over);
    add(group, numbers_that_are_odd);
    add(group, a_list_of_a_million);
    add(group, returns_at_once_when_one_is_done);
    add(group, time_passes);
    add(group, times_that_are_none);
    add(group, a_time_without_end);
    add(group, a_handler_interrupts);
    add(group, a_handler_that_restarts);
    add(group, the_requests_own_signal);
    add(group, several_wait_for_one);
    add(group, no_wake_is_lost_among_many);
    add(group, no_wake_is_lost_at_ping_pong);
    add(group, waiting_threads_are_cancelled);
    add(group, the_list_is_only_read);
}
