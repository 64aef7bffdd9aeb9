/*
 * heald/adapter/openssl.h: TLS on a heald_stream, by OpenSSL 1.1.1 or newer.
 *
 * A filter of a stream (heald/stream.h): the program opens a struct heald_openssl, and then reads,
 * writes, pipes, half-closes and closes its `stream` with the functions of heald/stream.h. This
 * header is all of it; the program links -lssl -lcrypto. It is not part of heald/heald.h.
 *
 * What is written during the handshake is held and sent after it; heald_stream_queued() and
 * heald_stream_flush() do not count it. heald_stream_shutdown() and heald_stream_end() send a
 * close_notify. The close_notify of the peer is the `end` of the stream; without it a connection
 * that ends has failed, as somebody may have cut it. `error` of the stream gets, beside the errors
 * of heald/stream.h:
 *
 *   -EPROTO       TLS failed: heald_openssl.code says why; an alert is queued, and
 *                 heald_stream_end() sends it
 *   -ECONNRESET   the peer ended without a close_notify
 *   -ENOMEM       no memory
 *
 * A peer that stops in the handshake is ended by idle_ns of the stream. All functions are called on
 * the loop's thread; none blocks.
 */
#ifndef HEALD_ADAPTER_OPENSSL_H
#define HEALD_ADAPTER_OPENSSL_H

#include <heald/stream.h>

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A stream with TLS. The caller owns it, as it would a struct heald_stream: until the function runs
 * that was given to heald_stream_close() or heald_stream_end(). Zero it once. */
struct heald_openssl {
    struct heald_stream stream; /* its `data` is the caller's */
    SSL *ssl;           /* from the open to the close; also for SSL_get0_peer_certificate() */
    unsigned long code; /* of the failure, for ERR_reason_error_string(); 0: none */
    void (*ready)(struct heald_openssl *tls); /* set by the caller, may be NULL: the handshake is
                                                 done, before any data */
    char *held;                               /* private, as all that follow */
    size_t held_len, held_size;
    int flags;
};

/* heald_openssl.flags, and limits. Private. */
enum {
    HEALD__OPENSSL_READY = 1,  /* the handshake is done */
    HEALD__OPENSSL_OVER = 2,   /* the program writes no more */
    HEALD__OPENSSL_BROKEN = 4, /* TLS has failed */
    HEALD__OPENSSL_PART = 16 * 1024,
    HEALD__OPENSSL_HIGH = 64 * 1024,     /* held, and the program should wait */
    HEALD__OPENSSL_MAX = 4 * 1024 * 1024 /* held at most */
};

static inline struct heald_openssl *heald__openssl_of(struct heald_stream *stream)
{
    return heald_container_of(stream, struct heald_openssl, stream);
}

/* Sends the records that OpenSSL has made. */
static inline int heald__openssl_flush(struct heald_openssl *tls)
{
    BIO *out = SSL_get_wbio(tls->ssl);
    char *data = NULL;
    long len = BIO_get_mem_data(out, &data);
    int err = len > 0 ? heald_stream_send(&tls->stream, data, (size_t)len) : 0;

    (void)BIO_reset(out);
    return err;
}

/* Notes why TLS has failed, and sends what it has to say about that. */
static inline void heald__openssl_break(struct heald_openssl *tls)
{
    tls->flags |= HEALD__OPENSSL_BROKEN;
    tls->code = ERR_peek_last_error();
    ERR_clear_error();
    heald__openssl_flush(tls);
}

static inline int heald__openssl_encrypt(struct heald_openssl *tls, const char *data, size_t len)
{
    int above = 0;

    ERR_clear_error();
    for (size_t at = 0, n; at < len; at += n) {
        n = len - at < HEALD__OPENSSL_HIGH ? len - at : (size_t)HEALD__OPENSSL_HIGH;
        if (SSL_write(tls->ssl, data + at, (int)n) <= 0) {
            heald__openssl_break(tls);
            return -EPROTO;
        }
        int err = heald__openssl_flush(tls);
        if (err < 0)
            return err;
        above |= err;
    }
    return above;
}

/* Keeps what is written before the handshake is done. */
static inline int heald__openssl_hold(struct heald_openssl *tls, const char *data, size_t len)
{
    size_t size = tls->held_size ? tls->held_size : 512;

    if (len > HEALD__OPENSSL_MAX - tls->held_len)
        return -ENOBUFS;
    while (size < tls->held_len + len)
        size *= 2;
    if (size > tls->held_size) {
        char *more = (char *)realloc(tls->held, size);
        if (!more)
            return -ENOBUFS;
        tls->held = more;
        tls->held_size = size;
    }
    memcpy(tls->held + tls->held_len, data, len);
    tls->held_len += len;
    return tls->held_len > HEALD__OPENSSL_HIGH;
}

static inline void heald__openssl_drop_held(struct heald_openssl *tls)
{
    free(tls->held);
    tls->held = NULL;
    tls->held_len = tls->held_size = 0;
}

/* The close_notify, and the end of the stream behind it. */
static inline int heald__openssl_finish(struct heald_openssl *tls)
{
    if (!(tls->flags & HEALD__OPENSSL_BROKEN)) {
        ERR_clear_error();
        SSL_shutdown(tls->ssl);
        heald__openssl_flush(tls);
    }
    return heald_stream_send(&tls->stream, NULL, 0);
}

