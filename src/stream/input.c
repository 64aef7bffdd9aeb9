/*
 * stream/input.c: reads, and cuts what was read into frames. The loop's thread.
 *
 * What arrives is passed to the program where it lies. What is no whole frame yet, or came while
 * the program has paused, is kept in `unread`, and what arrives then is put behind it. `scanned` is
 * how much of the first frame was searched for the delimiter, so that no byte is searched twice.
 *
 * A pause cancels a multishot receive, which may bring what it had received already. A single
 * receive is left pending and brings one portion.
 */
#include "stream/stream.h"

#include "base/list.h"

#include <errno.h>
#include <string.h>

/* The length of the first frame, or 0: it is not whole. */
static size_t frame_length(struct heald_stream *s, const char *data, size_t len)
{
    if (s->delimiter == NO_DELIMITER)
        return len < s->frame ? 0 : s->frame ? s->frame : len;
    const char *at = memchr(data + s->scanned, s->delimiter, len - s->scanned);
    s->scanned = at ? 0 : len;
    return at ? (size_t)(at - data) + 1 : 0;
}

static bool is_framed(const struct heald_stream *s)
{
    return s->delimiter != NO_DELIMITER || s->frame;
}

/* To the program, or to the stream that it is piped to. That takes all of a portion, whatever its
 * limit is, and holds this one up; if it fails the pipe has ended. */
static void deliver(struct heald_stream *s, char *data, size_t len)
{
    struct heald_stream *sink = s->sink;

    if (!sink) {
        if (s->events->data)
            s->events->data(s, data, len);
        return;
    }
    int err = heald__stream_write_all(sink, data, len);
    if (err == 1)
        heald__stream_hold_up(s);
    else if (err < 0)
        heald__stream_fail(sink, err);
}

/* Passes on whole frames, while it may; returns how much that was. */
static size_t parse(struct heald_stream *s, char *data, size_t len)
{
    size_t at = 0, n = 0;

    s->flags |= STREAM_PARSING;
    while (at < len && stream_reads(s) && (n = frame_length(s, data + at, len - at))) {
        if (is_framed(s) && n > s->options.frame_max)
            break;
        at += n;
        deliver(s, data + at - n, n);
    }
    s->flags &= ~(unsigned)STREAM_PARSING;
    size_t first = at < len ? (n ? n : len - at) : 0;
    if (stream_reads(s) && is_framed(s) && first > s->options.frame_max)
        heald__stream_fail_in(s, -EMSGSIZE);
    return at;
}

enum { UNREAD_KEPT = 4096 /* a larger buffer is freed when it is empty */ };

static void parse_unread(struct heald_stream *s)
{
    heald__buffer_drop(&s->unread, parse(s, s->unread.data, s->unread.len));
    if (!s->unread.len && s->unread.size > UNREAD_KEPT)
        heald__buffer_free(&s->unread, &s->loop->alloc);
}

static void feed(struct heald_stream *s, char *data, size_t len)
{
    const struct heald_allocator *a = &s->loop->alloc;
    size_t done = s->unread.len ? 0 : parse(s, data, len);

    if (done == len || s->flags & (STREAM_ENDING | STREAM_CLOSING | STREAM_FAILED))
        return;
    bool more = s->unread.len;
    if (heald__buffer_append(&s->unread, a, data + done, len - done))
        heald__stream_fail(s, -ENOMEM);
    else if (more)
        parse_unread(s);
}

static bool has_input_filter(const struct heald_stream *s)
{
    return s->options.filter && s->options.filter->input;
}

/* What is left, though it is no whole frame. */
static void deliver_rest(struct heald_stream *s)
{
    size_t rest = s->unread.len;

    s->unread.len = 0;
    s->scanned = 0;
    s->flags |= STREAM_PARSING;
    deliver(s, s->unread.data, rest);
    s->flags &= ~(unsigned)STREAM_PARSING;
}

static void tell_end(struct heald_stream *s)
{
    unsigned over = has_input_filter(s) ? STREAM_FED_END : STREAM_ENDED;

    if (!(s->flags & over) || s->flags & STREAM_END_TOLD)
        return;
    parse_unread(s);
    if (s->unread.len && stream_reads(s))
        deliver_rest(s);
    if (s->unread.len || !stream_reads(s))
        return;
    s->flags |= STREAM_END_TOLD;
    if (s->sink)
        heald_stream_shutdown(s->sink);
    if (s->events->end)
        s->events->end(s);
}

void heald_stream_feed(struct heald_stream *s, char *data, size_t len)
{
    if (s->flags & (STREAM_END_TOLD | STREAM_FED_END))
        return;
    if (data) {
        feed(s, data, len);
        return;
    }
    s->flags |= STREAM_FED_END;
    tell_end(s);
}

