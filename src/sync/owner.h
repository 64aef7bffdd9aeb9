/*
 * sync/owner.h: a word that names who holds something, as in a mutex: 0 in its low half, or the id
 * of a participant (region/region.h) and flags in the sixteen bits that an id leaves free. It is
 * taken by a compare-and-swap and given back by one change.
 *
 * Who must wait sets OWNER_WAITERS and sleeps on the low half; who gives back a word with that flag
 * wakes all who sleep, in the system call that changes it (platform/futex.h), so that a kill cannot
 * come between. The change leaves the generation in the high half, where it means nothing.
 */
#ifndef HEALD_SRC_SYNC_OWNER_H
#define HEALD_SRC_SYNC_OWNER_H

#include "region/region.h"

enum {
    OWNER_WAITERS = 1,
    OWNER_PENDING = 2 /* of a read-write lock: it looks for readers, and does not have it yet */
};

/* The low half of one that was given up for ever: no participant has that slot. */
#define OWNER_LOST UINT32_MAX

static inline uint64_t owner_load(const uint64_t *word)
{
    /* Seq_cst: pairs with owner_change(), and with those who store something else and then look at
     * the word, or the other way round (sync/rwlock.c). */
    return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

/* On failure *from is what the word is now. Seq_cst: as owner_load(). */
static inline bool owner_change(uint64_t *word, uint64_t *from, uint64_t to)
{
    return __atomic_compare_exchange_n(word, from, to, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* Has those who hold it wake the caller, who looked at it when it was *word. False: look again. */
static inline bool owner_arm(uint64_t *word, uint64_t *seen)
{
    if (*seen & OWNER_WAITERS)
        return true;
    if (!owner_change(word, seen, *seen | OWNER_WAITERS))
        return false;
    *seen |= OWNER_WAITERS;
    return true;
}

/* Gives back a word that is the caller's and was `seen`: its low half becomes `to`, or with those
 * who sleep on it `to_waiters`. Release: pairs with who takes it. */
static inline void owner_release(uint64_t *word, uint64_t seen, uint32_t to, int to_waiters)
{
    while (!(seen & OWNER_WAITERS))
        if (__atomic_compare_exchange_n(word, &seen, to, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
            return;
    heald__plat_word_set(region_half(word), to_waiters);
}

#endif
