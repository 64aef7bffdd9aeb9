/* platform/common/libc_sync.c: what POSIX alone says of its mutexes; see libc_sync.h. */
#include "platform/libc_sync.h"
#include "platform/lifeline.h"

#include <string.h>

/*
 * What a new robust, shared mutex has that is not zero are the bits that say so: they must be
 * there, whatever else the mutex is.
 */
bool heald__plat_mutex_is_robust(const pthread_mutex_t *mutex)
{
    struct heald_lifeline fresh;
    uint32_t want, have;

    if (heald__plat_life_init(&fresh))
        return false;
    for (size_t i = 0; i + sizeof want <= sizeof fresh.mutex; i += sizeof want) {
        memcpy(&want, (const char *)&fresh.mutex + i, sizeof want);
        memcpy(&have, (const char *)mutex + i, sizeof have);
        if ((want & have) != want)
            return false;
    }
    return true;
}
