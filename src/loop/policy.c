/*
 * loop/policy.c: the four policies. See policy.h.
 *
 * SHARES is stride scheduling: the class with the least `pass` runs and moves on by its stride, the
 * inverse of its share. A class that was idle starts at the present virtual time, so it can neither
 * hoard nor be starved: while it waits, the others pass it by within stride(itself) / stride(other)
 * callbacks.
 */
#include "loop/policy.h"

#include "op/op.h"

enum { STRIDE_ONE = 1000 * 1000, AHEAD = 8 };

static inline struct heald_op *op_of(struct heald_link *node)
{
    return heald_container_of(node, struct heald_op, aux);
}

void heald_due_init(struct heald_due *d, enum heald_policy policy,
                    const unsigned shares[POLICY_CLASSES])
{
    *d = (struct heald_due){.policy = policy};
    for (int c = 0; c < POLICY_CLASSES; c++)
        d->stride[c] = STRIDE_ONE / shares[c];
}

/*
 * A queue is linked by aux.next. Long ones hold ops that were last touched long ago, each a miss of
 * the cache and in no order that the processor could guess, so every op also knows the one
 * AHEAD places behind it, in aux.prev, which pop fetches meanwhile.
 */
static void fifo_push(struct heald_due *d, unsigned class, struct heald_op *op)
{
    struct heald_fifo *f = &d->fifo[class];

    op->aux.next = op->aux.prev = NULL;
    if (f->count++) {
        f->last->next = &op->aux;
    } else {
        d->used |= 1u << class;
        f->first = &op->aux;
        if (d->pass[class] < d->now)
            d->pass[class] = d->now;
    }
    f->last = &op->aux;
    if (f->count > AHEAD) {
        f->behind = f->count == AHEAD + 1 ? f->first : f->behind->next;
        f->behind->prev = &op->aux;
    }
}

static struct heald_op *fifo_pop(struct heald_due *d, unsigned class)
{
    struct heald_fifo *f = &d->fifo[class];
    struct heald_op *op = op_of(f->first);

    f->first = op->aux.next;
    if (!--f->count)
        d->used &= ~(1u << class);
    if (op->aux.prev) {
        __builtin_prefetch(op_of(op->aux.prev), 1);
        __builtin_prefetch(&op_of(op->aux.prev)->link, 1);
    }
    op->aux.next = NULL;
    return op;
}

/* In the heap aux.next is the first child, aux.prev the next sibling, link.next the order of
 * arrival. */
static bool earlier(const struct heald_op *a, const struct heald_op *b)
{
    if (a->deadline_ns != b->deadline_ns)
        return a->deadline_ns < b->deadline_ns;
    return (uintptr_t)a->link.next < (uintptr_t)b->link.next;
}

static struct heald_op *heap_meld(struct heald_op *a, struct heald_op *b)
{
    if (!a || !b)
        return a ? a : b;
    if (earlier(b, a)) {
        struct heald_op *swap = a;
        a = b;
        b = swap;
    }
    b->aux.prev = a->aux.next;
    a->aux.next = &b->aux;
    return a;
}

static void heap_push(struct heald_due *d, struct heald_op *op)
{
    op->aux.next = op->aux.prev = NULL;
    op->link.next = (struct heald_link *)(uintptr_t)++d->arrivals;
    d->heap = heap_meld(d->heap, op);
}

static struct heald_op *heap_pop(struct heald_due *d)
{
    struct heald_op *top = d->heap, *pairs = NULL, *rest = NULL;
    struct heald_link *child = top->aux.next;

    /* Two passes: meld neighbours, remember the pairs through their sibling links, then meld these
     * backwards. */
    while (child) {
        struct heald_op *a = op_of(child), *b = child->prev ? op_of(child->prev) : NULL;
        child = b ? b->aux.prev : NULL;
        a->aux.prev = NULL;
        if (b)
            b->aux.prev = NULL;
        a = heap_meld(a, b);
        a->aux.prev = pairs ? &pairs->aux : NULL;
        pairs = a;
    }
    while (pairs) {
        struct heald_op *next = pairs->aux.prev ? op_of(pairs->aux.prev) : NULL;
        pairs->aux.prev = NULL;
        rest = heap_meld(rest, pairs);
        pairs = next;
    }
    d->heap = rest;
    top->aux.next = top->link.next = NULL;
    return top;
}

/* Urgent, normal, bulk: from the first to the last. */
static const uint8_t rank[POLICY_CLASSES] = {HEALD_URGENT, HEALD_NORMAL, HEALD_BULK};

static unsigned pick_strict(const struct heald_due *d)
{
    for (int i = 0; i < POLICY_CLASSES; i++)
        if (d->used & 1u << rank[i])
            return rank[i];
    return HEALD_NORMAL;
}

static unsigned pick_share(struct heald_due *d)
{
    unsigned best = pick_strict(d);

    for (unsigned c = 0; c < POLICY_CLASSES; c++)
        if (d->used & 1u << c && d->pass[c] < d->pass[best])
            best = c;
    d->now = d->pass[best];
    d->pass[best] += d->stride[best];
    return best;
}

void heald_due_push(struct heald_due *d, struct heald_op *op)
{
    d->count++;
    if (d->policy == HEALD_POLICY_SHARES || d->policy == HEALD_POLICY_STRICT)
        fifo_push(d, op->op_class < POLICY_CLASSES ? op->op_class : HEALD_BULK, op);
    else if (d->policy == HEALD_POLICY_EDF && op->deadline_ns != HEALD_FOREVER &&
             !op_is_multishot(op))
        heap_push(d, op);
    else
        fifo_push(d, HEALD_NORMAL, op);
}

struct heald_op *heald_due_pop(struct heald_due *d)
{
    if (!d->count)
        return NULL;
    d->count--;
    if (d->policy == HEALD_POLICY_EDF && d->heap)
        return heap_pop(d);
    if (d->policy == HEALD_POLICY_STRICT)
        return fifo_pop(d, pick_strict(d));
    if (d->policy != HEALD_POLICY_SHARES || !(d->used & (d->used - 1)))
        return fifo_pop(d, (unsigned)__builtin_ctz(d->used));
    return fifo_pop(d, pick_share(d));
}

/* Takes the heap apart into a list of siblings, without recursion, since a heap can be one long
 * chain. */
static struct heald_op *heap_flatten(struct heald_op *root)
{
    struct heald_op *tail = root;

    for (struct heald_op *op = root; op; op = op->aux.prev ? op_of(op->aux.prev) : NULL) {
        tail->aux.prev = op->aux.next;
        op->aux.next = NULL;
        while (tail->aux.prev)
            tail = op_of(tail->aux.prev);
    }
    return root;
}

static void heap_each(struct heald_due *d, void (*each)(const struct heald_op *op, void *user),
                      void *user)
{
    struct heald_op *op = heap_flatten(d->heap), *next;

    for (d->heap = NULL; op; op = next) {
        next = op->aux.prev ? op_of(op->aux.prev) : NULL;
        op->aux.prev = NULL;
        each(op, user);
        d->heap = heap_meld(d->heap, op);
    }
}

void heald_due_each(struct heald_due *d, void (*each)(const struct heald_op *op, void *user),
                    void *user)
{
    for (int c = 0; c < POLICY_CLASSES; c++)
        if (d->used & 1u << c)
            for (struct heald_link *n = d->fifo[c].first; n; n = n->next)
                each(op_of(n), user);
    heap_each(d, each, user);
}
