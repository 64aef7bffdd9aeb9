/* test/conformance/deferred.c: ops that have a callback only where they are not done at once
 * (heald_op_notify_deferred()). */
#include "conformance/conformance.h"

#include <pthread.h>
#include <sys/socket.h>

enum { MANY = 100, BIG = 8 * 1024 * 1024 };

static int is_over(const struct heald_op *op)
{
    return heald_op_error(op) != -EINPROGRESS;
}

/* Submits a send; with whatever is known of it by now. */
static int submit_send(struct heald_loop *loop, struct probe *p, int fd, const void *data,
                       size_t len)
{
    ck_assert_int_eq(heald_op_notify_deferred(&p->op), 0);
    ck_assert_int_eq(heald_prep_send(&p->op, fd, data, len, 0), 0);
    int n = heald_submit(loop, &p->op, probe_completed);
    ck_assert_int_ge(n, 0);
    ck_assert_int_le(n, 1);
    if (n == 1)
        ck_assert(is_over(&p->op));
    return n;
}

/* It completes within that time although nothing else happens, and has had no callback. */
static void ends_silently(struct heald_loop *loop, struct probe *p, int64_t within)
{
    int64_t deadline = now() + within;

    while (!is_over(&p->op) && now() < deadline)
        ck_assert_int_ge(heald_loop_turn(loop, deadline), 0);
    ck_assert(is_over(&p->op));
    turn_for(loop, HEALD_MS);
    ck_assert_int_eq(p->calls, 0);
}

static void receive(int fd, const char *want, size_t len)
{
    char buf[64];
    size_t have = 0;

    while (have < len) {
        ssize_t n = recv(fd, buf + have, len - have, 0);
        if (n < 0 && errno == EAGAIN)
            poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 1000);
        else
            ck_assert_int_gt(n, 0);
        have += n > 0 ? (size_t)n : 0;
    }
    ck_assert_mem_eq(buf, want, len);
}

HEALD_CASE(what_is_done_at_once_is_silent)
{
    struct heald_loop *loop = loop_on(_i);
    int fds[2];

    for (int kind = PAIR_TCP; kind <= PAIR_UNIX; kind++) {
        struct probe p = {0};
        pair_open((enum pair_kind)kind, fds);
        for (int i = 0; i < MANY; i++) {
            p.calls = p.finals = 0;
            submit_send(loop, &p, fds[1], "hello", 5);
            if (kind == PAIR_TCP) {
                ends_silently(loop, &p, HEALD_SEC);
            } else {
                /* In a ring only TCP is tried; there the others have their callback. */
                while (!is_over(&p.op))
                    ck_assert_int_ge(heald_loop_turn(loop, now() + HEALD_SEC), 0);
            }
            ck_assert_int_eq(heald_op_result(&p.op), 5);
            receive(fds[0], "hello", 5);
        }
        pair_close(loop, fds);
    }
    ck_assert_int_eq(heald_loop_run(loop), 0);
    loop_end(loop);
}

/* The loop has nothing else to do, and a caller waits for the op. */
HEALD_CASE(suspend_does_not_wait_for_more)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0}, other = {0};
    struct heald_op *list[] = {&p.op};
    char byte;
    int fds[2];

    pair_open(PAIR_TCP, fds);
    heald_prep_recv(&other.op, fds[1], &byte, 1, 0);
    probe_start(loop, &other);
    for (int i = 0; i < MANY; i++) {
        submit_send(loop, &p, fds[1], "x", 1);
        ck_assert_int_eq(heald_suspend(loop, list, 1, 1, HEALD_FOREVER), 1);
        ck_assert_int_eq(heald_op_result(&p.op), 1);
    }
    ck_assert_int_eq(p.calls, 0);
    probe_cancel(&other);
    pair_close(loop, fds);
    loop_end(loop);
}

static void *ask(void *arg)
{
    struct heald_op *op = arg;
    struct heald_loop *loop = op->loop;
    int64_t deadline = now() + 5 * HEALD_SEC;

    while (!is_over(op) && now() < deadline)
        poll(NULL, 0, 1);
    bool over = is_over(op);
    heald_loop_stop(loop);
    return over ? op : NULL;
}

/* The loop waits, indefinitely, and another thread asks. */
HEALD_CASE(another_thread_finds_out)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0}, other = {0};
    pthread_t thread;
    char byte;
    int fds[2];
    void *over;

    pair_open(PAIR_TCP, fds);
    heald_prep_recv(&other.op, fds[1], &byte, 1, 0);
    probe_start(loop, &other);
    submit_send(loop, &p, fds[1], "x", 1);
    ck_assert_int_eq(pthread_create(&thread, NULL, ask, &p.op), 0);
    ck_assert_int_eq(heald_loop_run(loop), 1);
    pthread_join(thread, &over);
    ck_assert_ptr_nonnull(over);
    ck_assert_int_eq(p.calls, 0);
    probe_cancel(&other);
    pair_close(loop, fds);
    loop_end(loop);
}

/* More than there is room for: a part, or all after a wait, completes; never lost and never twice.
 */
