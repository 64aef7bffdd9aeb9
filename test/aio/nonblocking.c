/*
 * test/aio/nonblocking.c: descriptors of each type with O_NONBLOCK: empty, full, with room for a
 * part; and the flag set and cleared between two requests. The answers are those of read(2) and
 * write(2); no request waits.
 */
#include "aio/types.h"

enum { QUEUED = 3, LARGE = 1 << 20, LIMIT = 10 };

static void begin(const struct type *type, int fds[2])
{
    signal(SIGPIPE, SIG_IGN);
    alarm(LIMIT * (unsigned)harness_slow());
    type->make(fds);
}

static void empty(const struct type *type)
{
    char buf[QUEUED][TYPE_CHUNK];
    struct aiocb blocks[QUEUED];
    int fds[2];
    ssize_t want = supplied_size(type);

    begin(type, fds);
    set_nonblocking(fds[0], true);
    must_be(read_now(fds[0], buf[0], type->size, 0), -EAGAIN);
    for (int i = 0; i < QUEUED; i++)
        start_read(&blocks[i], fds[0], buf[i], type->size, 0);
    for (int i = 0; i < QUEUED; i++)
        must_be(result_of(&blocks[i]), -EAGAIN);
    type->supply(fds);
    wait_readable(fds[0]);
    must_be(read_now(fds[0], buf[0], type->size, 0), want);
    must_be(read_now(fds[0], buf[0], type->size, 0), -EAGAIN);
    pair_close(fds);
}

static void full(const struct type *type)
{
    char data[TYPE_CHUNK];
    struct aiocb blocks[QUEUED], cb;
    int fds[2];

    begin(type, fds);
    letters_fill(type, data, type->size);
    type->fill(written_end(type, fds));
    set_nonblocking(written_end(type, fds), true);
    must_be(write_now(written_end(type, fds), data, type->size, 0), -EAGAIN);
    for (int i = 0; i < QUEUED; i++)
        start_write(&blocks[i], written_end(type, fds), data, type->size, 0);
    for (int i = 0; i < QUEUED; i++)
        must_be(result_of(&blocks[i]), -EAGAIN);
    set_nonblocking(written_end(type, fds), false);
    start_write(&cb, written_end(type, fds), data, type->size, 0);
    empty_until_done(type, fds, &cb);
    must_be(result_of(&cb), type->size);
    pair_close(fds);
}

static ssize_t part_of_a_call(const struct type *type, const char *data)
{
    int fds[2];

    type->make(fds);
    set_nonblocking(written_end(type, fds), true);
    ssize_t n = write(written_end(type, fds), data, LARGE);
    must(n > 0 && n < LARGE);
    pair_close(fds);
    return n;
}

/* What went is what the peer finds, and no more. */
static void part(const struct type *type)
{
    static char data[LARGE], copy[LARGE];
    size_t seen = 0;
    int fds[2];

    begin(type, fds);
    letters_fill(type, data, LARGE);
    ssize_t want = part_of_a_call(type, data);
    set_nonblocking(written_end(type, fds), true);
    ssize_t went = write_now(written_end(type, fds), data, LARGE, 0);
    must(went > 0 && went < LARGE);
    if (type->exact)
        must_be(went, want);
    while (seen < (size_t)went) {
        ssize_t n = read(reading_peer(type, fds), copy + seen, LARGE - seen);
        must(n > 0);
        seen += (size_t)n;
    }
    must_be(seen, went);
    must_be(memcmp(copy, data, seen), 0);
    set_nonblocking(reading_peer(type, fds), true);
    must_be(read(reading_peer(type, fds), copy, LARGE), -1);
    must_be(errno, EAGAIN);
    pair_close(fds);
}

struct flag {
    int fd;
    bool on;
};

static void change_flag(void *arg)
{
    struct flag *flag = arg;

    set_nonblocking(flag->fd, flag->on);
}

/* The flag is one of the open file: another process changes it, which shares it. */
static void change_elsewhere(int fd, bool on)
{
    struct flag flag = {fd, on};

    in_child(change_flag, &flag);
}

/* Both wait; the first still takes what comes, the second finds the flag when its turn comes. */
static void set_between(const struct type *type)
{
    char buf[2][TYPE_CHUNK];
    struct aiocb blocks[2];
    int fds[2];
    ssize_t want = supplied_size(type);

    begin(type, fds);
    for (int i = 0; i < 2; i++)
        start_read(&blocks[i], fds[0], buf[i], type->size, 0);
    must_hang(&blocks[0]);
    change_elsewhere(fds[0], true);
    type->supply(fds);
    must_be(result_of(&blocks[0]), want);
    must_be(result_of(&blocks[1]), -EAGAIN);
    pair_close(fds);
}

