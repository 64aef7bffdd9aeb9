/*
 * test/soak/book.c: what a lock guards. Its pages are equal, but while a worker writes; one that is
 * killed while writing leaves them different, and the next holder, which gets -EOWNERDEAD, repairs
 * them.
 *
 * A life is entered when the lock is acquired and struck out before the unlock, so a life that is
 * entered has the lock, unless it was killed: which the killer notes before it does.
 */
#include "soak/each.h"

static struct book *book_of(const struct task *t)
{
    return &soak_place(t)->book;
}

static void check_pages(const struct task *t, const char *what)
{
    const struct book *b = book_of(t);

    for (int i = 1; i < PAGES; i++)
        if (b->pages[i] != b->pages[0])
            soak_fail(t, what, b->pages[i] - b->pages[0]);
}

void book_open(const struct task *t, bool died)
{
    struct shared *s = t->worker->shared;
    struct book *b = book_of(t);
    uint64_t was = __atomic_exchange_n(&b->writer, soak_life(t->worker), __ATOMIC_SEQ_CST);

    if (!died && was)
        soak_fail(t, "two have the lock", (long)was);
    if (!soak_is_nobody(s, was))
        soak_fail(t, "told of the death of one who lives", (long)was);
    for (int i = 0; i < WORKERS; i++)
        if (!soak_is_nobody(s, __atomic_load_n(&b->readers[i], __ATOMIC_SEQ_CST)))
            soak_fail(t, "one writes while another reads", i);
    if (died)
        for (int i = 1; i < PAGES; i++)
            b->pages[i] = b->pages[0];
    else
        check_pages(t, "not told that the pages are half written");
}

void book_write(const struct task *t)
{
    struct book *b = book_of(t);

    for (int i = 0; i < PAGES; i++) {
        __atomic_store_n(&b->pages[i], b->pages[i] + 1, __ATOMIC_RELAXED);
        if (i == PAGES / 2)
            soak_dwell(t->worker);
    }
}

void book_close(const struct task *t)
{
    if (__atomic_exchange_n(&book_of(t)->writer, 0, __ATOMIC_SEQ_CST) != soak_life(t->worker))
        soak_fail(t, "another came in meanwhile", 0);
}

void book_read(const struct task *t)
{
    struct book *b = book_of(t);

    __atomic_store_n(&b->readers[t->worker->life.worker], soak_life(t->worker), __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&b->writer, __ATOMIC_SEQ_CST))
        soak_fail(t, "one reads while another writes", 0);
    check_pages(t, "reads half written pages");
    soak_dwell(t->worker);
}

void book_stop_reading(const struct task *t)
{
    check_pages(t, "pages change while they are read");
    __atomic_store_n(&book_of(t)->readers[t->worker->life.worker], 0, __ATOMIC_SEQ_CST);
}
