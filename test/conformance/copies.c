/* test/conformance/copies.c: parts of files, copied to files and sent to sockets. */
#include "conformance/conformance.h"

#include <stdio.h>
#include <sys/socket.h>

enum { SIZE = 900000, STEP = 70000 };

static int make_file(int dir, const char *name, size_t size)
{
    int fd = openat(dir, name, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    char *data = malloc(size + 1);

    pattern_fill(data, size, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, data, size), (ssize_t)size);
    ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
    free(data);
    return fd;
}

HEALD_CASE(parts_are_copied)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_copy c = {.from_offset = 100, .to_offset = 0, .len = 10};
    struct probe p = {0};
    char path[64], *data = malloc(SIZE);
    int dir = dir_make(path), from = make_file(dir, "from", SIZE);
    int to = openat(dir, "to", O_CREAT | O_RDWR | O_CLOEXEC, 0600);

    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_copy_range(&p.op, from, to, &c)), 10);
    ck_assert_int_eq(pread(to, data, SIZE, 0), 10);
    pattern_check(data, 10, 100);
    /* The same op once more, with other offsets. */
    c = (struct heald_copy){.from_offset = 0, .to_offset = 5, .len = UINT64_MAX};
    int64_t done = 0, n;
    while ((n = probe_do(loop, &p)) > 0) {
        done += n;
        c.from_offset += n;
        c.to_offset += n;
    }
    ck_assert_int_eq(n, 0);
    ck_assert_int_eq(done, SIZE);
    ck_assert_int_eq(pread(to, data, SIZE, 5), SIZE);
    pattern_check(data, SIZE, 0);
    /* At the positions of both. */
    c = (struct heald_copy){HEALD_NO_OFFSET, HEALD_NO_OFFSET, 7};
    ck_assert_int_eq(probe_do(loop, &p), 7);
    ck_assert_int_eq(lseek(from, 0, SEEK_CUR), 7);
    ck_assert_int_eq(lseek(to, 0, SEEK_CUR), 7);
    c.len = 0;
    ck_assert_int_eq(probe_do(loop, &p), 0);
    free(data);
    close(from);
    close(to);
    dir_remove(dir, path);
    loop_end(loop);
}

HEALD_CASE(what_is_not_copied)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_copy c = {.from_offset = 0, .to_offset = 5, .len = 10};
    struct probe p = {0};
    char path[64];
    int dir = dir_make(path), from = make_file(dir, "from", 100), fds[2];
    int to = openat(dir, "to", O_CREAT | O_RDWR | O_CLOEXEC, 0600);

    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_copy_range(&p.op, from, from, &c)),
                     -EINVAL);
    pair_open(PAIR_PIPE, fds);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_copy_range(&p.op, fds[0], to, &c)),
                     -EINVAL);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_copy_range(&p.op, from, fds[1], &c)),
                     -EINVAL);
    pair_close(loop, fds);
    ck_assert_int_lt(probe_prepared(loop, &p, heald_prep_copy_range(&p.op, dir, to, &c)), 0);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_copy_range(&p.op, from, -1, &c)), -EBADF);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_copy_range(&p.op, -1, to, &c)), -EBADF);
    c.from_offset = -2;
    probe_refused(loop, &p, heald_prep_copy_range(&p.op, from, to, &c));
    c = (struct heald_copy){.to_offset = INT64_MIN};
    probe_refused(loop, &p, heald_prep_copy_range(&p.op, from, to, &c));
    probe_refused(loop, &p, heald_prep_copy_range(&p.op, from, to, NULL));
    close(from);
    close(to);
    dir_remove(dir, path);
    loop_end(loop);
}

/* It has no size, and yet something to read. */
HEALD_CASE(a_file_that_is_made_as_it_is_read)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_copy c = {.len = 100};
    struct probe p = {0};
    char path[64];
    int dir = dir_make(path), from = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    int to = openat(dir, "to", O_CREAT | O_RDWR | O_CLOEXEC, 0600);

    if (from < 0)
        harness_skip("no /proc here");
    ck_assert_int_gt(probe_prepared(loop, &p, heald_prep_copy_range(&p.op, from, to, &c)), 0);
    close(from);
    close(to);
    dir_remove(dir, path);
    loop_end(loop);
}

