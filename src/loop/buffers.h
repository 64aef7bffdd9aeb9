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
    unsigned users;            /* ops that draw from it */
    struct heald_link starved; /* streams that wait until a buffer is in */
    uint16_t id;
    bool kernel_keeps; /* those that are in, and picks them */
    void *ring;        /* the back end's */
    unsigned first;    /* that is in, or GROUP_END; unused when the kernel keeps them */
    unsigned given;    /* the last that was given to the kernel, or GROUP_END */
    uint32_t next[];   /* of one that is in: the one behind it, or GROUP_END; of one that is out:
                          GROUP_OUT and the one behind it in its run, or GROUP_END */
};

enum { GROUP_COUNT_MAX = 32768, GROUP_END = INT32_MAX };

#define GROUP_OUT 0x80000000u

/* How many buffers take so many bytes. */
static inline unsigned group_count_for(const struct heald_buf_group *g, int64_t bytes)
{
    return bytes <= (int64_t)g->size ? 1 : (unsigned)(((size_t)bytes + g->size - 1) / g->size);
}

static inline unsigned group_behind(const struct heald_buf_group *g, unsigned index)
{
    return g->next[index] & ~GROUP_OUT;
}

/* Takes out `count` buffers from `first` on, as one run. Returns the one behind them, or GROUP_END.
 */
static inline unsigned heald__group_take(struct heald_buf_group *g, unsigned first, unsigned count)
{
    unsigned index = first, next = group_behind(g, first);

    for (; count > 1 && next != GROUP_END; count--) {
        g->next[index] = GROUP_OUT | next;
        index = next;
        next = group_behind(g, next);
    }
    g->next[index] = GROUP_OUT | GROUP_END;
    return next;
}

/* An index, or -ENOBUFS. */
static inline int heald__group_acquire(struct heald_buf_group *g)
{
    unsigned index = g->first;

    if (index == GROUP_END)
        return -ENOBUFS;
    g->first = g->next[index];
    g->next[index] = GROUP_OUT | GROUP_END;
    return (int)index;
}

/* How many buffers there are for each op that draws from the group; one at least. */
static inline unsigned heald__group_share(const struct heald_buf_group *g)
{
    return g->users < g->count ? g->count / g->users : 1;
}

/* Buffers that are in, as they will be taken out. Returns how many; 0: none is in. */
unsigned heald__group_offer(const struct heald_buf_group *g, struct iovec *ret_iov, unsigned max);

void heald__group_use(struct heald_buf_group *g, int by);

#endif
