/*
 * heap/heap.c: two-level segregated fit (see heald/heap.h). Any thread, as the participant it is.
 *
 * Invariant, outside a visit: from the end of `struct heap` to `end` lies one block behind the
 * other; each knows its size and where the one before begins; no two that are free touch; each that
 * is free is in the list of its subclass, and a bit says which lists are not empty. At `end` lies a
 * block of size 0 that is used.
 *
 * Only what was allocated is freed: its size carries a tag that depends on where it lies, and the
 * size of a block that is free, or has become a part of another, does not.
 *
 * All links are offsets, and each is checked before it is followed: block_at() answers what cannot
 * be with a block outside the region, which no word can be changed in, and the visit fails.
 */
#include "heap/journal.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

enum { USED = 1, TAG_SHIFT = 48, HEADER = 16, SMALL = HEAP_ALIGN * HEAP_SUBCLASSES, WALK_MAX = 16 };

#define GROWTH_MIN (UINT64_C(64) * 1024)

struct block {
    uint64_t before;     /* where the block before it lies; 0: there is none */
    uint64_t size;       /* of what is allocated; USED and a tag while it is, see used() */
    uint64_t next, prev; /* when it is free: in the list of its subclass */
};

_Static_assert(offsetof(struct block, next) == HEADER, "what is allocated follows the header");

/* Where a free block of a size is kept. */
struct class
{
    unsigned major, minor;
};

static const struct block none; /* never changed, see heald__journal_set() */

static uint64_t round_up(uint64_t n, uint64_t to)
{
    return (n + to - 1) / to * to;
}

static uint64_t first_of(const struct heald_region *region)
{
    return region->heap_at + round_up(sizeof(struct heap), HEAP_ALIGN);
}

static struct block *block_at(struct journal *v, uint64_t at)
{
    if (at % HEAP_ALIGN || at < first_of(v->region) || at > v->heap->end) {
        v->is_corrupt = true;
        return (struct block *)(uintptr_t)&none;
    }
    return (struct block *)(void *)(v->region->base + at);
}

static uint64_t at_of(const struct journal *v, const struct block *b)
{
    return (uint64_t)((const char *)b - v->region->base);
}

static uint64_t size_of(const struct block *b)
{
    return b->size & ((UINT64_C(1) << TAG_SHIFT) - 1) & ~(uint64_t)USED;
}

/* The word `size` of a block that is allocated there. The factor is Knuth's for hashing: 2^64
 * divided by the golden ratio. */
static uint64_t used(uint64_t at, uint64_t size)
{
    uint64_t tag = (at ^ size << 20) * UINT64_C(0x9e3779b97f4a7c15) >> TAG_SHIFT;
    return tag << TAG_SHIFT | size | USED;
}

static bool is_used(const struct journal *v, const struct block *b)
{
    return b->size == used(at_of(v, b), size_of(b));
}

static struct block *after(struct journal *v, const struct block *b)
{
    return block_at(v, at_of(v, b) + HEADER + size_of(b));
}

static unsigned log2_of(uint64_t n)
{
    return 63 - (unsigned)__builtin_clzll(n);
}

static struct class class_of(uint64_t size)
{
    if (size < SMALL)
        return (struct class){0, (unsigned)(size / HEAP_ALIGN)};
    unsigned log = log2_of(size), major = log - log2_of(SMALL) + 1;
    return (struct class){major, (unsigned)(size >> (log - 4)) & (HEAP_SUBCLASSES - 1)};
}

/* The list that a free block is in, or is to be; NULL: of such a size there is none. */
static uint64_t *list_of(struct journal *v, struct class c)
{
    if (c.major < HEAP_CLASSES)
        return &v->heap->heads[c.major][c.minor];
    v->is_corrupt = true;
    return NULL;
}

static void free_list_remove(struct journal *v, struct block *b)
{
    struct heap *s = v->heap;
    struct class c = class_of(size_of(b));
    uint64_t *head = list_of(v, c);

    if (!head)
        return;
    if (b->next)
        heald__journal_set(v, &block_at(v, b->next)->prev, b->prev);
    if (b->prev)
        heald__journal_set(v, &block_at(v, b->prev)->next, b->next);
    else
        heald__journal_set(v, head, b->next);
    if (*head)
        return;
    heald__journal_set(v, &s->subclasses[c.major],
                       s->subclasses[c.major] & ~(UINT64_C(1) << c.minor));
    if (!s->subclasses[c.major])
        heald__journal_set(v, &s->classes, s->classes & ~(UINT64_C(1) << c.major));
}

static void free_list_insert(struct journal *v, struct block *b)
{
    struct heap *s = v->heap;
    struct class c = class_of(size_of(b));
    uint64_t *head = list_of(v, c);

    if (!head)
        return;
    heald__journal_set(v, &b->next, *head);
    heald__journal_set(v, &b->prev, 0);
    if (*head)
        heald__journal_set(v, &block_at(v, *head)->prev, at_of(v, b));
    heald__journal_set(v, head, at_of(v, b));
    heald__journal_set(v, &s->subclasses[c.major], s->subclasses[c.major] | UINT64_C(1) << c.minor);
    heald__journal_set(v, &s->classes, s->classes | UINT64_C(1) << c.major);
}

