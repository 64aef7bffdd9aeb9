/*
 * test/conformance/filters.c: filters that wait for the peer before they send, as TLS does.
 *
 * The filter of the cases shakes hands: it holds what the program writes until an 'H' has arrived.
 * Then each byte is sent twice. '.' is the end, both ways; any other first byte is an error.
 */
#include "conformance/conformance.h"

#include <sys/socket.h>

struct side {
    struct heald_stream s;
    struct heald_loop *loop;
    bool shaken, over;
    char held[64];
    size_t held_len;
    char got[64];
    size_t len;
    int ends, drains, errors, err, freed, closed, closed_err, peer;
};

static struct side *side_of(struct heald_stream *s)
{
    return heald_container_of(s, struct side, s);
}

static int send_twice(struct side *e, const char *data, size_t len)
{
    char buf[256];

    must(2 * len <= sizeof buf);
    for (size_t i = 0; i < 2 * len; i++)
        buf[i] = data[i / 2];
    return heald_stream_send(&e->s, buf, 2 * len);
}

static void send_end(struct side *e)
{
    heald_stream_send(&e->s, ".", 1);
    heald_stream_send(&e->s, NULL, 0);
}

static void shake(struct side *e)
{
    e->shaken = true;
    send_twice(e, e->held, e->held_len);
    e->held_len = 0;
    if (e->over)
        send_end(e);
}

static void input(struct heald_stream *s, char *data, size_t len)
{
    struct side *e = side_of(s);

    for (size_t i = 0; i < len; i++) {
        if (!e->shaken && data[i] != 'H') {
            heald_stream_fail(s, -EPROTO);
            return;
        }
        if (!e->shaken)
            shake(e);
        else if (data[i] == '.')
            heald_stream_feed(s, NULL, 0);
        else
            heald_stream_feed(s, data + i, 1);
    }
    if (!data)
        heald_stream_feed(s, NULL, 0);
}

static int output(struct heald_stream *s, const char *data, size_t len)
{
    struct side *e = side_of(s);

    if (e->shaken && data)
        return send_twice(e, data, len);
    if (e->shaken) {
        send_end(e);
        return 0;
    }
    e->over |= !data;
    must(e->held_len + len <= sizeof e->held);
    if (data)
        memcpy(e->held + e->held_len, data, len);
    e->held_len += len;
    return e->held_len > 8;
}

static void freed(struct heald_stream *s)
{
    must(!side_of(s)->closed);
    side_of(s)->freed++;
}

static const struct heald_stream_filter filter = {input, output, freed};

static void on_data(struct heald_stream *s, char *data, size_t len)
{
    struct side *e = side_of(s);

    must(e->len + len <= sizeof e->got);
    memcpy(e->got + e->len, data, len);
    e->len += len;
}

static void on_end(struct heald_stream *s)
{
    side_of(s)->ends++;
}

static void on_drain(struct heald_stream *s)
{
    side_of(s)->drains++;
}

static void on_error(struct heald_stream *s, int err)
{
    side_of(s)->errors++;
    side_of(s)->err = err;
}

static void on_closed(struct heald_stream *s, int err)
{
    side_of(s)->closed++;
    side_of(s)->closed_err = err;
}

static const struct heald_stream_events events = {on_data, on_end, on_drain, on_error};

static struct side *side_open(struct heald_loop *loop, struct heald_stream_options options)
{
    struct side *e = calloc(1, sizeof *e);
    int fds[2];

    options.filter = &filter;
    pair_open(PAIR_UNIX, fds);
    e->loop = loop;
    e->peer = fds[1];
    ck_assert_int_eq(heald_stream_open(&e->s, loop, fds[0], &events, &options), 0);
    return e;
}

static void side_close(struct side *e)
{
    if (!e->closed && e->s.loop) {
        heald_stream_close(&e->s, on_closed);
        turn_until(e->loop, &e->closed, 1);
    }
    ck_assert_int_eq(e->freed, 1);
    if (e->peer >= 0)
        close(e->peer);
    loop_end(e->loop);
    free(e);
}

