/* test/adapter/cases.c: what a guest does in any host: timers, sockets, posts, locks. */
#include "adapter/adapter.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Iterations in which a host that waits for one thing may be: none waits by spinning. */
enum { FEW_ITERATIONS = 12 };

enum { FEATURES_MAX = 16 };

static struct heald_feature backends[FEATURES_MAX];

int guests_closed, errors_seen, error_last, error_kept;
void (*then)(void);

static struct heald_loop *loop;

void on_guest_error(int i, int err, int kept)
{
    (void)i;
    errors_seen++;
    error_last = err;
    error_kept = kept;
    if (then)
        then();
}

const char *backend_name(int backend)
{
    return backends[backend].name;
}

void add_on(TCase *group, const TTest *test, const char *name)
{
    unsigned count = heald_backends(backends, FEATURES_MAX);

    for (unsigned i = 0; i < count && i < FEATURES_MAX; i++)
        if (!backends[i].error && (!name || strcmp(backends[i].name, name) == 0))
            harness_add_range(group, test, (int)i, (int)i + 1);
}

void add_everywhere(TCase *group, const TTest *test)
{
    add_on(group, test, NULL);
}

/* Once for each back end: the reason why it has no cases. */
HEALD_CASE(back_ends_that_work)
{
    if (backends[_i].error)
        harness_skip("%s: %s", backends[_i].name, backends[_i].why);
}

struct heald_loop *loop_on(int backend, struct heald_loop_options options)
{
    struct heald_loop *opened;

    options.backend = backend_name(backend);
    ck_assert_int_eq(heald_loop_open(&opened, &options), 0);
    if (heald_loop_fd(opened) == -ENOSYS) {
        heald_loop_close(opened);
        harness_skip("%s has no descriptor on this platform", backend_name(backend));
    }
    return opened;
}

struct heald_loop *guest_on(int backend)
{
    struct heald_loop *opened = loop_on(backend, (struct heald_loop_options){0});

    host_open();
    ck_assert_int_eq(guest_open(0, opened), 0);
    return opened;
}

void update_if_needed(void)
{
    if (host_needs_update)
        guest_update(0);
}

void all_close(struct heald_loop *opened)
{
    guest_close(0);
    host_close();
    ck_assert_int_eq(guests_closed, 1);
    ck_assert_int_eq(heald_loop_run(opened), 0);
    ck_assert_int_eq(heald_loop_close(opened), 0);
}

static int64_t now(void)
{
    return heald_clock_now(HEALD_CLOCK_MONOTONIC);
}

static int completed, wanted;
static int64_t results[8];

/* Counts, and stops the host at the last. */
static void on_completed(struct heald_op *op)
{
    results[completed % 8] = op->result;
    if (++completed == wanted)
        host_stop();
}

static void start(struct heald_op *op, int prepared)
{
    ck_assert_int_eq(prepared, 0);
    ck_assert_int_eq(heald_submit(loop, op, on_completed), 0);
}

static void on_time(struct heald_op *op)
{
    ck_assert_int_ge(now(), *(int64_t *)op->data);
    on_completed(op);
}

HEALD_CASE(timers_fire_and_not_early)
{
    static const int64_t delays[] = {0, 1, HEALD_US, HEALD_MS, 4700 * HEALD_US, 20 * HEALD_MS + 1};
    int64_t when[6];
    struct heald_op ops[6] = {{.result = 0}};

    loop = guest_on(_i);
    wanted = 6;
    for (int i = 0; i < 6; i++) {
        when[i] = now() + delays[i];
        ops[i].data = &when[i];
        ck_assert_int_eq(heald_prep_timer(&ops[i], when[i]), 0);
        ck_assert_int_eq(heald_submit(loop, &ops[i], on_time), 0);
    }
    host_run();
    ck_assert_int_eq(completed, 6);
    ck_assert_uint_le(host_iterations(), 6 * FEW_ITERATIONS);
    all_close(loop);
}

/* One after the other, and one at least in time: a host may round to a time that suits it. */
static int64_t lateness = HEALD_FOREVER;

static void on_next(struct heald_op *op)
{
    int64_t late = now() - *(int64_t *)op->data;

    lateness = late < lateness ? late : lateness;
    *(int64_t *)op->data = now() + HEALD_MS;
    on_completed(op);
    if (completed < wanted) {
        ck_assert_int_eq(heald_prep_timer(op, *(int64_t *)op->data), 0);
        ck_assert_int_eq(heald_submit(loop, op, on_next), 0);
    }
}

HEALD_CASE(timers_are_not_late)
{
    int64_t when = now() + HEALD_MS;
    struct heald_op op = {.data = &when};

    loop = guest_on(_i);
    wanted = 5;
    ck_assert_int_eq(heald_prep_timer(&op, when), 0);
    ck_assert_int_eq(heald_submit(loop, &op, on_next), 0);
    host_run();
    ck_assert_int_eq(completed, 5);
    ck_assert_int_lt(lateness, 50 * HEALD_MS * harness_slow());
    all_close(loop);
}

