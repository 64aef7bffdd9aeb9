/* loop/buffers.h: the inside of a group of buffers; see buffers.c. */
#ifndef HEALD_SRC_LOOP_BUFFERS_H
#define HEALD_SRC_LOOP_BUFFERS_H

#include <heald/op.h>

#include <errno.h>
#include <stdbool.h>

struct heald_buf_group {
    struct heald_link link; /* in loop->groups */
    struct heald_loop *loop;
    char *memory;
    size_t size;
    unsigned count;
    unsigned users; /* ops that draw from it */
    uint16_t id;
    unsigned free_count;
    uint16_t *free;    /* a stack of those that are in; unused when the kernel keeps them */
    uint64_t *out;     /* a bitmap of those that are out */
    bool kernel_keeps; /* those that are in, and picks them */
    void *ring;        /* the back end's */
};

enum { GROUP_BITS = 64 /* a word of `out` */ };

/* The kernel took it by itself. */
static inline void heald__group_out(struct heald_buf_group *g, unsigned index)
{
    g->out[index / GROUP_BITS] |= UINT64_C(1) << index % GROUP_BITS;
}

/* An index, or -ENOBUFS. */
static inline int heald__group_take(struct heald_buf_group *g)
{
    if (!g->free_count)
        return -ENOBUFS;
    unsigned index = g->free[--g->free_count];
    heald__group_out(g, index);
    return (int)index;
}

void heald__group_use(struct heald_buf_group *g, int by);

#endif
