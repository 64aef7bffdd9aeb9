/*
 * loop/backend/select.c: select(2) with bitmaps of our own, as long as the highest descriptor
 * needs, so FD_SETSIZE is no limit. Bit order and word size are those of fd_set on every system:
 * longs, lowest bit first.
 *
 * select() knows no POLLRDHUP: such a descriptor is armed as readable, and poll(2) says whether it
 * is hung up. While it is readable for another reason, the loop turns round and round.
 */
#include "loop/backend.h"

#include <errno.h>

enum { WORD_BITS = 8 * sizeof(unsigned long), FIRST_WORDS = 16 };

enum { SET_IN, SET_OUT, SET_EX, SETS, SET_HUP = SETS, ARMED };

struct select_sets {
    unsigned long *armed[ARMED]; /* SET_HUP: whether POLLRDHUP was asked for */
    unsigned long *ready[SETS];  /* what select() is given and changes */
    uint32_t *keys;
    unsigned words;
    int top; /* one more than the highest descriptor armed so far */
};

static int select_open(struct heald_backend *b)
{
    b->priv = alloc_new(b->alloc, sizeof(struct select_sets));
    return b->priv ? 0 : -ENOMEM;
}

/* One block holds the bitmaps and the keys. */
static size_t block_size(unsigned words)
{
    return words * ((ARMED + SETS) * sizeof(unsigned long) + WORD_BITS * sizeof(uint32_t));
}

static void select_close(struct heald_backend *b)
{
    struct select_sets *s = b->priv;

    alloc_free(b->alloc, s->armed[0], block_size(s->words));
    alloc_free(b->alloc, s, sizeof *s);
}

static int grow(struct heald_backend *b, struct select_sets *s, int fd)
{
    unsigned words = s->words ? s->words : FIRST_WORDS, old = s->words;

    while (words * WORD_BITS <= (unsigned)fd)
        words *= 2;
    unsigned long *block = alloc_new(b->alloc, block_size(words)), *from = s->armed[0];
    if (!block)
        return -ENOMEM;
    uint32_t *keys = (uint32_t *)(void *)(block + (size_t)words * (ARMED + SETS));
    for (int i = 0; i < ARMED && old; i++)
        memcpy(block + (size_t)words * (unsigned)i, s->armed[i], old * sizeof *block);
    if (old)
        memcpy(keys, s->keys, (size_t)old * WORD_BITS * sizeof *keys);
    for (int i = 0; i < ARMED; i++)
        s->armed[i] = block + (size_t)words * (unsigned)i;
    for (int i = 0; i < SETS; i++)
        s->ready[i] = block + (size_t)words * (unsigned)(ARMED + i);
    s->keys = keys;
    s->words = words;
    alloc_free(b->alloc, from, block_size(old));
    return 0;
}

static int select_arm(struct heald_backend *b, int fd, uint32_t key, unsigned old, unsigned events)
{
    const unsigned bits[ARMED] = {POLLIN, POLLOUT, POLLPRI, heald_poll_rdhup};
    struct select_sets *s = b->priv;
    int err;

    (void)old;
    if ((unsigned)fd >= s->words * WORD_BITS && (err = grow(b, s, fd)))
        return err;
    unsigned long bit = 1ul << (unsigned)fd % WORD_BITS;
    if (events & heald_poll_rdhup)
        events |= POLLIN;
    for (int i = 0; i < ARMED; i++) {
        if (events & bits[i])
            s->armed[i][(unsigned)fd / WORD_BITS] |= bit;
        else
            s->armed[i][(unsigned)fd / WORD_BITS] &= ~bit;
    }
    s->keys[fd] = key;
    if (events && fd >= s->top)
        s->top = fd + 1;
    return 0;
}

static unsigned hang_up(struct heald_backend *b, int fd)
{
    struct pollfd p = {.fd = fd, .events = (short)heald_poll_rdhup};
    return b->sys->poll(&p, 1, 0) > 0 ? (unsigned short)p.revents : 0;
}

static unsigned events_of(const struct select_sets *s, unsigned word, unsigned long bit)
{
    unsigned events = 0;

    if (s->ready[SET_IN][word] & bit)
        events |= POLLIN;
    if (s->ready[SET_OUT][word] & bit)
        events |= POLLOUT;
    if (s->ready[SET_EX][word] & bit)
        events |= POLLPRI;
    return events;
}

static void report(struct heald_backend *b, struct select_sets *s, unsigned word)
{
    unsigned long any = s->ready[SET_IN][word] | s->ready[SET_OUT][word] | s->ready[SET_EX][word];

    while (any) {
        unsigned shift = (unsigned)__builtin_ctzl(any);
        int fd = (int)(word * WORD_BITS + shift);
        any &= any - 1;
        unsigned events = events_of(s, word, 1ul << shift);
        if (events & POLLIN && s->armed[SET_HUP][word] & 1ul << shift)
            events |= hang_up(b, fd);
        heald_ready_event(b->loop, fd, s->keys[fd], events);
    }
}

/*
 * One closed descriptor makes select() refuse the whole set without saying which. Its ops must hear
 * of it: every armed descriptor is asked by itself, and the bad ones are reported as poll(2) would.
 */
static void report_bad(struct heald_backend *b, struct select_sets *s)
{
    for (int fd = 0; fd < s->top; fd++) {
        unsigned word = (unsigned)fd / WORD_BITS;
        unsigned long bit = 1ul << (unsigned)fd % WORD_BITS;
        struct pollfd p = {.fd = fd};
        if (!((s->armed[SET_IN][word] | s->armed[SET_OUT][word] | s->armed[SET_EX][word]) & bit))
            continue;
        if (b->sys->poll(&p, 1, 0) > 0 && p.revents & POLLNVAL) {
            uint32_t key = s->keys[fd];
            select_arm(b, fd, key, 0, 0);
            heald_ready_event(b->loop, fd, key, POLLNVAL);
        }
    }
}

static int select_wait(struct heald_backend *b, int64_t timeout_ns)
{
    struct select_sets *s = b->priv;
    unsigned words = ((unsigned)s->top + WORD_BITS - 1) / WORD_BITS;

    for (int i = 0; i < SETS && words; i++)
        memcpy(s->ready[i], s->armed[i], words * sizeof *s->ready[i]);
    int n =
        b->sys->select(s->top, s->ready[SET_IN], s->ready[SET_OUT], s->ready[SET_EX], timeout_ns);
    if (n == -EBADF) {
        report_bad(b, s);
        return 0;
    }
    if (n < 0)
        return n;
    for (unsigned word = 0; n > 0 && word < words; word++)
        report(b, s, word);
    return 0;
}

const struct heald_backend_ops heald_backend_select = {
    .name = "select",
    .about = "select(2): everywhere; descriptors above FD_SETSIZE work, too",
    .open = select_open,
    .close = select_close,
    .arm = select_arm,
    .wait = select_wait,
};
