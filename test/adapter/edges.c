/* test/adapter/edges.c: closing from within, stops, errors, fairness, and hosts within a guest. */
#include "adapter/adapter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FEW_ITERATIONS = 12, DUE = 50 };

static struct heald_loop *loop;
static struct heald_op ops[DUE];
static int completed, ends[2];

static int64_t in_ms(int ms)
{
    return heald_clock_now(HEALD_CLOCK_MONOTONIC) + ms * HEALD_MS;
}

static void start(struct heald_op *op, int ms, heald_fn *fn)
{
    ck_assert_int_eq(heald_prep_timer(op, in_ms(ms)), 0);
    ck_assert_int_eq(heald_submit(loop, op, fn), 0);
}

static void on_completed(struct heald_op *op)
{
    (void)op;
    completed++;
}

static void on_last(struct heald_op *op)
{
    on_completed(op);
    host_stop();
}

static void stop_the_host(void)
{
    host_stop();
}

/* Closes what a case has left of a loop that is no guest any more. */
static void loop_end(void)
{
    ck_assert_int_eq(guests_closed, 1);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    ck_assert_int_eq(heald_loop_close(loop), 0);
}

static void on_closing(struct heald_op *op)
{
    on_completed(op);
    guest_close(0);
    ck_assert_int_eq(guests_closed, 0); /* its memory is in use until the turn is back */
    heald_loop_stop(loop);              /* which is not reported */
}

/* The host goes on, and what was due goes nowhere. */
HEALD_CASE(closed_in_a_callback_of_the_loop)
{
    loop = guest_on(_i);
    start(&ops[0], 2, on_closing);
    start(&ops[1], 4, on_completed);
    host_after(30, stop_the_host);
    host_run();
    ck_assert_int_eq(completed, 1);
    ck_assert_int_eq(errors_seen, 0);
    host_close();
    loop_end();
    ck_assert_int_eq(completed, 2);
}

static void close_it(void)
{
    guest_close(0);
}

HEALD_CASE(closed_in_a_callback_of_the_host)
{
    loop = guest_on(_i);
    start(&ops[0], 60000, on_completed);
    host_after(2, close_it);
    host_after(30, stop_the_host);
    host_run();
    ck_assert_int_eq(completed, 0);
    host_close();
    ck_assert_int_eq(heald_cancel(&ops[0]), 0);
    loop_end();
}

static void on_prepare(struct heald_loop *unused, struct heald_hook *hook)
{
    (void)unused;
    heald_hook_remove(hook);
    guest_close(0);
}

HEALD_CASE(closed_in_a_hook)
{
    static struct heald_hook hook;

    loop = guest_on(_i);
    ck_assert_int_eq(heald_hook_add(loop, &hook, HEALD_HOOK_PREPARE, on_prepare), 0);
    start(&ops[0], 1, on_completed);
    host_after(20, stop_the_host);
    host_run();
    ck_assert_int_eq(completed, 0);
    host_close();
    loop_end();
}

static void on_stopping(struct heald_op *op)
{
    on_completed(op);
    heald_loop_stop(loop);
}

/* The stop is reported, once, and the guest goes on. */
HEALD_CASE(stop)
{
    loop = guest_on(_i);
    start(&ops[0], 1, on_stopping);
    start(&ops[1], 10, on_last);
    host_run();
    ck_assert_int_eq(completed, 2);
    ck_assert_int_eq(errors_seen, 1);
    ck_assert_int_eq(error_last, -ECANCELED);
    ck_assert_int_eq(error_kept, 0);
    all_close(loop);
}

static void stop_the_loop(void)
{
    heald_loop_stop(loop);
    update_if_needed();
}

HEALD_CASE(stop_ends_the_host)
{
    loop = guest_on(_i);
    then = stop_the_host;
    start(&ops[0], 3600000, on_completed);
    host_after(5, stop_the_loop);
    host_run();
    ck_assert_int_eq(errors_seen, 1);
    ck_assert_int_eq(heald_cancel(&ops[0]), 0);
    all_close(loop);
}

HEALD_CASE(stop_and_close_in_the_error_callback)
{
    loop = guest_on(_i);
    then = close_it;
    start(&ops[0], 1, on_stopping);
    start(&ops[1], 5, on_completed);
    host_after(30, stop_the_host);
    host_run();
    ck_assert_int_eq(completed, 1);
    ck_assert_int_eq(errors_seen, 1);
    host_close();
    loop_end();
}

/* Another file in place of the back end's descriptor: the wait of epoll fails from then on. */
static int kept_fd;

static void break_it(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    kept_fd = fcntl(heald_loop_fd(loop), F_DUPFD_CLOEXEC, 0);
    ck_assert_int_ge(dup2(null, heald_loop_fd(loop)), 0);
    close(null);
    update_if_needed();
}

HEALD_CASE(the_back_end_fails)
{
    loop = guest_on(_i);
    start(&ops[0], 10, on_completed);
    host_after(2, break_it);
    host_after(40, stop_the_host);
    host_run();
    ck_assert_int_eq(errors_seen, 1);
    ck_assert_int_eq(error_last, -EINVAL);
    ck_assert_int_eq(error_kept, -EINVAL);
    ck_assert_int_eq(completed, 0);
    ck_assert_uint_le(host_iterations(), 2 * FEW_ITERATIONS);
    ck_assert_int_ge(dup2(kept_fd, heald_loop_fd(loop)), 0);
    close(kept_fd);
    guest_update(0);
    all_close(loop);
    ck_assert_int_eq(errors_seen, 1);
}

