/*
 * stream/splice.c: where much is piped from one socket to another it does not pass through this
 * process: splice(2) moves it into a pipe and out of it. The loop's thread.
 *
 * The pipe is the writing stream's, as its queue is: what is in it was read, and is sent whatever
 * becomes of the stream that it came from. It goes out before the queue. Nothing is moved into it
 * while there is a queue or a send is pending, so that the order is kept.
 *
 * `in` polls instead of receiving then, and `out` polls where the peer takes no more. All that is
 * no data (the end, an error, a socket that others have made blocking) is left to the usual
 * receive.
 *
 * SIGPIPE is blocked meanwhile, which costs as much for one portion as for many. So a stream with
 * something to pass on is put into a list of the loop, and `in` is posted, to be called back after
 * what is due. The first of these callbacks passes on for all that are in the list, by one call, in
 * which no callback runs, and notes what came of it; the rest is each one's own callback.
 *
 * A small portion costs more so than by a copy. So the first large one begins it, and a small one
 * ends it.
 */
#include "stream/stream.h"

#include "base/list.h"

#include <errno.h>
#include <poll.h>

enum { LARGE = 16 * 1024, SMALL = 4 * 1024, CHUNK = 256 * 1024, BATCH = 32 };

void heald__splice_note(struct heald_stream *s, size_t len)
{
    if (len >= LARGE)
        s->flags |= STREAM_BULK;
}

void heald__splice_close(struct heald_stream *s)
{
    if (s->pipe[1] > 0) {
        s->loop->sys->close(s->pipe[0]);
        s->loop->sys->close(s->pipe[1]);
    }
    s->pipe[0] = s->pipe[1] = 0;
    s->piped = 0;
}

static bool has_pipe(struct heald_stream *s)
{
    if (s->pipe[1] <= 0 && s->loop->sys->pipe_open(s->pipe)) {
        s->pipe[0] = s->pipe[1] = 0;
        s->flags |= STREAM_NO_SPLICE;
    }
    return s->pipe[1] > 0;
}

/* Whatever the writing stream is doing now. */
static bool suits(const struct heald_stream *s)
{
    const struct heald_stream *to = s->sink;
    const unsigned both = s->flags | (to ? to->flags : 0);

    return to && s->flags & STREAM_BULK && s->flags & to->flags & STREAM_SOCKET &&
           !(both & STREAM_NO_SPLICE) && !s->options.filter && !to->options.filter &&
           s->delimiter == NO_DELIMITER && !s->frame && !s->unread.len &&
           !(to->flags & (STREAM_CORKED | STREAM_SHUT | STREAM_CLOSING | STREAM_FAILED));
}

static bool is_clear(const struct heald_stream *to)
{
    return !to->queue.len && !to->piped && !stream_is_pending(&to->out);
}

static void hold_up_until_sent(struct heald_stream *s)
{
    s->sink->flags |= STREAM_ABOVE;
    heald__stream_hold_up(s);
}

static void on_readable(struct heald_op *op);

bool heald__splice_start_in(struct heald_stream *s)
{
    if (!suits(s) || !has_pipe(s->sink))
        return false;
    if (!is_clear(s->sink)) {
        hold_up_until_sent(s);
        heald__stream_await_out(s->sink);
        return true;
    }
    s->flags &= ~(unsigned)STREAM_IN_READY;
    heald_prep_poll(&s->in, s->fd, POLLIN);
    return heald_submit(s->loop, &s->in, on_readable) == 0;
}

/* Out of the pipe into the queue, before what lies there. */
static int into_queue(struct heald_stream *to)
{
    const struct heald_allocator *a = &to->loop->alloc;
    struct heald_stream_buffer queue = {0};
    char data[4096];
    int err = 0;

    while (!err && to->piped) {
        struct iovec iov = {.iov_base = data, .iov_len = sizeof data};
        int64_t n = to->loop->sys->preadv(to->pipe[0], &iov, 1, -1);
        if (n > 0) {
            err = heald__buffer_append(&queue, a, data, (size_t)n);
            to->piped -= (size_t)n;
        } else if (n != -EINTR) {
            err = n < 0 ? (int)n : -EIO;
        }
    }
    if (!err && to->queue.len)
        err = heald__buffer_append(&queue, a, to->queue.data, to->queue.len);
    heald__buffer_free(&to->queue, a);
    to->queue = queue;
    to->flags |= STREAM_NO_SPLICE;
    return err;
}

