/*
 * test/harness/seeds.c: see seeds.h.
 *
 * A case runs a row of seeds. What it runs just now it writes into a mapping that it shares with
 * the parent; what is still there when all cases have ended has failed, however it ended.
 */
#include "harness/seeds.h"

#include "harness/harness.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { TEXT = 96, CASE_LIMIT_SECONDS = 60 };

struct progress {
    uint64_t seed; /* 0: none running */
    char note[TEXT];
};

static struct {
    const char *program;
    seed_fn *fn;
    uint64_t first, count;
    unsigned per_case, cases;
    struct progress *progress; /* one a case, shared */
    struct progress *mine;
} seeds;

void seeds_note(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(seeds.mine->note, TEXT, format, args);
    va_end(args);
}

HEALD_CASE(row)
{
    uint64_t begin = (uint64_t)_i * seeds.per_case;

    seeds.mine = &seeds.progress[_i];
    for (uint64_t i = begin; i < begin + seeds.per_case && i < seeds.count; i++) {
        seeds.mine->seed = seeds.first + i;
        seeds.mine->note[0] = 0;
        seeds.fn(seeds.first + i);
        seeds.mine->seed = 0;
    }
}

/* In the parent, after the last case. */
static void report(void)
{
    for (unsigned i = 0; i < seeds.cases; i++) {
        const struct progress *p = &seeds.progress[i];
        if (p->seed)
            printf("seed %llu%s\n  replay: HEALD_SEED=%llu build/test/test-%s\n",
                   (unsigned long long)p->seed, p->note, (unsigned long long)p->seed,
                   seeds.program);
    }
}

static uint64_t number(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);
    return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

int seeds_main(const char *name, unsigned count, unsigned per_case, seed_fn *fn)
{
    seeds.program = name;
    seeds.fn = fn;
    seeds.count = number("HEALD_SEEDS", count);
    seeds.first = number("HEALD_SEED", 0);
    if (seeds.first)
        seeds.count = 1;
    else
        seeds.first = 1;
    seeds.per_case = per_case;
    seeds.cases = (unsigned)((seeds.count + per_case - 1) / per_case);

    size_t size = (seeds.cases + 1) * sizeof *seeds.progress;
    seeds.progress = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (seeds.progress == MAP_FAILED) {
        perror("seeds: mmap");
        return 1;
    }
    Suite *suite = suite_create(name);
    TCase *group = harness_group(suite, "seeds");
    harness_limit(group, CASE_LIMIT_SECONDS);
    tcase_add_unchecked_fixture(group, NULL, report);
    harness_add_range(group, row, 0, (int)seeds.cases);
    printf("%s: seeds %llu to %llu\n", name, (unsigned long long)seeds.first,
           (unsigned long long)(seeds.first + seeds.count - 1));
    return harness_run(suite);
}
