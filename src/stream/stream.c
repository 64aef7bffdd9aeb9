/*
 * stream/stream.c: opens a stream, reports its failure once, and closes it. The loop's thread.
 *
 * A close gives up the descriptor at once, which cancels `in` and `out`, and cancels `timer`. The
 * stream is closed when the last of the three has completed; if none is pending, a timer of no time
 * is the last step. So the caller's function never runs inside a call.
 *
 * A socket that is closed while there is something to read in it sends a reset, which may destroy
 * what the peer has not read yet. So heald_stream_end() reads on, until the peer ends or LINGER_NS
 * have passed. `timer` is the limit of all of it then.
 */
#include "stream/stream.h"

#include <errno.h>

#define LINGER_NS (2 * HEALD_SEC)
#define END_NS    (60 * HEALD_SEC)

enum {
    INPUT_SIZE = 16 * 1024,
    FRAME_MAX = 64 * 1024,
    HIGH = 64 * 1024,
    LOW = 16 * 1024,
    QUEUE_MAX = 1024 * 1024
};

static size_t size_or(size_t size, size_t otherwise)
{
    return size ? size : otherwise;
}

static void set_options(struct heald_stream_options *o, const struct heald_stream_options *given)
{
    *o = given ? *given : (struct heald_stream_options){0};
    o->input_size = size_or(o->input_size, INPUT_SIZE);
    o->frame_max = size_or(o->frame_max, FRAME_MAX);
    o->high = size_or(o->high, HIGH);
    o->low = size_or(o->low, o->high < LOW ? o->high : LOW);
    o->max = size_or(o->max, o->high > QUEUE_MAX ? o->high : QUEUE_MAX);
    o->end_ns = o->end_ns > 0 ? o->end_ns : END_NS;
}

/* The memory for reads without a group. */
static int open_input(struct heald_stream *s)
{
    if (s->options.group)
        return 0;
    s->raw.data = alloc_resize(&s->loop->alloc, NULL, 0, s->options.input_size);
    s->raw.size = s->raw.data ? s->options.input_size : 0;
    return s->raw.data ? 0 : -ENOMEM;
}

static void on_idle(struct heald_op *op)
{
    struct heald_stream *s = heald_container_of(op, struct heald_stream, timer);
    int64_t idle = s->options.idle_ns;

    if (s->flags & STREAM_CLOSING) {
        heald__stream_op_ended(s);
        return;
    }
    if (s->flags & STREAM_FAILED)
        heald__stream_tell_flushed(s, s->err);
    if (op->result < 0 || s->flags & (STREAM_FAILED | STREAM_CLOSING))
        return;
    if (heald__stream_has_sent(s))
        stream_touch(s);
    if (s->flags & STREAM_ENDING) {
        if (stream_has_unsent(s))
            s->closed_err = -ETIMEDOUT;
        heald__stream_close(s);
    }
    if (!idle || s->flags & (STREAM_CLOSING | STREAM_DEAF))
        return;
    if (heald_now(s->loop) - s->last_ns >= idle) {
        heald__stream_fail_in(s, -ETIMEDOUT);
        return;
    }
    heald_prep_timer(op, s->last_ns + idle);
    heald_submit(s->loop, op, on_idle);
}

static void set_timer(struct heald_stream *s, int64_t when_ns)
{
    if (stream_is_pending(&s->timer) && heald_op_set_deadline(&s->timer, when_ns) == 0)
        return;
    if (heald_prep_timer(&s->timer, when_ns) == 0)
        heald_submit(s->loop, &s->timer, on_idle);
}

void heald_stream_set_idle(struct heald_stream *s, int64_t idle_ns)
{
    s->options.idle_ns = idle_ns > 0 && idle_ns < HEALD_FOREVER / 2 ? idle_ns : 0;
    if (!s->options.idle_ns ||
        s->flags & (STREAM_ENDING | STREAM_CLOSING | STREAM_FAILED | STREAM_DEAF))
        return;
    s->last_ns = heald_now(s->loop);
    set_timer(s, s->last_ns + idle_ns);
}

