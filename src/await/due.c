/*
 * await/due.c: the order in which ops that are due are tried: that of their submission, whichever
 * wakes made them so. Usually there is one. The loop's thread.
 */
#include "await/queue.h"

enum { SORT_LISTS = 32 };

static bool is_before(const struct heald_link *a, const struct heald_link *b)
{
    return heald_container_of(a, struct heald_entry, due)->number <
           heald_container_of(b, struct heald_entry, due)->number;
}

/* Of two chains that end with NULL. */
static struct heald_link *merge(struct heald_link *a, struct heald_link *b)
{
    struct heald_link *first, **end = &first;

    while (a && b) {
        struct heald_link **less = is_before(a, b) ? &a : &b;
        *end = *less;
        end = &(*less)->next;
        *less = *end;
    }
    *end = a ? a : b;
    return first;
}

/* A merge sort: lists[i] is a sorted chain of 2^i, or empty. */
static void sort(struct heald_link *list)
{
    struct heald_link *lists[SORT_LISTS] = {NULL}, *chain;

    while ((chain = list_pop(list))) {
        unsigned i = 0;
        for (; i < SORT_LISTS - 1 && lists[i]; i++) {
            chain = merge(lists[i], chain);
            lists[i] = NULL;
        }
        lists[i] = merge(lists[i], chain);
    }
    for (unsigned i = 0; i < SORT_LISTS; i++)
        chain = merge(lists[i], chain);
    for (struct heald_link *next; chain; chain = next) {
        next = chain->next;
        list_push(list, chain);
    }
}

void heald__locks_fetch_due(struct heald_locks *locks, struct heald_link *ret_batch)
{
    list_take(ret_batch, &locks->due);
    for (struct heald_link *n = ret_batch->next; n != ret_batch && n->next != ret_batch;
         n = n->next)
        if (!is_before(n, n->next)) {
            sort(ret_batch);
            return;
        }
}
