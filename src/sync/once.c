/*
 * sync/once.c: something that is done once: a mutex, and a mark that it needs no taking any more.
 * Any thread, as the participant it is.
 */
#include <heald/once.h>

#include "sync/wait_ops.h"

#include <errno.h>

/* Acquire: pairs with heald_once_end(): what was done is seen. */
static bool is_done(const struct heald_once *once)
{
    return __atomic_load_n(&once->done, __ATOMIC_ACQUIRE);
}

static int try(void *object, struct heald_participant *me, int64_t *memory,
               struct region_wait *wait)
{
    struct heald_once *once = object;

    if (is_done(once))
        return me->id ? 0 : -ESTALE;
    int err = heald__mutex_try(&once->mutex, me, memory, wait);
    if (err != 0 && err != -EOWNERDEAD)
        return err;
    if (err)
        heald_mutex_consistent(&once->mutex, me);
    if (!is_done(once))
        return err ? err : 1;
    heald_mutex_unlock(&once->mutex, me);
    return 0;
}

static void acquired(void *object, struct heald_participant *me, uint64_t site)
{
    heald__mutex_wait_ops.acquired(&((struct heald_once *)object)->mutex, me, site);
}

const struct sync_wait_ops heald__once_wait_ops = {
    .try = try, .kind = HEALD_OBJECT_ONCE, .acquired = acquired, .taken = 1, .inherits = true};

int heald_once_begin(struct heald_once *once, struct heald_participant *me, int64_t deadline_ns)
{
    if (!is_done(once) && heald__mutex_may_wait(&once->mutex, me) == 0)
        return -EDEADLK;
    me->site = SYNC_SITE;
    return sync_acquired(&heald__once_wait_ops, once, me, SYNC_SITE,
                         heald__sync_block(&heald__once_wait_ops, once, me, deadline_ns));
}

int heald_once_end(struct heald_once *once, struct heald_participant *me, int done)
{
    int err = heald__mutex_may_wait(&once->mutex, me);

    if (err)
        return err;
    if (done)
        __atomic_store_n(&once->done, 1, __ATOMIC_RELEASE);
    return heald_mutex_unlock(&once->mutex, me);
}
