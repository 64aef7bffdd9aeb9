/* See contend.h. */
#define _GNU_SOURCE 1
#include "contend.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STEPS = 20, READY_US = 1000, CONTEND_US = 500000 };

/* Each count is changed by one process alone. */
struct board {
    atomic_int stop;
    atomic_bool is_measured;
    atomic_long sections[CONTEND_MAX];
    _Atomic int64_t longest_ns[CONTEND_MAX];
};

static void steps(void)
{
    for (volatile int i = 0; i < STEPS; i++)
        ;
}

static long sections_of(const struct board *board, int who)
{
    return atomic_load_explicit(&board->sections[who], memory_order_relaxed);
}

static void note_wait(struct board *board, int who, int64_t waited_ns)
{
    _Atomic int64_t *longest = &board->longest_ns[who];

    if (waited_ns > atomic_load_explicit(longest, memory_order_relaxed) && board->is_measured)
        atomic_store_explicit(longest, waited_ns, memory_order_relaxed);
}

static void contender(const struct contend *c, struct board *board, int who)
{
    c->attach(c->shared);
    while (!board->stop) {
        int64_t waited = bench_now_ns();
        c->lock(c->shared);
        waited = bench_now_ns() - waited;
        steps();
        atomic_store_explicit(&board->sections[who], sections_of(board, who) + 1,
                              memory_order_relaxed);
        c->unlock(c->shared);
        note_wait(board, who, waited);
        steps();
    }
    _exit(0);
}

/* The first processes run alone, and have the lock again and again before the last is there. */
static void await_all(const struct contend *c, const struct board *board)
{
    for (int i = 0; i < c->processes; i++)
        while (!sections_of(board, i)) {
            if (waitpid(-1, NULL, WNOHANG) > 0)
                bench_die("a process that was to contend has ended", 0);
            usleep(READY_US);
        }
}

static struct contend_result measure(const struct contend *c, struct board *board)
{
    struct contend_result result = {0};
    long before[CONTEND_MAX], total = 0, most = 1, fewest = 0;

    for (int i = 0; i < c->processes; i++)
        before[i] = sections_of(board, i);
    board->is_measured = true;
    int64_t took = bench_now_ns();
    usleep(CONTEND_US);
    took = bench_now_ns() - took;
    for (int i = 0; i < c->processes; i++) {
        long sections = sections_of(board, i) - before[i];
        total += sections;
        most = sections > most ? sections : most;
        fewest = i == 0 || sections < fewest ? sections : fewest;
    }
    result.per_s = (double)total * BENCH_NS_PER_S / (double)took;
    result.spread = (double)most / (double)(fewest ? fewest : 1);
    return result;
}

struct contend_result contend_run(const struct contend *c)
{
    struct board *board =
        mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (board == MAP_FAILED)
        bench_die("mmap", errno);
    for (int i = 0; i < c->processes; i++)
        if (fork() == 0)
            contender(c, board, i);
    await_all(c, board);
    struct contend_result result = measure(c, board);
    board->stop = 1;
    for (int i = 0; i < c->processes; i++)
        wait(NULL);
    for (int i = 0; i < c->processes; i++)
        if (board->longest_ns[i] > result.longest_ns)
            result.longest_ns = board->longest_ns[i];
    munmap(board, sizeof *board);
    return result;
}
