/* test/conformance/runs.c: receives into runs of buffers. */
#include "conformance/conformance.h"

#include <sys/socket.h>

enum { BUFFERS = 16, SIZE = 32, TOTAL = 100000, KEPT = 6 };

struct reader {
    struct heald_op op;
    struct heald_buf_group *group;
    size_t done; /* bytes that were checked against the pattern */
    int calls, finals, longest;
    int64_t end, last;
    bool keeps;              /* releases each run only when KEPT others are held */
    unsigned held[KEPT + 1]; /* first buffers of runs */
    int held_count, buffers; /* buffers: of the runs that are held */
};

static struct heald_buf_group *open_group(struct heald_loop *loop)
{
    static char memory[BUFFERS][SIZE];
    struct heald_buf_group *group = NULL;

    ck_assert_int_eq(heald_buf_group_open(&group, loop, memory, BUFFERS, SIZE), 0);
    return group;
}

/* Checks the bytes of a run, and how it is described. Returns how many buffers it has. */
static int check_run(const struct reader *r, unsigned first, int64_t len)
{
    struct iovec iov[BUFFERS + 1];
    int count = heald_buf_iov(r->group, first, (size_t)len, iov, BUFFERS + 1), i = 0;
    size_t at = r->done;

    must(count == (len + SIZE - 1) / SIZE);
    for (unsigned b = first; b != HEALD_NO_BUFFER; b = heald_buf_next(r->group, b), i++) {
        must(i < count && iov[i].iov_base == heald_buf_data(r->group, b));
        must(i == count - 1 || iov[i].iov_len == SIZE);
        pattern_check(iov[i].iov_base, iov[i].iov_len, at);
        at += iov[i].iov_len;
    }
    must(i == count && at == r->done + (size_t)len);
    return count;
}

/* The run that came first, or the last one: in turn, so that buffers go back in another order. */
static void release_one(struct reader *r)
{
    int i = r->calls % 2 ? 0 : r->held_count - 1;

    must(heald_buf_return_run(r->group, r->held[i]) == 0);
    for (r->held_count--; i < r->held_count; i++)
        r->held[i] = r->held[i + 1];
}

static void on_run(struct heald_op *op)
{
    struct reader *r = heald_container_of(op, struct reader, op);

    must(!r->finals);
    if (!(op->flags & HEALD_MORE)) {
        must(op->buffer == HEALD_NO_BUFFER);
        r->finals++;
        r->end = op->result;
        return;
    }
    must(op->result > 0);
    int count = check_run(r, op->buffer, op->result);
    r->longest = count > r->longest ? count : r->longest;
    r->done += (size_t)op->result;
    r->last = op->result;
    r->calls++;
    r->held[r->held_count++] = op->buffer;
    while (r->held_count > (r->keeps ? KEPT : 0))
        release_one(r);
}

static void start(struct heald_loop *loop, struct reader *r, int fd)
{
    r->finals = 0;
    ck_assert_int_eq(heald_prep_recv_run_multishot(&r->op, fd, r->group, 0), 0);
    ck_assert_int_eq(heald_submit(loop, &r->op, on_run), 0);
}

/* Turns until so many bytes have come. Without a buffer it goes on when some are back. */
static void receive_until(struct heald_loop *loop, struct reader *r, int fd, size_t done)
{
    while (r->done < done) {
        must(heald_loop_turn(loop, now() + 5 * HEALD_SEC) >= 0);
        if (!r->finals)
            continue;
        ck_assert_int_eq(r->end, -ENOBUFS);
        while (r->held_count)
            release_one(r);
        start(loop, r, fd);
    }
}

static void stop(struct heald_loop *loop, struct reader *r)
{
    ck_assert_int_eq(heald_cancel(&r->op), 0);
    turn_until(loop, &r->finals, 1);
    ck_assert_int_eq(r->end, -ECANCELED);
    while (r->held_count)
        release_one(r);
}

