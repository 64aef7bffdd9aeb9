/*
 * test/differential/differential.c: the same random programs on every back end, with the engines in
 * rotation, against the reference: poll and sync.
 *
 * HEALD_SEED=N build/test/test-differential replays one seed, on every back end with every engine.
 */
#include "differential/program.h"
#include "differential/run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SEEDS = 1000, SEEDS_A_CASE = 25 };

static const char *const backends[] = {"poll", "select", "epoll", "kqueue", "uring"};
static const char *const engines[] = {"sync", "threads", "uring"};

enum { BACKENDS = sizeof backends / sizeof *backends, ENGINES = sizeof engines / sizeof *engines };

/* An empty directory, open and already without a name, is no use; so it is kept by name. */
static char *make_dir(char path[64])
{
    const char *tmp = getenv("TMPDIR");

    snprintf(path, 64, "%.32s/heald-diff-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    return mkdtemp(path);
}

static bool run_on(struct run *run, uint64_t seed, const char *backend, const char *engine)
{
    char path[64];

    *run = (struct run){.seed = seed, .backend = backend, .engine = engine};
    seeds_note(" back end %s engine %s", backend, engine);
    ck_assert_ptr_nonnull(make_dir(path));
    run->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(run->dir, 0);
    int err = program_run(run);
    close(run->dir);
    ck_assert_msg(rmdir(path) == 0, "the directory is not empty: %s", strerror(errno));
    ck_assert_msg(err == 0 || err == -ENOSYS, "open: %s", heald_strerror(err));
    return err == 0;
}

static void compare(const struct run *want, const struct run *got)
{
    for (unsigned i = 0; i < want->count; i++)
        for (unsigned v = 0; v < UNIT_VALUES; v++)
            ck_assert_msg(want->unit[i].value[v] == got->unit[i].value[v],
                          "seed %llu back end %s engine %s: unit %u, %s: value %u is %lld, "
                          "and %lld on %s with %s",
                          (unsigned long long)got->seed, got->backend, got->engine, i,
                          got->unit[i].kind->name, v, (long long)got->unit[i].value[v],
                          (long long)want->unit[i].value[v], want->backend, want->engine);
}

static void try_seed(uint64_t seed)
{
    static struct run reference, other;
    bool all = getenv("HEALD_SEED") != NULL;

    ck_assert(run_on(&reference, seed, "poll", "sync"));
    for (unsigned b = 0; b < BACKENDS; b++)
        for (unsigned e = 0; e < ENGINES; e++)
            if ((all || e == (seed + b) % ENGINES) && (b || e) &&
                run_on(&other, seed, backends[b], engines[e]))
                compare(&reference, &other);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    return seeds_main("differential", SEEDS, SEEDS_A_CASE, try_seed);
}
