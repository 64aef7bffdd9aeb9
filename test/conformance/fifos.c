/* test/conformance/fifos.c: FIFOs whose readers and writers come and go. */
#include "conformance/conformance.h"

#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct place {
    char dir[64], fifo[80];
    int fd;
};

static void place_make(struct place *at)
{
    at->fd = dir_make(at->dir);
    snprintf(at->fifo, sizeof at->fifo, "%s/fifo", at->dir);
    ck_assert_int_eq(heald_fifo(at->fifo, 0600), 0);
}

static void place_end(struct place *at)
{
    dir_remove(at->fd, at->dir);
}

static int reader_of(const struct place *at, int keep)
{
    int fd = heald_fifo_open(at->fifo, HEALD_FIFO_READ | keep);

    ck_assert_int_ge(fd, 0);
    return fd;
}

HEALD_CASE(a_writer_waits_for_a_reader)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p[2] = {0};
    struct place at;
    char buf[8];

    place_make(&at);
    for (int round = 0; round < 2; round++) {
        ck_assert_int_eq(heald_fifo_open(at.fifo, HEALD_FIFO_WRITE), -ENXIO);
        for (int i = 0; i < 2; i++) {
            heald_prep_fifo_open(&p[i].op, at.fifo, HEALD_FIFO_WRITE);
            probe_start(loop, &p[i]);
        }
        turn_for(loop, 3 * HEALD_MS);
        ck_assert_int_eq(heald_op_error(&p[0].op), -EINPROGRESS);
        ck_assert_str_eq(heald_op_kind(&p[0].op), "fifo-open");
        ck_assert_uint_eq(heald_loop_list(loop, NULL, NULL), 2);
        int reader = reader_of(&at, 0), writer = (int)probe_end(&p[0]);
        int other = (int)probe_end(&p[1]);
        ck_assert_int_ge(writer, 0);
        ck_assert_int_ge(other, 0);
        ck_assert_int_eq(fcntl(writer, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        ck_assert_int_eq(fcntl(writer, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
        ck_assert_int_eq(op_write(loop, writer, "text", 4, HEALD_NO_OFFSET), 4);
        ck_assert_int_eq(op_read(loop, reader, buf, 8, HEALD_NO_OFFSET), 4);
        heald_close(loop, other);
        heald_close(loop, writer);
        ck_assert_int_eq(op_read(loop, reader, buf, 8, HEALD_NO_OFFSET), 0);
        heald_close(loop, reader);
    }
    place_end(&at);
    loop_end(loop);
}

HEALD_CASE(cancel_and_deadline_leave_no_descriptor)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0}, q = {0};
    struct place at;

    place_make(&at);
    heald_prep_fifo_open(&p.op, at.fifo, HEALD_FIFO_WRITE);
    heald_prep_fifo_open(&q.op, at.fifo, HEALD_FIFO_WRITE);
    q.op.deadline_ns = now() + HEALD_MS;
    probe_start(loop, &p);
    probe_start(loop, &q);
    ck_assert_int_eq(probe_end(&q), -ETIMEDOUT);
    probe_cancel(&p);
    int reader = reader_of(&at, 0);
    turn_for(loop, 3 * HEALD_MS);
    /* No writer has it: the read end is at its end. */
    char c;
    ck_assert_int_eq(read(reader, &c, 1), 0);
    close(reader);
    place_end(&at);
    loop_end(loop);
}

/* With KEEP a read waits for the next writer, and writers come and go. */
HEALD_CASE(a_kept_reader_sees_no_end)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    struct place at;
    char buf[8];

    place_make(&at);
    int reader = reader_of(&at, HEALD_FIFO_KEEP);
    for (int i = 0; i < 3; i++) {
        heald_prep_read(&p.op, reader, buf, sizeof buf, HEALD_NO_OFFSET);
        probe_start(loop, &p);
        turn_for(loop, HEALD_MS);
        ck_assert_int_eq(heald_op_error(&p.op), -EINPROGRESS);
        int writer = heald_fifo_open(at.fifo, HEALD_FIFO_WRITE);
        ck_assert_int_ge(writer, 0);
        ck_assert_int_eq(write(writer, "come", 4), 4);
        close(writer);
        ck_assert_int_eq(probe_end(&p), 4);
    }
    heald_close(loop, reader);
    place_end(&at);
    loop_end(loop);
}

/* A poll tells the first writer from none at all, where the kernel does. */
HEALD_CASE(a_poll_waits_for_the_first_writer)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    struct place at;
    char buf[8];

#ifndef __linux__
    harness_skip("Linux alone tells them apart");
