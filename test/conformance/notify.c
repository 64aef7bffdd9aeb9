/* test/conformance/notify.c: the notifications of an op; heald_suspend() is the fifth and has a
 * file of its own. */
#include "conformance/conformance.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>

enum { SIGNALS_SENT = 20 };

HEALD_CASE(by_callback)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};

    ck_assert_int_eq(heald_op_notify_callback(&p.op), 0);
    heald_prep_timer(&p.op, now() + HEALD_MS);
    ck_assert_int_eq(probe_do(loop, &p), 0);
    loop_end(loop);
}

/* No callback: the owner asks. */
HEALD_CASE(by_nothing)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_op op = {0};
    char buf[8];
    int fds[2];

    pair_open(PAIR_TCP, fds);
    ck_assert_int_eq(heald_op_error(&op), 0);
    heald_prep_recv(&op, fds[0], buf, 8, 0);
    ck_assert_int_eq(heald_submit(loop, &op, NULL), 0);
    ck_assert_int_eq(heald_op_error(&op), -EINPROGRESS);
    ck_assert_int_eq(heald_op_result(&op), 0);
    turn_for(loop, HEALD_MS);
    ck_assert_int_eq(heald_op_error(&op), -EINPROGRESS);
    ck_assert_int_eq(send(fds[1], "abc", 3, 0), 3);
    while (heald_op_error(&op) == -EINPROGRESS)
        ck_assert_int_ge(heald_loop_turn(loop, HEALD_FOREVER), 0);
    ck_assert_int_eq(heald_op_error(&op), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(heald_op_result(&op), 3);
    heald_prep_recv(&op, -1, buf, 8, 0);
    ck_assert_int_eq(heald_submit(loop, &op, NULL), 0);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    ck_assert_int_eq(heald_op_error(&op), -EBADF);
    ck_assert_int_eq(heald_op_result(&op), -EBADF);
    pair_close(loop, fds);
    loop_end(loop);
}

/* What a signal handler may ask of an op. */
static struct {
    const struct heald_op *op;
    int count, code, error;
    void *value;
} handled;

static void on_signal(int signo, siginfo_t *info, void *context)
{
    (void)signo;
    (void)context;
    handled.count++;
    handled.code = info->si_code;
    handled.value = info->si_value.sival_ptr;
    handled.error = heald_op_error(handled.op);
}

static void handle(int signo)
{
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};

    ck_assert_int_eq(sigaction(signo, &action, NULL), 0);
}

HEALD_CASE(by_signal)
{
    skip_on_portable("si_code is SI_QUEUE");
    struct heald_loop *loop = loop_on(_i);
    struct heald_op op = {.data = &handled};
    int fds[2];

    pair_open(PAIR_UNIX, fds);
    handle(SIGRTMIN + 1);
    handled.op = &op;
    ck_assert_int_eq(heald_op_notify_signal(&op, SIGRTMIN + 1), 0);
    for (int round = 1; round < 4; round++) {
        heald_prep_send(&op, fds[0], "x", 1, 0);
        ck_assert_int_eq(heald_submit(loop, &op, NULL), 0);
        ck_assert_int_eq(heald_loop_run(loop), 0);
        ck_assert_int_eq(handled.count, round);
        ck_assert_int_eq(handled.code, SI_ASYNCIO);
        ck_assert_ptr_eq(handled.value, &handled);
        ck_assert_int_eq(handled.error, 0);
        ck_assert_int_eq(heald_op_result(&op), 1);
    }
    ck_assert_int_eq(heald_op_notify_signal(&op, 0), -EINVAL);
    ck_assert_int_eq(heald_op_notify_signal(&op, -1), -EINVAL);
    ck_assert_int_eq(heald_op_notify_signal(&op, 1000), -EINVAL);
    pair_close(loop, fds);
    loop_end(loop);
}

