/*
 * bench/lock/heald_attach.c: what attaching to a region costs, and leaving it.
 *
 * usage: heald_attach ATTACHED PARTICIPANTS
 *
 * ATTACHED are attached to a region that has room for PARTICIPANTS, in processes that sleep; one
 * more attaches and detaches, again and again. Prints `attach_us A`: of one such pair, the median
 * of batches.
 */
#define _GNU_SOURCE 1
#include "holders.h"

enum { PARTICIPANTS_MAX = 4096, BATCHES = 101, BATCH = 20 };

static struct heald_region *region;

static void check(int err, const char *what)
{
    if (err < 0)
        bench_die(what, -err);
}

static int64_t batch_ns(void)
{
    int64_t start = bench_now_ns();

    for (int i = 0; i < BATCH; i++) {
        struct heald_participant *me;
        check(heald_attach(region, &me), "heald_attach");
        heald_detach(me);
    }
    return bench_now_ns() - start;
}

int main(int argc, char *argv[])
{
    int64_t ns[BATCHES];

    if (argc != 3)
        return 2;
    long count = bench_number(argv[1], 0, PARTICIPANTS_MAX - 1);
    region = holders_region((unsigned)bench_number(argv[2], count + 1, PARTICIPANTS_MAX));
    holders_start(region, count);
    for (int i = 0; i < BATCHES; i++)
        ns[i] = batch_ns();
    holders_end();
    printf("attach_us %.2f\n", (double)bench_median(ns, BATCHES) / BATCH / 1e3);
    return 0;
}
