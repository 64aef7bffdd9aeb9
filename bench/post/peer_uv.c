/*
 * Cross-thread calls on libuv.
 *
 * queue      a producer thread hands COUNT messages to a loop; as uv_async_send coalesces, they go
 *            through a mutex-protected list, with a uv_async_send for each
 * queue_once the same, but uv_async_send only when the list was empty
 * raw        COUNT calls of uv_async_send alone, while the loop consumes them
 * pingpong   two loops in two threads wake each other: round trips
 *
 *     peer_uv [-n COUNT] [-p ROUND_TRIPS]
 *
 * Prints `queue R queue_once R raw R pingpong R`, each a second.
 */
#define _GNU_SOURCE 1
#include "../common/common.h"

#include <unistd.h>
#include <uv.h>

struct message {
    struct message *next;
};

struct inbox {
    uv_loop_t loop;
    uv_async_t async;
    uv_mutex_t lock;
    struct message *head, **tail; /* guarded by lock */
    struct message *messages;     /* those of the producer */
    size_t count, received;
    int once;
};

static void on_inbox(uv_async_t *async)
{
    struct inbox *in = async->data;
    struct message *m;

    uv_mutex_lock(&in->lock);
    m = in->head;
    in->head = NULL;
    in->tail = &in->head;
    uv_mutex_unlock(&in->lock);
    for (; m; m = m->next)
        in->received++;
    if (in->received == in->count)
        uv_close((uv_handle_t *)async, NULL);
}

static void produce(void *arg)
{
    struct inbox *in = arg;
    size_t i;

    for (i = 0; i < in->count; i++) {
        struct message *m = &in->messages[i];
        int was_empty;

        m->next = NULL;
        uv_mutex_lock(&in->lock);
        was_empty = !in->head;
        *in->tail = m;
        in->tail = &m->next;
        uv_mutex_unlock(&in->lock);
        if (was_empty || !in->once)
            uv_async_send(&in->async);
    }
}

static double queue_rate(size_t count, int once)
{
    struct inbox in = {.count = count, .once = once};
    uv_thread_t producer;
    int64_t start;

    in.tail = &in.head;
    in.messages = bench_alloc(count, sizeof *in.messages);
    uv_loop_init(&in.loop);
    uv_mutex_init(&in.lock);
    uv_async_init(&in.loop, &in.async, on_inbox);
    in.async.data = &in;
    start = bench_now_ns();
    if (uv_thread_create(&producer, produce, &in))
        bench_die("uv_thread_create", 0);
    uv_run(&in.loop, UV_RUN_DEFAULT);
    start = bench_now_ns() - start;
    uv_thread_join(&producer);
    uv_mutex_destroy(&in.lock);
    uv_loop_close(&in.loop);
    free(in.messages);
    return (double)count * 1e9 / (double)start;
}

/* The raw calls: the producer announces its last call, the next callback ends the loop. */
struct raw {
    uv_loop_t loop;
    uv_async_t async, last;
    size_t count;
    int64_t took_ns;
};

static void on_raw(uv_async_t *async)
{
    (void)async;
}

static void on_last(uv_async_t *last)
{
    struct raw *raw = last->data;

    uv_close((uv_handle_t *)&raw->async, NULL);
    uv_close((uv_handle_t *)last, NULL);
}

static void produce_raw(void *arg)
{
    struct raw *raw = arg;
    int64_t start = bench_now_ns();
    size_t i;

    for (i = 0; i < raw->count; i++)
        uv_async_send(&raw->async);
    raw->took_ns = bench_now_ns() - start;
    uv_async_send(&raw->last);
}

static double raw_rate(size_t count)
{
    struct raw raw = {.count = count};
    uv_thread_t producer;

    uv_loop_init(&raw.loop);
    uv_async_init(&raw.loop, &raw.async, on_raw);
    uv_async_init(&raw.loop, &raw.last, on_last);
    raw.last.data = &raw;
    if (uv_thread_create(&producer, produce_raw, &raw))
        bench_die("uv_thread_create", 0);
    uv_run(&raw.loop, UV_RUN_DEFAULT);
    uv_thread_join(&producer);
    uv_loop_close(&raw.loop);
    return (double)count * 1e9 / (double)raw.took_ns;
}

struct player {
    uv_loop_t loop;
    uv_async_t async;
    struct player *other;
    size_t left; /* wakes that are still to come */
    int opener;  /* its first wake comes from outside, its last it does not answer */
};

static void on_ball(uv_async_t *async)
{
    struct player *p = async->data;

    p->left--;
    if (p->left || !p->opener)
        uv_async_send(&p->other->async);
    if (p->left == 0)
        uv_close((uv_handle_t *)async, NULL);
}

static void player_open(struct player *p, struct player *other, size_t count, int opener)
{
    uv_loop_init(&p->loop);
    uv_async_init(&p->loop, &p->async, on_ball);
    p->async.data = p;
    p->other = other;
    p->left = count;
    p->opener = opener;
}

static void play(void *arg)
{
    uv_run(&((struct player *)arg)->loop, UV_RUN_DEFAULT);
}

static double pingpong_rate(size_t count)
{
    struct player a, b;
    uv_thread_t thread;
    int64_t start;

    player_open(&a, &b, count + 1, 1);
    player_open(&b, &a, count, 0);
    start = bench_now_ns();
    if (uv_thread_create(&thread, play, &b))
        bench_die("uv_thread_create", 0);
    uv_async_send(&a.async);
    play(&a);
    uv_thread_join(&thread);
    start = bench_now_ns() - start;
    uv_loop_close(&a.loop);
    uv_loop_close(&b.loop);
    return (double)count * 1e9 / (double)start;
}

int main(int argc, char **argv)
{
    size_t count = 1000000, round_trips = 100000;
    int option;

    while ((option = getopt(argc, argv, "n:p:")) != -1) {
        if (option == 'n')
            count = (size_t)bench_number(optarg, 1, 100000000);
        else if (option == 'p')
            round_trips = (size_t)bench_number(optarg, 1, 100000000);
        else
            return 2;
    }
    printf("queue %.0f ", queue_rate(count, 0));
    printf("queue_once %.0f ", queue_rate(count, 1));
    printf("raw %.0f ", raw_rate(count));
    printf("pingpong %.0f\n", pingpong_rate(round_trips));
    return 0;
}
