/*
 * test/soak/soak.c: the director and the workers. HEALD_SOAK_KILLS kills (500), from the seed
 * HEALD_SEED; prints what came of it. With an argument, so many kills, and only figures. Exit
 * status 0; 1: something was lost or corrupted; 3: nobody got on any more.
 */
#include "soak/soak.h"

#include "harness/seeds.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WORKERS = 4, NODES = 16, TOKENS_MAX = 8, KILLS = 500, HANG_MS = 5000 };

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
    /* Two make and two take, whoever is killed: so nobody waits for ever. */
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

/* Waits until somebody has ended a section: how long, or -1. */
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

static long number(const char *name, long otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtol(text, NULL, 10) : otherwise;
}

/* One kill and what follows: how long nobody got on, or -1. */
static long kill_one(void *shared, pid_t pids[], struct rng *rng)
{
    unsigned victim = rng_below(rng, WORKERS);

    nap(rng_range(rng, 20, 700));
    if (rng_one_in(rng, 10)) {
        kill(pids[victim], SIGSTOP);
        nap(rng_range(rng, 20, 700));
    }
    kill(pids[victim], SIGKILL);
    waitpid(pids[victim], NULL, 0);
    pids[victim] = start(shared, (int)victim);
    return await_progress(state_of(shared));
}

int main(int argc, char **argv)
{
    bool is_test = argc < 2;
    long kills = number("HEALD_SOAK_KILLS", KILLS), done = 0, slowest = 0;
    struct rng rng = rng_of((uint64_t)number("HEALD_SEED", 1), 0);
    void *shared = peer_open((peer_size() + 63) / 64 * 64 + sizeof(struct state));
    pid_t pids[WORKERS];

    if (!shared) {
        printf("# 0 passed, 0 failed, 1 skipped\n");
        return 77;
    }
    struct state *s = state_of(shared);
    if (!is_test)
        kills = strtol(argv[1], NULL, 10);
    make_ring(s);
    for (int i = 0; i < WORKERS; i++)
        pids[i] = start(shared, i);
    for (long us; done < kills && (us = kill_one(shared, pids, &rng)) >= 0; done++)
        slowest = us > slowest ? us : slowest;
    for (int i = 0; i < WORKERS; i++) {
        kill(pids[i], SIGKILL);
        waitpid(pids[i], NULL, 0);
    }
    bool lost = s->wrong;
    if (!is_test) {
        printf("kills %ld sections %ld mended %ld slowest_us %ld wrong %d\n", done, s->ended,
               s->mended, slowest, lost);
        return 0;
    }
    printf("%ld kills, %ld sections, %ld mended, slowest recovery %ld us%s\n", done, s->ended,
           s->mended, slowest,
           lost           ? ", CORRUPT"
           : done < kills ? ", HUNG"
                          : "");
    printf("# %d passed, %d failed, 0 skipped\n", done == kills, done < kills);
    return lost ? 1 : done < kills ? 3 : 0;
}
