/* test/message/topic.c: what a topic does while nobody dies. */
#include "message/topic.h"

HEALD_CASE(options_are_checked)
{
    static const struct heald_topic_options wrong[] = {
        {.sample_max = 0},
        {.sample_max = (size_t)HEALD_TOPIC_SAMPLE_MAX + 1},
        {.sample_max = 8, .type = {.size = 9}},
        {.sample_max = 8, .type = {.align = 24}},
        {.sample_max = 8, .type = {.align = 8192}},
        {.sample_max = 8, .capacity = HEALD_TOPIC_CAPACITY_MAX + 1},
        {.sample_max = 8, .history = HEALD_TOPIC_CAPACITY_MAX + 1},
        {.sample_max = 8, .capacity = 4, .chunks = 4},
        {.sample_max = 8, .capacity = 3, .history = 2, .chunks = 8},
        {.sample_max = 8, .chunks = HEALD_TOPIC_CHUNKS_MAX + 1},
        {.sample_max = 8, .subscribers = HEALD_TOPIC_SUBSCRIBERS_MAX + 1},
        {.sample_max = 8, .holds = HEALD_TOPIC_HOLDS_MAX + 1},
        {.sample_max = 8,
         .type = {.version = "0123456789012345678901234567890123456789012345678901234567890123"}},
    };
    struct heald_topic_options good = {.sample_max = 8};
    _Alignas(8) uint64_t memory[8];

    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ck_assert_uint_eq(heald_topic_size(&wrong[i]), 0);
        ck_assert_int_eq(heald_topic_init((struct heald_topic *)memory, &wrong[i]), -EINVAL);
    }
    ck_assert_uint_eq(heald_topic_size(NULL), 0);
    ck_assert_uint_gt(heald_topic_size(&good), 0);
    ck_assert_int_eq(heald_topic_init((struct heald_topic *)((char *)memory + 4), &good), -EINVAL);
}

/* Many times round the ring, for two subscribers that take different numbers at a time. */
HEALD_CASE(samples_arrive_in_order)
{
    struct fixture f = topic_fixture();
    enum heald_topic_policy policies[] = {HEALD_TOPIC_DROP_OLDEST, HEALD_TOPIC_BLOCK};

    for (int i = 0; i < 2; i++) {
        topic_make(&f, &small);
        struct heald_topic_subscriber a = subscribe(&f, policies[i], 0);
        struct heald_topic_subscriber b = subscribe(&f, policies[i], 0);
        for (int64_t n = 0; n < 400; n += 2) {
            ck_assert_int_eq(publish_number(&f, (uint64_t)n, 0), 0);
            ck_assert_int_eq(take_number(&f, &a, 0), n);
            ck_assert_int_eq(publish_number(&f, (uint64_t)n + 1, 0), 0);
            ck_assert_int_eq(take_number(&f, &a, 0), n + 1);
            ck_assert_int_eq(take_number(&f, &a, 0), -ETIMEDOUT);
            ck_assert_int_eq(take_number(&f, &b, 0), n);
            ck_assert_int_eq(take_number(&f, &b, 0), n + 1);
        }
        ck_assert_int_eq(count_chunks(&f), CHUNKS - RING);
    }
    fixture_close(&f);
}

HEALD_CASE(samples_of_any_size)
{
    struct fixture f = topic_fixture();
    struct heald_topic_options o = {.sample_max = 100, .type = {.align = 4096}, .capacity = 2};
    struct heald_topic *t = topic_make(&f, &o);
    struct heald_topic_subscriber s = subscribe(&f, HEALD_TOPIC_DROP_OLDEST, 0);
    struct heald_topic_sample sample;
    struct heald_topic_loan loan;

    for (size_t size = 0; size <= 100; size++) {
        ck_assert_int_eq(heald_topic_tryloan(t, f.me, &loan), 0);
        ck_assert_uint_eq(loan.size, 100);
        ck_assert_uint_eq((uintptr_t)loan.data % 4096, 0);
        memset(loan.data, (int)size, size);
        ck_assert_int_eq(heald_topic_trypublish(&loan, f.me, 101), -EMSGSIZE);
        ck_assert_int_eq(heald_topic_trypublish(&loan, f.me, size), 0);
        ck_assert_int_eq(heald_topic_trytake(&s, f.me, &sample), 0);
        ck_assert_uint_eq(sample.size, size);
        ck_assert_uint_eq(sample.sequence, size);
        ck_assert_uint_eq(sample.lost, 0);
        for (size_t i = 0; i < size; i++)
            ck_assert_int_eq(((const char *)sample.data)[i], (char)size);
        ck_assert_int_eq(heald_topic_release(&sample, f.me), 0);
    }
    ck_assert_int_eq(heald_topic_trytake(&s, f.me, &sample), -EAGAIN);
    fixture_close(&f);
}

