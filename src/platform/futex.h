/*
 * platform/futex.h: waiting for words of shared memory to change. All that the objects of sync/
 * know of waiting.
 *
 * On Linux this is futex(2). The portable layer looks at the words again and again: right, and
 * slow.
 */
#ifndef HEALD_SRC_PLATFORM_FUTEX_H
#define HEALD_SRC_PLATFORM_FUTEX_H

#include <stdbool.h>
#include <stdint.h>

/* A word, and what it was when the caller decided to wait. */
struct heald_word {
    uint32_t *word;
    uint32_t seen;
};

enum { HEALD_WORDS_MAX = 128 };

/* False: a waiter polls the words, so they must stay where they are. */
extern const bool heald__words_sleep;

/*
 * Blocks until one of the words is woken, or differs from what was seen; returns at once if one
 * does already. The index of one that was woken, or HEALD_WORDS_MAX: none was, or it is not known;
 * -ETIMEDOUT at the deadline (monotonic, absolute); -EINTR; -EFAULT: a word is not there. Shared
 * between processes. At most HEALD_WORDS_MAX words.
 */
int heald__plat_words_wait(const struct heald_word words[], unsigned count, int64_t deadline_ns);

/* Between two reads of a word that another processor is about to change. */
static inline void heald__plat_pause(void)
{
#if defined __x86_64__ || defined __i386__
    __builtin_ia32_pause();
#elif defined __aarch64__
    __asm__ volatile("yield" ::: "memory");
#endif
}

/* Wakes all waiters of the word, which is unchanged. */
void heald__plat_word_wake(uint32_t *word);

/*
 * Change the word and wake all its waiters, in one step where the system can: then a process that
 * is killed has done both or neither. Release: what was written before is seen by those that see
 * the change.
 */
void heald__plat_word_set(uint32_t *word, int value); /* -2048 to 2047 */
void heald__plat_word_count(uint32_t *word);          /* one more */
/* Sets a word that is not 0, and wakes the waiters of both words, in one such step. */
void heald__plat_words_set(uint32_t *word, int value, uint32_t *other);
/* Wakes one waiter of a word of others. The word is neither read nor written, and need not be
 * mapped. */
void heald__plat_word_wake_one(uint32_t *word);

#endif
