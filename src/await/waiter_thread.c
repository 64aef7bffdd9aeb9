/*
 * await/waiter_thread.c: the waiter `thread`: threads that wait for words of shared memory in the
 * place of a loop, and ring it when one was woken. thread_main() is such a thread; the rest is the
 * loop's.
 *
 * futex_waitv takes 128 words: so each thread waits for a chunk of them, and for a word of its own,
 * `control`, which the loop changes together with the chunk. New words go to the *young* chunk,
 * which is small; when that is full its words go to an old one with room. So waiting again for a
 * word that comes and goes costs a few words, not a whole chunk, however many there are. The thread
 * of the young chunk exists from the beginning, and reports when it is time for a tick; the others
 * are started when they are needed, and end with the waiter.
 *
 * The thread copies the words under the lock and waits for them without it. What it waits for may
 * then be unmapped: the kernel returns -EFAULT or wakes none, and the thread itself reads a word
 * only under the lock, in its chunk, out of which the loop has taken what has ended. Where waiting
 * is polling (heald__words_sleep) it waits for `control` alone, and not for long.
 *
 * No wake is lost: the kernel compares each word with what was seen before it sleeps, and where it
 * does not say which one differs the thread compares them. A word that is put into a chunk changes
 * its `control`, which is among the words. A word that is taken out, or moved, is still waited for
 * by a thread that sleeps. Its wake is reported to the queue that it was copied from, if that still
 * waits since the same arming, wherever its words are by now. If it does not, and the wake was
 * meant for one, it is passed on.
 */
#include "await/queue.h"

#include <heald/io.h>

#include <errno.h>
#include <pthread.h>

#define SLICE_NS (2 * HEALD_MS)

enum { CHUNK_WORDS = HEALD_WORDS_MAX - 1, YOUNG_WORDS = 24, STACK_BYTES = 256 * 1024 };

struct chunk;

/* Where a word of a queue is. */
struct place {
    struct chunk *chunk;
    unsigned at;
};

struct thread_queue {
    struct heald_wait_queue queue;
    /* Guarded by the lock: */
    uint64_t arming;             /* odd while its words are in chunks; never goes back */
    struct heald_link ended;     /* in waiter.ended: its end was not reported to the loop */
    int woken;                   /* then: the index of the word, or -1 */
    struct place place, *places; /* of its words, or of its one */
};

struct slot {
    struct thread_queue *part;
    unsigned index;
};

struct chunk {
    struct waiter *waiter;
    pthread_t thread;
    struct heald_link all, roomy, changed; /* of the old ones: all, those with room */
    uint32_t control;                      /* atomic: changes when the thread should look here */
    unsigned count;
    struct slot slots[CHUNK_WORDS];
};

struct waiter {
    struct heald_locks *locks;
    const struct heald_sys *sys;
    struct heald_op watch;
    int bell[2];          /* [0] is readable when a queue has ended, or it is time for a tick */
    pthread_mutex_t lock; /* guards all below, and the chunks */
    struct chunk young;
    struct heald_link old, roomy;
    struct heald_link changed; /* chunks whose threads are to look at them */
    unsigned words, room;      /* in all chunks; in the old ones, also that which is taken */
    struct heald_link ended;
    int64_t tick_ns; /* when it is time for the next tick, or 0 */
    int64_t each_ns; /* from one to the next; 0: no op waits */
    bool tick;       /* it is time for one */
    bool ticks;      /* it was, and the loop has not done with that */
    bool rung;       /* the loop's bell was rung, and the loop has not run since */
    bool closing;
};

/* What a thread waits for: a copy of a slot. */
struct copy {
    struct thread_queue *part;
    uint64_t arming;
    unsigned index;
    bool wakes_one;
};

static struct thread_queue *own_part(struct heald_wait_queue *queue)
{
    return heald_container_of(queue, struct thread_queue, queue);
}

static struct place *places_of(struct thread_queue *part)
{
    return part->queue.count > 1 ? part->places : &part->place;
}

/* Under the lock, as all that follows up to thread_main(). Once, until the loop has looked. */
static void ring(struct waiter *t)
{
    if (!t->rung)
        t->sys->bell_ring(t->bell[1]);
    t->rung = true;
}