HEALD_CASE(runs_then_the_end)
{
    struct heald_loop *loop = loop_on(_i);
    struct reader r = {.group = open_group(loop)};
    int fds[2];

    for (enum pair_kind kind = 0; kind <= PAIR_UNIX; kind++) {
        r.done = 0;
        pair_open(kind, fds);
        start(loop, &r, fds[0]);
        turn_for(loop, 0);
        pattern_send(fds[1], 0, 5);
        receive_until(loop, &r, fds[0], 5);
        pattern_send(fds[1], 5, 5 * SIZE + 1);
        receive_until(loop, &r, fds[0], 5 * SIZE + 6);
        ck_assert_int_eq(heald_buf_group_close(r.group), -EBUSY);
        ck_assert_int_eq(heald_close(loop, fds[1]), 0);
        turn_until(loop, &r.finals, 1);
        ck_assert_int_eq(r.end, 0);
        ck_assert_int_eq(heald_close(loop, fds[0]), 0);
    }
    ck_assert_int_eq(heald_buf_group_close(r.group), 0);
    loop_end(loop);
}

/* What has arrived comes at once: in a ring, whose kernel may lack it, only if it can. */
HEALD_CASE(one_callback_for_many_buffers)
{
    struct heald_loop *loop = loop_on(_i);
    int fds[2];

    for (enum pair_kind kind = 0; kind <= PAIR_UNIX; kind++) {
        struct reader r = {.group = open_group(loop)};
        pair_open(kind, fds);
        pattern_send(fds[1], 0, 10 * SIZE);
        start(loop, &r, fds[0]);
        receive_until(loop, &r, fds[0], 10 * SIZE);
        if (strcmp(heald_loop_backend(loop), "uring") != 0)
            ck_assert_int_le(r.calls, 3);
        stop(loop, &r);
        ck_assert_int_eq(heald_buf_group_close(r.group), 0);
        pair_close(loop, fds);
    }
    loop_end(loop);
}

/* All buffers are used again and again, and go back in another order. */
HEALD_CASE(a_long_stream_of_runs)
{
    struct heald_loop *loop = loop_on(_i);
    int fds[2];

    for (enum pair_kind kind = 0; kind <= PAIR_UNIX; kind++) {
        struct reader r = {.group = open_group(loop), .keeps = true};
        pair_open(kind, fds);
        start(loop, &r, fds[0]);
        for (size_t sent = 0, n = 1; sent < TOTAL; sent += n, n = n * 7 % 601 + 1) {
            pattern_send(fds[1], sent, n);
            receive_until(loop, &r, fds[0], sent + n);
        }
        stop(loop, &r);
        ck_assert_int_eq(heald_buf_group_close(r.group), 0);
        pair_close(loop, fds);
    }
    loop_end(loop);
}

/* Two that draw from one group, and a third with single buffers. */
HEALD_CASE(one_group_for_several)
{
    enum { READERS = 3 };
    struct heald_loop *loop = loop_on(_i);
    struct reader readers[READERS] = {{.keeps = false}};
    struct heald_buf_group *group = open_group(loop);
    size_t sent[READERS] = {0};
    int fds[READERS][2];

    for (int i = 0; i < READERS; i++) {
        readers[i].group = group;
        pair_open(i % 2 ? PAIR_UNIX : PAIR_TCP, fds[i]);
        start(loop, &readers[i], fds[i][0]);
    }
    for (int round = 0; round < 300; round++) {
        for (int i = 0; i < READERS; i++) {
            size_t n = (size_t)((round + 1) * (i + 3) * 7 % 150);
            pattern_send(fds[i][1], sent[i], n);
            sent[i] += n;
        }
        for (int i = 0; i < READERS; i++)
            receive_until(loop, &readers[i], fds[i][0], sent[i]);
    }
    for (int i = 0; i < READERS; i++) {
        if (readers[i].finals)
            start(loop, &readers[i], fds[i][0]);
        stop(loop, &readers[i]);
        pair_close(loop, fds[i]);
    }
    ck_assert_int_eq(heald_buf_group_close(group), 0);
    loop_end(loop);
}

