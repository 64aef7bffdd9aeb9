/*
 * test/unit/wheel.c: the timing wheel against a binary heap: the same ops, in the same order, at
 * the same times. HEALD_SEED=N replays a random program.
 */
#include "base/wheel.h"

#include "harness/harness.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

enum { OPS = 20000, STEPS = 1000 * 1000 };

struct timer {
    struct heald_op op;
    int64_t key;      /* the deadline, or the wheel's time if that was later */
    uint64_t arrival; /* 0: not in the wheel */
};

/* The model: entries whose arrival is not that of their timer any more are skipped. */
struct entry {
    int64_t key;
    uint64_t arrival;
    struct timer *timer;
};

struct model {
    struct heald_wheel wheel;
    struct timer *timers;
    struct entry *heap;
    size_t count, live;
    uint64_t arrivals, seed;
    int64_t now;
    unsigned expired;
};

static uint64_t draw(struct model *m)
{
    /* xorshift64* (Vigna, 2016) */
    m->seed ^= m->seed >> 12;
    m->seed ^= m->seed << 25;
    m->seed ^= m->seed >> 27;
    return m->seed * UINT64_C(2685821657736338717);
}

static bool before(const struct entry *a, const struct entry *b)
{
    return a->key != b->key ? a->key < b->key : a->arrival < b->arrival;
}

static void swap(struct entry *a, struct entry *b)
{
    struct entry c = *a;
    *a = *b;
    *b = c;
}

