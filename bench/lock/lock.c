#define _GNU_SOURCE 1
#include "lock.h"
#include "contend.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    ROUNDS = 5000000,
    CONTENDERS = 2,
    WAKES = 3000,
    WAKE_APART_US = 100,
    DEATHS = 200,
    DEATH_AFTER_US = 2000,
};

/* Beside what the peer shares. */
struct board {
    _Atomic int64_t rang_ns;
    atomic_int held;
    int64_t death_ns[DEATHS];
    int deaths;
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

/* In order. */
static const int64_t *wakes(const struct lock_peer *peer, void *shared)
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
    return w.ns;
}

static pid_t holder_start(const struct lock_peer *peer, void *shared, struct board *board)
{
    board->held = 0;
    pid_t pid = fork();
    if (pid == 0) {
        peer->attach(shared);
        peer->lock(shared);
        board->held = 1;
        for (;;)
            pause();
    }
    while (!board->held)
        usleep(100);
    return pid;
}

/* Kills the holder once the other waits for its lock. */
static pid_t killer_start(pid_t victim, struct board *board)
{
    pid_t pid = fork();

    if (pid == 0) {
        usleep(DEATH_AFTER_US);
        board->rang_ns = bench_now_ns();
        kill(victim, SIGKILL);
        /* Its own end would only be in the way. */
        usleep(DEATH_AFTER_US);
        _exit(0);
    }
    return pid;
}

static void on_death(void *ctx)
{
    struct board *board = ctx;

    board->death_ns[board->deaths++] = bench_now_ns() - board->rang_ns;
}

/* In order. */
static struct board *deaths(const struct lock_peer *peer, void *shared)
{
    struct board *board = board_open();

    for (int i = 0; i < DEATHS; i++) {
        pid_t holder = holder_start(peer, shared, board);
        killer_start(holder, board);
        peer->inherit(shared, on_death, board);
        wait(NULL);
        wait(NULL);
    }
    qsort(board->death_ns, DEATHS, sizeof board->death_ns[0], by_value);
    return board;
}

static double each_ns(void (*rounds)(void *shared, long count), void *shared)
{
    int64_t start = bench_now_ns();

    if (!rounds)
        return 0;
    rounds(shared, ROUNDS);
    return (double)(bench_now_ns() - start) / ROUNDS;
}

int lock_main(const struct lock_peer *peer)
{
    void *shared = peer->open();
    const struct contend two = {CONTENDERS, shared, peer->attach, peer->lock, peer->unlock};

    peer->attach(shared);
    double uncontended = each_ns(peer->rounds, shared);
    struct contend_result contended = contend_run(&two);
    const int64_t *wake = wakes(peer, shared);
    const struct board *board = deaths(peer, shared);
    printf("uncontended_ns %.2f contended %.0f longest_us %.0f wake_ns %.0f wake_q1_ns %.0f "
           "death_p50_us %.1f death_p99_us %.1f op_ns %.2f permit_ns %.2f read_ns %.2f ",
           uncontended, contended.per_s, (double)contended.longest_ns / 1000,
           (double)wake[WAKES / 2], (double)wake[WAKES / 4],
           (double)board->death_ns[DEATHS / 2] / 1000,
           (double)board->death_ns[DEATHS * 99 / 100] / 1000, peer->op_ns ? peer->op_ns(shared) : 0,
           each_ns(peer->permits, shared), each_ns(peer->reads, shared));
    if (peer->sizes)
        peer->sizes();
    printf("\n");
    return 0;
}
