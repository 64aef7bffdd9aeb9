/*
 * aio/wait.c: aio_suspend(3), and how a sleeper is woken. Safe in a signal handler: no lock, no
 * memory, nothing that is left behind when a thread is cancelled or jumps out.
 *
 * Argument. A thread that waits for one block sleeps on the word that its address chooses, one that
 * waits for many on the word `any`. The lowest bit of a word says that a thread may sleep on it;
 * the rest counts. A sleeper sets the bit, then reads the blocks, then sleeps if the word is
 * unchanged. The I/O thread stores the block's error, and after a fence reads the word: if the bit
 * is set it adds one, which clears it, and wakes all. Of the two stores and two loads, a fence
 * between each pair, at least one sees the other's: either the sleeper finds the block done, or the
 * I/O thread finds the bit, and then the word has changed or a wake comes. A bit without a sleeper
 * costs one wake.
 */
#include "aio/request.h"
#include "platform/futex.h"

#include <errno.h>

unsigned aio_word_of(const struct aiocb *cb)
{
    uintptr_t a = (uintptr_t)cb;
    return (a >> 6 ^ a >> 12) % AIO_WORDS;
}

static void tell(uint32_t *word)
{
    uint32_t seen = __atomic_load_n(word, __ATOMIC_RELAXED);

    while (seen & 1)
        if (__atomic_compare_exchange_n(word, &seen, seen + 1, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_RELAXED)) {
            heald__plat_word_wake(word);
            return;
        }
}

void aio_words_wake(struct aio_state *p, uint64_t touched)
{
    if (!touched)
        return;
    /* Between the blocks' errors and the words: pairs with the fence in wait_for_any(). */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    tell(&p->any);
    for (; touched; touched &= touched - 1)
        tell(&p->words[__builtin_ctzll(touched)]);
}

static bool any_done(const struct aiocb *const list[], int n)
{
    bool any = false;

    for (int i = 0; i < n; i++) {
        if (list[i] && !aio_in_progress(list[i]))
            return true;
        any |= list[i] != NULL;
    }
    return !any; /* nothing to wait for */
}

/* Where a thread may be cancelled: only the sleep itself, and there is nothing to undo. */
static int sleep_cancelable(uint32_t *word, uint32_t seen, int64_t deadline_ns)
{
    struct heald_word w = {word, seen};
    int old;

    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
    int err = heald__plat_words_wait(&w, 1, deadline_ns);
    pthread_setcanceltype(old, NULL);
    return err;
}

static int wait_for_any(uint32_t *word, const struct aiocb *const list[], int n,
                        int64_t deadline_ns)
{
    for (;;) {
        uint32_t seen = __atomic_fetch_or(word, 1, __ATOMIC_SEQ_CST) | 1;
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        if (any_done(list, n))
            return 0;
        int err = sleep_cancelable(word, seen, deadline_ns);
        if (err == -EINTR)
            return -EINTR;
        if (err == -ETIMEDOUT)
            return any_done(list, n) ? 0 : -EAGAIN;
    }
}

static int deadline_of(const struct timespec *timeout, int64_t *ret_ns)
{
    *ret_ns = HEALD_FOREVER;
    if (!timeout)
        return 0;
    if (timeout->tv_sec < 0 || timeout->tv_nsec < 0 || timeout->tv_nsec >= HEALD_SEC)
        return -EINVAL;
    int64_t now = heald__plat_now(HEALD_CLOCK_MONOTONIC);
    if (timeout->tv_sec < (HEALD_FOREVER - now) / HEALD_SEC - 1)
        *ret_ns = now + timeout->tv_sec * HEALD_SEC + timeout->tv_nsec;
    return 0;
}

/* The first that is there decides where to sleep, if it is the only one. */
static uint32_t *word_for(struct aio_state *p, const struct aiocb *const list[], int n)
{
    return n == 1 ? &p->words[aio_word_of(list[0])] : &p->any;
}

int aio_wait(const struct aiocb *const list[], int n, const struct timespec *timeout)
{
    struct aio_state *p = aio_state();
    int64_t deadline_ns;

    pthread_testcancel();
    int err = n < 0 ? -EINVAL : deadline_of(timeout, &deadline_ns);
    if (!err && !any_done(list, n))
        err = p ? wait_for_any(word_for(p, list, n), list, n, deadline_ns) : -EAGAIN;
    return err;
}
