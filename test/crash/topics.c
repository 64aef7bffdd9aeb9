/*
 * test/crash/topics.c: which process is killed, in which operation on a topic, and what must then
 * hold: nobody sleeps on, and afterwards all chunks but those of the ring can be borrowed.
 */
#include "crash/take.h"

#include <unistd.h>

/* A sample says its number twice. */
enum { FIRST = 1, SECOND, THIRD, LAST, RING = 2, MANY = 6, FEW = RING + 1 };

struct number {
    int number, again;
};

static struct heald_topic_subscriber subscriber; /* of this process, as what follows */
static struct heald_topic_sample sample;
static struct heald_topic_loan loans[MANY];

static struct heald_topic *topic_of(struct stage *st)
{
    return (struct heald_topic *)st->data->topic;
}

static void make(struct stage *st, unsigned chunks)
{
    struct heald_topic_options o = {.type = {.size = sizeof(struct number)},
                                    .capacity = RING,
                                    .chunks = chunks,
                                    .subscribers = 3,
                                    .holds = 2};

    must(heald_topic_size(&o) && heald_topic_size(&o) <= sizeof st->data->topic);
    must(heald_topic_init(topic_of(st), &o) == 0);
}

static void make_many(struct stage *st)
{
    make(st, MANY);
}

static void make_few(struct stage *st)
{
    make(st, FEW);
}

static void nothing(struct stage *st)
{
    (void)st;
}

static void publish(struct stage *st, int number)
{
    struct heald_topic_loan loan;

    must(take_loan(st, &loan) == 0);
    *(struct number *)loan.data = (struct number){number, number};
    must(take_publication(st, &loan, sizeof(struct number)) == 0);
}

static void publish_third(struct stage *st)
{
    publish(st, THIRD);
}

static void publish_last(struct stage *st)
{
    publish(st, LAST);
}

static void subscribe(struct stage *st, enum heald_topic_policy policy)
{
    struct heald_topic_subscription how = {.policy = policy};

    must(heald_topic_subscribe(topic_of(st), st->me, &how, &subscriber) == 0);
}

static int take(struct stage *st)
{
    must(take_sample(st, &subscriber, &sample) == 0);
    const struct number *got = sample.data;
    must(sample.size == sizeof *got && got->number == got->again);
    must(got->number >= FIRST && got->number <= LAST);
    return got->number;
}

static void take_one(struct stage *st)
{
    take(st);
    must(heald_topic_release(&sample, st->me) == 0);
}

static void release(struct stage *st)
{
    must(heald_topic_release(&sample, st->me) == 0);
}

static void take_to_last(struct stage *st)
{
    subscribe(st, HEALD_TOPIC_DROP_OLDEST);
    while (take(st) != LAST)
        release(st);
    release(st);
}

static void take_latest_to_last(struct stage *st)
{
    subscribe(st, HEALD_TOPIC_LATEST);
    while (take(st) != LAST)
        release(st);
    release(st);
}

static void join(struct stage *st)
{
    subscribe(st, HEALD_TOPIC_DROP_OLDEST);
}

/* The victim, for which publishers wait from now on. */
static void fill_the_ring(struct stage *st)
{
    subscribe(st, HEALD_TOPIC_BLOCK);
    publish(st, FIRST);
    publish(st, SECOND);
}

/* The ring has two of three chunks, and the victim the third. */
static void hold_the_first(struct stage *st)
{
    join(st);
    publish(st, FIRST);
    take(st);
    publish(st, SECOND);
    publish(st, THIRD);
}

static void borrow(struct stage *st)
{
    must(take_loan(st, &loans[0]) == 0);
}

static void borrow_and_return(struct stage *st)
{
    borrow(st);
    must(heald_topic_return(&loans[0], st->me) == 0);
}

static void borrow_all(struct stage *st)
{
    for (int i = 0; i < FEW; i++)
        must(heald_topic_tryloan(topic_of(st), st->me, &loans[i]) == 0);
}

