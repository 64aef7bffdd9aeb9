/* test/conformance/poll.c: plain readiness of any descriptor; nothing is taken from it. */
#include "conformance/conformance.h"

#include <sys/resource.h>
#include <sys/socket.h>

static int64_t ask(struct heald_loop *loop, int fd, unsigned events)
{
    struct probe p = {0};

    ck_assert_int_eq(heald_prep_poll(&p.op, fd, events), 0);
    return probe_do(loop, &p);
}

HEALD_CASE(each_event_when_it_holds)
{
    struct heald_loop *loop = loop_on(_i);
    char buf[8];
    int fds[2];

    for (enum pair_kind kind = 0; kind <= PAIR_UNIX; kind++) {
        struct probe p = {0};
        pair_open(kind, fds);
        ck_assert_int_eq(ask(loop, fds[0], POLLOUT), POLLOUT);
        ck_assert_int_eq(ask(loop, fds[0], POLLIN | POLLOUT), POLLOUT);
        heald_prep_poll(&p.op, fds[0], POLLIN);
        probe_start(loop, &p);
        turn_for(loop, HEALD_MS);
        ck_assert_int_eq(p.calls, 0);
        ck_assert_int_eq(send(fds[1], "abc", 3, 0), 3);
        ck_assert_int_eq(probe_end(&p), POLLIN);
        for (int i = 0; i < 3; i++)
            ck_assert_int_eq(ask(loop, fds[0], POLLIN | POLLOUT), POLLIN | POLLOUT);
        ck_assert_int_eq(op_recv(loop, fds[0], buf, 8), 3);
        heald_prep_poll(&p.op, fds[0], POLLIN);
        probe_start(loop, &p);
        turn_for(loop, HEALD_MS);
        ck_assert_int_eq(p.calls, 0);
        probe_cancel(&p);
        pair_close(loop, fds);
    }
    loop_end(loop);
}

/* More than a loop looks at with one call: those that are ready, and the others when they are. */
HEALD_CASE(many_at_a_time)
{
    enum { MANY = 70 };
    static struct probe out[MANY], in[MANY];
    struct heald_loop *loop = loop_on(_i);
    int fds[MANY][2];

    memset(out, 0, sizeof out);
    memset(in, 0, sizeof in);
    for (int i = 0; i < MANY; i++) {
        pair_open(i % 2 ? PAIR_TCP : PAIR_UNIX, fds[i]);
        heald_prep_poll(&in[i].op, fds[i][0], POLLIN);
        probe_start(loop, &in[i]);
        heald_prep_poll(&out[i].op, fds[i][0], POLLOUT);
        probe_start(loop, &out[i]);
    }
    for (int i = 0; i < MANY; i++)
        must(probe_end(&out[i]) == POLLOUT);
    for (int i = 0; i < MANY; i++)
        must(in[i].calls == 0 && send(fds[i][1], "a", 1, 0) == 1);
    for (int i = 0; i < MANY; i++)
        must(probe_end(&in[i]) == POLLIN);
    for (int i = 0; i < MANY; i++)
        pair_close(loop, fds[i]);
    loop_end(loop);
}

/* poll(2) refuses more entries than the process may have descriptors. */
HEALD_CASE(more_than_the_limit_of_descriptors)
{
    enum { MANY = 70 };
    static struct probe p[MANY];
    struct heald_loop *loop = loop_on(_i);
    struct rlimit before, less;
    int fds[2];

    memset(p, 0, sizeof p);
    pair_open(PAIR_TCP, fds);
    must(getrlimit(RLIMIT_NOFILE, &before) == 0);
    less = before;
    less.rlim_cur = 16;
    must(setrlimit(RLIMIT_NOFILE, &less) == 0);
    for (int i = 0; i < MANY; i++) {
        heald_prep_poll(&p[i].op, fds[0], i % 2 ? POLLOUT : POLLIN);
        probe_start(loop, &p[i]);
    }
    for (int i = 1; i < MANY; i += 2)
        must(probe_end(&p[i]) == POLLOUT);
    must(p[0].calls == 0 && send(fds[1], "a", 1, 0) == 1);
    for (int i = 0; i < MANY; i += 2)
        must(probe_end(&p[i]) == POLLIN);
    must(setrlimit(RLIMIT_NOFILE, &before) == 0);
    pair_close(loop, fds);
    loop_end(loop);
}

