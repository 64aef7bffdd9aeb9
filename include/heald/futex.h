/*
 * heald/futex.h: locks of the C library and futex words as operations of a loop.
 *
 * The objects are robust mutexes, semaphores and bare words in memory that processes share. The
 * memory need not be a region, and the other processes need not use heald. Objects that are private
 * to a process are not supported. The memory stays in place until the op has completed. The loop
 * waits, and tries again from time to time, as heald/await.h says.
 *
 * An op that completes without acquiring anything wakes another waiter, so that no wakeup is lost
 * with it. As with any futex, a waiter must expect a wakeup without a cause.
 *
 * heald knows the words of a mutex of glibc and musl, and of a semaphore of glibc with 64-bit
 * pointers. For others, and on the portable platform, an op tries every few milliseconds.
 *
 * The preps do not block and are called by the thread that uses the op. They return:
 *
 *   0         prepared
 *   -EBUSY    the op is pending
 *   -EINVAL   a pointer is NULL, or as below
 *
 * heald_submit() returns the errors of heald/await.h.
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
 * Locks a robust, process-shared mutex for the loop's thread, as pthread_mutex_lock(3). That thread
 * unlocks it with pthread_mutex_unlock(3). The mutex is locked after 0 and -EOWNERDEAD. The
 * results:
 *
 *   0                  locked
 *   -EOWNERDEAD        locked; the last owner died: see pthread_mutex_consistent(3)
 *   -ENOTRECOVERABLE   the mutex was given up
 *   -EDEADLK           the thread held it at the submission. If it locks it later the op waits,
 *                      because another op may unlock it
 *   -EINVAL            the mutex is not robust, or not process-shared
 *   -EAGAIN            a recursive mutex is locked too many times
 */
HEALD_API int heald_prep_pthread_mutex_lock(struct heald_op *op, pthread_mutex_t *mutex);

/*
 * Decrements a semaphore, as sem_wait(3): a named one (sem_open(3)), or one in shared memory. If a
 * process dies while its op waits, every later sem_post(3) makes a system call more, and other ops
 * find what it was woken for when they try again. The results:
 *
 *   0         decremented
 *   -EINVAL   it is not a semaphore
 */
HEALD_API int heald_prep_sem_t_wait(struct heald_op *op, sem_t *sem);

/* A word, aligned to 4 bytes, and the value with which an op waits. */
struct heald_futex {
    uint32_t *word;
    uint32_t expected;
};

enum { HEALD_FUTEX_MAX = 128 };

/*
 * Waits until a word differs from `expected` or is woken (FUTEX_WAKE without FUTEX_PRIVATE_FLAG).
 * The result is 0, perhaps without a cause. As with futex(2), a wakeup is reported reliably only if
 * the word was changed before.
 *
 *   -EINVAL   (prep) word is not aligned to 4 bytes
 */
HEALD_API int heald_prep_futex_wait(struct heald_op *op, uint32_t *word, uint32_t expected);

/*
 * The same for any of `count` words. The result is the index of a word that was woken or differs.
 * The array stays in place until the op has completed.
 *
 *   -EINVAL   (prep) count is 0 or above HEALD_FUTEX_MAX, or a word is not aligned to 4 bytes
 */
HEALD_API int heald_prep_futex_wait_any(struct heald_op *op, const struct heald_futex words[],
                                        unsigned count);

#ifdef __cplusplus
}
#endif
#endif
