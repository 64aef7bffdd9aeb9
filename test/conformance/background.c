/* test/conformance/background.c: ops that keep no loop running. */
#include "conformance/conformance.h"

#include <sys/socket.h>

static int64_t in_ms(int ms)
{
    return now() + ms * HEALD_MS;
}

static uint64_t in_background(struct heald_loop *loop)
{
    struct heald_loop_stats stats;

    heald_loop_stats(loop, &stats);
    return stats.background;
}

HEALD_CASE(alone_it_keeps_no_loop_running)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe every = {0}, once = {0};

    heald_op_background(&every.op, 1);
    heald_prep_timer_clock(&every.op, HEALD_CLOCK_MONOTONIC, in_ms(1), HEALD_MS);
    probe_start(loop, &every);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    ck_assert_int_eq(every.calls, 0);
    /* Beside another it works. */
    heald_prep_timer(&once.op, in_ms(5));
    probe_start(loop, &once);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    ck_assert_int_eq(once.finals, 1);
    ck_assert_int_ge(every.calls, 1);
    ck_assert_int_eq(every.finals, 0);
    ck_assert_int_eq(heald_loop_close(loop), -EBUSY);
    ck_assert_int_eq(heald_cancel(&every.op), 0);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    ck_assert_int_eq(every.finals, 1);
    ck_assert_uint_eq(in_background(loop), 0);
    loop_end(loop);
}

HEALD_CASE(it_goes_and_comes_while_it_is_pending)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};

    heald_prep_timer(&p.op, in_ms(3));
    probe_start(loop, &p);
    for (int i = 0; i < 3; i++)
        heald_op_background(&p.op, 1);
    ck_assert_uint_eq(in_background(loop), 1);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    ck_assert_int_eq(p.calls, 0);
    for (int i = 0; i < 3; i++)
        heald_op_background(&p.op, 0);
    ck_assert_uint_eq(in_background(loop), 0);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    ck_assert_int_eq(p.finals, 1);
    loop_end(loop);
}

/* Whatever the kind, and however it ends, the count is right. */
HEALD_CASE(every_kind_leaves_it)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p[8] = {0};
    char buf[2][4];
    int fds[2];

    pair_open(PAIR_TCP, fds);
    for (int i = 0; i < 8; i++)
        p[i].op.op_class = (uint8_t)(i % 3 | HEALD_BACKGROUND);
    heald_prep_recv(&p[0].op, fds[0], buf[0], 4, 0);
    heald_prep_send(&p[1].op, fds[1], "abcd", 4, 0);
    heald_prep_poll(&p[2].op, fds[1], POLLOUT);
    heald_prep_recv(&p[3].op, fds[0], buf[1], 4, 0);
    p[3].op.deadline_ns = in_ms(2);
    heald_prep_timer(&p[4].op, 0);
    heald_prep_timer(&p[5].op, in_ms(1000));
    heald_prep_close(&p[6].op, 987);
    heald_prep_stat(&p[7].op, AT_FDCWD, "/none", 0, &(struct heald_stat){0});
    for (int i = 0; i < 8; i++)
        probe_start(loop, &p[i]);
    probe_cancel(&p[5]);
    for (int i = 0; i < 8; i++)
        probe_end(&p[i]);
    ck_assert_uint_eq(in_background(loop), 0);
    ck_assert_int_eq(p[0].result, 4);
    ck_assert_int_eq(p[3].result, -ETIMEDOUT);
    pair_close(loop, fds);
    loop_end(loop);
}

static void on_nothing(struct heald_op *op)
{
    (void)op;
}

HEALD_CASE(without_notification_it_leaves_it_too)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_op op[4] = {0};
    char buf[4];
    int fds[2];

    pair_open(PAIR_UNIX, fds);
    for (int i = 0; i < 4; i++)
        op[i].op_class = HEALD_BACKGROUND;
    heald_op_notify_deferred(&op[1]);
    heald_prep_send(&op[0], fds[1], "ab", 2, 0);
    heald_prep_send(&op[1], fds[1], "cd", 2, 0);
    heald_prep_recv(&op[2], fds[0], buf, 2, 0);
    heald_prep_timer(&op[3], in_ms(1));
    ck_assert_int_eq(heald_submit(loop, &op[0], NULL), 0);
    ck_assert_int_ge(heald_submit(loop, &op[1], on_nothing), 0);
    ck_assert_int_eq(heald_submit(loop, &op[2], NULL), 0);
    ck_assert_int_eq(heald_submit(loop, &op[3], NULL), 0);
    for (int i = 0; i < 4; i++)
        while (heald_op_error(&op[i]) == -EINPROGRESS)
            must(heald_loop_turn(loop, in_ms(10)) >= 0);
    ck_assert_uint_eq(in_background(loop), 0);
    pair_close(loop, fds);
    loop_end(loop);
}