/* What is submitted at once comes in order, whatever the flags of the socket are. */
HEALD_CASE(a_file_between_messages)
{
    char *data = malloc(SIZE), path[64];
    int dir = dir_make(path), file = make_file(dir, "file", SIZE);

    for (int round = 0; round < 4; round++) {
        struct heald_loop *loop = loop_on(_i);
        struct probe head = {0}, body = {0}, tail = {0}, in = {0};
        int fds[2];
        char text[4];
        pair_open(round % 2 ? PAIR_TCP : PAIR_UNIX, fds);
        set_blocking(fds[1], round > 1);
#ifdef POSIX_FADV_DONTNEED
        posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
#endif
        heald_prep_send(&head.op, fds[1], "head", 4, 0);
        heald_prep_sendfile(&body.op, fds[1], file, 1000, 5000);
        heald_prep_send(&tail.op, fds[1], "tail", 4, 0);
        probe_start(loop, &head);
        probe_start(loop, &body);
        probe_start(loop, &tail);
        size_t got = 0;
        while (got < 5008) {
            heald_prep_recv(&in.op, fds[0], data + got, 5008 - got, 0);
            int64_t n = probe_do(loop, &in);
            ck_assert_int_gt(n, 0);
            got += (size_t)n;
        }
        ck_assert_int_eq(probe_end(&body), 5000);
        ck_assert_int_eq(probe_end(&tail), 4);
        ck_assert_mem_eq(data, "head", 4);
        pattern_check(data + 4, 5000, 1000);
        ck_assert_mem_eq(data + 5004, "tail", 4);
        ck_assert_int_eq(recv(fds[0], text, 4, MSG_DONTWAIT), -1);
        pair_close(loop, fds);
        loop_end(loop);
    }
    free(data);
    close(file);
    dir_remove(dir, path);
}

/* Sends the file from there on, once the last part of it has been sent. */
static void send_on(struct heald_loop *loop, struct probe *out, int sock, int file, int64_t *sent)
{
    if (!out->finals || out->result <= 0)
        return;
    *sent += out->result;
    out->finals = 0;
    heald_prep_sendfile(&out->op, sock, file, *sent, (size_t)(SIZE - *sent) + 1000);
    probe_start(loop, out);
}

HEALD_CASE(a_file_that_fills_the_socket)
{
    char *data = malloc(STEP), path[64];
    int dir = dir_make(path), file = make_file(dir, "file", SIZE);

    for (int round = 0; round < 4; round++) {
        struct heald_loop *loop = loop_on(_i);
        struct probe out = {0}, in = {0};
        int64_t sent = 0, got = 0;
        int fds[2];
        pair_open(round % 2 ? PAIR_TCP : PAIR_UNIX, fds);
        set_blocking(fds[1], round > 1);
        heald_prep_sendfile(&out.op, fds[1], file, 0, SIZE + 1000);
        probe_start(loop, &out);
        while (got < SIZE) {
            heald_prep_recv(&in.op, fds[0], data, STEP, 0);
            in.finals = 0;
            probe_start(loop, &in);
            while (!in.finals) {
                ck_assert_int_ge(heald_loop_turn(loop, now() + HEALD_MS), 0);
                send_on(loop, &out, fds[1], file, &sent);
            }
            ck_assert_int_gt(in.result, 0);
            pattern_check(data, (size_t)in.result, (size_t)got);
            got += in.result;
        }
        while (probe_end(&out) > 0)
            send_on(loop, &out, fds[1], file, &sent);
        ck_assert_int_eq(out.result, 0);
        ck_assert_int_eq(sent, SIZE);
        pair_close(loop, fds);
        loop_end(loop);
    }
    free(data);
    close(file);
    dir_remove(dir, path);
}

