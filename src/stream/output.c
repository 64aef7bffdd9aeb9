/*
 * stream/output.c: queues what is written, and sends it. The loop's thread.
 *
 * `spare` holds what `out` is sending and stays where it is; what is written meanwhile is gathered
 * in `queue`, and the two are exchanged when all is sent.
 *
 * In a ring nobody waits for the end of the usual send: it completes in silence, so that it and the
 * receive that follows are one system call. Who does wait asks for a callback by a cancel, which
 * such a send cannot be hurt by: it brings what has been sent.
 */
#include "stream/stream.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* A buffer that has grown larger is freed when it is empty. */
enum { BUFFER_KEPT = 64 * 1024 };

size_t heald_stream_queued(const struct heald_stream *s)
{
    size_t sending = stream_is_pending(&s->out) ? s->sending.len - s->sending.done : 0;

    return s->queue.len + s->piped + sending;
}

void heald_stream_counts(const struct heald_stream *s, uint64_t *ret_received, uint64_t *ret_sent)
{
    *ret_received = s->received;
    /* What was lost by a failure has been taken out of it. */
    *ret_sent = s->flags & STREAM_FAILED ? s->written : s->written - heald_stream_queued(s);
}

static void on_out(struct heald_op *op);
static void on_quiet(struct heald_op *op);

static void submit(struct heald_stream *s, heald_fn *fn)
{
    int err = heald_submit(s->loop, &s->out, fn);

    if (err < 0)
        heald__stream_fail(s, err);
}

/* Does something happen when all is sent? */
static bool is_awaited(const struct heald_stream *s)
{
    return s->flushed || s->flags & (STREAM_ABOVE | STREAM_SHUT | STREAM_ENDING);
}

/* Where progress must be seen, on a ring, it is sent in parts. */
static void send_all(struct heald_stream *s)
{
    heald_op_notify_callback(&s->out);
    if (s->flags & STREAM_RING && s->options.idle_ns && !(s->flags & STREAM_ENDING)) {
        heald_prep_send(&s->out, s->fd, s->sending.buf, s->sending.len, 0);
        submit(s, on_quiet);
        return;
    }
    if (s->flags & STREAM_SOCKET)
        heald_prep_send_all(&s->out, s->fd, &s->sending, 0);
    else
        heald_prep_write_all(&s->out, s->fd, &s->sending, HEALD_NO_OFFSET);
    submit(s, on_out);
}

/* What is in `spare`. It does not wait: it makes progress, or is no such send. */
static void send_quietly(struct heald_stream *s)
{
    stream_touch(s);
    s->out.notify = OP_NOTIFY_DEFERRED;
    heald_prep_send(&s->out, s->fd, s->spare.data, s->spare.len, 0);
    submit(s, on_quiet);
}

static void send_queue(struct heald_stream *s)
{
    struct heald_stream_buffer full = s->queue;

    s->queue = s->spare;
    s->queue.len = 0;
    s->spare = full;
    s->sending = (struct heald_transfer){.buf = full.data, .len = full.len};
    if (!(s->flags & STREAM_RING) || is_awaited(s) || full.len > HEALD_MAX_LEN)
        send_all(s);
    else
        send_quietly(s);
}

/* A send that was to complete in silence was short, or is awaited after all. */
static void on_quiet(struct heald_op *op)
{
    struct heald_stream *s = heald_container_of(op, struct heald_stream, out);
    size_t done = op->result > 0 ? (size_t)op->result : 0, len = s->sending.len;

    if (s->flags & (STREAM_CLOSING | STREAM_FAILED) || done == len ||
        (op->result < 0 && op->result != -ECANCELED)) {
        on_out(op);
        return;
    }
    if (done)
        stream_touch(s);
    s->sending = (struct heald_transfer){.buf = (char *)s->sending.buf + done, .len = len - done};
    send_all(s);
}

/* From now on something happens when all is sent. */
static void await_out(struct heald_stream *s)
{
    if (s->out.notify == OP_NOTIFY_DEFERRED && stream_is_pending(&s->out))
        heald_cancel(&s->out);
}

