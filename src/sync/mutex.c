/*
 * sync/mutex.c: a mutex that knows its holder. Any thread, as the participant it is.
 *
 * `word` is 0 in its low half when the mutex has no holder; else the holder's id (slot and
 * generation, see region/region.h) and flags. It is acquired by one compare-and-swap and released
 * by one change: a holder that is killed before has it, after has not, and there is nothing
 * between.
 *
 * Argument, exclusion: a word that names a holder changes in four ways: the holder releases it; a
 * waiter sets WAITERS; the holder clears INCONSISTENT; or a participant takes it over from a holder
 * whose generation has passed, which it does only once the lifeline was released
 * (region/register.c), so when the holder no longer runs. A generation is never used twice (2^31 of
 * them), so no participant is mistaken for a holder that died.
 *
 * No wake is lost: a waiter sets WAITERS with a compare-and-swap on the word it read, and sleeps
 * only while the low half is still that; a holder that releases a word with WAITERS wakes all that
 * sleep on it, in the same system call that clears it (platform/futex.h), so a kill cannot come
 * between. All are woken: one that is being killed would consume a single wake. The word that is
 * taken over from a dead holder loses WAITERS; those that sleep on it were woken by their bells
 * when the death was recorded, and a bell is read before the word.
 *
 * Clearing changes the low half alone; the generation that stays above it means nothing.
 *
 * A fair mutex is handed over by being released as free but with WAITERS, so that no participant
 * acquires it by the one compare-and-swap; every waiter checks whether a living one is before it in
 * the queue (region/wait_queue.c), and only one that finds none acquires it. The others go on
 * sleeping on the free word, and watch the life of the one before them: it acquires the mutex, or
 * dies, or leaves the queue and wakes all.
 *
 * To hand over to a sleeper costs the time in which it wakes up, during which the mutex has no
 * holder: so it is released as any other, and newcomers may have it meanwhile, until a waiter is
 * awake. A waiter that finds it free, but is not next, sets WAITERS on the free word: from then on
 * it is handed over. One that was woken and finds it held again sets HANDOFF: its holder hands it
 * over. And since a waiter may not get a processor, each 512th release hands it over if the queue
 * is not empty (TURN has wrapped around). HANDOFF may be lost to a release at the same moment; the
 * other two cannot. The word is then another for each that is first: else it would be the same as
 * the last time, and a waiter that tries periodically, where there are no futexes, would not see
 * that it had a holder. None is first twice while another waits.
 *
 * So others sleep on a word that is free, and no wake of theirs is lost either: a fair word counts
 * in TURN how often it was released, and how often a first one left, so that none falls asleep on a
 * word that had a holder since it read it; and one that acquires a word with WAITERS leaves them
 * set. It clears them if it finds the queue empty, checks the queue once more, and sets them again
 * if there is a waiter by then. A waiter is in the queue before it compares the word: so it is seen
 * by that check, or compares a word without WAITERS and does not sleep. None sleeps on a free word
 * without WAITERS.
 *
 * Tickets that are drawn in the region decide the order, so no clock is read, and the order is the
 * same for all. One that draws a ticket and dies, or is late with its place, is not waited for: a
 * place counts from when it is seen, dead participants are skipped, and one that gives up leaves
 * its place before it wakes all.
 *
 * Model: test/model/mutex.pml; its steps are named after the functions here.
 */
#include "sync/lockdep.h"
#include "sync/owner.h"
#include "sync/wait_ops.h"

#include <errno.h>

/* TURN: no more than heald__plat_word_set() can set. */
enum {
    WAITERS = OWNER_WAITERS,
    INCONSISTENT = 2,
    TURN_ONE = 4,
    TURN = 0x7fc,
    HANDOFF = 0x800,
    SPINS = 100,
    FIRST_TURNS = 64
};

static bool is_free(uint64_t word)
{
    return !((uint32_t)word & ~(uint32_t)(WAITERS | TURN));
}

/* The word of a fair mutex after its release, but for WAITERS. */
static uint32_t next_turn(uint64_t word)
{
    return ((uint32_t)word + TURN_ONE) & TURN;
}

/* Acquire: pairs with the release in heald_mutex_unlock(). On failure *word is what it is now. */
static bool change(struct heald_mutex *mutex, uint64_t *word, uint64_t to)
{
    return __atomic_compare_exchange_n(&mutex->word, word, to, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_ACQUIRE);
}

static uint64_t load_word(const struct heald_mutex *mutex)
{
    return __atomic_load_n(&mutex->word, __ATOMIC_ACQUIRE);
}

