/* test/conformance/streams.c: bytes over TCP, Unix streams and pipes: short reads, ends, room. */
#include "conformance/conformance.h"

#include <signal.h>
#include <sys/socket.h>

enum { BULK = 2 << 20, CHUNK = 60000 };

static int64_t take(struct heald_loop *loop, int fd, void *buf, size_t len)
{
    return op_read(loop, fd, buf, len, HEALD_NO_OFFSET);
}

HEALD_CASE(bytes_before_and_after_the_read)
{
    struct heald_loop *loop = loop_on(_i);
    char buf[16];
    int fds[2];

    for (enum pair_kind kind = 0; kind < PAIR_KINDS; kind++) {
        struct probe p = {0};
        pair_open(kind, fds);
        ck_assert_int_eq(op_write(loop, fds[1], "early", 5, HEALD_NO_OFFSET), 5);
        ck_assert_int_eq(take(loop, fds[0], buf, sizeof buf), 5);
        ck_assert_mem_eq(buf, "early", 5);
        heald_prep_read(&p.op, fds[0], buf, sizeof buf, HEALD_NO_OFFSET);
        probe_start(loop, &p);
        turn_for(loop, HEALD_MS);
        ck_assert_int_eq(p.calls, 0);
        ck_assert_int_eq(op_write(loop, fds[1], "late", 4, HEALD_NO_OFFSET), 4);
        ck_assert_int_eq(probe_end(&p), 4);
        ck_assert_mem_eq(buf, "late", 4);
        pair_close(loop, fds);
    }
    loop_end(loop);
}

/* What is left by a read that was full, or exactly full, is found by the next. */
HEALD_CASE(a_burst_is_read_in_pieces)
{
    struct heald_loop *loop = loop_on(_i);
    char buf[16];
    int fds[2];

    for (enum pair_kind kind = 0; kind < PAIR_KINDS; kind++) {
        struct probe p = {0};
        pair_open(kind, fds);
        for (int round = 0; round < 3; round++) {
            ck_assert_int_eq(write(fds[1], "0123456789", 10), 10);
            ck_assert_int_eq(take(loop, fds[0], buf, 4), 4);
            ck_assert_int_eq(take(loop, fds[0], buf, 4), 4);
            ck_assert_int_eq(take(loop, fds[0], buf, 2), 2);
            ck_assert_mem_eq(buf, "89", 2);
            heald_prep_read(&p.op, fds[0], buf, 4, HEALD_NO_OFFSET);
            probe_start(loop, &p);
            turn_for(loop, 0);
            ck_assert_int_eq(write(fds[1], "ab", 2), 2);
            ck_assert_int_eq(probe_end(&p), 2);
        }
        pair_close(loop, fds);
    }
    loop_end(loop);
}

HEALD_CASE(data_and_the_end_together)
{
    struct heald_loop *loop = loop_on(_i);
    char buf[16];
    int fds[2];

    for (enum pair_kind kind = 0; kind < PAIR_KINDS; kind++)
        for (int waits = 0; waits < 2; waits++) {
            struct probe p = {0};
            pair_open(kind, fds);
            heald_prep_read(&p.op, fds[0], buf, 4, HEALD_NO_OFFSET);
            if (waits) {
                probe_start(loop, &p);
                turn_for(loop, 0);
            }
            ck_assert_int_eq(write(fds[1], "0123456789", 10), 10);
            ck_assert_int_eq(heald_close(loop, fds[1]), 0);
            ck_assert_int_eq(waits ? probe_end(&p) : probe_do(loop, &p), 4);
            ck_assert_int_eq(take(loop, fds[0], buf, 4), 4);
            ck_assert_int_eq(take(loop, fds[0], buf, 16), 2);
            ck_assert_mem_eq(buf, "89", 2);
            ck_assert_int_eq(take(loop, fds[0], buf, 16), 0);
            ck_assert_int_eq(take(loop, fds[0], buf, 16), 0);
            ck_assert_int_eq(heald_close(loop, fds[0]), 0);
        }
    loop_end(loop);
}

