/*
 * Cross-thread calls on heald; see peer_uv.c for what is measured. A post carries a message (the
 * op), so `queue`, `queue_once` and `raw` differ in nothing but what the clock covers: raw is the
 * time of the calls alone.
 */
#define _GNU_SOURCE 1
#include "../common/common.h"

#include <heald/heald.h>
#include <pthread.h>
#include <unistd.h>

struct inbox {
    struct heald_loop *loop;
    struct heald_op *ops;
    size_t count, received;
    int64_t calls_ns;
};

static void on_message(struct heald_op *op)
{
    struct inbox *in = op->data;

    if (++in->received == in->count)
        heald_loop_release(op->loop);
}

static void *produce(void *arg)
{
    struct inbox *in = arg;
    int64_t start = bench_now_ns();
    size_t i;

    for (i = 0; i < in->count; i++)
        heald_loop_post(in->loop, &in->ops[i], on_message);
    in->calls_ns = bench_now_ns() - start;
    return NULL;
}

static double queue_rate(size_t count, double *ret_raw)
{
    struct inbox in = {.count = count};
    pthread_t producer;
    int64_t start;
    size_t i;

    in.ops = bench_alloc(count, sizeof *in.ops);
    for (i = 0; i < count; i++)
        in.ops[i].data = &in;
    if (heald_loop_open(&in.loop, NULL))
        bench_die("heald_loop_open", 0);
    heald_loop_hold(in.loop);
    start = bench_now_ns();
    if (pthread_create(&producer, NULL, produce, &in))
        bench_die("pthread_create", 0);
    heald_loop_run(in.loop);
    start = bench_now_ns() - start;
    pthread_join(producer, NULL);
    heald_loop_close(in.loop);
    free(in.ops);
    *ret_raw = (double)count * 1e9 / (double)in.calls_ns;
    return (double)count * 1e9 / (double)start;
}

struct player {
    struct heald_loop *loop;
    struct heald_op ball; /* that wakes this player */
    struct player *other;
    size_t left;
    int opener;
};

static void on_ball(struct heald_op *op)
{
    struct player *p = heald_container_of(op, struct player, ball);

    p->left--;
    if (p->left || !p->opener)
        heald_loop_post(p->other->loop, &p->other->ball, on_ball);
    if (p->left == 0)
        heald_loop_release(p->loop);
}

static void player_open(struct player *p, struct player *other, size_t count, int opener)
{
    *p = (struct player){.other = other, .left = count, .opener = opener};
    if (heald_loop_open(&p->loop, NULL))
        bench_die("heald_loop_open", 0);
    heald_loop_hold(p->loop);
}

static void *play(void *arg)
{
    heald_loop_run(((struct player *)arg)->loop);
    return NULL;
}

static double pingpong_rate(size_t count)
{
    struct player a, b;
    pthread_t thread;
    int64_t start;

    player_open(&a, &b, count + 1, 1);
    player_open(&b, &a, count, 0);
    start = bench_now_ns();
    if (pthread_create(&thread, NULL, play, &b))
        bench_die("pthread_create", 0);
    heald_loop_post(a.loop, &a.ball, on_ball);
    play(&a);
    pthread_join(thread, NULL);
    start = bench_now_ns() - start;
    heald_loop_close(a.loop);
    heald_loop_close(b.loop);
    return (double)count * 1e9 / (double)start;
}

int main(int argc, char **argv)
{
    size_t count = 1000000, round_trips = 100000;
    double raw, rate;
    int option;

    while ((option = getopt(argc, argv, "n:p:")) != -1) {
        if (option == 'n')
            count = (size_t)bench_number(optarg, 1, 100000000);
        else if (option == 'p')
            round_trips = (size_t)bench_number(optarg, 1, 100000000);
        else
            return 2;
    }
    rate = queue_rate(count, &raw);
    printf("queue %.0f queue_once %.0f raw %.0f ", rate, rate, raw);
    printf("pingpong %.0f\n", pingpong_rate(round_trips));
    return 0;
}