int heald_mutex_init(struct heald_mutex *mutex, unsigned flags)
{
    if (flags & ~(unsigned)(HEALD_MUTEX_RECURSIVE | HEALD_MUTEX_FAIR))
        return -EINVAL;
    *mutex = (struct heald_mutex){.flags = (uint8_t)flags};
    return 0;
}

static inline void stamp(struct heald_mutex *mutex, const struct heald_participant *me,
                         uint64_t site, int64_t now)
{
    uint64_t *last = mutex->last;
    uint8_t turn = __atomic_load_n(&mutex->turn, __ATOMIC_RELAXED);

    /* What is so already is not stored again: the word that others load_word at lies beside it. */
    if (__atomic_load_n(&mutex->site, __ATOMIC_RELAXED) != site)
        __atomic_store_n(&mutex->site, site, __ATOMIC_RELAXED);
    if (__atomic_load_n(&last[turn % HEALD_MUTEX_LAST], __ATOMIC_RELAXED) != me->who) {
        turn++;
        __atomic_store_n(&last[turn % HEALD_MUTEX_LAST], me->who, __ATOMIC_RELAXED);
        __atomic_store_n(&mutex->turn, turn, __ATOMIC_RELAXED);
    }
    if (__atomic_load_n(&mutex->since, __ATOMIC_RELAXED) != now)
        __atomic_store_n(&mutex->since, now, __ATOMIC_RELAXED);
}

static void acquired(void *object, struct heald_participant *me, uint64_t site)
{
    struct heald_mutex *mutex = object;

    stamp(mutex, me, site, heald__region_stamp(me));
    if (me->is_traced)
        heald__lockdep_acquired(me, mutex);
}

/* It has no holder. May the caller have it? *ret_before: the one that must have it first. A
 * newcomer need not ask where it was not handed over. */
static bool is_next(struct heald_mutex *mutex, struct heald_participant *me, uint64_t word,
                    bool is_new, uint64_t *ret_before)
{
    bool are_behind;

    *ret_before = 0;
    if (mutex->flags & HEALD_MUTEX_FAIR && (word & WAITERS || !is_new))
        *ret_before = heald__region_first_waiter(me, mutex, &are_behind);
    return !*ret_before;
}

/* Is there another waiter? One may also be before the caller that has the mutex: one that was
 * enqueued after the caller read the queue. */
static bool is_queue_empty(struct heald_mutex *mutex, struct heald_participant *me)
{
    bool are_behind;

    /* Seq_cst: the word is read before the queue; pairs with enqueuing before the word is compared.
     */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return !heald__region_first_waiter(me, mutex, &are_behind) && !are_behind;
}

/* The caller has acquired it and left WAITERS set. If the queue is empty, its release need not wake
 * any. One that was enqueued since the first check, and sleeps as WAITERS was still set, is found
 * by the second. */
static void drop_waiters(struct heald_mutex *mutex, struct heald_participant *me, uint64_t word)
{
    uint64_t without = word & ~(uint64_t)WAITERS;

    if (!is_queue_empty(mutex, me) || !change(mutex, &word, without))
        return;
    if (!is_queue_empty(mutex, me))
        change(mutex, &without, word);
}

/* Takes one that is free. */
static bool take(struct heald_mutex *mutex, struct heald_participant *me, uint64_t *word)
{
    bool is_fair = mutex->flags & HEALD_MUTEX_FAIR;
    uint64_t to = is_fair ? me->id | (*word & (TURN | WAITERS)) : me->id;

    if (!change(mutex, word, to))
        return false;
    if (to & WAITERS)
        drop_waiters(mutex, me, to);
    return true;
}

/* The caller holds it already. */
static int lock_again(struct heald_mutex *mutex)
{
    if (!(mutex->flags & HEALD_MUTEX_RECURSIVE))
        return -EDEADLK;
    if (mutex->depth == UINT16_MAX)
        return -EAGAIN;
    mutex->depth++;
    return 0;
}

/*
 * One try at the mutex. 0 and -EOWNERDEAD: it is the caller's. -EBUSY: *word is held by a living
 * participant, *ret_other (0: by the caller), or free and that one's to acquire. All else is final.
 */
static int attempt(struct heald_mutex *mutex, struct heald_participant *me, uint64_t *word,
                   int (*again)(struct heald_mutex *), bool is_new, bool tries, uint64_t *ret_other)
{
    for (*word = load_word(mutex);;) {
        if (is_free(*word)) {
            if (!is_next(mutex, me, *word, is_new, ret_other))
                return -EBUSY;
            if (take(mutex, me, word))
                return 0;
            continue;
        }
        if ((uint32_t)*word == OWNER_LOST)
            return -ENOTRECOVERABLE;
        *ret_other = 0;
        if (region_id(*word) == me->id)
            return again(mutex);
        *ret_other = region_id(*word);
        int err = heald__region_ask(me, *ret_other, tries);
        if (err != -EOWNERDEAD)
            return err ? err : -EBUSY;
        if (change(mutex, word, me->id | INCONSISTENT | (*word & TURN))) {
            mutex->depth = 0;
            return -EOWNERDEAD;
        }
    }
}

