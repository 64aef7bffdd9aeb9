#define _GNU_SOURCE 1
#include "timers.h"

#include <unistd.h>

enum { LONGEST_MS = 1000, GRACE_MS = 20 };

static int64_t *delays_open(size_t count, uint64_t seed)
{
    const uint64_t range = (LONGEST_MS - 1) * (uint64_t)BENCH_NS_PER_MS;
    int64_t *delays = bench_alloc(count, sizeof *delays);
    size_t i;

    for (i = 0; i < count; i++)
        delays[i] = BENCH_NS_PER_MS + (int64_t)(bench_random(&seed) % range);
    return delays;
}

/* Fisher and Yates. */
static uint32_t *order_open(size_t count, uint64_t seed)
{
    uint32_t *order = bench_alloc(count, sizeof *order);
    size_t i;

    for (i = 0; i < count; i++) {
        size_t j = (size_t)(bench_random(&seed) % (i + 1));

        order[i] = order[j];
        order[j] = (uint32_t)i;
    }
    return order;
}

static void sleep_until(int64_t when_ns)
{
    struct timespec t = {.tv_sec = when_ns / BENCH_NS_PER_S, .tv_nsec = when_ns % BENCH_NS_PER_S};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
        continue;
}

static double timed(void (*step)(void *), void *priv, size_t count)
{
    int64_t start = bench_now_ns();

    step(priv);
    return (double)(bench_now_ns() - start) / (double)count;
}

int timers_main(int argc, char **argv, const struct timers_peer *peer)
{
    struct timers t = {.count = 1000000};
    double arm, fire, rearm, move, cancel;
    uint64_t seed = 42;
    int64_t resident;
    void *priv;
    int option;

    while ((option = getopt(argc, argv, "n:s:")) != -1) {
        if (option == 'n')
            t.count = (size_t)bench_number(optarg, 1, 100000000);
        else if (option == 's')
            seed = (uint64_t)bench_number(optarg, 1, INT64_MAX);
        else
            return 2;
    }
    t.delays_ns = delays_open(t.count, seed);
    t.order = order_open(t.count, seed);
    resident = bench_resident();
    priv = peer->open(&t);
    arm = timed(peer->arm, priv, t.count);
    resident = bench_resident() - resident;
    sleep_until(bench_now_ns() + (LONGEST_MS + GRACE_MS) * BENCH_NS_PER_MS);
    fire = timed(peer->fire, priv, t.count);
    if (t.fired != t.count)
        bench_die("some timers fired twice or not at all", 0);
    rearm = timed(peer->arm, priv, t.count);
    move = peer->move ? timed(peer->move, priv, t.count) : 0;
    cancel = timed(peer->cancel, priv, t.count);
    if (t.fired != t.count)
        bench_die("a cancelled timer fired", 0);
    peer->close(priv);
    printf("timers %zu arm_ns %.1f fire_ns %.1f rearm_ns %.1f move_ns %.1f "
           "cancel_ns %.1f size %zu "
           "resident %.1f\n",
           t.count, arm, fire, rearm, move, cancel, peer->size, (double)resident / (double)t.count);
    free((void *)t.delays_ns);
    free((void *)t.order);
    return 0;
}
