/* stream/stream.h: the parts of a stream, a file each. The loop's thread. */
#ifndef HEALD_SRC_STREAM_STREAM_H
#define HEALD_SRC_STREAM_STREAM_H

#include "base/alloc.h"
#include "loop/loop.h"

#include <heald/stream.h>

/* heald_stream.flags */
enum {
    STREAM_SOCKET = 0x001,
    STREAM_PAUSED = 0x002,
    STREAM_PARSING = 0x004, /* frames are being delivered: a callback is on the stack */
    STREAM_ENDED = 0x008,   /* the peer sends no more */
    STREAM_END_TOLD = 0x010,
    STREAM_ABOVE = 0x020, /* more than the high watermark was queued */
    STREAM_CORKED = 0x040,
    STREAM_SHUT = 0x080, /* no more is written: half-close when all is sent */
    STREAM_SHUT_SENT = 0x100,
    STREAM_ENDING = 0x200,  /* close when all is sent */
    STREAM_CLOSING = 0x400, /* the descriptor is closed */
    STREAM_FAILED = 0x800,  /* err says why */
    STREAM_ERROR_TOLD = 0x1000,
    STREAM_RING = 0x2000,       /* a ring takes whole ops */
    STREAM_IN_READY = 0x4000,   /* `in` is prepared to read */
    STREAM_SPECIAL_IN = 0x8000, /* what arrives does not simply go to the program */
    STREAM_FILTERED = 0x10000,  /* what is written goes through a filter */
    STREAM_DEAF = 0x20000,      /* it reads no more, and may still write */
    STREAM_HOLDS = 0x40000,     /* the loop goes on for it */
    STREAM_HELD_UP = 0x80000,   /* paused by the stream that it is piped to */
    STREAM_IN_CALL = 0x100000,  /* what was read is being used: nothing may be read into it */
    STREAM_FED_END = 0x200000,  /* the filter has passed on the end */
    STREAM_NO_MAX = 0x400000,   /* what is written now has no limit */
    STREAM_BULK = 0x800000,     /* much has arrived at a time, to be piped */
    STREAM_NO_SPLICE = 0x2000000,
    STREAM_OVER = 0x4000000,     /* the program writes no more; STREAM_SHUT when the filter has sent
                                the rest */
    STREAM_IN_OUTPUT = 0x8000000 /* the filter has what a call of the program writes */
};

enum { NO_DELIMITER = -1 };

/* Flags with which no callback runs that reads. */
enum {
    STREAM_NO_READING = STREAM_PAUSED | STREAM_HELD_UP | STREAM_ENDING | STREAM_CLOSING |
                        STREAM_FAILED | STREAM_DEAF
};

/* buffer.c. append: 0 or -ENOMEM. drop: the first bytes. */
int heald__buffer_append(struct heald_stream_buffer *b, const struct heald_allocator *a,
                         const char *data, size_t len);
void heald__buffer_drop(struct heald_stream_buffer *b, size_t len);
void heald__buffer_free(struct heald_stream_buffer *b, const struct heald_allocator *a);

/* stream.c. fail: reports it once. touch: there was progress. close: gives up the descriptor.
 * op_ended: an op has completed, of a stream that is being closed. linger: all is sent, and is to
 * be closed. */
void heald__stream_fail(struct heald_stream *s, int err);
void heald__stream_fail_in(struct heald_stream *s, int err); /* of reading alone */
void heald__stream_close(struct heald_stream *s);
void heald__stream_op_ended(struct heald_stream *s);
void heald__stream_linger(struct heald_stream *s);

static inline void stream_touch(struct heald_stream *s)
{
    if (s->options.idle_ns)
        s->last_ns = heald_now(s->loop);
}

/* input.c. start_in: reads if it may, and is not reading. note_in: how it reads has changed.
 * hold_up, let_go: the stream that it is piped to has too much, and has room again. */
void heald__stream_start_in(struct heald_stream *s);
void heald__stream_hold_up(struct heald_stream *s);
void heald__stream_let_go(struct heald_stream *s);
void heald__stream_note_in(struct heald_stream *s);

/* output.c. write_all: whatever the limit is. start_out: sends if there is something, and it is not
 * sending; then half-closes, and ends. end_out: the program writes no more and closes. */
int heald__stream_write_all(struct heald_stream *s, const char *data, size_t len);
void heald__stream_start_out(struct heald_stream *s);
void heald__stream_end_out(struct heald_stream *s);
bool heald__stream_has_sent(struct heald_stream *s);  /* since it was asked last */
void heald__stream_await_out(struct heald_stream *s); /* … and is notified when all is sent */
void heald__stream_tell_flushed(struct heald_stream *s, int err);

void heald__stream_sent(struct heald_stream *s); /* all of what `out` had */

/* splice.c. note: so much has arrived, to be piped. start_in: polls instead of receiving, or holds
 * up the stream until that is possible; false: it is to receive. close: the pipe, with what is in
 * it. */
void heald__splice_note(struct heald_stream *s, size_t len);
bool heald__splice_start_in(struct heald_stream *s);
void heald__splice_close(struct heald_stream *s);

static inline bool stream_is_pending(const struct heald_op *op)
{
    return op->state != OP_IDLE;
}

/* Has something been written that is not yet with the system, or is in the filter? */
static inline bool stream_has_unsent(const struct heald_stream *s)
{
    return heald_stream_queued(s) || (s->flags & (STREAM_OVER | STREAM_SHUT)) == STREAM_OVER;
}

/* May its callbacks run that read? */
static inline bool stream_reads(const struct heald_stream *s)
{
    return !(s->flags & STREAM_NO_READING);
}

#endif
