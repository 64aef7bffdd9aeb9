/*
 * loop/policy.c: the four policies. See policy.h.
 *
 * SHARES is stride scheduling: the class with the least `pass` runs and moves on by its stride, the
 * inverse of its share; `now`, the virtual time, is the pass of the callback that runs. The
 * invariant, of every class that waits beside another: pass - now is between 0 and its stride, in
 * the arithmetic of a counter that wraps around. So the others pass it by with at most
 * stride(itself) / stride(other) + 1 callbacks each.
 *
 * A class that is alone runs without a look at any of this, and an idle one keeps a pass of long
 * ago. So when a second class comes, both are put right: join(). Until the first op of another
 * class than the usual one there is one queue, in the order of arrival, and nothing else.
 */
#include "loop/policy.h"

enum { STRIDE_ONE = 1000 * 1000 };

void heald__due_init(struct heald_due *d, enum heald_policy policy,
                     const unsigned shares[POLICY_CLASSES])
{
    *d = (struct heald_due){.policy = policy, .sorts = policy == HEALD_POLICY_EDF};
    for (int c = 0; c < POLICY_CLASSES; c++) {
        d->fifo[c].end = &d->fifo[c].first;
        d->stride[c] = STRIDE_ONE / shares[c];
    }
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

/* What is not within a stride of the present is of the past, however the counters have wrapped. */
static void join(struct heald_due *d)
{
    for (int c = 0; c < POLICY_CLASSES; c++)
        if (d->pass[c] - d->now > d->stride[c])
            d->pass[c] = d->now;
}

static void push_to_class(struct heald_due *d, unsigned class, struct heald_op *op)
{
    heald__fifo_push(&d->fifo[class], op);
    if (d->used & 1u << class)
        return;
    if (d->used)
        join(d);
    d->used |= (uint8_t)(1u << class);
}

static void push_to_heap(struct heald_due *d, struct heald_op *op)
{
    /* link is not free while a multishot op lives; without a deadline there is nothing to sort by.
     */
    if (op->deadline_ns == HEALD_FOREVER || op_is_multishot(op)) {
        push_to_class(d, HEALD_NORMAL, op);
        return;
    }
    op->aux.next = op->aux.prev = NULL;
    op->link.next = (struct heald_link *)(uintptr_t)++d->arrivals;
    d->heap = heap_meld(d->heap, op);
    d->heaped++;
}

void heald__due_push_sorted(struct heald_due *d, struct heald_op *op)
{
    if (d->policy == HEALD_POLICY_EDF) {
        push_to_heap(d, op);
    } else if (d->policy == HEALD_POLICY_FIFO) {
        heald__fifo_push(&d->fifo[HEALD_NORMAL], op);
    } else {
        unsigned class = op_class_of(op);
        if (!d->sorts && class == HEALD_NORMAL) {
            heald__fifo_push(&d->fifo[HEALD_NORMAL], op);
            return;
        }
        /* From the first op of another class on, classes are distinguished. */
        if (!d->sorts)
            d->used = d->fifo[HEALD_NORMAL].count ? 1u << HEALD_NORMAL : 0;
        d->sorts = 1;
        push_to_class(d, class < POLICY_CLASSES ? class : HEALD_BULK, op);
    }
}

static struct heald_op *pop_from_heap(struct heald_due *d)
{
    struct heald_op *top = d->heap, *pairs = NULL, *rest = NULL;
    struct heald_link *child = top->aux.next;

    /* Two passes: meld neighbours, remember the pairs through their sibling links, then meld these
     * backwards. */
    while (child) {
        struct heald_op *a = heald__due_op(child),
                        *b = child->prev ? heald__due_op(child->prev) : NULL;
        child = b ? b->aux.prev : NULL;
        a->aux.prev = NULL;
        if (b)
            b->aux.prev = NULL;
        a = heap_meld(a, b);
        a->aux.prev = pairs ? &pairs->aux : NULL;
        pairs = a;
    }
    while (pairs) {
        struct heald_op *next = pairs->aux.prev ? heald__due_op(pairs->aux.prev) : NULL;
        pairs->aux.prev = NULL;
        rest = heap_meld(rest, pairs);
        pairs = next;
    }
    d->heap = rest;
    d->heaped--;
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

static unsigned pick(struct heald_due *d)
{
    unsigned best = pick_strict(d);

    if (d->policy == HEALD_POLICY_STRICT)
        return best;
    for (unsigned c = 0; c < POLICY_CLASSES; c++)
        if (d->used & 1u << c && d->pass[c] - d->now < d->pass[best] - d->now)
            best = c;
    d->now = d->pass[best];
    d->pass[best] += d->stride[best];
    return best;
}

static struct heald_op *pop_from_class(struct heald_due *d)
{
    /* With one class there is nothing to choose. */
    bool alone = !(d->used & (d->used - 1));
    unsigned class = alone ? (unsigned)__builtin_ctz(d->used) : pick(d);
    struct heald_op *op = heald__fifo_pop(&d->fifo[class]);

    if (!d->fifo[class].count)
        d->used &= (uint8_t) ~(1u << class);
    return op;
}

struct heald_op *heald__due_pop_sorted(struct heald_due *d)
{
    if (d->heap)
        return pop_from_heap(d);
    return d->used ? pop_from_class(d) : NULL;
}

/* Takes the heap apart into a list of siblings, without recursion, since a heap can be one long
 * chain. */
static struct heald_op *heap_flatten(struct heald_op *root)
{
    struct heald_op *tail = root;

    for (struct heald_op *op = root; op; op = op->aux.prev ? heald__due_op(op->aux.prev) : NULL) {
        tail->aux.prev = op->aux.next;
        op->aux.next = NULL;
        while (tail->aux.prev)
            tail = heald__due_op(tail->aux.prev);
    }
    return root;
}

static void heap_each(struct heald_due *d, void (*each)(const struct heald_op *op, void *user),
                      void *user)
{
    struct heald_op *op = heap_flatten(d->heap), *next;

    for (d->heap = NULL; op; op = next) {
        next = op->aux.prev ? heald__due_op(op->aux.prev) : NULL;
        op->aux.prev = NULL;
        each(op, user);
        d->heap = heap_meld(d->heap, op);
    }
}

void heald__due_each(struct heald_due *d, void (*each)(const struct heald_op *op, void *user),
                     void *user)
{
    for (int c = 0; c < POLICY_CLASSES; c++) {
        struct heald_link *n = d->fifo[c].first;
        for (unsigned i = 0; i < d->fifo[c].count; i++, n = n->next)
            each(heald__due_op(n), user);
    }
    heap_each(d, each, user);
}
