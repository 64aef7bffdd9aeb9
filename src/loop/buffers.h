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
    bool kernel_keeps; /* those that are in, and picks them */
    void *ring;        /* the back end's */
    unsigned first;    /* that is in, or GROUP_END; unused when the kernel keeps them */
    uint16_t next[];   /* of one that is in: the next, or GROUP_END; or GROUP_OUT */
};

enum { GROUP_END = UINT16_MAX - 1, GROUP_OUT = UINT16_MAX };

/* The kernel took it by itself. */
static inline void heald__group_mark_out(struct heald_buf_group *g, unsigned index)
{
    g->next[index] = GROUP_OUT;
}

/* An index, or -ENOBUFS. */
static inline int heald__group_acquire(struct heald_buf_group *g)
{
    unsigned index = g->first;

    if (index == GROUP_END)
        return -ENOBUFS;
    g->first = g->next[index];
    heald__group_mark_out(g, index);
    return (int)index;
}

void heald__group_use(struct heald_buf_group *g, int by);

#endif
