/*
 * heald/futex.h: what others wait with: robust mutexes and semaphores of the C library, and bare
 * futex words, awaited in a loop.
 *
 * They lie in memory shared between processes, which need not be a region, and those who use them
 * need know nothing of heald; objects private to a process are not supported. The memory stays
 * where it is until the op has completed. All is done on the loop's thread; how it waits, and that
 * it looks now and then whatever it was told, is said in heald/await.h. An op that ends without
 * having taken anything wakes one of those who wait besides, so that no wake is lost with it; they
 * must take a wake for nothing, as all who wait for a futex must.
 *
 * The words of the objects are known for glibc and musl (a mutex) and for glibc where a pointer has
 * 64 bits (a semaphore). Elsewhere, and on the portable platform, an op tries every few
 * milliseconds.
 */
#ifndef HEALD_FUTEX_H
#define HEALD_FUTEX_H

#include <heald/op.h>

#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Locks a robust, process-shared mutex for the loop's thread, as pthread_mutex_lock() there would:
 * it is unlocked with pthread_mutex_unlock() on that thread.
 *
 * 0: it is the thread's. -EOWNERDEAD: so it is, but its last owner died with it: see
 * pthread_mutex_consistent(3). All others: not locked. -ENOTRECOVERABLE; -EDEADLK: the thread had
 * it already at submit (later it is waited for: another op may give it back); -EINVAL: it is not
 * robust, or not shared; -EAGAIN: locked too many times over. The prep returns 0, -EBUSY if the op
 * is pending, -EINVAL for a NULL. At submit: as in heald/await.h.
 */
HEALD_API int heald_prep_pthread_mutex_lock(struct heald_op *op, pthread_mutex_t *mutex);

/*
 * Takes one from a semaphore, named (sem_open()) or in shared memory, as sem_wait() would; 0, or
 * -EINVAL: it is none. If a process dies while its op waits, sem_post() makes a system call too
 * many from then on, and what it was woken for is seen by other ops when they look. Prep and submit
 * as above.
 */
HEALD_API int heald_prep_sem_t_wait(struct heald_op *op, sem_t *sem);

/* A word, four bytes aligned to four, and what it is while there is nothing to hear of. */
struct heald_futex {
    uint32_t *word;
    uint32_t expected;
};

enum { HEALD_FUTEX_MAX = 128 };

/*
 * Waits until a word is not what was expected, or is woken (FUTEX_WAKE, not FUTEX_PRIVATE_FLAG); 0,
 * perhaps for nothing. As with futex(2) a wake is sure to be heard only if the word was changed
 * before. The prep returns -EINVAL for a word that is NULL or not aligned, too.
 */
HEALD_API int heald_prep_futex_wait(struct heald_op *op, uint32_t *word, uint32_t expected);

/* The same for any of up to HEALD_FUTEX_MAX words; the result is the index of one that was woken or
 * differs. The array stays until the op has completed. -EINVAL: no words or too many. */
HEALD_API int heald_prep_futex_wait_any(struct heald_op *op, const struct heald_futex words[],
                                        unsigned count);

#ifdef __cplusplus
}
#endif
#endif
