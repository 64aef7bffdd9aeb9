/*
 * sync/owner.h: a word that names the holder of something, as in a mutex: 0 in its low half, or the
 * id of a participant (region/region.h) and flags in the sixteen bits that an id leaves free. It is
 * acquired by a compare-and-swap and released by one change.
 *
 * A waiter sets OWNER_WAITERS and sleeps on the low half; the release of a word with that flag
 * wakes all sleepers, in the system call that changes it (platform/futex.h), so that a kill cannot
 * come between. The change leaves the generation in the high half, where it means nothing.
 */
#ifndef HEALD_SRC_SYNC_OWNER_H
#define HEALD_SRC_SYNC_OWNER_H

#include "region/region.h"

enum {
    OWNER_WAITERS = 1,
    OWNER_PENDING = 2 /* of a read-write lock: it looks for readers, and does not have it yet */
};

/* The low half of one that is permanently lost: no participant has that slot. */
#define OWNER_LOST UINT32_MAX

static inline uint64_t owner_load(const uint64_t *word)
{
    /* Seq_cst: pairs with owner_change(), and with code that stores something else and then reads
     * the word, or the other way round (sync/rwlock.c). */
    return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

/* On failure *from is what the word is now. Seq_cst: as owner_load(). */
static inline bool owner_change(uint64_t *word, uint64_t *from, uint64_t to)
{
    return __atomic_compare_exchange_n(word, from, to, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* Has the holder wake the caller, which read it when it was *word. False: read it again. */
static inline bool owner_arm(uint64_t *word, uint64_t *seen)
{
    if (*seen & OWNER_WAITERS)
        return true;
    if (!owner_change(word, seen, *seen | OWNER_WAITERS))
        return false;
    *seen |= OWNER_WAITERS;
    return true;
}

/* Releases a word that is the caller's and was `seen`: its low half becomes `to`, or with sleepers
 * on it `to_waiters`. Release: pairs with the next holder's acquire. */
static inline void owner_release(uint64_t *word, uint64_t seen, uint32_t to, int to_waiters)
{
    while (!(seen & OWNER_WAITERS))
        if (__atomic_compare_exchange_n(word, &seen, to, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
            return;
    heald__plat_word_set(region_half(word), to_waiters);
}

#endif
