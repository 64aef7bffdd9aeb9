/*
 * bench/lock/heald_fair.c: what handing over a fair mutex costs in a region with room for so many.
 *
 * usage: heald_fair ATTACHED PARTICIPANTS
 *
 * ATTACHED wait for nothing, in a region that has room for PARTICIPANTS. Then two more take turns
 * with a mutex, by ops of one loop: each unlocks it in its callback, and submits its op again.
 * Nobody sleeps there, so the time is that of the code. Then eight processes contend (contend.h).
 *
 * Prints `handover_ns H sections_ns S longest_us L spread P`: of one hand-over, the median of
 * batches; the rest as objects.h.
 */
#define _GNU_SOURCE 1
#include "contend.h"
#include "holders.h"

enum { PARTICIPANTS_MAX = 4096, PLAYERS = 2, CONTENDERS = 8, BATCHES = 101, BATCH = 200 };

struct player {
    struct heald_op op;
    struct heald_participant *me;
};

static struct heald_region *region;
static struct heald_mutex *mutex;
static struct heald_loop *loop;
static struct player players[PLAYERS];
static struct heald_participant *contender;
static long handed_over, wanted;

static void check(int err, const char *what)
{
    if (err < 0)
        bench_die(what, -err);
}

static void on_lock(struct heald_op *op)
{
    struct player *player = (struct player *)(void *)op;

    check((int)op->result, "lock");
    handed_over++;
    check(heald_mutex_unlock(mutex, player->me), "unlock");
    if (handed_over < wanted)
        check(heald_submit(loop, op, on_lock), "submit");
}

/* The first is about to lock it, the second waits for it then. */
static int64_t batch_ns(void)
{
    int64_t start = bench_now_ns();

    handed_over = 0;
    wanted = BATCH;
    for (int i = 0; i < PLAYERS; i++)
        check(heald_submit(loop, &players[i].op, on_lock), "submit");
    check(heald_loop_run(loop), "run");
    return bench_now_ns() - start;
}

static double handover_ns(void)
{
    int64_t ns[BATCHES];

    check(heald_loop_open(&loop, NULL), "loop");
    for (int i = 0; i < PLAYERS; i++) {
        check(heald_attach(region, &players[i].me), "heald_attach");
        heald_prep_mutex_lock(&players[i].op, mutex, players[i].me);
    }
    for (int i = 0; i < BATCHES; i++)
        ns[i] = batch_ns();
    heald_loop_close(loop);
    for (int i = 0; i < PLAYERS; i++)
        heald_detach(players[i].me);
    return (double)bench_median(ns, BATCHES) / BATCH;
}

static void attach(void *shared)
{
    (void)shared;
    check(heald_attach(region, &contender), "heald_attach");
}

static void lock(void *shared)
{
    heald_mutex_lock(shared, contender, HEALD_FOREVER);
}

static void unlock(void *shared)
{
    heald_mutex_unlock(shared, contender);
}

static void open_region(unsigned participants)
{
    region = holders_region(participants);
    mutex = heald_region_data(region);
    check(heald_mutex_init(mutex, HEALD_MUTEX_FAIR), "heald_mutex_init");
}

int main(int argc, char *argv[])
{
    if (argc != 3)
        return 2;
    long count = bench_number(argv[1], 0, PARTICIPANTS_MAX - CONTENDERS);
    open_region((unsigned)bench_number(argv[2], count + CONTENDERS, PARTICIPANTS_MAX));
    holders_start(region, count);
    printf("handover_ns %.1f", handover_ns());
    const struct contend c = {CONTENDERS, mutex, attach, lock, unlock};
    struct contend_result result = contend_run(&c);
    printf(" sections_ns %.1f longest_us %.0f spread %.2f\n",
           result.per_s > 0 ? BENCH_NS_PER_S / result.per_s : 0, (double)result.longest_ns / 1000,
           result.spread);
    holders_end();
    return 0;
}
