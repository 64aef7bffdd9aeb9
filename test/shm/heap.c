/* test/shm/heap.c: memory and names in a region, and what becomes of them when a process dies. */
#include "shm/shm.h"

#include "harness/seeds.h"

#include <pthread.h>

enum { SLOTS = 64, ROUNDS = 4000 };

/* The words that hold what was allocated; each block is filled with its own number. */
struct root {
    uint64_t where[SLOTS];
    uint64_t size[SLOTS];
};

static struct heald_heap_stats stats_of(struct fixture *f)
{
    struct heald_heap_stats s;

    ck_assert_int_eq(heald_heap_stats(f->me, &s), 0);
    return s;
}

HEALD_CASE(handed_out_and_taken_back)
{
    struct fixture f = fixture_open_with(&(struct heald_region_options){.heap = 64 * 1024});
    uint64_t *where = f.data, before = stats_of(&f).largest;
    unsigned char *p;

    ck_assert_int_eq(heald_alloc(f.me, 100, &where[0]), 0);
    p = heald_at(f.region, where[0]);
    ck_assert_ptr_nonnull(p);
    ck_assert_uint_eq((uintptr_t)p % 16, 0);
    ck_assert_uint_eq(heald_offset(f.region, p), where[0]);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(p[i], 0);
    memset(p, 'x', 100);
    ck_assert_uint_eq(stats_of(&f).blocks, 1);
    ck_assert_int_eq(heald_free(f.me, &where[0]), 0);
    ck_assert_uint_eq(where[0], 0);
    ck_assert_int_eq(heald_free(f.me, &where[0]), 0);
    ck_assert_uint_eq(stats_of(&f).blocks, 0);
    ck_assert_uint_eq(stats_of(&f).used, 0);
    ck_assert_uint_eq(stats_of(&f).largest, before);
    ck_assert_int_eq(heald_alloc(f.me, 100, &where[0]), 0);
    ck_assert_int_eq(*(char *)heald_at(f.region, where[0]), 0);
    fixture_close(&f);
}

HEALD_CASE(what_is_refused)
{
    struct fixture f =
        fixture_open_with(&(struct heald_region_options){.heap = 1, .heap_max = 1 << 18});
    struct fixture none = fixture_open_with(&(struct heald_region_options){0});
    uint64_t *where = f.data, local = 0;

    ck_assert_int_eq(heald_alloc(f.me, 0, where), -EINVAL);
    ck_assert_int_eq(heald_alloc(f.me, 1, &local), -EINVAL);
    ck_assert_int_eq(heald_alloc(f.me, 1, (uint64_t *)(void *)((char *)where + 4)), -EINVAL);
    ck_assert_int_eq(heald_alloc(f.me, 1 << 19, where), -ENOMEM);
    ck_assert_int_eq(heald_alloc(f.me, SIZE_MAX, where), -ENOMEM);
    ck_assert_int_eq(heald_alloc(none.me, 1, none.data), -ENOSYS);
    ck_assert_int_eq(heald_alloc(f.me, 64, &where[0]), 0);
    where[1] = where[0];
    ck_assert_int_eq(heald_free(f.me, &where[0]), 0);
    ck_assert_int_eq(heald_free(f.me, &where[1]), -EINVAL);
    static const uint64_t wrong[] = {1, 16, 4096, 1 << 18, UINT64_MAX, UINT64_MAX - 15};
    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        where[1] = wrong[i];
        ck_assert_int_eq(heald_free(f.me, &where[1]), -EINVAL);
        ck_assert_uint_eq(where[1], wrong[i]);
    }
    ck_assert_ptr_null(heald_at(f.region, 0));
    ck_assert_ptr_null(heald_at(f.region, 4096));
    ck_assert_ptr_null(heald_at(f.region, UINT64_MAX));
    ck_assert_uint_eq(heald_offset(f.region, &local), 0);
    fixture_close(&none);
    fixture_close(&f);
}

/* Copies of a word that was freed, and places that were never allocated: also later, when the
 * memory is a part of a larger free block, or of another that is allocated. */
