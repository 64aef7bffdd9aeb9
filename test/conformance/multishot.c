/* test/conformance/multishot.c: receives that go on, into the buffers of a group. */
#include "conformance/conformance.h"

#include <signal.h>
#include <sys/socket.h>

enum { BUFFERS = 8, SIZE = 32, TOTAL = 100000 };

struct listener {
    struct heald_op op;
    struct heald_buf_group *group;
    size_t done;             /* bytes that were checked against the pattern */
    int calls, finals, kept; /* kept: buffers that were not returned */
    int keep, cancel_at;
    int64_t end;
    uint16_t held[BUFFERS];
    int portions[BUFFERS];
};

static struct heald_buf_group *group_open(struct heald_loop *loop)
{
    static char memory[BUFFERS][SIZE];
    struct heald_buf_group *group = NULL;

    ck_assert_int_eq(heald_buf_group_open(&group, loop, memory, BUFFERS, SIZE), 0);
    return group;
}

static void on_portion(struct heald_op *op)
{
    struct listener *l = heald_container_of(op, struct listener, op);

    must(!l->finals);
    if (!(op->flags & HEALD_MORE)) {
        must(op->buffer == HEALD_NO_BUFFER);
        l->finals++;
        l->end = op->result;
        return;
    }
    must(op->result >= 0 && op->result <= SIZE);
    if (op->result)
        pattern_check(heald_buf_data(l->group, op->buffer), (size_t)op->result, l->done);
    l->done += (size_t)op->result;
    if (l->calls < BUFFERS)
        l->portions[l->calls] = (int)op->result;
    l->calls++;
    if (op->result && l->kept < l->keep)
        l->held[l->kept++] = op->buffer;
    else if (op->result)
        must(heald_buf_return(l->group, op->buffer) == 0);
    if (l->calls == l->cancel_at)
        must(heald_cancel(op) == 0);
}

static void listen_to(struct heald_loop *loop, struct listener *l, int fd)
{
    l->finals = 0;
    ck_assert_int_eq(heald_prep_recv_multishot(&l->op, fd, l->group, 0), 0);
    ck_assert_int_eq(heald_submit(loop, &l->op, on_portion), 0);
}

HEALD_CASE(portions_then_the_end)
{
    struct heald_loop *loop = loop_on(_i);
    struct listener l = {.group = group_open(loop)};
    int fds[2];

    for (enum pair_kind kind = 0; kind <= PAIR_UNIX; kind++) {
        l.done = 0;
        l.calls = 0;
        pair_open(kind, fds);
        listen_to(loop, &l, fds[0]);
        turn_for(loop, 0);
        pattern_send(fds[1], 0, 5);
        turn_until(loop, &l.calls, 1);
        pattern_send(fds[1], 5, 3);
        turn_until(loop, &l.calls, 2);
        ck_assert_int_eq(l.done, 8);
        ck_assert_int_eq(heald_buf_group_close(l.group), -EBUSY);
        ck_assert_int_eq(heald_close(loop, fds[1]), 0);
        turn_until(loop, &l.finals, 1);
        ck_assert_int_eq(l.end, 0);
        ck_assert_int_eq(l.calls, 2);
        ck_assert_int_eq(heald_close(loop, fds[0]), 0);
    }
    ck_assert_int_eq(heald_buf_group_close(l.group), 0);
    loop_end(loop);
}

/* More than fits into all buffers; each goes back in its callback. */
HEALD_CASE(a_long_stream)
{
    struct heald_loop *loop = loop_on(_i);
    struct listener l = {.group = group_open(loop)};
    int fds[2];

    for (enum pair_kind kind = 0; kind <= PAIR_UNIX; kind++) {
        l.done = 0;
        pair_open(kind, fds);
        listen_to(loop, &l, fds[0]);
        for (size_t sent = 0; sent < TOTAL; sent += 5000) {
            pattern_send(fds[1], sent, 5000);
            while (l.done < sent + 5000) {
                must(heald_loop_turn(loop, now() + HEALD_SEC) >= 0);
                /* The kernel may run out of buffers before the callbacks return them. */
                if (l.finals) {
                    ck_assert_int_eq(l.end, -ENOBUFS);
                    listen_to(loop, &l, fds[0]);
                }
            }
        }
        ck_assert_int_eq(l.done, TOTAL);
        ck_assert_int_eq(heald_cancel(&l.op), 0);
        turn_until(loop, &l.finals, 1);
        ck_assert_int_eq(l.end, -ECANCELED);
        pair_close(loop, fds);
    }
    loop_end(loop);
}

