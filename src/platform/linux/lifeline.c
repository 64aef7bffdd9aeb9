/*
 * platform/linux/lifeline.c: where the futex of a robust mutex lies: glibc has it in the first word
 * of pthread_mutex_t and musl in the second, permanently, since the layout is shared between
 * processes. The kernel defines what is in it: the holder's thread id, FUTEX_WAITERS,
 * FUTEX_OWNER_DIED.
 */
#include "platform/lifeline.h"

#include <linux/futex.h>
#include <stdbool.h>

static uint32_t *word_of(struct heald_lifeline *life)
{
    uint32_t *words = (uint32_t *)(void *)&life->mutex;
#ifdef __GLIBC__
    return &words[0];
#else
    return &words[1];
#endif
}

enum heald_life heald__plat_life_state(struct heald_lifeline *life)
{
    uint32_t seen = __atomic_load_n(word_of(life), __ATOMIC_ACQUIRE);

    if (seen & FUTEX_OWNER_DIED)
        return HEALD_LIFE_ENDED;
    return seen & FUTEX_TID_MASK ? HEALD_LIFE_HELD : HEALD_LIFE_FREE;
}

uint32_t *heald__plat_life_watch(struct heald_lifeline *life, uint32_t *ret_seen)
{
    uint32_t *word = word_of(life), seen = __atomic_load_n(word, __ATOMIC_ACQUIRE);

    do {
        if (!(seen & FUTEX_TID_MASK) || seen & FUTEX_OWNER_DIED)
            return NULL;
        /* Without WAITERS the kernel would wake nobody. */
    } while (!__atomic_compare_exchange_n(word, &seen, seen | FUTEX_WAITERS, false,
                                          __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE));
    *ret_seen = seen | FUTEX_WAITERS;
    return word;
}