static void cleared_between(const struct type *type)
{
    char buf[TYPE_CHUNK];
    struct aiocb cb;
    int fds[2];
    ssize_t want = supplied_size(type);

    begin(type, fds);
    set_nonblocking(fds[0], true);
    must_be(read_now(fds[0], buf, type->size, 0), -EAGAIN);
    change_elsewhere(fds[0], false);
    start_read(&cb, fds[0], buf, type->size, 0);
    must_hang(&cb);
    type->supply(fds);
    must_be(result_of(&cb), want);
    pair_close(fds);
}

/* The room that is made is as large as the first. */
HEALD_CASE(set_between_two_writes)
{
    static const char data[TYPE_CHUNK];
    struct aiocb blocks[2];
    int fds[2];

    begin(&type_pipe, fds);
    fill(fds[1]);
    for (int i = 0; i < 2; i++)
        start_write(&blocks[i], fds[1], data, TYPE_CHUNK, 0);
    must_hang(&blocks[0]);
    change_elsewhere(fds[1], true);
    drain(fds[0], TYPE_CHUNK);
    must_be(result_of(&blocks[0]), TYPE_CHUNK);
    must_be(result_of(&blocks[1]), -EAGAIN);
    pair_close(fds);
}

HEALD_CASE(cleared_between_two_writes)
{
    static const char data[TYPE_CHUNK];
    struct aiocb cb;
    int fds[2];

    begin(&type_pipe, fds);
    fill(fds[1]);
    set_nonblocking(fds[1], true);
    must_be(write_now(fds[1], data, TYPE_CHUNK, 0), -EAGAIN);
    change_elsewhere(fds[1], false);
    start_write(&cb, fds[1], data, TYPE_CHUNK, 0);
    must_hang(&cb);
    drain(fds[0], TYPE_CHUNK);
    must_be(result_of(&cb), TYPE_CHUNK);
    pair_close(fds);
}

/* Both answers are those of the calls, on another of the type. */
static void ready(const struct type *type)
{
    char data[TYPE_CHUNK], buf[TYPE_CHUNK];
    int fds[2];

    begin(type, fds);
    letters_fill(type, data, type->size);
    for (int i = 0; i < 2; i++)
        set_nonblocking(fds[i], true);
    ssize_t want = write(fds[1], data, type->size);
    must_be(write_now(fds[0], data, type->size, 0), want < 0 ? -errno : want);
    want = pread(fds[1], data, type->size, 0);
    must(want >= 0);
    must_be(read_now(fds[0], buf, type->size, 0), want);
    must_be(memcmp(data, buf, (size_t)want), 0);
    pair_close(fds);
}

/* A large transfer of a file is whole, also where its pages are not in memory. */
HEALD_CASE(large_file_is_whole)
{
    char *data = malloc(2 * LARGE);
    int fd = file_make();

    set_nonblocking(fd, true);
    pattern_fill(data, LARGE, 0, 3);
    must_be(write_now(fd, data, LARGE, 0), LARGE);
    must_be(fsync(fd), 0);
    must_be(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    must_be(read_now(fd, data + LARGE, LARGE, 0), LARGE);
    must(pattern_is(data + LARGE, LARGE, 0, 3));
    free(data);
    close(fd);
}

#define CASE(name, what)      \
    HEALD_CASE(name##_##what) \
    {                         \
        what(&type_##name);   \
    }
#define CASES_READ(name)     CASE(name, empty) CASE(name, set_between) CASE(name, cleared_between)
#define CASES_WRITTEN(name)  CASE(name, full)
#define CASES_OF_BYTES(name) CASE(name, part)
#define CASES_READY(name)    CASE(name, ready)
TYPES_READ(CASES_READ)
TYPES_WRITTEN(CASES_WRITTEN)
TYPES_OF_BYTES(CASES_OF_BYTES)
TYPES_READY(CASES_READY)

#define ADD_READ(name) \
    add(group, name##_empty), add(group, name##_set_between), add(group, name##_cleared_between);
#define ADD_WRITTEN(name)  add(group, name##_full);
#define ADD_OF_BYTES(name) add(group, name##_part);
#define ADD_READY(name)    add(group, name##_ready);

void add_nonblocking(TCase *group)
{
    TYPES_READ(ADD_READ)
    TYPES_WRITTEN(ADD_WRITTEN)
    TYPES_OF_BYTES(ADD_OF_BYTES)
    TYPES_READY(ADD_READY)
    add(group, set_between_two_writes);
    add(group, cleared_between_two_writes);
    add(group, large_file_is_whole);
}