HEALD_CASE(a_type_has_one_size)
{
    struct fixture f = topic_fixture();
    struct heald_topic *t = topic_make(&f, &small);
    struct heald_topic_loan loan;

    ck_assert_int_eq(heald_topic_tryloan(t, f.me, &loan), 0);
    ck_assert_int_eq(heald_topic_trypublish(&loan, f.me, small.type.size - 1), -EMSGSIZE);
    ck_assert_int_eq(heald_topic_publish(&loan, f.me, 0, HEALD_FOREVER), -EMSGSIZE);
    ck_assert_int_eq(heald_topic_trypublish(&loan, f.me, small.type.size), 0);
    fixture_close(&f);
}

/* Wherever in the ring it is when that comes round. */
HEALD_CASE(a_ring_is_left_of_what_was_lost)
{
    struct heald_topic_options options = small;
    struct fixture f = topic_fixture();
    enum { LONG_RING = 64 };

    options.capacity = LONG_RING - 1;
    options.chunks = LONG_RING + 4;
    topic_make(&f, &options);
    struct heald_topic_subscriber s = subscribe(&f, HEALD_TOPIC_DROP_OLDEST, 0);
    uint64_t at = 0, lost = 0;
    for (unsigned more = 1; more < 3 * LONG_RING; more++) {
        struct heald_topic_sample sample;
        for (unsigned i = 0; i < LONG_RING + more; i++)
            ck_assert_int_eq(publish_number(&f, at++, 0), 0);
        for (unsigned i = 0; i < LONG_RING; i++) {
            ck_assert_int_eq(heald_topic_trytake(&s, f.me, &sample), 0);
            ck_assert_uint_eq(sample.lost, i ? 0 : more);
            ck_assert_uint_eq(sample.sequence, at - LONG_RING + i);
            lost += sample.lost;
            ck_assert_int_eq(heald_topic_release(&sample, f.me), 0);
        }
        ck_assert_int_eq(heald_topic_trytake(&s, f.me, &sample), -EAGAIN);
    }
    ck_assert_uint_eq(lost, (uint64_t)3 * LONG_RING * (3 * LONG_RING - 1) / 2);
    fixture_close(&f);
}

HEALD_CASE(the_oldest_is_lost_and_counted)
{
    struct fixture f = topic_fixture();
    struct heald_topic *t = topic_make(&f, &small);
    struct heald_topic_subscriber s = subscribe(&f, HEALD_TOPIC_DROP_OLDEST, 0);
    struct heald_topic_sample sample;
    struct heald_topic_info info;

    for (uint64_t n = 0; n < 11; n++)
        ck_assert_int_eq(publish_number(&f, n, 0), 0);
    ck_assert_int_eq(heald_topic_describe(t, f.me, &info), 0);
    ck_assert_uint_eq(info.lag, 11);
    ck_assert_int_eq(info.slowest, getpid());
    ck_assert_int_eq(heald_topic_trytake(&s, f.me, &sample), 0);
    ck_assert_uint_eq(sample.lost, 7);
    ck_assert_uint_eq(sample.sequence, 7);
    ck_assert_uint_eq(sample_read(&sample), 7);
    ck_assert_int_eq(heald_topic_release(&sample, f.me), 0);
    for (int64_t n = 8; n < 11; n++)
        ck_assert_int_eq(take_number(&f, &s, 0), n);
    ck_assert_int_eq(heald_topic_describe(t, f.me, &info), 0);
    ck_assert_uint_eq(info.lost, 7);
    ck_assert_uint_eq(info.lag, 0);
    ck_assert_uint_eq(info.published, 11);
    ck_assert_int_eq(publish_number(&f, 11, 0), 0);
    ck_assert_int_eq(heald_topic_trytake(&s, f.me, &sample), 0);
    ck_assert_uint_eq(sample.lost, 0);
    fixture_close(&f);
}

