/*
 * await/queue.c: wait queues: see queue.h. The loop's thread.
 *
 * A wake costs what is woken, not what waits. Each word has one queue in a loop, each queue is one
 * wait of the waiter, and the end of that wait makes the ops in the queue due, and no others. They
 * are tried in the order of submission, whichever queues they come from. A participant's wait has
 * up to three words: that of the object, the participant's bell, and the lifeline of the holder.
 * The last two are shared by all ops of the participant and all that wait for the holder, so the
 * kernel has one waiter on them in this loop, not one for each op: a wake walks all waiters in a
 * bucket of the kernel's table. A bell makes all ops of its participant due: a death is not
 * reported more exactly.
 *
 * No wake is lost. An op is tried (try() of its wait ops), and then its entry is put to the queues
 * of the words with what it saw there. For each of the queues one of these is true until the entry
 * leaves it or is due:
 *
 *   1. The waiter waits for the word, and compares it, before it sleeps, with what this op saw.
 *   2. The waiter waited already when the op joined, with the same value. If it sleeps, a wake that
 *      comes after the try finds it. If it was woken before, its end is still to be reported, and
 *      makes the op due, too. If it has not compared yet, that is case 1.
 *   3. The value is another one. Then the wait ends (disarm), and its end makes all ops due that
 *      are in the queue then, so all try again: none relies on a comparison with what another saw.
 *   4. There was no room for the wait, or no queue. The tick makes the op due (has_reason()).
 *
 * So the queue of a word never gets another word while an entry is in it: an op that waits for
 * another word goes to another queue. One that is empty is no longer found by its word, for the
 * memory there may be another by then, and is used again when the waiter has released it.
 *
 * A wake of a lifeline, and of what others made, is meant for one waiter. If it ends a wait that
 * has no entry any more, or whose end was requested, or if the op that it made due is cancelled
 * before its try, it is passed on: another wake of the word. An op on what others made has a queue
 * of its own, and completes only when that is idle (heald__entry_withdraw()).
 *
 * What the words do not report: a process that changed something may have died before it woke the
 * waiters, and the one that the kernel notified of a death may have died, too (region/register.c).
 * So the tick checks a part of the entries, in turn. Up to SHARE_MIN of them are all checked every
 * REGION_RECHECK_NS; where there are more the ticks are as many times rarer, up to RARER_MAX, and
 * SHARES of them make a round. So a death that was not reported is found within 50 ms, or, by one
 * of very many, within two seconds; and many that are idle cost no more wakes of the processor than
 * few.
 *
 * Model: test/model/queue.pml; its steps are named after the functions here.
 */
#include "await/queue.h"

#include <errno.h>

#define TRY_NS (2 * HEALD_MS)

enum { SHARE_MIN = 64, SHARES = 4, RARER_MAX = 10, TABLE_FIRST = 16 };

int heald__locks_open(struct heald_loop *loop)
{
    struct heald_locks *locks = alloc_new(&loop->alloc, sizeof *locks);

    if (!locks)
        return -ENOMEM;
    locks->loop = loop;
    list_init(&locks->pending);
    locks->next = &locks->pending;
    list_init(&locks->due);
    list_init(&locks->queues);
    list_init(&locks->free_queues);
    list_init(&locks->free_entries);
    int err = heald__waiter_open(&locks->waiter, locks);
    if (err) {
        alloc_free(&loop->alloc, locks, sizeof *locks);
        return err;
    }
    loop->locks = locks;
    return 0;
}

void heald__locks_close(struct heald_locks *locks)
{
    struct heald_loop *loop = locks->loop;
    struct heald_waiter *waiter = &locks->waiter;

    waiter->ops->close(waiter);
    for (struct heald_link *link; (link = list_pop(&locks->queues));) {
        struct heald_wait_queue *queue = heald_container_of(link, struct heald_wait_queue, all);
        waiter->ops->release(waiter, queue);
        alloc_free(&loop->alloc, queue, waiter->ops->queue_size);
    }
    for (struct heald_entry *entry, *next = locks->entries; (entry = next);) {
        next = entry->all;
        alloc_free(&loop->alloc, entry, sizeof *entry);
    }
    alloc_free(&loop->alloc, locks->table, locks->table_size * sizeof(struct heald_wait_queue *));
    alloc_free(&loop->alloc, locks, sizeof *locks);
    loop->locks = NULL;
}

