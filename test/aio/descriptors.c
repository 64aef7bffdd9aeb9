/*
 * test/aio/descriptors.c: blocking descriptors of each type: empty, full, slow, and closed by the
 * program or by the peer. A request that waits holds up no request of another descriptor, and no
 * close(2). nonblocking.c has the same types with O_NONBLOCK.
 */
#include "aio/types.h"

enum { STEPS = 8, STEP = 1000, LARGE = 1 << 18, LIMIT = 10 };

/* A close that never returns ends the case. */
static void begin(const struct type *type, int fds[2])
{
    signal(SIGPIPE, SIG_IGN);
    alarm(LIMIT * (unsigned)harness_slow());
    type->make(fds);
}

static void empty(const struct type *type)
{
    char buf[TYPE_CHUNK];
    struct aiocb cb;
    int fds[2];
    ssize_t want = supplied_size(type);

    begin(type, fds);
    start_read(&cb, fds[0], buf, type->size, 0);
    must_hang(&cb);
    others_go_on();
    must_be(aio_error(&cb), EINPROGRESS);
    type->supply(fds);
    must_be(result_of(&cb), want);
    pair_close(fds);
}

/* The program closes the number that the read waits on. */
static void empty_closed(const struct type *type)
{
    char buf[TYPE_CHUNK];
    struct aiocb cb;
    int fds[2];
    ssize_t want = supplied_size(type);

    begin(type, fds);
    start_read(&cb, fds[0], buf, type->size, 0);
    must_hang(&cb);
    int taken = close_and_take(fds[0]);
    others_go_on();
    type->supply(fds);
    ssize_t n = result_of(&cb);
    must(n == want || was_given_up(n));
    close(taken);
    close(fds[1]);
}

struct call {
    const struct type *type;
    int fds[2];
    char *data;
    size_t size;
    bool writes;
    ssize_t result; /* or the negative error */
};

static void *call_beside(void *arg)
{
    struct call *call = arg;
    int fd = call->writes ? written_end(call->type, call->fds) : call->fds[0];
    ssize_t n = call->writes ? write(fd, call->data, call->size) : read(fd, call->data, call->size);

    call->result = n < 0 ? -errno : n;
    return NULL;
}

/* Result of read(2) or write(2) that waits while the peer's end is closed. */
static ssize_t hung_up_result(const struct type *type, bool writes)
{
    char data[TYPE_CHUNK] = "";
    struct call call = {type, {-1, -1}, data, type->size, writes, 0};

    type->make(call.fds);
    if (writes)
        type->fill(written_end(type, call.fds));
    pthread_t thread = thread_start(call_beside, &call);
    nap(50);
    close(writes ? reading_peer(type, call.fds) : call.fds[1]);
    thread_end(thread);
    close(writes ? written_end(type, call.fds) : call.fds[0]);
    return call.result;
}

static void empty_hung_up(const struct type *type)
{
    char buf[TYPE_CHUNK];
    struct aiocb cb;
    int fds[2];

    begin(type, fds);
    ssize_t want = hung_up_result(type, false);
    start_read(&cb, fds[0], buf, type->size, 0);
    must_hang(&cb);
    close_soon(fds[1]);
    others_go_on();
    must_be(result_of(&cb), want);
    close(fds[0]);
}

static void full(const struct type *type)
{
    char data[TYPE_CHUNK];
    struct aiocb cb;
    int fds[2];

    begin(type, fds);
    letters_fill(type, data, type->size);
    type->fill(written_end(type, fds));
    start_write(&cb, written_end(type, fds), data, type->size, 0);
    must_hang(&cb);
    others_go_on();
    must_be(aio_error(&cb), EINPROGRESS);
    empty_until_done(type, fds, &cb);
    must_be(result_of(&cb), type->size);
    pair_close(fds);
}

/* A write that waits, whose number is closed. */
static void write_closed(const struct type *type, const int fds[2], const char *data, size_t size)
{
    struct aiocb cb;

    start_write(&cb, written_end(type, fds), data, size, 0);
    must_hang(&cb);
    int taken = close_and_take(written_end(type, fds));
    others_go_on();
    empty_until_done(type, fds, &cb);
    ssize_t n = result_of(&cb);
    must((n > 0 && n <= (ssize_t)size) || was_given_up(n));
    close(taken);
    close(reading_peer(type, fds));
}

static void full_closed(const struct type *type)
{
    char data[TYPE_CHUNK];
    int fds[2];

    begin(type, fds);
    letters_fill(type, data, type->size);
    type->fill(written_end(type, fds));
    write_closed(type, fds, data, type->size);
}

/* There is room for a part, so that the write has begun when its number is closed. */
static void large_closed(const struct type *type)
{
    static char data[LARGE];
    int fds[2];

    begin(type, fds);
    letters_fill(type, data, LARGE);
    write_closed(type, fds, data, LARGE);
}

/* What went before the peer was gone counts; or the error does. */
static void large_hung_up(const struct type *type)
{
    static char data[LARGE];
    struct aiocb cb;
    int fds[2];

    begin(type, fds);
    letters_fill(type, data, LARGE);
    start_write(&cb, written_end(type, fds), data, LARGE, 0);
    must_hang(&cb);
    others_go_on();
    close_soon(reading_peer(type, fds));
    ssize_t n = result_of(&cb);
    must((n > 0 && n < LARGE) || n == -EPIPE || n == -ECONNRESET || n == -EIO);
    close(written_end(type, fds));
}