static void put(struct side *e, const char *text)
{
    ck_assert_int_eq(write(e->peer, text, strlen(text)), (ssize_t)strlen(text));
}

/* The peer gets this, while the loop runs. */
static void expect(struct side *e, const char *text)
{
    size_t len = strlen(text), got = 0;
    int64_t until = now() + 5 * HEALD_SEC;
    char buf[256];

    while (got < len && now() < until) {
        must(heald_loop_turn(e->loop, now() + HEALD_MS) >= 0);
        ssize_t n = recv(e->peer, buf + got, len - got, MSG_DONTWAIT);
        got += n > 0 ? (size_t)n : 0;
    }
    ck_assert_uint_eq(got, len);
    ck_assert_int_eq(memcmp(buf, text, len), 0);
}

static void expect_end(struct side *e)
{
    int64_t until = now() + 5 * HEALD_SEC;
    ssize_t n = -1;
    char c;

    while (n < 0 && now() < until) {
        must(heald_loop_turn(e->loop, now() + HEALD_MS) >= 0);
        n = recv(e->peer, &c, 1, MSG_DONTWAIT);
    }
    ck_assert_int_eq(n, 0);
}

HEALD_CASE(what_is_held_is_drained)
{
    struct side *e = side_open(loop_on(_i), (struct heald_stream_options){0});

    ck_assert_int_eq(heald_stream_write(&e->s, "12345", 5), 0);
    ck_assert_int_eq(heald_stream_write(&e->s, "", 0), 0);
    ck_assert_int_eq(heald_stream_write(&e->s, "67890", 5), 1);
    turn_for(e->loop, 2 * HEALD_MS);
    ck_assert_int_eq(e->drains, 0);
    put(e, "H");
    expect(e, "11223344556677889900");
    turn_until(e->loop, &e->drains, 1);
    ck_assert_int_eq(heald_stream_write(&e->s, "a", 1), 0);
    expect(e, "aa");
    ck_assert_int_eq(e->drains, 1);
    side_close(e);
}

HEALD_CASE(a_half_close_that_is_held)
{
    struct side *e = side_open(loop_on(_i), (struct heald_stream_options){0});

    heald_stream_write(&e->s, "abc", 3);
    ck_assert_int_eq(heald_stream_shutdown(&e->s), 0);
    ck_assert_int_eq(heald_stream_shutdown(&e->s), -EPIPE);
    ck_assert_int_eq(heald_stream_write(&e->s, "d", 1), -EPIPE);
    put(e, "Hxy");
    expect(e, "aabbcc.");
    expect_end(e);
    ck_assert_int_eq(heald_stream_write(&e->s, "d", 1), -EPIPE);
    put(e, "z.");
    turn_until(e->loop, &e->ends, 1);
    ck_assert_uint_eq(e->len, 3);
    ck_assert_int_eq(memcmp(e->got, "xyz", 3), 0);
    close(e->peer);
    e->peer = -1;
    turn_for(e->loop, 2 * HEALD_MS);
    ck_assert_int_eq(e->ends, 1);
    side_close(e);
}

HEALD_CASE(an_end_waits_for_the_filter)
{
    for (int shutdown_before = 0; shutdown_before < 2; shutdown_before++) {
        struct side *e = side_open(loop_on(_i), (struct heald_stream_options){0});

        heald_stream_write(&e->s, "abc", 3);
        if (shutdown_before)
            heald_stream_shutdown(&e->s);
        ck_assert_int_eq(heald_stream_end(&e->s, on_closed), 0);
        ck_assert_int_eq(heald_stream_write(&e->s, "d", 1), -EPIPE);
        turn_for(e->loop, 2 * HEALD_MS);
        ck_assert_int_eq(e->closed, 0);
        put(e, "Hignored");
        expect(e, "aabbcc.");
        expect_end(e);
        close(e->peer);
        e->peer = -1;
        turn_until(e->loop, &e->closed, 1);
        ck_assert_int_eq(e->closed_err, 0);
        ck_assert_uint_eq(e->len, 0);
        side_close(e);
    }
}