/* A ball between a heald op and a descriptor of the host. */
enum { ROUNDS = 100 };

static int ends[2], rounds;
static char byte;
static struct heald_op receive, reply;

static void on_received(struct heald_op *op)
{
    ck_assert_int_eq(op->result, 1);
    heald_prep_send(&reply, ends[0], &byte, 1, 0);
    ck_assert_int_eq(heald_submit(loop, &reply, NULL), 0);
    if (rounds < ROUNDS)
        ck_assert_int_eq(heald_submit(loop, &receive, on_received), 0);
}

static void on_host_readable(void)
{
    char got;

    ck_assert_int_eq(read(ends[1], &got, 1), 1);
    ck_assert_int_eq(got, (char)rounds++);
    if (rounds > ROUNDS)
        host_stop();
    else
        ck_assert_int_eq(write(ends[1], &(char){(char)rounds}, 1), 1);
}

HEALD_CASE(echo_between_the_two)
{
    loop = guest_on(_i);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    heald_prep_recv(&receive, ends[0], &byte, 1, 0);
    ck_assert_int_eq(heald_submit(loop, &receive, on_received), 0);
    host_watch(ends[1], on_host_readable);
    ck_assert_int_eq(write(ends[1], "", 1), 1);
    host_run();
    ck_assert_int_eq(rounds, ROUNDS + 1);
    host_watch(-1, NULL);
    heald_close(loop, ends[0]);
    close(ends[1]);
    all_close(loop);
}

static struct heald_op timer, second;

static void submit_a_timer(void)
{
    start(&timer, heald_prep_timer(&timer, now() + 3 * HEALD_MS));
    update_if_needed();
}

HEALD_CASE(submitted_in_a_callback_of_the_host)
{
    loop = guest_on(_i);
    wanted = 1;
    host_after(30, submit_a_timer); /* long after the guest has found nothing to do */
    host_run();
    ck_assert_int_eq(completed, 1);
    all_close(loop);
}

/* What the last callback of the host submits keeps the host running. */
HEALD_CASE(submitted_by_the_last_of_the_host)
{
    loop = guest_on(_i);
    host_after(5, submit_a_timer);
    host_run();
    ck_assert_int_eq(completed, 1);
    all_close(loop);
}

static void cancel_it(void)
{
    ck_assert_int_eq(heald_cancel(&receive), 0);
    update_if_needed();
}

HEALD_CASE(cancelled_in_a_callback_of_the_host)
{
    loop = guest_on(_i);
    wanted = 1;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    start(&receive, heald_prep_recv(&receive, ends[0], &byte, 1, 0));
    host_after(5, cancel_it);
    host_run();
    ck_assert_int_eq(results[0], -ECANCELED);
    heald_close(loop, ends[0]);
    close(ends[1]);
    all_close(loop);
}

static void stop_the_host(void)
{
    host_stop();
}

/* An op that waits costs no iteration, nor does the timer that was there before. */
HEALD_CASE(idle_while_something_is_pending)
{
    loop = guest_on(_i);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    start(&receive, heald_prep_recv(&receive, ends[0], &byte, 1, 0));
    start(&timer, heald_prep_timer(&timer, now() + 3 * HEALD_MS));
    host_after(200, stop_the_host);
    host_run();
    ck_assert_int_eq(completed, 1);
    ck_assert_uint_le(host_iterations(), FEW_ITERATIONS);
    ck_assert_int_eq(heald_close(loop, ends[0]), 0);
    close(ends[1]);
    all_close(loop);
}

HEALD_CASE(idle_until_a_deadline)
{
    loop = guest_on(_i);
    start(&timer, heald_prep_timer(&timer, now() + 3600 * HEALD_SEC));
    host_after(200, stop_the_host);
    host_run();
    ck_assert_int_eq(completed, 0);
    ck_assert_uint_le(host_iterations(), FEW_ITERATIONS);
    ck_assert_int_eq(heald_cancel(&timer), 0);
    all_close(loop);
}

HEALD_CASE(idle_while_nothing_is_pending)
{
    loop = guest_on(_i);
    host_after(200, stop_the_host);
    host_run();
    ck_assert_uint_le(host_iterations(), FEW_ITERATIONS);
    all_close(loop);
}

enum { POSTS = 1000 };

static struct heald_op posts[POSTS];
static int posts_run;

static void on_post(struct heald_op *op)
{
    ck_assert_ptr_eq(op, &posts[posts_run]);
    if (++posts_run < POSTS)
        return;
    heald_loop_release(loop);
    if (!host_ends)
        host_stop();
}

static void *post_all(void *unused)
{
    for (int i = 0; i < POSTS; i++) {
        heald_loop_post(loop, &posts[i], on_post);
        if (i % 50 == 0)
            usleep(200); /* the host sleeps in between */
    }
    return unused;
}

