/* heald's topics: the publisher writes to the loan, and the subscriber reads the sample there. */
#include "message.h"

#include <heald/heald.h>

static struct heald_region *region;
static struct heald_participant *me;
static struct heald_topic *topics[MESSAGE_CHANNELS];
static struct heald_topic_subscriber subscriber;
static struct heald_topic_loan loaned;
static struct heald_topic_sample sample;

static void open_topics(size_t size)
{
    struct heald_topic_options o = {.type.size = size, .capacity = message_capacity(size)};
    size_t each = (heald_topic_size(&o) + 63) / 64 * 64;
    struct heald_region_options r = {.size = MESSAGE_CHANNELS * each};

    message_must(heald_region_create_memfd(&region, &r) == 0, "region");
    for (int i = 0; i < MESSAGE_CHANNELS; i++) {
        topics[i] = (struct heald_topic *)((char *)heald_region_data(region) + (size_t)i * each);
        message_must(heald_topic_init(topics[i], &o) == 0, "topic");
    }
}

/* Subscribes to the one, and waits for the subscriber of the other. */
static void attach(int process)
{
    struct heald_topic_subscription s = {.policy = HEALD_TOPIC_BLOCK};

    message_must(heald_attach(region, &me) == 0, "attach");
    message_must(heald_topic_subscribe(topics[!process], me, &s, &subscriber) == 0, "subscribe");
    heald_topic_wait(topics[process], me, HEALD_TOPIC_SUBSCRIBED, HEALD_FOREVER);
}

static void *loan_one(int channel, size_t size)
{
    (void)size;
    message_must(heald_topic_loan(topics[channel], me, &loaned, HEALD_FOREVER) == 0, "loan");
    return loaned.data;
}

static void send_one(int channel, const void *data, size_t size)
{
    (void)channel, (void)data;
    message_must(heald_topic_publish(&loaned, me, size, HEALD_FOREVER) == 0, "publish");
}

static void recv_one(int channel, void *data, size_t size)
{
    (void)channel, (void)data, (void)size;
    message_must(heald_topic_take(&subscriber, me, &sample, HEALD_FOREVER) == 0, "take");
}

static int try_recv(int channel, void *data, size_t size)
{
    (void)channel, (void)data, (void)size;
    return heald_topic_trytake(&subscriber, me, &sample) == 0;
}

static const void *held(int channel)
{
    (void)channel;
    return sample.data;
}

static void release(int channel)
{
    (void)channel;
    message_must(heald_topic_release(&sample, me) == 0, "release");
}

int main(int argc, char **argv)
{
    static const struct message_peer peer = {.open = open_topics,
                                             .attach = attach,
                                             .send = send_one,
                                             .recv = recv_one,
                                             .try_recv = try_recv,
                                             .loan = loan_one,
                                             .held = held,
                                             .release = release};

    return message_main(&peer, argc, argv);
}
