/* base/list.h: circular doubly linked lists of struct heald_link. A list's head is a link; an
 * unlinked node has next NULL. */
#ifndef HEALD_SRC_BASE_LIST_H
#define HEALD_SRC_BASE_LIST_H

#include <heald/op.h>

#include <stdbool.h>

static inline void list_init(struct heald_link *head)
{
    head->next = head->prev = head;
}

static inline bool list_empty(const struct heald_link *head)
{
    return head->next == head;
}

static inline bool list_linked(const struct heald_link *node)
{
    return node->next != NULL;
}

static inline void list_push(struct heald_link *head, struct heald_link *node)
{
    struct heald_link *last = head->prev;
    node->next = head;
    node->prev = last;
    last->next = node;
    head->prev = node;
}

static inline void list_remove(struct heald_link *node)
{
    /* What is in a list has neighbours. */
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
    node->prev->next = node->next;
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
    node->next->prev = node->prev;
    node->next = NULL;
}

/* Takes the first node off, or returns NULL. */
static inline struct heald_link *list_pop(struct heald_link *head)
{
    struct heald_link *node = head->next;
    if (node == head)
        return NULL;
    list_remove(node);
    return node;
}

/* Moves everything from `from` to the end of the empty list `to`. */
static inline void list_take(struct heald_link *to, struct heald_link *from)
{
    if (list_empty(from)) {
        list_init(to);
        return;
    }
    *to = *from;
    to->next->prev = to;
    to->prev->next = to;
    list_init(from);
}

#endif