HEALD_CASE(what_does_not_fit_is_reported)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    char *big = calloc(1, BIG);
    int fds[2];
    size_t got = 0;

    pair_open(PAIR_TCP, fds);
    ck_assert_int_eq(submit_send(loop, &p, fds[1], big, BIG), 0);
    while (!p.finals) {
        ssize_t n = recv(fds[0], big, BIG, MSG_DONTWAIT);
        got += n > 0 ? (size_t)n : 0;
        ck_assert_int_ge(heald_loop_turn(loop, now() + HEALD_MS), 0);
    }
    ck_assert_int_gt(p.result, 0);
    ck_assert_int_le(p.result, BIG);
    while (got < (size_t)p.result) {
        poll(&(struct pollfd){.fd = fds[0], .events = POLLIN}, 1, 1000);
        ssize_t n = recv(fds[0], big, BIG, MSG_DONTWAIT);
        ck_assert(n > 0 || errno == EAGAIN);
        got += n > 0 ? (size_t)n : 0;
    }
    ck_assert_int_eq(recv(fds[0], big, BIG, MSG_DONTWAIT), -1);
    ck_assert_int_eq(p.calls, 1);
    free(big);
    pair_close(loop, fds);
    loop_end(loop);
}

static void fill(int fd)
{
    static const char some[4096];
    size_t len = sizeof some;

    while (len) {
        ssize_t n = send(fd, some, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0)
            len /= 2;
    }
}

/* No room at all: it waits, and completes, or is cancelled. */
HEALD_CASE(what_waits_is_reported)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    char buf[65536];
    int fds[2];

    for (int cancel = 0; cancel < 2; cancel++) {
        pair_open(PAIR_TCP, fds);
        fill(fds[1]);
        p.calls = p.finals = 0;
        ck_assert_int_eq(submit_send(loop, &p, fds[1], "x", 1), 0);
        turn_for(loop, 3 * HEALD_MS);
        ck_assert_int_eq(p.calls, 0);
        ck_assert(!is_over(&p.op));
        if (cancel)
            ck_assert_int_eq(heald_cancel(&p.op), 0);
        while (!p.finals) {
            if (!cancel)
                (void)!recv(fds[0], buf, sizeof buf, MSG_DONTWAIT);
            ck_assert_int_ge(heald_loop_turn(loop, now() + HEALD_MS), 0);
        }
        ck_assert_int_eq(p.result, cancel ? -ECANCELED : 1);
        ck_assert_int_eq(p.calls, 1);
        pair_close(loop, fds);
    }
    loop_end(loop);
}

HEALD_CASE(what_fails_is_reported)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    int fds[2];

    pair_open(PAIR_TCP, fds);
    ck_assert_int_eq(submit_send(loop, &p, -1, "x", 1), 0);
    ck_assert_int_eq(probe_end(&p), -EBADF);
    shutdown(fds[1], SHUT_WR);
    p.calls = p.finals = 0;
    ck_assert_int_eq(submit_send(loop, &p, fds[1], "x", 1), 0);
    ck_assert_int_eq(probe_end(&p), -EPIPE);
    ck_assert_int_eq(p.calls, 1);
    pair_close(loop, fds);
    loop_end(loop);
}

/* At once cancelled, or its socket closed: a pending one whose end is requested has its callback,
 * with what has happened. */
HEALD_CASE(cancel_and_close)
{
    struct heald_loop *loop = loop_on(_i);

    for (int close_it = 0; close_it < 2; close_it++)
        for (int i = 0; i < MANY; i++) {
            struct probe p = {0};
            char buf[8];
            int fds[2];
            pair_open(PAIR_TCP, fds);
            bool pending = submit_send(loop, &p, fds[1], "x", 1) == 0;
            if (i % 2)
                turn_for(loop, 0); /* in a ring it has completed */
            bool asked = pending && !is_over(&p.op);
            if (close_it)
                heald_close(loop, fds[1]);
            else if (asked)
                ck_assert_int_eq(heald_cancel(&p.op), 0);
            int64_t deadline = now() + HEALD_SEC;
            while (!is_over(&p.op) && now() < deadline)
                ck_assert_int_ge(heald_loop_turn(loop, deadline), 0);
            ck_assert(is_over(&p.op));
            int64_t result = heald_op_result(&p.op);
            ck_assert(result == 1 || result == -ECANCELED);
            if (result != 1)
                ck_assert(asked);
            turn_for(loop, 0);
            ck_assert_int_eq(p.calls, asked);
            if (close_it) {
                poll(&(struct pollfd){.fd = fds[0], .events = POLLIN}, 1, 1000);
                ck_assert_int_eq(recv(fds[0], buf, 8, MSG_DONTWAIT), result == 1);
                heald_close(loop, fds[0]);
            } else {
                pair_close(loop, fds);
            }
        }
    ck_assert_int_eq(heald_loop_run(loop), 0);
    loop_end(loop);
}

