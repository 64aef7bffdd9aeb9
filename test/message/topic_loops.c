/* test/message/topic_loops.c: a topic in loops, on each back end: what is awaited there, and who
 * dies meanwhile. */
#include "message/topic.h"

static const char *const backends[] = {"uring", "epoll", "poll", "select"};

enum { BACKENDS = sizeof backends / sizeof backends[0] };

struct scene {
    struct fixture f;
    struct heald_topic *topic;
    struct heald_loop *loop;
};

static struct scene scene_open(int backend, const struct heald_topic_options *options)
{
    struct heald_loop_options o = {.backend = backends[backend], .engine = "sync"};
    struct scene s = {.f = topic_fixture()};
    int err = heald_loop_open(&s.loop, &o);

    if (err == -ENOSYS || err == -EINVAL)
        harness_skip("no back end %s here", backends[backend]);
    ck_assert_int_eq(err, 0);
    s.topic = topic_make(&s.f, options);
    return s;
}

static void scene_close(struct scene *s)
{
    ck_assert_int_eq(heald_loop_close(s->loop), 0);
    fixture_close(&s->f);
}

static void on_end(struct heald_op *op)
{
    *(int *)op->data += 1;
}

static void submit(struct scene *s, struct heald_op *op, int *count)
{
    op->data = count;
    ck_assert_int_eq(heald_submit(s->loop, op, on_end), 0);
}

/* Turns until so many ops have completed. */
static void turn_until(struct scene *s, const int *count, int wanted)
{
    while (*count < wanted)
        ck_assert_int_ge(heald_loop_turn(s->loop, in_ms(10000 * harness_slow())), 0);
    ck_assert_int_eq(*count, wanted);
}

static void turn_in_vain(struct scene *s, const int *count, int wanted)
{
    for (int i = 0; i < 3; i++)
        ck_assert_int_ge(heald_loop_turn(s->loop, in_ms(1)), 0);
    ck_assert_int_eq(*count, wanted);
}

HEALD_CASE(a_sample_is_awaited)
{
    struct scene s = scene_open(_i, &small);
    struct heald_topic_subscriber sub = subscribe(&s.f, HEALD_TOPIC_DROP_OLDEST, 0);
    struct heald_topic_sample sample;
    struct heald_op op = {0};
    int count = 0;

    ck_assert_int_eq(heald_prep_topic_take(&op, NULL, s.f.me, &sample), -EINVAL);
    ck_assert_int_eq(heald_prep_topic_take(&op, &sub, s.f.me, NULL), -EINVAL);
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(heald_prep_topic_take(&op, &sub, s.f.me, &sample), 0);
        submit(&s, &op, &count);
        turn_in_vain(&s, &count, i);
        ck_assert_int_eq(publish_number(&s.f, (uint64_t)i, 0), 0);
        turn_until(&s, &count, i + 1);
        ck_assert_int_eq(op.result, 0);
        ck_assert_uint_eq(sample_read(&sample), (uint64_t)i);
        ck_assert_int_eq(heald_topic_release(&sample, s.f.me), 0);
    }
    ck_assert_int_eq(heald_prep_topic_take(&op, &sub, s.f.me, &sample), 0);
    submit(&s, &op, &count);
    turn_in_vain(&s, &count, 20);
    ck_assert_int_eq(heald_cancel(&op), 0);
    turn_until(&s, &count, 21);
    ck_assert_int_eq(op.result, -ECANCELED);
    scene_close(&s);
}

HEALD_CASE(a_chunk_is_awaited)
{
    struct scene s = scene_open(_i, &small);
    struct heald_topic_loan loans[CHUNKS], loan;
    struct heald_op op = {0};
    int count = 0;

    for (int i = 0; i < CHUNKS; i++)
        ck_assert_int_eq(heald_topic_tryloan(s.topic, s.f.me, &loans[i]), 0);
    ck_assert_int_eq(heald_prep_topic_loan(&op, s.topic, s.f.me, &loan), 0);
    submit(&s, &op, &count);
    turn_in_vain(&s, &count, 0);
    ck_assert_int_eq(heald_topic_return(&loans[0], s.f.me), 0);
    turn_until(&s, &count, 1);
    ck_assert_int_eq(op.result, 0);
    ck_assert_int_eq(heald_topic_trypublish(&loan, s.f.me, small.type.size), 0);
    ck_assert_int_eq(heald_prep_topic_loan(&op, s.topic, s.f.me, &loan), 0);
    op.deadline_ns = in_ms(2);
    submit(&s, &op, &count);
    turn_until(&s, &count, 2);
    ck_assert_int_eq(op.result, -ETIMEDOUT);
    scene_close(&s);
}