HEALD_CASE(the_latest_alone)
{
    struct fixture f = topic_fixture();
    struct heald_topic_sample sample;

    topic_make(&f, &small);
    struct heald_topic_subscriber s = subscribe(&f, HEALD_TOPIC_LATEST, 0);
    ck_assert_int_eq(take_number(&f, &s, 0), -ETIMEDOUT);
    for (uint64_t n = 0; n < 50; n++) {
        for (uint64_t k = 0; k <= n % 7; k++)
            ck_assert_int_eq(publish_number(&f, n + k, 0), 0);
        ck_assert_int_eq(heald_topic_trytake(&s, f.me, &sample), 0);
        ck_assert_uint_eq(sample.lost, n % 7);
        ck_assert_uint_eq(sample_read(&sample), n + n % 7);
        ck_assert_int_eq(heald_topic_release(&sample, f.me), 0);
        ck_assert_int_eq(take_number(&f, &s, 0), -ETIMEDOUT);
    }
    fixture_close(&f);
}

HEALD_CASE(a_publisher_waits_for_the_slowest)
{
    struct fixture f = topic_fixture();
    struct heald_topic *t = topic_make(&f, &small);
    struct heald_topic_subscriber slow = subscribe(&f, HEALD_TOPIC_BLOCK, 0);
    struct heald_topic_subscriber other = subscribe(&f, HEALD_TOPIC_DROP_OLDEST, 0);
    struct heald_topic_loan loan;

    for (uint64_t n = 0; n < RING; n++)
        ck_assert_int_eq(publish_number(&f, n, 0), 0);
    ck_assert_int_eq(heald_topic_tryloan(t, f.me, &loan), 0);
    sample_fill(&loan, RING);
    ck_assert_int_eq(heald_topic_trypublish(&loan, f.me, small.type.size), -EAGAIN);
    ck_assert_int_eq(heald_topic_publish(&loan, f.me, small.type.size, in_ms(2)), -ETIMEDOUT);
    ck_assert_int_eq(take_number(&f, &other, 0), 0);
    ck_assert_int_eq(heald_topic_trypublish(&loan, f.me, small.type.size), -EAGAIN);
    ck_assert_int_eq(take_number(&f, &slow, 0), 0);
    ck_assert_int_eq(heald_topic_trypublish(&loan, f.me, small.type.size), 0);
    ck_assert_int_eq(publish_number(&f, RING + 1, 0), -ETIMEDOUT);
    ck_assert_int_eq(heald_topic_unsubscribe(&slow, f.me), 0);
    for (uint64_t n = 0; n < 3 * RING; n++)
        ck_assert_int_eq(publish_number(&f, n, 0), 0);
    fixture_close(&f);
}

HEALD_CASE(a_late_subscriber_has_the_history)
{
    struct fixture f = topic_fixture();
    struct heald_topic_options o = small;
    struct heald_topic_subscriber s;

    o.history = 5;
    o.chunks = 16;
    struct heald_topic *t = topic_make(&f, &o);
    struct heald_topic_subscription how = {.history = 6};
    ck_assert_int_eq(heald_topic_subscribe(t, f.me, &how, &s), -EINVAL);
    s = subscribe(&f, HEALD_TOPIC_DROP_OLDEST, 5);
    ck_assert_int_eq(take_number(&f, &s, 0), -ETIMEDOUT);
    for (int64_t n = 0; n < 30; n++) {
        ck_assert_int_eq(publish_number(&f, (uint64_t)n, 0), 0);
        for (unsigned back = 0; back <= 5; back++) {
            enum heald_topic_policy policy = back % 2 ? HEALD_TOPIC_BLOCK : HEALD_TOPIC_DROP_OLDEST;
            struct heald_topic_subscriber late = subscribe(&f, policy, back);
            for (int64_t k = n + 1 > back ? n + 1 - back : 0; k <= n; k++)
                ck_assert_int_eq(take_number(&f, &late, 0), k);
            ck_assert_int_eq(take_number(&f, &late, 0), -ETIMEDOUT);
            ck_assert_int_eq(heald_topic_unsubscribe(&late, f.me), 0);
        }
        ck_assert_int_eq(take_number(&f, &s, 0), n);
    }
    fixture_close(&f);
}