#endif
    skip_on_kqueue(_i, "it reports the end of file of a FIFO without a writer");
    place_make(&at);
    int reader = reader_of(&at, 0);
    heald_prep_poll(&p.op, reader, POLLIN);
    probe_start(loop, &p);
    turn_for(loop, HEALD_MS);
    ck_assert_int_eq(heald_op_error(&p.op), -EINPROGRESS);
    int writer = heald_fifo_open(at.fifo, HEALD_FIFO_WRITE);
    ck_assert_int_eq(write(writer, "first", 5), 5);
    ck_assert_int_eq(probe_end(&p) & POLLIN, POLLIN);
    ck_assert_int_eq(op_read(loop, reader, buf, 8, HEALD_NO_OFFSET), 5);
    close(writer);
    ck_assert_int_eq(op_read(loop, reader, buf, 8, HEALD_NO_OFFSET), 0);
    heald_close(loop, reader);
    place_end(&at);
    loop_end(loop);
}

/* The last reader goes: an error. With KEEP what is written waits for a reader, and there is no
 * SIGPIPE, which would end the process. */
HEALD_CASE(writes_without_a_reader)
{
    struct heald_loop *loop = loop_on(_i);
    struct place at;
    char buf[8];

    signal(SIGPIPE, SIG_IGN);
    place_make(&at);
    int reader = reader_of(&at, 0), writer = heald_fifo_open(at.fifo, HEALD_FIFO_WRITE);
    close(reader);
    ck_assert_int_eq(op_write(loop, writer, "lost", 4, HEALD_NO_OFFSET), -EPIPE);
    heald_close(loop, writer);
    signal(SIGPIPE, SIG_DFL);
    writer = heald_fifo_open(at.fifo, HEALD_FIFO_WRITE | HEALD_FIFO_KEEP);
    ck_assert_int_ge(writer, 0);
    ck_assert_int_eq(op_write(loop, writer, "kept", 4, HEALD_NO_OFFSET), 4);
    reader = reader_of(&at, 0);
    ck_assert_int_eq(op_read(loop, reader, buf, 8, HEALD_NO_OFFSET), 4);
    ck_assert_mem_eq(buf, "kept", 4);
    heald_close(loop, reader);
    heald_close(loop, writer);
    place_end(&at);
    loop_end(loop);
}

/* Another process opens it for reading, blocking, as programs do. */
HEALD_CASE(a_reader_in_another_process)
{
    struct place at;
    int status;

    place_make(&at);
    pid_t child = fork();
    if (child == 0) {
        char buf[8];
        int fd = open(at.fifo, O_RDONLY);
        _exit(read(fd, buf, sizeof buf) != 5);
    }
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    heald_prep_fifo_open(&p.op, at.fifo, HEALD_FIFO_WRITE);
    int writer = (int)probe_do(loop, &p);
    ck_assert_int_ge(writer, 0);
    ck_assert_int_eq(op_write(loop, writer, "hello", 5, HEALD_NO_OFFSET), 5);
    heald_close(loop, writer);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    place_end(&at);
    loop_end(loop);
}

HEALD_CASE(what_is_no_fifo)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};
    struct place at;
    char other[96], text[112];

    place_make(&at);
    snprintf(other, sizeof other, "%s/socket", at.dir);
    snprintf(text, sizeof text, "unix:%s", other);
    int listener = heald_listen(text, SOCK_STREAM, 0);
    const char *const paths[] = {other, "/dev/null", at.dir};
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(heald_fifo_open(paths[i], HEALD_FIFO_WRITE), -EINVAL);
        heald_prep_fifo_open(&p.op, paths[i], HEALD_FIFO_WRITE);
        ck_assert_int_eq(probe_do(loop, &p), -EINVAL);
    }
    heald_prep_fifo_open(&p.op, "/nonexistent/fifo", HEALD_FIFO_READ);
    ck_assert_int_eq(probe_do(loop, &p), -ENOENT);
    static const int bad[] = {0, HEALD_FIFO_KEEP, HEALD_FIFO_READ | HEALD_FIFO_WRITE, 8 | 1};
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(heald_fifo_open(at.fifo, bad[i]), -EINVAL);
        probe_refused(loop, &p, heald_prep_fifo_open(&p.op, at.fifo, bad[i]));
    }
    ck_assert_int_eq(heald_fifo_open(NULL, HEALD_FIFO_READ), -EINVAL);
    probe_refused(loop, &p, heald_prep_fifo_open(&p.op, NULL, HEALD_FIFO_READ));
    close(listener);
    place_end(&at);
    loop_end(loop);
}

void add_fifos(TCase *group)
{
    add_everywhere(group, a_writer_waits_for_a_reader);
    add_everywhere(group, cancel_and_deadline_leave_no_descriptor);
    add_everywhere(group, a_kept_reader_sees_no_end);
    add_everywhere(group, a_poll_waits_for_the_first_writer);
    add_everywhere(group, writes_without_a_reader);
    add_everywhere(group, a_reader_in_another_process);
    add_everywhere(group, what_is_no_fifo);
}