static void put(struct chunk *chunk, struct thread_queue *part, unsigned index)
{
    places_of(part)[index] = (struct place){chunk, chunk->count};
    chunk->slots[chunk->count++] = (struct slot){part, index};
    if (chunk->count == CHUNK_WORDS && list_linked(&chunk->roomy))
        list_remove(&chunk->roomy);
}

/* The last slot takes its place. */
static void chunk_remove(struct chunk *chunk, unsigned at)
{
    const struct slot last = chunk->slots[--chunk->count];

    chunk->slots[at] = last;
    places_of(last.part)[last.index].at = at;
    if (chunk != &chunk->waiter->young && !list_linked(&chunk->roomy))
        list_push(&chunk->waiter->roomy, &chunk->roomy);
}

/* Its words are waited for no more. */
static void end(struct waiter *t, struct thread_queue *part, unsigned count)
{
    const struct place *places = places_of(part);

    for (unsigned i = 0; i < count; i++)
        chunk_remove(places[i].chunk, places[i].at);
    t->words -= count;
    part->arming++;
}

/* One of its words was woken, or differs. */
static void woken(struct waiter *t, struct thread_queue *part, unsigned index)
{
    end(t, part, part->queue.count);
    part->woken = (int)index;
    list_push(&t->ended, &part->ended);
    ring(t);
}

/* Reports the queue that was woken, or, if its wait has ended, wakes another waiter. */
static void heard(struct waiter *t, const struct copy *copy, uint32_t *word)
{
    if (copy->part->arming == copy->arming)
        woken(t, copy->part, copy->index);
    else if (copy->wakes_one)
        heald__plat_word_wake_one(word);
}

/* Which word differs is not known. */
static void search(struct chunk *chunk)
{
    for (unsigned i = chunk->count; i-- > 0;) {
        if (i >= chunk->count)
            continue;
        const struct slot *slot = &chunk->slots[i];
        struct heald_word w = heald__wait_queue_word(&slot->part->queue, slot->index);
        /* Acquire: what made it change is seen with it. */
        if (__atomic_load_n(w.word, __ATOMIC_ACQUIRE) != w.seen)
            woken(chunk->waiter, slot->part, slot->index);
    }
}

static void search_all(struct waiter *t)
{
    search(&t->young);
    for (struct heald_link *n = t->old.next; n != &t->old; n = n->next)
        search(heald_container_of(n, struct chunk, all));
}

/* The words to wait for. */
static unsigned collect(struct chunk *chunk, struct heald_word words[HEALD_WORDS_MAX],
                        struct copy copies[HEALD_WORDS_MAX])
{
    unsigned n = 1;

    /* Relaxed: what it announces is changed under the lock. */
    words[0] =
        (struct heald_word){&chunk->control, __atomic_load_n(&chunk->control, __ATOMIC_RELAXED)};
    for (unsigned i = 0; heald__words_sleep && i < chunk->count; i++, n++) {
        const struct slot *slot = &chunk->slots[i];
        words[n] = heald__wait_queue_word(&slot->part->queue, slot->index);
        copies[n] =
            (struct copy){slot->part, slot->part->arming, slot->index, slot->part->queue.wakes_one};
    }
    return n;
}

/* Until when the young chunk's thread may sleep. A tick that the loop has not come to yet is not
 * followed by another. */
static int64_t next_tick(struct waiter *t)
{
    if (!t->each_ns) {
        t->tick_ns = 0;
        return HEALD_FOREVER;
    }
    int64_t now = t->sys->now(HEALD_CLOCK_MONOTONIC);
    if (!t->tick_ns || t->ticks) {
        t->tick_ns = now + t->each_ns;
    } else if (t->tick_ns <= now) {
        t->tick = t->ticks = true;
        ring(t);
        t->tick_ns = now + t->each_ns;
    }
    return heald__words_sleep || t->tick_ns < now + SLICE_NS ? t->tick_ns : now + SLICE_NS;
}