/* What is held does not change, however often the ring comes round. */
HEALD_CASE(samples_are_held)
{
    struct fixture f = topic_fixture();
    struct heald_topic *t = topic_make(&f, &small);
    struct heald_topic_subscriber s = subscribe(&f, HEALD_TOPIC_DROP_OLDEST, 0);
    struct heald_topic_sample held[3], more;
    struct heald_topic_info info;

    for (uint64_t n = 0; n < 4; n++)
        ck_assert_int_eq(publish_number(&f, n, 0), 0);
    for (uint64_t n = 0; n < 3; n++) {
        ck_assert_int_eq(heald_topic_take(&s, f.me, &held[n], HEALD_FOREVER), 0);
        ck_assert_uint_eq(held[n].sequence, n);
    }
    ck_assert_int_eq(heald_topic_trytake(&s, f.me, &more), -ENOBUFS);
    ck_assert_int_eq(heald_topic_take(&s, f.me, &more, HEALD_FOREVER), -ENOBUFS);
    for (uint64_t n = 4; n < 60; n++)
        ck_assert_int_eq(publish_number(&f, n, 0), 0);
    ck_assert_int_eq(heald_topic_describe(t, f.me, &info), 0);
    ck_assert_uint_eq(info.held, 3);
    ck_assert_int_eq(count_chunks(&f), CHUNKS - RING - 3);
    for (uint64_t n = 0; n < 3; n++) {
        ck_assert_uint_eq(sample_read(&held[n]), n);
        more = held[n];
        ck_assert_int_eq(heald_topic_release(&held[n], f.me), 0);
        ck_assert_int_eq(heald_topic_release(&held[n], f.me), -EINVAL);
        ck_assert_int_eq(heald_topic_release(&more, f.me), -EINVAL);
    }
    ck_assert_int_eq(take_number(&f, &s, 0), 56);
    ck_assert_int_eq(count_chunks(&f), CHUNKS - RING);
    fixture_close(&f);
}

HEALD_CASE(chunks_are_borrowed_and_returned)
{
    struct fixture f = topic_fixture();
    struct heald_topic *t = topic_make(&f, &small);
    struct heald_topic_loan loans[CHUNKS], one, copy;
    struct heald_topic_info info;

    for (int i = 0; i < CHUNKS; i++) {
        ck_assert_int_eq(heald_topic_tryloan(t, f.me, &loans[i]), 0);
        for (int k = 0; k < i; k++)
            ck_assert_ptr_ne(loans[i].data, loans[k].data);
    }
    ck_assert_int_eq(heald_topic_tryloan(t, f.me, &one), -EAGAIN);
    ck_assert_int_eq(heald_topic_loan(t, f.me, &one, in_ms(2)), -ETIMEDOUT);
    ck_assert_int_eq(heald_topic_describe(t, f.me, &info), 0);
    ck_assert_uint_eq(info.loaned, CHUNKS);
    ck_assert_uint_eq(info.left, 0);
    copy = loans[3];
    ck_assert_int_eq(heald_topic_return(&loans[3], f.me), 0);
    ck_assert_int_eq(heald_topic_return(&loans[3], f.me), -EINVAL);
    ck_assert_int_eq(heald_topic_return(&copy, f.me), -EINVAL);
    ck_assert_int_eq(heald_topic_trypublish(&copy, f.me, small.type.size), -EINVAL);
    ck_assert_int_eq(heald_topic_tryloan(t, f.me, &one), 0);
    ck_assert_ptr_eq(one.data, copy.data);
    ck_assert_int_eq(heald_topic_return(&copy, f.me), -EINVAL);
    for (int i = 0; i < CHUNKS; i++)
        if (i != 3)
            ck_assert_int_eq(heald_topic_return(&loans[i], f.me), 0);
    ck_assert_int_eq(heald_topic_return(&one, f.me), 0);
    ck_assert_int_eq(count_chunks(&f), CHUNKS);
    fixture_close(&f);
}