/* A block of the first list from this one on that is not empty, and whose blocks are all as large;
 * NULL. */
static struct block *find_above(struct journal *v, uint64_t size)
{
    const struct heap *s = v->heap;
    uint64_t step = size < SMALL ? 1 : UINT64_C(1) << (log2_of(size) - 4);
    struct class c = class_of(size + step - 1);

    if (c.major >= HEAP_CLASSES)
        return NULL;
    uint64_t minors = s->subclasses[c.major] & (~UINT64_C(0) << c.minor);
    if (!minors) {
        uint64_t majors = c.major + 1 < 64 ? s->classes & (~UINT64_C(0) << (c.major + 1)) : 0;
        if (!majors)
            return NULL;
        c.major = (unsigned)__builtin_ctzll(majors);
        minors = c.major < HEAP_CLASSES ? s->subclasses[c.major] : 0;
    }
    c.minor = minors ? (unsigned)__builtin_ctzll(minors) : HEAP_SUBCLASSES;
    if (c.minor < HEAP_SUBCLASSES && s->heads[c.major][c.minor])
        return block_at(v, s->heads[c.major][c.minor]);
    v->is_corrupt = true;
    return NULL;
}

/* One of the same list that happens to be large enough. */
static struct block *find_among(struct journal *v, uint64_t size)
{
    struct class c = class_of(size);
    uint64_t at = c.major < HEAP_CLASSES ? v->heap->heads[c.major][c.minor] : 0;

    for (int i = 0; at && i < WALK_MAX; i++) {
        struct block *b = block_at(v, at);
        if (size_of(b) >= size)
            return b;
        at = b->next;
    }
    return NULL;
}

/* Makes [b, b + size) the whole of a block, which is in no list, and what follows know it. */
static void lay(struct journal *v, struct block *b, uint64_t size, bool is_free)
{
    heald__journal_set(v, &b->size, is_free ? size : used(at_of(v, b), size));
    heald__journal_set(v, &after(v, b)->before, at_of(v, b));
}

/* Gives up what of a block that is in no list is more than `size`. */
static void cut(struct journal *v, struct block *b, uint64_t size)
{
    uint64_t whole = size_of(b);

    if (whole < size + HEADER + HEAP_ALIGN) {
        heald__journal_set(v, &b->size, used(at_of(v, b), whole));
        return;
    }
    struct block *rest = block_at(v, at_of(v, b) + HEADER + size);
    lay(v, rest, whole - size - HEADER, true);
    lay(v, b, size, false);
    free_list_insert(v, rest);
}

/* A block that is in no list becomes free, one with its neighbours that are. */
static void release(struct journal *v, struct block *b)
{
    struct block *next = after(v, b);
    uint64_t size = size_of(b);

    if (!(next->size & USED)) {
        free_list_remove(v, next);
        size += HEADER + size_of(next);
        heald__journal_set(v, &next->size, 0);
    }
    if (b->before) {
        struct block *before = block_at(v, b->before);
        if (!(before->size & USED)) {
            free_list_remove(v, before);
            size += HEADER + size_of(before);
            heald__journal_set(v, &b->size, 0);
            b = before;
        }
    }
    lay(v, b, size, true);
    free_list_insert(v, b);
}

/* The heap reaches to `size` from now on; what is new is a free block. */
static void extend(struct journal *v, uint64_t size)
{
    struct heap *s = v->heap;
    uint64_t old = s->end ? s->end : first_of(v->region), end = size - HEADER;

    heald__journal_set(v, &s->end, end);
    struct block *b = block_at(v, old);
    heald__journal_set(v, &block_at(v, end)->size, used(end, 0));
    lay(v, b, end - old - HEADER, false);
    release(v, b);
    /* Whatever follows may write over what the journal would need to undo this. */
    heald__journal_commit(v);
}

static int grow(struct journal *v, uint64_t size)
{
    struct heald_region *region = v->region;
    uint64_t now = region_size(region),
             least = round_up(size + size / 8 + UINT64_C(2) * HEADER, REGION_ALIGN);
    uint64_t step = (now - region->heap_at) / 2;

    step = step > GROWTH_MIN ? round_up(step, REGION_ALIGN) : GROWTH_MIN;
    step = step > least ? step : least;
    /* It was made longer by a process that died before it used it. */
    if (now - v->heap->end <= HEADER + REGION_ALIGN) {
        if (step > region->max_size - now)
            step = region->max_size - now;
        if (size > step)
            return -ENOMEM;
        int err = heald__region_grow(region, now + step);
        if (err)
            return err;
    }
    extend(v, region_size(region));
    return 0;
}