/* Several behind each other keep their order, whether or not they have callbacks. */
HEALD_CASE(in_order)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p[4] = {0};
    int fds[2];

    pair_open(PAIR_TCP, fds);
    for (int i = 0; i < MANY; i++) {
        for (int k = 0; k < 4; k++) {
            if (k == 2) {
                heald_op_notify_callback(&p[k].op);
                heald_prep_send(&p[k].op, fds[1], &"abcd"[k], 1, 0);
                p[k].calls = p[k].finals = 0;
                probe_start(loop, &p[k]);
            } else {
                submit_send(loop, &p[k], fds[1], &"abcd"[k], 1);
            }
        }
        for (int k = 0; k < 4; k++)
            while (!is_over(&p[k].op))
                ck_assert_int_ge(heald_loop_turn(loop, now() + HEALD_SEC), 0);
        receive(fds[0], "abcd", 4);
    }
    pair_close(loop, fds);
    loop_end(loop);
}

/*
 * On each of many sockets a small one, and behind it one that does not fit, in a ring with few
 * entries: what becomes of the first makes the next go to the kernel, with others that were tried
 * meanwhile.
 */
HEALD_CASE(many_behind_each_other)
{
    enum { SOCKETS = 40, SMALL = 10 };
    struct heald_loop *loop = loop_with(_i, (struct heald_loop_options){.entries = 4});
    struct probe p[SOCKETS][2] = {0};
    char *big = calloc(1, BIG);
    int fds[SOCKETS][2];

    for (int i = 0; i < SOCKETS; i++)
        pair_open(PAIR_TCP, fds[i]);
    for (int i = 0; i < SOCKETS; i++) {
        submit_send(loop, &p[i][0], fds[i][1], big, SMALL);
        ck_assert_int_eq(submit_send(loop, &p[i][1], fds[i][1], big, BIG), 0);
    }
    turn_for(loop, 10 * HEALD_MS);
    for (int i = 0; i < SOCKETS; i++) {
        ck_assert(is_over(&p[i][0].op));
        ck_assert_int_eq(heald_op_result(&p[i][0].op), SMALL);
        /* There is no reader: it waits, or completed with a part. */
        ck_assert_int_eq(is_over(&p[i][1].op), p[i][1].calls);
        ck_assert_int_lt(heald_op_result(&p[i][1].op), BIG);
        pair_close(loop, fds[i]);
    }
    ck_assert_int_eq(heald_loop_run(loop), 0);
    for (int i = 0; i < SOCKETS; i++)
        ck_assert_int_eq(p[i][1].calls, 1);
    free(big);
    loop_end(loop);
}

/* Other kinds: the first attempt of a receive finds what is there, or has a callback. */
HEALD_CASE(receives_and_files)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    char buf[8];
    int fds[2];

    pair_open(PAIR_TCP, fds);
    heald_op_notify_deferred(&p.op);
    heald_prep_recv(&p.op, fds[0], buf, 3, 0);
    ck_assert_int_eq(heald_submit(loop, &p.op, probe_completed), 0);
    ck_assert_int_eq(send(fds[1], "abc", 3, 0), 3);
    ck_assert_int_eq(probe_end(&p), 3);
    ck_assert_int_eq(send(fds[1], "ab", 2, 0), 2);
    p.calls = p.finals = 0;
    heald_prep_recv(&p.op, fds[0], buf, 3, 0);
    ck_assert_int_eq(heald_submit(loop, &p.op, probe_completed), 0);
    ck_assert_int_eq(probe_end(&p), 2); /* fewer than it asked for: a callback */
    p.calls = p.finals = 0;
    heald_prep_stat(&p.op, AT_FDCWD, "/", 0, &(struct heald_stat){0});
    int n = heald_submit(loop, &p.op, probe_completed);
    ck_assert_int_ge(n, 0);
    if (n == 0)
        ck_assert_int_eq(probe_end(&p), 0);
    ck_assert_int_eq(p.calls, n == 0);
    pair_close(loop, fds);
    loop_end(loop);
}

HEALD_CASE(what_cannot_be)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_op op = {0};
    int fds[2];

    pair_open(PAIR_TCP, fds);
    heald_op_notify_deferred(&op);
    heald_prep_send(&op, fds[1], "x", 1, 0);
    ck_assert_int_eq(heald_submit(loop, &op, NULL), -EINVAL);
    heald_prep_accept_multishot(&op, fds[1]);
    ck_assert_int_eq(heald_submit(loop, &op, probe_completed), -EINVAL);
    ck_assert_int_eq(heald_loop_post(loop, &op, probe_completed), -EINVAL);
    pair_close(loop, fds);
    loop_end(loop);
}

void add_deferred(TCase *group)
{
    add_everywhere(group, what_is_done_at_once_is_silent);
    add_everywhere(group, suspend_does_not_wait_for_more);
    add_everywhere(group, another_thread_finds_out);
    add_everywhere(group, what_does_not_fit_is_reported);
    add_everywhere(group, what_waits_is_reported);
    add_everywhere(group, what_fails_is_reported);
    add_everywhere(group, cancel_and_close);
    add_everywhere(group, in_order);
    add_everywhere(group, many_behind_each_other);
    add_everywhere(group, receives_and_files);
    add_everywhere(group, what_cannot_be);
}
