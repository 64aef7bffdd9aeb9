/* test/conformance/post.c: ops from other threads: each once, in order, and no wake is lost. */
#include "conformance/conformance.h"

#include <pthread.h>
#include <signal.h>

enum { THREADS = 4, POSTS = 2000, LATE = 200 };

struct letter {
    struct heald_op op;
    int thread, number;
};

struct poster {
    struct heald_loop *loop;
    struct letter *letters;
    int count, pause_us;
    pthread_t thread;
};

static struct {
    int count, disorder, last[THREADS];
    pthread_t thread;
} box;

static void on_letter(struct heald_op *op)
{
    struct letter *l = heald_container_of(op, struct letter, op);

    must(op->result == 0);
    must(pthread_equal(box.thread, pthread_self()));
    box.disorder += l->number != box.last[l->thread];
    box.last[l->thread] = l->number + 1;
    box.count++;
    heald_loop_release(op->loop);
}

static void *post_all(void *arg)
{
    struct poster *p = arg;

    for (int i = 0; i < p->count; i++) {
        if (heald_loop_post(p->loop, &p->letters[i].op, on_letter) != 0)
            abort();
        if (p->pause_us && i % 16 == 0)
            usleep((useconds_t)p->pause_us);
    }
    return NULL;
}

static void post_from_threads(struct heald_loop *loop, int count, int pause_us)
{
    struct poster p[THREADS];

    box.thread = pthread_self();
    for (int t = 0; t < THREADS; t++) {
        p[t] = (struct poster){.loop = loop, .count = count, .pause_us = pause_us};
        p[t].letters = calloc((size_t)count, sizeof *p[t].letters);
        for (int i = 0; i < count; i++) {
            p[t].letters[i].thread = t;
            p[t].letters[i].number = i;
            heald_loop_hold(loop);
        }
        ck_assert_int_eq(pthread_create(&p[t].thread, NULL, post_all, &p[t]), 0);
    }
    ck_assert_int_eq(heald_loop_run(loop), 0);
    for (int t = 0; t < THREADS; t++) {
        pthread_join(p[t].thread, NULL);
        free(p[t].letters);
    }
    ck_assert_int_eq(box.count, THREADS * count);
    ck_assert_int_eq(box.disorder, 0);
}

HEALD_CASE(thousands_from_many_threads)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_loop_stats stats;

    post_from_threads(loop, POSTS, 0);
    heald_loop_stats(loop, &stats);
    ck_assert_uint_eq(stats.posts, THREADS * POSTS);
    loop_end(loop);
}

HEALD_CASE(a_loop_that_sleeps_is_woken)
{
    struct heald_loop *loop = loop_on(_i);

    post_from_threads(loop, LATE, 300);
    loop_end(loop);
}

static struct letter chain[100];

static void on_chain(struct heald_op *op)
{
    struct letter *l = heald_container_of(op, struct letter, op);

    box.count++;
    if (l->number < 99) {
        chain[l->number + 1].number = l->number + 1;
        ck_assert_int_eq(heald_loop_post(op->loop, &chain[l->number + 1].op, on_chain), 0);
    } else if (l->number++ < 110) {
        ck_assert_int_eq(heald_loop_post(op->loop, op, on_chain), 0);
    }
}

HEALD_CASE(from_a_callback_also_of_itself)
{
    struct heald_loop *loop = loop_on(_i);

    ck_assert_int_eq(heald_loop_post(loop, &chain[0].op, on_chain), 0);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    ck_assert_int_eq(box.count, 111);
    loop_end(loop);
}

HEALD_CASE(live_until_its_callback)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};

    ck_assert_int_eq(heald_loop_post(loop, &p.op, NULL), -EINVAL);
    ck_assert_int_eq(heald_loop_post(loop, &p.op, probe_completed), 0);
    ck_assert_int_eq(heald_loop_post(loop, &p.op, probe_completed), -EBUSY);
    ck_assert_int_eq(heald_submit(loop, &p.op, probe_completed), -EBUSY);
    ck_assert_int_eq(heald_prep_timer(&p.op, 0), -EBUSY);
    ck_assert_int_eq(heald_op_error(&p.op), -EINPROGRESS);
    ck_assert_int_eq(heald_cancel(&p.op), -EINVAL);
    ck_assert_uint_eq(heald_loop_list(loop, NULL, NULL), 1);
    ck_assert_int_eq(heald_loop_close(loop), -EBUSY);
    ck_assert_int_eq(probe_end(&p), 0);
    ck_assert_str_eq(heald_op_kind(&p.op), "post");
    loop_end(loop);
}

