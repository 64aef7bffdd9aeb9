/* test/hosts/pq.c: how a connection of libpq ends in a loop before it is one: closed in the middle,
 * refused, cut, tried at several addresses; and one to a server that does not read for a while. No
 * server is needed. */
#include "hosts/traps.h"

#include <heald/adapter/pq.h>

#include <fcntl.h>
#include <stdlib.h>

struct scene {
    struct heald_pq pq;
    struct heald_loop *loop;
    int fd, port, errors, closed;
    bool closes;
};

static void on_closed(struct heald_pq *pq)
{
    struct scene *s = pq->data;

    ck_assert_ptr_null(pq->conn);
    s->closed++;
}

static void on_ready(struct heald_pq *pq)
{
    (void)pq;
    ck_abort_msg("connected to nobody");
}

static void on_error(struct heald_pq *pq, const char *text)
{
    struct scene *s = pq->data;

    ck_assert_uint_gt(strlen(text), 0);
    ck_assert_int_eq(heald_pq_flush(pq), -ENOTCONN);
    s->errors++;
    if (s->closes)
        heald_pq_close(pq, on_closed);
}

static const struct heald_pq_events events = {.ready = on_ready, .error = on_error};

static void scene_open(struct scene *s, int backend)
{
    memset(s, 0, sizeof *s);
    s->loop = loop_on(backend);
    s->pq.data = s;
    s->fd = silent_server(SOCK_STREAM | SOCK_NONBLOCK, &s->port);
}

static void connect_to(struct scene *s, const char *hosts, int count)
{
    char text[200];
    size_t len = (size_t)snprintf(text, sizeof text, "user=x sslmode=prefer hostaddr=%s port=%d",
                                  hosts, s->port);

    for (int i = 1; i < count; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, ",%d", s->port);
    ck_assert_int_eq(heald_pq_open(&s->pq, s->loop, text, &events), 0);
    ck_assert_int_eq(heald_pq_flush(&s->pq), -ENOTCONN);
}

static void scene_end(struct scene *s)
{
    heald_pq_close(&s->pq, on_closed);
    heald_pq_close(&s->pq, on_closed); /* no effect */
    ck_assert_int_eq(heald_loop_run(s->loop), 0);
    ck_assert_int_eq(s->closed, 1);
    if (s->fd >= 0)
        close(s->fd);
    ck_assert_int_eq(heald_loop_close(s->loop), 0);
}

HEALD_CASE(closed_in_the_middle)
{
    for (int turns = 0; turns < 4; turns++) {
        struct scene s;

        scene_open(&s, _i);
        connect_to(&s, "127.0.0.1", 1);
        for (int i = 0; i < turns; i++)
            ck_assert_int_ge(heald_loop_turn(s.loop, heald_now(s.loop) + HEALD_MS), 0);
        scene_end(&s);
        ck_assert_int_eq(s.errors, 0);
    }
}

/* One turn, as a server that closes what it has accepted. */
static void serve_badly(struct scene *s, bool speaks)
{
    int fd = s->fd < 0 ? -1 : accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);

    if (fd >= 0 && speaks)
        ck_assert_int_eq(write(fd, "HTTP/1.1 400 what?\r\n", 20), 20);
    if (fd >= 0)
        close(fd);
    ck_assert_int_ge(heald_loop_turn(s->loop, heald_now(s->loop) + HEALD_MS), 0);
}

/* By a server that closes, sends garbage, or is not there; at several addresses, whose sockets have
 * the same number. */
HEALD_CASE(does_not_connect)
{
    static const char *const hosts[] = {"127.0.0.1", "127.0.0.1,127.0.0.1",
                                        "127.0.0.1,127.0.0.1,127.0.0.1"};

    for (int how = 0; how < 3; how++) {
        for (int closes = 0; closes < 2; closes++) {
            struct scene s;
            int count = how + 1;

            scene_open(&s, _i);
            s.closes = closes;
            if (how == 2) {
                close(s.fd);
                s.fd = -1;
            }
            connect_to(&s, hosts[how], count);
            int64_t end = heald_now(s.loop) + 10 * HEALD_SEC;
            while (!s.errors && heald_now(s.loop) < end)
                serve_badly(&s, how == 1);
            turn_until(s.loop, &s.errors, 1);
            scene_end(&s);
            ck_assert_int_eq(s.errors, 1);
        }
    }
}

HEALD_CASE(fails_at_once)
{
    struct scene s;

    scene_open(&s, _i);
    ck_assert_int_eq(heald_pq_open(&s.pq, s.loop, "no such option", &events), 0);
    ck_assert_int_eq(s.errors, 0);
    turn_until(s.loop, &s.errors, 1);
    scene_end(&s);
}

struct talk {
    struct heald_pq pq;
    struct heald_loop *loop;
    int ready, results, failures, ends, notices, errors, closed;
};

static void on_talk_ready(struct heald_pq *pq)
{
    ((struct talk *)pq->data)->ready++;
}

static void on_talk_result(struct heald_pq *pq, PGresult *result)
{
    struct talk *t = pq->data;

    t->results += result && PQresultStatus(result) == PGRES_COMMAND_OK;
    t->failures += result && PQresultStatus(result) == PGRES_FATAL_ERROR;
    t->ends += !result;
}

static void on_talk_notify(struct heald_pq *pq, PGnotify *notify)
{
    ck_assert_str_eq(notify->relname, "news");
    ((struct talk *)pq->data)->notices++;
}