/* A short read followed by the end, which comes while nobody waits. */
HEALD_CASE(the_end_after_a_short_read)
{
    struct heald_loop *loop = loop_on(_i);
    char buf[16];
    int fds[2];

    for (enum pair_kind kind = 0; kind < PAIR_KINDS; kind++) {
        pair_open(kind, fds);
        ck_assert_int_eq(write(fds[1], "abc", 3), 3);
        ck_assert_int_eq(take(loop, fds[0], buf, 16), 3);
        ck_assert_int_eq(heald_close(loop, fds[1]), 0);
        turn_for(loop, HEALD_MS);
        ck_assert_int_eq(take(loop, fds[0], buf, 16), 0);
        ck_assert_int_eq(heald_close(loop, fds[0]), 0);
    }
    loop_end(loop);
}

HEALD_CASE(half_a_stream_stays_open)
{
    struct heald_loop *loop = loop_on(_i);
    char buf[16];
    int fds[2];

    for (enum pair_kind kind = 0; kind <= PAIR_UNIX; kind++) {
        struct probe p = {0};
        pair_open(kind, fds);
        heald_prep_shutdown(&p.op, fds[1], SHUT_WR);
        ck_assert_int_eq(probe_do(loop, &p), 0);
        ck_assert_int_eq(op_recv(loop, fds[0], buf, 16), 0);
        for (int i = 0; i < 3; i++) {
            ck_assert_int_eq(op_send(loop, fds[0], "still", 5), 5);
            ck_assert_int_eq(op_recv(loop, fds[1], buf, 16), 5);
        }
        ck_assert_int_eq(op_send(loop, fds[1], "no", 2), -EPIPE);
        pair_close(loop, fds);
    }
    loop_end(loop);
}

HEALD_CASE(a_reset_is_reported)
{
    skip_on_kqueue(_i, "libkqueue takes the error of the socket");
    struct heald_loop *loop = loop_on(_i);
    struct linger hard = {.l_onoff = 1};
    struct probe p = {0};
    char buf[16];
    int fds[2];

    pair_open(PAIR_TCP, fds);
    heald_prep_recv(&p.op, fds[0], buf, 16, 0);
    probe_start(loop, &p);
    turn_for(loop, 0);
    setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    ck_assert_int_eq(heald_close(loop, fds[1]), 0);
    ck_assert_int_eq(probe_end(&p), -ECONNRESET);
    ck_assert_int_eq(op_recv(loop, fds[0], buf, 16), 0);
    ck_assert_int_eq(heald_close(loop, fds[0]), 0);
    loop_end(loop);
}

/* SIGPIPE has its default action here: it would end the case. */
HEALD_CASE(a_broken_socket_raises_no_signal)
{
    struct heald_loop *loop = loop_on(_i);
    struct iovec iov = {.iov_base = (void *)"x", .iov_len = 1};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    int fds[2];

    ck_assert_ptr_eq((void *)(intptr_t)signal(SIGPIPE, SIG_DFL), NULL);
    pair_open(PAIR_UNIX, fds);
    ck_assert_int_eq(heald_close(loop, fds[0]), 0);
    struct probe p = {0};
    ck_assert_int_eq(op_send(loop, fds[1], "x", 1), -EPIPE);
    ck_assert_int_eq(op_write(loop, fds[1], "x", 1, HEALD_NO_OFFSET), -EPIPE);
    heald_prep_writev(&p.op, fds[1], &iov, 1, HEALD_NO_OFFSET);
    ck_assert_int_eq(probe_do(loop, &p), -EPIPE);
    heald_prep_sendmsg(&p.op, fds[1], &msg, 0);
    ck_assert_int_eq(probe_do(loop, &p), -EPIPE);
    ck_assert_int_eq(heald_close(loop, fds[1]), 0);
    loop_end(loop);
}

