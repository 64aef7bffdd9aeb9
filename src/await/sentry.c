/*
 * await/sentry.c: the road `thread`: a thread that waits for words of shared memory in the place of
 * a loop, and rings it when there is a reason to look again. sentry_main() is that thread, started
 * with the road; the rest is the loop's.
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
 *
 * A wake of others' words is meant for one: it is told to the op that waits for the word, or, if
 * that has been withdrawn while the thread was asleep or on its way, passed on by the thread.
 */
#include "await/road.h"

#include <heald/io.h>

#include <errno.h>
#include <pthread.h>

#define SLICE_NS (2 * HEALD_MS)

enum { FIRST_SIZE = 16 };

struct sentry_wait {
    struct heald_wait wait;
    struct heald_op *op; /* of others' words; looked into by the loop alone */
    unsigned woken;      /* of those: the one that was woken, plus 1 */
};

/* Of a word that the thread waits for: whose of the others' it is, and which of his. */
struct sentry_word {
    struct heald_op *op;
    unsigned index;
};

struct sentry {
    const struct heald_sys *sys;
    const struct heald_allocator *alloc;
    struct heald_op watch;
    int bell[2]; /* [0] is readable when the loop should look */
    pthread_t thread;
    bool looking;         /* the loop's: between begin and end */
    uint32_t control;     /* atomic: changes when the thread should look here */
    pthread_mutex_t lock; /* guards all below */
    struct sentry_wait *waits;
    unsigned count, size;
    bool rung; /* the loop has been told, and has not looked since */
    bool closing;
};

/* Under the lock. Rings once, until the loop has looked. late: nothing was heard for a while. */
static void look(struct sentry *s, bool late)
{
    if (s->rung)
        return;
    for (unsigned i = 0; i < s->count && !s->rung; i++) {
        const struct sentry_wait *w = &s->waits[i];
        s->rung =
            (late && (w->op || w->wait.region.several)) || w->woken || heald_wait_is_over(&w->wait);
    }
    if (s->rung)
        s->sys->bell_ring(s->bell[1]);
}

/* Under the lock: the words to wait for, and until when. */
static unsigned collect(struct sentry *s, struct heald_word words[HEALD_WORDS_MAX],
                        struct sentry_word whose[HEALD_WORDS_MAX], int64_t *ret_deadline_ns)
{
    unsigned n = 1;
    bool all = heald_words_sleep;
    bool untold = false; /* of a holder who has died there is no word any more */

    /* Relaxed: changed under the lock. */
    words[0] = (struct heald_word){&s->control, __atomic_load_n(&s->control, __ATOMIC_RELAXED)};
    *ret_deadline_ns = HEALD_FOREVER;
    if (s->rung || !s->count)
        return n;
    for (unsigned i = 0; heald_words_sleep && i < s->count; i++) {
        const struct sentry_wait *w = &s->waits[i];
        if (n + (w->op ? w->wait.count : REGION_WORDS) > HEALD_WORDS_MAX) {
            all = false;
            continue;
        }
        unsigned count = heald_wait_words(&w->wait, words + n);
        untold |= w->wait.region.holder && count < REGION_WORDS;
        for (unsigned k = 0; k < count; k++)
            whose[n + k] = (struct sentry_word){w->op, k};
        n += count;
    }
    if (untold)
        look(s, false);
    if (s->rung)
        return 1;
    *ret_deadline_ns = s->sys->now(HEALD_CLOCK_MONOTONIC) + (all ? REGION_RECHECK_NS : SLICE_NS);
    return n;
}

/* Under the lock: a word of others was woken. */
static void heard(struct sentry *s, const struct sentry_word *whose, uint32_t *word)
{
    for (unsigned i = 0; i < s->count; i++)
        if (s->waits[i].op == whose->op) {
            s->waits[i].woken = whose->index + 1;
            return;
        }
    heald_plat_word_wake_one(word);
}

