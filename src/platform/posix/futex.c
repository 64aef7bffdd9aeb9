/*
 * platform/posix/futex.c: POSIX has no way to wait for a word, so the words are looked at, after
 * longer and longer naps. Nobody need be woken.
 */
#include "platform/futex.h"

#include "platform/sys.h"

#include <errno.h>
#include <stdbool.h>
#include <time.h>

const bool heald__words_sleep = false;

enum { NAP_FIRST_NS = 50 * 1000, NAP_LAST_NS = 2 * 1000 * 1000 };

static bool changed(const struct heald_word words[], unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (__atomic_load_n(words[i].word, __ATOMIC_ACQUIRE) != words[i].seen)
            return true;
    return false;
}

int heald__plat_words_wait(const struct heald_word words[], unsigned count, int64_t deadline_ns)
{
    struct timespec nap = {.tv_nsec = NAP_FIRST_NS};

    while (!changed(words, count)) {
        if (deadline_ns != HEALD_FOREVER && heald__plat_now(HEALD_CLOCK_MONOTONIC) >= deadline_ns)
            return -ETIMEDOUT;
        if (nanosleep(&nap, NULL) < 0)
            return -EINTR;
        if (nap.tv_nsec < NAP_LAST_NS)
            nap.tv_nsec *= 2;
    }
    return HEALD_WORDS_MAX;
}

void heald__plat_word_wake_one(uint32_t *word)
{
    (void)word;
}

void heald__plat_word_set(uint32_t *word, int value)
{
    __atomic_store_n(word, (uint32_t)value, __ATOMIC_RELEASE);
}

void heald__plat_word_count(uint32_t *word)
{
    __atomic_fetch_add(word, 1, __ATOMIC_RELEASE);
}

void heald__plat_word_wake(uint32_t *word)
{
    (void)word;
}

void heald__plat_words_set(uint32_t *word, int value, uint32_t *other)
{
    (void)other;
    heald__plat_word_set(word, value);
}
