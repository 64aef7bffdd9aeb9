/* test/conformance/guest.c: heald inside another, plain poll loop. */
#include "conformance/conformance.h"

#include <limits.h>
#include <pthread.h>
#include <sys/socket.h>

enum { FOREIGN_TURNS = 10000 };

/* The other loop: waits on heald's descriptor alone, until *count has reached `want`. */
static void host(struct heald_loop *loop, const int *count, int want)
{
    struct pollfd p = {.fd = heald_loop_fd(loop), .events = POLLIN};
    int64_t end = now() + 5 * HEALD_SEC * harness_slow();

    ck_assert_int_ge(p.fd, 0);
    for (int i = 0; *count < want; i++) {
        int64_t deadline = -1;
        ck_assert_int_eq(heald_loop_prepare(loop, &deadline), 0);
        ck_assert_int_ge(deadline, 0);
        int64_t left = deadline < end ? deadline - now() : end - now();
        int ms = left <= 0 ? 0 : (int)((left + HEALD_MS - 1) / HEALD_MS);
        if (now() >= end)
            ck_abort_msg("the other loop waited in vain: %d of %d", *count, want);
        ck_assert_int_ge(poll(&p, 1, ms), 0);
        ck_assert_int_ge(heald_loop_turn(loop, 0), 0);
        ck_assert_int_lt(i, FOREIGN_TURNS);
    }
}

HEALD_CASE(data_that_comes)
{
    skip_on_portable("no guest mode");
    struct heald_loop *loop = loop_on(_i);
    char buf[8];
    int fds[2];

    ck_assert_int_ge(heald_loop_fd(loop), 0);
    for (enum pair_kind kind = 0; kind < PAIR_KINDS; kind++) {
        pair_open(kind, fds);
        for (int round = 0; round < 10; round++) {
            struct probe p = {0};
            int64_t deadline;
            heald_prep_read(&p.op, fds[0], buf, 8, HEALD_NO_OFFSET);
            probe_start(loop, &p);
            ck_assert_int_eq(heald_loop_prepare(loop, &deadline), 0);
            ck_assert_int_eq(heald_loop_turn(loop, 0), 0);
            ck_assert_int_eq(write(fds[1], "guest", 5), 5);
            host(loop, &p.finals, 1);
            ck_assert_int_eq(p.result, 5);
        }
        pair_close(loop, fds);
    }
    loop_end(loop);
}

/* What was there before the descriptor was asked for. */
HEALD_CASE(asked_for_late)
{
    skip_on_portable("no guest mode");
    struct heald_loop *loop = loop_on(_i);
    char buf[2][8];
    int fds[2];
    struct probe p[2] = {0};

    pair_open(PAIR_UNIX, fds);
    heald_prep_recv(&p[0].op, fds[0], buf[0], 8, 0);
    probe_start(loop, &p[0]);
    heald_prep_poll(&p[1].op, fds[0], POLLIN);
    probe_start(loop, &p[1]);
    turn_for(loop, 0);
    ck_assert_int_eq(send(fds[1], "x", 1, 0), 1);
    host(loop, &p[0].finals, 1);
    ck_assert_int_eq(send(fds[1], "x", 1, 0), 1);
    host(loop, &p[1].finals, 1);
    pair_close(loop, fds);
    loop_end(loop);
}

HEALD_CASE(it_is_silent_when_nothing_happens)
{
    struct heald_loop *loop = loop_on(_i);
    struct pollfd fd = {.fd = heald_loop_fd(loop), .events = POLLIN};
    struct probe p = {0};
    int64_t deadline;
    char buf[8];
    int fds[2];

    pair_open(PAIR_TCP, fds);
    heald_prep_recv(&p.op, fds[0], buf, 8, 0);
    probe_start(loop, &p);
    /* It may take a turn or two until all that was submitted is in place. */
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(heald_loop_prepare(loop, &deadline), 0);
        ck_assert_int_ge(heald_loop_turn(loop, 0), 0);
    }
    ck_assert_int_eq(heald_loop_prepare(loop, &deadline), 0);
    ck_assert_int_eq(deadline, HEALD_FOREVER);
    ck_assert_int_eq(poll(&fd, 1, 2), 0);
    probe_cancel(&p);
    pair_close(loop, fds);
    loop_end(loop);
}

HEALD_CASE(timers_by_the_deadline)
{
    skip_on_portable("no guest mode");
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0}, late = {0};
    int64_t deadline = 0, when = now() + 3 * HEALD_MS;

    heald_prep_timer(&late.op, when + 3600 * HEALD_SEC);
    probe_start(loop, &late);
    heald_prep_timer(&p.op, when);
    probe_start(loop, &p);
    ck_assert_int_eq(heald_loop_prepare(loop, &deadline), 0);
    ck_assert_int_eq(deadline, when);
    host(loop, &p.finals, 1);
    ck_assert_int_ge(now(), when);
    if (heald_clock_now(HEALD_CLOCK_BOOT) >= 0) {
        heald_prep_timer_clock(&p.op, HEALD_CLOCK_BOOT,
                               heald_clock_now(HEALD_CLOCK_BOOT) + 2 * HEALD_MS, 0);
        probe_start(loop, &p);
        host(loop, &p.finals, 1);
    }
    probe_cancel(&late);
    loop_end(loop);
}