static void on_writable(struct heald_op *op);

static void await_room(struct heald_stream *to)
{
    heald_op_notify_callback(&to->out);
    to->sending = (struct heald_transfer){0};
    heald_prep_poll(&to->out, to->fd, POLLOUT);
    int err = heald_submit(to->loop, &to->out, on_writable);
    if (err)
        heald__stream_fail(to, err);
}

/* What a try has left in the pipe, and why. `out` is idle. */
static void see_to_rest(struct heald_stream *to, int64_t n)
{
    int err = 0;

    if (n == SYS_ELSEWHERE || n == -EINVAL || n == -ENOMEM)
        err = into_queue(to);
    else if (n <= 0 && n != -EAGAIN && n != -EINTR)
        err = n < 0 ? (int)n : -EIO;
    if (err)
        heald__stream_fail(to, err);
    else if (to->piped)
        await_room(to);
    else
        heald__stream_sent(to);
}

static void on_writable(struct heald_op *op)
{
    struct heald_stream *to = heald_container_of(op, struct heald_stream, out);
    struct heald_splice v = {.from = -1, .to = to->fd, .pipe[0] = to->pipe[0], .piped = to->piped};

    if (to->flags & STREAM_CLOSING) {
        heald__stream_op_ended(to);
    } else if (op->result < 0) {
        heald__stream_fail(to, (int)op->result);
    } else if (!(to->flags & STREAM_FAILED)) {
        to->loop->sys->splice(&v, 1);
        if (v.out > 0)
            stream_touch(to);
        to->piped = v.piped;
        see_to_rest(to, v.out);
    }
}

/* Not all has been sent. */
static void on_rest(struct heald_op *op)
{
    struct heald_stream *to = heald_container_of(op, struct heald_stream, out);

    if (to->flags & STREAM_CLOSING)
        heald__stream_op_ended(to);
    else if (!(to->flags & STREAM_FAILED))
        see_to_rest(to, op->result);
}

/* What came of a portion. No callback runs. */
static void note(struct heald_stream *s, const struct heald_splice *v)
{
    struct heald_stream *to = s->sink;

    if (v->in < SMALL)
        s->flags &= ~(unsigned)STREAM_BULK;
    if (v->in <= 0)
        return;
    stream_touch(s);
    if (v->out > 0)
        stream_touch(to);
    s->received += (size_t)v->in;
    to->written += (size_t)v->in;
    to->piped = v->piped;
    if (to->piped) {
        hold_up_until_sent(s);
        to->sending = (struct heald_transfer){0};
        heald_op_notify_callback(&to->out);
        heald__post_here(to->loop, &to->out, on_rest);
        to->out.result = v->out;
    } else if (v->in < SMALL) {
        heald__splice_close(to);
    }
}

/* A portion for each of those that are in the list. */
static void pass(struct heald_loop *loop)
{
    struct heald_stream *streams[BATCH];
    struct heald_splice v[BATCH];
    unsigned count = 0;

    for (struct heald_link *link; count < BATCH && (link = list_pop(&loop->piped));) {
        struct heald_op *in = heald_container_of(link, struct heald_op, link);
        struct heald_stream *s = heald_container_of(in, struct heald_stream, in), *to = s->sink;
        if (!stream_reads(s) || !suits(s) || !is_clear(to) || !has_pipe(to))
            continue;
        streams[count] = s;
        v[count++] = (struct heald_splice){
            .from = s->fd, .to = to->fd, .pipe = {to->pipe[0], to->pipe[1]}, .len = CHUNK};
    }
    loop->sys->splice(v, count);
    for (unsigned i = 0; i < count; i++)
        note(streams[i], &v[i]);
}

static void on_turn(struct heald_op *op)
{
    struct heald_stream *s = heald_container_of(op, struct heald_stream, in);

    while (list_linked(&op->link))
        pass(s->loop);
    if (s->flags & STREAM_CLOSING)
        heald__stream_op_ended(s);
    else
        heald__stream_start_in(s);
}

static void on_readable(struct heald_op *op)
{
    struct heald_stream *s = heald_container_of(op, struct heald_stream, in);

    if (s->flags & STREAM_CLOSING) {
        heald__stream_op_ended(s);
    } else if (op->result < 0) {
        s->flags &= ~(unsigned)STREAM_BULK;
        heald__stream_start_in(s);
    } else {
        list_push(&s->loop->piped, &op->link);
        heald__post_here(s->loop, op, on_turn);
    }
}