static void heap_push(struct model *m, struct entry entry)
{
    size_t i = m->count++;

    m->heap[i] = entry;
    for (; i && before(&m->heap[i], &m->heap[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&m->heap[i], &m->heap[(i - 1) / 2]);
}

static void heap_pop(struct model *m)
{
    m->heap[0] = m->heap[--m->count];
    for (size_t i = 0;;) {
        size_t least = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2; child++)
            if (child < m->count && before(&m->heap[child], &m->heap[least]))
                least = child;
        if (least == i)
            return;
        swap(&m->heap[i], &m->heap[least]);
        i = least;
    }
}

/* The earliest that is still in the wheel, or NULL. */
static struct timer *model_first(struct model *m)
{
    while (m->count && m->heap[0].timer->arrival != m->heap[0].arrival)
        heap_pop(m);
    return m->count ? m->heap[0].timer : NULL;
}

static void model_open(struct model *m, int64_t now, uint64_t seed)
{
    *m = (struct model){.seed = seed, .now = now};
    heald__wheel_init(&m->wheel, now);
    m->timers = calloc(OPS, sizeof *m->timers);
    m->heap = calloc(STEPS + OPS, sizeof *m->heap);
}

static void model_close(struct model *m)
{
    free(m->timers);
    free(m->heap);
}

static void add(struct model *m, struct timer *t, int64_t deadline)
{
    t->op.deadline_ns = deadline;
    t->key = deadline < m->wheel.last ? m->wheel.last : deadline;
    t->arrival = ++m->arrivals;
    heap_push(m, (struct entry){t->key, t->arrival, t});
    heald__wheel_add(&m->wheel, &t->op);
    m->live++;
}

static void take(struct model *m, struct timer *t)
{
    heald__wheel_remove(&m->wheel, &t->op);
    t->arrival = 0;
    m->live--;
}

#define must(condition)                           \
    do {                                          \
        if (!(condition))                         \
            ck_abort_msg("%s fails", #condition); \
    } while (0)

static void on_expired(void *ctx, struct heald_op *op)
{
    struct model *m = ctx;
    struct timer *t = heald_container_of(op, struct timer, op);

    must(op->deadline_ns <= m->now);
    must(model_first(m) == t);
    must(!list_linked(&op->timer));
    t->arrival = 0;
    m->live--;
    m->expired++;
}

static void expire(struct model *m, unsigned limit)
{
    m->expired = 0;
    unsigned n = heald__wheel_expire(&m->wheel, m->now, limit, on_expired, m);
    struct timer *first = model_first(m);

    must(n == m->expired && n <= limit);
    must(n == limit || !first || first->op.deadline_ns > m->now);
}

static void check_next(struct model *m)
{
    struct timer *first = model_first(m);
    int64_t next = heald__wheel_next(&m->wheel);

    must(heald__wheel_empty(&m->wheel) == !m->live);
    must(first ? next <= first->key : next == HEALD_FOREVER);
}

/* Near, far, equal to others, past, and HEALD_FOREVER. */
static int64_t draw_deadline(struct model *m)
{
    uint64_t r = draw(m);
    int64_t span = (int64_t)(r >> 8 & ((UINT64_C(1) << (r % 62)) - 1));

    switch (draw(m) % 8) {
    case 0: return HEALD_FOREVER - (int64_t)(r % 3);
    case 1: return m->now - span % 1000;
    case 2: return m->now / 64 * 64 + 64;
    default: return span > HEALD_FOREVER - m->now ? HEALD_FOREVER : m->now + span;
    }
}

static void step(struct model *m)
{
    struct timer *t = &m->timers[draw(m) % OPS];
    uint64_t r = draw(m);

    if (t->arrival && r % 4)
        take(m, t);
    else if (!t->arrival)
        add(m, t, draw_deadline(m));
    if (r >> 8 & 7)
        return;
    int64_t by = (int64_t)(r >> 16 & ((UINT64_C(1) << (r >> 48) % 40) - 1));
    if (by < HEALD_FOREVER / 2 - m->now)
        m->now += by;
    check_next(m);
    expire(m, r >> 12 & 1 ? UINT_MAX : (unsigned)(r >> 20 & 63));
}

static uint64_t seed_of(int i)
{
    const char *text = getenv("HEALD_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 10) : (uint64_t)i * 7919 + 1;

    printf("HEALD_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

HEALD_CASE(a_million_random_steps)
{
    struct model m;

    model_open(&m, _i ? (int64_t)_i * HEALD_SEC * 1000 : 0, seed_of(_i));
    for (int i = 0; i < STEPS; i++)
        step(&m);
    m.now = HEALD_FOREVER;
    expire(&m, UINT_MAX);
    must(m.live == 0 && heald__wheel_empty(&m.wheel));
    model_close(&m);
}

/* A loop that sleeps until next() and expires then, again and again, misses nothing and makes
 * progress. */
HEALD_CASE(sleeping_until_the_next)
{
    struct model m;
    unsigned sleeps = 0, notified = 0;

    model_open(&m, 12345, seed_of(_i));
    for (int i = 0; i < 1000; i++)
        add(&m, &m.timers[i], m.now + (int64_t)(draw(&m) % (UINT64_C(1) << (draw(&m) % 50))));
    while (m.live) {
        int64_t next = heald__wheel_next(&m.wheel);
        must(next >= m.now || model_first(&m)->key <= m.now);
        m.now = next > m.now ? next : m.now;
        expire(&m, UINT_MAX);
        notified += m.expired;
        sleeps++;
    }
    must(notified == 1000);
    /* A slot with many in it may wake once for each level. */
    ck_assert_uint_le(sleeps, 1000 + 64 * WHEEL_LEVELS);
    model_close(&m);
}

HEALD_CASE(times_at_the_ends)
{
    static const int64_t ends[] = {INT64_MIN,         INT64_MIN + 1,     -1,           0, 1,
                                   HEALD_FOREVER / 2, HEALD_FOREVER - 1, HEALD_FOREVER};
    static const int64_t starts[] = {0, 1, HEALD_SEC, HEALD_FOREVER - 1};

    for (size_t s = 0; s < sizeof starts / sizeof starts[0]; s++) {
        struct model m;
        model_open(&m, starts[s], 1);
        for (int round = 0; round < 2; round++)
            for (size_t e = 0; e < sizeof ends / sizeof ends[0]; e++)
                add(&m, &m.timers[(size_t)round * 8 + e], ends[e]);
        check_next(&m);
        expire(&m, UINT_MAX);
        m.now = HEALD_FOREVER - 1;
        expire(&m, UINT_MAX);
        must(m.live == 2);
        must(heald__wheel_next(&m.wheel) == HEALD_FOREVER);
        m.now = HEALD_FOREVER;
        expire(&m, UINT_MAX);
        must(m.live == 0);
        model_close(&m);
    }
}

HEALD_CASE(equal_times_keep_their_order)
{
    struct model m;

    model_open(&m, 1000, 1);
    for (int i = 0; i < 1000; i++)
        add(&m, &m.timers[i], 1000 + (int64_t)1000000 * (1 + i % 3));
    for (int i = 0; i < 1000; i += 7)
        take(&m, &m.timers[i]);
    for (m.now = 1000; m.live; m.now += 99999)
        expire(&m, 10);
    model_close(&m);
}

/* An op may be put back while it expires, for later. */
static void on_again(void *ctx, struct heald_op *op)
{
    struct model *m = ctx;

    m->expired++;
    op->deadline_ns = m->now + 1 + (int64_t)(draw(m) % 5000);
    heald__wheel_add(&m->wheel, op);
}

HEALD_CASE(put_back_while_they_expire)
{
    struct model m;

    model_open(&m, 0, 3);
    for (int i = 0; i < 100; i++)
        add(&m, &m.timers[i], i);
    for (int i = 0; i < 10000; i++) {
        m.now += (int64_t)(draw(&m) % 1000);
        must(heald__wheel_next(&m.wheel) <= m.now + 5000);
        m.expired = 0;
        must(heald__wheel_expire(&m.wheel, m.now, UINT_MAX, on_again, &m) <= 100);
    }
    for (int i = 0; i < 100; i++) {
        must(m.timers[i].op.deadline_ns > m.now);
        heald__wheel_remove(&m.wheel, &m.timers[i].op);
    }
    must(heald__wheel_empty(&m.wheel));
    model_close(&m);
}

int main(void)
{
    Suite *suite = suite_create("wheel");
    TCase *group = harness_group(suite, "wheel");

    harness_limit(group, 60);
    harness_add_range(group, a_million_random_steps, 0, 3);
    harness_add_range(group, sleeping_until_the_next, 0, 20);
    harness_add(group, times_at_the_ends);
    harness_add(group, equal_times_keep_their_order);
    harness_add(group, put_back_while_they_expire);
    return harness_run(suite);
}
