/* test/crash/memory.c: the scenes in which nobody waits: the heap, its names, and regions. */
#include "crash/take.h"

#include <errno.h>
#include <unistd.h>

static void nothing(struct stage *st)
{
    (void)st;
}

/* The heap and its names. Three blocks, so that one that is freed has neighbours. */

static void set_up_heap(struct stage *st)
{
    for (int i = 0; i < 3; i++)
        must(heald_alloc(st->me, 100, &st->data->where[i]) == 0);
}

static void use_heap(struct stage *st)
{
    must(heald_free(st->me, &st->data->where[1]) == 0);
    must(heald_free(st->me, &st->data->where[0]) == 0);
    must(heald_alloc(st->me, 60, &st->data->where[0]) == 0);
    must(heald_alloc(st->me, 300, &st->data->where[1]) == 0);
}

/* Nothing is lost: what is allocated is what the words refer to. */
static bool heap_works(struct stage *st)
{
    struct heald_heap_stats before, after;
    unsigned blocks = 0;

    if (heald_heap_stats(st->me, &before) != 0)
        return false;
    for (int i = 0; i < 3; i++) {
        blocks += st->data->where[i] != 0;
        if (heald_free(st->me, &st->data->where[i]) != 0)
            return false;
    }
    return before.blocks == blocks && heald_heap_stats(st->me, &after) == 0 && after.used == 0;
}

static char region_name[64];

static void name_region(struct stage *st)
{
    (void)st;
    if (!region_name[0]) {
        const char text[] = "/heald-crash-";
        unsigned pid = (unsigned)getpid(), n = 0;
        for (; text[n]; n++)
            region_name[n] = text[n];
        for (; pid; pid /= 10)
            region_name[n++] = (char)('0' + pid % 10);
    }
    heald_region_unlink(region_name);
}

/* A heap grows but once: each play has a region of its own, full but for a little. */
static struct stage growing;

static void set_up_growing(struct stage *st)
{
    struct heald_region_options o = {.participants = 2, .size = 64, .heap = 1};
    struct heald_heap_stats stats;

    name_region(st);
    must(heald_region_open(&growing.region, region_name, HEALD_REGION_CREATE, &o) == 0);
    must(heald_region_unlink(region_name) == 0);
    must(heald_attach(growing.region, &growing.me) == 0);
    must(heald_heap_stats(growing.me, &stats) == 0);
    must(heald_alloc(growing.me, (size_t)stats.largest - 600, heald_region_data(growing.region)) ==
         0);
}

static void attach_growing(struct stage *st)
{
    (void)st;
    must(heald_attach(growing.region, &growing.me) == 0);
}

static void grow(struct stage *st)
{
    (void)st;
    must(heald_alloc(growing.me, 1000, (uint64_t *)heald_region_data(growing.region) + 1) == 0);
}

static bool growing_works(struct stage *st)
{
    uint64_t *where = heald_region_data(growing.region);
    struct heald_heap_stats stats;
    bool works = heald_free(growing.me, &where[1]) == 0;

    grow(st);
    works = works && heald_heap_stats(growing.me, &stats) == 0 && stats.blocks == 2;
    heald_detach(growing.me);
    return heald_region_close(growing.region) == 0 && works;
}

static const struct heald_object_options door = {.type = HEALD_OBJECT_MUTEX};

static void use_name(struct stage *st)
{
    void *object;

    must(heald_object_open(st->me, "door", &door, &object, NULL) == 0);
    must(heald_object_remove(st->me, "door") == 0);
}

static bool names_work(struct stage *st)
{
    int err = heald_object_remove(st->me, "door");

    if (err != 0 && err != -ENOENT)
        return false;
    use_name(st);
    return heap_works(st);
}

/* Regions. */

static void attach_again(struct stage *st)
{
    struct heald_participant *second;

    must(heald_attach(st->region, &second) == 0);
    heald_detach(second);
}

static bool attach_works(struct stage *st)
{
    struct heald_participant *second;

    if (heald_attach(st->region, &second) < 0)
        return false;
    heald_detach(second);
    return scene_section_works(st);
}

/* Two slots of dead processes: the victim has the first. */
static void let_two_die(struct stage *st)
{
    pid_t dead[2];

    for (int i = 0; i < 2; i++) {
        if ((dead[i] = fork()) == 0) {
            must(heald_attach(st->region, &st->me) == 0);
            __atomic_add_fetch(&st->data->turn, 1, __ATOMIC_RELEASE);
            for (;;)
                pause();
        }
    }
    while (__atomic_load_n(&st->data->turn, __ATOMIC_ACQUIRE) < 2)
        usleep(50);
    for (int i = 0; i < 2; i++)
        crash_bury(&dead[i]);
}

static void make_region(struct stage *st)
{
    struct heald_region_options o = {.participants = 2, .size = 64};
    struct heald_region *r;

    (void)st;
    must(heald_region_open(&r, region_name, HEALD_REGION_CREATE, &o) == 0);
}

/* It is there whole, or not at all. */
static bool region_works(struct stage *st)
{
    struct heald_participant *me;
    struct heald_region *r;
    bool works;

    (void)st;
    if (heald_region_open(&r, region_name, HEALD_REGION_CREATE, NULL) != 0)
        return false;
    works = heald_attach(r, &me) == 0;
    if (works)
        heald_detach(me);
    return heald_region_close(r) == 0 && heald_region_unlink(region_name) == 0 && works;
}

static void name_and_make(struct stage *st)
{
    struct heald_region_options o = {.participants = 2, .size = 64};
    struct heald_region *r;

    name_region(st);
    must(heald_region_open(&r, region_name, HEALD_REGION_CREATE, &o) == 0);
    must(heald_region_close(r) == 0);
}

static void open_and_close(struct stage *st)
{
    struct heald_participant *me;
    struct heald_region *r;

    (void)st;
    must(heald_region_open(&r, region_name, 0, NULL) == 0);
    must(heald_attach(r, &me) == 0);
    heald_detach(me);
    must(heald_region_close(r) == 0);
}

static const struct scene scenes[] = {
    {"heap: free and allocate", 0, set_up_heap, nothing, use_heap, NULL, NULL, heap_works},
    {"heap: grow", 0, set_up_growing, attach_growing, grow, NULL, NULL, growing_works},
    {"name: make and remove", 0, nothing, nothing, use_name, NULL, NULL, names_work},
    {"region: attach and detach", 0, nothing, nothing, attach_again, NULL, NULL, attach_works},
    {"region: attach, sweeping", 0, let_two_die, nothing, attach_again, NULL, NULL, attach_works},
    {"region: make", 0, name_region, nothing, make_region, NULL, NULL, region_works},
    {"region: open, attach, detach, close", 0, name_and_make, nothing, open_and_close, NULL, NULL,
     region_works},
};

const struct scene_list crash_memory = {scenes, sizeof scenes / sizeof scenes[0]};
