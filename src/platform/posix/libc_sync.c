/* platform/posix/libc_sync.c: POSIX does not say what its locks are made of. */
#include "platform/libc_sync.h"

#include <errno.h>
#include <stddef.h>

int heald__plat_mutex_word(const pthread_mutex_t *mutex, uint32_t **ret_word)
{
    *ret_word = NULL;
    return heald__plat_mutex_is_robust(mutex) ? 0 : -EINVAL;
}

bool heald__plat_mutex_arm(uint32_t *word, uint32_t *ret_seen)
{
    (void)word;
    (void)ret_seen;
    return false;
}

bool heald__plat_mutex_is_mine(const uint32_t *word)
{
    (void)word;
    return false;
}

void heald__plat_mutex_mark(uint32_t *word)
{
    (void)word;
}

uint32_t *heald__plat_sem_word(const sem_t *sem)
{
    (void)sem;
    return NULL;
}

void heald__plat_sem_waiters(const sem_t *sem, int change)
{
    (void)sem;
    (void)change;
}