static inline int heald__openssl_output(struct heald_stream *stream, const char *data, size_t len)
{
    struct heald_openssl *tls = heald__openssl_of(stream);

    if (!data)
        tls->flags |= HEALD__OPENSSL_OVER;
    if (tls->flags & HEALD__OPENSSL_BROKEN)
        return data ? -EPROTO : heald__openssl_finish(tls);
    if (!(tls->flags & HEALD__OPENSSL_READY))
        return data ? heald__openssl_hold(tls, data, len) : 0;
    return data ? heald__openssl_encrypt(tls, data, len) : heald__openssl_finish(tls);
}

/* Returns what SSL_do_handshake() does. When it is done, what was held is sent. */
static inline int heald__openssl_shake(struct heald_openssl *tls)
{
    int n = SSL_do_handshake(tls->ssl);

    if (n != 1)
        return n;
    tls->flags |= HEALD__OPENSSL_READY;
    heald__openssl_flush(tls);
    if (tls->held_len)
        heald__openssl_encrypt(tls, tls->held, tls->held_len);
    heald__openssl_drop_held(tls);
    if (tls->flags & HEALD__OPENSSL_OVER)
        heald__openssl_finish(tls);
    if (tls->ready)
        tls->ready(tls);
    ERR_clear_error();
    return n;
}

/* Does what can be done with what has arrived; returns what the last call of OpenSSL did. */
static inline int heald__openssl_advance(struct heald_openssl *tls)
{
    char part[HEALD__OPENSSL_PART];
    int n = 1;

    ERR_clear_error();
    if (!(tls->flags & HEALD__OPENSSL_READY) && (n = heald__openssl_shake(tls)) != 1)
        return n;
    while ((n = SSL_read(tls->ssl, part, sizeof part)) > 0) {
        heald_stream_feed(&tls->stream, part, (size_t)n);
        ERR_clear_error(); /* of what the program did */
    }
    return n;
}

static inline void heald__openssl_input(struct heald_stream *stream, char *data, size_t len)
{
    struct heald_openssl *tls = heald__openssl_of(stream);

    if (tls->flags & HEALD__OPENSSL_BROKEN)
        return;
    if (!data && !(SSL_get_shutdown(tls->ssl) & SSL_RECEIVED_SHUTDOWN))
        heald_stream_fail(stream, -ECONNRESET);
    /* Nothing is read behind a close_notify: it would be kept. */
    if (!data || SSL_get_shutdown(tls->ssl) & SSL_RECEIVED_SHUTDOWN)
        return;
    if (BIO_write(SSL_get_rbio(tls->ssl), data, (int)len) != (int)len) {
        heald_stream_fail(stream, -ENOMEM);
        return;
    }
    int n = heald__openssl_advance(tls), why = SSL_get_error(tls->ssl, n);
    if (why == SSL_ERROR_WANT_READ) {
        heald__openssl_flush(tls);
    } else if (why == SSL_ERROR_ZERO_RETURN) {
        heald_stream_feed(stream, NULL, 0);
    } else {
        heald__openssl_break(tls);
        heald_stream_fail(stream, -EPROTO);
    }
}

static inline void heald__openssl_closed(struct heald_stream *stream)
{
    struct heald_openssl *tls = heald__openssl_of(stream);

    heald__openssl_drop_held(tls);
    SSL_free(tls->ssl);
    tls->ssl = NULL;
}

/* A client makes its first message; a server waits for that. */
static inline int heald__openssl_begin(struct heald_openssl *tls, SSL *ssl)
{
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());

    tls->ssl = ssl;
    tls->code = 0;
    tls->held = NULL;
    tls->held_len = tls->held_size = 0;
    tls->flags = 0;
    if (!in || !out) {
        BIO_free(in);
        BIO_free(out);
        return -ENOMEM;
    }
    SSL_set_bio(ssl, in, out);
    ERR_clear_error();
    if (SSL_get_error(ssl, SSL_do_handshake(ssl)) == SSL_ERROR_WANT_READ)
        return 0;
    tls->code = ERR_peek_last_error();
    ERR_clear_error();
    return -EPROTO;
}

/*
 * Opens a stream with TLS on a connected descriptor, as heald_stream_open() does; options->filter
 * is ignored. `ssl` is new and knows its side: SSL_set_accept_state() or SSL_set_connect_state().
 * A client begins the handshake. After 0 `ssl` belongs to tls, which frees it when the stream is
 * closed; after a failure the caller frees it, and the descriptor is the caller's.
 *
 *   0         it is open
 *   -EPROTO   OpenSSL cannot begin: tls->code
 *   -ENOMEM   no memory
 *   -errno    as heald_stream_open()
 */
static inline int heald_openssl_open(struct heald_openssl *tls, struct heald_loop *loop, int fd,
                                     SSL *ssl, const struct heald_stream_events *events,
                                     const struct heald_stream_options *options)
{
    static const struct heald_stream_filter filter = {heald__openssl_input, heald__openssl_output,
                                                      heald__openssl_closed};
    struct heald_stream_options with_filter;
    int err = heald__openssl_begin(tls, ssl);

    if (err)
        return err;
    memset(&with_filter, 0, sizeof with_filter);
    if (options)
        with_filter = *options;
    with_filter.filter = &filter;
    err = heald_stream_open(&tls->stream, loop, fd, events, &with_filter);
    if (err)
        return err;
    /* It goes with the turn: no callback runs here. */
    heald_stream_cork(&tls->stream);
    heald__openssl_flush(tls);
    heald_stream_uncork(&tls->stream);
    return 0;
}

#ifdef __cplusplus
}
#endif
#endif
