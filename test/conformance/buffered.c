/* test/conformance/buffered.c: heald_stream. */
#include "conformance/conformance.h"

#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>

enum { GOT = 1 << 16 };

/* One end of a pair as a stream; the other end is a plain descriptor. */
struct end {
    struct heald_stream s;
    struct heald_loop *loop;
    struct heald_buf_group *group;
    char memory[8][64];
    char got[GOT];
    size_t len;
    int frames, ends, drains, errors, err, closed, closed_err, flushed, flush_err, pause_at, peer;
    size_t frame[64];
};

static void on_data(struct heald_stream *s, char *data, size_t len)
{
    struct end *e = s->data;

    must(e->len + len <= sizeof e->got);
    memcpy(e->got + e->len, data, len);
    memset(data, '#', len);
    e->len += len;
    if (e->frames < 64)
        e->frame[e->frames] = len;
    if (++e->frames == e->pause_at)
        heald_stream_pause(s);
}

static void on_end(struct heald_stream *s)
{
    ((struct end *)s->data)->ends++;
}

static void on_drain(struct heald_stream *s)
{
    ((struct end *)s->data)->drains++;
}

static void on_error(struct heald_stream *s, int err)
{
    struct end *e = s->data;

    e->errors++;
    e->err = err;
}

static void on_closed(struct heald_stream *s, int err)
{
    struct end *e = s->data;

    e->closed++;
    e->closed_err = err;
}

static void on_flushed(struct heald_stream *s, int err)
{
    struct end *e = s->data;

    e->flushed++;
    e->flush_err = err;
}

static const struct heald_stream_events events = {
    .data = on_data, .end = on_end, .drain = on_drain, .error = on_error};

static struct end *end_open(int combination, enum pair_kind kind, bool group, bool reads,
                            struct heald_stream_options options)
{
    struct end *e = calloc(1, sizeof *e);
    int fds[2];

    e->loop = loop_on(combination);
    if (group) {
        ck_assert_int_eq(heald_buf_group_open(&e->group, e->loop, e->memory, 8, 64), 0);
        options.group = e->group;
    }
    pair_open(kind, fds);
    e->peer = fds[reads ? 1 : 0];
    e->s.data = e;
    ck_assert_int_eq(heald_stream_open(&e->s, e->loop, fds[reads ? 0 : 1], &events, &options), 0);
    return e;
}

static void end_close(struct end *e)
{
    if (!e->closed) {
        ck_assert_int_eq(heald_stream_close(&e->s, on_closed), 0);
        ck_assert_int_eq(e->closed, 0);
        turn_until(e->loop, &e->closed, 1);
    }
    ck_assert_int_eq(e->closed, 1);
    if (e->peer >= 0)
        close(e->peer);
    loop_end(e->loop);
    free(e);
}

static void put(struct end *e, const char *text)
{
    ck_assert_int_eq(write(e->peer, text, strlen(text)), (ssize_t)strlen(text));
}

static void wait_for(struct end *e, size_t len)
{
    int64_t until = now() + 5 * HEALD_SEC;

    while (e->len < len && now() < until)
        must(heald_loop_turn(e->loop, now() + HEALD_MS) >= 0);
    ck_assert_uint_eq(e->len, len);
}

/* Over each kind of descriptor, into a buffer of its own and into a group's. */
static void for_all(int combination, void (*fn)(int combination, enum pair_kind kind, bool group))
{
    for (enum pair_kind kind = 0; kind < PAIR_KINDS; kind++)
        for (int group = 0; group < 2; group++)
            fn(combination, kind, group);
}

static void read_portions(int combination, enum pair_kind kind, bool group)
{
    struct end *e = end_open(combination, kind, group, true, (struct heald_stream_options){0});

    put(e, "hello");
    wait_for(e, 5);
    put(e, " world");
    wait_for(e, 11);
    ck_assert_int_eq(memcmp(e->got, "hello world", 11), 0);
    close(e->peer);
    e->peer = -1;
    turn_until(e->loop, &e->ends, 1);
    turn_for(e->loop, HEALD_MS);
    ck_assert_int_eq(e->ends, 1);
    ck_assert_int_eq(e->errors, 0);
    end_close(e);
}

