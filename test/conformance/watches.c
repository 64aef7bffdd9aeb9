/*
 * test/conformance/watches.c: heald/adapter/watch.h, of which the adapters of other libraries are
 * made: what these libraries do to a descriptor in its callback, and with its number.
 */
#include "conformance/conformance.h"

#include <heald/adapter/watch.h>

#include <sys/socket.h>

struct scene {
    struct heald_watch watch;
    struct heald_loop *loop;
    int fds[2];
    int reads, writes, errors, closed;
    unsigned then; /* what is wanted after the first event */
    bool closes;   /* the library closes in its callback, and opens the number again */
};

static void on_closed(struct heald_watch *watch)
{
    ((struct scene *)watch->data)->closed++;
}

static void on_ready(struct heald_watch *watch, unsigned events)
{
    struct scene *s = watch->data;

    must(!s->closed && !watch->is_closing);
    s->reads += !!(events & POLLIN);
    s->writes += !!(events & POLLOUT);
    s->errors += events == POLLERR;
    heald_watch_set(watch, s->then);
    if (!s->closes)
        return;
    heald_watch_close(watch, on_closed);
    heald_watch_close(watch, on_closed); /* no effect */
    must(!s->closed);
    close(watch->fd);
}

static void scene_open(struct scene *s, int combination)
{
    memset(s, 0, sizeof *s);
    s->loop = loop_on(combination);
    pair_open(PAIR_UNIX, s->fds);
    s->watch.data = s;
    heald_watch_open(&s->watch, s->loop, s->fds[0], on_ready);
}

static void scene_close(struct scene *s)
{
    if (!s->watch.is_closing) {
        heald_watch_close(&s->watch, on_closed);
        ck_assert_int_eq(s->closed, 0);
        close(s->fds[0]);
    }
    turn_until(s->loop, &s->closed, 1);
    close(s->fds[1]);
    loop_end(s->loop);
}

static void put(struct scene *s)
{
    ck_assert_int_eq(write(s->fds[1], "x", 1), 1);
}

HEALD_CASE(level_triggered_while_it_is_wanted)
{
    struct scene s;

    scene_open(&s, _i);
    s.then = POLLIN;
    heald_watch_set(&s.watch, POLLIN);
    turn_for(s.loop, HEALD_MS);
    ck_assert_int_eq(s.reads, 0);
    put(&s);
    turn_until(s.loop, &s.reads, 3);
    heald_watch_set(&s.watch, 0);
    int reads = s.reads;
    turn_for(s.loop, 2 * HEALD_MS);
    ck_assert_int_eq(s.reads, reads);
    ck_assert_int_eq(heald_loop_run(s.loop), 0); /* it keeps no loop running */
    scene_close(&s);
}

HEALD_CASE(the_interest_changes_in_the_callback)
{
    struct scene s;

    scene_open(&s, _i);
    put(&s);
    heald_watch_set(&s.watch, POLLIN);
    s.then = POLLOUT;
    turn_until(s.loop, &s.reads, 1);
    turn_until(s.loop, &s.writes, 3);
    ck_assert_int_eq(s.reads, 1);
    s.then = 0;
    int writes = s.writes;
    turn_until(s.loop, &s.writes, writes + 1);
    turn_for(s.loop, HEALD_MS);
    ck_assert_int_eq(s.writes, writes + 1);
    scene_close(&s);
}

/* Both are ready; the callback of the first wants neither any more, or closes. */
HEALD_CASE(one_callback_ends_the_other)
{
    for (int closes = 0; closes < 2; closes++) {
        struct scene s;

        scene_open(&s, _i);
        put(&s);
        s.closes = closes;
        heald_watch_set(&s.watch, POLLIN | POLLOUT);
        for (int i = 0; i < 200 && !s.reads && !s.writes; i++)
            must(heald_loop_turn(s.loop, now() + HEALD_MS) >= 0);
        turn_for(s.loop, HEALD_MS);
        ck_assert_int_eq(s.reads + s.writes, 1);
        scene_close(&s);
    }
}

HEALD_CASE(wanted_again_before_the_cancel_completes)
{
    struct scene s;

    scene_open(&s, _i);
    heald_watch_set(&s.watch, POLLIN);
    turn_for(s.loop, HEALD_MS);
    heald_watch_set(&s.watch, 0);
    heald_watch_set(&s.watch, POLLIN);
    put(&s);
    turn_until(s.loop, &s.reads, 1);
    scene_close(&s);
}