/* The peer ends, sends garbage, or does nothing, before the filter could send. */
HEALD_CASE(an_end_whose_filter_cannot)
{
    static const int errs[] = {-EPIPE, -EPROTO, -ETIMEDOUT};

    for (int i = 0; i < 3; i++) {
        struct side *e =
            side_open(loop_on(_i), (struct heald_stream_options){.end_ns = 50 * HEALD_MS});

        heald_stream_write(&e->s, "abc", 3);
        ck_assert_int_eq(heald_stream_end(&e->s, on_closed), 0);
        if (i == 0)
            ck_assert_int_eq(shutdown(e->peer, SHUT_WR), 0);
        else if (i == 1)
            put(e, "garbage");
        turn_until(e->loop, &e->closed, 1);
        ck_assert_int_eq(e->closed_err, errs[i]);
        ck_assert_int_eq(e->errors, 0);
        side_close(e);
    }
}

HEALD_CASE(a_filter_fails_the_stream)
{
    struct side *e = side_open(loop_on(_i), (struct heald_stream_options){0});

    put(e, "garbage");
    turn_until(e->loop, &e->errors, 1);
    ck_assert_int_eq(e->err, -EPROTO);
    ck_assert_int_eq(heald_stream_send(&e->s, "bye", 3), 0);
    ck_assert_int_eq(heald_stream_end(&e->s, on_closed), 0);
    expect(e, "bye");
    expect_end(e);
    close(e->peer);
    e->peer = -1;
    turn_until(e->loop, &e->closed, 1);
    ck_assert_int_eq(e->errors, 1);
    side_close(e);
}

/* What the filter sends for itself fails: the program is notified by `error`, once. */
HEALD_CASE(a_send_of_the_filter_fails)
{
    struct side *e = side_open(loop_on(_i), (struct heald_stream_options){0});

    heald_stream_write(&e->s, "abc", 3);
    put(e, "H");
    close(e->peer);
    e->peer = -1;
    turn_until(e->loop, &e->errors, 1);
    ck_assert(e->err == -EPIPE || e->err == -ECONNRESET);
    turn_for(e->loop, 2 * HEALD_MS);
    ck_assert_int_eq(e->errors, 1);
    side_close(e);
}

/* The same while the stream ends: it is closed. */
HEALD_CASE(an_end_that_cannot_be_sent)
{
    for (int shaken = 0; shaken < 2; shaken++) {
        struct side *e = side_open(loop_on(_i), (struct heald_stream_options){0});

        e->shaken = shaken;
        heald_stream_pause(&e->s);
        if (!shaken) {
            heald_stream_write(&e->s, "abc", 3);
            put(e, "H");
        }
        close(e->peer);
        e->peer = -1;
        ck_assert_int_eq(heald_stream_end(&e->s, on_closed), 0);
        turn_until(e->loop, &e->closed, 1);
        ck_assert(e->closed_err == -EPIPE || e->closed_err == -ECONNRESET);
        ck_assert_int_eq(e->errors, 0);
        side_close(e);
    }
}

/* One that is idle before its filter could send is closed at once. */
HEALD_CASE(a_peer_that_never_answers)
{
    struct side *e =
        side_open(loop_on(_i), (struct heald_stream_options){.idle_ns = 20 * HEALD_MS});
    int64_t before = now();

    heald_stream_write(&e->s, "abc", 3);
    turn_until(e->loop, &e->errors, 1);
    ck_assert_int_eq(e->err, -ETIMEDOUT);
    ck_assert_int_eq(heald_stream_end(&e->s, on_closed), 0);
    expect_end(e);
    close(e->peer);
    e->peer = -1;
    turn_until(e->loop, &e->closed, 1);
    ck_assert_int_eq(e->closed_err, -EPIPE);
    ck_assert_int_lt(now() - before, 30 * HEALD_SEC);
    side_close(e);
}