HEALD_CASE(room_is_awaited)
{
    struct scene s = scene_open(_i, &small);
    struct heald_topic_subscriber sub = subscribe(&s.f, HEALD_TOPIC_BLOCK, 0);
    struct heald_topic_loan loan;
    struct heald_op op = {0};
    int count = 0;

    for (uint64_t n = 0; n < RING; n++)
        ck_assert_int_eq(publish_number(&s.f, n, 0), 0);
    ck_assert_int_eq(heald_topic_tryloan(s.topic, s.f.me, &loan), 0);
    sample_fill(&loan, RING);
    ck_assert_int_eq(heald_prep_topic_publish(&op, &loan, s.f.me, SIZE_MAX), -EINVAL);
    ck_assert_int_eq(heald_prep_topic_publish(&op, &loan, s.f.me, small.type.size), 0);
    submit(&s, &op, &count);
    turn_in_vain(&s, &count, 0);
    ck_assert_int_eq(take_number(&s.f, &sub, 0), 0);
    turn_until(&s, &count, 1);
    ck_assert_int_eq(op.result, 0);
    ck_assert_ptr_null(loan.data);
    for (int64_t n = 1; n <= RING; n++)
        ck_assert_int_eq(take_number(&s.f, &sub, 0), n);
    scene_close(&s);
}

HEALD_CASE(events_are_awaited)
{
    struct scene s = scene_open(_i, &small);
    struct heald_op op = {0}, other = {0};
    int count = 0;

    ck_assert_int_eq(heald_prep_topic_wait(&op, s.topic, s.f.me, HEALD_TOPIC_SUBSCRIBED), 0);
    submit(&s, &op, &count);
    turn_in_vain(&s, &count, 0);
    struct heald_topic_subscriber sub = subscribe(&s.f, HEALD_TOPIC_DROP_OLDEST, 0);
    turn_until(&s, &count, 1);
    ck_assert_int_eq(op.result, 0);
    ck_assert_int_eq(heald_prep_topic_wait(&other, s.topic, s.f.me, HEALD_TOPIC_UNSUBSCRIBED), 0);
    submit(&s, &other, &count);
    turn_in_vain(&s, &count, 1);
    ck_assert_int_eq(heald_topic_unsubscribe(&sub, s.f.me), 0);
    turn_until(&s, &count, 2);
    ck_assert_int_eq(other.result, 0);
    scene_close(&s);
}

/* Has two loans, a subscriber for which publishers wait, and two samples. */
static bool has_much(struct fixture *f)
{
    struct heald_topic_subscriber sub = subscribe(f, HEALD_TOPIC_BLOCK, 0);
    struct heald_topic_loan loans[2];
    struct heald_topic_sample samples[2];

    for (int i = 0; i < 2; i++)
        must(publish_number(f, (uint64_t)i, HEALD_FOREVER) == 0);
    for (int i = 0; i < 2; i++) {
        must(heald_topic_loan(topic_of(f), f->me, &loans[i], HEALD_FOREVER) == 0);
        must(heald_topic_take(&sub, f->me, &samples[i], HEALD_FOREVER) == 0);
    }
    set_flag(&shared_of(f)->ready);
    return true;
}

/* It held up a publisher, and had chunks; then somebody waits for its end. */
HEALD_CASE(a_subscriber_is_killed)
{
    struct heald_topic_options o = small;
    o.chunks = CHUNKS + 1;
    struct scene s = scene_open(_i, &o);
    struct heald_op room = {0}, none = {0};
    struct heald_topic_loan loan;
    struct heald_topic_info info;
    int count = 0;

    pid_t pid = child_start(&s.f, has_much);
    until_set(&shared_of(&s.f)->ready);
    while (heald_topic_tryloan(s.topic, s.f.me, &loan) == 0) {
        sample_fill(&loan, 7);
        if (heald_topic_trypublish(&loan, s.f.me, small.type.size))
            break;
    }
    ck_assert_ptr_nonnull(loan.data);
    ck_assert_int_eq(heald_topic_describe(s.topic, s.f.me, &info), 0);
    ck_assert_int_eq(info.slowest, pid);
    ck_assert_uint_eq(info.held, 2);
    ck_assert_uint_eq(info.loaned, 3);
    ck_assert_int_eq(heald_prep_topic_publish(&room, &loan, s.f.me, small.type.size), 0);
    submit(&s, &room, &count);
    ck_assert_int_eq(heald_prep_topic_wait(&none, s.topic, s.f.me, HEALD_TOPIC_UNSUBSCRIBED), 0);
    submit(&s, &none, &count);
    turn_in_vain(&s, &count, 0);
    child_kill(pid);
    turn_until(&s, &count, 2);
    ck_assert_int_eq(room.result, 0);
    ck_assert_int_eq(none.result, 0);
    ck_assert_int_eq(heald_topic_describe(s.topic, s.f.me, &info), 0);
    ck_assert_uint_eq(info.left, 2);
    ck_assert_uint_eq(info.subscribers, 0);
    ck_assert_int_eq(count_chunks(&s.f), CHUNKS + 1 - RING);
    scene_close(&s);
}

int main(void)
{
    Suite *suite = suite_create("message-topic-loops");
    TCase *group = harness_group(suite, "topic");

    harness_add_range(group, a_sample_is_awaited, 0, BACKENDS);
    harness_add_range(group, a_chunk_is_awaited, 0, BACKENDS);
    harness_add_range(group, room_is_awaited, 0, BACKENDS);
    harness_add_range(group, events_are_awaited, 0, BACKENDS);
    harness_add_range(group, a_subscriber_is_killed, 0, BACKENDS);
    return harness_run(suite);
}
