/*
 * sync/prepare_to_wait.h: the first half of each wait: everything but the waiting, which is done by
 * blocking (heald__region_wait()) or in a loop (await/).
 */
#ifndef HEALD_SRC_SYNC_PREPARE_TO_WAIT_H
#define HEALD_SRC_SYNC_PREPARE_TO_WAIT_H

#include <heald/cond.h>

#include "region/region.h"

#include <errno.h>

/* The enum heald_wait_flag of a wait with this deadline. */
static inline unsigned sync_wait_flags(int64_t deadline_ns)
{
    return deadline_ns == HEALD_FOREVER ? 0 : HEALD_WAIT_DEADLINE;
}

/* What a call says that finds an object corrupt, or its participant detached. */
static inline int sync_refusal(const struct heald_participant *me)
{
    return me->id ? -EBADMSG : -ESTALE;
}

/* The address in the program that called the function that says this. */
#define SYNC_SITE ((uint64_t)(uintptr_t)__builtin_return_address(0))

/*
 * As heald_mutex_trylock(), but where that is -EBUSY, or -EDEADLK, or locks a recursive mutex once
 * more, this is -EBUSY and says what to wait for before the next attempt.
 */
int heald__mutex_try(struct heald_mutex *mutex, struct heald_participant *me, int64_t *tries,
                     struct region_wait *ret_wait);

/* As heald_mutex_lock(), for a call at that site. */
int heald__mutex_lock_from(struct heald_mutex *mutex, struct heald_participant *me,
                           int64_t deadline_ns, uint64_t site);

/* As heald_mutex_unlock(), and if that is 0 the other word has been incremented, and its waiters
 * were woken, in the same step in which the mutex was unlocked. */
int heald__mutex_unlock_and_count(struct heald_mutex *mutex, struct heald_participant *me,
                                  uint32_t *also);

/* Would giving the mutex back once not give it free, or give it up? -EPERM: it is not the caller's;
 * -EINVAL: so it is; 0; -ESTALE. */
int heald__mutex_may_wait(const struct heald_mutex *mutex, const struct heald_participant *me);

/* Unlocks the mutex and says what to wait for; then heald__cond_finish_wait(), and the mutex again.
 * Errors as heald_cond_wait(). */
int heald__cond_prepare_to_wait(struct heald_cond *cond, struct heald_mutex *mutex,
                                struct heald_participant *me, struct region_wait *ret_wait);
void heald__cond_finish_wait(struct heald_cond *cond);

#endif