HEALD_CASE(a_broken_pipe_is_reported)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    char buf[65536] = "";
    int fds[2];

    signal(SIGPIPE, SIG_IGN);
    pair_open(PAIR_PIPE, fds);
    while (write(fds[1], buf, sizeof buf) > 0)
        ;
    heald_prep_write(&p.op, fds[1], buf, sizeof buf, HEALD_NO_OFFSET);
    probe_start(loop, &p);
    turn_for(loop, 0);
    ck_assert_int_eq(heald_close(loop, fds[0]), 0);
    ck_assert_int_eq(probe_end(&p), -EPIPE);
    ck_assert_int_eq(op_write(loop, fds[1], "x", 1, HEALD_NO_OFFSET), -EPIPE);
    ck_assert_int_eq(heald_close(loop, fds[1]), 0);
    loop_end(loop);
}

HEALD_CASE(vectors)
{
    struct heald_loop *loop = loop_on(_i);
    char a[3], b[4], c[8];
    struct iovec out[] = {{.iov_base = (void *)"abc", .iov_len = 3},
                          {.iov_base = NULL, .iov_len = 0},
                          {.iov_base = (void *)"defgh", .iov_len = 5}};
    struct iovec in[] = {{.iov_base = a, .iov_len = 3},
                         {.iov_base = b, .iov_len = 4},
                         {.iov_base = c, .iov_len = 8}};
    int fds[2];

    for (enum pair_kind kind = 0; kind < PAIR_KINDS; kind++) {
        struct probe p = {0};
        pair_open(kind, fds);
        heald_prep_writev(&p.op, fds[1], out, 3, HEALD_NO_OFFSET);
        ck_assert_int_eq(probe_do(loop, &p), 8);
        heald_prep_readv(&p.op, fds[0], in, 3, HEALD_NO_OFFSET);
        ck_assert_int_eq(probe_do(loop, &p), 8);
        ck_assert_mem_eq(a, "abc", 3);
        ck_assert_mem_eq(b, "defg", 4);
        ck_assert_mem_eq(c, "h", 1);
        pair_close(loop, fds);
    }
    loop_end(loop);
}

/* One direction of a transfer that keeps itself going. */
struct flow {
    struct heald_op op;
    int fd;
    size_t done, size;
    char buf[CHUNK];
};

static void on_sent(struct heald_op *op)
{
    struct flow *f = heald_container_of(op, struct flow, op);

    ck_assert_int_gt(op->result, 0);
    f->done += (size_t)op->result;
    if (f->done == f->size)
        return;
    size_t left = f->size - f->done, len = left < CHUNK ? left : CHUNK;
    pattern_fill(f->buf, len, f->done);
    heald_prep_write(op, f->fd, f->buf, len, HEALD_NO_OFFSET);
    ck_assert_int_eq(heald_submit(op->loop, op, on_sent), 0);
}

static void on_received(struct heald_op *op)
{
    struct flow *f = heald_container_of(op, struct flow, op);

    ck_assert_int_gt(op->result, 0);
    pattern_check(f->buf, (size_t)op->result, f->done);
    f->done += (size_t)op->result;
    if (f->done == f->size)
        return;
    heald_prep_read(op, f->fd, f->buf, 1 + f->done * 31 % CHUNK, HEALD_NO_OFFSET);
    ck_assert_int_eq(heald_submit(op->loop, op, on_received), 0);
}

static struct flow *flow_out(struct heald_loop *loop, int fd)
{
    struct flow *f = calloc(1, sizeof *f);

    f->fd = fd;
    f->size = BULK;
    pattern_fill(f->buf, CHUNK, 0);
    heald_prep_write(&f->op, fd, f->buf, CHUNK, HEALD_NO_OFFSET);
    ck_assert_int_eq(heald_submit(loop, &f->op, on_sent), 0);
    return f;
}

static struct flow *flow_in(struct heald_loop *loop, int fd)
{
    struct flow *f = calloc(1, sizeof *f);

    f->fd = fd;
    f->size = BULK;
    heald_prep_read(&f->op, fd, f->buf, CHUNK, HEALD_NO_OFFSET);
    ck_assert_int_eq(heald_submit(loop, &f->op, on_received), 0);
    return f;
}