static void *thread_main(void *arg)
{
    struct chunk *chunk = arg;
    struct waiter *t = chunk->waiter;
    struct heald_word words[HEALD_WORDS_MAX];
    struct copy copies[HEALD_WORDS_MAX];

    pthread_mutex_lock(&t->lock);
    while (!t->closing) {
        int64_t deadline_ns = chunk == &t->young ? next_tick(t) : HEALD_FOREVER;
        unsigned n = collect(chunk, words, copies);
        pthread_mutex_unlock(&t->lock);
        int index = heald__plat_words_wait(words, n, deadline_ns);
        pthread_mutex_lock(&t->lock);
        if (!heald__words_sleep)
            search_all(t);
        else if (index > 0 && index < (int)n)
            heard(t, &copies[index], words[index].word);
        else if (index == HEALD_WORDS_MAX)
            search(chunk);
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

static int start(struct chunk *chunk)
{
    int err = chunk->waiter->sys->gate(HEALD_GATE_THREAD);

    return err ? err
               : heald__plat_thread_start_small(&chunk->thread, STACK_BYTES, thread_main, chunk);
}

static void stop(struct chunk *chunk)
{
    heald__plat_word_count(&chunk->control);
    pthread_join(chunk->thread, NULL);
}

static void on_bell(struct heald_op *watch)
{
    struct waiter *t = heald_container_of(watch, struct waiter, watch);
    struct heald_link ended, *link;

    t->sys->bell_drain(t->bell[0]);
    pthread_mutex_lock(&t->lock);
    bool tick = t->tick;
    list_take(&ended, &t->ended);
    t->tick = t->rung = false;
    pthread_mutex_unlock(&t->lock);
    while ((link = list_pop(&ended))) {
        struct thread_queue *part = heald_container_of(link, struct thread_queue, ended);
        heald__wait_queue_ended(t->locks, &part->queue, part->woken);
    }
    if (tick)
        heald__locks_tick(t->locks);
}

/* The bell, and its place in the loop. */
static int bell_open(struct waiter *t)
{
    struct heald_loop *loop = t->locks->loop;
    int err = t->sys->bell_open(t->bell);

    if (err)
        return err;
    if ((err = heald__loop_watch(loop, &t->watch, t->bell[0], on_bell, NULL))) {
        heald_forget(loop, t->bell[0]);
        sys_bell_close(t->sys, t->bell);
    }
    return err;
}

static int thread_open(struct heald_waiter *waiter)
{
    struct heald_loop *loop = waiter->locks->loop;
    struct waiter *t = alloc_new(&loop->alloc, sizeof *t);

    if (!t)
        return -ENOMEM;
    t->locks = waiter->locks;
    t->sys = loop->sys;
    t->young.waiter = t;
    list_init(&t->old);
    list_init(&t->roomy);
    list_init(&t->changed);
    list_init(&t->ended);
    int err = -pthread_mutex_init(&t->lock, NULL);
    if (err)
        goto no_lock;
    if ((err = bell_open(t)))
        goto no_bell;
    if ((err = start(&t->young)))
        goto no_thread;
    waiter->priv = t;
    return 0;
no_thread:
    heald_forget(loop, t->bell[0]);
    sys_bell_close(t->sys, t->bell);
no_bell:
    pthread_mutex_destroy(&t->lock);
no_lock:
    alloc_free(&loop->alloc, t, sizeof *t);
    return err;
}

static void thread_close(struct heald_waiter *waiter)
{
    struct waiter *t = waiter->priv;
    const struct heald_allocator *alloc = &t->locks->loop->alloc;

    pthread_mutex_lock(&t->lock);
    t->closing = true;
    pthread_mutex_unlock(&t->lock);
    stop(&t->young);
    for (struct heald_link *link; (link = list_pop(&t->old));) {
        struct chunk *chunk = heald_container_of(link, struct chunk, all);
        if (heald__words_sleep)
            stop(chunk);
        alloc_free(alloc, chunk, sizeof *chunk);
    }
    pthread_mutex_destroy(&t->lock);
    sys_bell_close(t->sys, t->bell);
    alloc_free(alloc, t, sizeof *t);
}

/* An old chunk more, with a thread where that sleeps. */
static int add_chunk(struct waiter *t)
{
    const struct heald_allocator *alloc = &t->locks->loop->alloc;
    struct chunk *chunk = alloc_new(alloc, sizeof *chunk);

    if (!chunk)
        return -ENOMEM;
    chunk->waiter = t;
    int err = heald__words_sleep ? start(chunk) : 0;
    if (err) {
        alloc_free(alloc, chunk, sizeof *chunk);
        return err;
    }
    pthread_mutex_lock(&t->lock);
    list_push(&t->old, &chunk->all);
    list_push(&t->roomy, &chunk->roomy);
    t->room += CHUNK_WORDS;
    pthread_mutex_unlock(&t->lock);
    return 0;
}

static int thread_reserve(struct heald_waiter *waiter, struct heald_wait_queue *queue,
                          unsigned words)
{
    struct waiter *t = waiter->priv;
    struct thread_queue *part = queue ? own_part(queue) : NULL;
    int err = 0;

    if (queue && words > 1 && !part->places &&
        !(part->places = alloc_new(&t->locks->loop->alloc, HEALD_FUTEX_MAX * sizeof *part->places)))
        return -ENOMEM;
    pthread_mutex_lock(&t->lock);
    words += t->words;
    unsigned room = t->room;
    pthread_mutex_unlock(&t->lock);
    for (; !err && words > YOUNG_WORDS && words > room; room += CHUNK_WORDS)
        err = add_chunk(t);
    return err;
}

static void thread_prepare(struct heald_waiter *waiter, struct heald_wait_queue *queue)
{
    (void)waiter;
    (void)queue;
}

static void thread_release(struct heald_waiter *waiter, struct heald_wait_queue *queue)
{
    alloc_free(&waiter->locks->loop->alloc, own_part(queue)->places,
               HEALD_FUTEX_MAX * sizeof(struct place));
}

/* Under the lock: its thread is to look at it. */
static void changed(struct chunk *chunk)
{
    if (!list_linked(&chunk->changed))
        list_push(&chunk->waiter->changed, &chunk->changed);
}

/* Under the lock: the words of the young chunk go to old ones, as far as these have room. */
static void retire(struct waiter *t)
{
    while (t->young.count && !list_empty(&t->roomy)) {
        struct chunk *chunk = heald_container_of(t->roomy.next, struct chunk, roomy);
        const struct slot slot = t->young.slots[--t->young.count];
        put(chunk, slot.part, slot.index);
        changed(chunk);
    }
}

static bool thread_arm(struct heald_waiter *waiter, struct heald_wait_queue *queue)
{
    struct waiter *t = waiter->priv;
    struct thread_queue *part = own_part(queue);
    unsigned i = 0;

    pthread_mutex_lock(&t->lock);
    part->arming++;
    for (; i < queue->count; i++) {
        if (t->young.count >= YOUNG_WORDS)
            retire(t);
        if (t->young.count == CHUNK_WORDS)
            break;
        put(&t->young, part, i);
        t->words++;
    }
    bool fits = i == queue->count;
    if (!fits)
        end(t, part, i);
    changed(&t->young);
    pthread_mutex_unlock(&t->lock);
    return fits;
}

static void thread_disarm(struct heald_waiter *waiter, struct heald_wait_queue *queue)
{
    struct waiter *t = waiter->priv;
    struct thread_queue *part = own_part(queue);

    pthread_mutex_lock(&t->lock);
    if (part->arming % 2) {
        end(t, part, queue->count);
        part->woken = -1;
    } else {
        list_remove(&part->ended);
    }
    pthread_mutex_unlock(&t->lock);
    heald__wait_queue_ended(t->locks, queue, part->woken);
}

static void thread_flush(struct heald_waiter *waiter)
{
    struct waiter *t = waiter->priv;
    struct heald_link chunks, *link;

    pthread_mutex_lock(&t->lock);
    if (!t->each_ns && t->locks->count)
        changed(&t->young);
    t->each_ns = t->locks->count ? heald__locks_tick_ns(t->locks) : 0;
    /* From when the loop is done with one to the next: however slow it is, it comes to rest. */
    if (t->ticks && !t->tick)
        t->tick_ns = t->sys->now(HEALD_CLOCK_MONOTONIC) + t->each_ns;
    t->ticks = t->tick;
    list_take(&chunks, &t->changed);
    pthread_mutex_unlock(&t->lock);
    while ((link = list_pop(&chunks)))
        heald__plat_word_count(&heald_container_of(link, struct chunk, changed)->control);
}

const struct heald_waiter_ops heald__waiter_thread = {
    .name = "thread",
    .queue_size = sizeof(struct thread_queue),
    .open = thread_open,
    .close = thread_close,
    .prepare = thread_prepare,
    .release = thread_release,
    .reserve = thread_reserve,
    .arm = thread_arm,
    .disarm = thread_disarm,
    .flush = thread_flush,
};
