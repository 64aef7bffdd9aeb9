/* test/conformance/read_multishot.c: reads that go on, from what is no socket as well. */
#include "conformance/conformance.h"

#include <stdio.h>
#include <sys/socket.h>

enum { BUFFERS = 4, SIZE = 32 };

struct reader {
    struct heald_op op;
    struct heald_buf_group *group;
    size_t done;
    int calls, finals, keep;
    int64_t end;
};

static struct heald_buf_group *open_group(struct heald_loop *loop)
{
    static char memory[BUFFERS][SIZE];
    struct heald_buf_group *group = NULL;

    ck_assert_int_eq(heald_buf_group_open(&group, loop, memory, BUFFERS, SIZE), 0);
    return group;
}

static void on_portion(struct heald_op *op)
{
    struct reader *r = heald_container_of(op, struct reader, op);

    must(!r->finals);
    if (!(op->flags & HEALD_MORE)) {
        must(op->buffer == HEALD_NO_BUFFER);
        r->finals++;
        r->end = op->result;
        return;
    }
    must(op->result > 0 && op->result <= SIZE);
    pattern_check(heald_buf_data(r->group, op->buffer), (size_t)op->result, r->done);
    r->done += (size_t)op->result;
    r->calls++;
    if (!r->keep)
        must(heald_buf_return(r->group, op->buffer) == 0);
}

static void start(struct heald_loop *loop, struct reader *r, int fd)
{
    r->finals = 0;
    ck_assert_int_eq(heald_prep_read_multishot(&r->op, fd, r->group), 0);
    ck_assert_int_eq(heald_submit(loop, &r->op, on_portion), 0);
}

static void write_pattern(int fd, size_t from, size_t len)
{
    char buf[1024];

    pattern_fill(buf, len, from);
    ck_assert_int_eq(write(fd, buf, len), (ssize_t)len);
}

static void read_until(struct heald_loop *loop, struct reader *r, int fd, size_t done)
{
    while (r->done < done) {
        must(heald_loop_turn(loop, now() + 5 * HEALD_SEC) >= 0);
        if (!r->finals)
            continue;
        ck_assert_int_eq(r->end, -ENOBUFS);
        start(loop, r, fd);
    }
}

static void stop(struct heald_loop *loop, struct reader *r)
{
    ck_assert_int_eq(heald_cancel(&r->op), 0);
    turn_until(loop, &r->finals, 1);
    ck_assert_int_eq(r->end, -ECANCELED);
}

/* Portions, more than all buffers hold, and the end: of each kind, blocking or not. */
HEALD_CASE(portions_of_every_kind)
{
    struct heald_loop *loop = loop_on(_i);
    int fds[2];

    for (int i = 0; i < 2 * PAIR_KINDS; i++) {
        struct reader r = {.group = open_group(loop)};
        pair_open(i / 2, fds);
        set_blocking(fds[0], i % 2);
        start(loop, &r, fds[0]);
        turn_for(loop, 0);
        write_pattern(fds[1], 0, 5);
        read_until(loop, &r, fds[0], 5);
        write_pattern(fds[1], 5, 600);
        read_until(loop, &r, fds[0], 605);
        ck_assert_int_eq(heald_close(loop, fds[1]), 0);
        turn_until(loop, &r.finals, 1);
        ck_assert_int_eq(r.end, 0);
        ck_assert_int_eq(heald_close(loop, fds[0]), 0);
        ck_assert_int_eq(heald_buf_group_close(r.group), 0);
    }
    loop_end(loop);
}

/* A cancel leaves all buffers there, and what comes later. */
HEALD_CASE(cancelled_while_it_waits)
{
    struct heald_loop *loop = loop_on(_i);
    int fds[2];

    for (int i = 0; i < 2 * PAIR_KINDS; i++) {
        struct reader r = {.group = open_group(loop)};
        pair_open(i / 2, fds);
        set_blocking(fds[0], i % 2);
        for (int n = 0; n < 3 * BUFFERS; n++) {
            start(loop, &r, fds[0]);
            turn_for(loop, 0);
            stop(loop, &r);
        }
        r.keep = true;
        start(loop, &r, fds[0]);
        write_pattern(fds[1], 0, BUFFERS * SIZE);
        while (r.done < BUFFERS * SIZE && !r.finals)
            must(heald_loop_turn(loop, now() + 5 * HEALD_SEC) >= 0);
        ck_assert_int_eq(r.done, BUFFERS * SIZE);
        ck_assert_int_eq(heald_close(loop, fds[0]), 0);
        if (!r.finals)
            turn_until(loop, &r.finals, 1);
        close(fds[1]);
        ck_assert_int_eq(heald_buf_group_close(r.group), 0);
    }
    loop_end(loop);
}

HEALD_CASE(from_a_terminal)
{
    struct heald_loop *loop = loop_on(_i);
    struct reader r = {.group = open_group(loop)};
    int fds[2];

    if (!terminal_open(fds))
        harness_skip("no terminal here");
    for (int i = 0; i < 2; i++) {
        r.done = 0;
        set_blocking(fds[1], i);
        start(loop, &r, fds[1]);
        turn_for(loop, HEALD_MS);
        write_pattern(fds[0], 0, 5);
        read_until(loop, &r, fds[1], 5);
        write_pattern(fds[0], 5, 100);
        read_until(loop, &r, fds[1], 105);
        stop(loop, &r);
        /* A cancel has taken no buffer. */
        for (int n = 0; n < 2 * BUFFERS; n++) {
            start(loop, &r, fds[1]);
            turn_for(loop, HEALD_MS);
            stop(loop, &r);
        }
        start(loop, &r, fds[1]);
        write_pattern(fds[0], 105, 100);
        read_until(loop, &r, fds[1], 205);
        stop(loop, &r);
    }
    ck_assert_int_eq(heald_close(loop, fds[1]), 0);
    close(fds[0]);
    ck_assert_int_eq(heald_buf_group_close(r.group), 0);
    loop_end(loop);
}

HEALD_CASE(it_must_not_be_a_file)
{
    struct heald_loop *loop = loop_on(_i);
    struct reader r = {.group = open_group(loop)};
    struct probe p = {0};
    FILE *file = tmpfile();

    must(file);
    ck_assert_int_eq(heald_prep_read_multishot(&r.op, fileno(file), NULL), -EINVAL);
    start(loop, &r, fileno(file));
    turn_until(loop, &r.finals, 1);
    ck_assert_int_eq(r.end, -EINVAL);
    heald_prep_read_multishot(&p.op, -1, r.group);
    ck_assert_int_eq(probe_do(loop, &p), -EBADF);
    heald_forget(loop, fileno(file));
    fclose(file);
    ck_assert_int_eq(heald_buf_group_close(r.group), 0);
    loop_end(loop);
}

void add_read_multishot(TCase *group)
{
    add_everywhere(group, portions_of_every_kind);
    add_everywhere(group, cancelled_while_it_waits);
    add_everywhere(group, from_a_terminal);
    add_on_backends(group, it_must_not_be_a_file);
}
