/*
 * ipc/cond.c: an event count. Any thread, as the participant it is.
 *
 * A waiter reads `sequence` while it holds the mutex and sleeps while it is unchanged; a signal
 * changes it and wakes all, in one system call that a kill finds begun or not begun
 * (platform/futex.h). So there is no state between, and nothing of a waiter but its part of
 * `waiters`: if that is too high because one died, signals cost a system call too many.
 *
 * No wake is lost: a waiter counts itself in before it gives the mutex back; whoever changes the
 * condition takes the mutex after that, and so sees the count (the mutex's release and acquire),
 * when it signals. A signal by one who changed nothing under the mutex may be missed, as POSIX has
 * it. `sequence` may come round in 2^32 signals while a waiter is between reading it and sleeping,
 * who then sleeps until the next: nobody has seen that.
 */
#include <heald/cond.h>

#include "ipc/mutex.h"
#include "region/region.h"

#include <errno.h>

static int wait_for_signal(struct heald_cond *cond, struct heald_participant *me, uint32_t seen,
                           uint32_t bell, int64_t deadline_ns)
{
    int err = 0;

    /* Acquire: what was done before the signal is seen after it. A death ends the wait as well: the
     * one who would have signalled may be gone. */
    while (!err && __atomic_load_n(&cond->sequence, __ATOMIC_ACQUIRE) == seen &&
           region_bell(me) == bell)
        err = region_wait(me, &cond->sequence, seen, 0, bell, deadline_ns);
    return err;
}

int heald_cond_wait(struct heald_cond *cond, struct heald_mutex *mutex,
                    struct heald_participant *me, int64_t deadline_ns)
{
    int err = heald_mutex_may_wait(mutex, me), again;
    uint32_t bell, seen;

    if (err)
        return err;
    bell = region_bell(me);
    /* Relaxed: the mutex orders all three. */
    __atomic_fetch_add(&cond->waiters, 1, __ATOMIC_RELAXED);
    seen = __atomic_load_n(&cond->sequence, __ATOMIC_RELAXED);
    heald_mutex_unlock(mutex, me);
    err = wait_for_signal(cond, me, seen, bell, deadline_ns);
    again = heald_mutex_lock(mutex, me, HEALD_FOREVER);
    __atomic_fetch_sub(&cond->waiters, 1, __ATOMIC_RELAXED);
    return again ? again : err;
}

void heald_cond_signal(struct heald_cond *cond)
{
    /* Seq_cst on our side costs nothing and spares the reader the question. */
    if (__atomic_load_n(&cond->waiters, __ATOMIC_SEQ_CST))
        heald_plat_word_count(&cond->sequence);
}

void heald_cond_broadcast(struct heald_cond *cond)
{
    heald_cond_signal(cond);
}