/* The hold keeps a host running that would end. */
HEALD_CASE(posts_of_another_thread)
{
    pthread_t thread;

    loop = guest_on(_i);
    heald_loop_hold(loop);
    ck_assert_int_eq(pthread_create(&thread, NULL, post_all, NULL), 0);
    host_run();
    pthread_join(thread, NULL);
    ck_assert_int_eq(posts_run, POSTS);
    all_close(loop);
}

static struct heald_mutex *mutex;
static struct heald_participant *me, *other;

static void unlock_it(void)
{
    ck_assert_int_eq(completed, 0);
    ck_assert_int_eq(heald_mutex_unlock(mutex, other), 0);
}

static void open_region(struct heald_region **ret_region)
{
    int err = heald_region_create_memfd(ret_region, NULL);

    if (err == -ENOSYS)
        harness_skip("no region without a name here");
    ck_assert_int_eq(err, 0);
    mutex = heald_region_data(*ret_region);
    ck_assert_int_eq(heald_attach(*ret_region, &me), 0);
    ck_assert_int_eq(heald_attach(*ret_region, &other), 0);
}

/* No callback of the host says that the lock is free: the wake comes through the descriptor. */
HEALD_CASE(a_mutex_in_a_region)
{
    struct heald_region *region;
    struct heald_op lock = {.result = 0};

    open_region(&region);
    loop = guest_on(_i);
    wanted = 1;
    ck_assert_int_eq(heald_mutex_lock(mutex, other, HEALD_FOREVER), 0);
    start(&lock, heald_prep_mutex_lock(&lock, mutex, me));
    host_after(20, unlock_it);
    host_run();
    ck_assert_int_eq(completed, 1);
    ck_assert_int_eq(results[0], 0);
    ck_assert_int_eq(heald_mutex_unlock(mutex, me), 0);
    all_close(loop);
    heald_detach(me);
    heald_detach(other);
    ck_assert_int_eq(heald_region_close(region), 0);
}

/* Without a stop; after its end the host runs again. An op in the background does not count. */
HEALD_CASE(the_host_ends_when_nothing_is_pending)
{
    loop = guest_on(_i);
    ck_assert_int_eq(heald_prep_timer(&second, now() + 3600 * HEALD_SEC), 0);
    heald_op_background(&second, 1);
    ck_assert_int_eq(heald_submit(loop, &second, on_completed), 0);
    for (int round = 1; round <= 3; round++) {
        submit_a_timer();
        guest_update(0);
        host_run();
        ck_assert_int_eq(completed, round);
    }
    host_run();
    ck_assert_int_eq(heald_cancel(&second), 0);
    all_close(loop);
}

HEALD_CASE(two_guests_in_one_host)
{
    struct heald_loop *more;
    struct heald_op ops[2] = {{.result = 0}};

    loop = guest_on(_i);
    more = loop_on(_i, (struct heald_loop_options){0});
    ck_assert_int_eq(guest_open(1, more), 0);
    wanted = host_ends ? -1 : 2;
    ck_assert_int_eq(heald_prep_timer(&ops[0], now() + 5 * HEALD_MS), 0);
    ck_assert_int_eq(heald_prep_timer(&ops[1], now() + 10 * HEALD_MS), 0);
    ck_assert_int_eq(heald_submit(loop, &ops[0], on_completed), 0);
    ck_assert_int_eq(heald_submit(more, &ops[1], on_completed), 0);
    host_run();
    ck_assert_int_eq(completed, 2);
    guest_close(0);
    guest_close(1);
    host_close();
    ck_assert_int_eq(guests_closed, 2);
    ck_assert_int_eq(heald_loop_close(loop), 0);
    ck_assert_int_eq(heald_loop_close(more), 0);
}

int main(void)
{
    Suite *suite = suite_create(host_name);
    TCase *group = harness_group(suite, host_name);

    harness_add_range(group, back_ends_that_work, 0, (int)heald_backends(backends, FEATURES_MAX));
    add_everywhere(group, timers_fire_and_not_early);
    add_everywhere(group, timers_are_not_late);
    add_everywhere(group, echo_between_the_two);
    add_everywhere(group, submitted_in_a_callback_of_the_host);
    add_everywhere(group, cancelled_in_a_callback_of_the_host);
    add_everywhere(group, idle_while_something_is_pending);
    add_everywhere(group, idle_until_a_deadline);
    add_everywhere(group, idle_while_nothing_is_pending);
    add_everywhere(group, posts_of_another_thread);
    add_everywhere(group, a_mutex_in_a_region);
    add_everywhere(group, two_guests_in_one_host);
    if (host_ends) {
        add_everywhere(group, submitted_by_the_last_of_the_host);
        add_everywhere(group, the_host_ends_when_nothing_is_pending);
    }
    add_edges(group);
    return harness_run(suite);
}
