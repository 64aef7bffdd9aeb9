/* test/hosts/hiredis.c: how a client of hiredis ends in a loop: freed with commands pending, in a
 * callback, by its server; another one at once on the same number. */
#include "hosts/traps.h"

#include <heald/adapter/hiredis.h>

#include <stdlib.h>

struct scene {
    struct heald_hiredis redis;
    struct heald_loop *loop;
    int fd, port, replies, without, closed, disconnected;
};

static void on_closed(struct heald_hiredis *redis)
{
    struct scene *s = redis->data;

    ck_assert_ptr_null(redis->context);
    s->closed++;
}

static void on_reply(redisAsyncContext *context, void *reply, void *user)
{
    struct scene *s = user;

    (void)context;
    s->replies += !!reply;
    s->without += !reply;
}

static void on_reply_and_close(redisAsyncContext *context, void *reply, void *user)
{
    struct scene *s = user;

    on_reply(context, reply, user);
    if (reply)
        heald_hiredis_close(&s->redis);
    ck_assert_int_eq(s->closed, 0);
}

static void on_disconnected(const redisAsyncContext *context, int status)
{
    (void)status;
    ((struct scene *)context->data)->disconnected++;
}

static void client_open(struct scene *s)
{
    redisAsyncContext *context = redisAsyncConnect("127.0.0.1", s->port);

    ck_assert_int_eq(heald_hiredis_open(&s->redis, s->loop, context, on_closed), 0);
    ck_assert_int_eq(heald_hiredis_open(&s->redis, s->loop, context, on_closed), -EBUSY);
    context->data = s;
    redisAsyncSetDisconnectCallback(context, on_disconnected);
}

static void scene_open(struct scene *s, int backend)
{
    memset(s, 0, sizeof *s);
    s->loop = loop_on(backend);
    s->fd = silent_server(SOCK_STREAM, &s->port);
    s->redis.data = s;
    client_open(s);
}

static void scene_end(struct scene *s)
{
    heald_hiredis_close(&s->redis);
    ck_assert_int_eq(heald_loop_run(s->loop), 0);
    close(s->fd);
    ck_assert_int_eq(heald_loop_close(s->loop), 0);
}

HEALD_CASE(freed_with_commands_pending)
{
    for (int turns = 0; turns < 3; turns++) {
        struct scene s;

        scene_open(&s, _i);
        redisAsyncCommand(s.redis.context, on_reply, &s, "PING");
        redisAsyncCommand(s.redis.context, on_reply, &s, "PING");
        for (int i = 0; i < turns; i++)
            ck_assert_int_ge(heald_loop_turn(s.loop, 0), 0);
        redisAsyncFree(s.redis.context);
        ck_assert_int_eq(s.without, 2);
        ck_assert_int_eq(s.closed, 0);
        turn_until(s.loop, &s.closed, 1);
        scene_end(&s);
        ck_assert_int_eq(s.closed, 1);
    }
}

HEALD_CASE(freed_in_a_callback)
{
    struct scene s;

    scene_open(&s, _i);
    redisAsyncCommand(s.redis.context, on_reply_and_close, &s, "PING");
    redisAsyncCommand(s.redis.context, on_reply_and_close, &s, "PING");
    int fd = accept(s.fd, NULL, NULL);
    ck_assert_int_eq(write(fd, "+PONG\r\n+PONG\r\n", 14), 14);
    turn_until(s.loop, &s.closed, 1);
    ck_assert_int_eq(s.replies, 1);
    ck_assert_int_eq(s.without, 1);
    close(fd);
    scene_end(&s);
}

HEALD_CASE(the_server_closes)
{
    struct scene s;

    scene_open(&s, _i);
    redisAsyncCommand(s.redis.context, on_reply, &s, "PING");
    close(accept(s.fd, NULL, NULL));
    turn_until(s.loop, &s.closed, 1);
    ck_assert_int_eq(s.without, 1);
    ck_assert_int_eq(s.disconnected, 1);
    scene_end(&s);
}

/* The next client has the number of the one that was freed; the first is closed meanwhile. */
HEALD_CASE(one_after_the_other)
{
    struct scene first, next;

    scene_open(&first, _i);
    redisAsyncCommand(first.redis.context, on_reply, &first, "PING");
    for (int i = 0; i < 3; i++) {
        int number = first.redis.context->c.fd;

        ck_assert_int_ge(heald_loop_turn(first.loop, 0), 0);
        redisAsyncFree(first.redis.context);
        memset(&next, 0, sizeof next);
        next.loop = first.loop;
        next.port = first.port;
        next.redis.data = &next;
        client_open(&next);
        ck_assert_int_eq(next.redis.context->c.fd, number);
        redisAsyncCommand(next.redis.context, on_reply, &next, "PING");
        close(accept(first.fd, NULL, NULL)); /* of the first */
        int fd = accept(first.fd, NULL, NULL);
        ck_assert_int_eq(write(fd, "+PONG\r\n", 7), 7);
        turn_until(next.loop, &next.replies, 1);
        turn_until(first.loop, &first.closed, i + 1);
        close(fd);
        turn_until(next.loop, &next.closed, 1);
        client_open(&first);
    }
    scene_end(&first);
}