static struct heald_wait_queue **slot_of(const struct heald_locks *locks, const uint32_t *word)
{
    /* Fibonacci hashing (Knuth, The Art of Computer Programming, 6.4). */
    uint64_t hash = (uint64_t)((uintptr_t)word / sizeof *word) * UINT64_C(11400714819323198485);

    return &locks->table[hash >> 32 & (locks->table_size - 1)];
}

static void list_queue(struct heald_locks *locks, struct heald_wait_queue *queue)
{
    struct heald_wait_queue **slot = slot_of(locks, queue->word.word);

    queue->next = *slot;
    *slot = queue;
    queue->is_listed = true;
}

static void unlist_queue(struct heald_locks *locks, struct heald_wait_queue *queue)
{
    struct heald_wait_queue **at = slot_of(locks, queue->word.word);

    while (*at != queue)
        at = &(*at)->next;
    *at = queue->next;
    queue->is_listed = false;
}

static struct heald_wait_queue *find_queue(const struct heald_locks *locks, const uint32_t *word)
{
    struct heald_wait_queue *queue = *slot_of(locks, word);

    while (queue && queue->word.word != word)
        queue = queue->next;
    return queue;
}

/* One that is too small makes finding slower, and nothing else. */
static int grow_table(struct heald_locks *locks)
{
    struct heald_loop *loop = locks->loop;
    unsigned old = locks->table_size, size = old ? old * 2 : TABLE_FIRST;
    struct heald_wait_queue **was = locks->table;

    if (locks->queue_count <= old && old)
        return 0;
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): a table of pointers */
    struct heald_wait_queue **table = alloc_new(&loop->alloc, size * sizeof *table);
    if (!table)
        return old ? 0 : -ENOMEM;
    locks->table = table;
    locks->table_size = size;
    for (unsigned i = 0; i < old; i++)
        for (struct heald_wait_queue *queue = was[i], *next; queue; queue = next) {
            next = queue->next;
            list_queue(locks, queue);
        }
    /* NOLINTNEXTLINE(bugprone-sizeof-expression) */
    alloc_free(&loop->alloc, was, old * sizeof *was);
    return 0;
}

/* A queue that nobody uses, and NULL if there is no memory. */
static struct heald_wait_queue *free_queue(struct heald_locks *locks)
{
    struct heald_waiter *waiter = &locks->waiter;

    if (list_empty(&locks->free_queues)) {
        struct heald_wait_queue *queue = alloc_new(&locks->loop->alloc, waiter->ops->queue_size);
        if (!queue)
            return NULL;
        list_init(&queue->places);
        list_push(&locks->queues, &queue->all);
        list_push(&locks->free_queues, &queue->free);
        locks->queue_count++;
        waiter->ops->prepare(waiter, queue);
    }
    return heald_container_of(locks->free_queues.next, struct heald_wait_queue, free);
}

int heald__locks_reserve(struct heald_locks *locks, unsigned words, bool alone)
{
    struct heald_wait_queue *queue = free_queue(locks);
    int err = queue ? grow_table(locks) : -ENOMEM;

    if (err)
        return err;
    if (list_empty(&locks->free_entries)) {
        struct heald_entry *entry = alloc_new(&locks->loop->alloc, sizeof *entry);
        if (!entry)
            return -ENOMEM;
        entry->all = locks->entries;
        locks->entries = entry;
        list_push(&locks->free_entries, &entry->due);
    }
    return locks->waiter.ops->reserve(&locks->waiter, alone ? queue : NULL, words);
}

struct heald_entry *heald__locks_add(struct heald_locks *locks, struct heald_op *op)
{
    struct heald_link *link = list_pop(&locks->free_entries);
    struct heald_entry *entry = heald_container_of(link, struct heald_entry, due);

    entry->op = op;
    entry->number = ++locks->number;
    op->aux.next = &entry->due;
    list_push(&locks->pending, &op->link);
    locks->count++;
    locks->others += op_has_no_region(op);
    return entry;
}

static void arm(struct heald_locks *locks, struct heald_wait_queue *queue)
{
    if (locks->waiter.ops->arm(&locks->waiter, queue))
        queue->state = QUEUE_ARMED;
}

