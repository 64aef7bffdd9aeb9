/*
 * aio/ask.c: a call that waits for the I/O thread's answer. Any thread, signal handlers included.
 *
 * The question lies in a record, and signals are blocked from before the record exists until it is
 * released: so a handler that jumps out of the call (siglongjmp(3)) finds it either not begun or
 * completed. The I/O thread needs no handler to answer, so the wait ends. Without a record the call
 * waits for one: requests that end release theirs.
 */
#include "aio/request.h"
#include "platform/futex.h"

#include <signal.h>

#define AGAIN_NS HEALD_MS

void aio_ask_answer(struct aio_ask *ask)
{
    int answer = ask->running ? AIO_NOTCANCELED : ask->canceled ? AIO_CANCELED : AIO_ALLDONE;

    /* Release: pairs with wait_for(). The record may be another's by the time of the wake, which
     * then checks once in vain. */
    __atomic_store_n(&ask->answer, 1 + (uint32_t)answer, __ATOMIC_RELEASE);
    heald__plat_word_wake(&ask->answer);
}

void aio_ask_part(struct aio_ask *ask)
{
    if (--ask->open)
        return;
    list_remove(&ask->head.link);
    aio_ask_answer(ask);
}

static struct aio_ask *record_for(struct aio_state *p)
{
    struct aio_ask *record;

    while (!(record = aio_slab_alloc(p)))
        heald__sys_native.poll(NULL, 0, AGAIN_NS);
    return record;
}

static void wait_for(struct aio_ask *record)
{
    /* Acquire: pairs with aio_ask_answer(). */
    while (!__atomic_load_n(&record->answer, __ATOMIC_ACQUIRE)) {
        struct heald_word w = {&record->answer, 0};
        heald__plat_words_wait(&w, 1, HEALD_FOREVER);
    }
}

void aio_ask(struct aio_state *p, struct aio_ask *ask, enum aio_type type)
{
    sigset_t all, old;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    struct aio_ask *record = record_for(p);
    record->first = ask->first;
    record->last = ask->last;
    record->cb = ask->cb;
    record->index = ask->index;
    record->moves = ask->moves;
    aio_io_thread_push(p, &record->head, type);
    wait_for(record);
    ask->answer = record->answer;
    ask->busy = record->busy;
    aio_slab_free(p, record);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}
