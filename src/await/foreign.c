/*
 * await/foreign.c: the locks of others, as ops: one look, and giving up: the column `attempt` of
 * op/kinds.h. The loop's thread; lock.c calls.
 *
 * An unlock of the C library's mutex and a sem_post() wake one of those who wait, and the word says
 * no more: so whoever was woken must take what there is, or wake the next. An op that gives up does
 * so always, when nothing waits for it any more (road.h, withdraw), for whether it was woken need
 * not be known. One that took what it waited for is not over before that, either: a wake that came
 * too late for it is passed on by the road. What is woken and finds nothing goes on waiting, as
 * everybody else does there.
 *
 * No wake is lost: of a mutex the word is compared with what it was when FUTEX_WAITERS was set in
 * it; of a semaphore the value is looked at once more after the op was counted as a waiter, and
 * then compared with 0. An unlock clears FUTEX_WAITERS and wakes one: so who takes the mutex after
 * it waited sets the flag again, others may be asleep still (glibc's BZ 20973).
 */
#include "await/foreign.h"

#include "platform/foreign.h"

#include <errno.h>

enum { TRIES = 100 };

/* A word that never is what was seen ends the wait at once. */
static int wait_for(struct heald_wait *wait, uint32_t *word, uint32_t seen)
{
    *wait = (struct heald_wait){.few = {word, seen}, .count = word != NULL};
    return -EBUSY;
}

static int look_at_mutex(struct heald_op *op, struct heald_wait *ret_wait)
{
    pthread_mutex_t *mutex = op->u.foreign.object;
    uint32_t *word = op->u.foreign.word, seen;
    bool first = !op->u.foreign.waited;

    for (int i = 0; i < TRIES; i++) {
        int err = pthread_mutex_trylock(mutex);
        if ((err == 0 || err == EOWNERDEAD) && word && !first)
            heald__plat_mutex_mark(word);
        if (err != EBUSY && (err != EDEADLK || first))
            return -err;
        if (first && word && heald__plat_mutex_is_mine(word))
            return -EDEADLK;
        op->u.foreign.waited = FOREIGN_WAITED;
        if (!word || heald__plat_mutex_arm(word, &seen))
            return wait_for(ret_wait, word, word ? seen : 0);
    }
    /* It goes from hand to hand, and the loop has other things to do. */
    return wait_for(ret_wait, word, UINT32_MAX);
}

static void give_up_mutex(struct heald_op *op)
{
    if (op->u.foreign.word)
        heald__plat_word_wake_one(op->u.foreign.word);
}

static int look_at_sem_value(struct heald_op *op, struct heald_wait *ret_wait)
{
    sem_t *sem = op->u.foreign.object;
    uint32_t *word = heald__plat_sem_word(sem);

    if (sem_trywait(sem) == 0)
        return 0;
    if (errno != EAGAIN)
        return -errno;
    if (!op->u.foreign.waited) {
        op->u.foreign.waited = FOREIGN_WAITED;
        heald__plat_sem_waiters(sem, 1);
        /* One that was posted before that woke nobody. */
        if (sem_trywait(sem) == 0)
            return 0;
    }
    return wait_for(ret_wait, word, 0);
}

static int look_at_sem(struct heald_op *op, struct heald_wait *ret_wait)
{
    int err = look_at_sem_value(op, ret_wait);

    if (err != -EBUSY && op->u.foreign.waited)
        heald__plat_sem_waiters(op->u.foreign.object, -1);
    return err;
}

static void give_up_sem(struct heald_op *op)
{
    uint32_t *word = heald__plat_sem_word(op->u.foreign.object);

    heald__plat_sem_waiters(op->u.foreign.object, -1);
    if (word)
        heald__plat_word_wake_one(word);
}

static bool differs(const struct heald_futex *f)
{
    /* Acquire: what made it change is seen with it. */
    return __atomic_load_n(f->word, __ATOMIC_ACQUIRE) != f->expected;
}

static int look_at_word(struct heald_op *op, struct heald_wait *ret_wait)
{
    const struct heald_futex f = {op->u.foreign.object, op->u.foreign.expected};

    return op->result || differs(&f) ? 0 : wait_for(ret_wait, f.word, f.expected);
}

static void give_up_word(struct heald_op *op)
{
    heald__plat_word_wake_one(op->u.foreign.object);
}

static int look_at_any(struct heald_op *op, struct heald_wait *ret_wait)
{
    const struct heald_futex *words = op->u.foreign.object;
    unsigned count = op->u.foreign.expected;

    if (op->result)
        return (int)op->result - 1;
    for (unsigned i = 0; i < count; i++)
        if (differs(&words[i]))
            return (int)i;
    *ret_wait = (struct heald_wait){.words = words, .count = count};
    return -EBUSY;
}

static void give_up_any(struct heald_op *op)
{
    const struct heald_futex *words = op->u.foreign.object;

    for (unsigned i = 0; i < op->u.foreign.expected; i++)
        heald__plat_word_wake_one(words[i].word);
}

struct foreign_kind {
    int (*look)(struct heald_op *op, struct heald_wait *ret_wait);
    void (*give_up)(struct heald_op *op);
};

#define FOREIGN_ROW(kind, name, events, start, cancel, attempt, ...) \
    [OP_##kind] = {look_at_##attempt, give_up_##attempt},

static const struct foreign_kind kinds[OP_KINDS] = {HEALD_KINDS_FOREIGN(FOREIGN_ROW)};

int heald__foreign_look(struct heald_op *op, struct heald_wait *ret_wait)
{
    assert(op_is_foreign(op));
    return kinds[op->kind].look(op, ret_wait);
}

int heald__foreign_begin(struct heald_op *op, struct heald_wait *ret_wait)
{
    int err = 0;

    if (op->kind == OP_PTHREAD_MUTEX) {
        op->u.foreign.word = NULL;
        err = heald__plat_mutex_word(op->u.foreign.object, &op->u.foreign.word);
    }
    op->u.foreign.waited = 0;
    return err ? err : heald__foreign_look(op, ret_wait);
}

void heald__foreign_give_up(struct heald_op *op)
{
    assert(op_is_foreign(op));
    kinds[op->kind].give_up(op);
}