HEALD_CASE(only_what_was_handed_out_is_taken_back)
{
    enum { COUNT = 6, SIZE = 100 };
    struct fixture f =
        fixture_open_with(&(struct heald_region_options){.heap = 1 << 16, .heap_max = 1 << 16});
    uint64_t *where = f.data, *copy = where + COUNT, *large = copy + COUNT, *wrong = large + 1;
    static const unsigned order[COUNT] = {0, 2, 1, 4, 5, 3};

    for (unsigned i = 0; i < COUNT; i++)
        ck_assert_int_eq(heald_alloc(f.me, SIZE, &where[i]), 0);
    memcpy(copy, where, COUNT * sizeof *copy);
    for (unsigned i = 0; i < COUNT; i++) {
        ck_assert_int_eq(heald_free(f.me, &where[order[i]]), 0);
        for (unsigned k = 0; k <= i; k++)
            ck_assert_int_eq(heald_free(f.me, &copy[order[k]]), -EINVAL);
        stats_of(&f);
    }
    ck_assert_int_eq(heald_alloc(f.me, (size_t)(copy[COUNT - 1] - copy[0]) + SIZE, large), 0);
    ck_assert_uint_eq(*large, copy[0]);
    char *memory = heald_at(f.region, *large);
    size_t size = (size_t)(copy[COUNT - 1] - copy[0]) + SIZE;
    /* What is in it may look like the header of a block: that of this one, for example. */
    for (size_t at = 16; at + 16 < size; at += 16)
        memcpy(memory + at, memory - 16, 16);
    for (*wrong = *large + 1; *wrong < *large + size; ++*wrong)
        ck_assert_int_eq(heald_free(f.me, wrong), -EINVAL);
    for (unsigned i = 1; i < COUNT; i++)
        ck_assert_int_eq(heald_free(f.me, &copy[i]), -EINVAL);
    ck_assert_uint_eq(stats_of(&f).blocks, 1);
    ck_assert_int_eq(heald_free(f.me, large), 0);
    ck_assert_uint_eq(stats_of(&f).blocks, 0);
    fixture_close(&f);
}

static void check_all(struct fixture *f, const struct root *root)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        const unsigned char *p = root->where[i] ? heald_at(f->region, root->where[i]) : NULL;
        for (uint64_t k = 0; p && k < root->size[i]; k++)
            must(p[k] == i + 1);
    }
}

/* One step of a random life of the heap. */
static void step(struct fixture *f, struct root *root, struct rng *rng, size_t most)
{
    unsigned i = (unsigned)rng_below(rng, SLOTS);

    if (root->where[i]) {
        must(heald_free(f->me, &root->where[i]) == 0);
        return;
    }
    size_t size = 1 + (size_t)rng_below(rng, rng_below(rng, 8) ? 300 : (unsigned)most);
    int err = heald_alloc(f->me, size, &root->where[i]);
    must(err == 0 || err == -ENOMEM);
    if (err)
        return;
    memset(heald_at(f->region, root->where[i]), (int)(i + 1), size);
    root->size[i] = size;
}

HEALD_CASE(a_long_random_life)
{
    struct fixture f =
        fixture_open_with(&(struct heald_region_options){.heap = 1, .heap_max = 1 << 20});
    struct root *root = f.data;
    struct rng rng = rng_of(1, 0);
    uint64_t count = 0;

    for (int i = 0; i < ROUNDS; i++) {
        step(&f, root, &rng, 60000);
        if (i % 100 == 0) {
            check_all(&f, root);
            stats_of(&f);
        }
    }
    check_all(&f, root);
    for (unsigned i = 0; i < SLOTS; i++)
        count += root->where[i] != 0;
    ck_assert_uint_eq(stats_of(&f).blocks, count);
    for (unsigned i = 0; i < SLOTS; i++)
        ck_assert_int_eq(heald_free(f.me, &root->where[i]), 0);
    struct heald_heap_stats s = stats_of(&f);
    ck_assert_uint_eq(s.used, 0);
    /* All of it is one block again. */
    ck_assert_uint_ge(s.largest + 8192, s.size);
    fixture_close(&f);
}

HEALD_CASE(grows_where_it_is)
{
    struct fixture f =
        fixture_open_with(&(struct heald_region_options){.heap = 1, .heap_max = 4 << 20});
    struct heald_region *other;
    uint64_t *where = f.data, made = stats_of(&f).size;

    ck_assert_int_eq(heald_region_open_fd(&other, heald_region_fd(f.region)), 0);
    ck_assert_int_eq(heald_alloc(f.me, 1000, &where[0]), 0);
    char *first = heald_at(f.region, where[0]);
    ck_assert_int_eq(heald_alloc(f.me, 1 << 20, &where[1]), 0);
    ck_assert_ptr_eq(first, heald_at(f.region, where[0]));
    ck_assert_uint_gt(stats_of(&f).size, made);
    memset(heald_at(f.region, where[1]), 'y', 1 << 20);
    /* No process need be notified. */
    ck_assert_int_eq(((char *)heald_at(other, where[1]))[(1 << 20) - 1], 'y');
    ck_assert_int_eq(heald_alloc(f.me, 4 << 20, &where[2]), -ENOMEM);
    ck_assert_int_eq(heald_alloc(f.me, 2 << 20, &where[2]), 0);
    ck_assert_int_eq(heald_free(f.me, &where[1]), 0);
    ck_assert_int_eq(heald_free(f.me, &where[2]), 0);
    ck_assert_int_eq(heald_alloc(f.me, 3 << 20, &where[2]), 0);
    heald_region_close(other);
    fixture_close(&f);
}