HEALD_CASE(a_post_is_not_submitted)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};

    ck_assert_int_eq(heald_loop_post(loop, &p.op, probe_completed), 0);
    ck_assert_int_eq(probe_end(&p), 0);
    ck_assert_int_eq(heald_submit(loop, &p.op, probe_completed), -EINVAL);
    loop_end(loop);
}

/* Its callback would run on another thread than the loop's, or not at all. */
HEALD_CASE(an_op_that_notifies_elsewhere_is_not_posted)
{
    struct heald_loop *loop = loop_on(_i);
    struct probe p = {0};

    ck_assert_int_eq(heald_op_notify_thread(&p.op), 0);
    ck_assert_int_eq(heald_loop_post(loop, &p.op, probe_completed), -EINVAL);
    ck_assert_int_eq(heald_op_notify_signal(&p.op, SIGUSR1), 0);
    ck_assert_int_eq(heald_loop_post(loop, &p.op, probe_completed), -EINVAL);
    ck_assert_int_eq(heald_op_notify_callback(&p.op), 0);
    ck_assert_int_eq(heald_loop_post(loop, &p.op, probe_completed), 0);
    ck_assert_int_eq(probe_end(&p), 0);
    loop_end(loop);
}

/* Posts to a loop that is busy ring no bell. */
HEALD_CASE(a_busy_loop_is_not_rung)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_loop_stats before, after;
    struct probe p[100] = {0};

    heald_loop_stats(loop, &before);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(heald_loop_post(loop, &p[i].op, probe_completed), 0);
    heald_loop_stats(loop, &after);
    ck_assert_uint_eq(before.wakes, after.wakes);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    for (int i = 1; i < 100; i++)
        ck_assert_uint_gt(p[i].stamp, p[i - 1].stamp);
    loop_end(loop);
}

enum { FLOOD = 5000 };

static struct {
    struct heald_op ops[FLOOD];
    int count;
    int before_data, before_urgent; /* how many callbacks ran before the other's */
} flood;

static void on_flood(struct heald_op *op)
{
    (void)op;
    flood.count++;
}

static void on_data(struct heald_op *op)
{
    ck_assert_int_eq(op->result, 1);
    flood.before_data = flood.count;
}

static void on_urgent(struct heald_op *op)
{
    (void)op;
    flood.before_urgent = flood.count;
}

static void flood_loop(struct heald_loop *loop)
{
    for (int i = 0; i < FLOOD; i++)
        ck_assert_int_eq(heald_loop_post(loop, &flood.ops[i], on_flood), 0);
}

/* Data that came after a flood of posts has its callback in the first turns, not after all of them.
 */
HEALD_CASE(a_flood_leaves_room_for_others)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_op op = {0};
    char byte;
    int fds[2];

    ck_assert_int_eq(heald_socketpair(SOCK_STREAM, fds), 0);
    ck_assert_int_eq(heald_prep_recv(&op, fds[0], &byte, 1, 0), 0);
    ck_assert_int_eq(heald_submit(loop, &op, on_data), 0);
    flood_loop(loop);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    ck_assert_int_eq(flood.count, FLOOD);
    ck_assert_int_le(flood.before_data, 512);
    heald_close(loop, fds[0]);
    heald_close(loop, fds[1]);
    loop_end(loop);
}

HEALD_CASE(an_urgent_post_overtakes_a_flood)
{
    struct heald_loop *loop = loop_on(_i);
    struct heald_op urgent = {.op_class = HEALD_URGENT};

    flood_loop(loop);
    ck_assert_int_eq(heald_loop_post(loop, &urgent, on_urgent), 0);
    ck_assert_int_eq(heald_loop_run(loop), 0);
    ck_assert_int_eq(flood.count, FLOOD);
    ck_assert_int_le(flood.before_urgent, 1);
    loop_end(loop);
}

void add_post(TCase *group)
{
    add_everywhere(group, thousands_from_many_threads);
    add_everywhere(group, a_loop_that_sleeps_is_woken);
    add_everywhere(group, from_a_callback_also_of_itself);
    add_everywhere(group, live_until_its_callback);
    add_everywhere(group, a_post_is_not_submitted);
    add_everywhere(group, an_op_that_notifies_elsewhere_is_not_posted);
    add_everywhere(group, a_busy_loop_is_not_rung);
    add_everywhere(group, a_flood_leaves_room_for_others);
    add_everywhere(group, an_urgent_post_overtakes_a_flood);
}