static void put_into_background(struct heald_op *op)
{
    probe_completed(op);
    heald_op_background(op, 1);
}

HEALD_CASE(posts_run)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p[2] = {0};

    heald_op_background(&p[0].op, 1);
    ck_assert_int_eq(heald_loop_post(loop, &p[0].op, probe_completed), 0);
    ck_assert_int_eq(heald_loop_post(loop, &p[1].op, put_into_background), 0);
    heald_op_background(&p[1].op, 1);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    ck_assert_int_eq(p[0].finals + p[1].finals, 2);
    ck_assert_uint_eq(in_background(loop), 0);
    loop_end(loop);
}

/* A submission that is refused. */
HEALD_CASE(a_refused_one_does_not_count)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_op op = {.op_class = HEALD_BACKGROUND};

    ck_assert_int_eq(heald_submit(loop, &op, NULL), -EINVAL);
    ck_assert_uint_eq(in_background(loop), 0);
    loop_end(loop);
}

/* It reads, and is held up by nobody; what it has queued is sent. When it is closed the loop waits
 * for that. */
struct background {
    struct heald_stream stream;
    size_t got;
    int closed;
};

static void on_data(struct heald_stream *s, char *data, size_t len)
{
    (void)data;
    ((struct background *)s->data)->got += len;
}

static void on_closed(struct heald_stream *s, int err)
{
    ck_assert_int_eq(err, 0);
    ((struct background *)s->data)->closed++;
}

static size_t read_all(int fd)
{
    static char buf[65536];
    size_t got = 0;

    for (ssize_t n; (n = recv(fd, buf, sizeof buf, MSG_DONTWAIT)) > 0;)
        got += (size_t)n;
    return got;
}

HEALD_CASE(a_stream_keeps_no_loop_running)
{
    static const struct heald_stream_events events = {.data = on_data};
    enum { MUCH = 1 << 20 };
    static char much[MUCH];
    struct heald_loop *loop = loop_on(_i);
    struct background b = {.stream = {.data = &b}};
    struct heald_op pause = {0};
    int fds[2];

    pair_open(PAIR_UNIX, fds);
    ck_assert_int_eq(heald_stream_open(&b.stream, loop, fds[0], &events, NULL), 0);
    heald_stream_background(&b.stream, 1);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    must(send(fds[1], "hello", 5, 0) == 5);
    heald_prep_timer(&pause, in_ms(5));
    ck_assert_int_eq(heald_submit(loop, &pause, on_nothing), 0);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    ck_assert_uint_eq(b.got, 5);
    /* More than there is room for. */
    ck_assert_int_ge(heald_stream_write(&b.stream, much, MUCH), 0);
    size_t got = 0;
    for (int64_t until = in_ms(5000); got < MUCH && now() < until; got += read_all(fds[1]))
        must(heald_loop_turn(loop, in_ms(1)) >= 0);
    ck_assert_uint_eq(got, MUCH);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    ck_assert_int_eq(heald_stream_close(&b.stream, on_closed), 0);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    ck_assert_int_eq(b.closed, 1);
    close(fds[1]);
    loop_end(loop);
}

HEALD_CASE(the_end_of_a_stream_is_awaited)
{
    static const struct heald_stream_events events = {.data = on_data};
    struct heald_loop *loop = loop_on(_i);
    struct background b = {.stream = {.data = &b}};
    int fds[2];

    pair_open(PAIR_UNIX, fds);
    ck_assert_int_eq(heald_stream_open(&b.stream, loop, fds[0], &events, NULL), 0);
    heald_stream_background(&b.stream, 1);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    ck_assert_int_ge(heald_stream_write(&b.stream, "bye", 3), 0);
    ck_assert_int_eq(heald_stream_end(&b.stream, on_closed), 0);
    ck_assert_int_eq(shutdown(fds[1], SHUT_WR), 0);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    ck_assert_int_eq(b.closed, 1);
    close(fds[1]);
    loop_end(loop);
}

void add_background(TCase *group)
{
    add_everywhere(group, a_stream_keeps_no_loop_running);
    add_everywhere(group, the_end_of_a_stream_is_awaited);
    add_everywhere(group, alone_it_keeps_no_loop_running);
    add_everywhere(group, it_goes_and_comes_while_it_is_pending);
    add_everywhere(group, every_kind_leaves_it);
    add_everywhere(group, without_notification_it_leaves_it_too);
    add_everywhere(group, posts_run);
    add_everywhere(group, a_refused_one_does_not_count);
}
