/*
 * platform/linux/futex.c: futex(2) and futex_waitv(2).
 *
 * FUTEX_WAKE_OP changes a word and wakes its waiters in one system call, which a signal, SIGKILL
 * included, finds begun or not begun. The kernel's change is an atomic read-modify-write; the one
 * made here just before it, of the same word, gives it release order (it continues the release
 * sequence) and shows it to ThreadSanitizer. futex_waitv exists from 5.16 on; without it only the
 * first word is waited for, a little while at a time. Times are the kernel's struct, not the C
 * library's, which may have 32-bit seconds.
 */
#include "platform/futex.h"

#include "platform/linux/libc.h"
#include "platform/sys.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/time_types.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

const bool heald__words_sleep = true;

enum { SLICE_MS = 5 };

static struct __kernel_timespec timespec_of(int64_t ns)
{
    return (struct __kernel_timespec){.tv_sec = ns / HEALD_SEC, .tv_nsec = ns % HEALD_SEC};
}

#ifdef SYS_futex_time64
/* What SYS_futex takes on 32 bits: its seconds end in 2038. */
struct old_timespec {
    long sec, nsec;
};

static struct old_timespec old_of(const struct __kernel_timespec *ts)
{
    long sec = ts->tv_sec < LONG_MAX ? (long)ts->tv_sec : LONG_MAX;

    return (struct old_timespec){.sec = sec, .nsec = (long)ts->tv_nsec};
}

static long wait_until(const struct heald_word *w, const struct __kernel_timespec *until)
{
    long n = syscall(SYS_futex_time64, w->word, FUTEX_WAIT_BITSET, w->seen, until, NULL,
                     FUTEX_BITSET_MATCH_ANY);

    /* Before Linux 5.1 there is none. */
    if (n >= 0 || errno != ENOSYS)
        return n;
    struct old_timespec old = {0};
    if (until)
        old = old_of(until);
    return syscall(SYS_futex, w->word, FUTEX_WAIT_BITSET, w->seen, until ? &old : NULL, NULL,
                   FUTEX_BITSET_MATCH_ANY);
}
#else
static long wait_until(const struct heald_word *w, const struct __kernel_timespec *until)
{
    return syscall(SYS_futex, w->word, FUTEX_WAIT_BITSET, w->seen, until, NULL,
                   FUTEX_BITSET_MATCH_ANY);
}
#endif

static int wait_for_one(const struct heald_word *w, int64_t deadline_ns)
{
    struct __kernel_timespec until = timespec_of(deadline_ns);

    if (wait_until(w, deadline_ns == HEALD_FOREVER ? NULL : &until) == 0)
        return 0;
    return errno == EAGAIN ? HEALD_WORDS_MAX : -errno;
}

static int wait_in_slices(const struct heald_word words[], int64_t deadline_ns)
{
    int64_t slice = heald__plat_now(HEALD_CLOCK_MONOTONIC) + SLICE_MS * HEALD_MS;

    int err = wait_for_one(words, slice < deadline_ns ? slice : deadline_ns);
    return err == -ETIMEDOUT && slice < deadline_ns ? HEALD_WORDS_MAX : err;
}

int heald__plat_words_wait(const struct heald_word words[], unsigned count, int64_t deadline_ns)
{
    struct futex_waitv v[HEALD_WORDS_MAX];
    struct __kernel_timespec until = timespec_of(deadline_ns);

    if (count == 1)
        return wait_for_one(words, deadline_ns);
    for (unsigned i = 0; i < count; i++)
        v[i] = (struct futex_waitv){
            .uaddr = (uintptr_t)words[i].word, .val = words[i].seen, .flags = FUTEX_32};
    long n = syscall(SYS_futex_waitv, v, count, 0, deadline_ns == HEALD_FOREVER ? NULL : &until,
                     CLOCK_MONOTONIC);
    if (n >= 0)
        return (int)n;
    if (errno == EAGAIN)
        return HEALD_WORDS_MAX;
    if (errno == ENOSYS || errno == EPERM)
        return wait_in_slices(words, deadline_ns);
    return -errno;
}

void heald__plat_word_wake(uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

void heald__plat_word_wake_one(uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* op is one of FUTEX_OP_SET, FUTEX_OP_ADD. `other` is woken, too; it may be the same. False: the
 * system does not know it; nothing happened. */
static bool change_and_wake(uint32_t *word, int op, int arg, uint32_t *other)
{
    /* It wakes all waiters of its first word; those of the word that it changes, if that was not 0
     * before. If both are the same, they are woken once. */
    long most = other == word ? 0 : INT_MAX;

    /* Release: see above. */
    __atomic_fetch_or(word, 0, __ATOMIC_RELEASE);
    return syscall(SYS_futex, other, FUTEX_WAKE_OP, INT_MAX, most, word,
                   FUTEX_OP(op, arg, FUTEX_OP_CMP_NE, 0)) >= 0;
}

void heald__plat_word_set(uint32_t *word, int value)
{
    if (change_and_wake(word, FUTEX_OP_SET, value & 0xfff, word))
        return;
    __atomic_store_n(word, (uint32_t)value, __ATOMIC_RELEASE);
    heald__plat_word_wake(word);
}

void heald__plat_word_count(uint32_t *word)
{
    if (change_and_wake(word, FUTEX_OP_ADD, 1, word))
        return;
    __atomic_fetch_add(word, 1, __ATOMIC_RELEASE);
    heald__plat_word_wake(word);
}

/* The word was not 0. */
void heald__plat_words_set(uint32_t *word, int value, uint32_t *other)
{
    if (change_and_wake(word, FUTEX_OP_SET, value & 0xfff, other))
        return;
    __atomic_store_n(word, (uint32_t)value, __ATOMIC_RELEASE);
    heald__plat_word_wake(word);
    heald__plat_word_wake(other);
}
