/* test/hosts/openssl.c: what a peer sends behind its close_notify is not kept. */
#include "hosts/traps.h"

#include <heald/adapter/openssl.h>

#include <sys/socket.h>

enum { MORE = 4 << 20 };

struct scene {
    struct heald_openssl tls;
    struct heald_loop *loop;
    SSL_CTX *context;
    SSL *peer;
    int fd, ready, ends, closed;
};

static struct scene *scene_of(struct heald_stream *stream)
{
    return stream->data;
}

static void on_ready(struct heald_openssl *tls)
{
    scene_of(&tls->stream)->ready++;
}

static void on_end(struct heald_stream *stream)
{
    scene_of(stream)->ends++;
}

static void on_closed(struct heald_stream *stream, int err)
{
    (void)err;
    scene_of(stream)->closed++;
}

static const struct heald_stream_events events = {.end = on_end};

/* Without certificates: both sides are anonymous. */
static void scene_open(struct scene *s, struct heald_loop *loop)
{
    int fds[2];

    memset(s, 0, sizeof *s);
    s->loop = loop;
    ck_assert_int_eq(heald_socketpair(SOCK_STREAM, fds), 0);
    s->fd = fds[1];
    s->context = SSL_CTX_new(TLS_method());
    SSL_CTX_set_max_proto_version(s->context, TLS1_2_VERSION);
    ck_assert_int_eq(SSL_CTX_set_cipher_list(s->context, "aNULL:@SECLEVEL=0"), 1);
    SSL *ssl = SSL_new(s->context);
    SSL_set_accept_state(ssl);
    s->tls.stream.data = s;
    s->tls.ready = on_ready;
    ck_assert_int_eq(heald_openssl_open(&s->tls, loop, fds[0], ssl, &events, NULL), 0);
    s->peer = SSL_new(s->context);
    SSL_set_connect_state(s->peer);
    SSL_set_fd(s->peer, s->fd);
}

static void turn(struct scene *s)
{
    ck_assert_int_ge(heald_loop_turn(s->loop, heald_now(s->loop) + HEALD_MS), 0);
}

HEALD_CASE(more_behind_the_end)
{
    static const char more[64 * 1024];
    struct scene s;
    size_t sent = 0;

    scene_open(&s, loop_on(_i));
    while (SSL_do_handshake(s.peer) != 1)
        turn(&s);
    SSL_shutdown(s.peer);
    turn_until(s.loop, &s.ends, 1);
    while (sent < MORE) {
        ssize_t n = send(s.fd, more, sizeof more, MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        turn(&s);
    }
    ck_assert_uint_eq(BIO_ctrl_pending(SSL_get_rbio(s.tls.ssl)), 0);
    ck_assert_int_eq(s.ready, 1);
    heald_stream_close(&s.tls.stream, on_closed);
    turn_until(s.loop, &s.closed, 1);
    SSL_free(s.peer);
    SSL_CTX_free(s.context);
    close(s.fd);
    ck_assert_int_eq(heald_loop_close(s.loop), 0);
}

int main(void)
{
    Suite *suite = suite_create("hosts");
    TCase *group = harness_group(suite, "openssl");

    harness_add_range(group, more_behind_the_end, 0, BACKENDS);
    return harness_run(suite);
}