static void *sentry_main(void *arg)
{
    struct sentry *s = arg;
    struct heald_word words[HEALD_WORDS_MAX];
    struct sentry_word whose[HEALD_WORDS_MAX] = {{NULL, 0}};
    int64_t deadline_ns;

    pthread_mutex_lock(&s->lock);
    while (!s->closing) {
        unsigned n = collect(s, words, whose, &deadline_ns);
        pthread_mutex_unlock(&s->lock);
        int woken = heald_plat_words_wait(words, n, deadline_ns);
        pthread_mutex_lock(&s->lock);
        if (woken > 0 && woken < (int)n && whose[woken].op)
            heard(s, &whose[woken], words[woken].word);
        look(s, woken == -ETIMEDOUT);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static int start(struct sentry *s)
{
    int err = s->sys->gate(HEALD_GATE_THREAD);
    return err ? err : heald_plat_thread_start(&s->thread, sentry_main, s);
}

/* After a change that the thread must see at once. */
static void nudge(struct sentry *s)
{
    pthread_mutex_unlock(&s->lock);
    heald_plat_word_count(&s->control);
}

static void on_bell(struct heald_op *watch)
{
    const struct sentry *s = heald_container_of(watch, struct sentry, watch);

    s->sys->bell_drain(s->bell[0]);
    watch->loop->look = true;
}

/* The bell, and its place in the loop. */
static int bell_open(struct sentry *s, struct heald_loop *loop)
{
    int err = s->sys->bell_open(s->bell);

    if (err)
        return err;
    if ((err = heald_loop_watch(loop, &s->watch, s->bell[0], on_bell, NULL))) {
        heald_forget(loop, s->bell[0]);
        sys_bell_close(s->sys, s->bell);
    }
    return err;
}

static int thread_open(struct heald_road *road)
{
    struct heald_loop *loop = road->loop;
    struct sentry *s = alloc_new(&loop->alloc, sizeof *s);

    if (!s)
        return -ENOMEM;
    s->sys = loop->sys;
    s->alloc = &loop->alloc;
    int err = -pthread_mutex_init(&s->lock, NULL);
    if (err)
        goto no_lock;
    if ((err = bell_open(s, loop)))
        goto no_bell;
    if ((err = start(s)))
        goto no_thread;
    road->priv = s;
    return 0;
no_thread:
    heald_forget(loop, s->bell[0]);
    sys_bell_close(s->sys, s->bell);
no_bell:
    pthread_mutex_destroy(&s->lock);
no_lock:
    alloc_free(&loop->alloc, s, sizeof *s);
    return err;
}

static void thread_close(struct heald_road *road)
{
    struct sentry *s = road->priv;

    pthread_mutex_lock(&s->lock);
    s->closing = true;
    nudge(s);
    pthread_join(s->thread, NULL);
    pthread_mutex_destroy(&s->lock);
    sys_bell_close(s->sys, s->bell);
    alloc_free(s->alloc, s->waits, s->size * sizeof *s->waits);
    alloc_free(s->alloc, s, sizeof *s);
}

static int thread_reserve(struct heald_road *road, unsigned count, unsigned words)
{
    struct sentry *s = road->priv;
    unsigned size = s->size ? s->size : FIRST_SIZE;

    (void)words;
    if (count <= s->size)
        return 0;
    while (size < count)
        size *= 2;
    pthread_mutex_lock(&s->lock);
    struct sentry_wait *waits =
        alloc_resize(s->alloc, s->waits, s->size * sizeof *waits, size * sizeof *waits);
    if (waits) {
        s->waits = waits;
        s->size = size;
    }
    pthread_mutex_unlock(&s->lock);
    return waits ? 0 : -ENOMEM;
}

/* Under the lock: nothing waits any more; who was woken is told. */
static void clear(struct sentry *s)
{
    for (unsigned i = 0; i < s->count; i++)
        if (s->waits[i].woken)
            s->waits[i].op->result = s->waits[i].woken;
    s->count = 0;
}

/* Nothing of what was there before stays. From here to the end the thread looks at nothing. */
static void thread_begin(struct heald_road *road)
{
    struct sentry *s = road->priv;

    pthread_mutex_lock(&s->lock);
    clear(s);
    s->rung = false;
    s->looking = true;
}

static void thread_add(struct heald_road *road, struct heald_op *op, const struct heald_wait *wait)
{
    struct sentry *s = road->priv;

    /* What a participant waits for is found by trying. */
    s->waits[s->count++] =
        (struct sentry_wait){.wait = *wait, .op = wait_is_foreign(wait) ? op : NULL};
}

static void thread_end(struct heald_road *road)
{
    struct sentry *s = road->priv;

    s->looking = false;
    if (s->count)
        nudge(s);
    else
        pthread_mutex_unlock(&s->lock);
}

static void thread_add_one(struct heald_road *road, struct heald_op *op,
                           const struct heald_wait *wait)
{
    struct sentry *s = road->priv;

    pthread_mutex_lock(&s->lock);
    thread_add(road, op, wait);
    nudge(s);
}

static void thread_drop(struct heald_road *road, struct heald_op *op)
{
    struct sentry *s = road->priv;

    (void)op;
    if (s->looking)
        return;
    pthread_mutex_lock(&s->lock);
    clear(s);
    s->rung = true;
    pthread_mutex_unlock(&s->lock);
    road->loop->look = true;
}

/* From here on the thread passes on what it hears for this op. */
static bool thread_withdraw(struct heald_road *road, struct heald_op *op)
{
    thread_drop(road, op);
    return true;
}

const struct heald_road_ops heald_road_thread = {
    .name = "thread",
    .open = thread_open,
    .close = thread_close,
    .reserve = thread_reserve,
    .begin = thread_begin,
    .add = thread_add,
    .end = thread_end,
    .add_one = thread_add_one,
    .drop = thread_drop,
    .withdraw = thread_withdraw,
};
