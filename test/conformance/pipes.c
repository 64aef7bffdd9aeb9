/*
 * test/conformance/pipes.c: reads and writes of pipes that end just as something arrives: they
 * bring what arrived, or say why they ended, and nothing else. What they did not bring is still in
 * the pipe. Kernels differ in how much of this they do in the ring (test/masks).
 */
#include "conformance/conformance.h"

enum { TEXT = 5, ROUNDS = 20 };

static const char text[] = "hello";

/* A read in flight, and what happens to it. */
struct scene {
    struct heald_loop *loop;
    int fds[2];
    struct probe read;
    struct heald_op post;
    char buf[16];
    void (*strike)(struct scene *s);
};

static void scene_open(struct scene *s, int combination, bool blocking)
{
    *s = (struct scene){.loop = loop_on(combination)};
    pair_open(PAIR_PIPE, s->fds);
    set_blocking(s->fds[0], blocking);
}

static void scene_close(struct scene *s)
{
    pair_close(s->loop, s->fds);
    loop_end(s->loop);
}

static void start_read(struct scene *s, int64_t deadline)
{
    heald_prep_read(&s->read.op, s->fds[0], s->buf, sizeof s->buf, HEALD_NO_OFFSET);
    s->read.op.deadline_ns = deadline;
    probe_start(s->loop, &s->read);
}

static void put(struct scene *s)
{
    must(write(s->fds[1], text, TEXT) == TEXT);
}

/* The data, or why there is none; then it is in the pipe. */
static void check_end(struct scene *s, int64_t why)
{
    char rest[16];
    int64_t result = probe_end(&s->read);

    if (result >= 0) {
        ck_assert_int_eq(result, TEXT);
        ck_assert_mem_eq(s->buf, text, TEXT);
        return;
    }
    ck_assert_int_eq(result, why);
    ck_assert_int_eq(read(s->fds[0], rest, sizeof rest), TEXT);
    ck_assert_mem_eq(rest, text, TEXT);
}

static void struck(struct heald_op *op)
{
    struct scene *s = heald_container_of(op, struct scene, post);
    s->strike(s);
}

static void cancel_read(struct scene *s)
{
    int err = heald_cancel(&s->read.op);
    must(err == 0 || err == -EALREADY || err == -EINVAL);
}

static void put_then_cancel(struct scene *s)
{
    put(s);
    cancel_read(s);
}

static void cancel_then_put(struct scene *s)
{
    cancel_read(s);
    put(s);
}

/* In a callback, while the read waits wherever this combination has it wait. */
static void strike_all(int combination, bool blocking, int64_t late, int64_t why,
                       void (*strike)(struct scene *s))
{
    struct scene s;

    scene_open(&s, combination, blocking);
    s.strike = strike;
    for (int i = 0; i < ROUNDS; i++) {
        start_read(&s, late ? now() + late : HEALD_FOREVER);
        ck_assert_int_eq(heald_loop_post(s.loop, &s.post, struck), 0);
        check_end(&s, why);
    }
    scene_close(&s);
}

HEALD_CASE(cancelled_as_data_arrives)
{
    for (int blocking = 0; blocking < 2; blocking++) {
        strike_all(_i, blocking, 0, -ECANCELED, put_then_cancel);
        strike_all(_i, blocking, 0, -ECANCELED, cancel_then_put);
    }
}

/* The deadline passes while the callback runs. */
static void put_when_late(struct scene *s)
{
    while (now() <= s->read.op.deadline_ns)
        ;
    put(s);
}

HEALD_CASE(late_as_data_arrives)
{
    for (int blocking = 0; blocking < 2; blocking++)
        strike_all(_i, blocking, 200 * HEALD_US, -ETIMEDOUT, put_when_late);
}

HEALD_CASE(cancelled_at_once)
{
    for (int blocking = 0; blocking < 2; blocking++) {
        struct scene s;
        scene_open(&s, _i, blocking);
        for (int i = 0; i < ROUNDS; i++) {
            start_read(&s, HEALD_FOREVER);
            probe_cancel(&s.read);
            start_read(&s, now() - 1);
            ck_assert_int_eq(probe_end(&s.read), -ETIMEDOUT);
        }
        scene_close(&s);
    }
}

/* A reader that waits is not kept from what comes, however long that takes. */
HEALD_CASE(waits_for_what_comes)
{
    for (int blocking = 0; blocking < 2; blocking++) {
        struct scene s;
        scene_open(&s, _i, blocking);
        for (int i = 0; i < ROUNDS; i++) {
            start_read(&s, HEALD_FOREVER);
            turn_for(s.loop, HEALD_MS);
            ck_assert_int_eq(s.read.calls, 0);
            put(&s);
            ck_assert_int_eq(probe_end(&s.read), TEXT);
        }
        scene_close(&s);
    }
}

void add_pipes(TCase *group)
{
    add_everywhere(group, cancelled_as_data_arrives);
    add_everywhere(group, late_as_data_arrives);
    add_everywhere(group, cancelled_at_once);
    add_everywhere(group, waits_for_what_comes);
}