/* What is ready when the number stands for something else is nothing to the op that was closed. */
HEALD_CASE(closed_and_used_again)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0}, other = {0};
    int fds[2], more[2];

    for (int i = 0; i < 4; i++) {
        pair_open(PAIR_TCP, fds);
        heald_prep_poll(&p.op, fds[0], POLLIN);
        probe_start(loop, &p);
        ck_assert_int_eq(heald_close(loop, fds[0]), 0);
        pair_open(i % 2 ? PAIR_TCP : PAIR_UNIX, more);
        ck_assert_int_eq(send(more[1], "a", 1, 0), 1);
        heald_prep_poll(&other.op, more[0], POLLOUT);
        probe_start(loop, &other);
        ck_assert_int_eq(probe_end(&p), -ECANCELED);
        ck_assert_int_eq(probe_end(&other), POLLOUT);
        close(fds[1]);
        pair_close(loop, more);
    }
    loop_end(loop);
}

HEALD_CASE(hang_ups)
{
    skip_on_portable("select tells no hang-up without POLLRDHUP");
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    int fds[2];

    pair_open(PAIR_TCP, fds);
    heald_prep_poll(&p.op, fds[0], POLLIN);
    probe_start(loop, &p);
    turn_for(loop, 0);
    ck_assert_int_eq(shutdown(fds[1], SHUT_WR), 0);
    ck_assert_int_eq(probe_end(&p), POLLIN);
    ck_assert_int_ne(ask(loop, fds[0], POLLIN | POLLRDHUP) & (POLLIN | POLLRDHUP), 0);
    ck_assert_int_ne(ask(loop, fds[0], POLLRDHUP), 0);
    pair_close(loop, fds);

    pair_open(PAIR_PIPE, fds);
    heald_prep_poll(&p.op, fds[0], POLLIN);
    probe_start(loop, &p);
    turn_for(loop, 0);
    ck_assert_int_eq(heald_close(loop, fds[1]), 0);
    ck_assert_int_ne(probe_end(&p) & (POLLHUP | POLLIN), 0);
    ck_assert_int_eq(heald_close(loop, fds[0]), 0);

    pair_open(PAIR_PIPE, fds);
    ck_assert_int_eq(heald_close(loop, fds[0]), 0);
    ck_assert_int_ne(ask(loop, fds[1], POLLOUT) & (POLLERR | POLLOUT), 0);
    ck_assert_int_eq(heald_close(loop, fds[1]), 0);
    loop_end(loop);
}

HEALD_CASE(several_on_one_descriptor)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p[10] = {0}, r = {0};
    char buf[8];
    int fds[2];

    for (enum pair_kind kind = 0; kind < PAIR_KINDS; kind++) {
        pair_open(kind, fds);
        for (int i = 0; i < 10; i++) {
            heald_prep_poll(&p[i].op, fds[0], i & 1 ? POLLIN : POLLPRI);
            probe_start(loop, &p[i]);
        }
        turn_for(loop, 0);
        ck_assert_int_eq(write(fds[1], "x", 1), 1);
        for (int i = 1; i < 10; i += 2)
            ck_assert_int_eq(probe_end(&p[i]), POLLIN);
        turn_for(loop, HEALD_MS);
        heald_prep_read(&r.op, fds[0], buf, 8, HEALD_NO_OFFSET);
        ck_assert_int_eq(probe_do(loop, &r), 1);
        for (int i = 0; i < 10; i += 2)
            probe_cancel(&p[i]);
        pair_close(loop, fds);
    }
    loop_end(loop);
}

/* A poll and a read wait together; the read may take what the poll was to report. */
HEALD_CASE(beside_a_read)
{
    struct heald_loop *loop = loop_on(_i);
    char buf[8];
    int fds[2];

    for (enum pair_kind kind = 0; kind < PAIR_KINDS; kind++)
        for (int round = 0; round < 3; round++) {
            struct probe p = {0}, r = {0};
            pair_open(kind, fds);
            heald_prep_read(&r.op, fds[0], buf, 1, HEALD_NO_OFFSET);
            probe_start(loop, &r);
            heald_prep_poll(&p.op, fds[0], POLLIN);
            probe_start(loop, &p);
            turn_for(loop, 0);
            ck_assert_int_eq(write(fds[1], "ab", 2), 2);
            ck_assert_int_eq(probe_end(&r), 1);
            ck_assert_int_eq(probe_end(&p), POLLIN);
            ck_assert_int_eq(op_read(loop, fds[0], buf, 8, HEALD_NO_OFFSET), 1);
            pair_close(loop, fds);
        }
    loop_end(loop);
}