static void disarm(struct heald_locks *locks, struct heald_wait_queue *queue)
{
    if (queue->state != QUEUE_ARMED)
        return;
    queue->state = QUEUE_LEAVING;
    locks->waiter.ops->disarm(&locks->waiter, queue);
}

static void leave(struct heald_locks *locks, struct heald_wait_place *place)
{
    struct heald_wait_queue *queue = place->queue;

    if (!queue)
        return;
    place->queue = NULL;
    list_remove(&place->link);
    if (!list_empty(&queue->places))
        return;
    if (queue->is_listed)
        unlist_queue(locks, queue);
    if (queue->state == QUEUE_IDLE)
        list_push(&locks->free_queues, &queue->free);
    else
        disarm(locks, queue);
}

/* To a queue; NULL: no memory. */
static void stand(struct heald_entry *entry, unsigned i, struct heald_wait_queue *queue)
{
    struct heald_wait_place *place = &entry->places[i];

    if (!queue)
        return;
    if (list_linked(&queue->free))
        list_remove(&queue->free);
    place->entry = entry;
    place->queue = queue;
    list_push(&queue->places, &place->link);
}

/* The queue of a word that none has yet; NULL: no memory. */
static struct heald_wait_queue *queue_for(struct heald_locks *locks, const struct heald_word *word,
                                          bool wakes_one)
{
    struct heald_wait_queue *queue = free_queue(locks);

    if (!queue)
        return NULL;
    queue->wakes_one = wakes_one;
    queue->many = NULL;
    queue->count = 1;
    queue->word = *word;
    list_queue(locks, queue);
    return queue;
}

/* Waits at the queue of this word from now on, the i-th of the entry's. */
static void join(struct heald_locks *locks, struct heald_entry *entry, unsigned i,
                 const struct heald_word *word)
{
    struct heald_wait_place *place = &entry->places[i];

    if (!place->queue || place->queue->word.word != word->word) {
        struct heald_wait_queue *queue = find_queue(locks, word->word);
        leave(locks, place);
        stand(entry, i, queue ? queue : queue_for(locks, word, i == REGION_WORDS - 1));
    }
    struct heald_wait_queue *queue = place->queue;
    if (!queue)
        return;
    if (queue->word.seen != word->seen) {
        disarm(locks, queue);
        queue->word.seen = word->seen;
    }
    if (queue->state == QUEUE_IDLE)
        arm(locks, queue);
}

/* Waits at a queue of its own. */
static void wait_alone(struct heald_locks *locks, struct heald_entry *entry)
{
    const struct heald_wait *wait = &entry->wait;
    struct heald_wait_place *place = &entry->places[0];

    if (!wait->count) {
        leave(locks, place);
        return;
    }
    if (!place->queue)
        stand(entry, 0, free_queue(locks));
    struct heald_wait_queue *queue = place->queue;
    if (!queue)
        return;
    if (queue->word.word != wait->few.word || queue->word.seen != wait->few.seen)
        disarm(locks, queue);
    if (queue->state != QUEUE_IDLE)
        return;
    queue->wakes_one = true;
    queue->many = wait->words;
    queue->count = wait->count;
    queue->word = wait->few;
    arm(locks, queue);
}

void heald__entry_wait(struct heald_locks *locks, struct heald_entry *entry)
{
    const struct region_wait *wait = &entry->wait.region;
    struct heald_word words[REGION_WORDS];

    if (wait_is_futex(&entry->wait)) {
        wait_alone(locks, entry);
        return;
    }
    unsigned count = heald__region_words(wait, words);
    for (unsigned i = 0; i < count; i++)
        join(locks, entry, i, &words[i]);
    for (unsigned i = count; i < REGION_WORDS; i++)
        leave(locks, &entry->places[i]);
    /* The words of a holder that has died do not show it. */
    if (wait->holder && count < REGION_WORDS && heald__region_has_changed(wait))
        heald__entry_due(locks, entry);
}

bool heald__entry_withdraw(struct heald_locks *locks, struct heald_entry *entry)
{
    struct heald_wait_queue *queue = entry->places[0].queue;

    if (!queue)
        return true;
    disarm(locks, queue);
    if (queue->state != QUEUE_IDLE)
        locks->waiter.ops->flush(&locks->waiter);
    return queue->state == QUEUE_IDLE;
}

