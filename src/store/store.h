/*
 * store/store.h: what stands at the beginning of a region's heap, and changing it by halves that
 * nobody sees.
 *
 * Enter, change words by heald__store_set() alone, and leave; or fail, and all is as it was.
 */
#ifndef HEALD_SRC_STORE_STORE_H
#define HEALD_SRC_STORE_STORE_H

#include <heald/heap.h>
#include <heald/mutex.h>

#include "region/region.h"

enum {
    STORE_JOURNAL = 64,
    STORE_ALIGN = 16,
    STORE_SUBCLASSES = 16, /* of each power of two */
    STORE_CLASSES = 40
};

/* A word that was changed, and what it was. */
struct store_change {
    uint64_t at, old;
};

struct store {
    struct heald_mutex mutex; /* guards all below, and the names */
    uint64_t change_count;
    struct store_change changes[STORE_JOURNAL];
    uint64_t end; /* where the last block lies, which is none; 0: nothing is made yet */
    uint64_t used, blocks;
    uint64_t classes;                   /* a bit for each class with a free block */
    uint64_t subclasses[STORE_CLASSES]; /* the same for its subclasses */
    uint64_t heads[STORE_CLASSES][STORE_SUBCLASSES];
};

/* What one who is inside keeps. */
struct store_visit {
    struct heald_participant *me;
    struct heald_region *region;
    struct store *store;
    bool is_corrupt; /* something was found that cannot be */
};

/* 0: inside. -ENOSYS: the region has no heap; -ESTALE, -EBADMSG. */
int heald__store_enter(struct store_visit *v, struct heald_participant *me);

/* Changes a word, of the region or -EBADMSG in the end. */
void heald__store_set(struct store_visit *v, uint64_t *word, uint64_t value);

/* What was changed so far is not undone any more. */
void heald__store_commit(struct store_visit *v);

/* Leaves. With an error, or if something is corrupt, nothing was changed; the error. */
int heald__store_leave(struct store_visit *v, int err);

/*
 * Inside: takes zeroed memory of the heap, and notes where in the word, or gives it back: see
 * heald_alloc(), heald_free().
 */
int heald__store_take(struct store_visit *v, uint64_t size, uint64_t *where);
int heald__store_give(struct store_visit *v, uint64_t *where);

#endif