void heald__stream_start_out(struct heald_stream *s)
{
    if (s->flags & (STREAM_CLOSING | STREAM_FAILED))
        return;
    if (stream_is_pending(&s->out)) {
        /* What is behind a send that completes in silence waits for its end. */
        if (s->queue.len && !(s->flags & STREAM_CORKED))
            await_out(s);
        return;
    }
    if (s->queue.len) {
        if (!(s->flags & STREAM_CORKED) || s->flags & STREAM_SHUT)
            send_queue(s);
    } else if (s->flags & STREAM_SHUT && s->flags & STREAM_SOCKET &&
               !(s->flags & STREAM_SHUT_SENT)) {
        s->flags |= STREAM_SHUT_SENT;
        s->sending = (struct heald_transfer){0};
        heald_op_notify_callback(&s->out);
        heald_prep_shutdown(&s->out, s->fd, SHUT_WR);
        submit(s, on_out);
    } else if (s->flags & STREAM_ENDING && s->flags & STREAM_SHUT) {
        heald__stream_linger(s);
    }
}

void heald__stream_await_out(struct heald_stream *s)
{
    await_out(s);
    heald__stream_start_out(s);
}

/* Nothing more is sent but what is queued. */
static void shut(struct heald_stream *s)
{
    s->flags |= STREAM_SHUT;
    heald__stream_await_out(s);
}

static int filter_output(struct heald_stream *s, const char *data, size_t len)
{
    s->flags |= STREAM_IN_OUTPUT;
    int err = s->options.filter->output(s, data, len);
    s->flags &= ~(unsigned)STREAM_IN_OUTPUT;
    return err;
}

/* The program writes no more. A filter has something to add, maybe later. */
static int end_writing(struct heald_stream *s)
{
    if (!(s->flags & STREAM_FILTERED)) {
        shut(s);
        return 0;
    }
    s->flags |= STREAM_OVER;
    int err = filter_output(s, NULL, 0);
    return err < 0 ? err : 0;
}

/* A filter that gets nothing more from the peer is not waited for. */
void heald__stream_end_out(struct heald_stream *s)
{
    if (!(s->flags & (STREAM_OVER | STREAM_SHUT)))
        end_writing(s);
    if (!(s->flags & (STREAM_SHUT | STREAM_DEAF | STREAM_ENDED)))
        return;
    if (!(s->flags & STREAM_SHUT) && !s->closed_err)
        s->closed_err = -EPIPE;
    shut(s);
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
        heald__stream_let_go(s->source);
    else if (s->events->drain)
        s->events->drain(s);
}

void heald__stream_sent(struct heald_stream *s)
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
        heald__stream_sent(s);
}

/* A ring sends with the next turn; elsewhere a send is a call, now or later. */
static bool sends_now(const struct heald_stream *s)
{
    const unsigned not_now = STREAM_CORKED | STREAM_RING | STREAM_ABOVE;

    return (s->flags & (STREAM_SOCKET | not_now)) == STREAM_SOCKET && !s->queue.len &&
           !stream_is_pending(&s->out);
}

/* The stream has failed, and the call returns why: to the program, unless a filter sends for itself
 * or the stream ends. */
static int fail_call(struct heald_stream *s, int err)
{
    bool is_programs = !s->options.filter || s->flags & STREAM_IN_OUTPUT;

    if (is_programs && !(s->flags & STREAM_ENDING))
        s->flags |= STREAM_ERROR_TOLD;
    heald__stream_fail(s, err);
    return err;
}

static int queue_rest(struct heald_stream *s, const char *data, size_t len)
{
    if (heald__buffer_append(&s->queue, &s->loop->alloc, data, len))
        return fail_call(s, -ENOMEM);
    bool above = heald_stream_queued(s) > s->options.high;
    if (above) {
        s->flags |= STREAM_ABOVE;
        await_out(s);
    }
    heald__stream_start_out(s);
    return s->flags & STREAM_FAILED ? s->err : above;
}

bool heald__stream_has_sent(struct heald_stream *s)
{
    size_t done = s->sending.done;
    bool more = stream_is_pending(&s->out) && done != s->sent_before;

    s->sent_before = done;
    return more;
}

static int check_send(const struct heald_stream *s)
{
    if (!s->loop)
        return -EINVAL;
    if (s->flags & STREAM_FAILED)
        return s->err;
    return s->flags & (STREAM_SHUT | STREAM_CLOSING) ? -EPIPE : 0;
}

/* The limit is for what the program writes. */
static int check_write(const struct heald_stream *s, size_t len)
{
    int err = check_send(s);

    if (err)
        return err;
    if (s->flags & STREAM_OVER)
        return -EPIPE;
    size_t queued = heald_stream_queued(s), most = s->options.max;
    bool fits = s->flags & STREAM_NO_MAX || (queued <= most && len <= most - queued);
    return fits ? 0 : -ENOBUFS;
}

