/*
 * platform/libc_sync.h: where the C library's locks keep the word that their waiters sleep on, and
 * what it says. All that is known of their layout. The words are shared between processes.
 */
#ifndef HEALD_SRC_PLATFORM_LIBC_SYNC_H
#define HEALD_SRC_PLATFORM_LIBC_SYNC_H

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>

/* Do its bits say that it is robust and shared? For the platforms themselves. */
bool heald__plat_mutex_is_robust(const pthread_mutex_t *mutex);

/* The word of a mutex; NULL: it is not known. -EINVAL: the mutex is not robust, or not shared
 * between processes. */
int heald__plat_mutex_word(const pthread_mutex_t *mutex, uint32_t **ret_word);

/* Whether it has a holder, which from now on wakes a waiter; *ret_seen is the value of the word. */
bool heald__plat_mutex_arm(uint32_t *word, uint32_t *ret_seen);

/* Does the calling thread hold it? */
bool heald__plat_mutex_is_mine(const uint32_t *word);

/* The caller, which holds it, wakes one waiter when it unlocks it. */
void heald__plat_mutex_mark(uint32_t *word);

/* The word of a semaphore, which is 0 while there is nothing to take; NULL: it is not known. */
uint32_t *heald__plat_sem_word(const sem_t *sem);

/* One waiter more (1) or less (-1): while there are any, sem_post() wakes one. Only where the word
 * is known. */
void heald__plat_sem_waiters(const sem_t *sem, int change);

#endif