void heald__stream_linger(struct heald_stream *s)
{
    if (s->flags & STREAM_ENDED || !(s->flags & STREAM_SOCKET)) {
        heald__stream_close(s);
        return;
    }
    int64_t linger = heald_now(s->loop) + LINGER_NS;
    set_timer(s, linger < s->end_at_ns ? linger : s->end_at_ns);
    heald__stream_start_in(s);
}

/* Begins to read. An error of that is the caller's. */
static int start(struct heald_stream *s)
{
    int err = open_input(s);

    if (err)
        return err;
    s->flags |= STREAM_ERROR_TOLD;
    heald__stream_start_in(s);
    if (s->flags & STREAM_FAILED) {
        heald__buffer_free(&s->raw, &s->loop->alloc);
        return s->err;
    }
    s->flags &= ~(unsigned)STREAM_ERROR_TOLD;
    heald_stream_set_idle(s, s->options.idle_ns);
    heald_stream_background(s, 0);
    return 0;
}

static bool are_valid(const struct heald_stream *s)
{
    const struct heald_stream_options *o = &s->options;

    return s->events && o->low <= o->high && o->high <= o->max &&
           (!o->group || o->group->loop == s->loop);
}

int heald_stream_open(struct heald_stream *s, struct heald_loop *loop, int fd,
                      const struct heald_stream_events *events,
                      const struct heald_stream_options *options)
{
    int err, type = loop->sys->fd_type(fd);

    *s = (struct heald_stream){.data = s->data, .loop = loop, .fd = fd, .events = events};
    s->delimiter = NO_DELIMITER;
    set_options(&s->options, options);
    err = type < 0 ? type : are_valid(s) ? 0 : -EINVAL;
    if (fd_type_is_socket(type))
        s->flags = STREAM_SOCKET | (loop->backend.ops->submit ? STREAM_RING : 0);
    else
        s->options.group = NULL;
    if (s->options.filter && s->options.filter->output)
        s->flags |= STREAM_FILTERED;
    if (!err)
        heald__stream_note_in(s);
    if (!err)
        err = start(s);
    if (err)
        s->loop = NULL; /* it is not open */
    return err;
}

/* No longer held up by the one before. */
static void set_sink(struct heald_stream *s, struct heald_stream *sink)
{
    bool changes = s->sink != sink;

    if (s->sink)
        s->sink->source = NULL;
    s->sink = sink;
    if (sink)
        sink->source = s;
    heald__stream_note_in(s);
    if (changes)
        heald__stream_let_go(s);
}

static void unpipe(struct heald_stream *s)
{
    set_sink(s, NULL);
    if (s->source)
        set_sink(s->source, NULL);
}

void heald__stream_fail(struct heald_stream *s, int err)
{
    if (s->flags & STREAM_CLOSING)
        return;
    if (!(s->flags & STREAM_FAILED)) {
        s->flags |= STREAM_FAILED;
        s->err = err;
        s->written -= heald_stream_queued(s);
        s->queue.len = 0;
        heald__splice_close(s);
        heald_cancel(&s->in);
        heald_cancel(&s->out);
        unpipe(s);
        /* Maybe from within a call: its function runs with the next turn. */
        if (s->flushed)
            set_timer(s, 0);
    }
    /* It ends also if its reading has failed before, which was reported. */
    bool ends = s->flags & STREAM_ENDING, told = s->flags & STREAM_ERROR_TOLD;
    if (s->flags & STREAM_CLOSING || (told && !ends))
        return;
    s->flags |= STREAM_ERROR_TOLD;
    s->closed_err = s->err;
    if (ends)
        heald__stream_close(s);
    else if (s->events->error)
        s->events->error(s, s->err);
}

void heald__stream_fail_in(struct heald_stream *s, int err)
{
    if (s->flags & (STREAM_ENDING | STREAM_CLOSING | STREAM_FAILED | STREAM_DEAF))
        return;
    s->flags |= STREAM_DEAF | STREAM_ERROR_TOLD;
    heald_cancel(&s->in);
    if (s->events->error)
        s->events->error(s, err);
}

