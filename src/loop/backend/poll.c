/*
 * loop/backend/poll.c: the reference: an array of struct pollfd, kept dense, with the place of each
 * descriptor in another.
 *
 * Invariant: place[fd] is 0, or one more than the index of fd in set[]; keys[] lies beside set[].
 * Descriptors of which only changes are to be reported lie in a nested queue of the system's, and
 * that in set[], with NESTED as key.
 *
 * The kernel's quirk: it refuses more entries than the program may have descriptors now, which may
 * be fewer than it has. Then they are waited for a part at a time.
 */
#include "loop/backend/nested.h"
#include "loop/ready.h"

#include <errno.h>

enum { FIRST_SIZE = 64, SLICE_MS = 10 };

struct poll_set {
    struct pollfd *set;
    uint32_t *keys;
    unsigned count, set_size, keys_size; /* keys are added last: set_size >= keys_size */
    unsigned *place;
    unsigned places;
    struct heald_nested nested;
};

static int poll_open(struct heald_backend *b)
{
    struct poll_set *p = alloc_new(b->alloc, sizeof *p);

    if (!p)
        return -ENOMEM;
    heald__nested_init(&p->nested);
    b->priv = p;
    return 0;
}

static void poll_close(struct heald_backend *b)
{
    struct poll_set *p = b->priv;

    heald__nested_close(&p->nested, b);
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

static void set_remove(struct poll_set *p, int fd)
{
    unsigned at = p->place[fd] - 1, last = --p->count;

    p->place[fd] = 0;
    if (at == last)
        return;
    p->set[at] = p->set[last];
    p->keys[at] = p->keys[last];
    p->place[p->set[at].fd] = at + 1;
}

static int arm_here(struct heald_backend *b, struct poll_set *p, int fd, uint32_t key,
                    unsigned events)
{
    int err;

    if ((unsigned)fd >= p->places && (err = grow_places(b, p, fd)))
        return err;
    if (!events) {
        if (p->place[fd])
            set_remove(p, fd);
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

/* The nested queue is waited for as long as there is something in it. */
static int arm_nested(struct heald_backend *b, struct poll_set *p, int fd, unsigned events)
{
    int err = heald__nested_arm(&p->nested, b, fd, events);

    if (err || p->nested.fd < 0)
        return err;
    return arm_here(b, p, p->nested.fd, 0, p->nested.count ? POLLIN : 0);
}

static int poll_arm(struct heald_backend *b, int fd, uint32_t key, unsigned old, unsigned events)
{
    struct poll_set *p = b->priv;
    bool edge = events & HEALD_EDGE;

    (void)old;
    int err = arm_nested(b, p, fd, edge ? events : 0);
    return err ? err : arm_here(b, p, fd, key, edge ? 0 : events);
}

/*
 * What is there, part by part. With a time-out each part in turn is waited for a little: 0 is an
 * answer as well.
 */
static int poll_in_parts(struct heald_backend *b, struct poll_set *p, int64_t timeout_ns)
{
    unsigned part = b->sys->descriptor_limit();
    int64_t slice =
        timeout_ns < 0 || timeout_ns > SLICE_MS * HEALD_MS ? SLICE_MS * HEALD_MS : timeout_ns;
    int sum = 0;

    for (unsigned from = 0; part && from < p->count; from += part) {
        unsigned n = p->count - from < part ? p->count - from : part;
        int got = b->sys->poll(p->set + from, n, 0);
        if (got < 0)
            return got;
        sum += got;
    }
    return sum || !part ? sum : b->sys->poll(p->set, p->count < part ? p->count : part, slice);
}

static void report(struct heald_backend *b, struct poll_set *p, unsigned i)
{
    unsigned events = (unsigned short)p->set[i].revents;

    p->set[i].revents = 0;
    if (p->set[i].fd == p->nested.fd)
        heald__nested_report(&p->nested, b, heald__ready_event);
    else
        heald__ready_event(b->loop, p->set[i].fd, p->keys[i], events);
}

static int poll_wait(struct heald_backend *b, int64_t deadline_ns)
{
    struct poll_set *p = b->priv;
    int64_t timeout = heald__time_left(b->loop, deadline_ns);
    int n = b->sys->poll(p->set, p->count, timeout);

    if (n == -EINVAL && p->count)
        n = poll_in_parts(b, p, timeout);
    /* Handling an event may take its descriptor out and move the last one here: from the end, what
     * moves was seen. */
    for (unsigned i = p->count; n > 0 && i-- > 0;) {
        if (i >= p->count || !p->set[i].revents)
            continue;
        n--;
        report(b, p, i);
    }
    return n < 0 ? n : 0;
}

const struct heald_backend_ops heald__backend_poll = {
    .name = "poll",
    .about = "poll(2): everywhere, and the reference; each wait costs all descriptors",
    .turns_edge = true,
    .open = poll_open,
    .close = poll_close,
    .arm = poll_arm,
    .wait = poll_wait,
};
