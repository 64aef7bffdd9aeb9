/*
 * sync/wait_ops.h: a wait for an object: a try, which acquires it or says what to wait for, and an
 * undo of the tries for a wait that is given up. Neither blocks.
 */
#ifndef HEALD_SRC_SYNC_WAIT_OPS_H
#define HEALD_SRC_SYNC_WAIT_OPS_H

#include "sync/prepare_to_wait.h"

/*
 * try: one try. `memory` is 0 at the first try of a wait, and then what the last try
 * left there. abandon (or NULL) undoes what the tries did when the wait is given up; what it
 * returns, if not -EBUSY, is the result after all.
 */
typedef int sync_try(void *object, struct heald_participant *me, int64_t *memory,
                     struct region_wait *ret_wait);
typedef int sync_abandon(void *object, struct heald_participant *me, int64_t *memory);

struct sync_wait_ops {
    sync_try *try;
    sync_abandon *abandon;
    enum heald_object_type kind;
    unsigned flags; /* enum heald_wait_flag: to do what */
    /* What is kept of it once it is the caller's: for people, and for the order of locks; or NULL.
     * It is by the result `taken`, and if `inherits` by -EOWNERDEAD, too. */
    void (*acquired)(void *object, struct heald_participant *me, uint64_t site);
    int taken;
    bool inherits;
};

/* An attempt, made at `site`, came to `result`. Returns that. */
static inline int sync_acquired(const struct sync_wait_ops *ops, void *object,
                                struct heald_participant *me, uint64_t site, int result)
{
    if (ops->acquired && (result == ops->taken || (result == -EOWNERDEAD && ops->inherits)))
        ops->acquired(object, me, site);
    return result;
}

/* Gives a wait up: `result`, or what it came to after all. */
int heald__sync_abandon(const struct sync_wait_ops *ops, void *object, struct heald_participant *me,
                        int64_t *memory, int result);

/* Blocks until the object is acquired, or until the deadline. */
int heald__sync_block(const struct sync_wait_ops *ops, void *object, struct heald_participant *me,
                      int64_t deadline_ns);

/* The same, and *memory, which is 0 before, is what the last look left there. */
int heald__sync_block_keep(const struct sync_wait_ops *ops, void *object,
                           struct heald_participant *me, int64_t deadline_ns, int64_t *memory);

/* The forms that there are. */
extern const struct sync_wait_ops heald__mutex_wait_ops, heald__sem_wait_ops,
    heald__rdlock_wait_ops, heald__wrlock_wait_ops, heald__barrier_wait_ops, heald__once_wait_ops;

#endif
