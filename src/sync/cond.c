/*
 * sync/cond.c: an event count. Any thread, as the participant it is.
 *
 * A waiter reads `sequence` while it holds the mutex and sleeps while it is unchanged; a signal
 * changes it and wakes all, in one system call that a kill finds begun or not begun
 * (platform/futex.h). So there is no state between, and nothing of a waiter but its part of
 * `waiters`: if that is too high because one died, signals cost a system call too many.
 *
 * A signal with the mutex held wakes a waiter that has to sleep again at once, for the mutex. So
 * there is a call that does both: it changes `sequence`, and then one system call unlocks the mutex
 * and wakes the waiters of either. A process that is killed between the two dies holding the mutex,
 * which the waiters watch. To move them from one word to the other (FUTEX_CMP_REQUEUE) a signal
 * would have to find the mutex from the condition, in memory that others may have corrupted, and
 * without a participant it cannot check whether that lies in the region.
 *
 * No wake is lost: a waiter counts itself before it unlocks the mutex; a participant that changes
 * the condition locks the mutex after that, and so sees the count (the mutex's release and
 * acquire), when it signals. A signal by one that changed nothing under the mutex may be missed, as
 * POSIX has it. `sequence` may wrap around in 2^32 signals while a waiter is between reading it and
 * sleeping. That waiter then sleeps until the next signal; this has not been observed.
 *
 * Model: test/model/cond.pml; its steps are named after the functions here.
 */
#include <heald/cond.h>

#include "sync/prepare_to_wait.h"

#include <errno.h>

int heald__cond_prepare_to_wait(struct heald_cond *cond, struct heald_mutex *mutex,
                                struct heald_participant *me, struct region_wait *ret_wait)
{
    int err = heald__mutex_may_wait(mutex, me);

    if (err)
        return err;
    /* Relaxed: the mutex orders all three. */
    __atomic_fetch_add(&cond->waiters, 1, __ATOMIC_RELAXED);
    *ret_wait = (struct region_wait){.me = me,
                                     .word = &cond->sequence,
                                     .seen = __atomic_load_n(&cond->sequence, __ATOMIC_RELAXED),
                                     .bell = region_bell(me),
                                     .guard = &mutex->word};
    heald_mutex_unlock(mutex, me);
    return 0;
}

void heald__cond_finish_wait(struct heald_cond *cond)
{
    __atomic_fetch_sub(&cond->waiters, 1, __ATOMIC_RELAXED);
}

int heald_cond_wait(struct heald_cond *cond, struct heald_mutex *mutex,
                    struct heald_participant *me, int64_t deadline_ns)
{
    unsigned flags = sync_wait_flags(deadline_ns);
    struct region_wait wait;
    int again, err = heald__cond_prepare_to_wait(cond, mutex, me, &wait);

    if (err)
        return err;
    me->site = SYNC_SITE;
    unsigned place = heald__region_enqueue(me, cond, HEALD_OBJECT_COND, flags, deadline_ns);
    /* A death ends the wait as well: the one that would have signalled may be gone. */
    while (!err && !heald__region_has_changed(&wait))
        err = heald__region_wait(&wait, deadline_ns);
    heald__region_dequeue(me, place);
    again = heald__mutex_lock_from(mutex, me, HEALD_FOREVER, SYNC_SITE);
    heald__cond_finish_wait(cond);
    return again ? again : err;
}

void heald_cond_signal(struct heald_cond *cond)
{
    /* Seq_cst on our side costs nothing and spares the reader the question. */
    if (__atomic_load_n(&cond->waiters, __ATOMIC_SEQ_CST))
        heald__plat_word_count(&cond->sequence);
}

int heald_cond_signal_unlock(struct heald_cond *cond, struct heald_mutex *mutex,
                             struct heald_participant *me)
{
    /* Relaxed: the mutex orders it. */
    if (!__atomic_load_n(&cond->waiters, __ATOMIC_RELAXED))
        return heald_mutex_unlock(mutex, me);
    return heald__mutex_unlock_and_count(mutex, me, &cond->sequence);
}

void heald_cond_broadcast(struct heald_cond *cond)
{
    heald_cond_signal(cond);
}