HEALD_CASE(a_loan_is_given_to_another)
{
    struct fixture f = topic_fixture();
    struct heald_topic *t = topic_make(&f, &small);
    struct heald_topic_subscriber s = subscribe(&f, HEALD_TOPIC_DROP_OLDEST, 0);
    struct heald_participant *other;
    struct heald_topic_loan loan, copy;

    ck_assert_int_eq(heald_attach(f.region, &other), 0);
    ck_assert_int_eq(heald_topic_tryloan(t, f.me, &loan), 0);
    ck_assert_int_eq(heald_topic_trypublish(&loan, other, small.type.size), -EINVAL);
    ck_assert_int_eq(heald_topic_give(&loan, other, other), -EINVAL);
    copy = loan;
    ck_assert_int_eq(heald_topic_give(&loan, f.me, other), 0);
    ck_assert_int_eq(heald_topic_return(&loan, f.me), -EINVAL);
    ck_assert_int_eq(heald_topic_return(&copy, f.me), -EINVAL);
    sample_fill(&loan, 5);
    ck_assert_int_eq(heald_topic_trypublish(&loan, other, small.type.size), 0);
    ck_assert_int_eq(take_number(&f, &s, 0), 5);
    ck_assert_int_eq(heald_topic_tryloan(t, f.me, &loan), 0);
    ck_assert_int_eq(heald_topic_give(&loan, f.me, other), 0);
    ck_assert_int_eq(heald_topic_return(&loan, other), 0);
    ck_assert_int_eq(heald_topic_tryloan(t, other, &loan), 0);
    heald_detach(other);
    ck_assert_int_eq(count_chunks(&f), CHUNKS - 1);
    ck_assert_int_eq(heald_topic_tryloan(t, f.me, &loan), 0);
    ck_assert_int_eq(heald_topic_give(&loan, f.me, other), -ESRCH);
    ck_assert_int_eq(heald_topic_return(&loan, f.me), 0);
    fixture_close(&f);
}

HEALD_CASE(subscribers_come_and_go)
{
    struct fixture f = topic_fixture();
    struct heald_topic *t = topic_make(&f, &small);
    struct heald_topic_subscriber s[4], more;
    struct heald_topic_subscription wrong = {.policy = (enum heald_topic_policy)3};
    struct heald_topic_sample sample, old;
    struct heald_topic_info info;

    ck_assert_int_eq(heald_topic_subscribe(t, f.me, &wrong, &more), -EINVAL);
    for (int i = 0; i < 4; i++)
        s[i] = subscribe(&f, i % 2 ? HEALD_TOPIC_BLOCK : HEALD_TOPIC_DROP_OLDEST, 0);
    ck_assert_int_eq(heald_topic_subscribe(t, f.me, NULL, &more), -EUSERS);
    ck_assert_int_eq(heald_topic_describe(t, f.me, &info), 0);
    ck_assert_uint_eq(info.subscribers, 4);
    ck_assert_uint_eq(info.blocking, 2);
    ck_assert_int_eq(publish_number(&f, 1, 0), 0);
    ck_assert_int_eq(heald_topic_trytake(&s[1], f.me, &old), 0);
    more = s[1];
    ck_assert_int_eq(heald_topic_unsubscribe(&s[1], f.me), 0);
    ck_assert_int_eq(heald_topic_unsubscribe(&s[1], f.me), -EINVAL);
    ck_assert_int_eq(heald_topic_unsubscribe(&more, f.me), -EINVAL);
    ck_assert_int_eq(heald_topic_trytake(&more, f.me, &sample), -EINVAL);
    s[1] = subscribe(&f, HEALD_TOPIC_DROP_OLDEST, 1);
    ck_assert_int_eq(heald_topic_trytake(&more, f.me, &sample), -EINVAL);
    ck_assert_int_eq(heald_topic_release(&old, f.me), -EINVAL);
    ck_assert_int_eq(take_number(&f, &s[1], 0), 1);
    fixture_close(&f);
}

