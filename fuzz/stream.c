/*
 * fuzz/stream.c: a stream under a random program of writes, reads, modes and pauses at both ends,
 * on each back end: every byte arrives once and in order, in both directions, and frames are what
 * was asked for.
 *
 * The first four bytes are the back end and the options, then each two are a command and its
 * number.
 */
#include "fuzz.h"

#include <heald/heald.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PART = 256, FRAME_MAX = 100, BUFFERS = 4, TURNS_MAX = 10000 };

enum mode { PORTIONS, LINES, LENGTHS };

struct run {
    struct heald_loop *loop;
    struct heald_stream stream;
    struct heald_buf_group *group;
    char memory[BUFFERS][64];
    int peer;
    enum mode mode;
    size_t length;
    size_t sent, got;       /* to the stream */
    size_t written, echoed; /* by the stream */
    int ends, errors, closed, shut, peer_shut;
    int held_back; /* paused by the program */
};

static char in_byte(size_t n)
{
    return n * 7 % 23 == 0 ? '\n' : (char)('a' + n % 26);
}

static char out_byte(size_t n)
{
    return (char)(n * 13 >> 2);
}

static void on_data(struct heald_stream *s, char *data, size_t len)
{
    struct run *r = s->data;

    MUST(len && !r->held_back && !r->ends && !r->errors);
    for (size_t i = 0; i < len; i++)
        MUST(data[i] == in_byte(r->got + i));
    r->got += len;
    /* What is left at the end is no whole frame. */
    int is_rest = r->peer_shut && r->got == r->sent;
    if (r->mode == LINES)
        MUST(len <= FRAME_MAX && memchr(data, '\n', len - 1) == NULL &&
             (data[len - 1] == '\n' || is_rest));
    if (r->mode == LENGTHS)
        MUST(len == r->length || (len < r->length && is_rest));
}

static void on_end(struct heald_stream *s)
{
    struct run *r = s->data;

    MUST(!r->ends++ && !r->held_back && r->peer_shut && r->got == r->sent);
}

static void on_error(struct heald_stream *s, int err)
{
    struct run *r = s->data;

    MUST(!r->errors++ && err == -EMSGSIZE && r->mode == LINES);
}

static void on_closed(struct heald_stream *s, int err)
{
    struct run *r = s->data;

    (void)err;
    MUST(!r->closed++);
}

static const struct heald_stream_events events = {
    .data = on_data, .end = on_end, .error = on_error};

static void turn(struct run *r)
{
    MUST(heald_loop_turn(r->loop, 0) >= 0);
}

static void peer_writes(struct run *r, size_t len)
{
    char data[PART];

    for (size_t i = 0; i < len; i++)
        data[i] = in_byte(r->sent + i);
    ssize_t n = r->peer_shut ? 0 : send(r->peer, data, len, MSG_NOSIGNAL);
    r->sent += n > 0 ? (size_t)n : 0;
}

static void peer_reads(struct run *r, size_t len)
{
    char data[PART];
    ssize_t n = recv(r->peer, data, len, 0);

    for (ssize_t i = 0; i < n; i++)
        MUST(data[i] == out_byte(r->echoed++));
    MUST(r->echoed <= r->written);
}

static void stream_writes(struct run *r, size_t len)
{
    char data[PART];

    for (size_t i = 0; i < len; i++)
        data[i] = out_byte(r->written + i);
    int err = heald_stream_write(&r->stream, data, len);
    MUST(err >= 0 || err == -ENOBUFS || (err == -EPIPE && r->shut));
    r->written += err >= 0 ? len : 0;
}

static void set_mode(struct run *r, enum mode mode, size_t length)
{
    r->mode = mode;
    r->length = length;
    if (mode == PORTIONS)
        MUST(heald_stream_read(&r->stream) == 0);
    else if (mode == LINES)
        MUST(heald_stream_read_until(&r->stream, '\n') == 0);
    else
        MUST(heald_stream_read_exactly(&r->stream, length) == 0);
}

static void hold_back(struct run *r, int on)
{
    r->held_back = on;
    if (on)
        heald_stream_pause(&r->stream);
    else
        heald_stream_resume(&r->stream);
}

static void shut_peer(struct run *r)
{
    if (!r->peer_shut)
        shutdown(r->peer, SHUT_WR);
    r->peer_shut = 1;
}

static void command(struct run *r, unsigned what, size_t n)
{
    switch (what % 16) {
    case 0:
    case 1: peer_writes(r, n); break;
    case 2: stream_writes(r, n); break;
    case 3:
    case 4: peer_reads(r, n + 1); break;
    case 5: hold_back(r, 1); break;
    case 6: hold_back(r, 0); break;
    case 7: set_mode(r, PORTIONS, 0); break;
    case 8: set_mode(r, LINES, 0); break;
    case 9: set_mode(r, LENGTHS, n % FRAME_MAX + 1); break;
    case 10: heald_stream_cork(&r->stream); break;
    case 11: heald_stream_uncork(&r->stream); break;
    case 12:
        if (n % 16 == 0)
            shut_peer(r);
        break;
    case 13:
        if (n % 16 == 0 && !r->shut++)
            MUST(heald_stream_shutdown(&r->stream) == 0);
        break;
    default: turn(r);
    }
}

/* All that was written arrives, then the ends. */
static void finish(struct run *r)
{
    hold_back(r, 0);
    heald_stream_uncork(&r->stream);
    for (int i = 0; r->echoed < r->written; i++) {
        MUST(i < TURNS_MAX);
        turn(r);
        peer_reads(r, PART);
    }
    shut_peer(r);
    uint64_t received, sent;
    heald_stream_counts(&r->stream, &received, &sent);
    MUST(received <= r->sent && sent == r->written);
    for (int i = 0; !r->ends && !r->errors; i++) {
        MUST(i < TURNS_MAX);
        MUST(heald_loop_turn(r->loop, heald_clock_now(HEALD_CLOCK_MONOTONIC) + HEALD_MS) >= 0);
    }
    MUST(heald_stream_close(&r->stream, on_closed) == 0);
    while (!r->closed)
        turn(r);
}

static int open_run(struct run *r, const uint8_t *data)
{
    static const char *const backends[] = {"epoll", "uring", "poll", "select"};
    struct heald_loop_options options = {.backend = backends[data[0] % 4], .entries = 4};
    struct heald_stream_options so = {.frame_max = FRAME_MAX,
                                      .input_size = data[1] % 64 + 1u,
                                      .low = data[2] % 16 + 1u,
                                      .high = data[2] % 16 + 1u + data[3] % 64u,
                                      .max = 600};
    int fds[2];

    if (heald_loop_open(&r->loop, &options))
        return -1; /* not here */
    MUST(heald_socketpair(SOCK_STREAM, fds) == 0);
    MUST(heald_buf_group_open(&r->group, r->loop, r->memory, BUFFERS, sizeof r->memory[0]) == 0);
    r->peer = fds[1];
    r->stream.data = r;
    so.group = data[1] & 64 ? r->group : NULL;
    MUST(heald_stream_open(&r->stream, r->loop, fds[0], &events, &so) == 0);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run *r = size < 4 ? NULL : calloc(1, sizeof *r);

    if (!r)
        return 0;
    if (open_run(r, data) == 0) {
        for (size_t i = 4; i + 1 < size; i += 2)
            command(r, data[i], data[i + 1]);
        finish(r);
        close(r->peer);
        MUST(heald_loop_close(r->loop) == 0);
    }
    free(r);
    return 0;
}