HEALD_CASE(portions_and_the_end)
{
    for_all(_i, read_portions);
}

static void read_lines(int combination, enum pair_kind kind, bool group)
{
    static const char *const parts[] = {"a", "b\ncd\n", "\n", "efg", "hi", "j\nk\nlast"};
    struct end *e = end_open(combination, kind, group, true, (struct heald_stream_options){0});

    ck_assert_int_eq(heald_stream_read_until(&e->s, '\n'), 0);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        put(e, parts[i]);
        turn_for(e->loop, HEALD_MS);
    }
    turn_until(e->loop, &e->frames, 5);
    ck_assert_int_eq(e->frames, 5);
    ck_assert_int_eq(memcmp(e->got, "ab\ncd\n\nefghij\nk\n", e->len), 0);
    close(e->peer);
    e->peer = -1;
    turn_until(e->loop, &e->ends, 1);
    /* The rest is no line, and not lost. */
    ck_assert_int_eq(e->frames, 6);
    ck_assert_int_eq(memcmp(e->got + e->len - 4, "last", 4), 0);
    end_close(e);
}

HEALD_CASE(lines)
{
    for_all(_i, read_lines);
}

static void on_header(struct heald_stream *s, char *data, size_t len)
{
    struct end *e = s->data;

    on_data(s, (char[]){data[0], 0}, 1);
    e->len += len - 1;
    if (e->frames % 2)
        heald_stream_read_exactly(s, (size_t)(data[0] - '0'));
    else
        heald_stream_read_exactly(s, 1);
}

/* A header says how long the body is: the mode changes in the callback. */
static void read_bodies(int combination, enum pair_kind kind, bool group)
{
    static const struct heald_stream_events headers = {.data = on_header, .error = on_error};
    struct end *e = end_open(combination, kind, group, true, (struct heald_stream_options){0});

    e->s.events = &headers;
    ck_assert_int_eq(heald_stream_read_exactly(&e->s, 1), 0);
    put(e, "3abc1x");
    put(e, "5he");
    wait_for(e, 7);
    put(e, "llo");
    wait_for(e, 12);
    ck_assert_int_eq(e->frames, 6);
    end_close(e);
}

HEALD_CASE(a_header_and_a_body)
{
    for_all(_i, read_bodies);
}

static void pause_in_the_middle(int combination, enum pair_kind kind, bool group)
{
    struct end *e = end_open(combination, kind, group, true, (struct heald_stream_options){0});

    ck_assert_int_eq(heald_stream_read_until(&e->s, '\n'), 0);
    e->pause_at = 2;
    put(e, "one\ntwo\nthree\nfo");
    turn_until(e->loop, &e->frames, 2);
    put(e, "ur\n");
    turn_for(e->loop, 2 * HEALD_MS);
    ck_assert_int_eq(e->frames, 2);
    heald_stream_resume(&e->s);
    ck_assert_int_eq(e->frames, 2);
    turn_until(e->loop, &e->frames, 4);
    ck_assert_int_eq(memcmp(e->got, "one\ntwo\nthree\nfour\n", 19), 0);
    heald_stream_pause(&e->s);
    turn_for(e->loop, HEALD_MS);
    put(e, "five");
    close(e->peer);
    e->peer = -1;
    turn_for(e->loop, 2 * HEALD_MS);
    ck_assert_int_eq(e->frames + e->ends, 4);
    heald_stream_resume(&e->s);
    heald_stream_pause(&e->s);
    heald_stream_resume(&e->s);
    turn_until(e->loop, &e->ends, 1);
    ck_assert_int_eq(memcmp(e->got + 19, "five", 4), 0);
    end_close(e);
}

HEALD_CASE(a_pause_keeps_everything)
{
    for_all(_i, pause_in_the_middle);
}