static void *waits_for_both_events(void *arg)
{
    struct fixture f = *(struct fixture *)arg;

    must(heald_attach(f.region, &f.me) == 0);
    set_flag(&shared_of(&f)->ready);
    int err = heald_topic_wait(topic_of(&f), f.me, HEALD_TOPIC_SUBSCRIBED, HEALD_FOREVER);
    set_flag(&shared_of(&f)->go);
    err = err ? err : heald_topic_wait(topic_of(&f), f.me, HEALD_TOPIC_UNSUBSCRIBED, HEALD_FOREVER);
    heald_detach(f.me);
    return (void *)(intptr_t)err;
}

HEALD_CASE(somebody_is_there)
{
    struct fixture f = topic_fixture();
    struct heald_topic *t = topic_make(&f, &small);
    pthread_t thread;
    void *got;

    ck_assert_int_eq(heald_topic_wait(t, f.me, HEALD_TOPIC_UNSUBSCRIBED, 0), 0);
    ck_assert_int_eq(heald_topic_wait(t, f.me, HEALD_TOPIC_SUBSCRIBED, in_ms(2)), -ETIMEDOUT);
    ck_assert_int_eq(heald_topic_wait(t, f.me, (enum heald_topic_event)3, 0), -EINVAL);
    ck_assert_int_eq(pthread_create(&thread, NULL, waits_for_both_events, &f), 0);
    until_set(&shared_of(&f)->ready);
    usleep(2000);
    struct heald_topic_subscriber s = subscribe(&f, HEALD_TOPIC_DROP_OLDEST, 0);
    until_set(&shared_of(&f)->go);
    ck_assert_int_eq(heald_topic_wait(t, f.me, HEALD_TOPIC_SUBSCRIBED, HEALD_FOREVER), 0);
    ck_assert_int_eq(heald_topic_wait(t, f.me, HEALD_TOPIC_UNSUBSCRIBED, 0), -ETIMEDOUT);
    usleep(2000);
    ck_assert_int_eq(heald_topic_unsubscribe(&s, f.me), 0);
    ck_assert_int_eq(pthread_join(thread, &got), 0);
    ck_assert_int_eq((intptr_t)got, 0);
    fixture_close(&f);
}

enum { FAST = 4000 };

static void *publishes_many(void *arg)
{
    struct fixture f = *(struct fixture *)arg;

    must(heald_attach(f.region, &f.me) == 0);
    for (uint64_t n = 0; n < FAST; n++)
        must(publish_number(&f, n, HEALD_FOREVER) == 0);
    heald_detach(f.me);
    return NULL;
}

/* Two publishers that wait for a subscriber, and one that drops: no sample changes while it is
 * held, and the first subscriber has them all. */
HEALD_CASE(publishers_and_subscribers_at_once)
{
    struct fixture f = topic_fixture();
    struct heald_topic *t = topic_make(&f, &small);
    struct heald_topic_subscriber all = subscribe(&f, HEALD_TOPIC_BLOCK, 0);
    struct heald_topic_subscriber some = subscribe(&f, HEALD_TOPIC_DROP_OLDEST, 0);
    struct heald_topic_sample held, sample;
    struct heald_topic_info info;
    uint64_t sum = 0, kept = 0;
    pthread_t threads[2];
    bool holds = false;

    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, publishes_many, &f), 0);
    for (uint64_t n = 0; n < 2 * FAST; n++) {
        ck_assert_int_eq(heald_topic_take(&all, f.me, &sample, HEALD_FOREVER), 0);
        ck_assert_uint_eq(sample.sequence, n);
        ck_assert_uint_eq(sample.lost, 0);
        ck_assert_uint_lt(sample_read(&sample), FAST);
        sum += sample_read(&sample);
        ck_assert_int_eq(heald_topic_release(&sample, f.me), 0);
        if (holds && n % 16 == 0) {
            ck_assert_uint_eq(sample_read(&held), kept);
            ck_assert_int_eq(heald_topic_release(&held, f.me), 0);
            holds = false;
        }
        if (!holds && (holds = heald_topic_trytake(&some, f.me, &held) == 0))
            kept = sample_read(&held);
    }
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    ck_assert_uint_eq(sum, (uint64_t)FAST * (FAST - 1));
    ck_assert_int_eq(heald_topic_describe(t, f.me, &info), 0);
    ck_assert_uint_eq(info.published, 2 * FAST);
    ck_assert_uint_eq(info.left, 0);
    fixture_close(&f);
}

