/* test/hosts/pq.c: how a connection of libpq ends in a loop before it is one: closed in the middle,
 * refused, cut, tried at several addresses. No server is needed. */
#include "hosts/traps.h"

#include <heald/adapter/pq.h>

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

int main(void)
{
    Suite *suite = suite_create("hosts");
    TCase *group = harness_group(suite, "pq");

    harness_add_range(group, closed_in_the_middle, 0, BACKENDS);
    harness_add_range(group, does_not_connect, 0, BACKENDS);
    harness_add_range(group, fails_at_once, 0, BACKENDS);
    return harness_run(suite);
}