/* What the peer reads next, while the loop turns. */
static ssize_t peer_read(struct end *e, char *buf, size_t size)
{
    int64_t until = now() + 5 * HEALD_SEC;
    ssize_t n;

    while ((n = read(e->peer, buf, size)) < 0 && now() < until)
        must(heald_loop_turn(e->loop, now() + HEALD_MS) >= 0);
    return n;
}

HEALD_CASE(a_frame_that_is_too_long)
{
    for (int whole = 0; whole < 2; whole++) {
        struct end *e =
            end_open(_i, PAIR_TCP, false, true, (struct heald_stream_options){.frame_max = 8});

        ck_assert_int_eq(heald_stream_read_until(&e->s, '\n'), 0);
        ck_assert_int_eq(heald_stream_read_until(&e->s, 256), -EINVAL);
        ck_assert_int_eq(heald_stream_read_exactly(&e->s, 9), -EMSGSIZE);
        ck_assert_int_eq(heald_stream_read_exactly(&e->s, 0), -EINVAL);
        put(e, whole ? "12345678\n" : "1234567");
        turn_for(e->loop, HEALD_MS);
        if (!whole)
            put(e, "89");
        turn_until(e->loop, &e->errors, 1);
        ck_assert_int_eq(e->err, -EMSGSIZE);
        /* A last word. */
        char word[8];
        ck_assert_int_eq(heald_stream_write(&e->s, "long!", 5), 0);
        ck_assert_int_eq(peer_read(e, word, sizeof word), 5);
        close(e->peer);
        e->peer = -1;
        ck_assert_int_eq(heald_stream_end(&e->s, on_closed), 0);
        turn_until(e->loop, &e->closed, 1);
        ck_assert_int_eq(e->closed_err, 0);
        ck_assert_int_eq(e->errors, 1);
        end_close(e);
    }
}

/* Reads what the stream has written, by plain calls, while the loop turns. */
static size_t drain_peer(struct end *e, size_t at, size_t want)
{
    char buf[5000];

    while (at < want) {
        must(heald_loop_turn(e->loop, now() + HEALD_MS) >= 0);
        ssize_t n = read(e->peer, buf, sizeof buf);
        must(n > 0 || (n < 0 && errno == EAGAIN));
        if (n > 0) {
            pattern_check(buf, (size_t)n, at);
            at += (size_t)n;
        }
    }
    return at;
}

static void write_much(int combination, enum pair_kind kind, bool group)
{
    enum { MUCH = 300000 };
    struct end *e = end_open(combination, kind, group && kind != PAIR_PIPE, false,
                             (struct heald_stream_options){.high = 1000, .low = 100, .max = MUCH});
    char *much = malloc(MUCH);
    size_t at = 0;
    int above = 0;

    pattern_fill(much, MUCH, 0);
    for (size_t n = 1; at + n < MUCH; at += n, n = n * 5 / 4 + 1) {
        int err = heald_stream_write(&e->s, much + at, n);
        ck_assert(err == 0 || err == 1);
        above |= err;
    }
    above |= heald_stream_write(&e->s, much + at, MUCH - at);
    ck_assert_int_ge(heald_stream_flush(&e->s, on_flushed), 0);
    drain_peer(e, 0, MUCH);
    if (above)
        turn_until(e->loop, &e->drains, 1);
    turn_for(e->loop, HEALD_MS);
    ck_assert_int_eq(e->drains, above);
    ck_assert_uint_eq(heald_stream_queued(&e->s), 0);
    ck_assert_int_eq(heald_stream_flush(&e->s, on_flushed), 1);
    free(much);
    end_close(e);
}

HEALD_CASE(what_is_written_arrives_in_order)
{
    for_all(_i, write_much);
}

