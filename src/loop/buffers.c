/*
 * loop/buffers.c: groups of buffers for multishot receives. The loop's thread.
 *
 * A buffer is in (in the list that begins with `first`, or the kernel's) or out (marked so: it is
 * the callback's). With a back end that takes whole ops the kernel picks the buffers and the list
 * is not used.
 */
#include "base/list.h"
#include "loop/loop.h"

#include <heald/io.h>

#include <errno.h>

enum { GROUP_COUNT_MAX = 32768 };

static size_t size_of(unsigned count)
{
    return sizeof(struct heald_buf_group) + count * sizeof(uint16_t);
}

static unsigned id_of(const struct heald_link *link)
{
    return heald_container_of(link, struct heald_buf_group, link)->id;
}

/* The groups lie in the order of their ids. One that is free, and the group that goes before it;
 * NULL: there is none. */
static struct heald_link *free_id(struct heald_loop *loop, uint16_t *ret_id)
{
    struct heald_link *head = &loop->groups, *before = head->prev;
    unsigned id = list_empty(head) ? 0 : id_of(before) + 1;

    if (id > UINT16_MAX)
        for (before = head, id = 0; before->next != head && id_of(before->next) == id; id++)
            before = before->next;
    *ret_id = (uint16_t)id;
    return id <= UINT16_MAX ? before : NULL;
}

int heald_buf_group_open(struct heald_buf_group **ret_group, struct heald_loop *loop, void *memory,
                         unsigned count, size_t size)
{
    struct heald_buf_group *g;
    uint16_t id;

    if (!memory || !size || size > HEALD_MAX_LEN || !count || count > GROUP_COUNT_MAX ||
        count & (count - 1))
        return -EINVAL;
    struct heald_link *before = free_id(loop, &id);
    if (!before || !(g = alloc_new(&loop->alloc, size_of(count))))
        return -ENOMEM;
    g->loop = loop;
    g->memory = memory;
    g->size = size;
    g->count = count;
    g->id = id;
    g->kernel_keeps = loop->backend.ops->group != NULL;
    for (unsigned i = 0; i < count; i++)
        g->next[i] = (uint16_t)(i + 1 < count ? i + 1 : GROUP_END);
    int err =
        g->kernel_keeps ? loop->backend.ops->group(&loop->backend, g, HEALD_GROUP_OPEN, 0) : 0;
    if (err) {
        alloc_free(&loop->alloc, g, size_of(count));
        return err;
    }
    list_push(before->next, &g->link);
    *ret_group = g;
    return 0;
}

int heald_buf_group_close(struct heald_buf_group *g)
{
    struct heald_loop *loop = g->loop;

    if (g->users)
        return -EBUSY;
    if (g->kernel_keeps)
        loop->backend.ops->group(&loop->backend, g, HEALD_GROUP_CLOSE, 0);
    list_remove(&g->link);
    alloc_free(&loop->alloc, g, size_of(g->count));
    return 0;
}

void *heald_buf_data(const struct heald_buf_group *g, unsigned index)
{
    return index < g->count ? g->memory + (size_t)index * g->size : NULL;
}

struct heald_datagram *heald_buf_datagram(const struct heald_buf_group *g, unsigned index)
{
    return heald_buf_data(g, index);
}

int heald_buf_return(struct heald_buf_group *g, unsigned index)
{
    if (index >= g->count)
        return index == HEALD_NO_BUFFER ? 0 : -EINVAL;
    if (g->next[index] != GROUP_OUT)
        return -EINVAL;
    g->next[index] = (uint16_t)g->first;
    if (g->kernel_keeps)
        return g->loop->backend.ops->group(&g->loop->backend, g, HEALD_GROUP_RETURN, index);
    g->first = index;
    return 0;
}

void heald__group_use(struct heald_buf_group *g, int by)
{
    g->users += (unsigned)by;
}
