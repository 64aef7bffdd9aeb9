/* tls-echo ADDRESS CERTIFICATE KEY [IDLE-MS]: sends back what comes, over TLS: a stream with a
 * filter. */
#include <heald/adapter/openssl.h>
#include <heald/heald.h>

#include <stdio.h>
#include <stdlib.h>

static SSL_CTX *context;

static void on_closed(struct heald_stream *stream, int err)
{
    (void)err;
    free(heald_container_of(stream, struct heald_openssl, stream));
}

static void on_data(struct heald_stream *stream, char *data, size_t len)
{
    int err = heald_stream_write(stream, data, len);

    if (err == 1)
        heald_stream_pause(stream); /* a client that does not read */
    else if (err)
        heald_stream_close(stream, on_closed);
}

static void on_end(struct heald_stream *stream)
{
    heald_stream_end(stream, on_closed);
}

static void on_error(struct heald_stream *stream, int err)
{
    struct heald_openssl *tls = heald_container_of(stream, struct heald_openssl, stream);
    const char *why = tls->code ? ERR_reason_error_string(tls->code) : NULL;

    printf("%s\n", why ? why : heald_strerror(err));
    fflush(stdout);
    heald_stream_end(stream, on_closed); /* sends the alert */
}

static const struct heald_stream_events events = {on_data, on_end, heald_stream_resume, on_error};
static struct heald_stream_options options = {.idle_ns = 60 * HEALD_SEC};

static void on_connection(struct heald_listener *listener, int fd)
{
    struct heald_openssl *tls = calloc(1, sizeof *tls);
    SSL *ssl = SSL_new(context);

    if (!tls || !ssl || fd < 0)
        exit(1); /* no memory, or nothing is accepted any more */
    SSL_set_accept_state(ssl);
    if (heald_openssl_open(tls, listener->loop, fd, ssl, &events, &options) < 0)
        exit(1);
}

int main(int argc, char **argv)
{
    struct heald_loop *loop;
    struct heald_listener listener = {0};
    const char *address = argv[argc > 1];

    if (argc < 4) {
        fprintf(stderr, "usage: tls-echo ADDRESS CERTIFICATE KEY [IDLE-MS]\n");
        return 1;
    }
    if (argc > 4)
        options.idle_ns = atol(argv[4]) * HEALD_MS;
    context = SSL_CTX_new(TLS_server_method());
    if (!context || SSL_CTX_use_certificate_chain_file(context, argv[2]) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, argv[3], SSL_FILETYPE_PEM) != 1) {
        fprintf(stderr, "tls-echo: %s\n", ERR_reason_error_string(ERR_peek_last_error()));
        return 1;
    }
    int err = heald_loop_open(&loop, NULL);
    if (!err && !(err = heald_listener_open(&listener, loop, &address, 1, NULL, on_connection)))
        return heald_loop_run(loop) < 0;
    fprintf(stderr, "tls-echo: %s: %s\n", address, heald_strerror(err));
    return 1;
}
