/* test/conformance/stream_edges.c: what a stream keeps when its reading changes, pauses or ends. */
#include "conformance/conformance.h"

#include <sys/socket.h>

struct reader {
    struct heald_stream s;
    struct heald_loop *loop;
    char got[256];
    size_t len;
    int err, frames, ends, errors, closed, pause_at, peer;
};

static void on_data(struct heald_stream *s, char *data, size_t len)
{
    struct reader *r = s->data;

    must(r->len + len <= sizeof r->got);
    memcpy(r->got + r->len, data, len);
    r->len += len;
    if (++r->frames == r->pause_at)
        heald_stream_pause(s);
}

static void on_end(struct heald_stream *s)
{
    ((struct reader *)s->data)->ends++;
}

static void on_error(struct heald_stream *s, int err)
{
    (void)err;
    ((struct reader *)s->data)->errors++;
}

static void on_closed(struct heald_stream *s, int err)
{
    (void)err;
    ((struct reader *)s->data)->closed++;
}

static const struct heald_stream_events events = {
    .data = on_data, .end = on_end, .error = on_error};

static void on_counted(struct heald_stream *s, char *data, size_t len)
{
    (void)data;
    must(len > 0);
    ((struct reader *)s->data)->frames++;
}

static const struct heald_stream_events counts = {.data = on_counted};

static void reader_open(struct reader *r, struct heald_loop *loop)
{
    int fds[2];

    memset(r, 0, sizeof *r);
    pair_open(PAIR_UNIX, fds);
    r->loop = loop;
    r->peer = fds[1];
    r->s.data = r;
    ck_assert_int_eq(heald_stream_open(&r->s, loop, fds[0], &events, NULL), 0);
}

static void reader_close(struct reader *r)
{
    ck_assert_int_eq(heald_stream_close(&r->s, on_closed), 0);
    turn_until(r->loop, &r->closed, 1);
    if (r->peer >= 0)
        close(r->peer);
}

static void put(struct reader *r, const char *text, bool last)
{
    ck_assert_int_eq(write(r->peer, text, strlen(text)), (ssize_t)strlen(text));
    if (!last)
        return;
    close(r->peer);
    r->peer = -1;
}

HEALD_CASE(kept_bytes_are_frames_of_the_new_mode)
{
    struct heald_loop *loop = loop_on(_i);
    struct reader r;

    reader_open(&r, loop);
    ck_assert_int_eq(heald_stream_read_until(&r.s, '\n'), 0);
    put(&r, "one\ntwo3", false);
    turn_until(loop, &r.frames, 1);
    turn_for(loop, HEALD_MS);
    ck_assert_int_eq(r.frames, 1);
    ck_assert_int_eq(heald_stream_read_exactly(&r.s, 2), 0);
    turn_until(loop, &r.frames, 3);
    ck_assert_int_eq(memcmp(r.got, "one\ntwo3", 8), 0);
    reader_close(&r);
    loop_end(loop);
}

HEALD_CASE(a_pause_before_the_end_keeps_frames)
{
    for (int pause_at = 1; pause_at <= 4; pause_at++) {
        struct heald_loop *loop = loop_on(_i);
        struct reader r;

        reader_open(&r, loop);
        r.pause_at = pause_at;
        ck_assert_int_eq(heald_stream_read_until(&r.s, '\n'), 0);
        put(&r, "a\nb\nc\nd", true);
        turn_until(loop, &r.frames, pause_at);
        turn_for(loop, 2 * HEALD_MS);
        ck_assert_int_eq(r.frames, pause_at);
        ck_assert_int_eq(r.ends, 0);
        r.pause_at = 0;
        heald_stream_resume(&r.s);
        turn_until(loop, &r.ends, 1);
        ck_assert_int_eq(r.frames, 4);
        ck_assert_int_eq(memcmp(r.got, "a\nb\nc\nd", 7), 0);
        reader_close(&r);
        loop_end(loop);
    }
}

HEALD_CASE(writes_of_one_turn_all_arrive)
{
    struct heald_loop *loop = loop_on(_i);
    struct reader r;
    char buf[16];
    size_t len = 0;

    reader_open(&r, loop);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(heald_stream_write(&r.s, &"abc"[i], 1), 0);
    int64_t until = now() + 5 * HEALD_SEC;
    while (len < 3 && now() < until) {
        must(heald_loop_turn(loop, now() + HEALD_MS) >= 0);
        ssize_t n = read(r.peer, buf + len, sizeof buf - len);
        len += n > 0 ? (size_t)n : 0;
    }
    ck_assert_uint_eq(len, 3);
    ck_assert_int_eq(memcmp(buf, "abc", 3), 0);
    reader_close(&r);
    loop_end(loop);
}

HEALD_CASE(a_pipe_ends_with_its_target)
{
    struct heald_loop *loop = loop_on(_i);
    struct reader from, to;

    reader_open(&from, loop);
    reader_open(&to, loop);
    ck_assert_int_eq(heald_stream_pipe(&from.s, &to.s), 0);
    reader_close(&to);
    put(&from, "after", false);
    turn_until(loop, &from.frames, 1);
    ck_assert_int_eq(memcmp(from.got, "after", 5), 0);
    reader_open(&to, loop);
    ck_assert_int_eq(heald_stream_close(&to.s, on_closed), 0);
    ck_assert_int_eq(heald_stream_pipe(&from.s, &to.s), -EPIPE);
    turn_until(loop, &to.closed, 1);
    close(to.peer);
    put(&from, " all", false);
    turn_until(loop, &from.frames, 2);
    reader_close(&from);
    loop_end(loop);
}

