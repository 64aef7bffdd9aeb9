#define _GNU_SOURCE 1
#include "lock.h"

#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    ROUNDS = 5000000,
    CONTENDERS = 2,
    STEPS = 20,
    CONTEND_US = 500000,
    WAKES = 3000,
    WAKE_APART_US = 100,
};

/* Beside what the peer shares. */
struct board {
    atomic_int go, stop;
    long sections[CONTENDERS];
    int64_t longest_ns[CONTENDERS];
    _Atomic int64_t rang_ns;
};

struct wakes {
    struct board *board;
    int64_t ns[WAKES];
    long count;
};

static struct board *board_open(void)
{
    void *p =
        mmap(NULL, sizeof(struct board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        bench_die("mmap", errno);
    return p;
}

static void steps(void)
{
    for (volatile int i = 0; i < STEPS; i++)
        ;
}

static void contend(const struct lock_peer *peer, void *shared, struct board *board, int who)
{
    peer->attach(shared);
    while (!board->go)
        ;
    while (!board->stop) {
        int64_t waited = bench_now_ns();
        peer->lock(shared);
        waited = bench_now_ns() - waited;
        steps();
        board->sections[who]++;
        peer->unlock(shared);
        if (waited > board->longest_ns[who])
            board->longest_ns[who] = waited;
        steps();
    }
    _exit(0);
}

static double contended(const struct lock_peer *peer, void *shared, int64_t *ret_longest_ns)
{
    struct board *board = board_open();
    long sections = 0;

    for (int i = 0; i < CONTENDERS; i++)
        if (fork() == 0)
            contend(peer, shared, board, i);
    usleep(20000);
    board->go = 1;
    usleep(CONTEND_US);
    board->stop = 1;
    *ret_longest_ns = 0;
    for (int i = 0; i < CONTENDERS; i++) {
        wait(NULL);
        sections += board->sections[i];
        if (board->longest_ns[i] > *ret_longest_ns)
            *ret_longest_ns = board->longest_ns[i];
    }
    munmap(board, sizeof *board);
    return (double)sections * 1e6 / CONTEND_US;
}

static void on_wake(void *ctx)
{
    struct wakes *w = ctx;

    w->ns[w->count++] = bench_now_ns() - w->board->rang_ns;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static double wake_ns(const struct lock_peer *peer, void *shared)
{
    static struct wakes w;

    w.board = board_open();
    if (fork() == 0) {
        peer->attach(shared);
        usleep(20000);
        for (int i = 0; i < WAKES; i++) {
            usleep(WAKE_APART_US);
            w.board->rang_ns = bench_now_ns();
            peer->ring(shared);
        }
        _exit(0);
    }
    peer->listen(shared, on_wake, &w, WAKES);
    wait(NULL);
    qsort(w.ns, WAKES, sizeof w.ns[0], by_value);
    return (double)w.ns[WAKES / 2];
}

int lock_main(const struct lock_peer *peer)
{
    void *shared = peer->open();
    int64_t longest, start;
    double uncontended, rate;

    peer->attach(shared);
    start = bench_now_ns();
    peer->rounds(shared, ROUNDS);
    uncontended = (double)(bench_now_ns() - start) / ROUNDS;
    rate = contended(peer, shared, &longest);
    printf("uncontended_ns %.2f contended %.0f longest_us %.0f wake_ns %.0f op_ns %.2f\n",
           uncontended, rate, (double)longest / 1000, wake_ns(peer, shared),
           peer->op_ns ? peer->op_ns(shared) : 0);
    return 0;
}
