/*
 * heald/stream.h: buffered bytes over a descriptor: a stream socket, a pipe or one end of it, a
 * terminal, a file that is read to its end.
 *
 * A stream reads for the program, in portions, by lines or by lengths, and queues what the program
 * writes. The caller owns a struct heald_stream and may embed it. It stays in place from
 * heald_stream_open() until the function given to heald_stream_close() or heald_stream_end() runs.
 * Nothing is allocated for a message: buffers come from the loop's allocator, grow when needed, and
 * are used again.
 *
 * An open stream holds its loop (heald_loop_hold()): heald_loop_run() continues, also while the
 * stream is paused, and heald_loop_close() returns -EBUSY. heald_stream_background() undoes that.
 *
 * All functions are called on the loop's thread, in a callback or outside; none blocks. Callbacks
 * run from the loop's turn and never inside a call of this header. In any of them any function may
 * be called. The descriptor belongs to the stream until it is closed; ops of the program on it are
 * not allowed meanwhile.
 */
#ifndef HEALD_STREAM_H
#define HEALD_STREAM_H

#include <heald/io.h>
#include <heald/loop.h>

#ifdef __cplusplus
extern "C" {
#endif

struct heald_stream;

/* What a stream reports. A member that is NULL is not reported. */
struct heald_stream_events {
    /* `len` bytes have arrived: a portion or a frame, see heald_stream_read(). They do not end with
     * a 0. The program may change them; they are valid until it returns. If NULL, what arrives is
     * discarded. */
    void (*data)(struct heald_stream *stream, char *data, size_t len);

    /* The peer sends no more. Writing goes on. */
    void (*end)(struct heald_stream *stream);

    /* What is queued has fallen to the low watermark, after heald_stream_write() returned 1. */
    void (*drain)(struct heald_stream *stream);

    /* The stream has failed. Once.
     *   -ETIMEDOUT   idle_ns has passed without progress
     *   -EMSGSIZE    a frame is longer than frame_max
     *   -errno       what a filter has passed to heald_stream_fail()
     *   -errno       an error of the system, such as -ECONNRESET or -EPIPE
     * After the first three it reads no more, and can still write: a last word, then
     * heald_stream_end(). After the others it does nothing more, and the program closes it.
     */
    void (*error)(struct heald_stream *stream, int err);
};

/*
 * A filter lies between the descriptor and the program: TLS, compression. Each member may be NULL.
 * A filter with a state per stream has both in one struct, and finds it with heald_container_of().
 * heald/adapter/openssl.h is one.
 */
struct heald_stream_filter {
    /* Gets what was read, and passes on what it makes of it with heald_stream_feed(), then or
     * later; data NULL is the end, which it passes on, too. It may also send, and fail the stream.
     */
    void (*input)(struct heald_stream *stream, char *data, size_t len);

    /* Gets what the program writes, passes it on with heald_stream_send(), then or later, and
     * returns what heald_stream_write() returns. The `max` of the stream holds for `len`, not for
     * what the filter sends. After a return of 1 `drain` runs when the filter
     * has sent something and little is queued. data NULL: the program writes no more. The filter
     * passes that on with heald_stream_send(stream, NULL, 0), then or later; heald_stream_end()
     * does not wait for it when the peer sends no more or the stream has failed. */
    int (*output)(struct heald_stream *stream, const char *data, size_t len);

    /* The stream is closed; the function given to heald_stream_close() or heald_stream_end() runs
     * next. Frees the state of the filter. */
    void (*closed)(struct heald_stream *stream);
};

/* Options of heald_stream_open(). A member that is 0 or NULL has its default. */
struct heald_stream_options {
    struct heald_buf_group *group; /* of sockets: receives into these buffers, so that an idle
                                         stream holds none; it outlives the stream. With less than
                                         a buffer for each stream that receives they take turns */
    size_t input_size;             /* without a group: bytes of a read; default 16 KiB */
    size_t frame_max;              /* default 64 KiB */
    size_t high, low;              /* watermarks of what is queued; default 64 KiB, 16 KiB */
    size_t max;                    /* what is queued at most; default 1 MiB; at least `high` */
    int64_t idle_ns;               /* without progress in either direction, and the stream fails;
                                         default: none */
    int64_t end_ns;                /* heald_stream_end() takes at most so long; default one
                                         minute */
    const struct heald_stream_filter *filter; /* default: none */
};

/* A buffer. Private. */
struct heald_stream_buffer {
    char *data;
    size_t len, size;
    size_t lead; /* bytes before `data` that are free */
};

/* A stream. The caller sets `data`, and reads `fd` and `loop`. All other fields are private. */
struct heald_stream {
    void *data;
    struct heald_loop *loop;
    int fd;
    unsigned flags; /* private, as all that follow */
    const struct heald_stream_events *events;
    struct heald_stream_options options;
    struct heald_op in, out, timer;
    struct heald_transfer sending;
    struct heald_stream_buffer raw, unread, queue, spare;
    size_t frame, scanned, sent_before;
    int delimiter, err;
    int64_t last_ns;
    struct heald_stream *source, *sink;
    struct heald_link starved; /* waits for a buffer of the group */
    int pipe[2];               /* for splice(2) */
    size_t piped;
    uint64_t received, written; /* bytes */
    void (*flushed)(struct heald_stream *stream, int err);
    int64_t end_at_ns;
    int closed_err;
    void (*closed)(struct heald_stream *stream, int err);
};

/*
 * Opens a stream on a connected descriptor, and begins to read. From then on the descriptor belongs
 * to the stream, which closes it. `options` may be NULL: then each member has its default. *stream
 * must not be open; it is zeroed but for `data`, which is kept. After a failure nothing has
 * happened, and the descriptor is the caller's.
 *
 *   0         it is open
 *   -EBADF    the descriptor is not open
 *   -EINVAL   events is NULL, low > high, high > max, or the group belongs to another loop
 *   -ENOMEM   no memory
 */
HEALD_API int heald_stream_open(struct heald_stream *stream, struct heald_loop *loop, int fd,
                                const struct heald_stream_events *events,
                                const struct heald_stream_options *options);

/*
 * Select what `data` gets, from the next byte on; also in `data`. The default is a portion:
 * whatever has arrived. _until: a frame that ends with the byte `delimiter`, which it includes.
 * _exactly: frames of `len` bytes each. At the end of the stream `data` gets the rest, although it
 * is no whole frame, before `end`.
 *
 *   0          done
 *   -EINVAL    delimiter is not 0 to 255; len is 0
 *   -EMSGSIZE  len is more than frame_max
 */
HEALD_API int heald_stream_read(struct heald_stream *stream);
HEALD_API int heald_stream_read_until(struct heald_stream *stream, int delimiter);
HEALD_API int heald_stream_read_exactly(struct heald_stream *stream, size_t len);

/* Stop and go on reading: between them `data` and `end` do not run, and the peer is slowed down by
 * its full buffers. */
HEALD_API void heald_stream_pause(struct heald_stream *stream);
HEALD_API void heald_stream_resume(struct heald_stream *stream);

/*
 * Writes all of the data, now or later: what cannot be sent at once is copied into the queue. On
 * a readiness back end what need not wait is sent within the call; many small writes are better
 * gathered between heald_stream_cork() and heald_stream_uncork(); `drain` cannot come in between.
 * A write to a pipe that nobody reads any more also sends SIGPIPE to the process, which should
 * ignore that signal; for a child's input HEALD_STDIO_SOCKET avoids it.
 *
 *   0          done
 *   1          done, and more than `high` is queued: write no more until `drain`
 *   -EINVAL    it is not open
 *   -ENOBUFS   more than heald_stream_options.max would be queued; nothing was written
 *   -EPIPE     after heald_stream_shutdown(), heald_stream_end() or heald_stream_close()
 *   -errno     the stream has failed; `error` does not run for a failure that this call returns
 */
HEALD_API int heald_stream_write(struct heald_stream *stream, const void *data, size_t len);

/* Hold back what is written, and send it. */
HEALD_API void heald_stream_cork(struct heald_stream *stream);
HEALD_API void heald_stream_uncork(struct heald_stream *stream);

/* Returns the number of bytes that are queued. */
HEALD_API size_t heald_stream_queued(const struct heald_stream *stream);

/* Get how many bytes were read from the descriptor, and sent to it, since the stream was opened;
 * with a filter as it makes them. What is piped counts as well. Valid until the function given to
 * heald_stream_close() or heald_stream_end() has returned. */
HEALD_API void heald_stream_counts(const struct heald_stream *stream, uint64_t *ret_received,
                                   uint64_t *ret_sent);

/*
 * Runs fn(stream, 0) when all that was written until then is sent, or fn(stream, err) when the
 * stream fails or is closed before that (-ECANCELED).
 *
 *   0        fn will run
 *   1        nothing is queued; fn does not run
 *   -EBUSY   another flush is pending
 */
HEALD_API int heald_stream_flush(struct heald_stream *stream,
                                 void (*fn)(struct heald_stream *stream, int err));

/*
 * Half-closes a socket: when all is sent, the peer gets the end of the stream. Reading goes on.
 *
 *   0           done, or it will be
 *   -ENOTSOCK   the descriptor is not a socket
 *   -EPIPE      it was called before, or the stream is being closed
 *   -errno      the stream has failed
 */
HEALD_API int heald_stream_shutdown(struct heald_stream *stream);

/*
 * Close a stream. _end: sends what is queued, half-closes a socket, and closes it when its peer has
 * ended too, or two seconds later; all of it takes end_ns at most. What still arrives is discarded,
 * and nothing is reported. _close: at once; what is queued is lost. fn runs once; after that the
 * memory of the stream is the caller's, and fn may free it. Its err is 0 if all that was written
 * was sent to the system; -ETIMEDOUT: end_ns has passed before; -ECANCELED: _close before; -EPIPE:
 * the peer ended before a filter had sent the rest; or why the stream had failed. fn may be NULL. A
 * _close may follow an _end; only its fn runs then.
 *
 *   0           fn will run
 *   -EALREADY   it is being closed
 *   -EINVAL     it is not open; fn does not run
 */
HEALD_API int heald_stream_end(struct heald_stream *stream,
                               void (*fn)(struct heald_stream *stream, int err));
HEALD_API int heald_stream_close(struct heald_stream *stream,
                                 void (*fn)(struct heald_stream *stream, int err));

/*
 * Lets the loop end although the stream is open (`on` is not 0), or not: heald_loop_run() returns
 * while the stream only waits for its peer. What is queued is sent first. heald_stream_end() and
 * heald_stream_close() end that: their fn runs. heald_loop_close() returns -EBUSY as long as the
 * stream reads.
 */
HEALD_API void heald_stream_background(struct heald_stream *stream, int on);

/* Sets the time after which a stream without progress in any direction fails; 0: none. */
HEALD_API void heald_stream_set_idle(struct heald_stream *stream, int64_t idle_ns);

/*
 * Pipes all that `from` reads to `to`; NULL ends that. A stream that the program has paused goes
 * on: open it, pause it, connect, pipe. `from` is held up while more than the high watermark is
 * queued in `to`, which may take one portion more than its `max`. The end of `from` half-closes
 * `to`, if that is a socket; anything else stays open, and the program calls heald_stream_end(to)
 * in `end` of `from`. Instead of `data` of `from` and `drain` of `to` nothing is reported; the
 * other events are. When `to` fails or is closed the pipe has ended, and `from` goes on without it.
 * Two calls make a proxy; heald_socket_set_nodelay() keeps TCP from holding back the end of each
 * portion. Where much passes between two non-blocking sockets without filters, Linux moves it by
 * splice(2): `to` then has two more descriptors.
 *
 *   0        done
 *   -EINVAL  from and to are the same, belong to different loops, or are not open
 *   -EBUSY   another stream is piped to `to`
 *   -EPIPE   one of them has failed or is being closed, or nothing more can be written to `to`
 */
HEALD_API int heald_stream_pipe(struct heald_stream *from, struct heald_stream *to);

/*
 * For filters. feed: what the program is to read; data NULL: the end. send: what is to be written
 * to the descriptor; data NULL: the end, after which it is half-closed; returns as
 * heald_stream_write(), but `max` does not hold. What a filter sends of itself fails the stream
 * with -ENOBUFS when twice `max` is queued, as its peer does not read. If it fails, `output`
 * returns that; elsewhere `error` runs within the call. fail, in `input` only: what was read is
 * invalid; `error` runs with err, and the stream reads no more. While heald_stream_end() is pending
 * it does not run, and the stream is closed when the queue is sent.
 */
HEALD_API void heald_stream_feed(struct heald_stream *stream, char *data, size_t len);
HEALD_API int heald_stream_send(struct heald_stream *stream, const void *data, size_t len);
HEALD_API void heald_stream_fail(struct heald_stream *stream, int err);

#ifdef __cplusplus
}
#endif
#endif