HEALD_CASE(without_a_buffer_nothing_is_lost)
{
    struct heald_loop *loop = loop_on(_i);
    struct listener l = {.group = group_open(loop), .keep = BUFFERS};
    int fds[2];

    for (enum pair_kind kind = 0; kind <= PAIR_UNIX; kind++) {
        l.done = 0;
        pair_open(kind, fds);
        listen_to(loop, &l, fds[0]);
        pattern_send(fds[1], 0, BUFFERS * SIZE + 10);
        turn_until(loop, &l.finals, 1);
        ck_assert_int_eq(l.end, -ENOBUFS);
        ck_assert_int_eq(l.done, BUFFERS * SIZE);
        ck_assert_int_eq(l.kept, BUFFERS);
        for (int i = 0; i < BUFFERS; i++)
            pattern_check(heald_buf_data(l.group, l.held[i]), SIZE, (size_t)i * SIZE);
        listen_to(loop, &l, fds[0]);
        turn_until(loop, &l.finals, 1);
        ck_assert_int_eq(l.end, -ENOBUFS);
        while (l.kept > 0)
            ck_assert_int_eq(heald_buf_return(l.group, l.held[--l.kept]), 0);
        listen_to(loop, &l, fds[0]);
        while (l.done < BUFFERS * SIZE + 10)
            ck_assert_int_ge(heald_loop_turn(loop, HEALD_FOREVER), 0);
        ck_assert_int_eq(heald_cancel(&l.op), 0);
        turn_until(loop, &l.finals, 1);
        while (l.kept > 0)
            ck_assert_int_eq(heald_buf_return(l.group, l.held[--l.kept]), 0);
        pair_close(loop, fds);
    }
    loop_end(loop);
}

HEALD_CASE(cancelled_in_its_own_callback)
{
    struct heald_loop *loop = loop_on(_i);
    int fds[2];

    for (enum pair_kind kind = 0; kind <= PAIR_UNIX; kind++) {
        struct listener l = {.group = group_open(loop), .cancel_at = 1, .end = 1};
        char rest[256];
        pair_open(kind, fds);
        listen_to(loop, &l, fds[0]);
        pattern_send(fds[1], 0, 100);
        turn_until(loop, &l.finals, 1);
        ck_assert_int_eq(l.end, -ECANCELED);
        ck_assert_int_ge(l.calls, 1);
        /* What had no callback is still there. */
        if (l.done < 100) {
            ck_assert_int_eq(op_recv(loop, fds[0], rest, sizeof rest), (int64_t)(100 - l.done));
            pattern_check(rest, 100 - l.done, l.done);
        }
        ck_assert_int_eq(heald_buf_group_close(l.group), 0);
        pair_close(loop, fds);
    }
    loop_end(loop);
}

/* The end has no buffer, whatever ends it after a portion: what was kept stays kept. */
HEALD_CASE(the_end_has_no_buffer)
{
    enum { BY_CANCEL, BY_DEADLINE, BY_CLOSE, BY_CLOSE_OP, BY_FORGET, WAYS };

    for (int way = 0; way < WAYS; way++) {
        struct heald_loop *loop = loop_on(_i);
        struct listener l = {.group = group_open(loop), .keep = 1};
        struct probe closed = {0};
        int fds[2];

        pair_open(PAIR_UNIX, fds);
        ck_assert_int_eq(heald_prep_recv_multishot(&l.op, fds[0], l.group, 0), 0);
        if (way == BY_DEADLINE)
            l.op.deadline_ns = now() + 20 * HEALD_MS;
        ck_assert_int_eq(heald_submit(loop, &l.op, on_portion), 0);
        char data[8];
        pattern_fill(data, sizeof data, 0);
        ck_assert_int_eq(write(fds[1], data, sizeof data), sizeof data);
        turn_until(loop, &l.calls, 1);
        if (way == BY_CANCEL)
            heald_cancel(&l.op);
        else if (way == BY_CLOSE)
            ck_assert_int_eq(heald_close(loop, fds[0]), 0);
        else if (way == BY_FORGET)
            heald_forget(loop, fds[0]);
        heald_prep_close(&closed.op, fds[0]);
        if (way == BY_CLOSE_OP)
            probe_start(loop, &closed);
        turn_until(loop, &l.finals, 1);
        if (way == BY_CLOSE_OP)
            probe_end(&closed);
        else if (way != BY_CLOSE)
            ck_assert_int_eq(heald_close(loop, fds[0]), 0);
        close(fds[1]);
        ck_assert_int_eq(heald_buf_return(l.group, l.held[0]), 0);
        loop_end(loop);
    }
}