HEALD_CASE(room_for_a_write)
{
    struct heald_loop *loop = loop_on(_i);
    char buf[65536] = "";
    int fds[2];

    for (enum pair_kind kind = 0; kind < PAIR_KINDS; kind++) {
        struct probe p = {0};
        pair_open(kind, fds);
        while (write(fds[1], buf, sizeof buf) > 0)
            ;
        heald_prep_poll(&p.op, fds[1], POLLOUT);
        probe_start(loop, &p);
        turn_for(loop, HEALD_MS);
        ck_assert_int_eq(p.calls, 0);
        while (!p.finals) {
            ck_assert_int_gt(op_read(loop, fds[0], buf, sizeof buf, HEALD_NO_OFFSET), 0);
            turn_for(loop, HEALD_MS);
        }
        ck_assert_int_eq(p.result, POLLOUT);
        pair_close(loop, fds);
    }
    loop_end(loop);
}

HEALD_CASE(files_and_what_is_none)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    char path[64];
    int dir = dir_make(path);
    int fd = openat(dir, "file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    ck_assert_int_eq(ask(loop, fd, POLLIN), POLLIN);
    ck_assert_int_eq(ask(loop, fd, POLLIN | POLLOUT), POLLIN | POLLOUT);
    ck_assert_int_eq(ask(loop, -1, POLLIN), -EBADF);
    ck_assert_int_eq(heald_prep_poll(&p.op, fd, POLLNVAL), -EINVAL);
    for (unsigned bit = 1; bit; bit <<= 1)
        if (!(bit & (POLLIN | POLLPRI | POLLOUT | POLLERR | POLLHUP | POLLRDHUP)))
            ck_assert_int_eq(heald_prep_poll(&p.op, fd, POLLIN | bit), -EINVAL);
    ck_assert_int_eq(heald_submit(loop, &p.op, probe_completed), -EINVAL);
    heald_close(loop, fd);
    dir_remove(dir, path);
    loop_end(loop);
}

struct reader {
    struct probe p;
    int fd, take, cancel_at, close_at;
};

/* Takes so many bytes in each callback. */
static void on_readable(struct heald_op *op)
{
    struct reader *r = heald_container_of(op, struct reader, p.op);
    char buf[8];

    probe_completed(op);
    if (!(op->flags & HEALD_MORE))
        return;
    must(op->result & (POLLIN | POLLHUP));
    if (r->take)
        must(read(r->fd, buf, (size_t)r->take) >= 0);
    if (r->p.calls == r->cancel_at)
        ck_assert_int_eq(heald_cancel(op), 0);
    if (r->p.calls == r->close_at)
        ck_assert_int_eq(heald_close(op->loop, r->fd), 0);
}

static void reader_start(struct heald_loop *loop, struct reader *r, int fd)
{
    r->fd = fd;
    ck_assert_int_eq(heald_prep_poll_multishot(&r->p.op, fd, POLLIN), 0);
    ck_assert_int_eq(heald_submit(loop, &r->p.op, on_readable), 0);
}

HEALD_CASE(again_while_there_is_something)
{
    for (enum pair_kind kind = 0; kind < PAIR_KINDS; kind++) {
        struct heald_loop *loop = loop_on(_i);
        struct reader r = {.take = 1};
        int fds[2];

        pair_open(kind, fds);
        reader_start(loop, &r, fds[0]);
        turn_for(loop, HEALD_MS);
        ck_assert_int_eq(r.p.calls, 0);
        for (int round = 1; round <= 3; round++) {
            ck_assert_int_eq(write(fds[1], "abc", 3), 3);
            turn_until(loop, &r.p.calls, 3 * round);
            turn_for(loop, 2 * HEALD_MS);
            ck_assert_int_eq(r.p.calls, 3 * round);
        }
        probe_cancel(&r.p);
        pair_close(loop, fds);
        loop_end(loop);
    }
}

HEALD_CASE(once_a_turn_while_nobody_takes_it)
{
    for (enum pair_kind kind = 0; kind < PAIR_KINDS; kind++) {
        struct heald_loop *loop = loop_on(_i);
        struct reader r = {.cancel_at = 5};
        int fds[2];

        pair_open(kind, fds);
        ck_assert_int_eq(write(fds[1], "abc", 3), 3);
        reader_start(loop, &r, fds[0]);
        ck_assert_int_eq(probe_end(&r.p), -ECANCELED);
        ck_assert_int_eq(r.p.calls, 6);
        pair_close(loop, fds);
        loop_end(loop);
    }
}