/* A loop that always has something due, and a host with a time of its own. */
static bool is_enough;

static void on_again(struct heald_op *op)
{
    on_completed(op);
    if (!is_enough)
        ck_assert_int_eq(heald_loop_post(loop, op, on_again), 0);
    else
        host_stop();
}

static void enough(void)
{
    is_enough = true;
}

HEALD_CASE(the_guest_does_not_starve_the_host)
{
    loop = guest_on(_i);
    ck_assert_int_eq(heald_loop_post(loop, &ops[0], on_again), 0);
    host_after(10, enough);
    host_run();
    ck_assert_int_gt(completed, 1);
    all_close(loop);
}

/* A descriptor that is always readable, and never read; the host updates each time. */
static int calls;

static void on_busy(void)
{
    calls++;
    guest_update(0);
}

HEALD_CASE(the_host_does_not_starve_the_guest)
{
    loop = guest_on(_i);
    ck_assert_int_eq(heald_pipe(ends), 0);
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
    host_watch(ends[0], on_busy);
    start(&ops[0], 5, on_last);
    host_run();
    ck_assert_int_eq(completed, 1);
    ck_assert_int_gt(calls, 0);
    host_watch(-1, NULL);
    close(ends[0]);
    close(ends[1]);
    all_close(loop);
}

/* What a turn leaves is due at once, not after an event. */
HEALD_CASE(more_is_due_than_a_turn_runs)
{
    loop = loop_on(_i, (struct heald_loop_options){.turn_callbacks = 1});
    host_open();
    ck_assert_int_eq(guest_open(0, loop), 0);
    for (int i = 0; i < DUE; i++)
        start(&ops[i], 1, i < DUE - 1 ? on_completed : on_last);
    host_run();
    ck_assert_int_eq(completed, DUE);
    ck_assert_uint_ge(host_iterations(), DUE);
    all_close(loop);
}

/* The program turns the loop itself, and a callback runs the host, whose guest it is not then. */
static unsigned nested_iterations;

static void on_nesting(struct heald_op *op)
{
    unsigned before = host_iterations();

    on_completed(op);
    ck_assert_int_eq(write(ends[1], "x", 1), 1); /* the descriptor of the loop is readable */
    host_after(30, stop_the_host);
    host_run();
    nested_iterations = host_iterations() - before;
}

HEALD_CASE(the_host_within_a_callback_of_the_loop)
{
    char buf[8];

    loop = guest_on(_i);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    host_after(1, stop_the_host);
    host_run();
    start(&ops[0], 1, on_nesting);
    start(&ops[1], 2, on_completed);
    ck_assert_int_eq(heald_prep_recv(&ops[2], ends[0], buf, sizeof buf, 0), 0);
    ck_assert_int_eq(heald_submit(loop, &ops[2], on_completed), 0);
    while (!completed)
        ck_assert_int_ge(heald_loop_turn(loop, HEALD_FOREVER), 0);
    ck_assert_uint_le(nested_iterations, FEW_ITERATIONS);
    start(&ops[3], 10, on_last);
    guest_update(0);
    host_run();
    ck_assert_int_eq(completed, 4);
    heald_close(loop, ends[0]);
    close(ends[1]);
    all_close(loop);
}

/* The error of heald_loop_fd() is that of the opening, and nothing is open then. */
HEALD_CASE(no_descriptor_is_left)
{
    struct rlimit limit, none;

    loop = loop_on(_i, (struct heald_loop_options){0});
    ck_assert_int_eq(heald_loop_close(loop), 0);
    ck_assert_int_eq(
        heald_loop_open(&loop, &(struct heald_loop_options){.backend = backend_name(_i)}), 0);
    host_open();
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = (struct rlimit){.rlim_cur = 3, .rlim_max = limit.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    int err = guest_open(0, loop);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_int_eq(err, -EMFILE);
    ck_assert_int_eq(guest_open(0, loop), 0);
    all_close(loop);
}

HEALD_CASE(a_back_end_without_a_descriptor)
{
    struct heald_loop_options options = {.backend = backend_name(_i)};

    ck_assert_int_eq(heald_loop_open(&loop, &options), 0);
    host_open();
    int fd = heald_loop_fd(loop), err = guest_open(0, loop);
    ck_assert_int_eq(err, fd < 0 ? fd : 0);
    if (!err)
        guest_close(0);
    host_close();
    ck_assert_int_eq(heald_loop_close(loop), 0);
}

void add_edges(TCase *group)
{
    add_everywhere(group, closed_in_a_callback_of_the_loop);
    add_everywhere(group, closed_in_a_callback_of_the_host);
    add_everywhere(group, closed_in_a_hook);
    add_everywhere(group, stop);
    add_everywhere(group, stop_ends_the_host);
    add_everywhere(group, stop_and_close_in_the_error_callback);
    add_on(group, the_back_end_fails, "epoll");
    add_everywhere(group, the_guest_does_not_starve_the_host);
    add_everywhere(group, the_host_does_not_starve_the_guest);
    add_everywhere(group, more_is_due_than_a_turn_runs);
    add_everywhere(group, the_host_within_a_callback_of_the_loop);
    add_everywhere(group, a_back_end_without_a_descriptor);
    add_on(group, no_descriptor_is_left, "poll");
}
