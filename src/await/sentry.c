/*
 * await/sentry.c: see sentry.h. The loop's thread calls; sentry_main() is the other one.
 *
 * The thread copies the words under the lock and waits for them without it. What it waits for may
 * then be unmapped: the kernel says -EFAULT or wakes nobody, and the thread itself looks at a wait
 * only under the lock, where the loop has taken out what is over. Where waiting is looking
 * (heald_words_sleep) it waits for `control` alone, and not for long.
 *
 * No wake is lost: a wait carries what the loop saw when it decided to wait, and the kernel
 * compares that before it sleeps; region_is_over() does after it woke, and once in
 * REGION_RECHECK_NS. More waits than the kernel takes at once are looked at every SLICE. A wait
 * that is added changes `control`, which is among the words.
 */
#include "await/sentry.h"

#include <errno.h>

#define SLICE_NS (2 * HEALD_MS)

enum { FIRST_SIZE = 16 };

/* Under the lock: the words to wait for, and until when. */
static unsigned collect(struct heald_sentry *s, struct heald_word words[HEALD_WORDS_MAX],
                        int64_t *ret_deadline_ns)
{
    unsigned n = 1, i = 0;

    /* Relaxed: changed under the lock. */
    words[0] = (struct heald_word){&s->control, __atomic_load_n(&s->control, __ATOMIC_RELAXED)};
    *ret_deadline_ns = HEALD_FOREVER;
    if (s->rung || !s->count)
        return n;
    for (; heald_words_sleep && i < s->count && n + REGION_WORDS <= HEALD_WORDS_MAX; i++)
        n += region_words(&s->waits[i], words + n);
    *ret_deadline_ns =
        s->sys->now(HEALD_CLOCK_MONOTONIC) + (i < s->count ? SLICE_NS : REGION_RECHECK_NS);
    return n;
}

/* Under the lock. Rings once, until the loop has looked. late: nothing was heard for a while. */
static void look(struct heald_sentry *s, bool late)
{
    if (s->rung)
        return;
    for (unsigned i = 0; i < s->count && !s->rung; i++)
        s->rung = (late && s->waits[i].several) || region_is_over(&s->waits[i]);
    if (s->rung)
        s->sys->bell_ring(s->bell[1]);
}

static void *sentry_main(void *arg)
{
    struct heald_sentry *s = arg;
    struct heald_word words[HEALD_WORDS_MAX];
    int64_t deadline_ns;

    pthread_mutex_lock(&s->lock);
    while (!s->closing) {
        unsigned n = collect(s, words, &deadline_ns);
        pthread_mutex_unlock(&s->lock);
        bool late = heald_plat_words_wait(words, n, deadline_ns) == -ETIMEDOUT;
        pthread_mutex_lock(&s->lock);
        look(s, late);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static int start(struct heald_sentry *s)
{
    int err = s->sys->gate(HEALD_GATE_THREAD);
    return err ? err : heald_plat_thread_start(&s->thread, sentry_main, s);
}

int heald_sentry_open(struct heald_sentry *s, const struct heald_sys *sys,
                      const struct heald_allocator *alloc)
{
    *s = (struct heald_sentry){.sys = sys, .alloc = alloc};
    int err = sys->bell_open(s->bell);

    if (err)
        return err;
    err = -pthread_mutex_init(&s->lock, NULL);
    if (!err && (err = start(s)))
        pthread_mutex_destroy(&s->lock);
    if (err)
        sys_bell_close(s->sys, s->bell);
    return err;
}

/* After a change that the thread must see at once. */
static void nudge(struct heald_sentry *s)
{
    pthread_mutex_unlock(&s->lock);
    heald_plat_word_count(&s->control);
}

void heald_sentry_close(struct heald_sentry *s)
{
    pthread_mutex_lock(&s->lock);
    s->closing = true;
    nudge(s);
    pthread_join(s->thread, NULL);
    pthread_mutex_destroy(&s->lock);
    sys_bell_close(s->sys, s->bell);
    alloc_free(s->alloc, s->waits, s->size * sizeof *s->waits);
}

int heald_sentry_reserve(struct heald_sentry *s, unsigned count)
{
    unsigned size = s->size ? s->size : FIRST_SIZE;

    if (count <= s->size)
        return 0;
    while (size < count)
        size *= 2;
    pthread_mutex_lock(&s->lock);
    struct region_wait *waits =
        alloc_resize(s->alloc, s->waits, s->size * sizeof *waits, size * sizeof *waits);
    if (waits) {
        s->waits = waits;
        s->size = size;
    }
    pthread_mutex_unlock(&s->lock);
    return waits ? 0 : -ENOMEM;
}

void heald_sentry_begin(struct heald_sentry *s)
{
    pthread_mutex_lock(&s->lock);
    s->count = 0;
    s->rung = false;
}

void heald_sentry_add(struct heald_sentry *s, const struct region_wait *wait)
{
    s->waits[s->count++] = *wait;
}

void heald_sentry_end(struct heald_sentry *s)
{
    if (s->count)
        nudge(s);
    else
        pthread_mutex_unlock(&s->lock);
}

void heald_sentry_add_one(struct heald_sentry *s, const struct region_wait *wait)
{
    pthread_mutex_lock(&s->lock);
    heald_sentry_add(s, wait);
    nudge(s);
}

void heald_sentry_forget(struct heald_sentry *s)
{
    pthread_mutex_lock(&s->lock);
    bool any = s->count;
    s->count = 0;
    bool told = s->rung;
    s->rung = true;
    pthread_mutex_unlock(&s->lock);
    if (any && !told)
        s->sys->bell_ring(s->bell[1]);
}