HEALD_CASE(callbacks_that_are_due_mean_at_once)
{
    struct heald_loop *loop = loop_with(_i, (struct heald_loop_options){.turn_callbacks = 1});
    struct probe p[5] = {0};
    int64_t deadline;

    for (int i = 0; i < 5; i++) {
        heald_prep_poll(&p[i].op, -1, POLLIN);
        probe_start(loop, &p[i]);
    }
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(heald_loop_prepare(loop, &deadline), 0);
        ck_assert_int_eq(deadline, 0);
        ck_assert_int_eq(heald_loop_turn(loop, 0), 1);
    }
    ck_assert_int_eq(heald_loop_prepare(loop, &deadline), 0);
    ck_assert_int_eq(deadline, HEALD_FOREVER);
    loop_end(loop);
}

static int posts;

static void on_post(struct heald_op *op)
{
    (void)op;
    posts++;
}

struct poster {
    struct heald_loop *loop;
    struct heald_op ops[50];
};

static void *post_slowly(void *arg)
{
    struct poster *p = arg;

    for (int i = 0; i < 50; i++) {
        heald_loop_post(p->loop, &p->ops[i], on_post);
        usleep(i % 5 * 100);
    }
    return NULL;
}

HEALD_CASE(posts_from_a_thread)
{
    skip_on_portable("no guest mode");
    struct heald_loop *loop = loop_on(_i);
    struct poster p = {.loop = loop};
    pthread_t thread;

    ck_assert_int_ge(heald_loop_fd(loop), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, post_slowly, &p), 0);
    host(loop, &posts, 50);
    pthread_join(thread, NULL);
    loop_end(loop);
}

static int posts_notified;

static void on_counted(struct heald_op *op)
{
    (void)op;
    posts_notified++;
}

/* More of them than a turn delivers: what was fetched and not delivered means at once, too. */
HEALD_CASE(posts_that_a_turn_leaves)
{
    enum { POSTS = 1000 };
    skip_on_portable("no guest mode");
    struct heald_loop *loop = loop_on(_i);
    struct heald_op *ops = calloc(POSTS, sizeof *ops);
    int64_t deadline;

    ck_assert_int_ge(heald_loop_fd(loop), 0);
    posts_notified = 0;
    for (int i = 0; i < POSTS; i++)
        ck_assert_int_eq(heald_loop_post(loop, &ops[i], on_counted), 0);
    while (posts_notified < POSTS) {
        ck_assert_int_eq(heald_loop_prepare(loop, &deadline), 0);
        ck_assert_int_eq(deadline, 0);
        ck_assert_int_gt(heald_loop_turn(loop, 0), 0);
    }
    free(ops);
    loop_end(loop);
}

HEALD_CASE(files)
{
    skip_on_portable("no guest mode");
    struct heald_loop *loop = loop_on(_i);
    struct probe p[20] = {0};
    char path[64], buf[20][16];
    int dir = dir_make(path);
    int fd = openat(dir, "file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    for (int i = 0; i < 20; i++) {
        memset(buf[i], i, 16);
        heald_prep_write(&p[i].op, fd, buf[i], 16, i * 16);
        probe_start(loop, &p[i]);
    }
    for (int i = 0; i < 20; i++)
        host(loop, &p[i].finals, 1);
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(p[i].result, 16);
    heald_close(loop, fd);
    dir_remove(dir, path);
    loop_end(loop);
}

/* Descriptors come and go while the host watches. */
HEALD_CASE(descriptors_come_and_go)
{
    skip_on_portable("no guest mode");
    struct heald_loop *loop = loop_on(_i);
    char buf[8];
    int fds[2];

    ck_assert_int_ge(heald_loop_fd(loop), 0);
    for (int round = 0; round < 30; round++) {
        struct probe r = {0}, w = {0};
        pair_open((enum pair_kind)(round % PAIR_KINDS), fds);
        heald_prep_read(&r.op, fds[0], buf, 8, HEALD_NO_OFFSET);
        probe_start(loop, &r);
        if (round & 1)
            turn_for(loop, 0);
        heald_prep_write(&w.op, fds[1], "data", 4, HEALD_NO_OFFSET);
        probe_start(loop, &w);
        host(loop, &w.finals, 1);
        host(loop, &r.finals, 1);
        ck_assert_int_eq(r.result, 4);
        pair_close(loop, fds);
    }
    loop_end(loop);
}

void add_guest(TCase *group)
{
    add_everywhere(group, data_that_comes);
    add_everywhere(group, asked_for_late);
    add_everywhere(group, it_is_silent_when_nothing_happens);
    add_everywhere(group, timers_by_the_deadline);
    add_everywhere(group, callbacks_that_are_due_mean_at_once);
    add_everywhere(group, posts_from_a_thread);
    add_everywhere(group, posts_that_a_turn_leaves);
    add_everywhere(group, files);
    add_everywhere(group, descriptors_come_and_go);
}
