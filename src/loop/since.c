/*
 * loop/since.c: a table of times, by the address of an op; see since.h. The loop's thread.
 *
 * Nothing is taken out when an op completes: that would cost each completion, and an address that
 * is used again is written over. What is in the table may therefore be the address of memory that
 * is free; it is only compared. When the table is full, a new one is made of what
 * heald_loop_list() lists, with room for as many again and more: so a submission costs O(1) on
 * average, and the table is as large as what has been pending, not as what has been submitted.
 *
 * Invariant: a power of two places, at most half of which are used, found by linear probing.
 */
#include "loop/since.h"

#include "loop/loop.h"

#include <errno.h>

enum { PLACES_FIRST = 256 };

struct place {
    const struct heald_op *op; /* NULL: free */
    int64_t since_ns;
};

struct heald_since {
    unsigned size, used;
    struct place place[];
};

static size_t bytes_of(unsigned size)
{
    return sizeof(struct heald_since) + size * sizeof(struct place);
}

static struct heald_since *table_new(struct heald_loop *loop, unsigned size)
{
    struct heald_since *t = alloc_new(&loop->alloc, bytes_of(size));

    if (t)
        t->size = size;
    return t;
}

/* Where an op is, or would be: the upper bits of a product depend on all of the address. */
static struct place *find(struct heald_since *t, const struct heald_op *op)
{
    uint64_t hash = (uint64_t)(uintptr_t)op * UINT64_C(0x9e3779b97f4a7c15);
    unsigned i = (unsigned)(hash >> 32) & (t->size - 1);

    while (t->place[i].op && t->place[i].op != op)
        i = (i + 1) & (t->size - 1);
    return &t->place[i];
}

static bool is_full(const struct heald_since *t)
{
    return t->used >= t->size / 2;
}

static void put(struct heald_since *t, const struct heald_op *op, int64_t since_ns)
{
    struct place *p = find(t, op);

    t->used += !p->op;
    *p = (struct place){op, since_ns};
}

struct move {
    struct heald_since *from, *to;
};

static void move_one(const struct heald_op *op, void *user)
{
    struct move *m = user;
    const struct place *p = find(m->from, op);

    if (p->op)
        put(m->to, op, p->since_ns);
}

/* What has completed goes. Without memory for that nothing changes. */
static void renew(struct heald_loop *loop)
{
    struct heald_since *old = loop->since;
    size_t pending = heald_loop_list(loop, NULL, NULL);
    unsigned size = PLACES_FIRST;

    while (size / 4 < pending && size <= UINT32_MAX / 4)
        size *= 2;
    struct move m = {old, table_new(loop, size)};
    if (!m.to)
        return;
    heald_loop_list(loop, move_one, &m);
    loop->since = m.to;
    alloc_free(&loop->alloc, old, bytes_of(old->size));
}

int heald__since_open(struct heald_loop *loop)
{
    loop->since = table_new(loop, PLACES_FIRST);
    return loop->since ? 0 : -ENOMEM;
}

void heald__since_close(struct heald_loop *loop)
{
    if (loop->since)
        alloc_free(&loop->alloc, loop->since, bytes_of(loop->since->size));
}

void heald__since_note(struct heald_loop *loop, const struct heald_op *op)
{
    /* The library's own are not listed. */
    if (op->name == heald__own_name)
        return;
    if (!find(loop->since, op)->op && is_full(loop->since))
        renew(loop);
    if (find(loop->since, op)->op || !is_full(loop->since))
        put(loop->since, op, heald_now(loop));
}

int64_t heald__since_of(const struct heald_loop *loop, const struct heald_op *op)
{
    return loop->since && op->kind != OP_POST ? find(loop->since, op)->since_ns : 0;
}