HEALD_CASE(the_queue_is_bounded)
{
    enum { MUCH = 32 << 20 };
    struct end *e = end_open(_i, PAIR_UNIX, false, false,
                             (struct heald_stream_options){.high = 1000, .max = 1 << 20});
    char *much = calloc(1, MUCH);

    ck_assert_int_eq(heald_stream_write(&e->s, much, MUCH), -ENOBUFS);
    ck_assert_uint_eq(heald_stream_queued(&e->s), 0);
    int err, writes = 0;
    while ((err = heald_stream_write(&e->s, much, 100000)) >= 0)
        writes++;
    ck_assert_int_eq(err, -ENOBUFS);
    ck_assert_int_gt(writes, 5);
    ck_assert_uint_le(heald_stream_queued(&e->s), 1 << 20);
    ck_assert_int_eq(heald_stream_flush(&e->s, on_flushed), 0);
    ck_assert_int_eq(heald_stream_flush(&e->s, on_flushed), -EBUSY);
    ck_assert_int_eq(heald_stream_close(&e->s, on_closed), 0);
    ck_assert_int_eq(e->flushed, 0);
    ck_assert_int_eq(heald_stream_close(&e->s, on_closed), -EALREADY);
    ck_assert_int_eq(heald_stream_write(&e->s, much, 1), -EPIPE);
    turn_until(e->loop, &e->closed, 1);
    ck_assert_int_eq(e->flushed, 1);
    ck_assert_int_eq(e->flush_err, -ECANCELED);
    free(much);
    end_close(e);
}

HEALD_CASE(corked_writes_are_one_message)
{
    struct end *e = end_open(_i, PAIR_TCP, false, false, (struct heald_stream_options){0});
    char buf[16];

    heald_stream_cork(&e->s);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(heald_stream_write(&e->s, "ab", 2), 0);
    turn_for(e->loop, HEALD_MS);
    ck_assert_int_eq(read(e->peer, buf, sizeof buf), -1);
    heald_stream_uncork(&e->s);
    ck_assert_int_eq(peer_read(e, buf, sizeof buf), 10);
    end_close(e);
}

HEALD_CASE(half_close_and_end)
{
    for (int is_end = 0; is_end < 2; is_end++) {
        struct end *e = end_open(_i, PAIR_TCP, false, false, (struct heald_stream_options){0});
        char buf[16];

        ck_assert_int_eq(heald_stream_write(&e->s, "bye", 3), 0);
        if (is_end)
            ck_assert_int_eq(heald_stream_end(&e->s, on_closed), 0);
        else
            ck_assert_int_eq(heald_stream_shutdown(&e->s), 0);
        ck_assert_int_eq(heald_stream_shutdown(&e->s), -EPIPE);
        ck_assert_int_eq(heald_stream_write(&e->s, "x", 1), -EPIPE);
        ck_assert_int_eq(peer_read(e, buf, sizeof buf), 3);
        ck_assert_int_eq(peer_read(e, buf, sizeof buf), 0);
        put(e, "answer");
        if (!is_end)
            wait_for(e, 6);
        turn_for(e->loop, 2 * HEALD_MS);
        ck_assert_int_eq(e->closed, 0);
        close(e->peer);
        e->peer = -1;
        if (is_end)
            turn_until(e->loop, &e->closed, 1);
        else
            turn_until(e->loop, &e->ends, 1);
        ck_assert_int_eq(e->errors, 0);
        ck_assert_uint_eq(e->len, is_end ? 0 : 6);
        end_close(e);
    }
}

/* A peer that never ends holds up a close for two seconds, and no longer. */
HEALD_CASE(an_end_does_not_wait_for_ever)
{
    if (strcmp(backend_of(_i), "epoll") && strcmp(backend_of(_i), "uring"))
        harness_skip("takes two seconds: on epoll and uring alone");
    struct end *e = end_open(_i, PAIR_TCP, false, false, (struct heald_stream_options){0});
    int64_t before = now();

    ck_assert_int_eq(heald_stream_end(&e->s, on_closed), 0);
    turn_until(e->loop, &e->closed, 1);
    ck_assert_int_ge(now() - before, 2 * HEALD_SEC);
    end_close(e);
}

