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
 * A small portion costs more so than by a copy. So the first large one begins it, and a small one
 * ends it.
 */
#include "stream/stream.h"

#include <errno.h>
#include <poll.h>

enum { LARGE = 16 * 1024, SMALL = 4 * 1024, CHUNK = 256 * 1024 };

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
    s->flags &= ~(unsigned)STREAM_PIPED;
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

/* `out` is idle. */
void heald__splice_out(struct heald_stream *to)
{
    int64_t n = to->loop->sys->splice_now(to->fd, to->pipe[0], false, to->piped);
    int err = 0;

    if (n > 0) {
        stream_touch(to);
        to->piped -= (size_t)n;
    } else if (n == SYS_ELSEWHERE || n == -EINVAL || n == -ENOMEM) {
        err = into_queue(to);
    } else if (n != -EAGAIN && n != -EINTR) {
        err = n < 0 ? (int)n : -EIO;
    }
    to->flags = (to->flags & ~(unsigned)STREAM_PIPED) | (to->piped ? STREAM_PIPED : 0);
    if (err)
        heald__stream_fail(to, err);
    else if (to->piped)
        await_room(to);
}

static void on_writable(struct heald_op *op)
{
    struct heald_stream *to = heald_container_of(op, struct heald_stream, out);

    if (to->flags & STREAM_CLOSING) {
        heald__stream_op_ended(to);
    } else if (op->result < 0) {
        heald__stream_fail(to, (int)op->result);
    } else {
        if (to->piped)
            heald__splice_out(to);
        if (!to->piped && !(to->flags & STREAM_FAILED))
            heald__stream_sent(to);
    }
}

/* A portion, from one socket to the other. False: there is none. */
static bool pass(struct heald_stream *s)
{
    struct heald_stream *to = s->sink;
    int64_t n = s->loop->sys->splice_now(s->fd, to->pipe[1], true, CHUNK);

    if (n <= 0)
        return false;
    stream_touch(s);
    s->received += (size_t)n;
    to->written += (size_t)n;
    to->piped += (size_t)n;
    if (n < SMALL)
        s->flags &= ~(unsigned)STREAM_BULK;
    heald__splice_out(to);
    if (to->piped) {
        hold_up_until_sent(s);
    } else {
        if (n < SMALL)
            heald__splice_close(to);
        if (to->queue.len) /* splice(2) did not do it */
            heald__stream_start_out(to);
    }
    return true;
}

static void on_readable(struct heald_op *op)
{
    struct heald_stream *s = heald_container_of(op, struct heald_stream, in);

    if (s->flags & STREAM_CLOSING) {
        heald__stream_op_ended(s);
        return;
    }
    bool may_pass = stream_reads(s) && suits(s) && is_clear(s->sink);
    if (op->result < 0 || (may_pass && !pass(s)))
        s->flags &= ~(unsigned)STREAM_BULK;
    heald__stream_start_in(s);
}