int heald__stream_write_all(struct heald_stream *s, const char *data, size_t len)
{
    unsigned told = s->flags & STREAM_ERROR_TOLD;

    s->flags |= STREAM_NO_MAX;
    int err = heald_stream_write(s, data, len);
    s->flags &= ~(unsigned)STREAM_NO_MAX;
    /* The program has not seen what the call returns. */
    if (err < 0 && !told)
        s->flags &= ~(unsigned)STREAM_ERROR_TOLD;
    return err;
}

/* The usual case: nothing is queued, and it is all sent at once. */
static inline int64_t send_at_once(struct heald_stream *s, const void *data, size_t len)
{
    int64_t n = heald_try_send(s->loop, s->fd, data, len, 0);

    if (n > 0)
        stream_touch(s);
    return n;
}

/* Without the first bytes, which were sent; or the error of that. */
static int send_other(struct heald_stream *s, const char *data, size_t len, int64_t sent)
{
    if (sent < 0 && sent != -EAGAIN)
        return fail_call(s, (int)sent);
    size_t n = sent > 0 ? (size_t)sent : 0;
    s->written += len;
    return queue_rest(s, data + n, len - n);
}

static int send_bytes(struct heald_stream *s, const void *data, size_t len)
{
    int64_t n = -EAGAIN;

    if (!len)
        return 0;
    if (sends_now(s) && (n = send_at_once(s, data, len)) == (int64_t)len) {
        s->written += len;
        return 0;
    }
    return send_other(s, data, len, n);
}

int heald_stream_send(struct heald_stream *s, const void *data, size_t len)
{
    int err = check_send(s);
    bool answers = s->options.filter && !(s->flags & STREAM_IN_OUTPUT);

    if (err)
        return err;
    if (!data) {
        shut(s);
        return 0;
    }
    /* A peer that only asks, and does not read, must not take the memory. */
    if (answers && heald_stream_queued(s) / 2 > s->options.max)
        return fail_call(s, -ENOBUFS);
    return send_bytes(s, data, len);
}

/* Flags with which a write is not simply sent. */
enum {
    NOT_SIMPLE = STREAM_SOCKET | STREAM_CORKED | STREAM_SHUT | STREAM_ENDING | STREAM_CLOSING |
                 STREAM_FAILED | STREAM_FILTERED
};

static inline bool is_simple(const struct heald_stream *s, size_t len)
{
    return (s->flags & NOT_SIMPLE) == STREAM_SOCKET && !s->queue.len && len - 1 < s->options.high &&
           !stream_is_pending(&s->out);
}

/* With 1 a filter may have kept the data back: `drain` comes when it has sent something. */
static int write_filtered(struct heald_stream *s, const void *data, size_t len)
{
    int err = len ? filter_output(s, data, len) : 0;

    if (err == 1) {
        s->flags |= STREAM_ABOVE;
        await_out(s);
    }
    return err;
}

int heald_stream_write(struct heald_stream *s, const void *data, size_t len)
{
    bool simple = is_simple(s, len);

    if (simple && s->flags & STREAM_RING && len <= s->spare.size) {
        memcpy(s->spare.data, data, len);
        s->spare.len = len;
        s->sending = (struct heald_transfer){.buf = s->spare.data, .len = len};
        s->written += len;
        send_quietly(s);
        return s->flags & STREAM_FAILED ? s->err : 0;
    }
    if (simple && !(s->flags & STREAM_RING)) {
        int64_t n = send_at_once(s, data, len);
        if (n != (int64_t)len)
            return send_other(s, data, len, n);
        s->written += len;
        return 0;
    }
    int err = check_write(s, len);
    if (err)
        return err;
    return s->flags & STREAM_FILTERED ? write_filtered(s, data, len) : send_bytes(s, data, len);
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
    await_out(s);
    return 0;
}

int heald_stream_shutdown(struct heald_stream *s)
{
    if (s->flags & STREAM_FAILED)
        return s->err;
    if (!(s->flags & STREAM_SOCKET))
        return -ENOTSOCK;
    if (s->flags & (STREAM_SHUT | STREAM_OVER | STREAM_CLOSING))
        return -EPIPE;
    return end_writing(s);
}