/* Is what one is about to use as it must be? */
static int check(struct journal *v)
{
    struct heap *s = v->heap;
    uint64_t size = region_size(v->region);

    if (!s->end && size > first_of(v->region) + UINT64_C(4) * HEADER)
        extend(v, size);
    return s->end % HEAP_ALIGN || s->end < first_of(v->region) || s->end > size - HEADER ? -EBADMSG
                                                                                         : 0;
}

static struct block *find(struct journal *v, uint64_t size)
{
    struct block *b = find_above(v, size);
    return b || v->is_corrupt ? b : find_among(v, size);
}

int heald__heap_allocate(struct journal *v, uint64_t size, uint64_t *where)
{
    int err = check(v);

    if (err || !size || size > SIZE_MAX / 8)
        return err ? err : size ? -ENOMEM : -EINVAL;
    size = round_up(size, HEAP_ALIGN);
    struct block *b = find(v, size);
    while (!b && !v->is_corrupt) {
        if ((err = grow(v, size)))
            return err;
        b = find(v, size);
    }
    if (v->is_corrupt || b->size & USED || size_of(b) < size ||
        at_of(v, after(v, b)) <= at_of(v, b))
        return -EBADMSG;
    free_list_remove(v, b);
    cut(v, b, size);
    if (v->is_corrupt)
        return -EBADMSG;
    /* Where its links were: the rest of what is wiped nobody needs if this is undone. */
    heald__journal_set(v, &b->next, 0);
    heald__journal_set(v, &b->prev, 0);
    memset((char *)b + HEADER, 0, size_of(b));
    heald__journal_set(v, &v->heap->used, v->heap->used + HEADER + size_of(b));
    heald__journal_set(v, &v->heap->blocks, v->heap->blocks + 1);
    heald__journal_set(v, where, at_of(v, b) + HEADER);
    return 0;
}

int heald__heap_free(struct journal *v, uint64_t *where)
{
    int err = check(v);

    if (err)
        return err;
    uint64_t at = *where - HEADER;
    if (*where < HEADER || at % HEAP_ALIGN || at < first_of(v->region) || at >= v->heap->end)
        return -EINVAL;
    struct block *b = block_at(v, at);
    if (!is_used(v, b) || size_of(b) > v->heap->end - at - HEADER || after(v, b)->before != at)
        return -EINVAL;
    heald__journal_set(v, &v->heap->used, v->heap->used - HEADER - size_of(b));
    heald__journal_set(v, &v->heap->blocks, v->heap->blocks - 1);
    heald__region_order_forget(v->region, *where, size_of(b));
    release(v, b);
    heald__journal_set(v, where, 0);
    return 0;
}

static bool is_place(const struct heald_participant *me, const uint64_t *where)
{
    return me->id && region_has(me->region, where, sizeof *where) &&
           (uintptr_t)where % sizeof *where == 0;
}

int heald_alloc(struct heald_participant *me, size_t size, uint64_t *where)
{
    struct journal v;
    int err = heald__journal_begin(&v, me);

    if (err)
        return err;
    return heald__journal_end(&v, is_place(me, where) ? heald__heap_allocate(&v, size, where)
                                                      : -EINVAL);
}

int heald_free(struct heald_participant *me, uint64_t *where)
{
    struct journal v;
    int err = heald__journal_begin(&v, me);

    if (err)
        return err;
    if (!is_place(me, where))
        err = -EINVAL;
    else if (*where)
        err = heald__heap_free(&v, where);
    return heald__journal_end(&v, err);
}

/* Looks at each block; *stats holds what they add up to. */
static int walk(struct journal *v, struct heald_heap_stats *stats)
{
    uint64_t before = 0, at = first_of(v->region);

    while (at < v->heap->end) {
        const struct block *b = block_at(v, at);
        uint64_t size = size_of(b);
        if (v->is_corrupt || b->before != before || size < HEAP_ALIGN || size % HEAP_ALIGN ||
            size > v->heap->end - at - HEADER)
            return -EBADMSG;
        if (b->size & USED) {
            if (!is_used(v, b))
                return -EBADMSG;
            stats->used += HEADER + size;
            stats->blocks++;
        } else if (size > stats->largest) {
            stats->largest = size;
        }
        before = at;
        at += HEADER + size;
    }
    return at == v->heap->end && stats->used == v->heap->used && stats->blocks == v->heap->blocks
               ? 0
               : -EBADMSG;
}

int heald_heap_stats(struct heald_participant *me, struct heald_heap_stats *ret_stats)
{
    struct journal v;
    int err = heald__journal_begin(&v, me);

    if (err)
        return err;
    struct heald_heap_stats stats = {.size = region_size(v.region) - v.region->heap_at,
                                     .max = v.region->max_size - v.region->heap_at};
    err = check(&v);
    err = heald__journal_end(&v, err ? err : walk(&v, &stats));
    if (!err)
        *ret_stats = stats;
    return err;
}
