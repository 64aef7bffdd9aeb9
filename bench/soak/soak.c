/*
 * soak KILLS: starts the workers, kills one after the other at random, and prints the result:
 * `kills N sections S mended M slowest_us L wrong W`. Fewer kills than asked for: no worker made
 * progress any more.
 */
#include "soak.h"
#include "../common/common.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 4, NODES = 16, TOKENS_MAX = 8, HANG_MS = 5000, NAP_MIN_US = 20, NAPS_US = 680 };

/* Guarded by the mutex, but for what says atomic. */
struct state {
    long begun, ended;   /* sections; equal outside; `ended` atomic */
    long done[WORKERS];  /* by each: together as many */
    int next[NODES + 1]; /* a ring of all nodes, through the last, which is its head */
    int prev[NODES + 1];
    int tokens; /* made and taken by turns: the condition */
    long mended;
    int wrong; /* atomic: what was found corrupt */
};

static struct state *state_of(void *shared)
{
    return (struct state *)(void *)((char *)shared + (peer_size() + 63) / 64 * 64);
}

static void make_ring(struct state *s)
{
    for (int i = 0; i <= NODES; i++) {
        s->next[i] = (i + 1) % (NODES + 1);
        s->prev[s->next[i]] = i;
    }
}

static long sum_of(const struct state *s)
{
    long sum = 0;

    for (int i = 0; i < WORKERS; i++)
        sum += s->done[i];
    return sum;
}

static bool is_sound(const struct state *s)
{
    int at = NODES, n = 0;

    do {
        if (s->next[at] < 0 || s->next[at] > NODES || s->prev[s->next[at]] != at)
            return false;
        at = s->next[at];
    } while (at != NODES && ++n <= NODES);
    return n == NODES && s->begun == s->ended && s->ended == sum_of(s) && s->tokens >= 0 &&
           s->tokens <= TOKENS_MAX;
}

/* The first node becomes the last: six stores, in the middle of which one may be killed. */
static void rotate(struct state *s)
{
    int first = s->next[NODES], last = s->prev[NODES];

    s->next[NODES] = s->next[first];
    s->prev[s->next[first]] = NODES;
    s->next[last] = first;
    s->prev[first] = last;
    s->next[first] = NODES;
    s->prev[NODES] = first;
}

static void mend(void *shared, struct state *s)
{
    make_ring(s);
    s->begun = sum_of(s);
    __atomic_store_n(&s->ended, s->begun, __ATOMIC_RELEASE);
    s->mended++;
    peer_consistent(shared);
}

/* After a lock or a wait. */
static void settle(void *shared, struct state *s, int got)
{
    if (got == 1)
        mend(shared, s);
    if (got < 0 || !is_sound(s)) {
        __atomic_store_n(&s->wrong, 1, __ATOMIC_RELEASE);
        _exit(1);
    }
}

static void section(void *shared, struct state *s, int me, bool makes)
{
    settle(shared, s, peer_lock(shared));
    while (makes ? s->tokens == TOKENS_MAX : s->tokens == 0)
        settle(shared, s, peer_wait(shared));
    s->begun++;
    rotate(s);
    s->tokens += makes ? 1 : -1;
    s->done[me]++;
    __atomic_store_n(&s->ended, s->ended + 1, __ATOMIC_RELEASE);
    peer_broadcast(shared);
    peer_unlock(shared);
}

static pid_t start(void *shared, int me)
{
    struct state *s = state_of(shared);
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    peer_attach(shared);
    /* Two make and two take, whichever is killed: so none waits indefinitely. */
    for (;;)
        section(shared, s, me, me % 2 == 0);
}

static long now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000L + t.tv_nsec / 1000;
}

static void nap(long us)
{
    struct timespec t = {.tv_nsec = us * 1000};
    nanosleep(&t, NULL);
}

/* Waits until a worker has ended a section: how long, or -1. */
static long await_progress(const struct state *s)
{
    long before = __atomic_load_n(&s->ended, __ATOMIC_ACQUIRE), begin = now_us();

    while (__atomic_load_n(&s->ended, __ATOMIC_ACQUIRE) == before) {
        if (now_us() - begin > HANG_MS * 1000L || __atomic_load_n(&s->wrong, __ATOMIC_ACQUIRE))
            return -1;
        nap(20);
    }
    return now_us() - begin;
}

static void nap_at_random(uint64_t *random)
{
    nap(NAP_MIN_US + (long)(bench_random(random) % NAPS_US));
}

/* One kill and what follows: how long nobody got on, or -1. */
static long kill_one(void *shared, pid_t pids[], uint64_t *random)
{
    unsigned victim = bench_random(random) % WORKERS;

    nap_at_random(random);
    if (bench_random(random) % 10 == 0) {
        kill(pids[victim], SIGSTOP);
        nap_at_random(random);
    }
    kill(pids[victim], SIGKILL);
    waitpid(pids[victim], NULL, 0);
    pids[victim] = start(shared, (int)victim);
    return await_progress(state_of(shared));
}

int main(int argc, char **argv)
{
    long kills = argc > 1 ? bench_number(argv[1], 1, 1000000) : 500, done = 0, slowest = 0;
    uint64_t random = 1;
    void *shared = peer_open((peer_size() + 63) / 64 * 64 + sizeof(struct state));
    pid_t pids[WORKERS];

    if (!shared)
        return BENCH_SKIP;
    struct state *s = state_of(shared);
    make_ring(s);
    for (int i = 0; i < WORKERS; i++)
        pids[i] = start(shared, i);
    for (long us; done < kills && (us = kill_one(shared, pids, &random)) >= 0; done++)
        slowest = us > slowest ? us : slowest;
    for (int i = 0; i < WORKERS; i++) {
        kill(pids[i], SIGKILL);
        waitpid(pids[i], NULL, 0);
    }
    printf("kills %ld sections %ld mended %ld slowest_us %ld wrong %d\n", done, s->ended, s->mended,
           slowest, s->wrong);
    return 0;
}
