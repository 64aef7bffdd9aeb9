/*
 * stream/output.c: queues what is written, and sends it. The loop's thread.
 *
 * `spare` holds what `out` is sending and stays where it is; what is written meanwhile is gathered
 * in `queue`, and the two are exchanged when all is sent.
 */
#include "stream/stream.h"

#include <errno.h>
#include <sys/socket.h>

/* A buffer that has grown larger is freed when it is empty. */
enum { BUFFER_KEPT = 64 * 1024 };

size_t heald_stream_queued(const struct heald_stream *s)
{
    size_t sending = stream_is_pending(&s->out) ? s->sending.len - s->sending.done : 0;

    return s->queue.len + sending;
}

static void on_out(struct heald_op *op);

static void submit(struct heald_stream *s)
{
    int err = heald_submit(s->loop, &s->out, on_out);

    if (err)
        heald__stream_fail(s, err);
}

static void send_queue(struct heald_stream *s)
{
    struct heald_stream_buffer full = s->queue;

    s->queue = s->spare;
    s->spare = full;
    s->sending = (struct heald_transfer){.buf = full.data, .len = full.len};
    if (s->flags & STREAM_SOCKET)
        heald_prep_send_all(&s->out, s->fd, &s->sending, 0);
    else
        heald_prep_write_all(&s->out, s->fd, &s->sending, HEALD_NO_OFFSET);
    submit(s);
}

void heald__stream_start_out(struct heald_stream *s)
{
    if (stream_is_pending(&s->out) || s->flags & (STREAM_CLOSING | STREAM_FAILED))
        return;
    if (s->queue.len) {
        if (!(s->flags & STREAM_CORKED) || s->flags & STREAM_SHUT)
            send_queue(s);
    } else if (s->flags & STREAM_SHUT && s->flags & STREAM_SOCKET &&
               !(s->flags & STREAM_SHUT_SENT)) {
        s->flags |= STREAM_SHUT_SENT;
        s->sending = (struct heald_transfer){0};
        heald_prep_shutdown(&s->out, s->fd, SHUT_WR);
        submit(s);
    } else if (s->flags & STREAM_ENDING) {
        heald__stream_linger(s);
    }
}

void heald__stream_tell_flushed(struct heald_stream *s, int err)
{
    void (*fn)(struct heald_stream * stream, int err) = s->flushed;

    s->flushed = NULL;
    if (fn)
        fn(s, err);
}

static void tell_drained(struct heald_stream *s)
{
    if (!(s->flags & STREAM_ABOVE) || heald_stream_queued(s) > s->options.low)
        return;
    s->flags &= ~(unsigned)STREAM_ABOVE;
    if (s->source)
        heald_stream_resume(s->source);
    else if (s->events->drain)
        s->events->drain(s);
}

static void sent(struct heald_stream *s)
{
    stream_touch(s);
    s->spare.len = 0;
    s->sending = (struct heald_transfer){0};
    if (s->spare.size > BUFFER_KEPT)
        heald__buffer_free(&s->spare, &s->loop->alloc);
    heald__stream_start_out(s);
    if (!heald_stream_queued(s))
        heald__stream_tell_flushed(s, 0);
    if (!(s->flags & (STREAM_CLOSING | STREAM_FAILED)))
        tell_drained(s);
}

static void on_out(struct heald_op *op)
{
    struct heald_stream *s = heald_container_of(op, struct heald_stream, out);

    if (s->flags & STREAM_CLOSING)
        heald__stream_op_ended(s);
    else if (op->result < 0 && !(s->flags & STREAM_SHUT_SENT && op->result == -ENOTCONN))
        heald__stream_fail(s, (int)op->result);
    else
        sent(s);
}

/* A ring sends what was gathered with the next turn; elsewhere a send is a call, now or later. */
static bool sends_now(const struct heald_stream *s)
{
    return s->flags & STREAM_SOCKET && !(s->flags & STREAM_CORKED) && !s->queue.len &&
           !s->loop->backend.ops->submit && !stream_is_pending(&s->out);
}

/* The stream has failed, and the call returns why. */
static int fail_call(struct heald_stream *s, int err)
{
    s->flags |= STREAM_ERROR_TOLD;
    heald__stream_fail(s, err);
    return err;
}

static int queue_rest(struct heald_stream *s, const char *data, size_t len)
{
    if (len && heald__buffer_append(&s->queue, &s->loop->alloc, data, len))
        return fail_call(s, -ENOMEM);
    heald__stream_start_out(s);
    if (s->flags & STREAM_FAILED)
        return s->err;
    if (heald_stream_queued(s) <= s->options.high)
        return 0;
    s->flags |= STREAM_ABOVE;
    return 1;
}

int heald_stream_send(struct heald_stream *s, const void *data, size_t len)
{
    int64_t n = 0;

    if (s->flags & STREAM_FAILED)
        return s->err;
    if (s->flags & (STREAM_SHUT | STREAM_CLOSING))
        return -EPIPE;
    if (len > s->options.max - heald_stream_queued(s))
        return -ENOBUFS;
    if (len && sends_now(s)) {
        n = heald_try_send(s->loop, s->fd, data, len, 0);
        if (n < 0 && n != -EAGAIN)
            return fail_call(s, (int)n);
        n = n > 0 ? n : 0;
        if (n)
            stream_touch(s);
        if ((size_t)n == len)
            return 0;
    }
    return queue_rest(s, (const char *)data + n, len - (size_t)n);
}

int heald_stream_write(struct heald_stream *s, const void *data, size_t len)
{
    const struct heald_stream_filter *f = s->options.filter;

    return f && f->output ? f->output(s, data, len) : heald_stream_send(s, data, len);
}

void heald_stream_cork(struct heald_stream *s)
{
    s->flags |= STREAM_CORKED;
}

void heald_stream_uncork(struct heald_stream *s)
{
    s->flags &= ~(unsigned)STREAM_CORKED;
    heald__stream_start_out(s);
}

int heald_stream_flush(struct heald_stream *s, void (*fn)(struct heald_stream *stream, int err))
{
    if (!heald_stream_queued(s) || s->flags & (STREAM_CLOSING | STREAM_FAILED))
        return 1;
    if (s->flushed)
        return -EBUSY;
    s->flushed = fn;
    return 0;
}

int heald_stream_shutdown(struct heald_stream *s)
{
    if (s->flags & STREAM_FAILED)
        return s->err;
    if (!(s->flags & STREAM_SOCKET))
        return -ENOTSOCK;
    if (s->flags & (STREAM_SHUT | STREAM_CLOSING))
        return -EPIPE;
    s->flags |= STREAM_SHUT;
    heald__stream_start_out(s);
    return 0;
}
