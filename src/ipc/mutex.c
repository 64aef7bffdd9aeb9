/*
 * ipc/mutex.c: a mutex that knows its holder. Any thread, as the participant it is.
 *
 * `word` is 0 in its low half when nobody holds it; else the holder's id (slot and generation, see
 * region/region.h) and flags. It is taken by one compare-and-swap and given back by one change: a
 * holder that is killed before has it, after has not, and there is nothing between.
 *
 * Argument, exclusion: a word that names a holder changes in four ways: the holder gives it back; a
 * waiter sets WAITERS; the holder clears INCONSISTENT; or somebody takes it from a holder whose
 * generation has gone by, which it does only once the lifeline was let go (region/register.c), so
 * when the holder runs no more. A generation is never used twice (2^31 of them), so nobody is
 * mistaken for a holder who died.
 *
 * No wake is lost: who waits sets WAITERS with a compare-and-swap on the word he looked at, and
 * sleeps only while the low half is still that; who gives back a word with WAITERS wakes all who
 * sleep on it, in the same system call that clears it (platform/futex.h), so a kill cannot come
 * between. All are woken: one who is being killed would keep a single wake to himself. The word
 * that is taken over from the dead loses WAITERS; those who sleep on it were told by their bells
 * when the death was settled, and a bell is read before the word.
 *
 * Clearing changes the low half alone; the generation that stays above it means nothing.
 */
#include "ipc/monitor.h"

#include <errno.h>

enum { WAITERS = 1, INCONSISTENT = 2, SPINS = 100 };

/* The low half when it was given up for ever: no participant has that slot. */
#define LOST UINT32_MAX

static bool is_free(uint64_t word)
{
    return (uint32_t)word == 0;
}

/* Acquire: pairs with the release in heald_mutex_unlock(). On failure *word is what it is now. */
static bool change(struct heald_mutex *mutex, uint64_t *word, uint64_t to)
{
    return __atomic_compare_exchange_n(&mutex->word, word, to, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_ACQUIRE);
}

static uint64_t look(const struct heald_mutex *mutex)
{
    return __atomic_load_n(&mutex->word, __ATOMIC_ACQUIRE);
}

int heald_mutex_init(struct heald_mutex *mutex, unsigned flags)
{
    if (flags & ~(unsigned)HEALD_MUTEX_RECURSIVE)
        return -EINVAL;
    *mutex = (struct heald_mutex){.flags = flags};
    return 0;
}

/* The caller holds it already. */
static int lock_again(struct heald_mutex *mutex)
{
    if (!(mutex->flags & HEALD_MUTEX_RECURSIVE))
        return -EDEADLK;
    if (mutex->depth == UINT32_MAX)
        return -EAGAIN;
    mutex->depth++;
    return 0;
}

/*
 * One look at the mutex. 0 and -EOWNERDEAD: it is the caller's. -EBUSY: *word is held by somebody
 * who lives. All else is final.
 */
static int attempt(struct heald_mutex *mutex, struct heald_participant *me, uint64_t *word,
                   int (*again)(struct heald_mutex *))
{
    for (*word = look(mutex);;) {
        if (is_free(*word)) {
            if (change(mutex, word, me->id))
                return 0;
            continue;
        }
        if ((uint32_t)*word == LOST)
            return -ENOTRECOVERABLE;
        if (region_id(*word) == me->id)
            return again(mutex);
        int err = region_is_gone(me->region, region_id(*word));
        if (err != -EOWNERDEAD)
            return err ? err : -EBUSY;
        if (change(mutex, word, me->id | INCONSISTENT)) {
            mutex->depth = 0;
            return -EOWNERDEAD;
        }
    }
}

/* While another processor holds it for a moment, sleeping and waking would take longer. */
static void spin(const struct heald_mutex *mutex)
{
    for (int i = 0; i < SPINS && !is_free(__atomic_load_n(&mutex->word, __ATOMIC_RELAXED)); i++)
        heald_plat_pause();
}

