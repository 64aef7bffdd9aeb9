/*
 * await/futex.c: the locks of others, as ops: one try, and giving up: the column `attempt` of
 * op/kinds.h. The loop's thread; lock.c calls.
 *
 * An unlock of the C library's mutex and a sem_post() wake one waiter, and the word says no more:
 * so one that was woken must acquire the lock, or wake the next. An op that gives up always wakes
 * the next, when nothing waits for it any more (waiter.h, withdraw), because it need not know
 * whether it was woken. One that acquired what it waited for does not complete before that, either:
 * a wake that came too late for it is passed on by the waiter. One that is woken and finds nothing
 * goes on waiting, as all others do there.
 *
 * No wake is lost: of a mutex the word is compared with what it was when FUTEX_WAITERS was set in
 * it; of a semaphore the value is tried once more after the op was counted as a waiter, and then
 * compared with 0. An unlock clears FUTEX_WAITERS and wakes one: so one that locks the mutex after
 * it waited sets the flag again, others may still be asleep (glibc's BZ 20973).
 */
#include "await/futex.h"

#include "platform/libc_sync.h"

#include <errno.h>

enum { TRIES = 100 };

/* A word that never is what was seen ends the wait at once. */
static int wait_for(struct heald_wait *wait, uint32_t *word, uint32_t seen)
{
    *wait = (struct heald_wait){.few = {word, seen}, .count = word != NULL};
    return -EBUSY;
}

static int try_mutex(struct heald_op *op, struct heald_wait *ret_wait)
{
    pthread_mutex_t *mutex = op->u.futex.object;
    uint32_t *word = op->u.futex.word, seen;
    bool first = !op->u.futex.waited;

    for (int i = 0; i < TRIES; i++) {
        int err = pthread_mutex_trylock(mutex);
        if ((err == 0 || err == EOWNERDEAD) && word && !first)
            heald__plat_mutex_mark(word);
        if (err != EBUSY && (err != EDEADLK || first))
            return -err;
        if (first && word && heald__plat_mutex_is_mine(word))
            return -EDEADLK;
        op->u.futex.waited = FUTEX_OP_WAITED;
        if (!word || heald__plat_mutex_arm(word, &seen))
            return wait_for(ret_wait, word, word ? seen : 0);
    }
    /* It goes from hand to hand, and the loop has other things to do. */
    return wait_for(ret_wait, word, UINT32_MAX);
}

static void abandon_mutex(struct heald_op *op)
{
    if (op->u.futex.word)
        heald__plat_word_wake_one(op->u.futex.word);
}

static int prepare_sem_value(struct heald_op *op, struct heald_wait *ret_wait)
{
    sem_t *sem = op->u.futex.object;
    uint32_t *word = heald__plat_sem_word(sem);

    if (sem_trywait(sem) == 0)
        return 0;
    if (errno != EAGAIN)
        return -errno;
    if (!op->u.futex.waited) {
        op->u.futex.waited = FUTEX_OP_WAITED;
        heald__plat_sem_waiters(sem, 1);
        /* One that was posted before that woke nobody. */
        if (sem_trywait(sem) == 0)
            return 0;
    }
    return wait_for(ret_wait, word, 0);
}

static int try_sem(struct heald_op *op, struct heald_wait *ret_wait)
{
    int err = prepare_sem_value(op, ret_wait);

    if (err != -EBUSY && op->u.futex.waited)
        heald__plat_sem_waiters(op->u.futex.object, -1);
    return err;
}

static void abandon_sem(struct heald_op *op)
{
    uint32_t *word = heald__plat_sem_word(op->u.futex.object);

    heald__plat_sem_waiters(op->u.futex.object, -1);
    if (word)
        heald__plat_word_wake_one(word);
}

static bool differs(const struct heald_futex *f)
{
    /* Acquire: what made it change is seen with it. */
    return __atomic_load_n(f->word, __ATOMIC_ACQUIRE) != f->expected;
}

static int try_word(struct heald_op *op, struct heald_wait *ret_wait)
{
    const struct heald_futex f = {op->u.futex.object, op->u.futex.expected};

    return op->result || differs(&f) ? 0 : wait_for(ret_wait, f.word, f.expected);
}

static void abandon_word(struct heald_op *op)
{
    heald__plat_word_wake_one(op->u.futex.object);
}

static int try_any(struct heald_op *op, struct heald_wait *ret_wait)
{
    const struct heald_futex *words = op->u.futex.object;
    unsigned count = op->u.futex.expected;

    if (op->result)
        return (int)op->result - 1;
    for (unsigned i = 0; i < count; i++)
        if (differs(&words[i]))
            return (int)i;
    *ret_wait = (struct heald_wait){.words = words, .count = count};
    return -EBUSY;
}

static void abandon_any(struct heald_op *op)
{
    const struct heald_futex *words = op->u.futex.object;

    for (unsigned i = 0; i < op->u.futex.expected; i++)
        heald__plat_word_wake_one(words[i].word);
}

struct futex_kind {
    int (*try)(struct heald_op *op, struct heald_wait *ret_wait);
    void (*abandon)(struct heald_op *op);
};

#define FUTEX_ROW(kind, name, events, start, cancel, attempt, ...) \
    [OP_##kind] = {try_##attempt, abandon_##attempt},

static const struct futex_kind kinds[OP_KINDS] = {HEALD_KINDS_FUTEX(FUTEX_ROW)};

int heald__futex_try(struct heald_op *op, struct heald_wait *ret_wait)
{
    assert(op_has_no_region(op));
    return kinds[op->kind].try(op, ret_wait);
}

int heald__futex_begin(struct heald_op *op, struct heald_wait *ret_wait)
{
    int err = 0;

    if (op->kind == OP_PTHREAD_MUTEX) {
        op->u.futex.word = NULL;
        err = heald__plat_mutex_word(op->u.futex.object, &op->u.futex.word);
    }
    op->u.futex.waited = 0;
    return err ? err : heald__futex_try(op, ret_wait);
}

void heald__futex_abandon(struct heald_op *op)
{
    assert(op_has_no_region(op));
    kinds[op->kind].abandon(op);
}