/* A chunk is awaited by a publisher, and comes from a subscriber. */
static void *borrows_and_publishes(void *arg)
{
    struct fixture f = *(struct fixture *)arg;

    must(heald_attach(f.region, &f.me) == 0);
    set_flag(&shared_of(&f)->ready);
    int err = publish_number(&f, 99, HEALD_FOREVER);
    heald_detach(f.me);
    return (void *)(intptr_t)err;
}

HEALD_CASE(a_release_wakes_a_publisher)
{
    struct fixture f = topic_fixture();
    struct heald_topic_options o = small;
    struct heald_topic_sample sample;
    pthread_t thread;
    void *got;

    o.chunks = RING + 1;
    topic_make(&f, &o);
    struct heald_topic_subscriber s = subscribe(&f, HEALD_TOPIC_DROP_OLDEST, 0);
    ck_assert_int_eq(publish_number(&f, 0, 0), 0);
    ck_assert_int_eq(heald_topic_trytake(&s, f.me, &sample), 0);
    for (uint64_t n = 1; n < RING + 1; n++)
        ck_assert_int_eq(publish_number(&f, n, 0), 0);
    ck_assert_int_eq(publish_number(&f, RING + 1, 0), -ETIMEDOUT);
    ck_assert_int_eq(pthread_create(&thread, NULL, borrows_and_publishes, &f), 0);
    until_set(&shared_of(&f)->ready);
    usleep(2000);
    ck_assert_uint_eq(sample_read(&sample), 0);
    ck_assert_int_eq(heald_topic_release(&sample, f.me), 0);
    ck_assert_int_eq(pthread_join(thread, &got), 0);
    ck_assert_int_eq((intptr_t)got, 0);
    fixture_close(&f);
}

/* What a tool sees: who has chunks, and for whom publishers wait. */
HEALD_CASE(it_is_inspected)
{
    struct fixture f = topic_fixture();
    struct heald_topic *t = topic_make(&f, &small);
    struct heald_topic_subscriber s = subscribe(&f, HEALD_TOPIC_BLOCK, 0);
    uint64_t offset = heald_offset(f.region, t);
    struct heald_object_state state;
    struct heald_topic_sample sample;
    struct heald_topic_loan loan;

    ck_assert_int_eq(heald_object_inspect(f.region, offset, HEALD_OBJECT_TOPIC, &state), 0);
    ck_assert_int_eq(state.condition, HEALD_OBJECT_FREE);
    ck_assert_uint_eq(state.max, CHUNKS);
    ck_assert_uint_eq(state.free, CHUNKS);
    ck_assert_uint_eq(state.holder_count, 0);
    ck_assert_int_eq(heald_topic_tryloan(t, f.me, &loan), 0);
    ck_assert_int_eq(publish_number(&f, 1, 0), 0);
    ck_assert_int_eq(heald_topic_trytake(&s, f.me, &sample), 0);
    for (uint64_t n = 0; n < RING; n++)
        ck_assert_int_eq(publish_number(&f, n, 0), 0);
    ck_assert_int_eq(heald_object_inspect(f.region, offset, HEALD_OBJECT_TOPIC, &state), 0);
    ck_assert_int_eq(state.condition, HEALD_OBJECT_HELD);
    ck_assert_uint_eq(state.free, CHUNKS - 2);
    ck_assert_uint_eq(state.messages, RING);
    ck_assert_uint_eq(state.holder_count, 1);
    ck_assert_uint_eq(state.sent, RING + 1);
    ck_assert_uint_eq(state.capacity, small.capacity);
    ck_assert_uint_eq(state.subscribers, 1);
    ck_assert_uint_eq(state.lost, 0);
    ck_assert_int_eq(state.has_slowest, 1);
    ck_assert_uint_eq(state.slowest, state.holders[0].slot);
    fixture_close(&f);
}

