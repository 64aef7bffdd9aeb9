/*
 * loop/backend/nested.c: see nested.h.
 *
 * Events name the number alone: a descriptor is taken out before it is closed, and no callback runs
 * while a batch is handed on, so they are for what the number stands for now.
 */
#include "loop/backend/nested.h"

#include <errno.h>

enum { BATCH = 64, WORD_BITS = 8 * sizeof(unsigned long), FIRST_WORDS = 4 };

void heald__nested_init(struct heald_nested *n)
{
    *n = (struct heald_nested){.fd = -1};
}

void heald__nested_close(struct heald_nested *n, struct heald_backend *b)
{
    if (n->fd >= 0)
        b->sys->close(n->fd);
    alloc_free(b->alloc, n->has, n->words * sizeof *n->has);
}

static bool has(const struct heald_nested *n, int fd)
{
    return (unsigned)fd / WORD_BITS < n->words &&
           n->has[(unsigned)fd / WORD_BITS] & 1ul << (unsigned)fd % WORD_BITS;
}

static int grow(struct heald_nested *n, struct heald_backend *b, int fd)
{
    unsigned words = n->words ? n->words : FIRST_WORDS;

    while (words * WORD_BITS <= (unsigned)fd)
        words *= 2;
    unsigned long *v = alloc_resize(b->alloc, n->has, n->words * sizeof *v, words * sizeof *v);
    if (!v)
        return -ENOMEM;
    memset(v + n->words, 0, (words - n->words) * sizeof *v);
    n->has = v;
    n->words = words;
    return 0;
}

static int make_room(struct heald_nested *n, struct heald_backend *b, int fd)
{
    if (n->fd < 0) {
        int made = b->sys->mirror_open();
        if (made < 0)
            return made;
        n->fd = made;
    }
    return (unsigned)fd >= n->words * WORD_BITS ? grow(n, b, fd) : 0;
}

int heald__nested_arm(struct heald_nested *n, struct heald_backend *b, int fd, unsigned events)
{
    bool before = has(n, fd);
    int err = 0;

    if (!events && !before)
        return 0;
    if (events && (err = make_room(n, b, fd)))
        return err;
    err = b->sys->mirror_set(n->fd, fd, before, events);
    /* Closed, or used again, behind our back: a registration goes with the open file. */
    if (err == -ENOENT || err == -EEXIST)
        err = b->sys->mirror_set(n->fd, fd, !before, events);
    if (err && events)
        return err;
    if (before != (events != 0)) {
        n->has[(unsigned)fd / WORD_BITS] ^= 1ul << (unsigned)fd % WORD_BITS;
        n->count += before ? -1u : 1u;
    }
    return 0;
}

void heald__nested_report(struct heald_nested *n, struct heald_backend *b,
                          heald_nested_event *event)
{
    struct pollfd got[BATCH];
    int count = b->sys->mirror_get(n->fd, got, BATCH);

    for (int i = 0; i < count; i++)
        event(b->loop, got[i].fd, heald__ready_key(b->loop, got[i].fd),
              (unsigned short)got[i].revents);
}