/* It may have been woken by a lifeline, and will not look any more. */
static void pass_on(const struct heald_entry *entry)
{
    const struct heald_wait_queue *life = entry->places[REGION_WORDS - 1].queue;

    if (life)
        heald__plat_word_wake_one(life->word.word);
}

void heald__locks_remove(struct heald_locks *locks, struct heald_op *op)
{
    struct heald_entry *entry = entry_of(op);

    if (list_linked(&entry->due)) {
        list_remove(&entry->due);
        pass_on(entry);
    }
    for (unsigned i = 0; i < REGION_WORDS; i++)
        leave(locks, &entry->places[i]);
    list_push(&locks->free_entries, &entry->due);
    op->aux.next = NULL;
    if (locks->next == &op->link)
        locks->next = op->link.next;
    list_remove(&op->link);
    locks->count--;
    locks->others -= op_has_no_region(op);
}

void heald__entry_due(struct heald_locks *locks, struct heald_entry *entry)
{
    locks->loop->attention.try = true;
    if (!list_linked(&entry->due))
        list_push(&locks->due, &entry->due);
}

void heald__locks_all_due(struct heald_locks *locks)
{
    for (struct heald_link *n = locks->pending.next; n != &locks->pending; n = n->next)
        heald__entry_due(locks, entry_of(fds_op(n)));
}

void heald__wait_queue_ended(struct heald_locks *locks, struct heald_wait_queue *queue, int woken)
{
    bool is_heard = queue->state == QUEUE_ARMED && !list_empty(&queue->places);

    queue->state = QUEUE_IDLE;
    if (woken >= 0 && queue->wakes_one && !is_heard)
        heald__plat_word_wake_one(heald__wait_queue_word(queue, (unsigned)woken).word);
    if (list_empty(&queue->places))
        list_push(&locks->free_queues, &queue->free);
    for (struct heald_link *n = queue->places.next; n != &queue->places; n = n->next) {
        struct heald_entry *entry = heald_container_of(n, struct heald_wait_place, link)->entry;
        if (woken >= 0 && is_heard && op_has_no_region(entry->op))
            entry->op->result = woken + 1;
        heald__entry_due(locks, entry);
    }
}

/* As heald__region_has_changed(), but the check whether a holder lives, which takes a system call,
 * is made once a tick for all its waiters. */
static bool wait_has_ended(const struct heald_locks *locks, const struct heald_entry *entry)
{
    struct region_wait wait = entry->wait.region;
    struct heald_wait_queue *life = entry->places[REGION_WORDS - 1].queue;
    bool is_known = life && life->asked == locks->ticks && life->holder == wait.holder;

    wait.holder = is_known ? 0 : wait.holder;
    if (heald__region_has_changed(&wait))
        return true;
    if (life && !is_known) {
        life->asked = locks->ticks;
        life->holder = wait.holder;
    }
    return false;
}

/* Is there a reason to try it that no wake need have reported? */
static bool has_reason(const struct heald_locks *locks, const struct heald_entry *entry)
{
    const struct heald_wait *wait = &entry->wait;
    const struct heald_wait_queue *queue = entry->places[0].queue;

    return !queue || queue->state == QUEUE_IDLE || wait_is_futex(wait) || wait->region.several ||
           wait_has_ended(locks, entry);
}

int64_t heald__locks_tick_ns(const struct heald_locks *locks)
{
    unsigned rarer = locks->count / SHARE_MIN;

    /* Where no word is waited for, trying is all there is. */
    if (!heald__words_sleep && locks->others)
        return TRY_NS;
    if (rarer > RARER_MAX)
        rarer = RARER_MAX;
    return REGION_RECHECK_NS * (rarer ? rarer : 1);
}

void heald__locks_tick(struct heald_locks *locks)
{
    unsigned share = locks->count / SHARES + 1;

    locks->ticks++;
    if (share < SHARE_MIN)
        share = SHARE_MIN < locks->count ? SHARE_MIN : locks->count;
    while (share--) {
        if (locks->next == &locks->pending)
            locks->next = locks->next->next;
        struct heald_entry *entry = entry_of(fds_op(locks->next));
        locks->next = locks->next->next;
        if (has_reason(locks, entry))
            heald__entry_due(locks, entry);
    }
    /* The waiter waits for the next tick from here. */
    locks->loop->attention.try = true;
}