void heald_stream_fail(struct heald_stream *s, int err)
{
    heald__stream_fail_in(s, err);
    if (!(s->flags & STREAM_ENDING))
        return;
    if (stream_has_unsent(s))
        s->closed_err = err;
    s->flags |= STREAM_DEAF;
    heald__stream_end_out(s);
}

void heald__stream_close(struct heald_stream *s)
{
    heald_stream_background(s, 0);
    s->flags |= STREAM_CLOSING;
    unpipe(s);
    heald_close(s->loop, s->fd);
    heald_cancel(&s->timer);
    heald_cancel(&s->in); /* it may be a timer */
    if (stream_is_pending(&s->in) || stream_is_pending(&s->out) || stream_is_pending(&s->timer))
        return;
    heald_prep_timer(&s->timer, 0);
    heald_submit(s->loop, &s->timer, on_idle);
}

void heald__stream_op_ended(struct heald_stream *s)
{
    const struct heald_allocator *a = &s->loop->alloc;

    if (stream_is_pending(&s->in) || stream_is_pending(&s->out) || stream_is_pending(&s->timer))
        return;
    heald__buffer_free(&s->raw, a);
    heald__buffer_free(&s->unread, a);
    heald__buffer_free(&s->queue, a);
    heald__buffer_free(&s->spare, a);
    heald__splice_close(s);
    heald__stream_tell_flushed(s, s->closed_err ? s->closed_err : -ECANCELED);
    heald_stream_background(s, 1);
    s->loop = NULL;
    if (s->options.filter && s->options.filter->closed)
        s->options.filter->closed(s);
    if (s->closed)
        s->closed(s, s->closed_err);
}

void heald_stream_background(struct heald_stream *s, int on)
{
    if (!on == !!(s->flags & STREAM_HOLDS) || !s->loop)
        return;
    s->flags ^= STREAM_HOLDS;
    /* What waits for the peer, and for how long. What is queued is still sent. */
    heald_op_background(&s->in, on);
    heald_op_background(&s->timer, on);
    if (on)
        heald_loop_release(s->loop);
    else
        heald_loop_hold(s->loop);
}

int heald_stream_close(struct heald_stream *s, void (*fn)(struct heald_stream *stream, int err))
{
    if (!s->loop || s->flags & STREAM_CLOSING)
        return s->loop ? -EALREADY : -EINVAL;
    s->closed = fn;
    s->closed_err = s->err ? s->err : stream_has_unsent(s) ? -ECANCELED : 0;
    heald__stream_close(s);
    return 0;
}

int heald_stream_end(struct heald_stream *s, void (*fn)(struct heald_stream *stream, int err))
{
    if (!s->loop || s->flags & (STREAM_CLOSING | STREAM_ENDING))
        return s->loop ? -EALREADY : -EINVAL;
    s->closed = fn;
    s->closed_err = s->err;
    if (s->flags & STREAM_FAILED) {
        heald__stream_close(s);
        return 0;
    }
    heald_stream_background(s, 0);
    int64_t now = heald_now(s->loop), left = HEALD_FOREVER - now;
    s->end_at_ns = s->options.end_ns < left ? now + s->options.end_ns : HEALD_FOREVER;
    set_timer(s, s->end_at_ns);
    s->flags |= STREAM_ENDING;
    unpipe(s);
    heald__stream_end_out(s);
    /* A peer that writes before it reads must get rid of it. */
    if (!(s->flags & STREAM_CLOSING))
        heald__stream_start_in(s);
    return 0;
}

int heald_stream_pipe(struct heald_stream *from, struct heald_stream *to)
{
    const unsigned gone = STREAM_ENDING | STREAM_CLOSING | STREAM_FAILED;

    if (!from->loop || (to && (from == to || from->loop != to->loop)))
        return -EINVAL;
    if (to && (from->flags & gone || to->flags & (gone | STREAM_SHUT | STREAM_OVER)))
        return -EPIPE;
    if (to && to->source && to->source != from)
        return -EBUSY;
    set_sink(from, to);
    if (to)
        heald_stream_resume(from);
    return 0;
}