HEALD_CASE(any_progress_counts)
{
    struct end *e = end_open(_i, PAIR_TCP, false, true,
                             (struct heald_stream_options){.idle_ns = 300 * HEALD_MS});

    for (int i = 0; i < 4; i++) {
        if (i % 2)
            put(e, "x");
        else
            ck_assert_int_eq(heald_stream_write(&e->s, "y", 1), 0);
        turn_for(e->loop, 100 * HEALD_MS);
        ck_assert_int_eq(e->errors, 0);
    }
    int64_t last = now();
    turn_until(e->loop, &e->errors, 1);
    ck_assert_int_eq(e->err, -ETIMEDOUT);
    ck_assert_int_lt(now() - last, 5 * HEALD_SEC);
    end_close(e);
}

HEALD_CASE(the_peer_is_gone)
{
    for (enum pair_kind kind = 0; kind < PAIR_KINDS; kind++) {
        struct end *e = end_open(_i, kind, false, false, (struct heald_stream_options){0});
        int err = 0;

        signal(SIGPIPE, SIG_IGN);
        close(e->peer);
        e->peer = -1;
        /* The first may still succeed. */
        for (int i = 0; i < 100 && !e->errors && err >= 0; i++) {
            err = heald_stream_write(&e->s, "x", 1);
            turn_for(e->loop, HEALD_MS);
        }
        ck_assert(e->errors || err < 0);
        turn_for(e->loop, HEALD_MS);
        ck_assert_int_le(e->errors, 1);
        end_close(e);
    }
}

static void close_at_once(struct heald_stream *s, char *data, size_t len)
{
    struct end *e = s->data;

    (void)data;
    (void)len;
    e->frames++;
    ck_assert_int_eq(heald_stream_close(s, on_closed), 0);
}

HEALD_CASE(a_close_in_the_callback)
{
    static const struct heald_stream_events closes = {.data = close_at_once, .error = on_error};

    for (int group = 0; group < 2; group++) {
        struct end *e = end_open(_i, PAIR_TCP, group, true, (struct heald_stream_options){0});

        e->s.events = &closes;
        heald_stream_read_until(&e->s, '\n');
        put(e, "a\nb\nc\n");
        turn_until(e->loop, &e->closed, 1);
        ck_assert_int_eq(e->frames, 1);
        end_close(e);
    }
}

static void rot(char *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        data[i] ^= 0x55;
}

static void filter_in(struct heald_stream *s, char *data, size_t len)
{
    if (data)
        rot(data, len);
    heald_stream_feed(s, data, len);
}

static int filter_out(struct heald_stream *s, const char *data, size_t len)
{
    char buf[64];

    must(len <= sizeof buf);
    memcpy(buf, data, len);
    rot(buf, len);
    return heald_stream_send(s, buf, len);
}

HEALD_CASE(a_filter_between)
{
    static const struct heald_stream_filter filter = {.input = filter_in, .output = filter_out};
    struct end *e =
        end_open(_i, PAIR_TCP, false, true, (struct heald_stream_options){.filter = &filter});
    char buf[] = "secret\n", back[16];

    heald_stream_read_until(&e->s, '\n');
    ck_assert_int_eq(heald_stream_write(&e->s, buf, 7), 0);
    ck_assert_int_eq(peer_read(e, back, sizeof back), 7);
    ck_assert_int_ne(memcmp(back, buf, 7), 0);
    ck_assert_int_eq(write(e->peer, back, 7), 7);
    wait_for(e, 7);
    ck_assert_int_eq(memcmp(e->got, buf, 7), 0);
    end_close(e);
}

