/* test/hosts/cares.c: how a channel of c-ares ends in a loop: closed with queries pending, in a
 * callback, cancelled, and another one at once on the same numbers. */
#include "hosts/traps.h"

#include <heald/adapter/cares.h>

enum { QUERIES = 20 };

struct scene {
    struct heald_cares cares;
    struct heald_loop *loop;
    int fd, answers, status, closed;
    bool closes;
};

static void on_closed(struct heald_cares *cares)
{
    ((struct scene *)cares->data)->closed++;
}

static void on_answer(void *user, int status, int timeouts, unsigned char *answer, int len)
{
    struct scene *s = user;

    (void)timeouts;
    (void)answer;
    (void)len;
    ck_assert_int_eq(s->closed, 0);
    s->answers++;
    s->status = status;
    if (s->closes)
        heald_cares_close(&s->cares, on_closed);
}

static void scene_open(struct scene *s, struct heald_loop *loop, int timeout_ms)
{
    struct ares_options options = {.timeout = timeout_ms, .tries = 1};
    char server[32];
    int port;

    memset(s, 0, sizeof *s);
    s->loop = loop;
    s->cares.data = s;
    s->fd = silent_server(SOCK_DGRAM, &port);
    snprintf(server, sizeof server, "127.0.0.1:%d", port);
    ck_assert_int_eq(
        heald_cares_open(&s->cares, loop, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES), 0);
    ck_assert_int_eq(ares_set_servers_ports_csv(s->cares.channel, server), ARES_SUCCESS);
    for (int i = 0; i < QUERIES; i++)
        ares_query(s->cares.channel, "a.test.", 1, 1, on_answer, s);
    ck_assert_int_ge(heald_loop_turn(loop, 0), 0);
    ck_assert_int_eq(s->answers, 0);
}

static void scene_end(struct scene *s)
{
    heald_cares_close(&s->cares, on_closed);
    turn_until(s->loop, &s->closed, 1);
    close(s->fd);
}

HEALD_CASE(closed_with_queries_pending)
{
    struct heald_loop *loop = loop_on(_i);
    struct scene s;

    scene_open(&s, loop, 60000);
    heald_cares_close(&s.cares, on_closed);
    heald_cares_close(&s.cares, on_closed); /* no effect */
    ck_assert_int_eq(s.answers, 0);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    ck_assert_int_eq(s.answers, QUERIES);
    ck_assert_int_eq(s.status, ARES_EDESTRUCTION);
    ck_assert_int_eq(s.closed, 1);
    close(s.fd);
    ck_assert_int_eq(heald_loop_close(loop), 0);
}

HEALD_CASE(closed_in_a_callback)
{
    struct heald_loop *loop = loop_on(_i);
    struct scene s;

    scene_open(&s, loop, 50);
    s.closes = true;
    ck_assert_int_eq(heald_loop_run(loop), 0);
    ck_assert_int_eq(s.answers, QUERIES);
    ck_assert_int_eq(s.closed, 1);
    close(s.fd);
    ck_assert_int_eq(heald_loop_close(loop), 0);
}

HEALD_CASE(times_out_and_cancelled)
{
    struct heald_loop *loop = loop_on(_i);
    struct scene s;
    int64_t before = heald_now(loop);

    scene_open(&s, loop, 50);
    ck_assert_int_eq(heald_loop_run(loop), 0); /* to the last time-out */
    ck_assert_int_eq(s.answers, QUERIES);
    ck_assert_int_eq(s.status, ARES_ETIMEOUT);
    ck_assert_int_ge(heald_now(loop) - before, 49 * HEALD_MS);
    ares_query(s.cares.channel, "b.test.", 1, 1, on_answer, &s);
    ares_cancel(s.cares.channel);
    ck_assert_int_eq(s.status, ARES_ECANCELLED);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    scene_end(&s);
    ck_assert_int_eq(heald_loop_close(loop), 0);
}

/* A cancel closes the sockets; the next channel gets their numbers. */
HEALD_CASE(one_after_the_other)
{
    struct heald_loop *loop = loop_on(_i);
    struct scene scenes[5];

    for (int i = 0; i < 5; i++) {
        scene_open(&scenes[i], loop, i == 4 ? 50 : 60000);
        if (i < 4)
            ares_cancel(scenes[i].cares.channel);
    }
    turn_until(loop, &scenes[4].answers, QUERIES);
    ck_assert_int_eq(scenes[4].status, ARES_ETIMEOUT);
    for (int i = 0; i < 5; i++)
        scene_end(&scenes[i]);
    ck_assert_int_eq(heald_loop_close(loop), 0);
}

int main(void)
{
    Suite *suite = suite_create("hosts");
    TCase *group = harness_group(suite, "cares");

    harness_add_range(group, closed_with_queries_pending, 0, BACKENDS);
    harness_add_range(group, closed_in_a_callback, 0, BACKENDS);
    harness_add_range(group, times_out_and_cancelled, 0, BACKENDS);
    harness_add_range(group, one_after_the_other, 0, BACKENDS);
    return harness_run(suite);
}