/* The library closes a descriptor with a pending poll, and its number is another's at once. */
HEALD_CASE(the_number_is_used_again_at_once)
{
    struct scene a, b;

    scene_open(&a, _i);
    heald_watch_set(&a.watch, POLLIN);
    turn_for(a.loop, HEALD_MS);
    for (int i = 0; i < 3; i++) {
        int fds[2], number = a.fds[0];
        memset(&b, 0, sizeof b);
        pair_open(PAIR_UNIX, fds);
        heald_watch_close(&a.watch, on_closed);
        ck_assert_int_eq(dup2(fds[0], number), number); /* closes it, too */
        close(fds[0]);
        b.loop = a.loop;
        b.watch.data = &b;
        b.fds[0] = number;
        b.fds[1] = fds[1];
        heald_watch_open(&b.watch, b.loop, number, on_ready);
        heald_watch_set(&b.watch, POLLIN);
        put(&b);
        turn_until(b.loop, &b.reads, 1);
        turn_until(a.loop, &a.closed, 1);
        ck_assert_int_eq(a.reads + a.errors + b.errors, 0);
        close(a.fds[1]);
        heald_watch_set(&b.watch, 0);
        turn_for(b.loop, HEALD_MS);
        a = b;
        a.watch.data = &a;
        a.watch.in.data = a.watch.out.data = &a.watch;
        a.reads = 0;
    }
    scene_close(&a);
}

HEALD_CASE(a_hang_up)
{
    struct scene s;

    scene_open(&s, _i);
    heald_watch_set(&s.watch, POLLIN);
    ck_assert_int_eq(shutdown(s.fds[1], SHUT_RDWR), 0);
    turn_until(s.loop, &s.reads, 1);
    scene_close(&s);
}

HEALD_CASE(what_cannot_be_waited_for)
{
    struct scene s;

    scene_open(&s, _i);
    heald_watch_open(&s.watch, s.loop, -1, on_ready);
    heald_watch_set(&s.watch, POLLIN);
    ck_assert_int_eq(s.errors, 0);
    turn_until(s.loop, &s.errors, 1);
    ck_assert_int_eq(s.watch.err, -EBADF);
    turn_for(s.loop, HEALD_MS);
    ck_assert_int_eq(s.errors, 1);
    scene_close(&s);
}

struct clock_scene {
    struct heald_watch_timer timer;
    int due, closed, again;
};

static void on_timer_closed(struct heald_watch_timer *timer)
{
    ((struct clock_scene *)timer->data)->closed++;
}

static void on_due(struct heald_watch_timer *timer)
{
    struct clock_scene *s = timer->data;

    s->due++;
    if (s->again-- > 0)
        heald_watch_timer_set(timer, 0);
    else if (s->again < -5)
        heald_watch_timer_close(timer, on_timer_closed);
}

HEALD_CASE(a_time_that_moves)
{
    struct clock_scene s = {.timer = {.data = &s}};
    struct heald_loop *loop = loop_on(_i);

    heald_watch_timer_open(&s.timer, loop, on_due);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    heald_watch_timer_set(&s.timer, now() + 3600 * HEALD_SEC);
    turn_for(loop, HEALD_MS);
    heald_watch_timer_set(&s.timer, HEALD_FOREVER);
    heald_watch_timer_set(&s.timer, now() + HEALD_MS);
    turn_until(loop, &s.due, 1);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    s.again = 4;
    heald_watch_timer_set(&s.timer, 0);
    turn_until(loop, &s.due, 6);
    /* Its callback is due, and it is set later or not at all. */
    heald_watch_timer_set(&s.timer, now() + 3600 * HEALD_SEC);
    turn_for(loop, HEALD_MS);
    ck_assert_int_eq(s.due, 6);
    s.again = -5;
    heald_watch_timer_set(&s.timer, 0);
    turn_until(loop, &s.due, 7);
    turn_until(loop, &s.closed, 1);
    loop_end(loop);
}

HEALD_CASE(a_timer_is_closed)
{
    for (int is_set = 0; is_set < 2; is_set++) {
        struct clock_scene s = {.timer = {.data = &s}};
        struct heald_loop *loop = loop_on(_i);

        heald_watch_timer_open(&s.timer, loop, on_due);
        if (is_set)
            heald_watch_timer_set(&s.timer, now() + 3600 * HEALD_SEC);
        heald_watch_timer_close(&s.timer, on_timer_closed);
        heald_watch_timer_set(&s.timer, 0); /* no effect */
        ck_assert_int_eq(s.closed, 0);
        turn_until(loop, &s.closed, 1);
        ck_assert_int_eq(s.due, 0);
        loop_end(loop);
    }
}

void add_watches(TCase *group)
{
    add_on_backends(group, level_triggered_while_it_is_wanted);
    add_on_backends(group, the_interest_changes_in_the_callback);
    add_on_backends(group, one_callback_ends_the_other);
    add_on_backends(group, wanted_again_before_the_cancel_completes);
    add_on_backends(group, the_number_is_used_again_at_once);
    add_on_backends(group, a_hang_up);
    add_on_backends(group, what_cannot_be_waited_for);
    add_on_backends(group, a_time_that_moves);
    add_on_backends(group, a_timer_is_closed);
}
