/*
 * heap/journal.h: what stands at the beginning of a region's heap, and changing it by halves that
 * nobody sees.
 *
 * Enter, change words by heald__journal_set() alone, and leave; or fail, and all is as it was.
 */
#ifndef HEALD_SRC_HEAP_JOURNAL_H
#define HEALD_SRC_HEAP_JOURNAL_H

#include <heald/heap.h>
#include <heald/mutex.h>

#include "region/region.h"

enum {
    HEAP_JOURNAL = 64,
    HEAP_ALIGN = 16,
    HEAP_SUBCLASSES = 16, /* of each power of two */
    HEAP_CLASSES = 40
};

/* A word that was changed, and what it was. */
struct journal_change {
    uint64_t at, old;
};

struct heap {
    struct heald_mutex mutex; /* guards all below, and the names */
    uint64_t change_count;
    struct journal_change changes[HEAP_JOURNAL];
    uint64_t end; /* where the last block lies, which is none; 0: nothing is made yet */
    uint64_t used, blocks;
    uint64_t classes;                  /* a bit for each class with a free block */
    uint64_t subclasses[HEAP_CLASSES]; /* the same for its subclasses */
    uint64_t heads[HEAP_CLASSES][HEAP_SUBCLASSES];
};

/* What a caller that is inside keeps. */
struct journal {
    struct heald_participant *me;
    struct heald_region *region;
    struct heap *heap;
    bool is_corrupt; /* something was found that cannot be */
};

/* 0: inside. -ENOSYS: the region has no heap; -ESTALE, -EBADMSG. */
int heald__journal_begin(struct journal *v, struct heald_participant *me);

/* Changes a word, of the region or -EBADMSG in the end. */
void heald__journal_set(struct journal *v, uint64_t *word, uint64_t value);

/* What was changed so far is not undone any more. */
void heald__journal_commit(struct journal *v);

/* Leaves. With an error, or if something is corrupt, nothing was changed; the error. */
int heald__journal_end(struct journal *v, int err);

/*
 * Inside: allocates zeroed memory of the heap, and records its offset in the word, or frees it: see
 * heald_alloc(), heald_free().
 */
int heald__heap_allocate(struct journal *v, uint64_t size, uint64_t *where);
int heald__heap_free(struct journal *v, uint64_t *where);

#endif
