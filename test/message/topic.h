/* test/message/topic.h: what the tests of topics share: a topic in a fixture's region. */
#ifndef HEALD_TEST_MESSAGE_TOPIC_H
#define HEALD_TEST_MESSAGE_TOPIC_H

#include "shm/shm.h"

#include <pthread.h>

enum { REGION_SIZE = 1 << 20, WORDS = 8, RING = 4, CHUNKS = 8 };

/* A ring of four samples, one of which may be history, and four chunks beyond it. */
static const struct heald_topic_options small = {
    .type = {.size = WORDS * sizeof(uint64_t), .align = 8, .version = "test 1"},
    .capacity = 3,
    .history = 1,
    .chunks = CHUNKS,
    .subscribers = 4,
    .holds = 3};

struct shared {
    int ready, go, result;
    _Alignas(8) uint64_t memory[];
};

static inline struct fixture topic_fixture(void)
{
    return fixture_open_with(
        &(struct heald_region_options){.size = REGION_SIZE, .participants = 64});
}

static inline struct shared *shared_of(const struct fixture *f)
{
    return f->data;
}

static inline struct heald_topic *topic_of(const struct fixture *f)
{
    return (struct heald_topic *)shared_of(f)->memory;
}

/* A topic that is new, in the data of the region. */
static inline struct heald_topic *topic_make(struct fixture *f,
                                             const struct heald_topic_options *options)
{
    memset(f->data, 0, sizeof(struct shared));
    ck_assert_uint_gt(heald_topic_size(options), 0);
    ck_assert_uint_le(heald_topic_size(options), REGION_SIZE - sizeof(struct shared));
    ck_assert_int_eq(heald_topic_init(topic_of(f), options), 0);
    return topic_of(f);
}

/* Each word of the sample says its number. */
static inline void sample_fill(struct heald_topic_loan *loan, uint64_t number)
{
    for (int i = 0; i < WORDS; i++)
        ((uint64_t *)loan->data)[i] = number;
}

/* The number; UINT64_MAX: the words differ. */
static inline uint64_t sample_read(const struct heald_topic_sample *sample)
{
    const uint64_t *words = sample->data;

    for (int i = 1; i < WORDS; i++)
        if (words[i] != words[0])
            return UINT64_MAX;
    return words[0];
}

static inline int publish_number(struct fixture *f, uint64_t number, int64_t deadline_ns)
{
    struct heald_topic_loan loan;
    int err = heald_topic_loan(topic_of(f), f->me, &loan, deadline_ns);

    if (err)
        return err;
    sample_fill(&loan, number);
    err = heald_topic_publish(&loan, f->me, small.type.size, deadline_ns);
    if (err)
        must(heald_topic_return(&loan, f->me) == 0);
    return err;
}

/* Takes and releases. The number; or -errno. */
static inline int64_t take_number(struct fixture *f, const struct heald_topic_subscriber *s,
                                  int64_t deadline_ns)
{
    struct heald_topic_sample sample;
    int err = heald_topic_take(s, f->me, &sample, deadline_ns);

    if (err)
        return err;
    must(sample.size == small.type.size);
    int64_t number = (int64_t)sample_read(&sample);
    must(heald_topic_release(&sample, f->me) == 0);
    return number;
}

static inline struct heald_topic_subscriber subscribe(struct fixture *f,
                                                      enum heald_topic_policy policy,
                                                      unsigned history)
{
    struct heald_topic_subscription how = {.policy = policy, .history = history};
    struct heald_topic_subscriber s;

    must(heald_topic_subscribe(topic_of(f), f->me, &how, &s) == 0);
    return s;
}

/* How many chunks can be on loan at a time. */
static inline int count_chunks(struct fixture *f)
{
    struct heald_topic_loan loans[64];
    int n = 0;

    while (n < 64 && heald_topic_tryloan(topic_of(f), f->me, &loans[n]) == 0)
        n++;
    for (int i = 0; i < n; i++)
        must(heald_topic_return(&loans[i], f->me) == 0);
    return n;
}

#endif