/* A child allocates and frees until it is killed. */
static bool live_on(struct fixture *f)
{
    struct rng rng = rng_of((uint64_t)getpid(), 0);

    for (int i = 0; i < 10000000; i++)
        step(f, f->data, &rng, 20000);
    return true;
}

HEALD_CASE(killed_again_and_again)
{
    struct fixture f =
        fixture_open_with(&(struct heald_region_options){.heap = 1, .heap_max = 1 << 20});
    struct root *root = f.data;
    uint64_t count = 0;

    for (int i = 0; i < 200; i++) {
        pid_t pid = child_start(&f, live_on);
        usleep(1500);
        child_kill(pid);
        stats_of(&f);
    }
    for (unsigned i = 0; i < SLOTS; i++)
        count += root->where[i] != 0;
    /* Nothing was lost between "allocated" and "stored". */
    ck_assert_uint_eq(stats_of(&f).blocks, count);
    for (unsigned i = 0; i < SLOTS; i++)
        ck_assert_int_eq(heald_free(f.me, &root->where[i]), 0);
    ck_assert_uint_eq(stats_of(&f).used, 0);
    fixture_close(&f);
}

static int make_ticket(void *object, size_t size, void *ctx)
{
    (void)size;
    return heald_sem_init(object, *(unsigned *)ctx);
}

HEALD_CASE(found_by_name)
{
    struct fixture f = fixture_open_with(&(struct heald_region_options){.heap = 1});
    unsigned permits = 3;
    struct heald_object_options lock = {.type = HEALD_OBJECT_MUTEX};
    struct heald_object_options sem = {
        .type = HEALD_OBJECT_SEM, .size = HEALD_SEM_SIZE(3), .init = make_ticket, .ctx = &permits};
    void *a, *b, *c;
    int made;

    ck_assert_int_eq(heald_object_find(f.me, "door", HEALD_OBJECT_MUTEX, 0, &a), -ENOENT);
    ck_assert_int_eq(heald_object_open(f.me, "door", &lock, &a, &made), 0);
    ck_assert_int_eq(made, 1);
    ck_assert_int_eq(heald_object_open(f.me, "door", &lock, &b, &made), 0);
    ck_assert_int_eq(made, 0);
    ck_assert_ptr_eq(a, b);
    ck_assert_int_eq(heald_object_find(f.me, "door", HEALD_OBJECT_MUTEX, 0, &b), 0);
    ck_assert_ptr_eq(a, b);
    ck_assert_int_eq(heald_object_open(f.me, "ticket", &sem, &c, NULL), 0);
    ck_assert_int_eq(heald_sem_value(c, f.me), 3);
    ck_assert_int_eq(heald_object_find(f.me, "ticket", HEALD_OBJECT_MUTEX, 0, &b), -EPROTOTYPE);
    ck_assert_int_eq(heald_object_find(f.me, "ticket", HEALD_OBJECT_SEM, 4096, &b), -EPROTOTYPE);
    ck_assert_int_eq(heald_mutex_lock(a, f.me, HEALD_FOREVER), 0);
    ck_assert_int_eq(heald_mutex_unlock(a, f.me), 0);
    ck_assert_int_eq(heald_object_remove(f.me, "door"), 0);
    ck_assert_int_eq(heald_object_remove(f.me, "door"), -ENOENT);
    ck_assert_int_eq(heald_object_remove(f.me, "ticket"), 0);
    ck_assert_uint_eq(stats_of(&f).used, 0);
    fixture_close(&f);
}

static int refuse(void *object, size_t size, void *ctx)
{
    memset(object, 'x', size);
    (void)ctx;
    return -EDOM;
}