HEALD_CASE(an_empty_datagram_is_a_portion)
{
    struct heald_loop *loop = loop_on(_i);
    struct listener l = {.group = group_open(loop)};
    int fds[2];

    ck_assert_int_eq(heald_socketpair(SOCK_DGRAM, fds), 0);
    listen_to(loop, &l, fds[0]);
    pattern_send(fds[1], 0, 7);
    turn_until(loop, &l.calls, 1);
    ck_assert_int_eq(op_send(loop, fds[1], "", 0), 0);
    turn_until(loop, &l.calls, 2);
    pattern_send(fds[1], 7, 3);
    turn_until(loop, &l.calls, 3);
    ck_assert_int_eq(l.portions[0], 7);
    ck_assert_int_eq(l.portions[1], 0);
    ck_assert_int_eq(l.portions[2], 3);
    ck_assert_int_eq(l.finals, 0);
    ck_assert_int_eq(heald_cancel(&l.op), 0);
    turn_until(loop, &l.finals, 1);
    pair_close(loop, fds);
    loop_end(loop);
}

/* Hundreds of empty datagrams use up no buffers. */
HEALD_CASE(empty_datagrams_leave_the_buffers)
{
    struct heald_loop *loop = loop_on(_i);
    struct listener l = {.group = group_open(loop)};
    int fds[2];

    ck_assert_int_eq(heald_socketpair(SOCK_DGRAM, fds), 0);
    listen_to(loop, &l, fds[0]);
    for (int i = 0; i < 10 * BUFFERS; i++) {
        ck_assert_int_eq(send(fds[1], "", 0, 0), 0);
        turn_until(loop, &l.calls, i + 1);
        ck_assert_int_eq(l.finals, 0);
    }
    pattern_send(fds[1], 0, 5);
    turn_until(loop, &l.calls, 10 * BUFFERS + 1);
    ck_assert_int_eq(l.done, 5);
    ck_assert_int_eq(heald_cancel(&l.op), 0);
    turn_until(loop, &l.finals, 1);
    pair_close(loop, fds);
    loop_end(loop);
}

HEALD_CASE(many_share_a_group)
{
    struct heald_loop *loop = loop_on(_i);
    struct listener l[20] = {0};
    struct heald_buf_group *group = group_open(loop);
    int fds[20][2];

    for (int i = 0; i < 20; i++) {
        l[i].group = group;
        pair_open(i & 1 ? PAIR_TCP : PAIR_UNIX, fds[i]);
        listen_to(loop, &l[i], fds[i][0]);
    }
    for (int round = 0; round < 10; round++)
        for (int i = 0; i < 20; i++) {
            pattern_send(fds[i][1], (size_t)round * 10, 10);
            while (l[i].done < (size_t)round * 10 + 10)
                turn_until(loop, &l[i].calls, l[i].calls + 1);
        }
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(heald_cancel(&l[i].op), 0);
        turn_until(loop, &l[i].finals, 1);
        pair_close(loop, fds[i]);
    }
    ck_assert_int_eq(heald_buf_group_close(group), 0);
    loop_end(loop);
}

HEALD_CASE(invalid_arguments_are_refused)
{
    struct heald_loop *loop = loop_on(_i), *other = loop_on(_i);
    struct heald_buf_group *group = group_open(loop);
    struct heald_op op = {0};
    int fds[2];

    pair_open(PAIR_UNIX, fds);
    ck_assert_int_eq(heald_prep_recv_multishot(&op, fds[0], NULL, 0), -EINVAL);
    ck_assert_int_eq(heald_prep_recv_multishot(&op, fds[0], group, MSG_DONTWAIT), -EINVAL);
    ck_assert_int_eq(heald_prep_recv_multishot(&op, fds[0], group, MSG_PEEK), -EINVAL);
    ck_assert_int_eq(heald_submit(loop, &op, on_portion), -EINVAL);
    ck_assert_int_eq(heald_prep_recv_multishot(&op, fds[0], group, 0), 0);
    ck_assert_int_eq(heald_submit(other, &op, on_portion), -EINVAL);
    ck_assert_int_eq(heald_submit(loop, &op, NULL), -EINVAL);
    ck_assert_int_eq(heald_op_notify_signal(&op, SIGUSR1), 0);
    ck_assert_int_eq(heald_submit(loop, &op, on_portion), -EINVAL);
    ck_assert_int_eq(heald_op_notify_thread(&op), 0);
    ck_assert_int_eq(heald_submit(loop, &op, on_portion), -EINVAL);
    ck_assert_str_eq(heald_op_state(&op), "idle");
    ck_assert_int_eq(heald_buf_group_close(group), 0);
    pair_close(loop, fds);
    loop_end(other);
    loop_end(loop);
}