/* While another processor holds it for a moment, sleeping and waking would take longer. */
static void spin(const struct heald_mutex *mutex)
{
    for (int i = 0; i < SPINS && !is_free(__atomic_load_n(&mutex->word, __ATOMIC_RELAXED)); i++)
        heald__plat_pause();
}

/* Has its holder wake the caller, which read it when it was *word, and if `hand_over` also hand it
 * over. False: read it again. */
static bool arm(struct heald_mutex *mutex, uint64_t *word, bool hand_over)
{
    if (!hand_over || is_free(*word) || *word & HANDOFF)
        return owner_arm(&mutex->word, word);
    return owner_change(&mutex->word, word, *word | WAITERS | HANDOFF);
}

/* One load_word, after which the caller has it or may wait. *tries: how many there were in this
 * wait. */
static int try_and_arm(struct heald_mutex *mutex, struct heald_participant *me,
                       int (*again)(struct heald_mutex *), int64_t *tries,
                       struct region_wait *ret_wait)
{
    bool is_fair = mutex->flags & HEALD_MUTEX_FAIR;

    for (;;) {
        uint32_t bell = region_bell(me);
        uint64_t word, other;
        int err = attempt(mutex, me, &word, again, !*tries, false, &other);

        if (err != -EBUSY)
            return err;
        if (!arm(mutex, &word, is_fair && *tries))
            continue;
        ++*tries;
        *ret_wait = (struct region_wait){.me = me,
                                         .word = region_half(&mutex->word),
                                         .seen = (uint32_t)word,
                                         .bell = bell,
                                         .holder = other,
                                         .several = is_free(word)};
        if (!ret_wait->several)
            heald__region_note_wait(me, other, &mutex->since);
        return -EBUSY;
    }
}

/* An op waits also for another op of its own participant. */
static int wait_for_myself(struct heald_mutex *mutex)
{
    (void)mutex;
    return -EBUSY;
}

int heald__mutex_try(struct heald_mutex *mutex, struct heald_participant *me, int64_t *tries,
                     struct region_wait *ret_wait)
{
    return me->id ? try_and_arm(mutex, me, wait_for_myself, tries, ret_wait) : -ESTALE;
}

static int try_for_op(void *object, struct heald_participant *me, int64_t *memory,
                      struct region_wait *wait)
{
    return heald__mutex_try(object, me, memory, wait);
}

static int try_alone(void *object, struct heald_participant *me, int64_t *memory,
                     struct region_wait *wait)
{
    return try_and_arm(object, me, lock_again, memory, wait);
}

/* Out of the queue before it had the mutex: those behind sleep on a word that is free, or are about
 * to. */
static int abandon(void *object, struct heald_participant *me, int64_t *memory)
{
    struct heald_mutex *mutex = object;

    (void)me;
    (void)memory;
    if (mutex->flags & HEALD_MUTEX_FAIR) {
        uint64_t word = load_word(mutex);
        while (is_free(word) && !change(mutex, &word, next_turn(word) | WAITERS))
            continue;
        heald__plat_word_wake(region_half(&mutex->word));
    }
    return -EBUSY;
}

const struct sync_wait_ops heald__mutex_wait_ops = {.try = try_for_op,
                                                    .abandon = abandon,
                                                    .kind = HEALD_OBJECT_MUTEX,
                                                    .acquired = acquired,
                                                    .inherits = true};
static const struct sync_wait_ops mutex_alone = {.try = try_alone,
                                                 .abandon = abandon,
                                                 .kind = HEALD_OBJECT_MUTEX,
                                                 .acquired = acquired,
                                                 .inherits = true};

/* The usual case: nobody holds it. */
static inline bool lock_at_once(struct heald_mutex *mutex, const struct heald_participant *me)
{
    uint64_t word = __atomic_load_n(&mutex->word, __ATOMIC_RELAXED);

    return !((uint32_t)word & ~(uint32_t)TURN) && me->id &&
           change(mutex, &word, me->id | (word & TURN));
}

static int lock_slowly(struct heald_mutex *mutex, struct heald_participant *me, int64_t deadline_ns)
{
    if (!me->id)
        return -ESTALE;
    spin(mutex);
    return heald__sync_block(&mutex_alone, mutex, me, deadline_ns);
}