/* Messages stay apart, though each leaves a buffer full or not. */
HEALD_CASE(a_message_is_a_run)
{
    struct heald_loop *loop = loop_on(_i);
    struct reader r = {.group = open_group(loop)};
    int fds[2];

    ck_assert_int_eq(heald_socketpair(SOCK_SEQPACKET, fds), 0);
    pattern_send(fds[1], 0, SIZE);
    pattern_send(fds[1], SIZE, SIZE);
    pattern_send(fds[1], 2 * SIZE, 3);
    start(loop, &r, fds[0]);
    turn_until(loop, &r.calls, 3);
    ck_assert_int_eq(r.done, 2 * SIZE + 3);
    ck_assert_int_eq(r.last, 3);
    ck_assert_int_eq(r.longest, 1);
    stop(loop, &r);
    pair_close(loop, fds);
    loop_end(loop);
}

HEALD_CASE(no_buffer_is_lost_or_released_twice)
{
    struct heald_loop *loop = loop_on(_i);
    struct reader r = {.group = open_group(loop), .keeps = true};
    struct iovec iov[2];
    int fds[2];

    pair_open(PAIR_TCP, fds);
    start(loop, &r, fds[0]);
    pattern_send(fds[1], 0, 3 * SIZE);
    receive_until(loop, &r, fds[0], 3 * SIZE);
    unsigned first = r.held[0];
    ck_assert_int_eq(heald_buf_iov(r.group, first, SIZE, iov, 2), 1);
    ck_assert_int_eq(heald_buf_iov(r.group, first, SIZE, iov, 0), 0);
    ck_assert_int_eq(heald_buf_iov(r.group, BUFFERS, SIZE, iov, 2), 0);
    ck_assert_int_eq(heald_buf_return_run(r.group, BUFFERS), -EINVAL);
    ck_assert_int_eq(heald_buf_return_run(r.group, HEALD_NO_BUFFER), 0);
    ck_assert_int_eq(heald_buf_next(r.group, BUFFERS), HEALD_NO_BUFFER);
    while (r.held_count)
        release_one(&r);
    ck_assert_int_eq(heald_buf_return_run(r.group, first), -EINVAL);
    ck_assert_int_eq(heald_buf_next(r.group, first), HEALD_NO_BUFFER);
    stop(loop, &r);
    pair_close(loop, fds);
    loop_end(loop);
}

/* None is held when it has ended so, and none is out: all of them can be filled afterwards. */
HEALD_CASE(all_buffers_are_there_after_a_cancel)
{
    struct heald_loop *loop = loop_on(_i);
    struct reader r = {.group = open_group(loop)};
    int fds[2];

    pair_open(PAIR_TCP, fds);
    for (int i = 0; i < 2 * BUFFERS; i++) {
        start(loop, &r, fds[0]);
        turn_for(loop, 0);
        stop(loop, &r);
    }
    start(loop, &r, fds[0]);
    r.keeps = true;
    pattern_send(fds[1], 0, BUFFERS * SIZE);
    while (r.done < BUFFERS * SIZE && !r.finals)
        must(heald_loop_turn(loop, now() + 5 * HEALD_SEC) >= 0);
    ck_assert_int_eq(r.done, BUFFERS * SIZE);
    if (!r.finals)
        heald_cancel(&r.op);
    turn_until(loop, &r.finals, 1);
    pair_close(loop, fds);
    loop_end(loop);
}

void add_runs(TCase *group)
{
    add_on_backends(group, runs_then_the_end);
    add_on_backends(group, one_callback_for_many_buffers);
    add_on_backends(group, a_long_stream_of_runs);
    add_on_backends(group, one_group_for_several);
    add_on_backends(group, a_message_is_a_run);
    add_on_backends(group, no_buffer_is_lost_or_released_twice);
    add_on_backends(group, all_buffers_are_there_after_a_cancel);
}
