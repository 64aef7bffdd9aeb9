/* tls-fetch HOST PORT AUTHORITY TEXT: sends a text to a server over TLS, whose certificate a file
 * of authorities vouches for, and prints the answer. */
#include <heald/adapter/openssl.h>
#include <heald/heald.h>

#include <stdio.h>

static char **args;
static SSL *ssl;
static int status = 1;

static void on_data(struct heald_stream *stream, char *data, size_t len)
{
    (void)stream;
    fwrite(data, 1, len, stdout);
}

static void on_end(struct heald_stream *stream)
{
    status = 0;
    heald_stream_end(stream, NULL);
}

static void on_error(struct heald_stream *stream, int err)
{
    struct heald_openssl *tls = heald_container_of(stream, struct heald_openssl, stream);
    const char *why = tls->code ? ERR_reason_error_string(tls->code) : NULL;

    fprintf(stderr, "tls-fetch: %s\n", why ? why : heald_strerror(err));
    heald_stream_end(stream, NULL); /* sends the alert */
}

static const struct heald_stream_events events = {
    .data = on_data, .end = on_end, .error = on_error};

static void on_ready(struct heald_openssl *tls)
{
    fprintf(stderr, "%s\n", SSL_get_version(tls->ssl));
}

static void on_connected(struct heald_op *op)
{
    static struct heald_openssl tls = {.ready = on_ready};
    int err = op->result < 0 ? (int)op->result : 0;

    if (!err)
        err = heald_openssl_open(&tls, op->loop, (int)op->result, ssl, &events, NULL);
    if (err) {
        fprintf(stderr, "tls-fetch: %s\n", heald_strerror(err));
        return;
    }
    heald_stream_write(&tls.stream, args[4], strlen(args[4])); /* after the handshake */
    heald_stream_shutdown(&tls.stream);
}

int main(int argc, char **argv)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    struct heald_loop *loop;
    struct heald_op op = {0};
    struct heald_connect_name name;

    args = argv;
    if (argc != 5 || !context || SSL_CTX_load_verify_locations(context, argv[3], NULL) != 1 ||
        !(ssl = SSL_new(context)) || heald_loop_open(&loop, NULL)) {
        fprintf(stderr, "usage: tls-fetch HOST PORT AUTHORITY TEXT\n");
        return 1;
    }
    SSL_set_connect_state(ssl);
    SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
    SSL_set1_host(ssl, argv[1]);
    SSL_set_tlsext_host_name(ssl, argv[1]);
    heald_prep_connect_name(&op, &name, argv[1], argv[2]);
    op.deadline_ns = heald_now(loop) + 5 * HEALD_SEC;
    heald_submit(loop, &op, on_connected);
    if (heald_loop_run(loop) < 0)
        status = 1;
    SSL_CTX_free(context);
    return heald_loop_close(loop) < 0 || status;
}