/* One look, after which the caller has it or may wait. */
static int look_and_arm(struct heald_mutex *mutex, struct heald_participant *me,
                        int (*again)(struct heald_mutex *), struct region_wait *ret_wait)
{
    for (;;) {
        uint32_t bell = region_bell(me);
        uint64_t word;
        int err = attempt(mutex, me, &word, again);

        if (err != -EBUSY)
            return err;
        if (!(word & WAITERS) && !change(mutex, &word, word | WAITERS))
            continue;
        *ret_wait = (struct region_wait){.me = me,
                                         .word = region_half(&mutex->word),
                                         .seen = (uint32_t)word | WAITERS,
                                         .bell = bell,
                                         .holder = region_id(word)};
        return -EBUSY;
    }
}

static int lock_slowly(struct heald_mutex *mutex, struct heald_participant *me, int64_t deadline_ns)
{
    struct region_wait wait;
    int err;

    spin(mutex);
    while ((err = look_and_arm(mutex, me, lock_again, &wait)) == -EBUSY)
        if ((err = region_wait(&wait, deadline_ns)))
            break;
    return err;
}

/* An op waits also for another op of its own participant. */
static int wait_for_myself(struct heald_mutex *mutex)
{
    (void)mutex;
    return -EBUSY;
}

int ipc_mutex_begin(struct heald_mutex *mutex, struct heald_participant *me,
                    struct region_wait *ret_wait)
{
    return me->id ? look_and_arm(mutex, me, wait_for_myself, ret_wait) : -ESTALE;
}

static int look_for_op(void *object, struct heald_participant *me, int64_t *memory,
                       struct region_wait *wait)
{
    (void)memory;
    return ipc_mutex_begin(object, me, wait);
}

const struct ipc_form ipc_mutex_form = {.look = look_for_op};

/* The usual case: nobody holds it. */
static inline bool lock_at_once(struct heald_mutex *mutex, const struct heald_participant *me)
{
    uint64_t word = __atomic_load_n(&mutex->word, __ATOMIC_RELAXED);

    return is_free(word) && me->id && change(mutex, &word, me->id);
}

int heald_mutex_lock(struct heald_mutex *mutex, struct heald_participant *me, int64_t deadline_ns)
{
    if (lock_at_once(mutex, me))
        return 0;
    return me->id ? lock_slowly(mutex, me, deadline_ns) : -ESTALE;
}

int heald_mutex_trylock(struct heald_mutex *mutex, struct heald_participant *me)
{
    uint64_t word;

    if (lock_at_once(mutex, me))
        return 0;
    return me->id ? attempt(mutex, me, &word, lock_again) : -ESTALE;
}

/* Does the caller hold it? 0, and the word; -EPERM, -ESTALE. */
static int check_mine(const struct heald_mutex *mutex, const struct heald_participant *me,
                      uint64_t *ret_word)
{
    /* Relaxed: only the caller can have made it his own. */
    *ret_word = __atomic_load_n(&mutex->word, __ATOMIC_RELAXED);
    if (!me->id)
        return -ESTALE;
    return region_id(*ret_word) == me->id ? 0 : -EPERM;
}

/* Gives it back, or up. Release: pairs with change(). */
static void let_go(struct heald_mutex *mutex, uint64_t word)
{
    if (word & INCONSISTENT) {
        heald_plat_word_set(region_half(&mutex->word), -1);
        return;
    }
    while (!(word & WAITERS))
        if (__atomic_compare_exchange_n(&mutex->word, &word, 0, false, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED))
            return;
    heald_plat_word_set(region_half(&mutex->word), 0);
}

int heald_mutex_unlock(struct heald_mutex *mutex, struct heald_participant *me)
{
    uint64_t word;
    int err = check_mine(mutex, me, &word);

    if (err)
        return err;
    if (mutex->depth)
        mutex->depth--;
    else
        let_go(mutex, word);
    return 0;
}

int ipc_mutex_may_wait(const struct heald_mutex *mutex, const struct heald_participant *me)
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