/* It was free. The time is not taken: the clock would be a good part of what the lock costs. */
static inline void note_at_once(struct heald_mutex *mutex, struct heald_participant *me,
                                uint64_t site)
{
    if (me->is_traced)
        acquired(mutex, me, site);
    else
        stamp(mutex, me, site, 0);
}

int heald__mutex_lock_from(struct heald_mutex *mutex, struct heald_participant *me,
                           int64_t deadline_ns, uint64_t site)
{
    if (me->is_traced)
        heald__lockdep_acquire(me, mutex, site);
    if (lock_at_once(mutex, me)) {
        note_at_once(mutex, me, site);
        return 0;
    }
    me->site = site;
    return sync_acquired(&mutex_alone, mutex, me, site, lock_slowly(mutex, me, deadline_ns));
}

int heald_mutex_lock(struct heald_mutex *mutex, struct heald_participant *me, int64_t deadline_ns)
{
    return heald__mutex_lock_from(mutex, me, deadline_ns, SYNC_SITE);
}

int heald_mutex_trylock(struct heald_mutex *mutex, struct heald_participant *me)
{
    uint64_t word, other;
    int err = me->id ? attempt(mutex, me, &word, lock_again, true, true, &other) : -ESTALE;

    return sync_acquired(&mutex_alone, mutex, me, SYNC_SITE, err);
}

/* Does the caller hold it? 0, and the word; -EPERM, -ESTALE. */
static int check_mine(const struct heald_mutex *mutex, const struct heald_participant *me,
                      uint64_t *ret_word)
{
    /* Relaxed: only the caller can have made itself the holder. */
    *ret_word = __atomic_load_n(&mutex->word, __ATOMIC_RELAXED);
    if (!me->id)
        return -ESTALE;
    return region_id(*ret_word) == me->id ? 0 : -EPERM;
}

/* The word of a fair mutex that is released: with WAITERS it is handed over. */
static uint32_t next_word(struct heald_mutex *mutex, struct heald_participant *me, uint64_t word)
{
    uint32_t turn = next_turn(word);
    bool are_behind;

    if (word & HANDOFF)
        return turn | WAITERS;
    uint64_t first = turn ? 0 : heald__region_first_waiter(me, mutex, &are_behind);
    if (!first)
        return turn;
    /* Another word for each that may be first: see above. */
    return (region_id_slot(first) % FIRST_TURNS + 1) * TURN_ONE | WAITERS;
}

/* Releases it, or marks it as lost. With `also`, the waiters of that word are woken in the same
 * step. */
static void let_go(struct heald_mutex *mutex, struct heald_participant *me, uint64_t word,
                   uint32_t *also)
{
    uint32_t next = mutex->flags & HEALD_MUTEX_FAIR ? next_word(mutex, me, word) : 0;
    int to = word & INCONSISTENT ? -1 : (int)next;

    if (also)
        heald__plat_words_set(region_half(&mutex->word), to, also);
    else if (word & INCONSISTENT || next & WAITERS)
        heald__plat_word_set(region_half(&mutex->word), to);
    else
        owner_release(&mutex->word, word, next, to);
}

static int unlock(struct heald_mutex *mutex, struct heald_participant *me, uint32_t *also)
{
    uint64_t word;
    int err = check_mine(mutex, me, &word);

    if (err)
        return err;
    if (me->is_traced)
        heald__lockdep_release(me, mutex);
    /* Relaxed: letting go releases it. */
    if (also)
        __atomic_fetch_add(also, 1, __ATOMIC_RELAXED);
    if (!mutex->depth) {
        let_go(mutex, me, word, also);
        return 0;
    }
    mutex->depth--;
    if (also)
        heald__plat_word_wake(also);
    return 0;
}

int heald_mutex_unlock(struct heald_mutex *mutex, struct heald_participant *me)
{
    return unlock(mutex, me, NULL);
}

int heald__mutex_unlock_and_count(struct heald_mutex *mutex, struct heald_participant *me,
                                  uint32_t *also)
{
    return unlock(mutex, me, also);
}

int heald__mutex_may_wait(const struct heald_mutex *mutex, const struct heald_participant *me)
{
    uint64_t word;
    int err = check_mine(mutex, me, &word);

    if (err)
        return err;
    return mutex->depth || word & INCONSISTENT ? -EINVAL : 0;
}

int heald_mutex_consistent(struct heald_mutex *mutex, struct heald_participant *me)
{
    uint64_t word;
    int err = check_mine(mutex, me, &word);

    if (err)
        return err;
    if (!(word & INCONSISTENT))
        return -EINVAL;
    __atomic_fetch_and(&mutex->word, ~(uint64_t)INCONSISTENT, __ATOMIC_RELAXED);
    return 0;
}