/* Signals that are blocked are queued, each one, with its value. */
HEALD_CASE(by_signals_that_queue)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_op ops[SIGNALS_SENT] = {0};
    struct timespec none = {0};
    siginfo_t info;
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (int i = 0; i < SIGNALS_SENT; i++) {
        ops[i].data = &ops[i];
        heald_op_notify_signal(&ops[i], SIGRTMIN + 2);
        heald_prep_timer(&ops[i], 0);
        ck_assert_int_eq(heald_submit(loop, &ops[i], NULL), 0);
    }
    ck_assert_int_eq(heald_loop_run(loop), 0);
    for (int i = 0; i < SIGNALS_SENT; i++) {
        ck_assert_int_eq(sigtimedwait(&set, &info, &none), SIGRTMIN + 2);
        ck_assert_ptr_eq(info.si_value.sival_ptr, &ops[i]);
    }
    ck_assert_int_eq(sigtimedwait(&set, &info, &none), -1);
    loop_end(loop);
}

/* Once an op has completed its memory is the owner's, also when it was not turned since. */
HEALD_CASE(by_signal_and_freed)
{
    struct heald_loop *loop = loop_on(_i);
    int fds[2];

    pair_open(PAIR_UNIX, fds);
    signal(SIGUSR1, SIG_IGN);
    for (int round = 0; round < 4; round++) {
        struct heald_op *op = calloc(1, sizeof *op);
        struct heald_op *const ops[] = {op};
        must(op);
        heald_op_notify_signal(op, SIGUSR1);
        heald_prep_send(op, fds[0], "x", 1, 0);
        ck_assert_int_eq(heald_submit(loop, op, NULL), 0);
        ck_assert_int_eq(heald_suspend(loop, ops, 1, 1, HEALD_FOREVER), 1);
        ck_assert_str_eq(heald_op_state(op), "idle");
        memset(op, 0xff, sizeof *op);
        free(op);
        turn_for(loop, 0);
    }
    pair_close(loop, fds);
    loop_end(loop);
}

/* What finds no room in the queue of signals is sent when there is. Other processes of the user
 * take room as well, so the limit grows until something comes. */
HEALD_CASE(by_signals_that_find_no_room)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_op ops[SIGNALS_SENT] = {0};
    struct rlimit limit, before_all;
    struct timespec none = {0};
    siginfo_t info;
    sigset_t set;
    int sent = 0;

    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    ck_assert_int_eq(getrlimit(RLIMIT_SIGPENDING, &limit), 0);
    before_all = limit;
    limit.rlim_cur = 1;
    ck_assert_int_eq(setrlimit(RLIMIT_SIGPENDING, &limit), 0);
    for (int i = 0; i < SIGNALS_SENT; i++) {
        ops[i].data = &ops[i];
        heald_op_notify_signal(&ops[i], SIGRTMIN + 2);
        heald_prep_timer(&ops[i], 0);
        ck_assert_int_eq(heald_submit(loop, &ops[i], NULL), 0);
    }
    for (int64_t end = now() + 5 * HEALD_SEC; sent < SIGNALS_SENT && now() < end;) {
        int before = sent;
        ck_assert_int_ge(heald_loop_turn(loop, 0), 0);
        for (; sigtimedwait(&set, &info, &none) > 0; sent++) {
            struct heald_op *op = info.si_value.sival_ptr;
            ck_assert_ptr_eq(op->data, op);
            op->data = NULL;
        }
        limit.rlim_cur += sent == before;
        ck_assert_int_eq(setrlimit(RLIMIT_SIGPENDING, &limit), 0);
    }
    ck_assert_int_eq(sent, SIGNALS_SENT);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    /* The framework makes a timer to measure the time, which takes room as well. */
    ck_assert_int_eq(setrlimit(RLIMIT_SIGPENDING, &before_all), 0);
    loop_end(loop);
}

static struct {
    pthread_t thread;
    int count, error, idle;
    int64_t result;
} threaded;

static void on_thread(struct heald_op *op)
{
    threaded.thread = pthread_self();
    threaded.error = heald_op_error(op);
    threaded.result = heald_op_result(op);
    threaded.idle = strcmp(heald_op_state(op), "idle") == 0;
    /* Release: pairs with the acquire in by_thread. */
    __atomic_fetch_add(&threaded.count, 1, __ATOMIC_RELEASE);
}

static void await_thread(int count)
{
    int64_t end = now() + 5 * HEALD_SEC * harness_slow();

    /* Acquire: pairs with the release in on_thread(). */
    while (__atomic_load_n(&threaded.count, __ATOMIC_ACQUIRE) < count) {
        ck_assert_int_lt(now(), end);
        usleep(100);
    }
}