HEALD_CASE(a_pause_holds_under_a_pipe)
{
    struct heald_loop *loop = loop_on(_i);
    struct reader from, to;
    char buf[16];

    reader_open(&from, loop);
    reader_open(&to, loop);
    ck_assert_int_eq(heald_stream_pipe(&from.s, &to.s), 0);
    heald_stream_pause(&from.s);
    put(&from, "held", false);
    turn_for(loop, 2 * HEALD_MS);
    ck_assert_int_lt(read(to.peer, buf, sizeof buf), 0);
    heald_stream_resume(&from.s);
    int64_t until = now() + 5 * HEALD_SEC;
    ssize_t n = -1;
    while (n < 0 && now() < until) {
        must(heald_loop_turn(loop, now() + HEALD_MS) >= 0);
        n = read(to.peer, buf, sizeof buf);
    }
    ck_assert_int_eq(n, 4);
    reader_close(&from);
    reader_close(&to);
    loop_end(loop);
}

/* Its reading has failed, and then it cannot send its last words either. */
HEALD_CASE(an_end_that_fails_after_an_error)
{
    static const char words[512 * 1024];
    struct heald_loop *loop = loop_on(_i);
    struct reader r;

    reader_open(&r, loop);
    heald_stream_set_idle(&r.s, HEALD_MS);
    turn_until(loop, &r.errors, 1);
    ck_assert_int_eq(heald_stream_write(&r.s, words, sizeof words), 1);
    ck_assert_int_eq(heald_stream_end(&r.s, on_closed), 0);
    close(r.peer);
    turn_until(loop, &r.closed, 1);
    ck_assert_int_eq(r.errors, 1);
    loop_end(loop);
}

static void on_closed_with(struct heald_stream *s, int err)
{
    struct reader *r = s->data;

    r->closed++;
    r->err = err;
}

/* All was sent, and the peer has gone with a reset: nothing was lost. */
HEALD_CASE(reset_after_all_was_sent)
{
    const struct linger hard = {.l_onoff = 1};
    struct heald_loop *loop = loop_on(_i);
    struct reader r = {.loop = loop};
    char got[4];
    int fds[2];

    pair_open(PAIR_TCP, fds);
    r.s.data = &r;
    ck_assert_int_eq(heald_stream_open(&r.s, loop, fds[0], &events, NULL), 0);
    ck_assert_int_eq(heald_stream_write(&r.s, "last", 4), 0);
    ck_assert_int_eq(heald_stream_end(&r.s, on_closed_with), 0);
    turn_for(loop, 5 * HEALD_MS);
    ck_assert_int_eq(recv(fds[1], got, sizeof got, 0), 4);
    setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(fds[1]);
    turn_until(loop, &r.closed, 1);
    ck_assert_int_eq(r.err, 0);
    loop_end(loop);
}

/* A zeroed struct says so. */
HEALD_CASE(a_write_to_what_is_not_open)
{
    struct heald_stream s = {0};

    (void)_i;
    ck_assert_int_eq(heald_stream_write(&s, "x", 1), -EINVAL);
    ck_assert_int_eq(heald_stream_send(&s, "x", 1), -EINVAL);
}

/* All send without end, and there are far fewer buffers than streams: each has its turn. */
HEALD_CASE(many_streams_of_a_small_group)
{
    enum { STREAMS = 60, BUFFERS = 4, ROUNDS = 3, SIZE = 64 };
    static char memory[BUFFERS][SIZE], data[1024];
    static struct reader readers[STREAMS];
    struct heald_loop *loop = loop_on(_i);
    struct heald_stream_options options = {0};
    int fds[2], served = 0, closed = 0;

    ck_assert_int_eq(heald_buf_group_open(&options.group, loop, memory, BUFFERS, SIZE), 0);
    for (int i = 0; i < STREAMS; i++) {
        pair_open(PAIR_UNIX, fds);
        readers[i] = (struct reader){.loop = loop, .peer = fds[1]};
        readers[i].s.data = &readers[i];
        int err = heald_stream_open(&readers[i].s, loop, fds[0], &counts, &options);
        ck_assert_int_eq(err, 0);
    }
    for (int64_t end = now() + 5 * HEALD_SEC * harness_slow(); served < STREAMS; served = 0) {
        must(now() < end);
        for (int i = 0; i < STREAMS; i++)
            must(send(readers[i].peer, data, sizeof data, 0) > 0 || errno == EAGAIN);
        must(heald_loop_turn(loop, 0) >= 0);
        for (int i = 0; i < STREAMS && readers[i].frames >= ROUNDS; i++)
            served = i + 1;
        if (served == STREAMS)
            break;
    }
    for (int i = 0; i < STREAMS; i++) {
        ck_assert_int_eq(heald_stream_close(&readers[i].s, on_closed), 0);
        close(readers[i].peer);
    }
    while (closed < STREAMS) {
        turn_for(loop, HEALD_MS);
        for (closed = 0; closed < STREAMS && readers[closed].closed;)
            closed++;
    }
    ck_assert_int_eq(heald_buf_group_close(options.group), 0);
    loop_end(loop);
}

void add_stream_edges(TCase *group)
{
    add_on_backends(group, many_streams_of_a_small_group);
    add_on_backends(group, reset_after_all_was_sent);
    add_once(group, a_write_to_what_is_not_open);
    add_everywhere(group, an_end_that_fails_after_an_error);
    add_everywhere(group, kept_bytes_are_frames_of_the_new_mode);
    add_everywhere(group, a_pause_before_the_end_keeps_frames);
    add_everywhere(group, writes_of_one_turn_all_arrive);
    add_everywhere(group, a_pipe_ends_with_its_target);
    add_everywhere(group, a_pause_holds_under_a_pipe);
}