HEALD_CASE(on_what_is_no_socket)
{
    struct heald_loop *loop = loop_on(_i);
    struct listener l = {.group = group_open(loop)};
    int fds[2], null = open("/dev/null", O_RDWR | O_CLOEXEC);

    pair_open(PAIR_PIPE, fds);
    listen_to(loop, &l, fds[0]);
    turn_until(loop, &l.finals, 1);
    ck_assert_int_eq(l.end, -ENOTSOCK);
    listen_to(loop, &l, null);
    turn_until(loop, &l.finals, 1);
    ck_assert_int_eq(l.end, -ENOTSOCK);
    listen_to(loop, &l, -1);
    turn_until(loop, &l.finals, 1);
    ck_assert_int_eq(l.end, -EBADF);
    ck_assert_int_eq(heald_buf_group_close(l.group), 0);
    heald_close(loop, null);
    pair_close(loop, fds);
    loop_end(loop);
}

struct byte_reader {
    struct heald_op op;
    struct heald_buf_group *group;
    int calls, finals, fds[2];
};

static void on_byte(struct heald_op *op)
{
    struct byte_reader *r = heald_container_of(op, struct byte_reader, op);

    r->calls++;
    r->finals += !(op->flags & HEALD_MORE);
    if (op->flags & HEALD_MORE)
        must(heald_buf_return(r->group, op->buffer) == 0);
}

/* In a ring they wait for their callbacks; the numbers are free at once all the same. */
HEALD_CASE(closed_with_many_results_to_come)
{
    enum { MANY = 1024, READERS = 16 };
    static char memory[MANY];
    struct heald_loop *loop = loop_with(_i, (struct heald_loop_options){.turn_callbacks = 1});
    struct byte_reader r[READERS] = {{.calls = 0}};
    struct heald_buf_group *group;

    ck_assert_int_eq(heald_buf_group_open(&group, loop, memory, MANY, 1), 0);
    for (int i = 0; i < READERS; i++) {
        r[i].group = group;
        pair_open(PAIR_UNIX, r[i].fds);
        pattern_send(r[i].fds[1], 0, MANY / READERS);
        heald_prep_recv_multishot(&r[i].op, r[i].fds[0], group, 0);
        ck_assert_int_eq(heald_submit(loop, &r[i].op, on_byte), 0);
    }
    turn_until(loop, &r[0].calls, 2);
    for (int i = 0; i < READERS; i++) {
        ck_assert_int_eq(heald_close(loop, r[i].fds[0]), 0);
        ck_assert_int_eq(fcntl(r[i].fds[0], F_GETFD), -1);
    }
    for (int i = 0; i < READERS; i++) {
        turn_until(loop, &r[i].finals, 1);
        close(r[i].fds[1]);
    }
    ck_assert_int_eq(heald_buf_group_close(group), 0);
    loop_end(loop);
}

void add_multishot(TCase *group)
{
    add_on_backends(group, closed_with_many_results_to_come);
    add_everywhere(group, portions_then_the_end);
    add_everywhere(group, a_long_stream);
    add_everywhere(group, without_a_buffer_nothing_is_lost);
    add_everywhere(group, cancelled_in_its_own_callback);
    add_everywhere(group, the_end_has_no_buffer);
    add_everywhere(group, an_empty_datagram_is_a_portion);
    add_everywhere(group, empty_datagrams_leave_the_buffers);
    add_everywhere(group, many_share_a_group);
    add_everywhere(group, invalid_arguments_are_refused);
    add_everywhere(group, on_what_is_no_socket);
}
