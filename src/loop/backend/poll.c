/*
 * loop/backend/poll.c: the reference: an array of struct pollfd, kept dense, with the place of each
 * descriptor in another.
 *
 * Invariant: place[fd] is 0, or one more than the index of fd in set[]; keys[] lies beside set[].
 */
#include "loop/backend.h"

#include <errno.h>

enum { FIRST_SIZE = 64 };

struct poll_set {
    struct pollfd *set;
    uint32_t *keys;
    unsigned count, set_size, keys_size; /* keys are added last: set_size >= keys_size */
    unsigned *place;
    unsigned places;
};

static int poll_open(struct heald_backend *b)
{
    b->priv = alloc_new(b->alloc, sizeof(struct poll_set));
    return b->priv ? 0 : -ENOMEM;
}

static void poll_close(struct heald_backend *b)
{
    struct poll_set *p = b->priv;

    alloc_free(b->alloc, p->set, p->set_size * sizeof *p->set);
    alloc_free(b->alloc, p->keys, p->keys_size * sizeof *p->keys);
    alloc_free(b->alloc, p->place, p->places * sizeof *p->place);
    alloc_free(b->alloc, p, sizeof *p);
}

static int grow_set(struct heald_backend *b, struct poll_set *p)
{
    unsigned size = p->keys_size ? p->keys_size * 2 : FIRST_SIZE;

    /* Large enough already when it was the keys that there was no room for the last time. */
    if (p->set_size < size) {
        struct pollfd *set =
            alloc_resize(b->alloc, p->set, p->set_size * sizeof *set, size * sizeof *set);
        if (!set)
            return -ENOMEM;
        p->set = set;
        p->set_size = size;
    }
    uint32_t *keys =
        alloc_resize(b->alloc, p->keys, p->keys_size * sizeof *keys, size * sizeof *keys);
    if (!keys)
        return -ENOMEM;
    p->keys = keys;
    p->keys_size = size;
    return 0;
}

static int grow_places(struct heald_backend *b, struct poll_set *p, int fd)
{
    unsigned size = p->places ? p->places : FIRST_SIZE;

    while (size <= (unsigned)fd)
        size *= 2;
    unsigned *place =
        alloc_resize(b->alloc, p->place, p->places * sizeof *place, size * sizeof *place);
    if (!place)
        return -ENOMEM;
    memset(place + p->places, 0, (size - p->places) * sizeof *place);
    p->place = place;
    p->places = size;
    return 0;
}

static void take_out(struct poll_set *p, int fd)
{
    unsigned at = p->place[fd] - 1, last = --p->count;

    p->place[fd] = 0;
    if (at == last)
        return;
    p->set[at] = p->set[last];
    p->keys[at] = p->keys[last];
    p->place[p->set[at].fd] = at + 1;
}

static int poll_arm(struct heald_backend *b, int fd, uint32_t key, unsigned old, unsigned events)
{
    struct poll_set *p = b->priv;
    int err;

    (void)old;
    if ((unsigned)fd >= p->places && (err = grow_places(b, p, fd)))
        return err;
    if (!events) {
        if (p->place[fd])
            take_out(p, fd);
        return 0;
    }
    if (!p->place[fd]) {
        if (p->count == p->keys_size && (err = grow_set(b, p)))
            return err;
        p->place[fd] = ++p->count;
    }
    p->set[p->place[fd] - 1] = (struct pollfd){.fd = fd, .events = (short)events};
    p->keys[p->place[fd] - 1] = key;
    return 0;
}

static int poll_wait(struct heald_backend *b, int64_t timeout_ns)
{
    struct poll_set *p = b->priv;
    int n = b->sys->poll(p->set, p->count, timeout_ns);

    /* Handling an event may take its descriptor out and move the last one here: from the end, what
     * moves was seen. */
    for (unsigned i = p->count; n > 0 && i-- > 0;) {
        if (i >= p->count || !p->set[i].revents)
            continue;
        unsigned events = (unsigned short)p->set[i].revents;
        p->set[i].revents = 0;
        n--;
        heald_ready_event(b->loop, p->set[i].fd, p->keys[i], events);
    }
    return n < 0 ? n : 0;
}

const struct heald_backend_ops heald_backend_poll = {
    .name = "poll",
    .about = "poll(2): everywhere, and the reference; each wait costs all descriptors",
    .open = poll_open,
    .close = poll_close,
    .arm = poll_arm,
    .wait = poll_wait,
};