HEALD_CASE(the_limit_is_before_the_filter)
{
    struct side *e =
        side_open(loop_on(_i), (struct heald_stream_options){.high = 10, .low = 1, .max = 20});

    put(e, "H");
    while (!e->shaken)
        must(heald_loop_turn(e->loop, now() + HEALD_MS) >= 0);
    heald_stream_cork(&e->s);
    ck_assert_int_eq(heald_stream_write(&e->s, "123456789012345", 15), 1);
    ck_assert_uint_eq(heald_stream_queued(&e->s), 30);
    ck_assert_int_eq(heald_stream_write(&e->s, "1", 1), -ENOBUFS);
    heald_stream_uncork(&e->s);
    expect(e, "112233445566778899001122334455");
    turn_until(e->loop, &e->drains, 1);
    side_close(e);
}

HEALD_CASE(piped_through_a_filter)
{
    struct side *e = side_open(loop_on(_i), (struct heald_stream_options){0});
    struct side from = {.loop = e->loop};
    int fds[2];

    pair_open(PAIR_UNIX, fds);
    ck_assert_int_eq(heald_stream_open(&from.s, e->loop, fds[0], &events, NULL), 0);
    ck_assert_int_eq(heald_stream_pipe(&from.s, &e->s), 0);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(write(fds[1], "12345", 5), 5);
        turn_for(e->loop, 2 * HEALD_MS);
        ck_assert_uint_le(e->held_len, 10); /* it is held up */
    }
    ck_assert_int_eq(shutdown(fds[1], SHUT_WR), 0);
    put(e, "H");
    expect(e, "1122334455112233445511223344551122334455.");
    expect_end(e);
    heald_stream_close(&from.s, on_closed);
    turn_until(e->loop, &from.closed, 1);
    close(fds[1]);
    side_close(e);
}

/* Each byte is answered by a hundred. */
static void answer(struct heald_stream *s, char *data, size_t len)
{
    static const char answers[100];

    if (!data)
        heald_stream_feed(s, NULL, 0);
    for (size_t i = 0; i < len; i++)
        if (heald_stream_send(s, answers, sizeof answers) < 0)
            return;
}

/* A peer that asks and does not read ends its stream, and does not take the memory. */
HEALD_CASE(a_peer_that_only_asks)
{
    static const struct heald_stream_filter answers = {.input = answer};
    const struct heald_stream_options options = {
        .filter = &answers, .high = 1024, .low = 512, .max = 4096};
    struct heald_loop *loop = loop_on(_i);
    struct side e = {.loop = loop};
    char asks[100] = {0};
    int fds[2];

    pair_open(PAIR_UNIX, fds);
    ck_assert_int_eq(heald_stream_open(&e.s, loop, fds[0], &events, &options), 0);
    while (!e.errors) {
        must(send(fds[1], asks, sizeof asks, MSG_NOSIGNAL) > 0 || errno == EAGAIN);
        must(heald_loop_turn(loop, now() + HEALD_MS) >= 0);
        must(heald_stream_queued(&e.s) < 32 * 1024);
    }
    ck_assert_int_eq(e.err, -ENOBUFS);
    ck_assert_int_eq(heald_stream_close(&e.s, on_closed), 0);
    turn_until(loop, &e.closed, 1);
    close(fds[1]);
    loop_end(loop);
}

void add_filters(TCase *group)
{
    add_on_backends(group, a_peer_that_only_asks);
    add_on_backends(group, what_is_held_is_drained);
    add_on_backends(group, a_half_close_that_is_held);
    add_on_backends(group, an_end_waits_for_the_filter);
    add_on_backends(group, an_end_whose_filter_cannot);
    add_on_backends(group, a_filter_fails_the_stream);
    add_on_backends(group, a_send_of_the_filter_fails);
    add_on_backends(group, an_end_that_cannot_be_sent);
    add_on_backends(group, a_peer_that_never_answers);
    add_on_backends(group, the_limit_is_before_the_filter);
    add_on_backends(group, piped_through_a_filter);
}
