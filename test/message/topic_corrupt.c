/* test/message/topic_corrupt.c: a topic whose memory says anything. */
#include "message/topic.h"

/* The bytes before the samples. */
static size_t head_size(void)
{
    return heald_topic_size(&small) - 64 - small.type.align - CHUNKS * 64;
}

static int use_corrupt(struct fixture *f, const struct heald_topic_subscriber *s)
{
    struct heald_topic *t = topic_of(f);
    struct heald_topic_subscriber more;
    struct heald_topic_sample sample;
    struct heald_topic_loan loan;
    struct heald_topic_info info;
    struct heald_object_state state;
    int errs[5];

    errs[0] = heald_topic_tryloan(t, f->me, &loan);
    if (!errs[0])
        errs[0] = heald_topic_trypublish(&loan, f->me, small.type.size);
    errs[1] = heald_topic_trytake(s, f->me, &sample);
    if (!errs[1])
        heald_topic_release(&sample, f->me);
    errs[2] = heald_topic_subscribe(t, f->me, NULL, &more);
    errs[3] = heald_topic_describe(t, f->me, &info);
    errs[4] = heald_topic_wait(t, f->me, HEALD_TOPIC_UNSUBSCRIBED, 0);
    heald_object_inspect(f->region, heald_offset(f->region, t), HEALD_OBJECT_TOPIC, &state);
    for (int i = 0; i < 5; i++)
        if (errs[i] == -EBADMSG)
            return 1;
    return 0;
}

/* Whatever is in one word: an error, or a result; no crash, and no endless loop. */
HEALD_CASE(a_corrupt_topic)
{
    struct fixture f = topic_fixture();
    static const uint32_t values[] = {0, 1, 0x5a5a5a5a, 0x80000001, UINT32_MAX};
    enum heald_topic_policy policies[] = {HEALD_TOPIC_BLOCK, HEALD_TOPIC_LATEST};
    int refused = 0;

    for (size_t i = 0; i < head_size() / 4; i++)
        for (unsigned way = 0; way < sizeof values / sizeof values[0]; way++) {
            topic_make(&f, &small);
            struct heald_topic_subscriber s = subscribe(&f, policies[way % 2], 0);
            ck_assert_int_eq(publish_number(&f, 1, 0), 0);
            ((uint32_t *)shared_of(&f)->memory)[i] = values[way];
            refused += use_corrupt(&f, &s);
        }
    ck_assert_int_gt(refused, 100);
    fixture_close(&f);
}

HEALD_CASE(random_words)
{
    struct fixture f = topic_fixture();
    const char *text = getenv("HEALD_SEED");
    unsigned seed = text ? (unsigned)strtoul(text, NULL, 10) : (unsigned)getpid();
    int refused = 0;

    printf("     seed %u\n", seed);
    srandom(seed);
    for (int round = 0; round < 3000; round++) {
        topic_make(&f, &small);
        struct heald_topic_subscriber s = subscribe(&f, HEALD_TOPIC_DROP_OLDEST, 0);
        ck_assert_int_eq(publish_number(&f, 1, 0), 0);
        uint32_t *words = (uint32_t *)shared_of(&f)->memory;
        for (int k = 0; k < 40; k++)
            words[(size_t)random() % (head_size() / 4)] = (uint32_t)random() >> random() % 32;
        refused += use_corrupt(&f, &s);
    }
    ck_assert_int_gt(refused, 100);
    fixture_close(&f);
}

int main(void)
{
    Suite *suite = suite_create("message-topic-corrupt");
    TCase *group = harness_group(suite, "topic");

    harness_add(group, a_corrupt_topic);
    harness_add(group, random_words);
    return harness_run(suite);
}
