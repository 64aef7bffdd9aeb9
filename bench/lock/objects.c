/* See objects.h. */
#define _GNU_SOURCE 1
#include "objects.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* A median of batches: one that was preempted does not count. */
enum { BATCHES = 21, WRITES = 100000, BATCH = 500, READY_US = 20000 };

/* How the waiter is signalled. */
enum how { HELD, AFTER, TOGETHER };

/* Beside what the peer shares; the mutex guards it. */
struct board {
    int turn;
};

struct player {
    const struct objects_peer *peer;
    void *shared;
    struct board *board;
    enum how how;
};

double objects_each_ns(void (*rounds)(void *shared, long count), void *shared, long count)
{
    int64_t ns[BATCHES];

    for (int i = 0; i < BATCHES; i++) {
        int64_t start = bench_now_ns();
        rounds(shared, count);
        ns[i] = bench_now_ns() - start;
    }
    return (double)bench_median(ns, BATCHES) / (double)count;
}

static void signal_and_unlock(const struct player *p)
{
    switch (p->how) {
    case HELD:
        p->peer->signal(p->shared);
        p->peer->unlock(p->shared);
        break;
    case AFTER:
        p->peer->unlock(p->shared);
        p->peer->signal(p->shared);
        break;
    case TOGETHER: p->peer->signal_unlock(p->shared); break;
    }
}

static void play(const struct player *p, int who, long count)
{
    for (long i = 0; i < count; i++) {
        p->peer->lock(p->shared);
        while (p->board->turn != who)
            p->peer->wait(p->shared);
        p->board->turn = !who;
        signal_and_unlock(p);
    }
}

static double round_trip_ns(const struct objects_peer *peer, void *shared, enum how how)
{
    struct player p = {peer, shared, NULL, how};
    int64_t ns[BATCHES];

    if (how == TOGETHER && !peer->signal_unlock)
        return 0;
    p.board =
        mmap(NULL, sizeof *p.board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p.board == MAP_FAILED)
        bench_die("mmap", errno);
    if (fork() == 0) {
        peer->attach(shared);
        play(&p, 1, (long)BATCHES * BATCH);
        _exit(0);
    }
    usleep(READY_US);
    for (int i = 0; i < BATCHES; i++) {
        int64_t start = bench_now_ns();
        play(&p, 0, BATCH);
        ns[i] = bench_now_ns() - start;
    }
    wait(NULL);
    munmap(p.board, sizeof *p.board);
    return (double)bench_median(ns, BATCHES) / BATCH;
}

void objects_contend(const char *name, void *shared, void (*attach)(void *shared),
                     void (*lock)(void *shared), void (*unlock)(void *shared))
{
    const struct contend c = {OBJECTS_CONTENDERS, shared, attach, lock, unlock};
    struct contend_result result = contend_run(&c);

    printf(" %ssections_ns %.1f %slongest_us %.0f %sspread %.2f", name,
           result.per_s > 0 ? BENCH_NS_PER_S / result.per_s : 0, name,
           (double)result.longest_ns / 1000, name, result.spread);
}

int objects_main(const struct objects_peer *peer)
{
    void *shared = peer->open();

    peer->attach(shared);
    printf("write_ns %.2f", objects_each_ns(peer->writes, shared, WRITES));
    printf(" held_ns %.0f", round_trip_ns(peer, shared, HELD));
    printf(" after_ns %.0f", round_trip_ns(peer, shared, AFTER));
    printf(" together_ns %.0f", round_trip_ns(peer, shared, TOGETHER));
    objects_contend("", shared, peer->attach, peer->lock, peer->unlock);
    if (peer->more)
        peer->more(shared);
    printf("\n");
    return 0;
}