/* Requests of the file that has the number now do not wait for those of the file before. */
HEALD_CASE(file_of_a_closed_number_goes_on)
{
    char byte = 'x';
    struct aiocb cb;
    int fds[2];

    begin(&type_stream, fds);
    start_read(&cb, fds[0], &byte, 1, 0);
    must_hang(&cb);
    close_soon(fds[0]);
    int file = file_make();
    must_be(write_now(file, "x", 1, 0), 1);
    close_soon(file);
    close(fds[1]);
    ssize_t n = result_of(&cb);
    must(n == 0 || was_given_up(n));
}

static ssize_t one_reset(ssize_t result)
{
    return result == -ECONNRESET ? -EPIPE : result;
}

static void full_hung_up(const struct type *type)
{
    char data[TYPE_CHUNK];
    struct aiocb cb;
    int fds[2];

    begin(type, fds);
    ssize_t want = hung_up_result(type, true);
    letters_fill(type, data, type->size);
    type->fill(written_end(type, fds));
    start_write(&cb, written_end(type, fds), data, type->size, 0);
    must_hang(&cb);
    close_soon(reading_peer(type, fds));
    others_go_on();
    must_be(one_reset(result_of(&cb)), one_reset(want));
    close(written_end(type, fds));
}

static size_t read_letters(int fd, size_t at, size_t most)
{
    char chunk[TYPE_CHUNK];
    ssize_t n = read(fd, chunk, most < sizeof chunk ? most : sizeof chunk);

    must(n > 0);
    for (ssize_t i = 0; i < n; i++)
        must_be(chunk[i], 'a' + (at + (size_t)i) % 26);
    return at + (size_t)n;
}

/* One step of the reader at a time; between two of them all other requests complete. */
static void slow_reader(const struct type *type)
{
    static char data[LARGE];
    struct aiocb cb;
    size_t seen = 0;
    int fds[2];

    begin(type, fds);
    letters_fill(type, data, LARGE);
    start_write(&cb, written_end(type, fds), data, LARGE, 0);
    for (int i = 0; i < STEPS; i++) {
        seen = read_letters(reading_peer(type, fds), seen, STEP);
        others_go_on();
        must_be(aio_error(&cb), EINPROGRESS);
    }
    while (seen < LARGE)
        seen = read_letters(reading_peer(type, fds), seen, LARGE - seen);
    must_be(result_of(&cb), LARGE);
    pair_close(fds);
}

/* The read of a terminal in canonical mode waits for the whole line, or for the end of file. */
HEALD_CASE(line_comes_in_pieces)
{
    char buf[TYPE_CHUNK];
    struct aiocb cb;
    int fds[2];

    begin(&type_line_terminal, fds);
    start_read(&cb, fds[0], buf, sizeof buf, 0);
    for (int i = 0; i < 3; i++) {
        must_be(write(fds[1], "abc", 3), 3);
        must_hang(&cb);
        others_go_on();
    }
    must_be(write(fds[1], "\n", 1), 1);
    must_be(result_of(&cb), 10);
    must_be(memcmp(buf, "abcabcabc\n", 10), 0);
    start_read(&cb, fds[0], buf, sizeof buf, 0);
    must_hang(&cb);
    must_be(write(fds[1], "\004", 1), 1); /* control-D */
    must_be(result_of(&cb), 0);
    pair_close(fds);
}

/* Both answers are those of the calls, on another of the type. */
static void ready(const struct type *type)
{
    char data[TYPE_CHUNK], buf[TYPE_CHUNK];
    int fds[2];

    begin(type, fds);
    letters_fill(type, data, type->size);
    ssize_t want = write(fds[1], data, type->size);
    must_be(write_now(fds[0], data, type->size, 0), want < 0 ? -errno : want);
    want = pread(fds[1], data, type->size, 0);
    must(want >= 0);
    must_be(read_now(fds[0], buf, type->size, 0), want);
    must_be(memcmp(data, buf, (size_t)want), 0);
    pair_close(fds);
}

#define CASE(name, what)      \
    HEALD_CASE(name##_##what) \
    {                         \
        what(&type_##name);   \
    }
#define CASES_READ(name)    CASE(name, empty) CASE(name, empty_closed)
#define CASES_HUNG_UP(name) CASE(name, empty_hung_up)
#define CASES_WRITTEN(name) CASE(name, full) CASE(name, full_closed)
#define CASES_OF_BYTES(name)  \
    CASE(name, full_hung_up)  \
    CASE(name, large_closed)  \
    CASE(name, large_hung_up) \
    CASE(name, slow_reader)
#define CASES_READY(name) CASE(name, ready)
TYPES_READ(CASES_READ)
TYPES_HUNG_UP(CASES_HUNG_UP)
TYPES_WRITTEN(CASES_WRITTEN)
TYPES_OF_BYTES(CASES_OF_BYTES)
TYPES_READY(CASES_READY)

#define ADD_READ(name)    add(group, name##_empty), add(group, name##_empty_closed);
#define ADD_HUNG_UP(name) add(group, name##_empty_hung_up);
#define ADD_WRITTEN(name) add(group, name##_full), add(group, name##_full_closed);
#define ADD_OF_BYTES(name)                                            \
    add(group, name##_full_hung_up), add(group, name##_large_closed); \
    add(group, name##_large_hung_up), add(group, name##_slow_reader);
#define ADD_READY(name) add(group, name##_ready);

void add_descriptors(TCase *group)
{
    TYPES_READ(ADD_READ)
    TYPES_HUNG_UP(ADD_HUNG_UP)
    TYPES_WRITTEN(ADD_WRITTEN)
    TYPES_OF_BYTES(ADD_OF_BYTES)
    TYPES_READY(ADD_READY)
    add(group, line_comes_in_pieces);
    add(group, file_of_a_closed_number_goes_on);
}
