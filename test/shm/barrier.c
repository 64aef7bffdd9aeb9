/*
 * test/shm/barrier.c: one dies at a barrier while another is on its way there, after any
 * instruction: nobody passes with the dead one. HEALD_CRASH_STRIDE set misses no instruction.
 */
#include "shm/step.h"

#include <limits.h>

enum { PLACES = 60 };

struct shared {
    HEALD_BARRIER(2) pair;
    int go;
};

static struct shared *shared_of(struct fixture *f)
{
    return f->data;
}

static bool comes(struct fixture *f)
{
    set_flag(&shared_of(f)->go);
    heald_barrier_wait(heald_barrier_of(&shared_of(f)->pair), f->me, HEALD_FOREVER, NULL);
    return true;
}

static void kill_pair(struct fixture *f)
{
    heald_barrier_wait(heald_barrier_of(&shared_of(f)->pair), f->me, HEALD_FOREVER, NULL);
}

static bool has_come(struct fixture *f)
{
    struct heald_object_state state;
    uint64_t at = heald_offset(f->region, &shared_of(f)->pair);

    ck_assert_int_eq(heald_object_inspect(f->region, at, HEALD_OBJECT_BARRIER, &state), 0);
    return state.free < state.max;
}

/* Of a pair one has died, and another is on its way, after so many instructions: nobody passes
 * with the dead one. How many instructions they were. */
static int come_to_dead(struct fixture *f, int instructions)
{
    struct shared *s = f->data;
    struct heald_barrier *b = heald_barrier_of(&s->pair);

    memset(s, 0, sizeof *s);
    ck_assert_int_eq(heald_barrier_init_sized(b, sizeof s->pair, 2), 0);
    pid_t first = child_start(f, comes);
    until_set(&s->go);
    while (!has_come(f))
        usleep(100);
    pid_t second = step_start(f, kill_pair);
    int made = step_on(second, instructions);
    child_kill(first);
    int err = heald_barrier_wait(b, f->me, in_ms(2), NULL);
    ck_assert_msg(err < 0, "passes with one who is dead, after %d instructions: %d", made, err);
    child_kill(second);
    return made;
}

HEALD_CASE(nobody_passes_with_one_who_is_dead)
{
    if (harness_has_tsan())
        harness_skip("its instructions are ThreadSanitizer's");
    struct fixture f =
        fixture_open_with(&(struct heald_region_options){.size = sizeof(struct shared)});
    int length = come_to_dead(&f, INT_MAX);
    int stride = getenv("HEALD_CRASH_STRIDE") ? 1 : length / PLACES + 1;

    for (int n = 0; n < length; n += stride)
        come_to_dead(&f, n);
    fixture_close(&f);
}

int main(void)
{
    Suite *suite = suite_create("barrier");
    TCase *group = harness_group(suite, "barrier");

    harness_limit(group, getenv("HEALD_CRASH_STRIDE") ? 900 : 60);
    harness_add(group, nobody_passes_with_one_who_is_dead);
    return harness_run(suite);
}