HEALD_CASE(a_close_ends_it)
{
    for (int in_callback = 0; in_callback < 2; in_callback++) {
        struct heald_loop *loop = loop_on(_i);
        struct reader r = {.close_at = in_callback ? 2 : 0};
        int fds[2];

        pair_open(PAIR_TCP, fds);
        reader_start(loop, &r, fds[0]);
        if (in_callback)
            ck_assert_int_eq(write(fds[1], "a", 1), 1);
        turn_for(loop, HEALD_MS);
        if (!in_callback)
            ck_assert_int_eq(heald_close(loop, fds[0]), 0);
        ck_assert_int_eq(probe_end(&r.p), -ECANCELED);
        ck_assert_int_eq(r.p.calls, in_callback ? 3 : 1);
        heald_close(loop, fds[1]);
        loop_end(loop);
    }
}

HEALD_CASE(a_deadline_ends_it)
{
    struct heald_loop *loop = loop_on(_i);
    struct reader r = {.take = 1};
    int fds[2];

    pair_open(PAIR_UNIX, fds);
    r.fd = fds[0];
    ck_assert_int_eq(heald_prep_poll_multishot(&r.p.op, fds[0], POLLIN), 0);
    r.p.op.deadline_ns = now() + 100 * 1000 * HEALD_MS;
    ck_assert_int_eq(heald_submit(loop, &r.p.op, on_readable), 0);
    ck_assert_int_eq(write(fds[1], "ab", 2), 2);
    turn_until(loop, &r.p.calls, 2);
    ck_assert_int_eq(heald_op_set_deadline(&r.p.op, now() + 2 * HEALD_MS), 0);
    ck_assert_int_eq(probe_end(&r.p), -ETIMEDOUT);
    ck_assert_int_eq(r.p.calls, 3);
    pair_close(loop, fds);
    loop_end(loop);
}

/* Beside others on the same descriptor, and many descriptors. */
HEALD_CASE(many_and_others_beside_it)
{
    enum { PAIRS = 20 };
    struct heald_loop *loop = loop_on(_i);
    struct reader r[PAIRS] = {0};
    struct probe once = {0}, receive = {0};
    int fds[PAIRS][2];
    char buf[8];

    for (int i = 0; i < PAIRS; i++) {
        pair_open(PAIR_TCP, fds[i]);
        r[i].take = i ? 1 : 0;
        reader_start(loop, &r[i], fds[i][0]);
    }
    heald_prep_poll(&once.op, fds[0][0], POLLIN);
    probe_start(loop, &once);
    heald_prep_recv(&receive.op, fds[0][0], buf, sizeof buf, 0);
    probe_start(loop, &receive);
    for (int i = 0; i < PAIRS; i++)
        ck_assert_int_eq(write(fds[i][1], "x", 1), 1);
    ck_assert_int_eq(probe_end(&receive), 1);
    for (int i = 1; i < PAIRS; i++)
        turn_until(loop, &r[i].p.calls, 1);
    turn_for(loop, 2 * HEALD_MS);
    for (int i = 0; i < PAIRS; i++) {
        if (i)
            ck_assert_int_eq(r[i].p.calls, 1);
        probe_cancel(&r[i].p);
        if (i)
            pair_close(loop, fds[i]);
    }
    if (!once.finals)
        probe_cancel(&once);
    pair_close(loop, fds[0]);
    loop_end(loop);
}

HEALD_CASE(what_a_multishot_needs)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_op op = {0};

    ck_assert_int_eq(heald_prep_poll_multishot(&op, 0, 1u << 20), -EINVAL);
    ck_assert_int_eq(heald_prep_poll_multishot(&op, 0, POLLIN), 0);
    ck_assert_int_eq(heald_submit(loop, &op, NULL), -EINVAL);
    struct reader r = {0};
    ck_assert_int_eq(heald_prep_poll_multishot(&r.p.op, 987, POLLIN), 0);
    ck_assert_int_eq(probe_do(loop, &r.p), -EBADF);
    loop_end(loop);
}

void add_poll(TCase *group)
{
    add_everywhere(group, each_event_when_it_holds);
    add_everywhere(group, many_at_a_time);
    add_everywhere(group, more_than_the_limit_of_descriptors);
    add_everywhere(group, closed_and_used_again);
    add_everywhere(group, hang_ups);
    add_everywhere(group, several_on_one_descriptor);
    add_everywhere(group, beside_a_read);
    add_everywhere(group, room_for_a_write);
    add_everywhere(group, files_and_what_is_none);
    add_everywhere(group, again_while_there_is_something);
    add_everywhere(group, once_a_turn_while_nobody_takes_it);
    add_everywhere(group, a_close_ends_it);
    add_everywhere(group, a_deadline_ends_it);
    add_everywhere(group, many_and_others_beside_it);
    add_everywhere(group, what_a_multishot_needs);
}