static void ended(struct heald_stream *s)
{
    s->flags |= STREAM_ENDED;
    if (s->flags & STREAM_ENDING)
        heald__stream_end_out(s);
    else if (has_input_filter(s))
        s->options.filter->input(s, NULL, 0);
    else
        tell_end(s);
}

/* What arrives before the end is discarded, but a filter may need it to send the rest. */
static void arrived(struct heald_stream *s, char *data, size_t len)
{
    if (s->flags & STREAM_ENDING && (s->flags & STREAM_SHUT || !has_input_filter(s)))
        return;
    stream_touch(s);
    s->flags |= STREAM_IN_CALL;
    if (has_input_filter(s))
        s->options.filter->input(s, data, len);
    else
        feed(s, data, len);
    s->flags &= ~(unsigned)STREAM_IN_CALL;
}

/* A receive that a pause has cancelled, or that found no buffer, is no failure. */
static bool goes_on(int64_t result)
{
    return result == -ECANCELED || result == -ENOBUFS;
}

void heald__stream_note_in(struct heald_stream *s)
{
    bool special =
        s->options.group || s->options.filter || s->sink || is_framed(s) || !s->events->data;

    s->flags = (s->flags & ~(unsigned)STREAM_SPECIAL_IN) | (special ? STREAM_SPECIAL_IN : 0);
}

static void on_any(struct heald_op *op);

/* The usual case: a portion, and it is all there is. While the program has it, `in` is idle. */
static void on_in(struct heald_op *op)
{
    struct heald_stream *s = heald_container_of(op, struct heald_stream, in);

    if (op->result <= 0 || s->unread.len || s->flags & (STREAM_NO_READING | STREAM_SPECIAL_IN)) {
        on_any(op);
        return;
    }
    stream_touch(s);
    s->received += (size_t)op->result;
    s->flags |= STREAM_PARSING | STREAM_IN_CALL;
    s->events->data(s, s->raw.data, (size_t)op->result);
    s->flags &= ~(unsigned)(STREAM_PARSING | STREAM_IN_CALL);
    if (s->flags & STREAM_NO_READING) {
        if (s->flags & STREAM_CLOSING)
            heald__stream_op_ended(s);
        else
            heald__stream_start_in(s);
        return;
    }
    int err = heald_submit(s->loop, op, on_in);
    if (err)
        heald__stream_fail(s, err);
}

/* After a pause: what was kept comes first. */
static void on_resumed(struct heald_op *op)
{
    struct heald_stream *s = heald_container_of(op, struct heald_stream, in);

    if (list_linked(&s->starved))
        list_remove(&s->starved);
    if (s->flags & STREAM_CLOSING) {
        heald__stream_op_ended(s);
        return;
    }
    parse_unread(s);
    tell_end(s);
    heald__stream_start_in(s);
}

#define RETRY_NS (20 * HEALD_MS) /* while the group has no buffer */

/* `in` is idle: it goes on after a while, or with the next turn. */
static void start_timer(struct heald_stream *s, int64_t ns)
{
    if (stream_is_pending(&s->in) || s->flags & (STREAM_CLOSING | STREAM_FAILED))
        return;
    s->flags &= ~(unsigned)STREAM_IN_READY;
    heald_prep_timer(&s->in, ns ? heald_now(s->loop) + ns : 0);
    heald_submit(s->loop, &s->in, on_resumed);
}

/* A buffer is in: the stream that has waited longest may try, with the next turn. */
static void let_one_try(struct heald_buf_group *group)
{
    struct heald_link *link = list_pop(&group->starved);

    if (link)
        heald_op_set_deadline(&heald_container_of(link, struct heald_stream, starved)->in, 0);
}

/* Each buffer is released when the program has had it. */
static void run_arrived(struct heald_stream *s, struct heald_buf_group *group, unsigned first,
                        size_t len)
{
    for (unsigned buffer = first, next; buffer != HEALD_NO_BUFFER; buffer = next) {
        size_t part = len < group->size ? len : group->size;
        next = heald_buf_next(group, buffer);
        if (!(s->flags & (STREAM_CLOSING | STREAM_FAILED)))
            arrived(s, heald_buf_data(group, buffer), part);
        heald_buf_return(group, buffer);
        let_one_try(group);
        len -= part;
    }
}

/* Do others wait for a buffer? Then this one is behind them when it has had a run. */
static bool is_starved(const struct heald_stream *s)
{
    return s->options.group && !list_empty(&s->options.group->starved);
}

/* `in` is idle. Without a group it is the system that has none. */
static void wait_for_buffer(struct heald_stream *s)
{
    start_timer(s, RETRY_NS);
    if (s->options.group && stream_is_pending(&s->in))
        list_push(&s->options.group->starved, &s->starved);
}

/* A peer that has got all, and then resets the connection, is no failure of an end. */
static void fail_reading(struct heald_stream *s, int err)
{
    if (s->flags & STREAM_ENDING && !stream_has_unsent(s))
        heald__stream_close(s);
    else
        heald__stream_fail(s, err);
}