/* The port of a server that has gone. */
HEALD_CASE(nobody_listens)
{
    struct scene s;

    scene_open(&s, _i);
    redisAsyncFree(s.redis.context);
    close(s.fd);
    s.fd = -1;
    turn_until(s.loop, &s.closed, 1);
    client_open(&s);
    redisAsyncCommand(s.redis.context, on_reply, &s, "PING");
    turn_until(s.loop, &s.closed, 2);
    ck_assert_int_eq(s.without, 1);
    ck_assert_int_eq(heald_hiredis_open(&s.redis, s.loop, NULL, on_closed), -EINVAL);
    ck_assert_int_eq(heald_loop_close(s.loop), 0);
}

/* One that answers before it reads, and then reads all of a long command. */
HEALD_CASE(more_than_the_socket_takes)
{
    enum { LONG = 8 << 20 };
    struct scene s;
    char *value = calloc(1, LONG), part[65536];
    size_t got = 0;
    ssize_t n;

    scene_open(&s, _i);
    redisAsyncCommand(s.redis.context, on_reply, &s, "PING");
    redisAsyncCommand(s.redis.context, on_reply, &s, "SET key %b", value, (size_t)LONG);
    int fd = accept4(s.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    while (!(s.redis.watch.wanted & POLLIN))
        ck_assert_int_ge(heald_loop_turn(s.loop, 0), 0);
    for (int i = 0; i < 20; i++)
        ck_assert_int_ge(heald_loop_turn(s.loop, 0), 0);
    ck_assert_uint_eq(s.redis.watch.wanted, POLLIN | POLLOUT);
    ck_assert_int_eq(write(fd, "+PONG\r\n", 7), 7);
    turn_until(s.loop, &s.replies, 1);
    ck_assert_uint_eq(s.redis.watch.wanted, POLLIN | POLLOUT);
    int64_t end = heald_now(s.loop) + 10 * HEALD_SEC * harness_slow();
    while (got < LONG + 40 && heald_now(s.loop) < end) {
        while ((n = read(fd, part, sizeof part)) > 0)
            got += (size_t)n;
        ck_assert_int_ge(heald_loop_turn(s.loop, heald_now(s.loop) + HEALD_MS), 0);
    }
    ck_assert_uint_ge(got, LONG + 40);
    ck_assert_int_eq(write(fd, "+OK\r\n", 5), 5);
    turn_until(s.loop, &s.replies, 2);
    ck_assert_uint_eq(s.redis.watch.wanted, POLLIN);
    close(fd);
    free(value);
    scene_end(&s);
}

/* By a server that answers once, and not again. */
HEALD_CASE(commands_time_out)
{
#if HIREDIS_MAJOR >= 1
    struct scene s;

    scene_open(&s, _i);
    redisAsyncCommand(s.redis.context, on_reply, &s, "PING");
    int fd = accept(s.fd, NULL, NULL);
    ck_assert_int_eq(write(fd, "+PONG\r\n", 7), 7);
    turn_until(s.loop, &s.replies, 1);
    int64_t before = heald_now(s.loop);
    redisAsyncSetTimeout(s.redis.context, (struct timeval){.tv_usec = 20000});
    redisAsyncCommand(s.redis.context, on_reply, &s, "PING");
    turn_until(s.loop, &s.closed, 1);
    ck_assert_int_ge(heald_now(s.loop) - before, 20 * HEALD_MS);
    ck_assert_int_eq(s.without, 1);
    ck_assert_int_eq(s.disconnected, 1);
    close(fd);
    scene_end(&s);
#else
    (void)_i;
    harness_skip("hiredis %d has no time-outs", HIREDIS_MAJOR);
#endif
}

int main(void)
{
    Suite *suite = suite_create("hosts");
    TCase *group = harness_group(suite, "hiredis");

    harness_add_range(group, freed_with_commands_pending, 0, BACKENDS);
    harness_add_range(group, freed_in_a_callback, 0, BACKENDS);
    harness_add_range(group, the_server_closes, 0, BACKENDS);
    harness_add_range(group, one_after_the_other, 0, BACKENDS);
    harness_add_range(group, nobody_listens, 0, BACKENDS);
    harness_add_range(group, more_than_the_socket_takes, 0, BACKENDS);
    harness_add_range(group, commands_time_out, 0, BACKENDS);
    return harness_run(suite);
}