HEALD_CASE(names_that_are_refused)
{
    struct fixture f = fixture_open_with(&(struct heald_region_options){.heap = 1, .names = 2});
    struct heald_object_options data = {.type = HEALD_OBJECT_DATA, .size = 8};
    struct heald_object_options bad = {.type = (enum heald_object_type)99, .size = 8};
    struct heald_object_options fails = {.size = 8, .init = refuse}, none = {0};
    struct heald_object_options sem = {.type = HEALD_OBJECT_SEM, .size = 200};
    char name[60] = "";
    void *p;

    memset(name, 'n', HEALD_NAME_MAX + 1);
    ck_assert_int_eq(heald_object_open(f.me, name, &data, &p, NULL), -ENAMETOOLONG);
    ck_assert_int_eq(heald_object_open(f.me, "", &data, &p, NULL), -EINVAL);
    ck_assert_int_eq(heald_object_open(f.me, "a/b", &data, &p, NULL), -EINVAL);
    ck_assert_int_eq(heald_object_open(f.me, "x", &bad, &p, NULL), -EINVAL);
    ck_assert_int_eq(heald_object_open(f.me, "x", &none, &p, NULL), -EINVAL);
    ck_assert_int_eq(heald_object_open(f.me, "x", &sem, &p, NULL), -EINVAL);
    ck_assert_int_eq(heald_object_open(f.me, "x", NULL, &p, NULL), -EINVAL);
    ck_assert_int_eq(heald_object_open(f.me, "x", &fails, &p, NULL), -EDOM);
    ck_assert_int_eq(heald_object_find(f.me, "x", HEALD_OBJECT_DATA, 0, &p), -ENOENT);
    ck_assert_uint_eq(stats_of(&f).used, 0);
    name[HEALD_NAME_MAX] = 0;
    ck_assert_int_eq(heald_object_open(f.me, name, &data, &p, NULL), 0);
    ck_assert_int_eq(heald_object_name(f.me, name, HEALD_OBJECT_DATA, f.data, 8), -EEXIST);
    ck_assert_int_eq(heald_object_name(f.me, "y", HEALD_OBJECT_DATA, &p, 8), -EINVAL);
    ck_assert_int_eq(heald_object_name(f.me, "y", HEALD_OBJECT_DATA, f.data, 0), -EINVAL);
    ck_assert_int_eq(heald_object_name(f.me, "y", HEALD_OBJECT_DATA, f.data, 8), 0);
    ck_assert_int_eq(heald_object_open(f.me, "z", &data, &p, NULL), -ENFILE);
    ck_assert_int_eq(heald_object_remove(f.me, "y"), 0);
    ck_assert_int_eq(heald_object_open(f.me, "z", &data, &p, NULL), 0);
    fixture_close(&f);
}

HEALD_CASE(listed)
{
    struct fixture f = fixture_open_with(&(struct heald_region_options){.heap = 1});
    struct heald_object_options lock = {.type = HEALD_OBJECT_MUTEX};
    struct heald_object_info info;
    unsigned cursor = 0;
    void *p;

    ck_assert_int_eq(heald_object_next(f.region, &cursor, &info), 0);
    ck_assert_int_eq(heald_object_open(f.me, "one", &lock, &p, NULL), 0);
    ck_assert_int_eq(
        heald_object_name(f.me, "two", HEALD_OBJECT_COND, f.data, sizeof(struct heald_cond)), 0);
    cursor = 0;
    ck_assert_int_eq(heald_object_next(f.region, &cursor, &info), 1);
    ck_assert_str_eq(info.name, "one");
    ck_assert_int_eq(info.type, HEALD_OBJECT_MUTEX);
    ck_assert_uint_eq(info.offset, heald_offset(f.region, p));
    ck_assert_uint_eq(info.size, sizeof(struct heald_mutex));
    ck_assert_int_eq(heald_object_next(f.region, &cursor, &info), 1);
    ck_assert_str_eq(info.name, "two");
    ck_assert_ptr_eq(heald_at(f.region, info.offset), f.data);
    ck_assert_int_eq(heald_object_next(f.region, &cursor, &info), 0);
    ck_assert_str_eq(heald_object_type_name(HEALD_OBJECT_RWLOCK), "rwlock");
    ck_assert_ptr_null(heald_object_type_name((enum heald_object_type)(HEALD_OBJECT_TOPIC + 1)));
    fixture_close(&f);
}

/* Every byte of the heap's head, its first blocks and its names turned round: an error, or it
 * works; never a crash or a hang. */