HEALD_CASE(megabytes_both_ways)
{
    struct heald_loop *loop = loop_on(_i);
    int fds[2];

    for (enum pair_kind kind = 0; kind < PAIR_KINDS; kind++) {
        struct flow *f[4] = {0};
        pair_open(kind, fds);
        f[0] = flow_in(loop, fds[0]);
        f[1] = flow_out(loop, fds[1]);
        if (kind != PAIR_PIPE) {
            f[2] = flow_out(loop, fds[0]);
            f[3] = flow_in(loop, fds[1]);
        }
        ck_assert_int_eq(heald_loop_run(loop), 0);
        for (int i = 0; i < 4; i++) {
            ck_assert(!f[i] || f[i]->done == BULK);
            free(f[i]);
        }
        pair_close(loop, fds);
    }
    loop_end(loop);
}

HEALD_CASE(a_peek_takes_nothing)
{
    struct heald_loop *loop = loop_on(_i);
    char buf[16];
    int fds[2];

    for (enum pair_kind kind = 0; kind <= PAIR_UNIX; kind++) {
        struct probe p = {0};
        pair_open(kind, fds);
        heald_prep_recv(&p.op, fds[0], buf, 16, MSG_PEEK);
        probe_start(loop, &p);
        turn_for(loop, 0);
        ck_assert_int_eq(send(fds[1], "peek", 4, 0), 4);
        ck_assert_int_eq(probe_end(&p), 4);
        heald_prep_recv(&p.op, fds[0], buf, 16, MSG_PEEK);
        ck_assert_int_eq(probe_do(loop, &p), 4);
        ck_assert_int_eq(op_recv(loop, fds[0], buf, 16), 4);
        ck_assert_mem_eq(buf, "peek", 4);
        pair_close(loop, fds);
    }
    loop_end(loop);
}

/* Urgent data: read out of band; what came before and after it comes in order. */
HEALD_CASE(urgent_data)
{
    skip_on_kqueue(_i, "no filter for urgent data");
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    char buf[16];
    int fds[2];

    pair_open(PAIR_TCP, fds);
    heald_prep_poll(&p.op, fds[0], POLLPRI);
    probe_start(loop, &p);
    turn_for(loop, 0);
    ck_assert_int_eq(send(fds[1], "ab", 2, 0), 2);
    ck_assert_int_eq(send(fds[1], "!", 1, MSG_OOB), 1);
    ck_assert_int_eq(send(fds[1], "cd", 2, 0), 2);
    ck_assert_int_eq(probe_end(&p) & POLLPRI, POLLPRI);
    heald_prep_recv(&p.op, fds[0], buf, 1, MSG_OOB);
    ck_assert_int_eq(probe_do(loop, &p), 1);
    ck_assert_int_eq(buf[0], '!');
    ck_assert_int_eq(op_recv(loop, fds[0], buf, 16), 2);
    ck_assert_mem_eq(buf, "ab", 2);
    ck_assert_int_eq(op_recv(loop, fds[0], buf, 16), 2);
    ck_assert_mem_eq(buf, "cd", 2);
    pair_close(loop, fds);
    loop_end(loop);
}

HEALD_CASE(a_thousand_turns_of_ping_pong)
{
    struct heald_loop *loop = loop_on(_i);
    char a = 'a', b;
    int fds[2];

    pair_open(PAIR_TCP, fds);
    for (int i = 0; i < 1000; i++) {
        ck_assert_int_eq(op_send(loop, fds[i & 1], &a, 1), 1);
        ck_assert_int_eq(op_recv(loop, fds[!(i & 1)], &b, 1), 1);
    }
    pair_close(loop, fds);
    loop_end(loop);
}

void add_streams(TCase *group)
{
    add_everywhere(group, bytes_before_and_after_the_read);
    add_everywhere(group, a_burst_is_read_in_pieces);
    add_everywhere(group, data_and_the_end_together);
    add_everywhere(group, the_end_after_a_short_read);
    add_everywhere(group, half_a_stream_stays_open);
    add_everywhere(group, a_reset_is_reported);
    add_everywhere(group, a_broken_socket_raises_no_signal);
    add_everywhere(group, a_broken_pipe_is_reported);
    add_everywhere(group, vectors);
    add_everywhere(group, megabytes_both_ways);
    add_everywhere(group, a_peek_takes_nothing);
    add_everywhere(group, urgent_data);
    add_everywhere(group, a_thousand_turns_of_ping_pong);
}