HEALD_CASE(by_thread)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_op op = {0};
    int fds[2];

    pair_open(PAIR_UNIX, fds);
    ck_assert_int_eq(heald_op_notify_thread(&op), 0);
    for (int round = 1; round < 4; round++) {
        heald_prep_send(&op, fds[0], "xy", 2, 0);
        ck_assert_int_eq(heald_submit(loop, &op, on_thread), 0);
        ck_assert_int_eq(heald_loop_run(loop), 0);
        await_thread(round);
        ck_assert(!pthread_equal(threaded.thread, pthread_self()));
        ck_assert_int_eq(threaded.error, 0);
        ck_assert_int_eq(threaded.result, 2);
        ck_assert_int_eq(threaded.idle, 1);
    }
    heald_prep_timer(&op, 0);
    ck_assert_int_eq(heald_submit(loop, &op, NULL), -EINVAL);
    ck_assert_int_eq(heald_op_notify_callback(&op), 0);
    ck_assert_int_eq(heald_submit(loop, &op, NULL), 0);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    pair_close(loop, fds);
    loop_end(loop);
}

static int posted;

static void on_posted(struct heald_op *op)
{
    ck_assert_int_eq(op->result, 0);
    posted++;
    heald_loop_release(op->loop);
}

static void on_thread_post(struct heald_op *op)
{
    heald_op_notify_callback(op);
    heald_loop_post(op->loop, op, on_posted);
}

/* A callback on a thread may come back by a post. */
HEALD_CASE(by_thread_and_back_by_post)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_op ops[20] = {0};

    for (int i = 0; i < 20; i++) {
        heald_loop_hold(loop);
        heald_op_notify_thread(&ops[i]);
        heald_prep_timer(&ops[i], 0);
        ck_assert_int_eq(heald_submit(loop, &ops[i], on_thread_post), 0);
    }
    ck_assert_int_eq(heald_loop_run(loop), 0);
    ck_assert_int_eq(posted, 20);
    loop_end(loop);
}

/* The loop waits for its pool when it is closed. */
static void on_slow_thread(struct heald_op *op)
{
    usleep(20000);
    on_thread(op);
}

HEALD_CASE(a_close_waits_for_the_thread)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_op op = {0};

    heald_op_notify_thread(&op);
    heald_prep_timer(&op, 0);
    ck_assert_int_eq(heald_submit(loop, &op, on_slow_thread), 0);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    ck_assert_int_eq(heald_loop_close(loop), 0);
    ck_assert_int_eq(threaded.count, 1);
}

HEALD_CASE(multishots_tell_by_callback_only)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_op op = {0};

    for (int how = 0; how < 2; how++) {
        if (how)
            heald_op_notify_signal(&op, SIGUSR1);
        else
            heald_op_notify_thread(&op);
        heald_prep_timer_clock(&op, HEALD_CLOCK_MONOTONIC, 0, 1000);
        ck_assert_int_eq(heald_submit(loop, &op, probe_completed), -EINVAL);
        heald_prep_accept_multishot(&op, 0);
        ck_assert_int_eq(heald_submit(loop, &op, probe_completed), -EINVAL);
        heald_prep_signal(&op, SIGUSR2, NULL);
        ck_assert_int_eq(heald_submit(loop, &op, probe_completed), -EINVAL);
    }
    heald_op_notify_callback(&op);
    heald_prep_signal(&op, SIGUSR2, NULL);
    ck_assert_int_eq(heald_submit(loop, &op, NULL), -EINVAL);
    loop_end(loop);
}

void add_notify(TCase *group)
{
    add_everywhere(group, by_callback);
    add_everywhere(group, by_nothing);
    add_everywhere(group, by_signal);
    add_everywhere(group, by_signal_and_freed);
    add_everywhere(group, by_signals_that_queue);
    add_everywhere(group, by_signals_that_find_no_room);
    add_everywhere(group, by_thread);
    add_everywhere(group, by_thread_and_back_by_post);
    add_everywhere(group, a_close_waits_for_the_thread);
    add_everywhere(group, multishots_tell_by_callback_only);
}
