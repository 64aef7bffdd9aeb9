/*
 * loop/backend/select.c: select(2) with bitmaps of our own, as long as the highest descriptor
 * needs, so FD_SETSIZE is no limit. Bit order and word size are those of fd_set on every system:
 * longs, lowest bit first.
 *
 * select() knows neither POLLRDHUP nor errors alone nor changes, nor a hang-up beside POLLPRI: such
 * a descriptor lies in a nested queue of the system's. Where there is none it is armed as readable,
 * and poll(2) says whether it is hung up; while it is readable for another reason, the loop turns
 * round and round.
 */
#include "loop/backend/nested.h"
#include "loop/ready.h"

#include <errno.h>

enum { WORD_BITS = 8 * sizeof(unsigned long), FIRST_WORDS = 16 };

enum { SET_IN, SET_OUT, SET_EX, SETS, SET_HUP = SETS, ARMED };

struct select_sets {
    unsigned long *armed[ARMED]; /* SET_HUP: whether POLLRDHUP was asked for */
    unsigned long *ready[SETS];  /* what select() is given and changes */
    uint32_t *keys;
    unsigned words;
    struct heald_nested nested;
    int top; /* one more than the highest descriptor armed so far */
};

static int select_open(struct heald_backend *b)
{
    struct select_sets *s = alloc_new(b->alloc, sizeof *s);

    if (!s)
        return -ENOMEM;
    heald__nested_init(&s->nested);
    b->priv = s;
    return 0;
}

/* One block holds the bitmaps and the keys. */
static size_t block_size(unsigned words)
{
    return words * ((ARMED + SETS) * sizeof(unsigned long) + WORD_BITS * sizeof(uint32_t));
}

static void select_close(struct heald_backend *b)
{
    struct select_sets *s = b->priv;

    heald__nested_close(&s->nested, b);
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

static int arm_here(struct heald_backend *b, struct select_sets *s, int fd, uint32_t key,
                    unsigned events)
{
    const unsigned bits[ARMED] = {POLLIN, POLLOUT, POLLPRI, heald__poll_rdhup};
    int err;

    if ((unsigned)fd >= s->words * WORD_BITS && (err = grow(b, s, fd)))
        return err;
    unsigned long bit = 1ul << (unsigned)fd % WORD_BITS;
    if (events & (heald__poll_rdhup | POLLERR))
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

/* What select() cannot say goes to the nested queue, which is waited for as long as there is
 * something in it. True: it is there. */
static bool arm_nested(struct heald_backend *b, struct select_sets *s, int fd, unsigned events,
                       int *ret_err)
{
    unsigned beyond = events & (HEALD_EDGE | POLLERR | POLLPRI | heald__poll_rdhup) ? events : 0;

    *ret_err = heald__nested_arm(&s->nested, b, fd, beyond);
    if (*ret_err == -ENOSYS && !(events & HEALD_EDGE) && events != POLLERR)
        *ret_err = 0;
    else if (!*ret_err && s->nested.fd >= 0)
        *ret_err = arm_here(b, s, s->nested.fd, 0, s->nested.count ? POLLIN : 0);
    return beyond && s->nested.count;
}

static int select_arm(struct heald_backend *b, int fd, uint32_t key, unsigned old, unsigned events)
{
    struct select_sets *s = b->priv;
    int err;

    (void)old;
    bool nested = arm_nested(b, s, fd, events, &err);
    return err ? err : arm_here(b, s, fd, key, nested ? 0 : events);
}

static unsigned hang_up(struct heald_backend *b, int fd)
{
    struct pollfd p = {.fd = fd, .events = (short)heald__poll_rdhup};
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
        if (fd == s->nested.fd)
            heald__nested_report(&s->nested, b, heald__ready_event);
        else
            heald__ready_event(b->loop, fd, s->keys[fd], events);
    }
}

/*
 * One closed descriptor makes select() refuse the whole set without saying which. Its ops must
 * complete: every armed descriptor is checked by itself, and the bad ones are reported as poll(2)
 * would.
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
            arm_here(b, s, fd, key, 0);
            heald__ready_event(b->loop, fd, key, POLLNVAL);
        }
    }
}

static int select_wait(struct heald_backend *b, int64_t deadline_ns)
{
    struct select_sets *s = b->priv;
    int64_t timeout_ns = heald__time_left(b->loop, deadline_ns);
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

const struct heald_backend_ops heald__backend_select = {
    .name = "select",
    .about = "select(2): everywhere; descriptors above FD_SETSIZE work, too",
    .turns_edge = true,
    .open = select_open,
    .close = select_close,
    .arm = select_arm,
    .wait = select_wait,
};
