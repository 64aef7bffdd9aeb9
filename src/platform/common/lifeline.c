/* platform/common/lifeline.c: the part of lifelines that POSIX robust mutexes carry alone; see
 * lifeline.h. */
#include "platform/lifeline.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

int heald__plat_life_init(struct heald_lifeline *life)
{
    pthread_mutexattr_t attr;
    int err = pthread_mutexattr_init(&attr);

    if (err)
        return -err;
    memset(life, 0, sizeof *life);
    err = pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    if (!err)
        err = pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    if (!err)
        err = pthread_mutex_init(&life->mutex, &attr);
    pthread_mutexattr_destroy(&attr);
    return err ? -ENOSYS : 0;
}

/*
 * What a new lifeline has that is not zero is its type, and the type decides what the C library
 * does with the rest: so it must be right, whatever was written over the region.
 */
static bool is_lifeline(const struct heald_lifeline *life)
{
    struct heald_lifeline fresh;
    uint32_t want, have;

    if (heald__plat_life_init(&fresh))
        return false;
    for (size_t i = 0; i + sizeof want <= sizeof fresh; i += sizeof want) {
        memcpy(&want, (const char *)&fresh + i, sizeof want);
        memcpy(&have, (const char *)life + i, sizeof have);
        if (want && want != have)
            return false;
    }
    return true;
}

int heald__plat_life_acquire(struct heald_lifeline *life)
{
    if (!is_lifeline(life))
        return -EBADMSG;
    heald__plat_robust_list_check();
    int err = pthread_mutex_trylock(&life->mutex);
    return err == 0 || err == EBUSY || err == EOWNERDEAD ? -err : -EBADMSG;
}

void heald__plat_life_recovered(struct heald_lifeline *life)
{
    pthread_mutex_consistent(&life->mutex);
}

void heald__plat_life_release(struct heald_lifeline *life)
{
    pthread_mutex_unlock(&life->mutex);
}