/* Nobody reads: it waits, costs no turns, and can be ended from there. */
HEALD_CASE(a_full_socket)
{
    char path[64];
    int dir = dir_make(path), file = make_file(dir, "file", SIZE);

    for (int round = 0; round < 6; round++) {
        struct heald_loop *loop = loop_on(_i);
        struct heald_loop_stats before, after;
        struct probe p = {0}, behind = {0};
        int fds[2];
        pair_open(round % 2 ? PAIR_TCP : PAIR_UNIX, fds);
        /* TCP makes room as its other end gets what was sent. */
        for (int i = 0; i < 3; i++) {
            fill_up(fds[1]);
            poll(NULL, 0, 10);
        }
        fill_up(fds[1]);
        set_blocking(fds[1], round > 2);
        ck_assert_int_eq(heald_prep_sendfile(&p.op, fds[1], file, 0, SIZE), 0);
        if (round % 3 == 1)
            p.op.deadline_ns = now() + 10 * HEALD_MS;
        probe_start(loop, &p);
        heald_prep_send(&behind.op, fds[1], "x", 1, 0);
        probe_start(loop, &behind);
        if (round % 3 != 1) {
            turn_for(loop, 5 * HEALD_MS);
            heald_loop_stats(loop, &before);
            turn_for(loop, 50 * HEALD_MS);
            heald_loop_stats(loop, &after);
            ck_assert_int_eq(p.finals, 0);
            ck_assert_uint_le(after.turns - before.turns, 20);
        }
        if (round % 3 == 0)
            ck_assert_int_eq(heald_cancel(&p.op), 0);
        if (round % 3 == 2)
            heald_close(loop, fds[1]);
        ck_assert_int_eq(probe_end(&p), round % 3 == 1 ? -ETIMEDOUT : -ECANCELED);
        /* A ring may find room for a byte. */
        heald_cancel(&behind.op);
        int64_t last = probe_end(&behind);
        ck_assert(last == -ECANCELED || (last == 1 && round % 3 != 2));
        heald_close(loop, fds[0]);
        if (round % 3 != 2)
            heald_close(loop, fds[1]);
        loop_end(loop);
    }
    close(file);
    dir_remove(dir, path);
}

HEALD_CASE(what_is_not_sent)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    char path[64];
    int dir = dir_make(path), file = make_file(dir, "file", 100), fds[2], pipes[2];

    pair_open(PAIR_UNIX, fds);
    pair_open(PAIR_PIPE, pipes);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_sendfile(&p.op, file, file, 0, 10)),
                     -ENOTSOCK);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_sendfile(&p.op, pipes[1], file, 0, 10)),
                     -ENOTSOCK);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_sendfile(&p.op, fds[1], pipes[0], 0, 10)),
                     -ESPIPE);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_sendfile(&p.op, fds[1], -1, 0, 10)),
                     -EBADF);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_sendfile(&p.op, -1, file, 0, 10)), -EBADF);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_sendfile(&p.op, fds[1], dir, 0, 10)),
                     -EISDIR);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_sendfile(&p.op, fds[1], file, 100, 10)),
                     0);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_sendfile(&p.op, fds[1], file, 0, 0)), 0);
    ck_assert_int_le(
        probe_prepared(loop, &p, heald_prep_sendfile(&p.op, fds[1], file, INT64_MAX, 10)), 0);
    probe_refused(loop, &p, heald_prep_sendfile(&p.op, fds[1], file, -1, 10));
    heald_close(loop, fds[0]);
    ck_assert_int_eq(probe_prepared(loop, &p, heald_prep_sendfile(&p.op, fds[1], file, 0, 10)),
                     -EPIPE);
    heald_close(loop, fds[1]);
    pair_close(loop, pipes);
    close(file);
    dir_remove(dir, path);
    loop_end(loop);
}

void add_copies(TCase *group)
{
    add_everywhere(group, parts_are_copied);
    add_everywhere(group, what_is_not_copied);
    add_everywhere(group, a_file_that_is_made_as_it_is_read);
    add_everywhere(group, a_file_between_messages);
    add_everywhere(group, a_file_that_fills_the_socket);
    add_everywhere(group, a_full_socket);
    add_everywhere(group, what_is_not_sent);
}