HEALD_CASE(by_name_and_type)
{
    struct fixture f =
        fixture_open_with(&(struct heald_region_options){.heap = 64 * 1024, .heap_max = 1 << 20});
    struct heald_topic *a, *b;
    struct heald_why why = {""};
    struct heald_topic_options o = small, only_type = {.type = small.type};
    struct heald_topic_info info;
    void *memory;

    o.ret_why = &why;
    ck_assert_int_eq(heald_topic_open(f.me, "frames", NULL, &a), -ENOENT);
    ck_assert_int_eq(heald_topic_open(f.me, "frames", &o, &a), 0);
    ck_assert_int_eq(heald_topic_open(f.me, "frames", &o, &b), 0);
    ck_assert_ptr_eq(a, b);
    ck_assert_int_eq(heald_topic_open(f.me, "frames", &only_type, &b), 0);
    ck_assert_int_eq(heald_topic_open(f.me, "frames", NULL, &b), 0);
    ck_assert_ptr_eq(a, b);
    ck_assert_str_eq(why.text, "");
    o.capacity = 100;
    o.chunks = 0;
    ck_assert_int_eq(heald_topic_open(f.me, "frames", &o, &b), -EPROTOTYPE);
    ck_assert_str_eq(why.text, "capacity: the topic has 3, not 100");
    o.capacity = 0;
    o.type.version = "test 2";
    ck_assert_int_eq(heald_topic_open(f.me, "frames", &o, &b), -EPROTOTYPE);
    ck_assert_str_eq(why.text, "type.version: the topic has \"test 1\", not \"test 2\"");
    o.type.size = 32;
    ck_assert_int_eq(heald_topic_open(f.me, "frames", &o, &b), -EPROTOTYPE);
    ck_assert_str_eq(why.text, "type.size: the topic has 64, not 32");
    o.type.version = "0123456789012345678901234567890123456789012345678901234567890123";
    ck_assert_int_eq(heald_topic_open(f.me, "frames", &o, &b), -EINVAL);
    ck_assert_str_eq(why.text, "type.version: its bytes: 64 is above 63");
    o.type = small.type;
    o.type.align = 24;
    ck_assert_int_eq(heald_topic_open(f.me, "frames", &o, &b), -EINVAL);
    ck_assert_str_eq(why.text, "type.align: 24 is no power of two");
    o.type.align = 128;
    ck_assert_int_eq(heald_topic_open(f.me, "frames", &o, &b), -EPROTOTYPE);
    ck_assert_str_eq(why.text, "type.align: the topic has 8, not 128");
    ck_assert_int_eq(heald_topic_describe(a, f.me, &info), 0);
    ck_assert_str_eq(info.options.type.version, "test 1");
    ck_assert_uint_eq(info.options.chunks, CHUNKS);
    ck_assert_uint_eq(info.ring, RING);
    ck_assert_int_eq(heald_object_open(f.me, "other",
                                       &(struct heald_object_options){.type = HEALD_OBJECT_MUTEX},
                                       &memory, NULL),
                     0);
    ck_assert_int_eq(heald_topic_open(f.me, "other", &o, &b), -EPROTOTYPE);
    ck_assert_str_eq(why.text, "other: is no topic");
    ck_assert_int_eq(heald_object_remove(f.me, "frames"), 0);
    fixture_close(&f);
}

int main(void)
{
    Suite *suite = suite_create("message-topic");
    TCase *group = harness_group(suite, "topic");

    harness_add(group, options_are_checked);
    harness_add(group, samples_arrive_in_order);
    harness_add(group, samples_of_any_size);
    harness_add(group, a_type_has_one_size);
    harness_add(group, the_oldest_is_lost_and_counted);
    harness_add(group, a_ring_is_left_of_what_was_lost);
    harness_add(group, the_latest_alone);
    harness_add(group, a_publisher_waits_for_the_slowest);
    harness_add(group, a_late_subscriber_has_the_history);
    harness_add(group, samples_are_held);
    harness_add(group, chunks_are_borrowed_and_returned);
    harness_add(group, a_loan_is_given_to_another);
    harness_add(group, subscribers_come_and_go);
    harness_add(group, somebody_is_there);
    harness_add(group, publishers_and_subscribers_at_once);
    harness_add(group, a_release_wakes_a_publisher);
    harness_add(group, it_is_inspected);
    harness_add(group, by_name_and_type);
    return harness_run(suite);
}
