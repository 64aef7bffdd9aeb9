/* test/conformance/poll.c: plain readiness of any descriptor; nothing is taken from it. */
#include "conformance/conformance.h"

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

void add_poll(TCase *group)
{
    add_everywhere(group, each_event_when_it_holds);
    add_everywhere(group, hang_ups);
    add_everywhere(group, several_on_one_descriptor);
    add_everywhere(group, beside_a_read);
    add_everywhere(group, room_for_a_write);
    add_everywhere(group, files_and_what_is_none);
}
