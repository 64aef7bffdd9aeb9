/*
 * aio/state.h: what the library keeps for a process: one struct, which a child of fork(2) finds
 * zeroed, and that is how it begins: nothing outstanding, no thread, no records.
 *
 * Everything here is reached from any thread and from signal handlers, so there is no lock: each
 * field says which atomic protocol it obeys.
 */
#ifndef HEALD_SRC_AIO_STATE_H
#define HEALD_SRC_AIO_STATE_H

#include "base/alloc.h"

#include <heald/op.h>

#include <stdbool.h>
#include <sys/types.h>

enum {
    AIO_SLAB = 1024,  /* records that are made at a time */
    AIO_SLABS = 1024, /* so many times */
    AIO_WORDS = 64,
    AIO_NUMBERS = 1024
};

enum aio_type {
    AIO_SUBMIT, /* a request that begins */
    AIO_DONE,   /* one that a thread of the pool has done */
    AIO_NOTIFY, /* a list that has ended and must be notified */
    AIO_CALL,   /* a function for which no thread could be started */
    AIO_CANCEL,
    AIO_QUIESCE
};

/* What every record begins with. */
struct aio_head {
    struct heald_link link; /* the way to the I/O thread; there, in which list it is */
    uint32_t index;         /* its own, + 1 */
    uint32_t next;          /* atomic; while it is free: the next free one, as index */
    uint8_t type;           /* enum aio_type, on the way */
    bool admitted;          /* the I/O thread's: it is a request that is for a file */
};

struct aio_state {
    /* The way to the I/O thread, see io_thread.c. */
    struct heald_link *top; /* atomic */
    uint32_t sleeping;      /* atomic, a futex: 1 while it may sleep, or a mark: being woken */
    uint32_t running;       /* atomic, a futex: 1: a thread is starting it, 2: it is there */
    uint64_t thread;        /* atomic: the I/O thread's id, or 0 */
    pid_t pid;              /* atomic; whose it is: a child of vfork(2) sees its parent's */
    uint32_t lingering;     /* atomic: 1 while it yields to the submitter on its processor */
    uint32_t pushed;        /* atomic: records since it took some; about */
    int bell;               /* atomic; its eventfd + 1 where the ring cannot wait for `sleeping` */

    struct aio_pools *pools; /* of the I/O thread that is being started */

    /* Free records, see slab.c. */
    uint64_t free; /* atomic: tag and index */
    void *slabs[AIO_SLABS];

    /* The sleepers, see wait.c. */
    uint32_t any, words[AIO_WORDS]; /* atomic, futexes */

    /* Descriptors of which small reads have come from the page cache lately, see submit.c. Atomic.
     */
    uint32_t cached[AIO_NUMBERS];

    /* How many requests are unfinished, by descriptor and in all: a hint for close(2). Atomic. */
    uint32_t unfinished[AIO_NUMBERS];
    uint32_t all_unfinished;
};

/* This process's, made by the first caller: NULL when there is no memory. */
struct aio_state *aio_state(void);

/* The same, or NULL when nobody has asked before. */
struct aio_state *aio_state_if_any(void);

/*
 * ours.c: the library's own numbers, which the program's close(2) must not close. Any thread; add
 * and remove: the I/O thread.
 *
 * aio_ours_next: the first from there on, or UINT_MAX. aio_ours_begin: before the first is added;
 * in a child of fork(2) its parent's are forgotten.
 */
void aio_ours_begin(void);
void aio_ours_add(int fd);
void aio_ours_remove(int fd);
bool aio_ours_has(const struct aio_state *p, int fd);
unsigned aio_ours_next(const struct aio_state *p, unsigned from);

/* Memory of the I/O thread's, in whole pages and not of malloc(3): a child that is left with it has
 * lost nothing. */
extern const struct heald_allocator aio_allocator;

/* A record, zeroed but for its head: NULL when there are too many. Any thread may free it. One that
 * has this index, which may be any number: NULL when there is none. */
void *aio_slab_alloc(struct aio_state *p);
void *aio_slab_at(struct aio_state *p, uint32_t index);
void aio_slab_free(struct aio_state *p, void *record);

#endif
