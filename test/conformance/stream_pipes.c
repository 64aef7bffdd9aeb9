/* test/conformance/stream_pipes.c: much that is piped from one socket to another, which may go
 * through splice(2): all of it arrives, in order, whatever happens to either side. */
#include "conformance/conformance.h"

#include <sys/socket.h>

enum { TOTAL = 3 << 20, PART = 96 * 1024, MARK = 1000, MARK_BYTE = 0x80 };

struct pipe {
    struct heald_stream from, to;
    struct heald_loop *loop;
    int source, target; /* the other ends */
    size_t written, got, marks;
    int ends, errors, closed, err;
    unsigned seed;
};

static void on_end(struct heald_stream *s)
{
    ((struct pipe *)s->data)->ends++;
}

static void on_error(struct heald_stream *s, int err)
{
    struct pipe *p = s->data;

    p->errors++;
    p->err = err;
}

static void on_closed(struct heald_stream *s, int err)
{
    (void)err;
    ((struct pipe *)s->data)->closed++;
}

static const struct heald_stream_events events = {.end = on_end, .error = on_error};

static void pipe_open_pair(struct pipe *p, struct heald_loop *loop, enum pair_kind kind)
{
    int from[2], to[2], room = 32 * 1024;

    memset(p, 0, sizeof *p);
    pair_open(kind, from);
    pair_open(kind, to);
    /* TCP would take megabytes otherwise. */
    setsockopt(to[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    setsockopt(to[0], SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    p->loop = loop;
    p->source = from[1];
    p->target = to[0];
    p->from.data = p->to.data = p;
    p->seed = 1;
    ck_assert_int_eq(heald_stream_open(&p->from, loop, from[0], &events, NULL), 0);
    ck_assert_int_eq(heald_stream_open(&p->to, loop, to[1], &events, NULL), 0);
    ck_assert_int_eq(heald_stream_pipe(&p->from, &p->to), 0);
}

static void close_both(struct pipe *p)
{
    int more = p->closed;

    more += heald_stream_close(&p->from, on_closed) == 0;
    more += heald_stream_close(&p->to, on_closed) == 0;
    turn_until(p->loop, &p->closed, more);
    close(p->source);
    close(p->target);
}

static size_t draw(struct pipe *p, size_t most)
{
    p->seed = p->seed * 1103515245u + 12345u;
    return (p->seed >> 8) % most + 1;
}

static char byte_at(size_t n)
{
    return (char)((n * 7 + (n >> 9)) & 0x7f);
}

/* As much as there is room for, of up to `most`. */
static void feed(struct pipe *p, size_t most)
{
    static char part[PART];
    size_t len = most < TOTAL - p->written ? most : TOTAL - p->written;

    for (size_t i = 0; i < len; i++)
        part[i] = byte_at(p->written + i);
    ssize_t n = len ? send(p->source, part, len, MSG_NOSIGNAL) : 0;
    must(n >= 0 || errno == EAGAIN);
    p->written += n > 0 ? (size_t)n : 0;
}

/* What has arrived, up to `most`. Returns 0 at the end. */
static ssize_t take(struct pipe *p, size_t most)
{
    static char part[PART];
    ssize_t n = recv(p->target, part, most, 0);

    must(n >= 0 || errno == EAGAIN);
    for (ssize_t i = 0; i < n; i++)
        if ((unsigned char)part[i] == MARK_BYTE)
            p->marks++;
        else if (part[i] != byte_at(p->got++))
            ck_abort_msg("byte %zu is another", p->got - 1);
    return n;
}

static void turn(struct pipe *p)
{
    must(heald_loop_turn(p->loop, now() + HEALD_MS) >= 0);
}

static void take_to_the_end(struct pipe *p)
{
    while (take(p, PART))
        turn(p);
}

static void check_counts(const struct heald_stream *s, uint64_t received, uint64_t sent)
{
    uint64_t counts[2];

    heald_stream_counts(s, &counts[0], &counts[1]);
    ck_assert_uint_eq(counts[0], received);
    ck_assert_uint_eq(counts[1], sent);
}

/* All the rest, in random parts, then the end. */
static void pass_all(struct pipe *p)
{
    while (p->got < TOTAL) {
        feed(p, draw(p, PART));
        turn(p);
        if (draw(p, 4) > 1)
            take(p, draw(p, PART));
    }
    ck_assert_int_eq(shutdown(p->source, SHUT_WR), 0);
    take_to_the_end(p);
    ck_assert_uint_eq(p->got, TOTAL);
    check_counts(&p->from, TOTAL, 0);
    check_counts(&p->to, 0, TOTAL + p->marks);
    ck_assert_int_eq(p->ends, 1);
    ck_assert_int_eq(p->errors, 0);
}

HEALD_CASE(all_of_it_arrives)
{
    struct heald_loop *loop = loop_on(_i);
    struct pipe p;

    for (enum pair_kind kind = PAIR_TCP; kind <= PAIR_UNIX; kind++) {
        pipe_open_pair(&p, loop, kind);
        pass_all(&p);
        close_both(&p);
    }
    loop_end(loop);
}

/* Until the target takes no more, and something waits for it. */
static void fill_the_way(struct pipe *p)
{
    while (!heald_stream_queued(&p->to) && p->written < TOTAL) {
        feed(p, PART);
        turn(p);
    }
    must(heald_stream_queued(&p->to));
}

/* What the program writes itself goes in between, and in its order. */
HEALD_CASE(a_write_beside_it)
{
    struct heald_loop *loop = loop_on(_i);
    char mark[MARK];
    struct pipe p;

    memset(mark, MARK_BYTE, sizeof mark);
    for (enum pair_kind kind = PAIR_TCP; kind <= PAIR_UNIX; kind++) {
        pipe_open_pair(&p, loop, kind);
        fill_the_way(&p);
        for (int i = 0; i < 20; i++) {
            size_t before = p.got + heald_stream_queued(&p.to);
            must(heald_stream_write(&p.to, mark, sizeof mark) >= 0);
            while (p.got < before)
                take(&p, draw(&p, PART)), turn(&p);
            feed(&p, draw(&p, PART));
        }
        pass_all(&p);
        ck_assert_uint_eq(p.marks, 20 * sizeof mark);
        close_both(&p);
    }
    loop_end(loop);
}

/* What was read before the source was closed is sent. */
HEALD_CASE(the_source_is_closed)
{
    struct heald_loop *loop = loop_on(_i);
    struct pipe p;

    for (enum pair_kind kind = PAIR_TCP; kind <= PAIR_UNIX; kind++) {
        pipe_open_pair(&p, loop, kind);
        fill_the_way(&p);
        size_t queued = heald_stream_queued(&p.to);
        ck_assert_int_eq(heald_stream_close(&p.from, on_closed), 0);
        ck_assert_uint_eq(heald_stream_queued(&p.to), queued);
        ck_assert_int_eq(heald_stream_end(&p.to, on_closed), 0);
        take_to_the_end(&p);
        ck_assert_uint_ge(p.got, queued);
        ck_assert_uint_le(p.got, p.written);
        shutdown(p.target, SHUT_WR);
        turn_until(loop, &p.closed, 2);
        close_both(&p);
    }
    loop_end(loop);
}

/* Others that share a socket may change that at any time. */
HEALD_CASE(made_blocking_on_the_way)
{
    struct heald_loop *loop = loop_on(_i);
    struct pipe p;

    for (int i = 0; i < 4; i++) {
        pipe_open_pair(&p, loop, i / 2 ? PAIR_UNIX : PAIR_TCP);
        fill_the_way(&p);
        set_blocking(i % 2 ? p.from.fd : p.to.fd, true);
        pass_all(&p);
        close_both(&p);
    }
    loop_end(loop);
}

/* An error, and no signal. */
HEALD_CASE(the_target_goes)
{
    uint64_t counts[2];
    struct heald_loop *loop = loop_on(_i);
    struct pipe p;

    for (enum pair_kind kind = PAIR_TCP; kind <= PAIR_UNIX; kind++) {
        pipe_open_pair(&p, loop, kind);
        fill_the_way(&p);
        close(p.target);
        while (!p.errors) {
            feed(&p, PART);
            turn(&p);
        }
        ck_assert(p.err == -EPIPE || p.err == -ECONNRESET);
        ck_assert_uint_eq(heald_stream_queued(&p.to), 0);
        heald_stream_counts(&p.to, &counts[0], &counts[1]);
        ck_assert_uint_le(counts[1], p.written);
        p.target = dup(p.source);
        close_both(&p);
    }
    loop_end(loop);
}

/* What is small is copied, and sent within the call: nobody sees what that returns. */
HEALD_CASE(the_target_of_little_goes)
{
    struct heald_loop *loop = loop_on(_i);
    struct pipe p;

    for (enum pair_kind kind = PAIR_TCP; kind <= PAIR_UNIX; kind++) {
        pipe_open_pair(&p, loop, kind);
        feed(&p, 100);
        while (p.got < p.written) {
            turn(&p);
            take(&p, PART);
        }
        close(p.target);
        int64_t until = now() + 5 * HEALD_SEC;
        while (!p.errors) {
            ck_assert_int_lt(now(), until);
            feed(&p, 100);
            turn(&p);
        }
        for (int i = 0; i < 3; i++)
            turn(&p);
        ck_assert_int_eq(p.errors, 1);
        ck_assert(p.err == -EPIPE || p.err == -ECONNRESET);
        p.target = dup(p.source);
        close_both(&p);
    }
    loop_end(loop);
}

/* Held up by the target for a while, it goes on without it when the pipe has ended. */
HEALD_CASE(it_is_unpiped)
{
    struct heald_loop *loop = loop_on(_i);
    struct pipe p;

    for (enum pair_kind kind = PAIR_TCP; kind <= PAIR_UNIX; kind++) {
        pipe_open_pair(&p, loop, kind);
        fill_the_way(&p);
        ck_assert_int_eq(heald_stream_pipe(&p.from, NULL), 0);
        size_t queued = heald_stream_queued(&p.to);
        shutdown(p.source, SHUT_WR);
        turn_until(loop, &p.ends, 1);
        ck_assert_int_eq(heald_stream_shutdown(&p.to), 0);
        take_to_the_end(&p);
        ck_assert_uint_ge(p.got, queued);
        close_both(&p);
    }
    loop_end(loop);
}

/* Held up by one target, it goes on with another one. */
HEALD_CASE(it_is_piped_elsewhere)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_stream other = {.data = NULL};
    struct pipe p;
    int fds[2], closed = 0;
    char byte;

    for (enum pair_kind kind = PAIR_TCP; kind <= PAIR_UNIX; kind++) {
        pipe_open_pair(&p, loop, kind);
        fill_the_way(&p);
        pair_open(kind, fds);
        other.data = &p;
        ck_assert_int_eq(heald_stream_open(&other, loop, fds[1], &events, NULL), 0);
        ck_assert_int_eq(heald_stream_pipe(&p.from, &other), 0);
        int64_t until = now() + 5 * HEALD_SEC;
        while (recv(fds[0], &byte, 1, 0) != 1 && now() < until)
            feed(&p, PART), turn(&p);
        ck_assert_int_lt(now(), until);
        closed = p.closed;
        ck_assert_int_eq(heald_stream_close(&other, on_closed), 0);
        turn_until(loop, &p.closed, closed + 1);
        close(fds[0]);
        close_both(&p);
    }
    loop_end(loop);
}

void add_stream_pipes(TCase *group)
{
    add_on_backends(group, it_is_piped_elsewhere);
    add_on_backends(group, all_of_it_arrives);
    add_on_backends(group, a_write_beside_it);
    add_on_backends(group, the_source_is_closed);
    add_on_backends(group, made_blocking_on_the_way);
    add_on_backends(group, the_target_goes);
    add_on_backends(group, the_target_of_little_goes);
    add_on_backends(group, it_is_unpiped);
}
