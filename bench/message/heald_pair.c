/*
 * heald_pair queue|lane SIZE COUNT: one thread sends a message to itself and receives it. Prints
 * the time of such a pair.
 */
#include "message.h"

#include "../common/common.h"

#include <heald/heald.h>

enum { LONGEST = 1 << 20 };

static struct heald_queue *make(struct heald_region **ret_region, int is_lane, size_t size)
{
    struct heald_queue_options o = {.capacity = message_capacity(size), .message_max = size};

    if (is_lane)
        o.flags = HEALD_QUEUE_ONE_SENDER | HEALD_QUEUE_ONE_RECEIVER;
    struct heald_region_options r = {.size = heald_queue_size(&o)};
    message_must(heald_region_create_memfd(ret_region, &r) == 0, "region");
    struct heald_queue *queue = heald_region_data(*ret_region);
    message_must(heald_queue_init(queue, &o) == 0, "queue");
    return queue;
}

/* A function of its own, for the tools that count its instructions. */
__attribute__((noinline)) static void send_and_receive(struct heald_queue *queue,
                                                       struct heald_participant *me, void *data,
                                                       size_t size, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        heald_queue_send(queue, me, data, size, 0, HEALD_FOREVER);
        heald_queue_recv(queue, me, data, size, NULL, HEALD_FOREVER);
    }
}

int main(int argc, char **argv)
{
    struct heald_region *region;
    struct heald_participant *me;

    message_must(argc == 4, "usage: queue|lane SIZE COUNT");
    size_t size = (size_t)bench_number(argv[2], 1, LONGEST);
    unsigned count = (unsigned)bench_number(argv[3], 1, 1L << 30);
    struct heald_queue *queue = make(&region, strcmp(argv[1], "lane") == 0, size);
    message_must(heald_attach(region, &me) == 0, "attach");
    void *data = bench_alloc(1, size);
    send_and_receive(queue, me, data, size, count / 10 + 1); /* to warm up */
    int64_t begin = bench_now_ns();
    send_and_receive(queue, me, data, size, count);
    printf("pair_ns %.2f\n", (double)(bench_now_ns() - begin) / count);
    free(data);
    heald_detach(me);
    heald_region_close(region);
    return 0;
}