HEALD_CASE(any_byte_wrong)
{
    struct heald_region_options o = {.heap = 1, .names = 2, .size = 64, .participants = 2};
    struct heald_object_options lock = {.type = HEALD_OBJECT_MUTEX};
    struct fixture f = fixture_open_with(&o);
    uint64_t *where = f.data;
    void *p;

    ck_assert_int_eq(heald_object_open(f.me, "lock", &lock, &p, NULL), 0);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(heald_alloc(f.me, 40, &where[i]), 0);
    ck_assert_int_eq(heald_free(f.me, &where[1]), 0);
    char *data = f.data, *names = data - 4096, *heap = data + 4096;
    size_t size = 16384 + 2 * 4096;
    char *copy = malloc(size);
    must(copy);
    memcpy(copy, names, size);
    for (size_t i = 0; i < size; i++) {
        if (i == 2 * 88)
            i = 4096;
        if (i == 4096 + 32)
            i = (size_t)(heap - names) + 24; /* without the mutex's word, which would block */
        if (i == (size_t)(heap - names) + 8192)
            break;
        names[i] = (char)(names[i] ^ 0x91);
        struct heald_heap_stats s;
        struct heald_object_info info;
        unsigned cursor = 0;
        heald_heap_stats(f.me, &s);
        while (heald_object_next(f.region, &cursor, &info))
            must(heald_at(f.region, info.offset) != NULL);
        heald_free(f.me, &where[2]);
        heald_alloc(f.me, 300, &where[1]);
        heald_object_open(f.me, "lock", &lock, &p, NULL);
        heald_object_remove(f.me, "lock");
        memcpy(names, copy, size);
    }
    free(copy);
    stats_of(&f);
    fixture_close(&f);
}

static bool churn(struct fixture *f)
{
    struct heald_object_options o = {.type = HEALD_OBJECT_DATA, .size = 500};
    void *p;

    for (unsigned i = 0; i < 10000000; i++) {
        must(heald_object_open(f->me, i & 1 ? "odd" : "even", &o, &p, NULL) == 0);
        must(heald_object_remove(f->me, i & 1 ? "odd" : "even") == 0);
    }
    return true;
}

HEALD_CASE(a_block_that_is_too_small_for_its_list)
{
    struct fixture f = fixture_open_with(&(struct heald_region_options){.heap = 64 * 1024});
    struct heald_heap_stats stats;
    uint64_t *where = f.data;

    ck_assert_int_eq(heald_alloc(f.me, 48 * 1024, &where[0]), 0);
    ck_assert_int_eq(heald_alloc(f.me, 16, &where[1]), 0);
    uint64_t *size = (uint64_t *)heald_at(f.region, where[0]) - 1;
    ck_assert_int_eq(heald_free(f.me, &where[0]), 0);
    *size = 16;
    ck_assert_int_eq(heald_alloc(f.me, 32 * 1024, &where[0]), -EBADMSG);
    ck_assert_uint_eq(where[0], 0);
    stats.size = 7;
    ck_assert_int_eq(heald_heap_stats(f.me, &stats), -EBADMSG);
    ck_assert_uint_eq(stats.size, 7);
    fixture_close(&f);
}

HEALD_CASE(names_are_there_whole_or_not_at_all)
{
    struct fixture f = fixture_open_with(&(struct heald_region_options){.heap = 1, .names = 4});

    for (int i = 0; i < 200; i++) {
        pid_t pid = child_start(&f, churn);
        usleep(1000);
        child_kill(pid);
        struct heald_object_info info;
        unsigned cursor = 0, n = 0;
        uint64_t blocks = stats_of(&f).blocks;
        while (heald_object_next(f.region, &cursor, &info))
            n++;
        ck_assert_uint_eq(n, blocks);
        heald_object_remove(f.me, "odd");
        heald_object_remove(f.me, "even");
    }
    fixture_close(&f);
}

int main(void)
{
    Suite *suite = suite_create("heap");
    TCase *group = harness_group(suite, "heap");

    harness_add(group, handed_out_and_taken_back);
    harness_add(group, what_is_refused);
    harness_add(group, only_what_was_handed_out_is_taken_back);
    harness_add(group, a_long_random_life);
    harness_add(group, grows_where_it_is);
    harness_add(group, killed_again_and_again);
    harness_add(group, found_by_name);
    harness_add(group, names_that_are_refused);
    harness_add(group, listed);
    harness_add(group, any_byte_wrong);
    harness_add(group, a_block_that_is_too_small_for_its_list);
    harness_add(group, names_are_there_whole_or_not_at_all);
    return harness_run(suite);
}