/* A proxy: two pairs, and the streams in the middle are piped both ways. */
HEALD_CASE(piped_both_ways)
{
    enum { MUCH = 1 << 20 };
    struct end *a = end_open(_i, PAIR_TCP, false, true, (struct heald_stream_options){0});
    struct heald_stream b = {.data = a};
    char *much = malloc(MUCH), buf[30000];
    size_t in = 0, out = 0;
    int fds[2];

    pair_open(PAIR_UNIX, fds);
    ck_assert_int_eq(heald_stream_open(&b, a->loop, fds[0], &events, NULL), 0);
    ck_assert_int_eq(heald_stream_pipe(&a->s, &a->s), -EINVAL);
    ck_assert_int_eq(heald_stream_pipe(&a->s, &b), 0);
    ck_assert_int_eq(heald_stream_pipe(&b, &a->s), 0);
    pattern_fill(much, MUCH, 0);
    while (out < MUCH) {
        ssize_t n = in < MUCH ? write(a->peer, much + in, MUCH - in) : 0;
        in += n > 0 ? (size_t)n : 0;
        if (in == MUCH && n > 0)
            ck_assert_int_eq(shutdown(a->peer, SHUT_WR), 0);
        must(heald_loop_turn(a->loop, now() + HEALD_MS) >= 0);
        ck_assert_uint_le(heald_stream_queued(&b), 1 << 20);
        n = read(fds[1], buf, sizeof buf);
        if (n > 0)
            pattern_check(buf, (size_t)n, out);
        out += n > 0 ? (size_t)n : 0;
    }
    turn_until(a->loop, &a->ends, 1);
    while (read(fds[1], buf, sizeof buf) != 0)
        must(heald_loop_turn(a->loop, now() + HEALD_MS) >= 0);
    ck_assert_int_eq(write(fds[1], "back", 4), 4);
    ck_assert_int_eq(peer_read(a, buf, sizeof buf), 4);
    free(much);
    close(fds[1]);
    ck_assert_int_eq(heald_stream_close(&b, on_closed), 0);
    turn_until(a->loop, &a->closed, 1);
    a->closed = 0;
    end_close(a);
}

/* A sequence of lines in random splits, written and paused at random: the same lines. */
HEALD_CASE(random_splits)
{
    for (unsigned seed = 1; seed <= 6; seed++) {
        struct end *e = end_open(_i, seed % 2 ? PAIR_TCP : PAIR_UNIX, seed % 3 == 0, true,
                                 (struct heald_stream_options){.input_size = 1 + seed * 7});
        char text[6000];
        size_t at = 0, count = 0;
        unsigned r = seed;

        for (size_t i = 0; i < sizeof text; i++) {
            r = r * 1103515245 + 12345;
            text[i] = i + 1 == sizeof text || r >> 16 & 15 ? (char)('a' + (r >> 20) % 26) : '\n';
            count += text[i] == '\n';
        }
        heald_stream_read_until(&e->s, '\n');
        while (at < sizeof text || (size_t)e->frames < count) {
            r = r * 1103515245 + 12345;
            size_t n = 1 + (r >> 16) % 200;
            n = n < sizeof text - at ? n : sizeof text - at;
            ssize_t done = n ? write(e->peer, text + at, n) : 0;
            at += done > 0 ? (size_t)done : 0;
            if (r & 1 << 15)
                heald_stream_pause(&e->s);
            else
                heald_stream_resume(&e->s);
            must(heald_loop_turn(e->loop, at < sizeof text ? 0 : now() + HEALD_MS) >= 0);
        }
        close(e->peer);
        e->peer = -1;
        heald_stream_resume(&e->s);
        turn_until(e->loop, &e->ends, 1);
        ck_assert_uint_eq(e->len, sizeof text);
        ck_assert_int_eq(memcmp(e->got, text, sizeof text), 0);
        end_close(e);
    }
}

HEALD_CASE(what_an_open_refuses)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_stream s = {0};
    int fds[2];

    ck_assert_int_eq(heald_stream_open(&s, loop, 987, &events, NULL), -EBADF);
    pair_open(PAIR_TCP, fds);
    ck_assert_int_eq(heald_stream_open(&s, loop, fds[0], NULL, NULL), -EINVAL);
    ck_assert_int_eq(heald_stream_open(&s, loop, fds[0], &events,
                                       &(struct heald_stream_options){.high = 1, .low = 2}),
                     -EINVAL);
    ck_assert_int_eq(heald_stream_open(&s, loop, fds[0], &events,
                                       &(struct heald_stream_options){.high = 10, .max = 2}),
                     -EINVAL);
    pair_close(loop, fds);
    loop_end(loop);
}

