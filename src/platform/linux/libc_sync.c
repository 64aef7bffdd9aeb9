/*
 * platform/linux/libc_sync.c: the words of the C library's locks; see libc_sync.h.
 *
 * A mutex: the kernel says what is in the word (the owner's thread id, FUTEX_WAITERS,
 * FUTEX_OWNER_DIED), since it marks it when the owner dies. Where it lies (glibc: the first word,
 * musl: the second) is found by locking one of our own and looking where our id appears; glibc
 * keeps a copy of the id further back.
 *
 * A semaphore, of glibc with 64 bits: one 64-bit number, the value in its low half and how many
 * wait in its high one; sem_post() adds 1 and wakes one of the low half if anybody waits. Other
 * layouts (32 bits, musl) are treated as not known.
 */
#include "platform/libc_sync.h"

#include "platform/lifeline.h"
#include "platform/shm.h"

#include <errno.h>
#include <linux/futex.h>

/* The index of the word in a mutex; -1: it was not found. */
static int probe(void)
{
    enum { PLACES = 2 };
    struct heald_lifeline own;
    int place = -1;

    if (heald__plat_life_init(&own) || heald__plat_life_acquire(&own))
        return -1;
    const uint32_t *words = (const uint32_t *)(const void *)&own.mutex;
    for (int i = 0; i < PLACES && place < 0; i++)
        if ((__atomic_load_n(&words[i], __ATOMIC_RELAXED) & FUTEX_TID_MASK) ==
            heald__plat_thread_id())
            place = i;
    heald__plat_life_release(&own);
    pthread_mutex_destroy(&own.mutex);
    return place;
}

int heald__plat_mutex_word(const pthread_mutex_t *mutex, uint32_t **ret_word)
{
    if (!heald__plat_mutex_is_robust(mutex))
        return -EINVAL;
    int place = probe();
    *ret_word = place < 0 ? NULL : (uint32_t *)(uintptr_t)mutex + place;
    return 0;
}

bool heald__plat_mutex_arm(uint32_t *word, uint32_t *ret_seen)
{
    /* Relaxed: a caller that finds it free tries to lock it, which acquires. */
    uint32_t seen = __atomic_load_n(word, __ATOMIC_RELAXED);

    do {
        if (!(seen & FUTEX_TID_MASK) || seen & FUTEX_OWNER_DIED)
            return false;
        /* Pairs with the exchange of the unlock, which wakes if it finds the flag. */
    } while (!__atomic_compare_exchange_n(word, &seen, seen | FUTEX_WAITERS, false,
                                          __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
    *ret_seen = seen | FUTEX_WAITERS;
    return true;
}

bool heald__plat_mutex_is_mine(const uint32_t *word)
{
    /* Relaxed: only the caller can have made itself the holder. */
    return (__atomic_load_n(word, __ATOMIC_RELAXED) & FUTEX_TID_MASK) == heald__plat_thread_id();
}

void heald__plat_mutex_mark(uint32_t *word)
{
    __atomic_fetch_or(word, FUTEX_WAITERS, __ATOMIC_RELAXED);
}

#if defined __GLIBC__ && defined __LP64__
enum { IS_KNOWN = 1 };
#else
enum { IS_KNOWN = 0 };
#endif

enum { IS_BIG_ENDIAN = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__, WAITERS_SHIFT = 32 };

uint32_t *heald__plat_sem_word(const sem_t *sem)
{
    return IS_KNOWN ? (uint32_t *)(uintptr_t)sem + IS_BIG_ENDIAN : NULL;
}

void heald__plat_sem_waiters(const sem_t *sem, int change)
{
    /* Seq_cst: before the value is looked at again; pairs with sem_post(), which adds to the same
     * number and so sees it, or is seen. */
    if (IS_KNOWN)
        __atomic_fetch_add((uint64_t *)(uintptr_t)sem, (uint64_t)(int64_t)change << WAITERS_SHIFT,
                           __ATOMIC_SEQ_CST);
}