static void on_talk_error(struct heald_pq *pq, const char *text)
{
    (void)text;
    ((struct talk *)pq->data)->errors++;
}

static void on_talk_closed(struct heald_pq *pq)
{
    ((struct talk *)pq->data)->closed++;
}

static const struct heald_pq_events talk_events = {.ready = on_talk_ready,
                                                   .result = on_talk_result,
                                                   .notify = on_talk_notify,
                                                   .error = on_talk_error};

/* A message of the protocol: what of it is in the literal, which has a length of its own. */
#define SEND(fd, message) \
    ck_assert_int_eq(write((fd), (message), sizeof(message) - 1), sizeof(message) - 1)

/* What has come, until there is no more. Returns how much. */
static size_t read_all(int fd)
{
    char part[65536];
    size_t got = 0;
    ssize_t n;

    while ((n = read(fd, part, sizeof part)) > 0)
        got += (size_t)n;
    return got;
}

/* Turns until `most` bytes have come; how many came. */
static size_t read_and_turn(struct talk *t, int fd, size_t most)
{
    int64_t end = heald_now(t->loop) + 10 * HEALD_SEC * harness_slow();
    size_t got = read_all(fd);

    while (got < most && heald_now(t->loop) < end) {
        ck_assert_int_ge(heald_loop_turn(t->loop, heald_now(t->loop) + HEALD_MS), 0);
        got += read_all(fd);
    }
    return got;
}

/* Connected to a server that is this test, which accepts whoever it is. */
static int talk_open(struct talk *t, int backend)
{
    char text[100];
    int port, listener;

    memset(t, 0, sizeof *t);
    t->loop = loop_on(backend);
    t->pq.data = t;
    listener = silent_server(SOCK_STREAM, &port);
    snprintf(text, sizeof text,
             "user=x sslmode=disable gssencmode=disable hostaddr=127.0.0.1 port=%d", port);
    ck_assert_int_eq(heald_pq_open(&t->pq, t->loop, text, &talk_events), 0);
    int fd = accept(listener, NULL, NULL);
    ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    close(listener);
    ck_assert_uint_gt(read_and_turn(t, fd, 8), 8);
    SEND(fd, "R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I"); /* authenticated, ready */
    turn_until(t->loop, &t->ready, 1);
    return fd;
}

/* What the server says meanwhile is reported, and all of the query arrives. */
HEALD_CASE(more_than_the_socket_takes)
{
    enum { LONG = 8 << 20 };
    struct talk t;
    int fd = talk_open(&t, _i);
    char *query = malloc(LONG + 1);

    memset(query, ' ', LONG);
    query[LONG] = 0;
    ck_assert_int_eq(PQsendQuery(t.pq.conn, query), 1);
    ck_assert_int_eq(heald_pq_flush(&t.pq), 0);
    for (int i = 0; i < 20; i++)
        ck_assert_int_ge(heald_loop_turn(t.loop, 0), 0);
    ck_assert_uint_eq(t.pq.watch.wanted, POLLIN | POLLOUT);
    SEND(fd, "A\0\0\0\x0e\0\0\0\x01news\0\0");
    turn_until(t.loop, &t.notices, 1);
    ck_assert_uint_eq(t.pq.watch.wanted, POLLIN | POLLOUT);
    ck_assert_int_eq(t.results, 0);
    ck_assert_uint_eq(read_and_turn(&t, fd, LONG + 6), LONG + 6);
    SEND(fd, "C\0\0\0\x08SET\0Z\0\0\0\x05I");
    turn_until(t.loop, &t.ends, 1);
    ck_assert_int_eq(t.results, 1);
    ck_assert_uint_eq(t.pq.watch.wanted, POLLIN);
    ck_assert_int_eq(t.errors, 0);
    heald_pq_close(&t.pq, on_talk_closed);
    ck_assert_int_eq(heald_loop_run(t.loop), 0);
    ck_assert_int_eq(t.closed, 1);
    free(query);
    close(fd);
    ck_assert_int_eq(heald_loop_close(t.loop), 0);
}

/* The server closes while the query is on its way. */
HEALD_CASE(lost_while_it_sends)
{
    enum { LONG = 8 << 20 };
    struct talk t;
    int fd = talk_open(&t, _i);
    char *query = calloc(1, LONG + 1);

    memset(query, ' ', LONG);
    ck_assert_int_eq(PQsendQuery(t.pq.conn, query), 1);
    ck_assert_int_eq(heald_pq_flush(&t.pq), 0);
    for (int i = 0; i < 20; i++)
        ck_assert_int_ge(heald_loop_turn(t.loop, 0), 0);
    close(fd);
    turn_until(t.loop, &t.errors, 1);
    ck_assert_int_eq(t.failures, 1);
    ck_assert_int_eq(t.results, 0);
    heald_pq_close(&t.pq, on_talk_closed);
    ck_assert_int_eq(heald_loop_run(t.loop), 0);
    ck_assert_int_eq(t.closed, 1);
    free(query);
    ck_assert_int_eq(heald_loop_close(t.loop), 0);
}

int main(void)
{
    Suite *suite = suite_create("hosts");
    TCase *group = harness_group(suite, "pq");

    harness_add_range(group, closed_in_the_middle, 0, BACKENDS);
    harness_add_range(group, does_not_connect, 0, BACKENDS);
    harness_add_range(group, fails_at_once, 0, BACKENDS);
    harness_add_range(group, more_than_the_socket_takes, 0, BACKENDS);
    harness_add_range(group, lost_while_it_sends, 0, BACKENDS);
    return harness_run(suite);
}