/* Nobody reads, and the end takes no longer than it may; its function says so. */
HEALD_CASE(an_end_has_a_limit)
{
    struct end *e = end_open(_i, PAIR_UNIX, false, false,
                             (struct heald_stream_options){.end_ns = 20 * HEALD_MS});
    char *much = calloc(1, 900000);
    int64_t before = now();

    ck_assert_int_ge(heald_stream_write(&e->s, much, 900000), 0);
    ck_assert_int_eq(heald_stream_end(&e->s, on_closed), 0);
    turn_until(e->loop, &e->closed, 1);
    ck_assert_int_eq(e->closed_err, -ETIMEDOUT);
    ck_assert_int_ge(now() - before, 20 * HEALD_MS);
    ck_assert_int_eq(e->errors, 0);
    ck_assert_int_eq(heald_stream_close(&e->s, on_closed), -EINVAL);
    free(much);
    end_close(e);
}

/* A paused stream is nothing to wait for, and yet open. */
HEALD_CASE(an_open_stream_holds_its_loop)
{
    struct end *e = end_open(_i, PAIR_TCP, false, true, (struct heald_stream_options){0});

    e->pause_at = 1;
    put(e, "x");
    turn_until(e->loop, &e->frames, 1);
    ck_assert_int_eq(heald_loop_close(e->loop), -EBUSY);
    heald_stream_background(&e->s, 1);
    heald_stream_background(&e->s, 1);
    ck_assert_int_eq(heald_loop_run(e->loop), 0);
    heald_stream_background(&e->s, 0);
    ck_assert_int_eq(heald_loop_close(e->loop), -EBUSY);
    ck_assert_int_eq(heald_stream_close(&e->s, on_closed), 0);
    ck_assert_int_eq(heald_loop_run(e->loop), 0);
    ck_assert_int_eq(e->closed, 1);
    end_close(e);
}

/* A proxy opens and pauses one side, connects, and pipes. */
HEALD_CASE(a_pipe_resumes)
{
    struct end *a = end_open(_i, PAIR_TCP, false, true, (struct heald_stream_options){0});
    struct heald_stream b = {.data = a};
    char buf[8];
    int fds[2];

    heald_stream_pause(&a->s);
    put(a, "early");
    turn_for(a->loop, 2 * HEALD_MS);
    pair_open(PAIR_UNIX, fds);
    ck_assert_int_eq(heald_stream_open(&b, a->loop, fds[0], &events, NULL), 0);
    ck_assert_int_eq(heald_stream_pipe(&a->s, &b), 0);
    int peer = a->peer;
    a->peer = fds[1];
    ck_assert_int_eq(peer_read(a, buf, sizeof buf), 5);
    close(fds[1]);
    a->peer = peer;
    ck_assert_int_eq(heald_stream_close(&b, on_closed), 0);
    turn_until(a->loop, &a->closed, 1);
    a->closed = 0;
    end_close(a);
}

void add_buffered(TCase *group)
{
    add_everywhere(group, portions_and_the_end);
    add_everywhere(group, lines);
    add_everywhere(group, a_header_and_a_body);
    add_everywhere(group, a_pause_keeps_everything);
    add_everywhere(group, a_frame_that_is_too_long);
    add_everywhere(group, what_is_written_arrives_in_order);
    add_everywhere(group, the_queue_is_bounded);
    add_everywhere(group, corked_writes_are_one_message);
    add_everywhere(group, half_close_and_end);
    add_on_backends(group, an_end_does_not_wait_for_ever);
    add_everywhere(group, an_end_has_a_limit);
    add_everywhere(group, an_open_stream_holds_its_loop);
    add_everywhere(group, a_pipe_resumes);
    add_on_backends(group, any_progress_counts);
    add_everywhere(group, the_peer_is_gone);
    add_everywhere(group, a_close_in_the_callback);
    add_everywhere(group, a_filter_between);
    add_everywhere(group, piped_both_ways);
    add_everywhere(group, random_splits);
    add_everywhere(group, what_an_open_refuses);
}