static void make_all_borrowed(struct stage *st)
{
    make_few(st);
    borrow_all(st);
}

static void return_all(struct stage *st)
{
    for (int i = 0; i < FEW; i++)
        must(heald_topic_return(&loans[i], st->me) == 0);
}

static void leave(struct stage *st)
{
    must(heald_topic_unsubscribe(&subscriber, st->me) == 0);
}

static void join_and_leave(struct stage *st)
{
    join(st);
    leave(st);
}

static void await_somebody(struct stage *st)
{
    must(take_event(st, HEALD_TOPIC_SUBSCRIBED) == 0);
}

static void await_nobody(struct stage *st)
{
    must(take_event(st, HEALD_TOPIC_UNSUBSCRIBED) == 0);
}

/* All chunks that are not in the ring, which is full then, can be borrowed. */
static bool no_chunk_is_lost(struct stage *st)
{
    struct heald_topic_info info;
    unsigned n = 0;

    for (int i = 0; i < RING; i++)
        publish(st, LAST);
    must(heald_topic_describe(topic_of(st), st->me, &info) == 0);
    while (heald_topic_tryloan(topic_of(st), st->me, &loans[n]) == 0)
        n++;
    return n == info.options.chunks - RING && info.subscribers == 0;
}

/* The survivor ends, and is no subscriber any more. */
static bool check_chunks(struct stage *st)
{
    if (!crash_through(st))
        return false;
    crash_bury(&st->survivor);
    return no_chunk_is_lost(st);
}

static bool check_with_last(struct stage *st)
{
    publish(st, LAST);
    return check_chunks(st);
}

static bool check_with_subscriber(struct stage *st)
{
    join(st);
    bool through = crash_through(st);
    leave(st);
    return through && check_chunks(st);
}

/* Somebody has all chunks, and is killed while the victim waits for one. */
static void let_one_borrow_all(struct stage *st)
{
    make_few(st);
    if ((st->holder = fork()) == 0) {
        must(heald_attach(st->region, &st->me) == 0);
        borrow_all(st);
        __atomic_store_n(&st->data->turn, 1, __ATOMIC_RELEASE);
        for (;;)
            pause();
    }
    while (!__atomic_load_n(&st->data->turn, __ATOMIC_ACQUIRE))
        usleep(50);
}

static void kill_the_holder(struct stage *st)
{
    crash_bury(&st->holder);
}

enum { SEEN = SCENE_SURVIVOR, BOTH = SCENE_SURVIVOR | SCENE_LOOP };

static const struct scene scenes[] = {
    {"topic: publisher, a subscriber waits", BOTH, make_many, nothing, publish_third, NULL,
     take_to_last, check_with_last},
    {"topic: publisher, one waits for the latest", SEEN, make_many, nothing, publish_third, NULL,
     take_latest_to_last, check_with_last},
    {"topic: subscriber, a publisher waits", BOTH, make_many, fill_the_ring, take_one, NULL,
     publish_third, check_chunks},
    {"topic: subscriber that leaves, a publisher waits", SEEN, make_many, fill_the_ring, leave,
     NULL, publish_third, check_chunks},
    {"topic: subscriber that releases", BOTH, make_few, hold_the_first, release, NULL, publish_last,
     check_chunks},
    {"topic: woken subscriber, another waits", BOTH, make_many, join, take_one, publish_last,
     take_to_last, check_chunks},
    {"topic: woken publisher, another waits", BOTH, make_all_borrowed, nothing, borrow_and_return,
     return_all, publish_last, check_chunks},
    {"topic: subscriber that joins", BOTH, make_many, nothing, join_and_leave, NULL, await_somebody,
     check_with_subscriber},
    {"topic: the last subscriber leaves", BOTH, make_many, join, leave, NULL, await_nobody,
     check_chunks},
    {"topic: one that finds dead loans", BOTH, let_one_borrow_all, nothing, borrow, kill_the_holder,
     publish_last, check_chunks},
};

const struct scene_list crash_topics = {scenes, sizeof scenes / sizeof scenes[0]};