static void on_any(struct heald_op *op)
{
    struct heald_stream *s = heald_container_of(op, struct heald_stream, in);
    int64_t result = op->result;

    s->received += result > 0 ? (size_t)result : 0;
    if (result > 0 && s->sink)
        heald__splice_note(s, (size_t)result);
    if (result > 0 && s->options.group)
        run_arrived(s, s->options.group, op->buffer, (size_t)result);
    else if (result > 0 && !(s->flags & (STREAM_CLOSING | STREAM_FAILED)))
        arrived(s, s->raw.data, (size_t)result);
    if (op->flags & HEALD_MORE) {
        if (s->flags & (STREAM_PAUSED | STREAM_HELD_UP) || is_starved(s))
            heald_cancel(op);
        return;
    }
    if (s->flags & STREAM_CLOSING) {
        heald__stream_op_ended(s);
        return;
    }
    if (result == 0)
        ended(s);
    else if (result == -EBADF && !(s->flags & STREAM_SOCKET))
        s->flags |= STREAM_ENDED | STREAM_END_TOLD; /* it is open for writing alone */
    else if (result < 0 && !goes_on(result))
        fail_reading(s, (int)result);
    else if (s->unread.len && stream_reads(s))
        parse_unread(s);
    if (result == -ENOBUFS || (result == -ECANCELED && is_starved(s)))
        wait_for_buffer(s);
    else
        heald__stream_start_in(s);
}

static int prep_in(struct heald_stream *s)
{
    s->flags |= STREAM_IN_READY;
    if (s->options.group)
        return heald_prep_recv_run_multishot(&s->in, s->fd, s->options.group, 0);
    if (s->flags & STREAM_SOCKET)
        return heald_prep_recv(&s->in, s->fd, s->raw.data, s->raw.size, 0);
    return heald_prep_read(&s->in, s->fd, s->raw.data, s->raw.size, HEALD_NO_OFFSET);
}

void heald__stream_start_in(struct heald_stream *s)
{
    const unsigned paused = STREAM_PAUSED | STREAM_HELD_UP | STREAM_DEAF;
    bool is_paused = s->flags & paused && !(s->flags & STREAM_ENDING);

    if (is_paused || stream_is_pending(&s->in) ||
        s->flags & (STREAM_IN_CALL | STREAM_ENDED | STREAM_CLOSING | STREAM_FAILED))
        return;
    if (s->flags & STREAM_BULK && heald__splice_start_in(s))
        return;
    /* A completed op has its arguments still. */
    if (!(s->flags & STREAM_IN_READY))
        prep_in(s);
    int err = heald_submit(s->loop, &s->in, on_in);
    if (err)
        heald__stream_fail(s, err);
}

static void pause_for(struct heald_stream *s, unsigned why)
{
    s->flags |= why;
    /* In its callback it is cancelled there. */
    if (s->options.group && stream_is_pending(&s->in) && !(s->flags & STREAM_PARSING))
        heald_cancel(&s->in);
}

/* What is kept is looked at: it must not wait for what may never come. */
static void look_at_unread(struct heald_stream *s)
{
    if (s->flags & (STREAM_PARSING | STREAM_CLOSING | STREAM_FAILED))
        return;
    if (!stream_is_pending(&s->in))
        start_timer(s, 0);
    else if (s->unread.len)
        heald_cancel(&s->in);
}

static void resume_from(struct heald_stream *s, unsigned why)
{
    if (!(s->flags & why))
        return;
    s->flags &= ~why;
    if (!(s->flags & (STREAM_PAUSED | STREAM_HELD_UP)))
        look_at_unread(s);
}

void heald_stream_pause(struct heald_stream *s)
{
    pause_for(s, STREAM_PAUSED);
}

void heald_stream_resume(struct heald_stream *s)
{
    resume_from(s, STREAM_PAUSED);
}

void heald__stream_hold_up(struct heald_stream *s)
{
    pause_for(s, STREAM_HELD_UP);
}

void heald__stream_let_go(struct heald_stream *s)
{
    resume_from(s, STREAM_HELD_UP);
}

static int set_frame(struct heald_stream *s, int delimiter, size_t len)
{
    s->delimiter = delimiter;
    s->frame = len;
    s->scanned = 0;
    heald__stream_note_in(s);
    if (s->unread.len)
        look_at_unread(s);
    return 0;
}

int heald_stream_read(struct heald_stream *s)
{
    return set_frame(s, NO_DELIMITER, 0);
}

int heald_stream_read_until(struct heald_stream *s, int delimiter)
{
    return delimiter < 0 || delimiter > UINT8_MAX ? -EINVAL : set_frame(s, delimiter, 0);
}

int heald_stream_read_exactly(struct heald_stream *s, size_t len)
{
    if (!len)
        return -EINVAL;
    return len > s->options.frame_max ? -EMSGSIZE : set_frame(s, NO_DELIMITER, len);
}
