/*
 * heald's queues. HEALD_FORM=lane: for one sender and one receiver. HEALD_AWAITED=N: each receive
 * is an op of a loop, in which ops on N - 1 other queues wait.
 */
#include "message.h"

#include <heald/heald.h>

#include <stdlib.h>
#include <string.h>

enum { OTHERS_MAX = 2000, OTHER_SIZE = 1024 };

static struct heald_loop *loop; /* NULL: receives block */
static unsigned awaited;
static struct heald_queue *others;
static struct heald_op other_ops[OTHERS_MAX];
static struct heald_queue_message other_messages[OTHERS_MAX];

static struct heald_region *region;
static struct heald_participant *me;
static struct heald_queue *queues[MESSAGE_CHANNELS];

static void open_queues(size_t size)
{
    const char *form = getenv("HEALD_FORM");
    struct heald_queue_options o = {.capacity = message_capacity(size), .message_max = size};

    if (form && strcmp(form, "lane") == 0)
        o.flags = HEALD_QUEUE_ONE_SENDER | HEALD_QUEUE_ONE_RECEIVER;
    size_t each = (heald_queue_size(&o) + 63) / 64 * 64;
    const char *text = getenv("HEALD_AWAITED");
    awaited = text ? (unsigned)atoi(text) : 0;
    message_must(awaited <= OTHERS_MAX, "HEALD_AWAITED");
    struct heald_region_options r = {.size = MESSAGE_CHANNELS * each + awaited * OTHER_SIZE};
    message_must(heald_region_create_memfd(&region, &r) == 0, "region");
    for (int i = 0; i < MESSAGE_CHANNELS; i++) {
        queues[i] = (struct heald_queue *)((char *)heald_region_data(region) + (size_t)i * each);
        message_must(heald_queue_init(queues[i], &o) == 0, "queue");
    }
    others = (struct heald_queue *)((char *)queues[0] + MESSAGE_CHANNELS * each);
}

static void on_message(struct heald_op *op)
{
    *(int *)op->data = 1;
}

static void await_others(void)
{
    struct heald_queue_options o = {.capacity = 1, .message_max = 16};

    message_must(heald_queue_size(&o) <= OTHER_SIZE, "size");
    for (unsigned i = 0; i + 1 < awaited; i++) {
        struct heald_queue *q = (struct heald_queue *)((char *)others + i * OTHER_SIZE);
        heald_queue_init(q, &o);
        heald_prep_queue_recv(&other_ops[i], q, me, &other_messages[i]);
        message_must(heald_submit(loop, &other_ops[i], on_message) == 0, "submit");
    }
}

static void attach(int process)
{
    message_must(heald_attach(region, &me) == 0, "attach");
    if (!awaited)
        return;
    message_must(heald_loop_open(&loop, NULL) == 0, "loop");
    if (process == 0)
        await_others();
}

static void attach_many(int process)
{
    (void)process;
    attach(1);
}

static void send_one(int channel, const void *data, size_t size)
{
    message_must(heald_queue_send(queues[channel], me, data, size, 0, HEALD_FOREVER) == 0, "send");
}

static void await_one(int channel, void *data, size_t size)
{
    struct heald_queue_message m = {.data = data, .size = size};
    struct heald_op op = {0};
    int is_there = 0;

    op.data = &is_there;
    heald_prep_queue_recv(&op, queues[channel], me, &m);
    message_must(heald_submit(loop, &op, on_message) == 0, "submit");
    while (!is_there)
        heald_loop_turn(loop, HEALD_FOREVER);
    message_must(heald_op_result(&op) == 0 && m.size == size, "recv");
}

static void recv_one(int channel, void *data, size_t size)
{
    if (loop) {
        await_one(channel, data, size);
        return;
    }
    ssize_t n = heald_queue_recv(queues[channel], me, data, size, NULL, HEALD_FOREVER);
    message_must(n == (ssize_t)size, "recv");
}

static int try_recv(int channel, void *data, size_t size)
{
    return heald_queue_tryrecv(queues[channel], me, data, size, NULL) == (ssize_t)size;
}

int main(int argc, char **argv)
{
    static const struct message_peer peer = {.open = open_queues,
                                             .attach = attach,
                                             .send = send_one,
                                             .recv = recv_one,
                                             .try_recv = try_recv,
                                             .attach_many = attach_many};

    return message_main(&peer, argc, argv);
}
