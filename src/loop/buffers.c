/*
 * loop/buffers.c: groups of buffers for multishot receives. The loop's thread.
 *
 * A buffer is in (in the list that begins with `first`, or the kernel's) or out (marked so: it is
 * the callback's). With a back end that takes whole ops the kernel takes the buffers out, in the
 * order in which they were given to it. It says which one is the first of a run, and the order says
 * which are the others: `next` of a buffer that is in is the one that was given after it. It stays
 * so until that buffer is given again, so results may come late and in any order.
 */
#include "base/attr.h"
#include "base/list.h"
#include "loop/loop.h"

#include <heald/io.h>

#include <errno.h>

static size_t size_of(unsigned count)
{
    return sizeof(struct heald_buf_group) + count * sizeof(uint32_t);
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
    g->given = count - 1;
    list_init(&g->starved);
    for (unsigned i = 0; i < count; i++)
        g->next[i] = i + 1 < count ? i + 1 : GROUP_END;
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

    if (g->users || !list_empty(&g->starved))
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

unsigned heald_buf_next(const struct heald_buf_group *g, unsigned index)
{
    if (index >= g->count || !(g->next[index] & GROUP_OUT))
        return HEALD_NO_BUFFER;
    unsigned next = group_behind(g, index);
    return next == GROUP_END ? HEALD_NO_BUFFER : next;
}

int heald_buf_iov(const struct heald_buf_group *g, unsigned first, size_t len,
                  struct iovec *ret_iov, int max)
{
    int n = 0;

    for (unsigned i = first; len && n < max && i < g->count; i = heald_buf_next(g, i)) {
        size_t part = len < g->size ? len : g->size;
        ret_iov[n++] = (struct iovec){.iov_base = heald_buf_data(g, i), .iov_len = part};
        len -= part;
    }
    return n;
}

unsigned heald__group_offer(const struct heald_buf_group *g, struct iovec *ret_iov, unsigned max)
{
    unsigned n = 0;

    for (unsigned i = g->first; i != GROUP_END && n < max; i = g->next[i])
        ret_iov[n++] = (struct iovec){.iov_base = heald_buf_data(g, i), .iov_len = g->size};
    return n;
}

/* It is the last that the kernel has. If the one before it is out its run is known. */
HEALD_SEPARATE static int give(struct heald_buf_group *g, unsigned index)
{
    if (!(g->next[g->given] & GROUP_OUT))
        g->next[g->given] = index;
    g->next[index] = GROUP_END;
    g->given = index;
    return g->loop->backend.ops->group(&g->loop->backend, g, HEALD_GROUP_RETURN, index);
}

int heald_buf_return(struct heald_buf_group *g, unsigned index)
{
    if (index >= g->count)
        return index == HEALD_NO_BUFFER ? 0 : -EINVAL;
    uint32_t *next = &g->next[index];
    if (!(*next & GROUP_OUT))
        return -EINVAL;
    if (g->kernel_keeps)
        return give(g, index);
    *next = g->first;
    g->first = index;
    return 0;
}

int heald_buf_return_run(struct heald_buf_group *g, unsigned first)
{
    int err;

    for (unsigned i = first;; i = first) {
        first = heald_buf_next(g, i);
        if ((err = heald_buf_return(g, i)) || first == HEALD_NO_BUFFER)
            return err;
    }
}

void heald__group_use(struct heald_buf_group *g, int by)
{
    g->users += (unsigned)by;
}
